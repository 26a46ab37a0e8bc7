"""The books of one limit: how much is held by calls under way, how much was spent, and when room comes back.

A ledger asks all its meters and books on all of them or on none. A meter knows nothing of calls, reservations or
settlements, only of amounts and of the latest instant at which the provider can have counted them.

Two algorithms say when that comes back, and a third one waits for both:

    sliding_window   one window after it was counted, all at once: within any window the limit is kept. Right for
                     every provider: a bucket that refills in a window never has less than this leaves.
    token_bucket     all the time, at limit / window: up to twice the limit within one window, after a rest. More
                     throughput where the provider is a bucket, refusals where it is not.
    either           when it is back by both books: for a provider of which nobody knows what it is. As long as no more
                     was counted than the limit that is the sliding window; after that a bucket takes longer.

A meter keeps the books of both, always, so that it can go from one to the other at any instant.

**What is promised** as long as no call is counted at more than was held for it: a provider of the same kind and limit
refuses nothing that was granted, at whatever instant from its grant to `at + lag` it counts each call, and in whatever
order they are settled. A sliding window keeps that promise before a bucket too, a bucket before a sliding window does
not.

What was granted before a change of algorithm or of the limit, and is counted after it, was promised by other rules.
What is granted after it is promised by the new ones, if the provider changed at the same instant, with one exception: a
bucket that was cut refills more slowly than a window forgets what was taken from it before. A sliding window is right
about it only one window after that, *either* at once.

After a cut nobody waits for more than the new limit can hold: what is missing in the bucket becomes at most all of the
new one, which is back within a window, and where it stood below empty at most that once more. A provider that let its
bucket stand below empty for having been cut, for as long as that takes by the slower tap, would refuse more; none is
known to do so, and a limiter that stood still as long could not learn that the limit has grown again.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import attrs

from actors.policies.instants import add_up
from actors.policies.ledger.expiring_sum import ExpiringSum
from actors.policies.ledger.limits import Limit
from actors.policies.ledger.token_bucket import TokenBucket

Algorithm = Literal["sliding_window", "token_bucket", "either"]
"""How spent capacity comes back: after one window, all the time, or when both would say so."""

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


class Unknown(enum.Enum):
    """An instant that no clock can tell."""

    UNTIL_SETTLEMENT = "until settlement"
    """Capacity comes back only when a call that is under way is settled; nobody knows when that is."""


def known_algorithm(_instance: object, _attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate an algorithm, as an attrs validator: ValueError for anything else."""
    check_algorithm(value)


