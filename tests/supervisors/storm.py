"""A storm over one tree: seeded crashes, stops, starts and messages all at once, and what must hold nevertheless.

The claims, checked at the end of every storm:

- every ask ends, and the books balance (the run itself sees to both);
- messages of one sender to one child are handled in the order in which they were sent, over all incarnations;
- every incarnation that started ends exactly once, and starts again only after it has ended;
- no window of a budget holds more restarts than the budget allows;
- a stop that was asked for is answered, at once where the child only waited for its next incarnation;
- at the end every child has stopped; those that ran until then in the reverse of the order in which they started.
"""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict

import attrs
import trio

from actors.errors import ChildError, ChildStillRunning, DeliveryError, RestartsExhausted, StartFailed
from actors.kernel import Actor, Ref, op
from supervisors import (
    Backoff,
    ChildCrashed,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Intensity,
    LifecycleEvent,
    Tree,
    open_supervisor,
)
from supervisors.restart import RestartType

GRACE = 1.0
OWN = Intensity(4, 10.0)
SHARED = Intensity(9, 10.0)
SECONDS = 20.0


@attrs.define(eq=False)
class Weather:
    """What one storm does, and what was seen of it."""

    rng: random.Random
    handled: dict[tuple[str, int, int], list[int]] = attrs.field(factory=lambda: defaultdict(list))
    events: list[LifecycleEvent] = attrs.field(factory=list[LifecycleEvent])
    order: list[str] = attrs.field(factory=list[str])
    until: int = 0
    made: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))

    def strikes(self, chance: float) -> bool:
        return self.rng.random() < chance

    def child(self, name: str) -> Leaf:
        """Make the next incarnation of a child; the first one of all starts well."""
        self.made[name] += 1
        return Leaf(self, is_first=self.made[name] == 1)


