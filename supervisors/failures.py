"""The last errors of a child, or of all children of a supervisor, for the post-mortem."""

from __future__ import annotations

import attrs

ERRORS_KEPT = 20
"""Errors kept at most: each holds its frames, and more of the same tells nobody anything new."""


@attrs.define(eq=False)
class Failures:
    """The errors behind the restarts of one budget: as many as its window can hold, and one more.

    Args:
        restarts: the budget's restarts.
    """

    restarts: int
    _errors: tuple[Exception, ...] = ()

    def add(self, error: Exception) -> None:
        """Keep an error."""
        self._errors = (*self._errors, error)[-min(self.restarts + 1, ERRORS_KEPT) :]

    def as_cause(self, text: str) -> ExceptionGroup[Exception] | None:
        """Return the errors as a group, oldest first; None when no restart was due to an error."""
        return ExceptionGroup(text, list(self._errors)) if self._errors else None
