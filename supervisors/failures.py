"""The last errors of a child, or of all children of a supervisor, for the post-mortem."""

from __future__ import annotations

import attrs

from actors.errors import RestartsExhausted

ERRORS_KEPT = 20
"""Errors kept at most: each holds its frames, and more of the same tells nobody anything new."""


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
        error = RestartsExhausted(text, self._errors, child=child, restarts=restarts, period=period)
        if (earlier := self._seen - len(self._errors)) > 0:
            error.add_note(f"{earlier} earlier ones are left out")
        return error
