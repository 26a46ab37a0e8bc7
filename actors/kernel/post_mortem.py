"""What is found out about an incarnation that has ended: one error, with notes that say where it came from."""

from __future__ import annotations

import contextlib

from actors.errors import NotNow, RestartsExhausted, StartFailed


def annotate(error: Exception, note: str) -> None:
    """Say on `error` where it struck; an exception that lets nothing be added to it stays as it is.

    What a supervisor says of its children struck elsewhere, and says so itself.
    """
    if isinstance(error, RestartsExhausted | StartFailed):
        return
    with contextlib.suppress(Exception):
        error.add_note(note)


def gathered(actor: str, errors: tuple[Exception, ...]) -> Exception | None:
    """Return what went wrong in an incarnation of `actor`, several errors as a group; None when nothing did."""
    match errors:
        case ():
            return None
        case (only,):
            return only
        case several:
            return ExceptionGroup(f"actor {actor!r} ended with several errors", several)


def has_declined(errors: tuple[Exception, ...]) -> bool:
    """Whether these are the errors of a start that the actor itself did not want."""
    return len(errors) == 1 and isinstance(errors[0], NotNow)
