"""Many children, started and stopped: ten times as many may cost ten times as much, not a hundred times."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest
from players import Player

from actors.kernel import Actor
from supervisors import ChildSpec, ChildTemplate, open_dynamic_supervisor, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")

FEW, MANY = 100, 1000
SLACK = 4
"""How much more than linear a crowded machine may make it; a cost that grows with the square would be ten."""


async def cost(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds of processor time that `work` takes."""
    began = time.process_time()
    await work()
    return time.process_time() - began


async def start_and_stop(count: int) -> tuple[float, float]:
    async with open_supervisor() as tree:

        async def start() -> None:
            for number in range(count):
                await tree.start_child(ChildSpec(str(number), Player))

        async def stop() -> None:
            for number in range(count):
                await tree.stop_child(str(number))

        return await cost(start), await cost(stop)


async def start_and_stop_dynamic(count: int) -> tuple[float, float]:
    async with open_dynamic_supervisor(ChildTemplate(Actor)) as tree:
        children = []

        async def start() -> None:
            children.extend([await tree.start_child() for _ in range(count)])

        async def stop() -> None:
            for child in children:
                await tree.stop_child(child)

        return await cost(start), await cost(stop)


@pytest.mark.parametrize("round_trip", [start_and_stop, start_and_stop_dynamic], ids=["static", "dynamic"])
async def test_starting_and_stopping_one_by_one_costs_about_linearly(
    round_trip: Callable[[int], Awaitable[tuple[float, float]]],
) -> None:
    await round_trip(FEW)  # so that nothing is done for the first time below
    few, many = await round_trip(FEW), await round_trip(MANY)
    for cheap, dear in zip(few, many, strict=True):
        assert dear < cheap * (MANY / FEW) * SLACK
