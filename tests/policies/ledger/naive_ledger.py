"""A ledger that keeps a list of everything and counts it again for each question: slow, exact, and easy to believe.

It shares with the real one its words (limits, usage, bookings and answers) and nothing else: instants are fractions, a
window is a list that is summed, a bucket is the exact instant at which it is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import attrs

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits, Quantity, amount_of
from actors.policies.ledger.meter import Algorithm, Unknown
from actors.policies.ledger.records import Settled, Shortfall
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage


def first_float_from(exact: Fraction) -> float:
    """The first float that is not before an exact instant."""
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


def sum_up(*seconds: float) -> float:
    """The first float that is not before an exact sum."""
    return first_float_from(sum((Fraction(each) for each in seconds), start=Fraction(0)))


def beyond(more: Usage, less: Usage) -> Usage:
    """What `more` has that `less` has not."""
    return Usage(
        max(0, more.requests - less.requests),
        max(0, more.input_tokens - less.input_tokens),
        max(0, more.output_tokens - less.output_tokens),
    )


@attrs.define(eq=False)
class Part:
    """Something that was counted: `lag` seconds after `at` at the latest."""

    usage: Usage
    at: float
    lag: float

    def leaves_at(self, window: float) -> float:
        """The first float at which it is out of a window."""
        return sum_up(self.at, self.lag, window)


@attrs.define(eq=False)
class NaiveLimit:
    """The books of one limit: every part that counts in it, and the instant at which its bucket is full."""

    limit: Limit
    parts: list[tuple[float, Part]] = attrs.field(factory=list[tuple[float, Part]])
    full_at: Fraction = Fraction(-(10**6))
    counted_by: Fraction = Fraction(-(10**6))
    grown_at: Fraction = Fraction(-(10**6))
    peak: int = 0

    @property
    def per_second(self) -> Fraction:
        return self.limit.amount / Fraction(self.limit.window)

    def amount(self, usage: Usage) -> int:
        return amount_of(usage, self.limit.quantity)

    def in_window(self, now: float) -> int:
        return sum(self.amount(part.usage) for leaves_at, part in self.parts if leaves_at > now)

    def missing(self, now: float) -> Fraction:
        return max(Fraction(0), self.full_at - Fraction(now)) * self.per_second

    def gone(self, now: float, algorithm: Algorithm) -> Fraction:
        return self.missing(now) if algorithm == "token_bucket" else Fraction(self.in_window(now))

    def back_at(self, gone: int, now: float, algorithm: Algorithm) -> float:
        """The first float at which no more than `gone` is spent and not back."""
        if gone < 0:
            return math.inf
        if algorithm == "token_bucket":
            return max(now, first_float_from(self.full_at - gone / self.per_second))
        instants = [now, *sorted(leaves_at for leaves_at, _ in self.parts if leaves_at > now)]
        return next(instant for instant in instants if self.in_window(instant) <= gone)

    def count(self, part: Part) -> None:
        self.parts.append((part.leaves_at(self.limit.window), part))
        self.take(self.amount(part.usage), part)

    def take(self, tokens: int, part: Part) -> None:
        if tokens > 0:
            counted_by = max(Fraction(sum_up(part.at, part.lag)), self.grown_at)
            self.counted_by = max(self.counted_by, counted_by)
            self.full_at = max(self.full_at, counted_by) + tokens / self.per_second

    def change(self, limit: Limit, now: float) -> None:
        """As much is missing as before; of a smaller bucket no more than all, and that again for a debt."""
        start, before = Fraction(now), self.limit.amount
        last = max(start, self.counted_by)
        debt = max(Fraction(0), (self.full_at - last) * self.per_second - before)
        latest = last + (1 + min(Fraction(1), debt / limit.amount)) * Fraction(limit.window)
        if limit.amount > before:
            self.grown_at, start = start, max(start, self.counted_by)
        if self.full_at > start:
            self.full_at = start + (self.full_at - start) * before / limit.amount
        if limit.amount < before:
            self.full_at = min(self.full_at, latest)
        self.limit = limit

    def is_idle(self, now: float) -> bool:
        return self.in_window(now) == 0 and self.full_at <= now


@attrs.define(eq=False)
class NaiveCall:
    """All that is known of one reservation."""

    booking: Booking
    scopes: tuple[Scope, ...]
    granted_at: float
    held: Usage
    arrived: Part | None = None
    is_ripe: bool = False
    expires_at: float = math.inf
    is_settled: bool = False
    given_up: Usage | None = None

    @property
    def promised(self) -> Usage:
        booked = self.booking.held
        return Usage(booked.requests, booked.input_tokens, self.held.output_tokens)

    def held_in(self, scope: Scope) -> Usage:
        """Of scopes whose limits are ours alone all that is supposed is held from the grant on."""
        if scope == POOL:
            return self.held
        return Usage(self.held.requests, self.held.input_tokens, self.supposed.output_tokens)

    @property
    def supposed(self) -> Usage:
        booked = self.booking.held
        output = max(booked.output_tokens, self.booking.ripens)
        return Usage(booked.requests, booked.input_tokens, output)


@attrs.define(eq=False)
class NaiveLedger:
    """The list of all calls, and for every scope the list of what counts under each limit of it."""

    limits: Limits
    kinds: dict[str, Limits]
    slack: float
    patience: float
    algorithm: Algorithm
    now: float = 0.0
    calls: dict[int, NaiveCall] = attrs.field(factory=dict[int, NaiveCall])
    books: dict[Scope, list[NaiveLimit]] = attrs.field(factory=dict[Scope, list[NaiveLimit]])
    quickest: float = math.inf
    unseen: list[NaiveCall] = attrs.field(factory=list[NaiveCall])
    answers: list[tuple[float, int]] = attrs.field(factory=list[tuple[float, int]])
    expired: int = 0

    # ── what is asked ───────────────────────────────────────────────────────────────────────────────────────

    def of(self, scope: Scope) -> list[NaiveLimit]:
        if scope not in self.books:
            limits = self.limits if scope == POOL else self.kinds[scope.kind]
            self.books[scope] = [NaiveLimit(limit) for limit in limits.each]
        return self.books[scope]

    def algorithm_of(self, scope: Scope) -> Algorithm:
        """The provider's for the pool; the limits of other scopes are ours, and kept over any window."""
        return self.algorithm if scope == POOL else "sliding_window"

    def in_flight(self, scope: Scope = POOL) -> list[int]:
        return [number for number, call in self.calls.items() if scope in call.scopes and not call.is_settled]

    def held(self, scope: Scope, books: NaiveLimit) -> int:
        return sum(books.amount(self.calls[number].held_in(scope)) for number in self.in_flight(scope))

    def asked(self, scope: Scope, books: NaiveLimit, booking: Booking) -> int:
        """What has to be free: in the pool with room for what is unseen, as far as that is not held by others."""
        asked = books.amount(booking.needed)
        if scope != POOL or books.limit.quantity not in {"output_tokens", "total_tokens"}:
            return asked
        return max(asked, min(asked + booking.unseen, books.limit.amount - self.held(scope, books)))

    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...]) -> Shortfall | None:
        shorts = list(self._shorts(booking, scopes))
        return max(shorts, key=length_of_wait) if shorts else None

    def _shorts(self, booking: Booking, scopes: tuple[Scope, ...]) -> Iterator[Shortfall]:
        for scope in scopes:
            for books in self.of(scope):
                asked, most = self.asked(scope, books, booking), books.limit.amount
                room = most - asked - self.held(scope, books)
                if books.gone(self.now, self.algorithm_of(scope)) <= room:
                    continue
                instant = books.back_at(room, self.now, self.algorithm_of(scope))
                if asked > most:
                    yield Shortfall(scope, books.limit, asked, math.inf)
                elif instant == math.inf:
                    yield Shortfall(scope, books.limit, asked, Unknown.UNTIL_SETTLEMENT)
                else:
                    yield Shortfall(scope, books.limit, asked, instant)

    def earliest_if_refunded(self, booking: Booking, scopes: tuple[Scope, ...]) -> float:
        return max(
            books.back_at(
                books.limit.amount - books.amount(booking.needed), self.now, self.algorithm_of(scope)
            )
            for scope in scopes
            for books in self.of(scope)
        )

    @property
    def pace(self) -> float:
        """Tokens per second of the quickest answer; one that is older by an answer counts for a 128th less."""
        pace = 0.0
        for seconds, tokens in self.answers:
            if seconds > 0:
                pace = max(pace * (1 - 1 / 128), tokens / seconds)
        return pace

    def lose(self) -> None:
        """Await those no more that are out for twice as long as the longest would take, one after the other."""
        while self.unseen and self.pace:
            call = self.unseen[0]
            longest = max(call.booking.ripens, call.booking.foreseen)
            if call.granted_at + 2 * longest / self.pace > self.now:
                break
            self.unseen.pop(0)

    def overdue(self) -> int:
        if not self.unseen:
            return 0
        call = self.unseen[0]
        longest = max(call.booking.ripens, call.booking.foreseen)
        produced = math.ceil(self.pace * (self.now - call.granted_at))
        return max(0, min(longest, produced) - call.booking.ripens)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, now: float) -> None:
        """Move on to an instant: orphans are given up, then what may have been produced ripens."""
        self.now = now
        due = [call for call in self.calls.values() if call.expires_at <= now and not call.is_settled]
        for call in sorted(due, key=lambda call: call.expires_at):
            counted = (now, self.slack)
            self._end(call, call.supposed, counted, counted)
            call.given_up = call.supposed
            self.expired += 1
        self.ripen()
        self.lose()
        for books in (books for limits in self.books.values() for books in limits):
            books.parts = [(leaves_at, part) for leaves_at, part in books.parts if leaves_at > now]

    def ripen(self) -> None:
        certain = 0.0 if self.quickest == math.inf else max(0.0, self.quickest - 3 * self.slack)
        for call in self.calls.values():
            more = call.booking.ripens - call.booking.held.output_tokens
            if not (call.is_ripe or call.is_settled or more <= 0) and self.now - call.granted_at > certain:
                self._ripen(call, more)

    def _ripen(self, call: NaiveCall, more: int) -> None:
        call.is_ripe = True
        call.held += Usage(0, 0, more)
        self.unseen.append(call)
        self._note_peaks(call.scopes)

    def reserve(self, number: int, booking: Booking, scopes: tuple[Scope, ...]) -> None:
        self.calls[number] = NaiveCall(booking, scopes, self.now, booking.held)
        self._note_peaks(scopes)
        more = booking.ripens - booking.held.output_tokens
        if more > 0 and self.pace and booking.ripens / self.pace < 2 * self.slack:
            self._ripen(self.calls[number], more)

    def confirm(self, number: int, started_at: float) -> None:
        call = self.calls[number]
        if call.arrived is not None:
            return
        arrival = Usage(call.held.requests, call.held.input_tokens, 0)
        call.arrived = Part(arrival, started_at, self.slack)
        call.held = Usage(0, 0, call.held.output_tokens)
        self._count(call.scopes, call.arrived)

    def report(
        self,
        number: int,
        inputs: int | None,
        outputs: int | None,
        started_at: float | None,
        heard_at: float | None = None,
    ) -> Settled:
        call = self.calls[number]
        heard_at = self.now if heard_at is None else heard_at
        sent = (heard_at, 0.0)
        if call.arrived is not None:
            started_at = call.arrived.at
        if started_at is not None:
            if Fraction(started_at) + Fraction(self.slack) <= heard_at:
                sent = (started_at, self.slack)
            self.quickest = min(self.quickest, self.now - started_at)
            if outputs is not None:
                self.answers.append((self.now - started_at, outputs))
        actual = known(call.supposed, inputs, outputs)
        promised = call.promised
        self._end(call, actual, sent, (self.now, 0.0))
        self.ripen()
        self.lose()
        return Settled(actual, beyond(promised, actual), beyond(actual, promised))

    def cancel(self, number: int, *, charged: bool) -> Settled:
        call = self.calls[number]
        actual, promised = call.supposed if charged else NOTHING, call.promised
        self._end(call, actual, (self.now, self.slack), (self.now, self.slack))
        return Settled(actual, beyond(promised, actual), beyond(actual, promised))

    def report_late(self, number: int, inputs: int | None, outputs: int | None) -> Settled | None:
        """Charge what is missing; None if it was settled by anything but its expiry, or told already."""
        call = self.calls[number]
        if call.given_up is None:
            return None
        more = beyond(known(call.given_up, inputs, outputs), call.given_up)
        spent, call.given_up = call.given_up + more, None
        self.charge(more, call.scopes, None)
        return Settled(spent, NOTHING, more)

    def charge(self, usage: Usage, scopes: tuple[Scope, ...], started_at: float | None) -> None:
        at = self.now if started_at is None else started_at
        self._count(scopes, Part(Usage(usage.requests, usage.input_tokens, 0), at, self.slack))
        self._count(scopes, Part(Usage(0, 0, usage.output_tokens), self.now, self.slack))

    def charge_others(self, quantity: Quantity, window: float, amount: int, leaves_at: float) -> None:
        for books in self.of(POOL):
            if (books.limit.quantity, books.limit.window) == (quantity, window):
                part = Part(only(quantity, amount), self.now, 0.0)
                books.parts.append((min(leaves_at, part.leaves_at(window)), part))
                books.take(amount, part)
        self._note_peaks((POOL,))

    def change_limits(self, limits: Limits) -> None:
        known_books = list(self.of(POOL))
        self.limits = limits
        self.books[POOL] = []
        for limit in limits.each:
            key = limit.quantity, limit.window
            same = [books for books in known_books if (books.limit.quantity, books.limit.window) == key]
            if not same:
                books = NaiveLimit(limit)
                for number in self.in_flight():
                    arrived = self.calls[number].arrived
                    if arrived is not None:
                        books.count(arrived)
            else:
                books = same[0]
                known_books.remove(books)
                books.change(limit, self.now)
            self.books[POOL].append(books)
        self._note_peaks((POOL,))

    def drop(self, scope: Scope) -> None:
        """Forget the books of a scope in which nothing counts any more."""
        assert not self.in_flight(scope)
        assert all(books.is_idle(self.now) for books in self.of(scope))
        del self.books[scope]

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(
        self, call: NaiveCall, actual: Usage, sent: tuple[float, float], produced: tuple[float, float]
    ) -> None:
        arrival = Usage(actual.requests, actual.input_tokens, 0)
        call.held = Usage(0, 0, call.held.output_tokens)
        if call.arrived is None:
            self._count(call.scopes, Part(arrival, *sent))
        else:
            self._amend(call, arrival)
        call.is_settled = True
        self.unseen = [other for other in self.unseen if other is not call]
        self._count(call.scopes, Part(Usage(0, 0, actual.output_tokens), *produced))

    def _amend(self, call: NaiveCall, arrival: Usage) -> None:
        """The list is corrected; of a bucket more is taken, and nothing is given back to it."""
        part = call.arrived
        assert part is not None
        before, part.usage = part.usage, arrival
        for scope in call.scopes:
            for books in self.of(scope):
                books.take(books.amount(arrival) - books.amount(before), part)
        self._note_peaks(call.scopes)

    def _count(self, scopes: tuple[Scope, ...], part: Part) -> None:
        for scope in scopes:
            for books in self.of(scope):
                books.count(part)
        self._note_peaks(scopes)

    def _note_peaks(self, scopes: tuple[Scope, ...]) -> None:
        for scope in scopes:
            for books in self.of(scope):
                books.peak = max(books.peak, self.held(scope, books) + books.in_window(self.now))


def known(supposed: Usage, inputs: int | None, outputs: int | None) -> Usage:
    """What a call used, as far as it is told."""
    return Usage(
        supposed.requests,
        supposed.input_tokens if inputs is None else inputs,
        supposed.output_tokens if outputs is None else outputs,
    )


def only(quantity: Quantity, amount: int) -> Usage:
    """So much of one quantity, and nothing else."""
    return Usage(**{"requests": 0, "input_tokens" if quantity == "total_tokens" else quantity: amount})


def length_of_wait(short: Shortfall) -> tuple[int, float]:
    """A known instant, then an unknown one, then never."""
    if isinstance(short.available_at, Unknown):
        return (1, 0.0)
    return (2, 0.0) if short.available_at == math.inf else (0, short.available_at)
