"""What the right to make a call costs: through the actor, and in the core with long histories and long lines."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Mapping
from time import process_time
from typing import ParamSpec, TypeVar

import attrs
import trio
from desk import USED_INPUT, USED_OUTPUT, Desk
from floors import timed
from kernel import ask_ours
from measure import Figure, paired

from actors.kernel import open_actor, open_books
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limits
from actors.policies.queue.records import Granted, Queued
from actors.policies.scope import Scope
from actors.policies.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")

ROUNDS = 7

PAIRS = 2_000
"""Calls of a round, each acquired and reported."""

WINDOW = 60.0

USAGE = Usage(1, 1_000, 500)

PLENTY = Limits(requests=10**9, input_tokens=10**12, output_tokens=10**12)

MODEST = 1_000
"""Requests per window where there are lines: one comes back every 62 ms."""

HISTORIES = (100, 10_000, 1_000_000)
LINES = (1, 100, 10_000)
LONGEST = LINES[-1]
TENANTS = 100
SCOPES = 10_000

FLAT = 1.5
"""What a pair with the most history, or the longest line, may cost as a multiple of one with the least."""

MOMENT = 1e-3
"""Seconds that a decision or a snapshot may take."""


# ── through the actor ───────────────────────────────────────────────────────────────────────────────────────────────


async def sent_for(calls: int) -> int:
    """Return how many messages the books of the kernel count for `calls` calls, each in a block of `reserve`."""
    with open_books() as books:
        async with open_actor(lambda: Limiter(PLENTY), name="limiter") as limiter:
            for _ in range(calls):
                async with reserve(limiter, USAGE) as held:
                    held.report(input_tokens=USED_INPUT, output_tokens=USED_OUTPUT)
        books.check_balanced()
        return books.totals().sent


async def pairs_through_actor(pairs: int) -> float:
    """Seconds for one task to acquire and report `pairs` calls, one after the other, with nobody in its way."""
    claim = Claim(USAGE)
    async with open_actor(lambda: Limiter(PLENTY), name="limiter") as limiter:

        async def client() -> None:
            for _ in range(pairs):
                grant = await limiter.ask(Limiter.acquire(claim, is_owned=True))
                await limiter.ask(Limiter.report(grant, input_tokens=USED_INPUT, output_tokens=USED_OUTPUT))

        return await timed(1, client)


def messages() -> Generator[Figure]:
    """Messages per call: one to acquire, one to report."""
    sent = trio.run(sent_for, 1_000) / 1_000
    yield Figure("limiter.messages", sent, "messages per call", sent / 2, "2: acquire and report", sent == 2)


def pair() -> Generator[Figure]:
    """Acquire and report through the actor against two bare asks of the same kernel."""
    ours, _, ratio = paired(
        lambda: trio.run(pairs_through_actor, PAIRS), lambda: trio.run(ask_ours, 1, 2 * PAIRS), ROUNDS
    )
    aim = "time at most 1.5 x two bare asks"
    yield Figure("limiter.pair", PAIRS / ours, "pairs/s", ratio, aim, ratio <= 1.5)


# ── with much history ───────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define(eq=False)
class Past:
    """A desk with so many calls in its window, evenly spread: each pair adds one, and the oldest one leaves."""

    entries: int
    now: float = 0.0
    desk: Desk = attrs.field(factory=lambda: Desk.under(PLENTY))
    claim: Claim = attrs.field(factory=lambda: Claim(USAGE))

    @classmethod
    def of(cls, entries: int) -> Past:
        """Let the calls happen, within one window."""
        past = cls(entries)
        for number in range(entries):
            past.now = (number + 1) * WINDOW / entries
            past.desk.memory.ledger.charge(USAGE, past.now, started_at=past.now)
        return past

    def seconds(self) -> float:
        """Return what `PAIRS` pairs cost."""
        start = process_time()
        for _ in range(PAIRS):
            self.now += WINDOW / self.entries
            granted = self.desk.acquire(self.claim, self.now)
            assert isinstance(granted, Granted)
            self.desk.report(granted.reservation, self.claim, self.now)
        return process_time() - start


def history() -> Generator[Figure]:
    """The cost of a pair with a short and with a long window behind it."""
    yield from _by_size("limiter.history", HISTORIES, {size: Past.of(size).seconds for size in HISTORIES})


# ── with many in line ───────────────────────────────────────────────────────────────────────────────────────────────


@attrs.define(eq=False)
class Line:
    """A full desk with a line: whenever a place comes back the first one goes, and another comes behind the last.

    Attributes:
        claims: of those who ask, round and round.
        decisions: seconds that each decision took.
    """

    claims: list[Claim]
    desk: Desk = attrs.field(factory=lambda: Desk.under(attrs.evolve(PLENTY, requests=MODEST)))
    now: float = 0.0
    asked: int = 0
    decisions: list[float] = attrs.field(factory=list[float])

    @classmethod
    def of(cls, waiting: int, tenants: int = 1) -> Line:
        """Let calls fill the window, and so many more ask in vain."""
        line = cls([Claim(USAGE, tenant=f"tenant-{number}") for number in range(tenants)])
        while isinstance(granted := line.ask(), Granted):
            line.now += line.gap
            line.desk.report(granted.reservation, granted.claim, line.now)
        for _ in range(waiting - 1):
            line.ask()
        assert line.desk.statistics(line.now).queue.waiting == waiting
        return line

    @property
    def gap(self) -> float:
        """Seconds between two places that come back."""
        return WINDOW / (self.desk.memory.ledger.limits.requests or MODEST)

    def ask(self) -> Granted | Queued:
        """Let the next one ask."""
        self.asked += 1
        return self.desk.acquire(self.claims[self.asked % len(self.claims)], self.now)

    def let_go(self) -> int:
        """Let a place come back: whoever is first has it, and is answered, and another one comes; return how many."""
        self.now += self.gap
        going = self._timed(self.desk.advance, self.now)
        gone = 0
        while going:
            granted = going.pop()
            gone += 1
            going += self._timed(self.desk.report, granted.reservation, granted.claim, self.now)
            if isinstance(asked := self._timed(self.ask), Granted):
                going.append(asked)  # two places have come back in one gap, and fewer than two waited
        return gone

    def seconds(self) -> float:
        """Return what the decisions of `PAIRS` pairs cost together."""
        self.decisions.clear()
        gone = 0
        while gone < PAIRS:
            gone += self.let_go()
        return sum(self.decisions)

    def _timed(self, decide: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Decide, and ask for the timer, as the actor does after every message while somebody waits."""
        start = process_time()
        decision = decide(*args, **kwargs)
        self.desk.due(self.now)
        self.decisions.append(process_time() - start)
        return decision


