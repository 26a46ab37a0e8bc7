"""What the kernel's verbs cost, each as a ratio to its floor measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from time import process_time

import trio
import trio.testing
from floors import ask_floor, tell_floor, timed
from measure import Figure, in_fresh_process, paired, resident_bytes

from actors.kernel import Actor, op, open_actor
from actors.kernel.fates import Books
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot
from supervisors import ChildSpec, open_supervisor

ROUNDS = 7


class Counter(Actor):
    """The smallest actor that does something."""

    def __init__(self) -> None:
        self.total = 0

    @op
    def add(self, n: int) -> int:
        """Add `n` and return the total."""
        self.total += n
        return self.total


async def ask_ours(clients: int, asks: int) -> float:
    """Seconds for `clients` tasks to make `asks` asks each."""
    async with open_actor(Counter) as counter:

        async def client() -> None:
            for _ in range(asks):
                await counter.ask(Counter.add(1))

        elapsed = await timed(clients, client)
        assert await counter.ask(Counter.add(0)) == clients * asks
    return elapsed


async def tell_ours(messages: int) -> float:
    """Seconds to tell `messages` and have them all handled."""
    async with open_actor(Counter) as counter:
        start = process_time()
        for _ in range(messages):
            await counter.tell(Counter.add(1))
        assert await counter.ask(Counter.add(0)) == messages
        return process_time() - start


async def tell_bursts(messages: int) -> float:
    """Seconds to tell `messages` in bursts of 64 without a checkpoint between them."""
    async with open_actor(Counter, capacity=256) as counter:
        start = process_time()
        for _ in range(messages // 64):
            for _ in range(64):
                counter.tell_nowait(Counter.add(1))
            await trio.lowlevel.checkpoint()
        assert await counter.ask(Counter.add(0)) == messages // 64 * 64
        return process_time() - start


async def start_and_stop(actors: int) -> float:
    """Seconds to open and close `actors` actors one after the other."""
    start = process_time()
    for _ in range(actors):
        async with open_actor(Counter):
            pass
    return process_time() - start


async def start_and_stop_tasks(tasks: int) -> float:
    """The same with a bare nursery and a bare task that waits on a channel."""

    async def idle(task_status: trio.TaskStatus[None]) -> None:
        _send, receive = trio.open_memory_channel[int](64)
        task_status.started()
        await receive.receive()

    start = process_time()
    for _ in range(tasks):
        async with trio.open_nursery() as nursery:
            await nursery.start(idle)
            nursery.cancel_scope.cancel()
    return process_time() - start


async def idle_memory(actors: int) -> float:
    """Resident bytes per idle actor, all of them running in one nursery."""
    books = Books()
    before = resident_bytes()
    slots = [Slot.open(f"idle-{number}", books) for number in range(actors)]
    async with trio.open_nursery() as nursery:
        for slot in slots:
            nursery.start_soon(Incarnation(slot).run, Counter, _nothing)
        await trio.testing.wait_all_tasks_blocked()
        used = resident_bytes() - before
        nursery.cancel_scope.cancel()
    for slot in slots:
        slot.mailbox.close()
    return used / actors


async def supervised_memory(actors: int) -> float:
    """Resident bytes per idle child of one supervisor."""
    async with open_supervisor() as tree:
        before = resident_bytes()
        for number in range(actors):
            await tree.start_child(ChildSpec(f"idle-{number}", Counter))
        used = resident_bytes() - before
    return used / actors


def _nothing() -> None:
    """Start without ceremony."""


def ask_lone() -> Generator[Figure]:
    """One asker against the floor."""
    ours, floor, ratio = paired(
        lambda: trio.run(ask_ours, 1, 5000), lambda: trio.run(ask_floor, 1, 5000), ROUNDS
    )
    yield Figure("ask.lone", 5000 / ours, "asks/s", ratio, "time at most 1.5 x floor", ratio <= 1.5)
    yield Figure("ask.lone.floor", 5000 / floor, "asks/s")


def ask_hundred() -> Generator[Figure]:
    """A hundred askers at once against the floor."""
    ours, floor, ratio = paired(
        lambda: trio.run(ask_ours, 100, 100), lambda: trio.run(ask_floor, 100, 100), ROUNDS
    )
    aim = "throughput at least 2 x floor"
    yield Figure("ask.hundred", 10_000 / ours, "asks/s", 1 / ratio, aim, 1 / ratio >= 2)
    yield Figure("ask.hundred.floor", 10_000 / floor, "asks/s")


def tell_one_way() -> Generator[Figure]:
    """Tells one by one against the floor."""
    ours, floor, ratio = paired(
        lambda: trio.run(tell_ours, 10_000), lambda: trio.run(tell_floor, 10_000), ROUNDS
    )
    yield Figure("tell.one_way", 10_000 / ours, "tells/s", ratio, "time at most 1.3 x floor", ratio <= 1.3)
    yield Figure("tell.one_way.floor", 10_000 / floor, "tells/s")


def tell_in_bursts() -> Generator[Figure]:
    """Tells in bursts against the floor."""
    ours, _, ratio = paired(
        lambda: trio.run(tell_bursts, 12_800), lambda: trio.run(tell_floor, 12_800), ROUNDS
    )
    yield Figure(
        "tell.bursts", 12_800 / ours, "tells/s", 1 / ratio, "several times the floor", 1 / ratio >= 3
    )


def actor_start() -> Generator[Figure]:
    """A start and a stop against a bare task's."""
    ours, _, ratio = paired(
        lambda: trio.run(start_and_stop, 1000), lambda: trio.run(start_and_stop_tasks, 1000), ROUNDS
    )
    yield Figure("actor.start", ours / 1000 * 1e6, "us per start and stop", ratio)


def actor_memory() -> Generator[Figure]:
    """What 100,000 idle actors hold, run by hand in one nursery."""
    yield _memory("actor.memory", in_fresh_process("kernel", "idle_memory", 100_000))


def actor_memory_supervised() -> Generator[Figure]:
    """What idle children of one supervisor hold, specs and restart records included; 20,000 are measured."""
    yield _memory("actor.memory.supervised", in_fresh_process("kernel", "supervised_memory", 20_000))


def _memory(name: str, per_actor: float) -> Figure:
    total = per_actor * 100_000 / 2**20
    return Figure(
        name, per_actor, "bytes per idle actor", total / 800, "100,000 in under 800 MiB", total < 800
    )


FIGURES: Mapping[str, Callable[[], Generator[Figure]]] = {
    "ask.lone": ask_lone,
    "ask.hundred": ask_hundred,
    "tell.one_way": tell_one_way,
    "tell.bursts": tell_in_bursts,
    "actor.start": actor_start,
    "actor.memory": actor_memory,
    "actor.memory.supervised": actor_memory_supervised,
}
"""What can be measured, by the name of the figure; one may bring the figure of its floor along."""
