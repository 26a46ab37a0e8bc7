"""How soon a bucket shows itself: the table on the page about learning. Run as a program it prints the rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from statistics import median

import attrs
from learning_world import WINDOW, World

from actors.testing.provider.limits import ProviderLimits

SEEDS = 9


@attrs.frozen
class Workload:
    """Traffic at a bucket.

    Attributes:
        traffic: lets the calls be asked for.
        limits: of the bucket.
        latency: seconds that an answer takes, from the first to the second.
    """

    traffic: Callable[[World], None]
    limits: ProviderLimits = attrs.field(factory=ProviderLimits)
    latency: tuple[float, float] = (0.5, 8.0)


def at_load(load: float, calls: int) -> Callable[[World], None]:
    """Calls at random instants, at this share of the limit of requests."""

    def traffic(world: World) -> None:
        now = 0.0
        for _ in range(calls):
            now += world.rng.expovariate(load * world.limits.requests / WINDOW)
            world.call(now, world.rng.randint(1, 900))

    return traffic


def never_empty(world: World) -> None:
    """As many calls as fit, all the time: a queue that is never empty."""
    at_once = world.limits.requests
    for instant in [0.0] * at_once + [tick * 3.0 / at_once for tick in range(30 * at_once)]:
        world.call(instant, world.rng.randint(500, 700), world.rng.randint(100, 200))


WORKLOADS: Mapping[str, Workload] = {
    "95 % load": Workload(at_load(0.95, 300)),
    "60 % load": Workload(at_load(0.6, 600)),
    "30 % load": Workload(at_load(0.3, 600)),
    "95 % load, answers of 20 to 40 s": Workload(at_load(0.95, 300), latency=(20.0, 40.0)),
    "a queue that is never empty": Workload(never_empty, latency=(2.0, 20.0)),
    "95 % load of 500 a minute": Workload(at_load(0.95, 1_000), ProviderLimits(500, 300_000, 80_000)),
    "a queue that is never empty, 500 a minute": Workload(
        never_empty, ProviderLimits(500, 300_000, 80_000), latency=(2.0, 20.0)
    ),
}


def row(name: str) -> str:
    """Measure one line of the table: the median and the most of responses and of seconds, over some seeds."""
    workload = WORKLOADS[name]
    found: list[tuple[int, float]] = []
    for seed in range(SEEDS):
        world = World(
            mode="token_bucket", limits=workload.limits, latency=workload.latency, rng=random.Random(seed)
        )
        workload.traffic(world)
        world.run()
        turned = (
            (at + 1, told.now)
            for at, told in enumerate(world.history)
            if told.lesson.algorithm == "token_bucket"
        )
        found.extend([*turned][:1])
    if not found:
        return f"| {name} | 0 of {SEEDS} | | |"
    responses, seconds = [count for count, _ in found], [instant for _, instant in found]
    return (
        f"| {name} | {len(found)} of {SEEDS} | {median(responses):.0f}, at most {max(responses)} "
        f"| {median(seconds):.0f} s, at most {max(seconds):.0f} s |"
    )


if __name__ == "__main__":
    for each in WORKLOADS:
        print(row(each))  # noqa: T201  # a program that prints the table
