"""A client that learns and a provider that judges, without a clock: events in the order of their instants.

The client keeps naive books of its own. They answer what a limiter has to answer: the most of ours that the provider
can have counted at any instant since a request was sent. The provider's pool is the simulated one, and its headers go
through the parser as text.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import attrs
from unmeasured import unmeasured

from actors.policies.learning.learning import LimitLearner
from actors.policies.learning.records import Lesson, OthersUse, Seen
from actors.policies.ledger.limits import Limits, Quantity
from actors.policies.ledger.meter import Algorithm
from actors.policies.usage import NOTHING, Usage
from actors.testing.provider.limits import DIMENSIONS, Mode, ProviderLimits
from actors.testing.provider.pool import Pool
from actors.testing.provider.rate_headers import rate_headers
from actors.wire.rate_limits import parse_rate_limits

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = 60.0
JITTER = 0.5
"""Seconds, the most that the network takes in one way."""

MAX_TOKENS = 400
"""Output tokens that a call may have; what it has is drawn from 1 to this."""


def at_wall(instant: float) -> datetime:
    """What the clocks on the walls of both sides show."""
    return EPOCH + timedelta(seconds=instant)


def read_limits(headers: dict[str, str], now_wall: datetime | None) -> tuple[Seen, ...]:
    """What the headers tell, as the limiter shows it to a learner."""
    observed = parse_rate_limits(headers, dialect="anthropic", now_wall=now_wall).limits
    return tuple(Seen(**attrs.asdict(each)) for each in observed)


@attrs.define(eq=False)
class Book:
    """What of one quantity can be counted: each part from its sending until a window after it was counted last."""

    window: float
    parts: deque[tuple[float, int]] = attrs.field(factory=deque[tuple[float, int]])
    total: int = 0
    present: deque[tuple[float, int]] = attrs.field(factory=deque[tuple[float, int]])
    present_total: int = 0
    open: int = 0
    full_at: float = -math.inf
    taken: int = 0

    def add(self, amount: int, counted_by: float, limit: int) -> None:
        self.charge(amount, counted_by, limit, leaves_at=counted_by + self.window)

    def charge(self, amount: int, counted_by: float, limit: int, *, leaves_at: float) -> None:
        """Count an amount that leaves the window at an instant, and that is taken from the bucket at another."""
        insort(self.parts, (leaves_at, amount))
        insort(self.present, (leaves_at, amount))
        self.total += amount
        self.present_total += amount
        self.taken = amount + (self.taken if counted_by < self.full_at else 0)
        self.full_at = max(self.full_at, counted_by) + amount * self.window / limit

    def most_since(self, since: float, limit: int) -> int:
        """The most at any instant from `since` on; these must not go backwards."""
        while self.parts and self.parts[0][0] <= since:
            self.total -= self.parts.popleft()[1]
        missing = math.ceil(max(0.0, self.full_at - since) * limit / self.window)
        return max(self.total, min(self.taken, missing)) + self.open

    def in_window(self, now: float) -> int:
        while self.present and self.present[0][0] <= now:
            self.present_total -= self.present.popleft()[1]
        return self.present_total

    def missing(self, now: float, limit: int) -> float:
        return max(0.0, self.full_at - now) * limit / self.window


@attrs.define(eq=False)
class ClockMinute:
    """A provider's meter that is whole again at every full minute of the clock: the third kind."""

    limit: int
    _minute: float = 0.0
    _used: int = 0

    def fits_at(self, now: float, amount: int) -> float:
        return now if amount <= self.remaining(now) else self.full_at(now)

    def charge(self, now: float, amount: int) -> None:
        self._used = self.limit - self.remaining(now) + amount

    def remaining(self, now: float) -> int:
        minute = now // WINDOW
        if minute > self._minute:
            self._minute, self._used = minute, 0
        return self.limit - self._used

    def full_at(self, now: float) -> float:
        return (now // WINDOW + 1) * WINDOW


@attrs.define(eq=False)
class Call:
    """One call: who sent it when, and what it uses."""

    sent_at: float
    input_tokens: int
    output_tokens: int
    is_ours: bool = True


@attrs.define(eq=False)
class Told:
    """One response and what it taught; its limits are those of `told_at`."""

    seen: tuple[Seen, ...]
    sent_at: float
    told_at: float
    now: float
    lesson: Lesson


@attrs.define(eq=False, kw_only=True)
class World:
    """Runs traffic against a pool and shows every response to a learner.

    Args:
        mode: how the provider enforces its limits.
        limits: what they are.
        rng: the dice.
        learner: who learns; by default one that was told the right limits.
        latency: seconds that an answer takes, drawn from the first to the second.
        has_date: whether responses are dated by the server.
        told: whether limits are told as of the end of an answer or of its start.
    """

    mode: Mode
    limits: ProviderLimits = attrs.field(factory=ProviderLimits)
    rng: random.Random = attrs.field(factory=lambda: random.Random(0))
    learner: LimitLearner = attrs.field(
        default=attrs.Factory(
            lambda self: LimitLearner(
                Limits(self.limits.requests, self.limits.input_tokens, self.limits.output_tokens)
            ),
            takes_self=True,
        )
    )
    latency: tuple[float, float] = (0.5, 8.0)
    has_date: bool = True
    told: Literal["end", "start"] = "end"
    pool: Pool = attrs.field(init=False)
    algorithm: Algorithm = attrs.field(init=False)
    allowed: Limits = attrs.field(init=False)
    history: list[Told] = attrs.field(factory=list[Told], init=False)
    charges: list[tuple[float, OthersUse]] = attrs.field(factory=list[tuple[float, OthersUse]], init=False)
    is_heeding_others: bool = attrs.field(default=True, init=False)
    refused: int = attrs.field(default=0, init=False)
    sent: int = attrs.field(default=0, init=False)
    lies: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _books: dict[Quantity, Book] = attrs.field(init=False)
    _others: list[float] = attrs.field(factory=list[float], init=False)
    _events: list[tuple[float, int, Callable[[float], None]]] = attrs.field(factory=list[Any], init=False)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count, init=False)

    def __attrs_post_init__(self) -> None:
        self.pool = Pool(self.limits, self.mode)
        self.algorithm = self.learner.algorithm
        self.allowed = self.learner.limits
        quantities: tuple[Quantity, ...] = ("requests", "input_tokens", "output_tokens")
        self._books = {quantity: Book(WINDOW) for quantity in quantities}

    def at(self, instant: float, event: Callable[[float], None]) -> None:
        """Let something happen at an instant."""
        heapq.heappush(self._events, (instant, next(self._numbers), event))

    @unmeasured
    def run(self) -> World:
        """Let everything happen, in its order."""
        while self._events:
            now, _, event = heapq.heappop(self._events)
            event(now)
        return self

    def call(self, instant: float, input_tokens: int = 100, output_tokens: int | None = None) -> None:
        """Let us ask for a call at an instant; it is dropped when it does not fit."""
        output = self.rng.randint(1, MAX_TOKENS) if output_tokens is None else output_tokens
        self.at(instant, lambda now: self._ask(Call(now, input_tokens, output)))

    def foreign_call(self, instant: float, input_tokens: int = 100, output_tokens: int = 10) -> None:
        """Let another client of the key be served at an instant."""
        self.at(instant, lambda now: self._admit(Call(now, input_tokens, output_tokens, is_ours=False), now))

    def change(self, instant: float, limits: ProviderLimits) -> None:
        """Let the provider change its limits; what is counted stays counted."""

        def happen(_now: float) -> None:
            self.pool.limits = limits
            for quantity, meter in self.pool._meters.items():
                meter.limit = getattr(limits, quantity)  # type: ignore[attr-defined]  # both kinds have one

        self.at(instant, happen)

    def lie(self, since: float, until: float, headers: dict[str, str]) -> None:
        """Let the headers of all responses say something else for a while."""
        self.at(since, lambda _now: self.lies.update(headers))
        self.at(until, lambda _now: self.lies.clear())

    def turn(self, mode: Mode | Literal["clock_minute"]) -> None:
        """Let the provider enforce its limits in another way, with books that begin empty."""
        self.mode = mode if mode != "clock_minute" else self.mode
        self.pool = Pool(self.limits, self.mode)
        if mode == "clock_minute":
            self.pool._meters = {each: ClockMinute(self.pool.limit(each)) for each in DIMENSIONS}

    def charged(self, quantity: Quantity, *, by: float, present: float = -math.inf) -> int:
        """What was charged to others by an instant and leaves after another."""
        return sum(
            use.amount
            for since, use in self.charges
            if use.quantity == quantity and since <= by and since + use.leaves_in > present
        )

    def others_requests(self, since: float, by: float) -> int:
        """The requests of others that the provider let in after an instant and by another."""
        return sum(since < instant <= by for instant in self._others)

    def _ask(self, call: Call) -> None:
        now = call.sent_at
        wanted: dict[Quantity, int] = {"requests": 1, "input_tokens": call.input_tokens, "output_tokens": 1}
        self.allowed = self.learner.look(Usage(1, call.input_tokens, 1), now).limits or self.allowed
        for quantity, amount in wanted.items():
            allowed: int = getattr(self.allowed, quantity)
            book = self._books[quantity]
            used = book.in_window(now) if self.algorithm != "token_bucket" else book.missing(now, allowed)
            if used + amount > allowed:
                return
        self.sent += 1
        for quantity in ("requests", "input_tokens"):
            self._book(quantity, wanted[quantity], now + JITTER)
        self._books["output_tokens"].open += MAX_TOKENS
        self.at(now + self.rng.uniform(0, JITTER), lambda at: self._admit(call, at))

    def _book(self, quantity: Quantity, amount: int, counted_by: float) -> None:
        self._books[quantity].add(amount, counted_by, getattr(self.allowed, quantity))

    def _admit(self, call: Call, now: float) -> None:
        over = self.pool.admit(now, call.input_tokens)
        if over is not None:
            if call.is_ours:
                self.refused += 1
                self._answer(call, now, NOTHING, self._headers(now), now)
            return
        if not call.is_ours:
            self._others.append(now)
        used = Usage(1, call.input_tokens, 0)
        started = self._headers(now) if self.told == "start" and call.is_ours else None
        self.at(
            now + self.rng.uniform(*self.latency),
            lambda at: self._finish(call, at, used, started, told_at=now),
        )

    def _finish(
        self, call: Call, now: float, used: Usage, started: dict[str, str] | None, *, told_at: float
    ) -> None:
        self.pool.produce(now, call.output_tokens)
        if call.is_ours:
            headers = self._headers(now) if started is None else {**started, **self._date(now)}
            self._answer(call, now, used, headers, now if started is None else told_at)

    def _headers(self, now: float) -> dict[str, str]:
        true = rate_headers(self.pool, now=now, wall_clock=at_wall(now).timestamp())
        return {**true, **self._date(now), **self.lies}

    def _date(self, now: float) -> dict[str, str]:
        return {"date": format_datetime(at_wall(now), usegmt=True)} if self.has_date else {}

    def _answer(self, call: Call, now: float, used: Usage, headers: dict[str, str], told_at: float) -> None:
        self.at(
            now + self.rng.uniform(0, JITTER),
            lambda at: self._receive(call, at, used, headers, told_at=told_at),
        )

    def _receive(
        self, call: Call, now: float, used: Usage, headers: dict[str, str], *, told_at: float
    ) -> None:
        output = self._books["output_tokens"]
        output.open -= MAX_TOKENS
        if used.requests:
            self._book("output_tokens", call.output_tokens, now)
        seen = read_limits(headers, at_wall(now))

        def books(quantity: Quantity, window: float) -> int | None:
            if quantity not in self._books or window != WINDOW:
                return None
            allowed: int = getattr(self.allowed, quantity)
            return self._books[quantity].most_since(call.sent_at, allowed)

        lesson = self.learner.observe(seen, sent_at=call.sent_at, received_at=now, books=books, used=used)
        self.history.append(Told(seen, call.sent_at, told_at, now, lesson))
        for use in lesson.others if self.is_heeding_others else ():
            self.charges.append((now, use))
            allowed: int = getattr(self.allowed, use.quantity)
            self._books[use.quantity].charge(use.amount, now, allowed, leaves_at=now + use.leaves_in)
        self.allowed = lesson.limits or self.allowed
        self.algorithm = lesson.algorithm or self.algorithm
