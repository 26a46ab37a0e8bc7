"""A signal that is believed only when it has lasted: the on and off delay of a switch."""

from __future__ import annotations

import math

import attrs

from actors.policies.instants import add_up


@attrs.define(eq=False)
class Debounce:
    """Follows a signal that flickers: a lift's door, which waits a while before it believes that nobody comes.

    It is on once the signal was true for `up_after` seconds without a break, and off once it was false for
    `down_after`. So between going on and going off lie at least `down_after`, the other way round at least `up_after`,
    whatever the signal does. A signal that changes at the very instant at which it has lasted long enough has lasted
    long enough.

    Args:
        up_after: seconds that it must be true; 0 for at once.
        down_after: seconds that it must be false; 0 for at once.
    """

    up_after: float
    down_after: float
    is_on: bool = attrs.field(default=False, init=False)
    _signal: bool = attrs.field(default=False, init=False)
    _since: float = attrs.field(default=-math.inf, init=False)

    def see(self, signal: bool, now: float) -> None:
        """Take in what the signal is from `now` on, which must not lie before what was told last."""
        self.advance(now)
        if signal != self._signal:
            self._signal, self._since = signal, now
            self.advance(now)

    def advance(self, now: float) -> None:
        """Go on or off if the signal has lasted long enough."""
        if now >= self.next_deadline():
            self.is_on = self._signal

    def next_deadline(self) -> float:
        """Return when it will go on or off if the signal stays as it is; infinity if it agrees with the signal."""
        if self._signal == self.is_on:
            return math.inf
        return add_up(self._since, self.up_after if self._signal else self.down_after)
