"""The last errors of a child, or of all children of a supervisor, for the post-mortem."""

from __future__ import annotations

import attrs

from actors.errors import RestartsExhausted

ERRORS_KEPT = 20
"""Errors kept at most: each holds its frames, and more of the same tells nobody anything new."""

LEVELS_KEPT = 10
"""Post-mortems kept in each other at most: an escalation through more levels leaves out those in the middle.

Python walks groups by recursion, so one in another without bound would end the program when it is split or shown.
"""


@attrs.define(eq=False)
class Failures:
    """What ended the incarnations that cost a restart: as many as a budget's window can hold, and one more.

    Args:
        restarts: the budget's restarts.
    """

    restarts: int
    _errors: tuple[Exception, ...] = ()
    _seen: int = 0

    def add(self, error: Exception) -> None:
        """Keep an error; the oldest goes when there are too many."""
        self._seen += 1
        self._errors = (*self._errors, error)[-min(self.restarts + 1, ERRORS_KEPT) :]

    def post_mortem(self, text: str, *, child: str, restarts: int, period: float) -> RestartsExhausted:
        """Return all that is kept as the error that an escalation raises, oldest first.

        Args:
            text: what happened.
            child: the id of the child that failed last.
            restarts: the spent budget's restarts.
            period: the spent budget's window, seconds.

        Raises:
            ValueError: nothing was ever added.
        """
        errors = [_shallow(error) for error in self._errors]
        error = RestartsExhausted(text, errors, child=child, restarts=restarts, period=period)
        if (earlier := self._seen - len(self._errors)) > 0:
            error.add_note(f"{earlier} earlier ones are left out")
        return error


def _shallow(error: Exception) -> Exception:
    """Return the error, or, if it holds too many others in each other, the last of those in it."""
    inner, levels = error, 0
    while isinstance(inner, RestartsExhausted):
        inner, levels = inner.exceptions[-1], levels + 1
    return error.exceptions[-1] if isinstance(error, RestartsExhausted) and levels >= LEVELS_KEPT else error
