"""A storm over one pool: crashes, stuck ops, shields, resizes and messages at once, and what must hold nevertheless.

The claims, checked at the end of every storm:

- every ask ends, and the books balance (the run itself sees to both);
- a message is handled once, as long as the pool is open: whatever its worker meets, it is neither lost nor doubled;
- no op is at work for longer than the detection time, and no asker waits longer than that and the time for a teardown;
- while the size stays, messages of one sender about one key are handled in the order in which they were sent;
- at the end the pool has the size that was asked for last, nothing to do, and no timer.
"""
# ruff: noqa: ARG002  # the pool routes by an argument that the ops themselves have no use for

from __future__ import annotations

import contextlib
import math
import random
from collections import Counter, defaultdict
from typing import Any

import attrs
import trio

from actors.errors import DeliveryError
from actors.kernel import Actor, op
from supervisors import Backoff, Intensity
from supervisors.pool.handle import PoolHandle, open_pool

SECONDS = 60.0
STUCK_AFTER = 4.0
TEARDOWN = 1.0
ROUNDING = 1e-6
PLENTY = Intensity(10**6, 1e6)


@attrs.define(eq=False)
class Sky:
    """What one storm does, and what was seen of it."""

    rng: random.Random
    is_resized: bool
    handled: dict[tuple[int, int], list[int]] = attrs.field(factory=lambda: defaultdict(list))
    sent: dict[tuple[int, int], int] = attrs.field(factory=lambda: defaultdict(int))
    begun: dict[int, float] = attrs.field(factory=dict[int, float])
    too_long: list[str] = attrs.field(factory=list[str])
    size: int = 3

    def strikes(self, chance: float) -> bool:
        return self.rng.random() < chance


class Hand(Actor):
    """A worker that does what it is told, and fails where it is told to."""

    def __init__(self, sky: Sky) -> None:
        self.sky = sky

    async def setup(self) -> None:
        if self.incarnation > 1 and self.sky.strikes(0.1):
            raise OSError("setup")
        await trio.sleep(self.sky.rng.choice([0.0, 0.0, 0.3]))

    async def teardown(self) -> None:
        await trio.sleep(self.sky.rng.choice([0.0, 0.0, 0.5, 9.0]))

    @op
    def take(self, key: int, sender: int, number: int) -> int:
        self.sky.handled[key, sender].append(number)
        return number

    @op
    async def work(self, key: int, ticket: int, seconds: float) -> None:
        self.sky.begun[ticket] = trio.current_time()
        await self.last(seconds)

    @op(concurrent=True)
    async def call(self, key: int, ticket: int, seconds: float) -> None:
        self.sky.begun[ticket] = trio.current_time()
        await self.last(seconds)

    async def last(self, seconds: float) -> None:
        began = trio.current_time()
        try:
            await trio.sleep(seconds)
        finally:
            if trio.current_time() - began > STUCK_AFTER + ROUNDING:
                self.sky.too_long.append(f"an op was at work for {trio.current_time() - began:g} s")

    @op
    async def shield(self, key: int, ticket: int, seconds: float) -> None:
        self.sky.begun[ticket] = trio.current_time()
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)

    @op
    def crash(self, key: int) -> None:
        raise RuntimeError("op")


async def send(sky: Sky, pool: PoolHandle[Hand], sender: int) -> None:
    """Send numbered messages about random keys, one after the other."""
    for _ in range(40):
        await trio.sleep(sky.rng.random() * SECONDS / 40)
        key = sky.rng.randrange(5)
        for _ in range(sky.rng.randrange(1, 5)):
            sky.sent[key, sender] += 1
            message = Hand.take(key, sender, sky.sent[key, sender])
            if sky.strikes(0.8):
                await pool.ref.tell(message)
            else:
                assert await pool.ref.ask(message) == sky.sent[key, sender]


async def trouble(sky: Sky, pool: PoolHandle[Hand], first: int) -> None:
    """Keep workers at work, too long, deaf, or crash them."""
    for ticket in range(first, first + 20):
        await trio.sleep(sky.rng.random() * SECONDS / 20)
        key = sky.rng.randrange(5)
        seconds = sky.rng.choice([0.5, 2.0, STUCK_AFTER, 6.0, 30.0])
        kind = sky.rng.choice([Hand.work, Hand.work, Hand.call, Hand.shield, None])
        with contextlib.suppress(DeliveryError):
            if kind is None:
                await pool.ref.ask(Hand.crash(key))
                continue
            with trio.move_on_after(sky.rng.choice([1.0, math.inf, math.inf])):
                await ask(sky, pool, kind(key, ticket, seconds), ticket)


async def ask(sky: Sky, pool: PoolHandle[Hand], message: Any, ticket: int) -> None:
    try:
        await pool.ref.ask(message)
    finally:
        waited = trio.current_time() - sky.begun.get(ticket, math.inf)
        if waited > STUCK_AFTER + TEARDOWN + ROUNDING:
            sky.too_long.append(f"an asker was told after {waited:g} s")


async def resize(sky: Sky, pool: PoolHandle[Hand]) -> None:
    """Change the size at random."""
    for _ in range(8):
        await trio.sleep(sky.rng.random() * SECONDS / 8)
        sky.size = sky.rng.randrange(1, 7)
        await pool.resize(sky.size)


async def storm(seed: int, *, is_resized: bool, is_keyed: bool) -> None:
    """Let one storm pass and check the claims.

    Raises:
        AssertionError: one of them does not hold.
    """
    sky = Sky(random.Random(seed), is_resized)
    async with open_pool(
        lambda: Hand(sky),
        sky.size,
        key=_key_of if is_keyed else None,
        stuck_after=STUCK_AFTER,
        grace=2.0,
        capacity=sky.rng.choice([1, 3, 64]),
        worker_intensity=PLENTY,
        intensity=PLENTY,
        backoff=Backoff(initial=0.5, cap=2.0),
        seed=seed,
    ) as pool:
        async with trio.open_nursery() as nursery:
            for sender in range(4):
                nursery.start_soon(send, sky, pool, sender)
                nursery.start_soon(trouble, sky, pool, 100 * sender)
            if is_resized:
                nursery.start_soon(resize, sky, pool)
        await trio.sleep(SECONDS * 10)
        check(sky, pool, is_ordered=is_keyed and not is_resized)


def _key_of(message: Any) -> int:
    key: int = message.key
    return key


def check(sky: Sky, pool: PoolHandle[Hand], *, is_ordered: bool) -> None:
    assert sky.too_long == []
    for stream, count in sky.sent.items():
        numbers = list(range(1, count + 1))
        assert Counter(sky.handled[stream]) == Counter(numbers), "a message was lost or handled twice"
        if is_ordered:
            assert sky.handled[stream] == numbers, "one message overtook another"
    statistics = pool.statistics()
    assert [worker.worker for worker in statistics.workers] == [f"worker-{n}" for n in range(1, sky.size + 1)]
    assert {worker.load for worker in statistics.workers} == {0}
    actor: Any = pool.pool._slot.actor
    assert sorted(actor._children.by_id) == [worker.worker for worker in statistics.workers]
    assert actor.next_deadline() == math.inf
