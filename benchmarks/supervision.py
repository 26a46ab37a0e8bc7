"""What supervision costs as it grows: many children, deep trees, large groups."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Mapping
from functools import partial
from time import process_time

import trio
from kernel import Counter
from measure import Figure, in_fresh_process

from actors.kernel import Actor, op
from supervisors import (
    Backoff,
    ChildSpec,
    ChildStarted,
    ChildTemplate,
    LifecycleEvent,
    Supervisor,
    open_dynamic_supervisor,
    open_supervisor,
)

SIZES: Mapping[int, int] = {1_000: 5, 10_000: 3, 100_000: 1}
"""How many children, and how often that is measured: the more there are, the less a single run says by chance."""

LINEAR = 1.5
"""What a child among 100,000 may cost, as a multiple of one among 1,000."""

DEEP = 1_000
GROUP = 1_000
ROUNDS = 3


async def listed(children: int) -> float:
    """Seconds to open and close a supervisor with `children` children."""
    specs = [ChildSpec(f"child-{number}", Counter) for number in range(children)]
    start = process_time()
    async with open_supervisor(children=specs):
        pass
    return process_time() - start


async def started(children: int) -> float:
    """Seconds to start `children` children one after the other, and to stop them all at the end."""
    start = process_time()
    async with open_supervisor() as tree:
        for number in range(children):
            await tree.start_child(ChildSpec(f"child-{number}", Counter))
    return process_time() - start


async def dynamic(children: int) -> float:
    """Seconds to start `children` children from a template, and to stop them all in parallel."""
    start = process_time()
    async with open_dynamic_supervisor(ChildTemplate(Counter)) as tree:
        for _ in range(children):
            await tree.start_child()
    return process_time() - start


def nested(levels: int) -> ChildSpec[Actor]:
    """Return the spec of a worker below `levels` supervisors, one in the other."""
    spec = ChildSpec[Actor]("worker", Counter)
    for level in range(levels):
        spec = ChildSpec[Actor](f"level-{level}", partial(Supervisor, children=[spec]))
    return spec


async def deep_tree(depth: int) -> float:
    """Seconds to open and close a tree `depth` deep."""
    spec = nested(depth - 2)
    start = process_time()
    async with open_supervisor(children=[spec]):
        pass
    return process_time() - start


async def group_restart(children: int) -> float:
    """Seconds from the crash of the first of `children` children until all are up again."""
    specs = [ChildSpec("child-0", Fragile), *(ChildSpec(f"child-{n}", Counter) for n in range(1, children))]
    is_back = trio.Event()

    def observe(event: LifecycleEvent) -> None:
        if isinstance(event, ChildStarted) and event.incarnation == 2 and event.child == specs[-1].id:
            is_back.set()

    async with open_supervisor(
        "one_for_all", children=specs, backoff=Backoff(initial=0.0), on_event=observe
    ) as tree:
        fragile = await tree.child("child-0")
        start = process_time()
        await fragile.tell(Fragile.crash())
        await is_back.wait()
        return process_time() - start


class Fragile(Actor):
    """An actor that can be crashed."""

    @op
    def crash(self) -> None:
        """Crash."""
        raise RuntimeError


def per_child(name: str, measure: str) -> Generator[Figure]:
    """One line for each size; the last says whether a child among many costs what one among few does."""
    few, *_, many = SIZES
    costs: dict[int, float] = {}
    for children, rounds in SIZES.items():
        runs = [in_fresh_process("supervision", measure, children) for _ in range(rounds)]
        costs[children] = statistics.median(runs) / children
        ratio = costs[children] / costs[few]
        is_last = children == many
        yield Figure(
            f"{name}.{children}",
            costs[children] * 1e6,
            "us per child, started and stopped",
            ratio if is_last else None,
            f"at most {LINEAR} x one among 1,000" if is_last else None,
            ratio <= LINEAR if is_last else None,
        )


def children_listed() -> Generator[Figure]:
    """Children in the list a supervisor begins with, stopped in reverse order."""
    return per_child("children.listed", "listed")


def children_started() -> Generator[Figure]:
    """Children started one after the other by `start_child`, stopped in reverse order."""
    return per_child("children.started", "started")


def children_dynamic() -> Generator[Figure]:
    """Children started from a template, all stopped in parallel."""
    return per_child("children.dynamic", "dynamic")


def tree_deep() -> Generator[Figure]:
    """A tree a thousand levels deep, and its processor time per level against that of one a hundred deep."""
    shallow = [in_fresh_process("supervision", "deep_tree", DEEP // 10) * 10 for _ in range(ROUNDS)]
    deep = [in_fresh_process("supervision", "deep_tree", DEEP) for _ in range(ROUNDS)]
    yield Figure(
        "tree.deep",
        statistics.median(deep),
        "s to open and close 1,000 levels",
        statistics.median(deep) / statistics.median(shallow),
    )


def group_restarted() -> Generator[Figure]:
    """A thousand children restarted because one has crashed, against starting and stopping as many."""
    runs = [in_fresh_process("supervision", "group_restart", GROUP) for _ in range(ROUNDS)]
    plain = [in_fresh_process("supervision", "listed", GROUP) for _ in range(ROUNDS)]
    yield Figure(
        "group.restart",
        statistics.median(runs) / GROUP * 1e6,
        "us per child of 1,000",
        statistics.median(runs) / statistics.median(plain),
    )


FIGURES: Mapping[str, Callable[[], Generator[Figure]]] = {
    "children.listed": children_listed,
    "children.started": children_started,
    "children.dynamic": children_dynamic,
    "tree.deep": tree_deep,
    "group.restart": group_restarted,
}
"""What can be measured, by the name of the figure; those of children bring a line for each size."""