def check_algorithm(value: object) -> None:
    """Check an algorithm that is an argument: ValueError for anything else."""
    if value not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {value!r}")


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)  # written some ten times per call
class Meter:
    """The books of one limit: what is held by calls under way, and what was spent and is not back.

    Every question lets go first what has left by its `now`, which never goes back from call to call.

    Args:
        limit: the most that grants may hold and spend together.
        algorithm: how what was spent comes back.

    Attributes:
        held: the sum of the reservations that are not settled.
        spent: the sum of what was settled, each part until one window after it was counted.
        peak: the most that was ever held and spent together.
    """

    _limit: Limit
    _algorithm: Algorithm = attrs.field(default="sliding_window", validator=known_algorithm)
    held: int = attrs.field(default=0, init=False)
    spent: ExpiringSum = attrs.field(factory=ExpiringSum, init=False)
    peak: int = attrs.field(default=0, init=False)
    # Whether more than the limit was in use since the bucket was full for the last time.
    _is_overdrawn: bool = attrs.field(default=False, init=False)
    _bucket: TokenBucket = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._bucket = TokenBucket(self._limit.amount, self._limit.window)

    @property
    def limit(self) -> Limit:
        """The limit as it stands; `change_limit` changes it."""
        return self._limit

    @property
    def algorithm(self) -> Algorithm:
        """How what was spent comes back; another one may be set at any instant.

        Raises:
            ValueError: there is no such algorithm.
        """
        return self._algorithm

    @algorithm.setter
    def algorithm(self, algorithm: Algorithm) -> None:
        check_algorithm(algorithm)
        self._algorithm = algorithm

    @property
    def in_use(self) -> int:
        """Held and spent together."""
        return self.held + self.spent.total

    @property
    def full_at(self) -> float:
        """The instant at which the bucket is full if nothing else is taken; minus infinity if it always was."""
        return self._bucket.full_at

    def missing(self, now: float) -> float:
        """How much of the bucket is missing: above the limit while truth was larger."""
        return self._bucket.missing(now)

    def share(self, now: float) -> float:
        """The part of the limit that is in use, above 1 when truth was larger."""
        if self._algorithm == "token_bucket":
            return (self.held + self._bucket.missing(now)) / self._limit.amount
        self.spent.expire(now)
        return self.in_use / self._limit.amount

    def lacks(self, needed: int, now: float) -> int:
        """How much has to come back before `needed` fits; 0 or less when it fits now.

        Nothing at all fits too, unless the meter stands above its limit.
        """
        return self.held + self._gone(now) + needed - self._limit.amount

    def earliest(self, needed: int, now: float) -> float | Unknown:
        """The instant at which `needed` fits if only time passes; infinity if it is above the limit."""
        if self.lacks(needed, now) <= 0:
            return now
        if needed > self._limit.amount:
            return math.inf
        instant = self._back_at(self._limit.amount - needed - self.held, now)
        return Unknown.UNTIL_SETTLEMENT if instant == math.inf else instant

    def earliest_if_refunded(self, needed: int, now: float) -> float:
        """The instant before which `needed` cannot fit, whatever becomes of the calls under way."""
        if self.lacks(needed, now) <= self.held:
            return now
        return self._back_at(self._limit.amount - needed, now)

    def hold(self, amount: int) -> None:
        """Book a reservation."""
        self.held += amount
        self._note_peak()

    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        """Turn a reservation into what was really spent: less, more, or nothing.

        Args:
            held: what goes; 0 for what was never reserved.
            actual: what the provider counted.
            at: an instant of any age.
            lag: the provider counted it at `at + lag` at the latest, which may be ahead.
            now: the present.
        """
        self.held -= held
        if actual:
            self.spent.add(actual, add_up(at, lag, self._limit.window))
            self._bucket.take(actual, add_up(at, lag) if lag else at)
        # It may have left already, long answers have: it counts no more, and is remembered as what did.
        self.spent.expire(now)
        self._note_peak()

    def charge(self, amount: int, leaves_at: float, now: float) -> None:
        """Count what others have used: it leaves the window at an instant, and the bucket refills it from now on."""
        self.spent.expire(now)
        if leaves_at > now:
            self.spent.add(amount, leaves_at)
        self._bucket.take(amount, now)
        self._note_peak()

    def amend(self, before: int, after: int, at: float, lag: float, now: float) -> None:
        """Change what was settled with the same `at` and `lag` as `before` to `after`.

        The bucket takes what is more, and does not give back what is less: it cannot tell whether that has come back
        already. The window knows, and does.

        Raises:
            ValueError: not that much was settled with these instants; nothing is changed.
        """
        leaves_at = add_up(at, lag, self._limit.window)
        self.spent.expire(now)
        if leaves_at > now:
            self.spent.amend(leaves_at, before, after)
        self._bucket.take(max(0, after - before), add_up(at, lag))
        self._note_peak()

    def change_limit(self, limit: Limit, now: float) -> None:
        """Go on under another amount: what is held and spent stays the same number of tokens.

        So does what is missing in the bucket, as far as a smaller one has room for it: see `TokenBucket.resize`.

        Raises:
            ValueError: the limit is of another quantity or window, whose books are others; nothing is changed.
        """
        if (limit.quantity, limit.window) != (self._limit.quantity, self._limit.window):
            raise ValueError(
                f"limit must be of {self._limit.quantity} per {self._limit.window:g} s, got {limit}"
            )
        self._bucket = self._bucket.resize(limit.amount, now)
        self._limit = limit
        self._note_peak()

    def at_most_counted(self, since: float, now: float) -> int | None:
        """The most of what is booked that a provider can have counted at any instant from `since` to `now`.

        By the books of both algorithms, the larger one: a bucket that stood below empty shows what a window has let go.
        None when the books do not reach back that far.
        """
        self.spent.expire(now)
        left = self.spent.left_since(since)
        if left is None:
            return None
        refilled = math.ceil(max(0.0, now - since) * self._limit.amount / self._limit.window)
        return self.held + max(self.spent.total + left, self._bucket.missing_whole(now) + refilled)

    def expire(self, now: float) -> None:
        """Let go what has left by `now`."""
        self.spent.expire(now)

    def faults(self, held: int, now: float, latest: float) -> Iterator[str]:
        """Say what is wrong with the books, if `held` is what the reservations come to; O(n).

        Args:
            held: the sum of the reservations that are not settled.
            now: the instant up to which the books were led.
            latest: the last instant at which what was settled by then can leave the window.
        """
        name = self._limit.quantity
        if self.held != held:
            yield f"{name} held must be {held}, the sum of the reservations, got {self.held}"
        if not self.peak >= self.in_use:
            yield f"{name} peak must be >= {self.in_use}, which is in use, got {self.peak}"
        for fault in self.spent.faults(now, latest):
            yield f"{name} spent: {fault}"
        # A float more: `at + lag` and the window were rounded up one after the other, `latest` once.
        counted = math.nextafter(latest, math.inf) if latest > -math.inf else latest
        for fault in self._bucket.faults(counted - self._limit.window):
            yield f"{name} bucket: {fault}"

    def _gone(self, now: float) -> int:
        if self._algorithm == "token_bucket":
            return self._bucket.missing_whole(now)
        self.spent.expire(now)
        if self._is_overdrawn and self._algorithm == "either":
            missing = self._bucket.missing_whole(now)
            # Once the bucket has been full, the window alone knows enough again.
            self._is_overdrawn = missing > 0
            return max(self.spent.total, missing)
        return self.spent.total

    def _note_peak(self) -> None:
        in_use = self.held + self.spent.total
        self.peak = max(self.peak, in_use)
        if in_use > self._limit.amount:
            self._is_overdrawn = True

    def _back_at(self, gone: int, now: float) -> float:
        """The instant at which no more than `gone` of what was spent is not back; infinity below 0."""
        if gone < 0:
            return math.inf
        if self._algorithm == "token_bucket":
            return max(now, self._bucket.back_at(gone))
        lacking = self.spent.total - gone
        instant = self.spent.gone_at(lacking) if lacking > 0 else now
        if self._is_overdrawn and self._algorithm == "either":
            return max(instant, self._bucket.back_at(gone))
        return instant
