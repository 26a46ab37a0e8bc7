"""How long calls that succeed usually take: one number that follows them."""

from __future__ import annotations

import attrs

SHARE = 1 / 8
"""Part of the way that each call moves the number: as TCP follows its round trips (RFC 6298, section 2)."""


@attrs.define(eq=False)
class UsualTime:
    """A rule of thumb, no forecast: the last dozen or so of calls decide it, the later the more.

    Attributes:
        seconds: what they take; 0 before the first.
    """

    seconds: float = attrs.field(default=0.0, init=False)
    _is_known: bool = attrs.field(default=False, init=False)

    def learn(self, took: float) -> None:
        """Take in the seconds, >= 0, that one call took."""
        self.seconds += (took - self.seconds) * (SHARE if self._is_known else 1.0)
        self._is_known = True

    def clear(self) -> None:
        """Forget them all."""
        self.seconds, self._is_known = 0.0, False