def waiters() -> Generator[Figure]:
    """The cost of a pair, granted in turn, with a short and with a long line."""
    yield from _by_size("limiter.waiters", LINES, {size: Line.of(size).seconds for size in LINES})


def decision() -> Generator[Figure]:
    """How long the slowest decisions take in a long line of many tenants."""
    line = Line.of(LONGEST, TENANTS)
    line.seconds()
    slowest = statistics.quantiles(line.decisions, n=100)[-1]
    yield _moment("limiter.decision", slowest, f"us, p99 with {LONGEST} waiting")


def snapshots() -> Generator[Figure]:
    """What a snapshot costs with a long line, and with many scopes."""
    line = Line.of(LONGEST, TENANTS)
    yield _moment("limiter.statistics.waiters", _snapshot(line.desk, line.now), f"us, {LONGEST} waiting")
    desk = Desk.under(PLENTY, key=PLENTY)
    for number in range(SCOPES):
        desk.acquire(Claim(USAGE, scopes=(Scope("key", str(number)),)), 0.0)
    yield _moment("limiter.statistics.scopes", _snapshot(desk, 1.0), f"us, {SCOPES} scopes")


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _snapshot(desk: Desk, now: float) -> float:
    taken: list[float] = []
    for _ in range(100):
        start = process_time()
        desk.statistics(now)
        taken.append(process_time() - start)
    return statistics.median(taken)


def _by_size(
    name: str, sizes: tuple[int, ...], measures: Mapping[int, Callable[[], float]]
) -> Generator[Figure]:
    """One line for each size, measured in turn; the last says what a pair costs against one of the first size."""
    for measure in measures.values():
        measure()
    rounds = [{size: measures[size]() / PAIRS for size in sizes} for _ in range(ROUNDS)]
    few, *_, many = sizes
    ratio = statistics.median(costs[many] / costs[few] for costs in rounds)
    for size in sizes:
        is_last = size == many
        yield Figure(
            f"{name}.{size}",
            statistics.median(costs[size] for costs in rounds) * 1e6,
            "us per pair",
            ratio if is_last else None,
            f"at most {FLAT} x one with {few}" if is_last else None,
            ratio <= FLAT if is_last else None,
        )


def _moment(name: str, seconds: float, unit: str) -> Figure:
    return Figure(name, seconds * 1e6, unit, seconds / MOMENT, "under 1 ms", seconds < MOMENT)


FIGURES: Mapping[str, Callable[[], Generator[Figure]]] = {
    "limiter.messages": messages,
    "limiter.pair": pair,
    "limiter.history": history,
    "limiter.waiters": waiters,
    "limiter.decision": decision,
    "limiter.statistics": snapshots,
}
"""What can be measured, by the name of the figure; those that grow with something bring a line for each size."""
