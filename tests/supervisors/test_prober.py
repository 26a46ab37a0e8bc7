"""Tests for the prober: whom it asks when, and what still counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import pytest
import trio
import trio.testing

from actors.kernel import Actor, Ref, open_actor
from supervisors.failover.prober import Prober

pytestmark = pytest.mark.usefixtures("autojump_clock")

Ts = TypeVarTuple("Ts")


class Ward:
    """Stands for the group: notes what it is told, when."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.told: list[tuple[str, int, float]] = []

    def start_soon(self, run: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        self.nursery.start_soon(run, *args)

    def on_answer(self, rank: int) -> None:
        self.told.append(("answer", rank, trio.current_time()))

    def on_failure(self, rank: int, error: Exception) -> None:
        self.told.append((type(error).__name__, rank, trio.current_time()))


async def test_a_member_under_test_is_probed_at_once_and_again_after_each_answer() -> None:
    async def probe(_member: Ref[Actor]) -> None:
        await trio.sleep(0.5)

    async with open_actor(Actor) as member, trio.open_nursery() as nursery:
        ward = Ward(nursery)
        prober = Prober(ward, probe, every=2.0, timeout=1.0)
        prober.test(0, member)
        prober.test(0, member)
        await trio.sleep(6.0)
        prober.leave(0)
        prober.leave(0)
        assert ward.told == [("answer", 0, 0.5), ("answer", 0, 3.0), ("answer", 0, 5.5)]


async def test_an_answer_that_comes_when_the_test_has_ended_counts_for_nothing() -> None:
    async def probe(_member: Ref[Actor]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.5)

    async with open_actor(Actor) as member, trio.open_nursery() as nursery:
        ward = Ward(nursery)
        prober = Prober(ward, probe, every=2.0, timeout=1.0)
        prober.test(0, member)
        await trio.sleep(0.1)
        prober.leave(0)
        await trio.sleep(1.0)
        assert ward.told == []


async def test_a_member_that_is_under_test_again_is_probed_by_the_new_test_alone() -> None:
    asked: list[float] = []

    async def probe(_member: Ref[Actor]) -> None:
        asked.append(trio.current_time())
        await trio.sleep(0.5)

    async with open_actor(Actor) as member, trio.open_nursery() as nursery:
        ward = Ward(nursery)
        prober = Prober(ward, probe, every=2.0, timeout=1.0)
        prober.test(0, member)
        await trio.sleep(0.2)
        prober.leave(0)
        prober.test(0, member)
        await trio.sleep(1.0)
        prober.leave(0)
        assert asked == [0.0, 0.2]
        assert ward.told == [("answer", 0, 0.7)]


async def test_a_probe_is_bounded_and_whatever_it_raises_is_a_failure() -> None:
    errors: list[Exception | None] = [ValueError("no"), ExceptionGroup("several", [ValueError("no")]), None]

    async def probe(_member: Ref[Actor]) -> None:
        error = errors.pop(0)
        if error is None:
            await trio.sleep_forever()
        else:
            raise error

    async with open_actor(Actor) as member, trio.open_nursery() as nursery:
        prober = Prober(Ward(nursery), probe, every=2.0, timeout=1.0)
        assert [type(await prober.ask(member)) for _ in range(3)] == [
            ValueError,
            ExceptionGroup,
            trio.TooSlowError,
        ]
        assert trio.current_time() == 1.0
