"""A world of a few callers around one limiter, drawn from a seed, and the judge that a provider is to it.

They ask, wait, leave, call, are cancelled and settle around the same few instants. The judge knows nothing of ledgers:
it enforces the same limits as providers do, as a sliding window and as a token bucket.
"""

from __future__ import annotations

import math
import random
from collections import Counter

import attrs
import trio

from actors.errors import CallFailed, Rejected
from actors.kernel import Ref
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import Held, reserve
from actors.policies.ledger.limits import Limits
from actors.policies.usage import Usage
from actors.testing.provider.limits import MODES, Meter, new_meter

LIMITS = Limits(requests=3, input_tokens=100, output_tokens=60)
SLACK = 0.5
EDGES = (0.0, 1.0, 2.0, 61.0, 61.5, 62.0, 121.0)
"""Instants at which much happens: windows that began in the first seconds free at the later ones."""


def _meters(limit: int) -> tuple[Meter, ...]:
    return tuple(new_meter(mode, limit) for mode in MODES)


@attrs.define(eq=False)
class Judge:
    """The provider's side: counted when a request arrives and when its answer ends, enforced in both known ways."""

    requests: tuple[Meter, ...] = attrs.field(factory=lambda: _meters(3))
    inputs: tuple[Meter, ...] = attrs.field(factory=lambda: _meters(100))
    outputs: tuple[Meter, ...] = attrs.field(factory=lambda: _meters(60))

    def arrive(self, input_tokens: int) -> None:
        """Count a request and its input."""
        self._count(self.requests, 1)
        self._count(self.inputs, input_tokens)

    def produce(self, output_tokens: int) -> None:
        """Count output."""
        self._count(self.outputs, output_tokens)

    def _count(self, meters: tuple[Meter, ...], amount: int) -> None:
        now = trio.current_time()
        for meter in meters:
            meter.charge(now, amount)
            assert meter.remaining(now) >= 0, "the provider saw more than its limit"


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
        sent_at = trio.current_time()
        if rng.random() < 0.5:
            held.start()
        else:
            held.confirm()
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
