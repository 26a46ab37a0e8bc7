"""What was promised and what was spent, so that a provider never sees more than its limits in any window.

A call's way through the ledger:

    reserve ──> held ──> report, cancel(charged=True) ──> spent ──> leaves the window
                    └──> cancel(charged=False) ──> gone, as if it had never been

**The rule.** A provider counts a request and its input at some instant after it was sent, and output while
it is produced. We see neither, only the bounds. So a reservation is held from its grant, which comes before
anything is sent, and what it turned into stays one `window` beyond the latest instant at which the provider
can have counted it:

    what                  latest instant it can be counted
    requests and input    `started_at + slack`, or the arrival of the answer (the report) if that is earlier
    output                the end of the answer (the report)
    anything, charged     the cancellation + slack: no answer came to bound it

Take any `window` seconds as the provider sees them, and in them the call that was granted last. At its grant
every other call in that stretch was in the ledger, held or spent, so their sum is within the limits.

**The edge.** An entry stamped at t is out of the window at t + window, precisely then and not a float
earlier: such sums are rounded up (see `instants`). A window is open at its old end, closed at its new one.

**Truth wins.** A report may charge more than was reserved, above the limit too. Nothing is granted in a
dimension that stands above its limit, not even an amount of 0, until enough has left.

What cannot happen: a reservation settled twice, a refund for usage nobody knows, a partial grant, an instant
that goes back. An illegal verb raises and changes nothing.

**After a crash** of its owner a ledger may be used further if it verifies. Half a reservation shows in the sums; a
settlement, which may leave them right, is begun and ended. So a verb that was cut has either changed nothing, or
all, or leaves a ledger that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import NewType

import attrs

from actors.policies.instants import add_up, check_instant
from actors.policies.ledger_records import (
    AlreadySettled,
    CorruptLedger,
    LedgerStatistics,
    Settled,
    Shortfall,
    UnknownReservation,
    Utilization,
)
from actors.policies.limits import Limits
from actors.policies.meter import Meter, Unknown
from actors.policies.usage import NOTHING, Usage

ReservationId = NewType("ReservationId", int)
"""The number of a reservation: 1 for the first of a ledger, and so on."""

# Seconds from the moment a request goes out on an open connection until the provider has counted it, at most:
# one way across an ocean (about 0.15 s), one lost packet sent again (0.2 s, the least Linux waits), and room.
DEFAULT_SLACK = 0.5


@attrs.frozen
class _Reservation:
    usage: Usage
    granted_at: float


@attrs.define(eq=False)
class SlidingWindowLedger:
    """A sliding-window account of requests, input and output tokens: promises, truth, and when room returns.

    It is like the book of a hotel: a room is taken from the booking, not from the arrival, and is free one
    cleaning after the guest has left, not when he was expected to leave. It is not a queue and nobody waits
    in it: it says no, and from when on to ask again.

    `now` is the present in seconds on the Trio clock and never goes back from call to call. A decision costs
    the same at any length of history: amortised O(1), and O(log n) of what is in the window where it names an
    instant.

    Args:
        limits: the most that may be used within a window.
        slack: how long after it was sent a request may still be counted, in seconds.

    Raises:
        TypeError: `slack` is no number.
        ValueError: `slack` is negative or not finite.

    Example:
        >>> ledger = SlidingWindowLedger(Limits(requests=1, window=60.0))
        >>> first = ledger.reserve(Usage(output_tokens=400), now=0.0)
        >>> ledger.reserve(Usage(), now=1.0).available_at
        <Unknown.UNTIL_SETTLEMENT: 'until settlement'>
        >>> ledger.report(first, now=9.0, input_tokens=None, output_tokens=377, started_at=0.0).refunded
        Usage(requests=0, input_tokens=0, output_tokens=23)
        >>> ledger.earliest(Usage(), now=9.0)
        60.5
    """

    limits: Limits = attrs.field(on_setattr=attrs.setters.frozen)
    slack: float = attrs.field(default=DEFAULT_SLACK, on_setattr=attrs.setters.frozen)
    _requests: Meter = attrs.field(init=False)
    _input: Meter = attrs.field(init=False)
    _output: Meter = attrs.field(init=False)
    _held: dict[ReservationId, _Reservation] = attrs.field(init=False)
    _last_id: int = attrs.field(default=0, init=False)
    _now: float = attrs.field(default=-math.inf, init=False)
    _charged: set[Hashable] = attrs.field(factory=set[Hashable], init=False)
    _is_settling: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        check_instant("slack", self.slack, earliest=0)
        self._requests = Meter("requests", self.limits.requests)
        self._input = Meter("input_tokens", self.limits.input_tokens)
        self._output = Meter("output_tokens", self.limits.output_tokens)
        self._held = {}

    def reserve(self, usage: Usage, now: float) -> ReservationId | Shortfall:
        """Hold `usage` in all dimensions, or in none and say what is short.

        Args:
            usage: the request, its input tokens and an upper estimate of its output tokens.
            now: the present.

        Returns:
            The id to settle it by, or the dimension that is short the longest.
        """
        shortfall = self.shortfall(usage, now)
        if shortfall is not None:
            return shortfall
        for meter, amount in self._metered(usage):
            meter.hold(amount)
        self._last_id += 1
        reservation_id = ReservationId(self._last_id)
        self._held[reservation_id] = _Reservation(usage, now)
        return reservation_id

    def shortfall(self, usage: Usage, now: float) -> Shortfall | None:
        """Why `usage` does not fit now, or None when it does; holds nothing."""
        metered = self._metered(usage)
        self.expire(now)
        shortfalls = [
            Shortfall(meter.dimension, amount, meter.limit, meter.earliest(amount, now))
            for meter, amount in metered
            if meter.limit is not None and meter.lacks(amount) > 0
        ]
        return max(shortfalls, key=_length_of_wait, default=None)

    def earliest(self, usage: Usage, now: float) -> float | Unknown:
        """The earliest instant at which `usage` fits, provided that nothing but time passes.

        Returns:
            `now` when it fits now, infinity when it never can, `Unknown.UNTIL_SETTLEMENT` when it takes the
            settling of a call that is under way.
        """
        shortfall = self.shortfall(usage, now)
        return now if shortfall is None else shortfall.available_at

    def earliest_if_refunded(self, usage: Usage, now: float) -> float:
        """The instant before which `usage` cannot fit, even if every call under way were refunded at once.

        What is spent leaves with time alone. So this is certain where `earliest` supposes, and never later.
        """
        metered = self._metered(usage)
        self.expire(now)
        return max(meter.earliest_if_refunded(amount, now) for meter, amount in metered)

    def report(
        self,
        reservation_id: ReservationId,
        now: float,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        started_at: float | None = None,
    ) -> Settled | AlreadySettled:
        """Settle a call that was answered by what it really used: the difference is refunded or charged.

        Args:
            reservation_id: the reservation.
            now: the present, at or after the end of the answer.
            input_tokens: what the provider counted, or None where unknown: then what was held stays spent.
            output_tokens: the same for output.
            started_at: when the request went out on an open connection. Without it the request counts as sent
                when it was answered, which is never too early.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `started_at` is before the grant or after `now`, an amount is negative, or `now` goes
                back.
        """
        self._check_now(now)
        reservation = self._look_up(reservation_id)
        if reservation is None:
            return AlreadySettled()
        window = self.limits.window
        produced_leaves_at = sent_leaves_at = add_up(now, window)
        if started_at is not None:
            check_instant("started_at", started_at, earliest=reservation.granted_at, latest=now)
            # One sum of three: rounding twice could be a float later than the rule says.
            sent_leaves_at = min(sent_leaves_at, add_up(started_at, self.slack, window))
        held = reservation.usage
        actual = Usage(
            held.requests,
            held.input_tokens if input_tokens is None else input_tokens,
            held.output_tokens if output_tokens is None else output_tokens,
        )
        return self._settle(reservation_id, actual, now, sent_leaves_at, produced_leaves_at)

    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        """Settle a call that was not answered.

        Args:
            reservation_id: the reservation.
            now: the present.
            charged: False where the provider is known to have counted nothing (a 429 or 529, no connection,
                never sent): all of it is refunded at once. True otherwise: what was held counts as sent now.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `now` goes back.
        """
        self._check_now(now)
        reservation = self._look_up(reservation_id)
        if reservation is None:
            return AlreadySettled()
        actual = reservation.usage if charged else NOTHING
        leaves_at = add_up(now, self.slack, self.limits.window)
        return self._settle(reservation_id, actual, now, leaves_at, leaves_at)

    def charge(
        self,
        usage: Usage,
        now: float,
        *,
        started_at: float | None = None,
        reference: Hashable | None = None,
    ) -> Settled | AlreadySettled:
        """Count as spent what this ledger never reserved, above the limits too: a call it learns of afterwards.

        Args:
            usage: what the call used.
            now: the present, at or after the end of the call.
            started_at: when the request went out on an open connection, of any age. Without it the request may
                have gone out only now.
            reference: what the call is known by: it is charged once. Without it there is no such check.

        Raises:
            ValueError: `started_at` is after `now` or not finite, or `now` goes back.
        """
        self._check_now(now)
        if reference is not None and reference in self._charged:
            return AlreadySettled()
        sent_leaves_at = leaves_at = add_up(now, self.slack, self.limits.window)
        if started_at is not None:
            check_instant("started_at", started_at, earliest=-math.inf, latest=now)
            sent_leaves_at = add_up(started_at, self.slack, self.limits.window)
        self.expire(now)
        self._is_settling = True
        self._requests.settle(0, usage.requests, sent_leaves_at, now)
        self._input.settle(0, usage.input_tokens, sent_leaves_at, now)
        self._output.settle(0, usage.output_tokens, leaves_at, now)
        if reference is not None:
            self._charged.add(reference)
        self._is_settling = False
        return Settled(spent=usage, refunded=NOTHING, charged=usage)

    def expire(self, now: float) -> None:
        """Let go what has left the window. Every verb does so first; alone it moves the time on.

        Raises:
            TypeError: `now` is no number.
            ValueError: `now` is not finite, or before an instant this ledger has seen.
        """
        self._check_now(now)
        self._now = now
        for meter in (self._requests, self._input, self._output):
            meter.spent.expire(now)

    @property
    def in_flight(self) -> tuple[ReservationId, ...]:
        """The reservations that are not settled, oldest first."""
        return tuple(self._held)

    def verify(self) -> None:
        """Check the books against themselves, for a ledger whose owner has crashed; changes nothing. O(n).

        Raises:
            CorruptLedger: a sum is not that of its parts, an instant is out of order, a reservation was never given,
                or a change was begun and not ended.
        """
        fault = next(self._faults(), None)
        if fault is not None:
            raise CorruptLedger(fault)

    def statistics(self, now: float) -> LedgerStatistics:
        """The books at `now`, as a frozen snapshot."""
        self.expire(now)
        requests, inputs, outputs = self._requests, self._input, self._output
        return LedgerStatistics(
            in_flight=len(self._held),
            used=Usage(requests.spent.total, inputs.spent.total, outputs.spent.total),
            reserved=Usage(requests.held, inputs.held, outputs.held),
            utilization=Utilization(requests.share, inputs.share, outputs.share),
            peak=Usage(requests.peak, inputs.peak, outputs.peak),
        )

    def _settle(
        self,
        reservation_id: ReservationId,
        actual: Usage,
        now: float,
        sent_leaves_at: float,
        produced_leaves_at: float,
    ) -> Settled:
        self.expire(now)
        self._is_settling = True
        held = self._held.pop(reservation_id).usage
        self._requests.settle(held.requests, actual.requests, sent_leaves_at, now)
        self._input.settle(held.input_tokens, actual.input_tokens, sent_leaves_at, now)
        self._output.settle(held.output_tokens, actual.output_tokens, produced_leaves_at, now)
        self._is_settling = False
        return Settled.by_difference(held, actual)

    def _faults(self) -> Iterator[str]:
        if self._is_settling:
            yield "a settlement was begun and not ended"
        now = self._now
        if not now < math.inf:
            yield f"now must be an instant, got {now}"
            return
        for reservation_id, reservation in self._held.items():
            if not 1 <= reservation_id <= self._last_id:
                yield f"reservations must be of the {self._last_id} that were given, got {reservation_id}"
            if not -math.inf < reservation.granted_at <= now:
                yield f"reservation {reservation_id} must be granted by {now}, got {reservation.granted_at}"
        latest = now if now == -math.inf else add_up(now, self.slack, self.limits.window)
        held = sum((reservation.usage for reservation in self._held.values()), start=NOTHING)
        for meter, amount in self._metered(held):
            yield from meter.faults(amount, now, latest)

    def _metered(self, usage: Usage) -> tuple[tuple[Meter, int], ...]:
        return (
            (self._requests, usage.requests),
            (self._input, usage.input_tokens),
            (self._output, usage.output_tokens),
        )

    def _check_now(self, now: float) -> None:
        check_instant("now", now, earliest=self._now)

    def _look_up(self, reservation_id: ReservationId) -> _Reservation | None:
        reservation = self._held.get(reservation_id)
        # Ids count up, so one that was given out and is not held is settled: the dead need no memory.
        if reservation is None and not 1 <= reservation_id <= self._last_id:
            raise UnknownReservation(reservation_id, self._last_id)
        return reservation


def _length_of_wait(shortfall: Shortfall) -> tuple[int, float]:
    """Orders waits: a known instant, then an unknown one, then never."""
    instant = shortfall.available_at
    if isinstance(instant, Unknown):
        return (1, 0.0)
    return (2 if instant == math.inf else 0, instant)
