"""In whatever order tasks wake: the limits hold, no reservation leaks, and nobody waits for ever.

A world of a few callers is drawn from a seed, which also decides the order of the tasks. They ask, wait, leave, call,
are cancelled and settle around the same few instants. The judge is the simulated provider's own window, which knows
nothing of ledgers. The second half plants bugs and shows that the worlds see them.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import attrs
import pytest
import trio
from cast_setup import Fragile, open_restarting
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import CallFailed, Rejected
from actors.kernel import Ref
from actors.kernel.serving import Server
from actors.limiter import Limiter
from actors.policies.admission import AdmissionQueue
from actors.policies.limits import Limits
from actors.policies.usage import NOTHING, Usage
from actors.reservation import Held, reserve
from actors.testing.provider.limits import SlidingWindow
from actors.testing.run import run

LIMITS = Limits(requests=3, input_tokens=100, output_tokens=60)
SLACK = 0.5
EDGES = (0.0, 1.0, 2.0, 61.0, 61.5, 62.0, 121.0)
"""Instants at which much happens: windows that began in the first seconds free at the later ones."""


@attrs.define(eq=False)
class Judge:
    """The provider's side: three windows, counted when a request arrives and when its answer ends."""

    requests: SlidingWindow = attrs.field(factory=lambda: SlidingWindow(3))
    inputs: SlidingWindow = attrs.field(factory=lambda: SlidingWindow(100))
    outputs: SlidingWindow = attrs.field(factory=lambda: SlidingWindow(60))

    def arrive(self, input_tokens: int) -> None:
        self._count(self.requests, 1)
        self._count(self.inputs, input_tokens)

    def produce(self, output_tokens: int) -> None:
        self._count(self.outputs, output_tokens)

    def _count(self, window: SlidingWindow, amount: int) -> None:
        now = trio.current_time()
        window.charge(now, amount)
        assert window.remaining(now) >= 0, "the provider saw more than its limit"


@attrs.define(eq=False)
class World:
    """What the callers of one run share, and what came of each."""

    limiter: Ref[Limiter]
    rng: random.Random
    judge: Judge = attrs.field(factory=Judge)
    longest: float = 70.0
    outcomes: Counter[str] = attrs.field(factory=Counter[str])

    async def leave(self, scope: trio.CancelScope, done: trio.Event) -> None:
        """Cancel a caller for no reason it knows, at an instant at which much happens."""
        with trio.move_on_at(self.rng.choice((1.0, 2.0, 61.5, math.inf))):
            await done.wait()
            return
        for _ in range(self.rng.randrange(4)):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async def caller(self) -> None:
        """Ask for a reservation and use it in one of the ways there are; perhaps leave at some instant."""
        scope, done = trio.CancelScope(), trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.leave, scope, done)
            await self.come_and_go(scope)
            done.set()

    async def come_and_go(self, scope: trio.CancelScope) -> None:
        """Be one caller, in a scope that may be cancelled at any time."""
        rng = self.rng
        await trio.sleep_until(rng.choice(EDGES[:4]))
        usage = Usage(1, rng.choice((10, 40, 70, 100)), rng.choice((5, 30, 60)))
        max_wait = rng.choice((0.5, 5.0, 59.0, 60.0, 60.5, math.inf))
        scope.deadline = rng.choice((math.inf, math.inf, *(at for at in EDGES if at > trio.current_time())))
        with scope:
            try:
                async with reserve(self.limiter, usage, max_wait=max_wait, confirms=True) as held:
                    await self.call(held, usage)
                    self.outcomes["ended well"] += 1
            except Rejected:
                self.outcomes["rejected"] += 1
            except CallFailed:
                self.outcomes["failed"] += 1
        self.outcomes["left"] += scope.cancelled_caught

    async def call(self, held: Held, usage: Usage) -> None:
        """Make one call: it may never go out, arrive late, be refused, be cancelled, or be answered."""
        rng = self.rng
        if rng.random() < 0.2:
            return
        held.start()
        sent_at = trio.current_time()
        await trio.sleep(rng.choice((0.0, 0.25, SLACK)))
        if rng.random() < 0.2:
            raise CallFailed("refused before it was counted", charged=False)
        self.judge.arrive(usage.input_tokens)
        produced = rng.randint(0, usage.output_tokens)
        try:
            await trio.sleep(rng.choice((0.0, 1.0, 30.0, self.longest)))
        finally:
            self.judge.produce(produced)  # when its connection ends, however it ends
        assert held.started_at == sent_at
        held.report(input_tokens=usage.input_tokens, output_tokens=produced)