class Leaf(Actor):
    """A child that fails wherever it can."""

    def __init__(self, weather: Weather, *, is_first: bool) -> None:
        self.weather = weather
        self.is_first = is_first

    async def setup(self) -> None:
        if not self.is_first and self.weather.strikes(0.3):
            raise OSError("setup")
        await trio.sleep(self.weather.rng.choice([0.0, 0.0, 0.3]))

    async def teardown(self) -> None:
        if self.weather.strikes(0.2):
            raise OSError("teardown")
        await trio.sleep(self.weather.rng.choice([0.0, 0.2]))

    @op
    def take(self, life: int, sender: int, number: int) -> int:
        self.weather.handled[self.name, life, sender].append(number)
        return number

    @op
    async def work(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @op
    def crash(self) -> None:
        raise RuntimeError("op")

    @op
    def end(self) -> None:
        self.finish()


async def send(weather: Weather, tree: Tree, sender: int) -> None:
    """Send numbered messages of all kinds to random children, some of them with little patience."""
    sent = 0
    for _ in range(25):
        await trio.sleep(weather.rng.random() * SECONDS / 25)
        name = weather.rng.choice("abcd")
        with (
            contextlib.suppress(DeliveryError, ChildError),
            trio.move_on_after(weather.rng.choice([0.2, 60.0])),
        ):
            ref: Ref[Leaf] = await tree.child(name)
            for _ in range(weather.rng.randrange(4)):
                sent += 1
                message = Leaf.take(hash(ref), sender, sent)
                if weather.strikes(0.5):
                    await ref.tell(message)
                else:
                    assert await ref.ask(message) == sent
            match weather.rng.randrange(24):
                case 0:
                    await ref.ask(Leaf.crash())
                case 1:
                    await ref.tell(Leaf.crash())
                case 2:
                    await ref.tell(Leaf.end())
                case 3 | 4 | 5 | 6:
                    await ref.ask(Leaf.work(weather.rng.random() * 2 * GRACE))
                case _:
                    pass


async def conduct(weather: Weather, tree: Tree) -> None:
    """Stop, start and delete children by hand."""
    for _ in range(15):
        await trio.sleep(weather.rng.random() * SECONDS / 15)
        name = weather.rng.choice("abcd")
        with contextlib.suppress(ChildError, StartFailed, DeliveryError):
            match weather.rng.randrange(5):
                case 0:
                    await stop(tree, name)
                case 1:
                    await tree.restart_child(name)
                case 2:
                    await tree.delete_child(name)
                case 3:
                    await (await tree.child(name)).stop(grace=weather.rng.choice([0.0, GRACE]))
                case _:
                    with trio.move_on_after(weather.rng.choice([0.1, 60.0])):
                        await tree.start_child(spec(weather, name))


async def stop(tree: Tree, name: str) -> None:
    before = {status.id: status.state for status in await tree.which_children()}.get(name)
    began = trio.current_time()
    try:
        await tree.stop_child(name)
    except ChildStillRunning as error:
        raise AssertionError(f"{name} was asked to stop and runs on") from error
    took = trio.current_time() - began
    assert took <= GRACE + 1.0
    assert before != "restarting" or took == 0.0
    status = {status.id: status for status in await tree.which_children()}.get(name)
    assert status is None or status.state in {"stopped", "starting"}


RESTARTS: tuple[RestartType, ...] = ("permanent", "permanent", "transient", "temporary")


def spec(weather: Weather, name: str) -> ChildSpec[Leaf]:
    """Make a spec of a random restart type."""
    restart = weather.rng.choice(RESTARTS)
    return ChildSpec(name, lambda: weather.child(name), restart=restart, grace=GRACE, intensity=OWN)


async def storm(seed: int) -> None:
    """Let one storm pass and check the claims.

    Raises:
        AssertionError: one of them does not hold.
    """
    weather = Weather(random.Random(seed))
    with contextlib.suppress(RestartsExhausted):
        async with open_supervisor(
            children=[spec(weather, name) for name in "abcd"],
            intensity=SHARED,
            backoff=Backoff(initial=0.5, cap=4.0),
            seed=seed,
            on_event=weather.events.append,
        ) as tree:
            async with trio.open_nursery() as nursery:
                for sender in range(3):
                    nursery.start_soon(send, weather, tree, sender)
                nursery.start_soon(conduct, weather, tree)
            weather.order = [status.id for status in await tree.which_children()]
            weather.until = len(weather.events)
    check(weather)


def check(weather: Weather) -> None:
    """Check what was seen."""
    for numbers in weather.handled.values():
        assert numbers == sorted(set(numbers))
    check_lives(weather.events)
    restarts = [event for event in weather.events if isinstance(event, ChildRestarting)]
    check_budget([event.at for event in restarts], SHARED)
    check_end(weather)


def check_end(weather: Weather) -> None:
    """Check that the children that ran until the end, and only then stopped, did so in reverse order."""
    last = {event.child: event for event in weather.events[: weather.until]}
    running = [child for child in weather.order if isinstance(last[child], ChildStarted)]
    ends = [event for event in weather.events[weather.until :] if event.child in running]
    stopped = [event.child for event in ends if is_stop(event)]
    crashed = {event.child for event in ends if not is_stop(event)}  # what was sent before can still do that
    assert [child for child in stopped if child not in crashed] == [
        child for child in reversed(running) if child not in crashed
    ]


def check_lives(events: list[LifecycleEvent]) -> None:
    """Check that incarnations follow each other, and each life's own budget."""
    playing: set[str] = set()
    restarts: dict[str, list[float]] = defaultdict(list)
    for event in events:
        match event:
            case ChildStarted(child=child, incarnation=incarnation):
                assert child not in playing
                playing.add(child)
                if incarnation == 1:
                    restarts[child] = []
            case ChildCrashed(child=child) | ChildStopped(child=child):
                playing.discard(child)
            case ChildRestarting(child=child, at=at):
                assert child not in playing
                restarts[child].append(at)
                check_budget(restarts[child], OWN)
            case _:
                pass
    assert playing == set()


def check_budget(instants: list[float], budget: Intensity) -> None:
    """Check that no window of the budget's period holds more restarts than it allows."""
    for first, last in zip(instants, instants[budget.restarts :], strict=False):
        assert last - first >= budget.period


def is_stop(event: LifecycleEvent) -> bool:
    """Say whether a child ended because it was asked to."""
    return isinstance(event, ChildStopped) and event.reason in {"stopped", "killed"}
