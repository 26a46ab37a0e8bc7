"""What was promised and what was spent, so that a provider never sees more than its limits.

A call's way through the ledger:

    reserve ──> held ──> report, cancel(charged=True) ──> spent ──> leaves the window
                    ├──> cancel(charged=False) ──> gone, as if it had never been
                    └──> confirm: request and input are spent, output is held ──> report, cancel

**The rule.** A provider counts a request and its input at some instant after it was sent, and output while
it is produced. We see neither, only the bounds. So a reservation is held from its grant, which comes before
anything is sent, and what it turned into counts until one `window` after the latest instant at which the provider
can have counted it:

    what                  latest instant it can be counted
    requests and input    `started_at + slack`, or the arrival of the answer's headers (the report, where they are not
                          told) if that is earlier; of a call that was confirmed, which names its instant, the first
    output                the end of the answer (the report)
    anything, charged     the cancellation + slack: no answer came to bound it

Take any `window` seconds as the provider sees them, and in them the call that was granted last. At its grant
every other call in that stretch was in the ledger, held or spent, so their sum is within the limits. A provider that
refills drop by drop instead is mirrored by the other algorithm: see `meter`.

**Output** is not known before it is there. What of it a booking holds, and what it only wants to be free, is for a
policy to say (see `output_policy`). Output that `ripens` is held as soon as the answer may have been produced. Before
that the provider has counted none of it, and holding it would waste what it still grants.

**Scopes.** A call books in the account of every scope it falls under, or in none.

**The edge.** An entry stamped at t is out of the window at t + window, precisely then and not a float
earlier: such sums are rounded up (see `instants`). A window is open at its old end, closed at its new one.

**Truth wins.** A report may charge more than was reserved, above the limit too. Nothing is granted in a
dimension that stands above its limit, not even an amount of 0, until enough has left.

**Orphans.** A reservation that was handed on (`detach`) and is not heard of in time is settled as charged. Its report,
if it comes after all, charges what is missing and credits nothing.

What cannot happen: a reservation settled twice, a refund for usage nobody knows, a partial grant, an instant
that goes back. An illegal verb raises and changes nothing.

**After a crash** of its owner a ledger may be used further if it verifies. Half a reservation shows in the sums; a
settlement, which may leave them right, is begun and ended. So a verb that was cut has either changed nothing, or
all, or leaves a ledger that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

import attrs

from actors.policies.instants import add_up, check_instant
from actors.policies.ledger.account import PRODUCED, Counted, length_of_wait
from actors.policies.ledger.accounts import Accounts
from actors.policies.ledger.audit import ledger_faults
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits, Quantity
from actors.policies.ledger.meter import Algorithm, Unknown
from actors.policies.ledger.orphans import DEFAULT_PATIENCE, Orphans
from actors.policies.ledger.records import (
    AlreadySettled,
    Confirmed,
    CorruptLedger,
    LedgerStatistics,
    ReservationId,
    ScopeStatistics,
    Settled,
    Shortfall,
    UnknownReservation,
    excess,
)
from actors.policies.ledger.reserved import Reserved
from actors.policies.ledger.ripening import Ripening
from actors.policies.ledger.unseen_answers import UnseenAnswers
from actors.policies.scope import POOL, POOL_ALONE, Scope
from actors.policies.usage import NOTHING, Usage

# Seconds from the moment a request goes out on an open connection until the provider has counted it, at most:
# one way across an ocean (about 0.15 s), one lost packet sent again (0.2 s, the least Linux waits), and room.
DEFAULT_SLACK = 0.5

# Requests granted in one instant are counted up to one way apart. An answer that takes less than two, there and back
# included, may have been produced before the last of them is: it is held from its grant on.
_QUICK_WAYS = 2


# A call is some dozen entries: a hook on each of them would be half of what it costs.
@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class Ledger:
    """An account of requests, input and output tokens: promises, truth, and when room returns.

    It is like the book of a hotel: a room is taken from the booking, not from the arrival, and is free one
    cleaning after the guest has left, not when he was expected to leave. It is not a queue and nobody waits
    in it: it says no, and from when on to ask again.

    `now` is the present in seconds on the Trio clock and never goes back from call to call. A decision costs
    the same at any length of history and any number of scopes: amortised O(1), and O(log n) of what is in the
    window where it names an instant.

    Args:
        limits: of the pool, which every call falls under.
        slack: how long after it was sent a request may still be counted, in seconds.
        kinds: the limits of further scopes, by kind: each key, each workspace has an account of its own under them.
        algorithm: how the provider is taken to enforce its limits.
        patience: seconds after which a reservation that was handed on and not heard of is settled as charged.

    Raises:
        TypeError: `slack` or `patience` is no number.
        ValueError: `slack` or `patience` is negative or not finite.

    Example:
        >>> ledger = Ledger(Limits(requests=1, window=60.0))
        >>> first = ledger.reserve(Booking.plain(Usage(output_tokens=400)), (POOL,), now=0.0)
        >>> ledger.reserve(Booking.plain(Usage()), (POOL,), now=1.0).available_at
        <Unknown.UNTIL_SETTLEMENT: 'until settlement'>
        >>> ledger.report(first, now=9.0, input_tokens=None, output_tokens=377, started_at=0.0).refunded
        Usage(requests=0, input_tokens=0, output_tokens=23)
        >>> ledger.earliest(Booking.plain(Usage()), (POOL,), now=9.0)
        60.5
    """

    _limits: Limits
    _slack: float = attrs.field(default=DEFAULT_SLACK, alias="slack")
    _kinds: Mapping[str, Limits] = attrs.field(factory=dict[str, Limits], alias="kinds")
    _algorithm: Algorithm = attrs.field(default="sliding_window", alias="algorithm")
    _patience: float = attrs.field(default=DEFAULT_PATIENCE, alias="patience")
    _accounts: Accounts = attrs.field(init=False)
    _held: dict[ReservationId, Reserved] = attrs.field(factory=dict[ReservationId, Reserved], init=False)
    _ripening: Ripening = attrs.field(init=False)
    _unseen: UnseenAnswers = attrs.field(init=False)
    _orphans: Orphans = attrs.field(init=False)
    # The most output that calls under way may bring, whatever is held of it.
    _unsure: int = attrs.field(default=0, init=False)
    _freed: dict[Scope, None] = attrs.field(factory=dict[Scope, None], init=False)
    _last_id: int = attrs.field(default=0, init=False)
    _now: float = attrs.field(default=-math.inf, init=False)
    _charged: set[Hashable] = attrs.field(factory=set[Hashable], init=False)
    _is_changing: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        check_instant("slack", self._slack, earliest=0)
        self._accounts = Accounts(self._limits, self._kinds, self._algorithm)
        self._ripening = Ripening(self._slack)
        self._unseen = UnseenAnswers()
        self._orphans = Orphans(check_instant("patience", self._patience, earliest=0))

    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        """Book in all scopes and dimensions, or in none and say what is short.

        Args:
            booking: what is held and what has to be free.
            scopes: what the call falls under, the pool among them.
            now: the present.

        Returns:
            The id to settle it by, or the limit that is short the longest.

        Raises:
            UnknownScope: no limits are set for a scope of that kind.
        """
        shortfall = self.shortfall(booking, scopes, now)
        if shortfall is not None:
            return shortfall
        self._is_changing = True
        reserved = Reserved(booking, scopes, now, booking.held)
        for account in self._accounts.of(scopes):
            account.hold(reserved.held_in(account.scope))
            account.in_flight += 1
        self._last_id += 1
        reservation_id = ReservationId(self._last_id)
        self._held[reservation_id] = reserved
        self._unsure += booking.at_most
        ripens = booking.ripens > booking.held.output_tokens
        is_quick = ripens and self._unseen.seconds_for(booking.ripens) < _QUICK_WAYS * self._slack
        if ripens and not is_quick:
            self._ripening.put(reservation_id, now)
        self._is_changing = False
        if is_quick:
            self._ripen(reservation_id, now)
        self._accounts.sweep(now)
        return reservation_id

    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        """Why `booking` does not fit now, or None when it does; holds nothing."""
        needed, accounts = booking.needed, self._accounts.look_at(scopes)
        self.expire(now)
        worst: Shortfall | None = None
        for account in accounts:
            account.expire(now)
            short = account.shortfall(needed, now, booking.unseen if account is self._accounts.pool else 0)
            if short is not None:
                worst = short if worst is None else max(worst, short, key=length_of_wait)
        return worst

    def earliest(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> float | Unknown:
        """The earliest instant at which `booking` fits, provided that nothing but time passes.

        Returns:
            `now` when it fits now, infinity when it never can, `Unknown.UNTIL_SETTLEMENT` when it takes the
            settling of a call that is under way.
        """
        shortfall = self.shortfall(booking, scopes, now)
        return now if shortfall is None else shortfall.available_at

    def earliest_if_refunded(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> float:
        """The instant before which `booking` cannot fit, even if every call under way were refunded at once.

        What is spent leaves with time alone. So this is certain where `earliest` supposes, and never later.
        """
        needed, accounts = booking.needed, self._accounts.look_at(scopes)
        self.expire(now)
        latest = now
        for account in accounts:
            account.expire(now)
            latest = max(latest, account.earliest_if_refunded(needed, now))
        return latest

    def exceeded_by(self, booking: Booking, scopes: tuple[Scope, ...]) -> tuple[Scope, Limit] | None:
        """The first limit that `booking` alone is above, so that no waiting can help."""
        for scope in scopes:
            limit = self.limits_of(scope).exceeded_by(booking.needed)
            if limit is not None:
                return scope, limit
        return None

    def confirm(
        self, reservation_id: ReservationId, now: float, *, started_at: float
    ) -> Confirmed | AlreadySettled:
        """Note that a call has begun: from then on it is known when its request and input leave.

        Confirming again changes nothing.

        Args:
            reservation_id: the reservation.
            now: the present.
            started_at: when the request went out on an open connection.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `started_at` is before the grant or after `now`, or `now` goes back.
        """
        self._check_now(now)
        reserved = self._look_up(reservation_id)
        if reserved is not None and reserved.started_at is None:
            check_instant("started_at", started_at, earliest=reserved.granted_at, latest=now)
        reserved = self._held_at(reservation_id, now)
        if reserved is None:
            return AlreadySettled()
        if reserved.started_at is None:
            self._is_changing = True
            for account in self._accounts.of(reserved.scopes):
                account.begin(reserved.held_in(account.scope), Counted(started_at, self._slack), now)
            reserved.begin(started_at)
            # What was held for an unknown time leaves at a known instant now, for which somebody may set a timer.
            self._freed.update(dict.fromkeys(reserved.scopes))
            self._is_changing = False
        return Confirmed(add_up(reserved.counted_from, self._slack, self.limits.window))

    def report(
        self,
        reservation_id: ReservationId,
        now: float,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        started_at: float | None = None,
        heard_at: float | None = None,
    ) -> Settled | AlreadySettled:
        """Settle a call that was answered by what it really used: the difference is refunded or charged.

        Args:
            reservation_id: the reservation.
            now: the present, at or after the end of the answer.
            input_tokens: what the provider counted, or None where unknown: then what was held stays spent.
            output_tokens: the same for output.
            started_at: when the request went out on an open connection. Without it the request counts as sent
                when it was answered, which is never too early.
            heard_at: when status and headers of the answer were in: the request had been counted by then. `now`
                without it.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `started_at` or `heard_at` is before the grant or after `now`, an amount is negative, or `now`
                goes back.
        """
        self._check_now(now)
        reserved = self._look_up(reservation_id)
        # What cannot be is refused before anything changes.
        NOTHING.corrected(input_tokens, output_tokens)
        if reserved is not None and started_at is not None:
            check_instant("started_at", started_at, earliest=reserved.granted_at, latest=now)
        if reserved is not None and heard_at is not None:
            check_instant("heard_at", heard_at, earliest=reserved.granted_at, latest=now)
        reserved = self._held_at(reservation_id, now)
        if reserved is None:
            return self._settle_late(reservation_id, input_tokens, output_tokens, now)
        heard_at = now if heard_at is None else heard_at
        sent = Counted(heard_at)
        started_at = reserved.started_at if reserved.started_at is not None else started_at
        if started_at is not None:
            if add_up(started_at, self._slack) <= heard_at:
                sent = Counted(started_at, self._slack)
            self._ripening.learn(now - started_at)
            if output_tokens is not None:
                self._unseen.learn(now - started_at, output_tokens)
        actual = reserved.supposed.corrected(input_tokens, output_tokens)
        return self._settle(reservation_id, actual, now, sent, Counted(now))

    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        """Settle a call that was not answered.

        Args:
            reservation_id: the reservation.
            now: the present.
            charged: False where the provider is known to have counted nothing (a 429 or 529, no connection,
                never sent): all of it is refunded at once. True otherwise: what was held counts as sent now, and
                output as it was expected.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `now` goes back.
        """
        reserved = self._held_at(reservation_id, now)
        if reserved is None:
            return AlreadySettled()
        actual = reserved.supposed if charged else NOTHING
        counted = Counted(now, self._slack)
        return self._settle(reservation_id, actual, now, counted, counted)

    def release(self, reservation_id: ReservationId, now: float) -> Settled | AlreadySettled:
        """Settle a call of which no end is known: before its start all is refunded, after it what may be spent stays.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `now` goes back.
        """
        self._check_now(now)
        reserved = self._look_up(reservation_id)
        has_begun = reserved is not None and reserved.started_at is not None
        return self.cancel(reservation_id, now, charged=has_begun)

    def detach(self, reservation_id: ReservationId, now: float) -> None:
        """Note that the reservation was handed to somebody whose end nobody here sees: it expires after `patience`.

        Raises:
            UnknownReservation: this ledger gave no such reservation.
            ValueError: `now` goes back.
        """
        if self._held_at(reservation_id, now) is not None:
            self._is_changing = True
            self._orphans.watch(reservation_id, now)
            self._is_changing = False

    def charge(
        self,
        usage: Usage,
        now: float,
        *,
        started_at: float | None = None,
        reference: Hashable | None = None,
        scopes: tuple[Scope, ...] = POOL_ALONE,
    ) -> Settled | AlreadySettled:
        """Count as spent what this ledger never reserved, above the limits too: a call it learns of afterwards.

        Args:
            usage: what the call used.
            now: the present, at or after the end of the call.
            started_at: when the request went out on an open connection, of any age. Without it the request may
                have gone out only now.
            reference: what the call is known by: it is charged once. Without it there is no such check.
            scopes: what the call fell under.

        Raises:
            ValueError: `started_at` is after `now` or not finite, or `now` goes back.
            UnknownScope: no limits are set for a scope of that kind.
        """
        self._check_now(now)
        if reference is not None and reference in self._charged:
            return AlreadySettled()
        sent = produced = Counted(now, self._slack)
        if started_at is not None:
            check_instant("started_at", started_at, earliest=-math.inf, latest=now)
            sent = Counted(started_at, self._slack)
        accounts = self._accounts.of(scopes)
        self.expire(now)
        self._is_changing = True
        for account in accounts:
            account.expire(now)
            account.settle(NOTHING, usage, sent, produced, now)
        if reference is not None:
            self._charged.add(reference)
        self._is_changing = False
        self._accounts.sweep(now)
        return Settled(spent=usage, refunded=NOTHING, charged=usage)

    def charge_others(
        self, quantity: Quantity, window: float, amount: int, now: float, *, leaves_at: float
    ) -> None:
        """Count what others have used of a limit of the pool: it leaves at an instant, at most one window ahead."""
        self.expire(now)
        pool = self._accounts.pool
        pool.expire(now)
        self._is_changing = True
        pool.charge_others(quantity, window, amount, leaves_at, now)
        self._is_changing = False

    def change_limits(self, limits: Limits, now: float) -> None:
        """Go on under other limits for the pool; what was held and spent stays."""
        self.expire(now)
        held = sum((reserved.held for reserved in self._held.values()), start=NOTHING)
        self._is_changing = True
        begun = [
            (reserved.begun, Counted(reserved.started_at, self._slack))
            for reserved in self._held.values()
            if reserved.started_at is not None
        ]
        self._accounts.change_limits(limits, held, begun, now)
        self._freed[POOL] = None
        self._is_changing = False

    def change_algorithm(self, algorithm: Algorithm, now: float) -> None:
        """Mirror the provider in the other way from now on; the books of both are kept all the time."""
        self.expire(now)
        self._freed[POOL] = None
        self._accounts.change_algorithm(algorithm)

    def expire(self, now: float) -> None:
        """Move the time on: what may have been produced ripens, and orphans are settled. Every verb does so first.

        Raises:
            TypeError: `now` is no number.
            ValueError: `now` is not finite, or before an instant this ledger has seen.
        """
        # What was heard at this very instant may have made something ripe, or lost.
        is_done = now == self._now and now < self._orphans.next_end and now < self._unseen.next_lost
        if is_done and self._ripening.first_ripe(now) is None:
            return
        self._check_now(now)
        self._now = now
        if self._orphans.next_end <= now:
            self._settle_orphans(now)
        while (reservation_id := self._ripening.first_ripe(now)) is not None:
            self._ripen(reservation_id, now)
            self._ripening.drop_first()
        if self._unseen.give_up(now):
            self._freed[POOL] = None

    @property
    def slack(self) -> float:
        """Seconds after it was sent in which a request may still be counted."""
        return self._slack

    @property
    def patience(self) -> float:
        """Seconds that a reservation which was handed on is waited for."""
        return self._patience

    @property
    def next_expiry(self) -> float:
        """The instant at which the next orphan is given up; infinity when there is none."""
        return self._orphans.next_end

    @property
    def in_flight(self) -> tuple[ReservationId, ...]:
        """The reservations that are not settled, oldest first."""
        return tuple(self._held)

    @property
    def in_doubt(self) -> int:
        """How many calls under way may have been answered already, unseen."""
        return self._unseen.count

    def overdue(self, now: float) -> int:
        """How many output tokens the latest of them may have brought beyond what is held for it."""
        self.expire(now)
        return self._unseen.beyond(now)

    @property
    def next_lost(self) -> float:
        """The instant at which the oldest of them counts as lost, so that less room is needed; infinity for none."""
        return self._unseen.next_lost

    def supposed(self, reservation_id: ReservationId) -> Usage:
        """What a reservation that is not settled is taken to have used as long as nobody tells."""
        return self._held[reservation_id].supposed

    def take_freed(self) -> tuple[Scope, ...]:
        """The scopes in which something came back, other than by time alone, since this was asked last."""
        freed = tuple(self._freed)
        self._freed.clear()
        return freed

    @property
    def limits(self) -> Limits:
        """The limits of the pool as they stand."""
        return self._accounts.limits

    @property
    def algorithm(self) -> Algorithm:
        """How the provider is taken to enforce them."""
        return self._accounts.pool.algorithm

    def limits_of(self, scope: Scope) -> Limits:
        """The limits of a scope.

        Raises:
            UnknownScope: no limits are set for its kind.
        """
        return self._accounts.limits_of(scope)

    def verify(self) -> None:
        """Check the books against themselves, for a ledger whose owner has crashed; changes nothing. O(n).

        Raises:
            CorruptLedger: a sum is not that of its parts, an instant is out of order, a reservation was never given,
                or a change was begun and not ended.
        """
        fault = next(
            ledger_faults(
                accounts=self._accounts,
                held=self._held,
                last_id=self._last_id,
                now=self._now,
                lag=self._slack,
                is_changing=self._is_changing,
            ),
            None,
        )
        if fault is not None:
            raise CorruptLedger(fault)

    def statistics(self, now: float) -> LedgerStatistics:
        """The books of the pool at `now` and the sums over all scopes, as a frozen snapshot."""
        self.expire(now)
        return LedgerStatistics(
            in_flight=len(self._held),
            scopes=len(self._accounts),
            expired=self._orphans.given_up,
            pool=self._accounts.pool.statistics(now),
        )

    def scope_statistics(self, scope: Scope, now: float) -> ScopeStatistics:
        """The books of one scope at `now`.

        Raises:
            UnknownScope: no limits are set for its kind.
        """
        self.expire(now)
        return self._accounts.statistics(scope, now)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that have books now: the pool, then the others, the longest unused first."""
        return self._accounts.scopes

    @property
    def scope_count(self) -> int:
        """How many scopes have books now, the pool included."""
        return len(self._accounts)

    def at_most_counted(self, quantity: Quantity, window: float, since: float, now: float) -> int | None:
        """The most of a limit of the pool that the provider can have counted at any instant from `since` to `now`.

        Output of calls under way is taken for the most it may be. None when there is no such limit, or when the books
        do not reach back that far.
        """
        self.expire(now)
        for meter in self._accounts.pool.meters:
            if (meter.limit.quantity, meter.limit.window) == (quantity, window):
                counted = meter.at_most_counted(since, now)
                unsure = self._unsure if quantity in PRODUCED else 0
                return None if counted is None else counted + unsure
        return None

    def _settle(
        self, reservation_id: ReservationId, actual: Usage, now: float, sent: Counted, produced: Counted
    ) -> Settled:
        reserved = self._held[reservation_id]
        self._is_changing = True
        for account in self._accounts.of(reserved.scopes):
            account.expire(now)
            held = reserved.held_in(account.scope)
            if reserved.started_at is None:
                account.settle(held, actual, sent, produced, now)
            else:
                account.settle_begun(
                    held,
                    actual,
                    Counted(reserved.started_at, self._slack),
                    produced,
                    now,
                    begun=reserved.begun,
                )
            account.in_flight -= 1
        del self._held[reservation_id]
        self._unsure -= reserved.booking.at_most
        self._unseen.forget(reservation_id)
        self._orphans.forget(reservation_id)
        self._freed.update(dict.fromkeys(reserved.scopes))
        self._is_changing = False
        return Settled.by_difference(reserved.promised, actual)

    def _settle_late(
        self, reservation_id: ReservationId, input_tokens: int | None, output_tokens: int | None, now: float
    ) -> Settled | AlreadySettled:
        """Charge what a report brings beyond what was charged when its reservation was given up."""
        known = self._orphans.given_up_as(reservation_id)
        if known is None:
            return AlreadySettled()
        charged, scopes = known
        more = excess(charged.corrected(input_tokens, output_tokens), charged)
        self._is_changing = True
        self._orphans.forget_given_up(reservation_id)
        self.charge(more, now, scopes=scopes)
        return Settled(spent=charged + more, refunded=NOTHING, charged=more)

    def _settle_orphans(self, now: float) -> None:
        counted = Counted(now, self._slack)
        while self._orphans.next_end <= now:
            reservation_id = self._orphans.first
            reserved = self._held[reservation_id]
            self._is_changing = True
            self._orphans.give_up(reservation_id, reserved.supposed, reserved.scopes)
            self._settle(reservation_id, reserved.supposed, now, counted, counted)

    def _ripen(self, reservation_id: ReservationId, now: float) -> None:
        """Hold the output of a call whose answer may have been produced."""
        reserved = self._held.get(reservation_id)
        if reserved is None or reserved.is_ripe:
            return
        booking = reserved.booking
        more = Usage(0, 0, booking.ripens - reserved.held.output_tokens)
        pool = self._accounts.pool
        self._is_changing = True
        pool.expire(now)
        pool.hold(more)
        reserved.held += more
        reserved.is_ripe = True
        self._unseen.put(reservation_id, reserved.granted_at, booking.ripens, booking.foreseen)
        self._is_changing = False

    def _check_now(self, now: float) -> None:
        if now == self._now:
            return
        check_instant("now", now, earliest=self._now)

    def _held_at(self, reservation_id: ReservationId, now: float) -> Reserved | None:
        """Move the time on and return the reservation; None if it is settled, perhaps by that."""
        self._check_now(now)
        self._look_up(reservation_id)
        self.expire(now)
        return self._held.get(reservation_id)

    def _look_up(self, reservation_id: ReservationId) -> Reserved | None:
        reserved = self._held.get(reservation_id)
        # Ids count up, so one that was given out and is not held is settled: the dead need no memory.
        if reserved is None and not 1 <= reservation_id <= self._last_id:
            raise UnknownReservation(reservation_id, self._last_id)
        return reserved
