"""A bucket that refills all the time: how much of it is missing, and when how much is back, to the last float.

A bucket of `amount` tokens that refills in `window` seconds is told completely by the instant at which it is full
again. Taking tokens at an instant t moves that instant on:

    full_at = max(full_at, t) + tokens * window / amount

**The later instant is safe, in any order.** A provider took the tokens at some t that we do not know; we know only
`counted_by`, the latest it can have been. Its `full_at` is the largest, over its calls k, of `t_k` + the tokens of
all calls from k on / rate. Take the calls of that sum, and of them the one that was told to us first: ours is at
least its `counted_by`, which is not before `t_k`, + the tokens of all that were told since / rate, and these are
all of the sum. So ours is never earlier.

**Exact.** Sums of floats such as `1.2 + 1.2 + ...` drift. So the bucket keeps the instant at which it was full for
the last time and the whole tokens that were taken since, and rounds once, when it answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import attrs

# The largest relative error of the three roundings in `_refilled`, and room. A refill that is not that close to a
# whole number is rounded right by floats alone.
_ROUNDING = 2.0**-50


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class TokenBucket:
    """How much of a bucket is missing, and when it is back: a cistern under a tap that never stops.

    It does not say whether anybody may draw from it; it may be told of more than it held, and then stands below
    empty until that has come back too.

    Args:
        amount: the tokens it holds when it is full; it is full at the beginning.
        window: the seconds in which all of it comes back.
    """

    _amount: int
    _window: float
    _full_until: float = attrs.field(default=-math.inf, init=False)
    _taken: int = attrs.field(default=0, init=False)
    _counted_by: float = attrs.field(default=-math.inf, init=False)
    _grown_at: float = attrs.field(default=-math.inf, init=False)

    @property
    def full_at(self) -> float:
        """The instant at which it is full if nothing else is taken; minus infinity if it always was."""
        return self.back_at(0)

    def take(self, tokens: int, counted_by: float) -> None:
        """Take tokens at `counted_by`, which may be in the past or ahead; 0 takes nothing, at no instant."""
        if tokens == 0:
            return
        # What was taken under a slower tap and is told only now must not come back at the pace of this one.
        counted_by = max(counted_by, self._grown_at)
        self._counted_by = max(self._counted_by, counted_by)
        if counted_by < self._full_until or (self._taken and self._refilled(counted_by) < self._taken):
            self._taken += tokens
        else:
            self._full_until, self._taken = counted_by, tokens

    def missing(self, now: float) -> float:
        """How many tokens are missing at `now`: above `amount` while it stands below empty."""
        if not self._taken:
            return 0.0
        return max(0.0, self._taken - (now - self._full_until) * self._amount / self._window)

    def missing_whole(self, now: float) -> int:
        """The same rounded up to whole tokens, exactly: what is here beside it can be drawn."""
        return max(0, self._taken - self._refilled(now)) if self._taken else 0

    def back_at(self, missing: int) -> float:
        """The first float from which on no more than `missing` tokens are missing; minus infinity if always."""
        if self._full_until == -math.inf:
            return -math.inf
        back = (self._taken - missing) * Fraction(self._window) / self._amount
        return _first_float_from(Fraction(self._full_until) + back)

    def resize(self, amount: int, now: float) -> TokenBucket:
        """Return a bucket of another size in which as many tokens are missing as in this one, or fewer.

        A smaller one is empty at worst, so that it is full again within a window: no provider lets anybody wait for
        what its bucket never held. Where this one stands below empty, so does the smaller one, by its own size at most:

            min(missing, amount) + min(max(0, missing - what this one holds), amount)

        Where it refills faster from now on, the tokens are counted at the instant by which the provider has taken
        them all, if that is ahead: until then its bucket may be full and gain nothing from the faster tap. In the same
        way a smaller one is empty at that instant at worst, and not before it.
        """
        is_faster = amount > self._amount
        start = max(now, self._counted_by) if is_faster else now
        resized = TokenBucket(amount, self._window)
        full_at = self.full_at
        if full_at <= start:
            resized._full_until = full_at
        else:
            missing = self._missing_at(Fraction(start))
            if amount < self._amount:
                missing = min(missing, self._most_kept(amount, Fraction(now)))
            tokens = math.ceil(missing)
            back = (tokens - missing) * Fraction(self._window) / amount
            resized.take(tokens, _first_float_from(Fraction(start) - back))
        resized._counted_by = max(self._counted_by, resized._full_until)
        resized._grown_at = now if is_faster else self._grown_at
        return resized

    def _missing_at(self, instant: Fraction) -> Fraction:
        """How many tokens are missing, exactly, while some are."""
        return self._taken - (instant - Fraction(self._full_until)) * self._amount / Fraction(self._window)

    def _most_kept(self, amount: int, now: Fraction) -> Fraction:
        """The most that is missing at `now` in a smaller bucket: all of it as the last was taken, and a debt."""
        last = max(now, Fraction(self._counted_by))
        debt = max(Fraction(0), self._missing_at(last) - self._amount)
        return amount + min(debt, Fraction(amount)) + (last - now) * amount / Fraction(self._window)

    def faults(self, latest: float) -> Iterator[str]:
        """Say what is wrong with the bucket, if nothing may be counted after `latest`."""
        if self._taken < 0 or (self._taken > 0 and not self._full_until > -math.inf):
            yield f"{self._taken} tokens cannot be missing since {self._full_until}"
        if not self._full_until <= self._counted_by <= latest:
            yield f"tokens must be taken by {latest}, got {self._full_until} and {self._counted_by}"

    def _refilled(self, now: float) -> int:
        """The whole tokens that came back from `_full_until` to `now`, rounded down: below 0 for an instant before."""
        nearly = (now - self._full_until) * self._amount / self._window
        if abs(nearly - round(nearly)) > abs(nearly) * _ROUNDING:
            return math.floor(nearly)
        since = Fraction(now) - Fraction(self._full_until)
        return math.floor(since * self._amount / Fraction(self._window))


def _first_float_from(instant: Fraction) -> float:
    nearest = float(instant)
    return nearest if Fraction(nearest) >= instant else math.nextafter(nearest, math.inf)