async def world_of_callers(rng: random.Random, *, crashes: bool = False) -> None:
    make = partial(Fragile, LIMITS, slack=SLACK, max_waiting=rng.choice((1, 4, 1000)))
    async with open_restarting(make, "limiter", pause=rng.choice((0.0, 1.0))) as limiter:
        # A restarted limiter cannot know of calls that outlast the restart by more than a window.
        world = World(limiter, rng, longest=30.0 if crashes else 70.0)
        callers = rng.randrange(2, 9)
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(world.caller)
            if crashes:
                await trio.sleep_until(rng.choice(EDGES[1:3]))
                await limiter.tell(Fragile.crash())
        assert world.outcomes.total() == callers
        books = await limiter.ask(Limiter.statistics())
        assert books.ledger.reserved == NOTHING, "a reservation leaked"
        assert books.ledger.in_flight == 0, "a reservation leaked"
        assert books.queue.waiting == 0, "somebody who left still stands in line"
        assert crashes or books.ledger.peak.requests <= 3
        async with reserve(limiter, Usage(3, 100, 60), max_wait=math.inf, confirms=True):
            pass  # all capacity comes back in the end


def play(seed: int, *, crashes: bool = False) -> None:
    """Run one world."""
    run(partial(world_of_callers, random.Random(seed), crashes=crashes), seed=seed)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_limits_hold_nothing_leaks_and_nobody_waits_for_ever(seed: int) -> None:
    play(seed)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_so_it_is_when_the_limiter_crashes_in_between(seed: int) -> None:
    play(seed, crashes=True)


# planted bugs


def drop_the_undo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "_undo", lambda _self, _spec, _value: None)


def keep_those_who_left_in_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_forget", lambda _self, _ticket: None)


def never_wake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "next_deadline", lambda _self: math.inf)


def settle_only_what_ends_well(patch: pytest.MonkeyPatch) -> None:
    settlement = Held.settlement

    def forgetful(self: Held, error: BaseException | None = None) -> object:
        return Limiter.statistics() if error is not None else settlement(self)

    patch.setattr(Held, "settlement", forgetful)


def refund_whatever_was_cancelled(patch: pytest.MonkeyPatch) -> None:
    cancel = Held.cancel
    patch.setattr(Held, "cancel", lambda self, *, charged: cancel(self, charged=charged and False))


def grant_past_the_head(patch: pytest.MonkeyPatch) -> None:
    """Let whoever asks take a place without asking the ledger."""
    request = AdmissionQueue.request

    def generous(self: AdmissionQueue, usage: Usage, now: float, deadline: float = math.inf) -> object:
        return request(self, attrs.evolve(usage, input_tokens=usage.input_tokens // 2), now, deadline)

    patch.setattr(AdmissionQueue, "request", generous)


def forget_the_window_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_assume_full", lambda _self: None)


def let_earlier_grants_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_charge", lambda _self, _grant, _actual, _started_at: None)


@pytest.mark.parametrize(
    ("plant", "crashes"),
    [
        (drop_the_undo, False),
        (keep_those_who_left_in_line, False),
        (never_wake, False),
        (settle_only_what_ends_well, False),
        (refund_whatever_was_cancelled, False),
        (grant_past_the_head, False),
        (forget_the_window_at_a_restart, True),
        (let_earlier_grants_pass, True),
    ],
)
def test_a_planted_bug_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], crashes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(1000):
            try:
                play(seed, crashes=crashes)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 1,000 worlds")
