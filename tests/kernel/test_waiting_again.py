"""An asker that waits over a crash: the next incarnation knows since when, and a settlement finds a way in."""

from __future__ import annotations

import pytest
import trio

from actors.errors import Interrupted
from actors.kernel import Actor, Deferred, Delivery, Exit, Fate, Ref, current_books, op, open_actor
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Counter(Actor):
    """Lets askers wait, and notes since when each of them had waited as it came."""

    def __init__(self, seen: list[float | None], told: list[str]) -> None:
        self.seen = seen
        self.told = told
        self.line: list[Deferred[str]] = []

    @op(idempotent=True)
    def wait(self) -> Deferred[str]:
        self.seen.append(self.deferred_since)
        deferred = Deferred[str]()
        self.line.append(deferred)
        return deferred

    @op(idempotent=True)
    def pass_by(self) -> Deferred[str]:
        self.seen.append(self.deferred_since)
        deferred = Deferred[str]()
        deferred.set("at once")
        return deferred

    @op
    def serve(self) -> None:
        self.line.pop(0).set("served")

    @op
    def note(self, text: str) -> None:
        self.told.append(text)

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def test_who_waits_over_two_crashes_is_known_to_wait_since_the_first_time() -> None:
    seen: list[float | None] = []
    slot = Slot.open("counter", current_books())
    counter: Ref[Counter] = Ref(slot)

    async def play_three_times() -> None:
        for _ in range(3):
            await Incarnation(slot).run(lambda: Counter(seen, []), int)
            slot.leave("restarting")
            await trio.sleep(2)
        slot.close(Exit("stopped"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play_three_times)
        async with trio.open_nursery() as askers:
            await trio.sleep(1)
            askers.start_soon(counter.ask, Counter.wait())
            await trio.sleep(1)
            askers.start_soon(counter.ask, Counter.wait())
            for _ in range(2):
                await trio.sleep(5)
                with pytest.raises(Interrupted):
                    await counter.ask(Counter.crash())
            await counter.tell(Counter.serve())
            await counter.tell(Counter.serve())
        await counter.ask(Counter.pass_by())
        slot.request_stop(5.0)

    assert seen == [None, None, 1.0, 2.0, 1.0, 2.0, None]


async def test_nobody_at_hand_waits_since_ever() -> None:
    counter = Counter([], [])
    async with open_actor(lambda: counter):
        assert counter.deferred_since is None


async def test_what_is_told_regardless_of_room_is_handled_in_order_and_waits_for_nothing() -> None:
    told: list[str] = []
    async with open_actor(lambda: Counter([], told), capacity=1) as counter:
        deliveries = [counter.tell_regardless(Counter.note(text)) for text in "abc"]
        assert counter.statistics().depth == 3
        await counter.ask(Counter.note("d"))

    assert deliveries == [Delivery.QUEUED] * 3
    assert told == ["a", "b", "c", "d"]


async def test_what_is_told_regardless_to_one_that_has_ended_is_a_dead_letter() -> None:
    async with open_actor(lambda: Counter([], [])) as counter:
        pass

    assert counter.tell_regardless(Counter.note("late")) is Delivery.UNDELIVERED
    assert current_books().dead_letters[-1].fate is Fate.UNDELIVERED


async def test_only_a_message_is_told_regardless() -> None:
    async with open_actor(lambda: Counter([], [])) as counter:
        with pytest.raises(TypeError, match=r"^tell takes a message, such as Counter\.add\(3\), got str$"):
            counter.tell_regardless("hello")  # type: ignore[arg-type]  # wrong on purpose
