"""Tests for the handle on an actor: ask, tell, watch, stop, statistics."""
# ruff: noqa: PT012  # a crash ends the block around an actor, not one statement in it

from __future__ import annotations

import math
import signal
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actors.errors import ActorStopped, Interrupted, MailboxFull, NotDelivered
from actors.kernel import (
    Actor,
    Deferred,
    Delivery,
    Down,
    Fate,
    Message,
    Overflow,
    Ref,
    RunningOp,
    current_books,
    op,
    open_actor,
)
from actors.testing.run import run

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Worker(Actor):
    def __init__(self) -> None:
        self.log: list[str] = []
        self.parked: list[Deferred[int]] = []

    @op
    def note(self, text: str) -> int:
        self.log.append(text)
        return len(self.log)

    @op
    async def slow(self, seconds: float) -> str:
        await trio.sleep(seconds)
        self.log.append(f"slow {seconds:g}")
        return "done"

    @op(concurrent=True)
    async def beside(self, seconds: float) -> str:
        await trio.sleep(seconds)
        self.log.append(f"beside {seconds:g}")
        return "done"

    @op
    def park(self) -> Deferred[int]:
        self.parked.append(Deferred())
        return self.parked[-1]

    @op
    def go_home(self) -> None:
        self.finish()

    @op
    def crash(self) -> None:
        raise KeyError("crash")

    @op(raises=(RuntimeError,))
    async def stop_itself(self) -> None:
        await self.ref.stop()

    async def wind_down(self) -> None:
        self.log.append("wind down")

    async def teardown(self) -> None:
        self.log.append("teardown")


async def soon() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def fill(worker: Ref[Worker], *, busy: float) -> None:
    """Keep `worker` busy and its mailbox full."""
    await worker.tell(Worker.slow(busy))
    await soon()
    while (statistics := worker.statistics()).depth < statistics.capacity:
        worker.tell_nowait(Worker.note(f"{statistics.depth}"))


# telling


async def test_a_tell_says_it_was_queued_and_is_handled() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker:
        assert await worker.tell(Worker.note("a")) is Delivery.QUEUED
        assert worker.tell_nowait(Worker.note("b")) is Delivery.QUEUED
        await soon()
        assert actor.log == ["a", "b"]


async def test_a_tell_waits_for_room_in_order_of_arrival() -> None:
    actor = Worker()
    async with open_actor(lambda: actor, capacity=2) as worker, trio.open_nursery() as nursery:
        await fill(worker, busy=10)
        start = trio.current_time()
        waited: list[float] = []

        async def tell(text: str) -> None:
            assert await worker.tell(Worker.note(text)) is Delivery.QUEUED
            waited.append(trio.current_time() - start)

        for text in "xyz":
            nursery.start_soon(tell, text)
            await soon()
        assert worker.statistics().depth == 5
        await trio.sleep(10)
        await soon()
        assert actor.log == ["slow 10", "0", "1", "x", "y", "z"]
        assert waited == [10.0, 10.0, 10.0]


async def test_an_ask_waits_for_room_too() -> None:
    async with open_actor(Worker, capacity=1) as worker:
        await fill(worker, busy=10)
        start = trio.current_time()
        assert await worker.ask(Worker.note("x")) == 3
        assert trio.current_time() - start == 10.0


async def test_a_sender_that_is_cancelled_takes_its_message_back() -> None:
    actor = Worker()
    async with open_actor(lambda: actor, capacity=1) as worker:
        await fill(worker, busy=10)
        with trio.move_on_after(1):
            await worker.tell(Worker.note("never"))
        with trio.move_on_after(1):
            await worker.ask(Worker.note("never"))
        assert worker.statistics().depth == 1
        assert await worker.ask(Worker.note("x")) == 3
        assert actor.log == ["slow 10", "0", "x"]
        assert worker.statistics().messages.fates == {Fate.HANDLED: 3, Fate.EXPIRED: 2}


@trio.lowlevel.enable_ki_protection
async def interrupt_after(seconds: float) -> None:
    await trio.sleep(seconds)
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("waits_for", ["answer", "room to ask", "room to tell"])
def test_a_keyboard_interrupt_reaches_an_asker_and_leaves_the_books_in_order(waits_for: str) -> None:
    fates: dict[Fate, int] = {}

    async def main() -> None:
        async with open_actor(Worker, capacity=1) as worker, trio.open_nursery() as nursery:
            nursery.start_soon(interrupt_after, 1)
            try:
                match waits_for:
                    case "answer":
                        await worker.ask(Worker.park())
                    case "room to ask":
                        await fill(worker, busy=10)
                        await worker.ask(Worker.note("never"))
                    case _:
                        await fill(worker, busy=10)
                        await worker.tell(Worker.note("never"))
            except KeyboardInterrupt:
                await soon()
                fates.update(worker.statistics().messages.fates)

    run(main)
    assert fates == {Fate.CANCELLED: 1}


@pytest.mark.parametrize(
    ("overflow", "delivery"), [("refuse", Delivery.REFUSED), ("drop_newest", Delivery.DROPPED)]
)
async def test_a_full_mailbox_turns_the_new_message_away(overflow: Overflow, delivery: Delivery) -> None:
    books = current_books()
    actor = Worker()
    async with open_actor(lambda: actor, name="w", capacity=2, overflow=overflow) as worker:
        await fill(worker, busy=10)
        assert await worker.tell(Worker.note("x")) is delivery
        assert worker.tell_nowait(Worker.note("y")) is delivery
        with pytest.raises(
            MailboxFull, match=r"^Worker\.note\(text=<str of 1>\) was not delivered: .* 'w' holds its 2$"
        ):
            await worker.ask(Worker.note("z"))
        assert [letter.message for letter in books.dead_letters] == [Worker.note(text) for text in "xyz"]
        assert {(letter.fate, letter.reason) for letter in books.dead_letters} == {
            (Fate.DROPPED, "mailbox is full")
        }
        await trio.sleep(11)
        assert actor.log == ["slow 10", "0", "1"]


async def test_a_full_mailbox_that_drops_the_oldest_makes_room() -> None:
    books = current_books()
    actor = Worker()
    outcomes: list[object] = []
    async with (
        open_actor(lambda: actor, capacity=2, overflow="drop_oldest") as worker,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            try:
                await worker.ask(Worker.note("asked"))
            except NotDelivered as error:
                outcomes.append(error)

        await worker.tell(Worker.slow(10))
        await soon()
        nursery.start_soon(ask)
        await soon()
        for text in "xyz":
            assert worker.tell_nowait(Worker.note(text)) is Delivery.QUEUED
        assert worker.statistics().depth == 2
        await trio.sleep(10)
        await soon()
        assert actor.log == ["slow 10", "y", "z"]
        assert isinstance(outcomes[0], MailboxFull)
        assert [letter.message for letter in books.dead_letters] == [Worker.note("asked"), Worker.note("x")]
        assert {letter.reason for letter in books.dead_letters} == {"made room for a newer message"}


async def test_tell_nowait_refuses_where_tell_would_wait() -> None:
    async with open_actor(Worker, capacity=1) as worker:
        await fill(worker, busy=10)
        assert worker.tell_nowait(Worker.note("x")) is Delivery.REFUSED


async def test_telling_an_ended_actor_is_a_dead_letter_and_asking_it_an_error() -> None:
    books = current_books()
    async with open_actor(Worker) as worker:
        await worker.stop()
        assert worker.is_ended
        assert await worker.tell(Worker.note("x")) is Delivery.UNDELIVERED
        assert worker.tell_nowait(Worker.note("y")) is Delivery.UNDELIVERED
        with pytest.raises(ActorStopped, match="actor 'Worker' has stopped"):
            await worker.ask(Worker.note("z"))
    assert [letter.message for letter in books.dead_letters] == [Worker.note("x"), Worker.note("y")]
    assert books.totals().sent == 3
    assert books.totals().fates == {Fate.UNDELIVERED: 2, Fate.BOUNCED: 1}


async def test_senders_that_wait_for_room_learn_of_the_end() -> None:
    async with open_actor(Worker, capacity=1) as worker, trio.open_nursery() as nursery:
        await fill(worker, busy=1000)
        outcomes: list[object] = []

        async def tell() -> None:
            outcomes.append(await worker.tell(Worker.note("t")))

        async def ask() -> None:
            with pytest.raises(ActorStopped) as caught:
                await worker.ask(Worker.note("a"))
            outcomes.append(caught.value.message)

        nursery.start_soon(tell)
        await soon()
        nursery.start_soon(ask)
        await soon()
        await worker.stop(grace=2)
        await soon()
        assert sorted(map(str, outcomes)) == sorted(map(str, [Delivery.UNDELIVERED, Worker.note("a")]))


async def test_what_was_not_delivered_can_be_sent_again() -> None:
    async with open_actor(Worker) as second:
        async with open_actor(Worker) as first:
            await first.stop()
            with pytest.raises(NotDelivered) as caught:
                await first.ask(Worker.note("x"))
        again = caught.value.message
        assert isinstance(again, Message)
        assert await second.ask(again) == 1
        assert caught.value.recipient == "Worker"


# watching


async def test_watch_tells_how_an_actor_ended() -> None:
    ends: dict[str, Down] = {}

    async def watch(name: str, ref: Ref[Worker]) -> None:
        ends[name] = await ref.watch()

    async with trio.open_nursery() as nursery:
        async with open_actor(Worker, name="stopped") as worker:
            nursery.start_soon(watch, "stopped", worker)
            await soon()
            await worker.stop()
        async with open_actor(Worker, name="normal") as worker:
            nursery.start_soon(watch, "normal", worker)
            await worker.ask(Worker.go_home())
            await soon()
            assert worker.is_ended
        async with open_actor(Worker, name="killed") as worker:
            nursery.start_soon(watch, "killed", worker)
            await worker.tell(Worker.slow(1000))
            await soon()
            await worker.stop(grace=1)
        with pytest.raises(KeyError):
            async with open_actor(Worker, name="crashed") as worker:
                nursery.start_soon(watch, "crashed", worker)
                await worker.tell(Worker.crash())
                await trio.sleep_forever()
        with trio.move_on_after(1):
            async with open_actor(Worker, name="cancelled") as worker:
                nursery.start_soon(watch, "cancelled", worker)
                await trio.sleep_forever()
    assert {name: down.reason for name, down in ends.items()} == {name: name for name in ends}
    assert len(ends) == 5
    assert ends["stopped"] == Down("stopped", "stopped", None, 1)
    assert isinstance(ends["crashed"].error, KeyError)
    assert [name for name, down in ends.items() if down.error is not None] == ["crashed"]


async def test_watching_an_ended_actor_answers_at_once() -> None:
    async with open_actor(Worker) as worker:
        await worker.stop()
        start = trio.current_time()
        assert (await worker.watch()).reason == "stopped"
        calls: list[Down] = []
        worker.on_down(calls.append)()
        assert [down.reason for down in calls] == ["stopped"]
        assert trio.current_time() == start


async def test_a_watcher_that_forgets_is_not_called() -> None:
    calls: list[Down] = []
    async with open_actor(Worker) as worker:
        forget = worker.on_down(calls.append)
        forget()
        forget()
        with trio.move_on_after(1):
            await worker.watch()
    assert calls == []


async def test_an_actor_watches_another_by_message() -> None:
    class Watcher(Actor):
        def __init__(self, other: Ref[Worker]) -> None:
            self.other = other
            self.seen: list[tuple[str, float]] = []

        async def setup(self) -> None:
            self.watch(self.other, lambda down: Watcher.lost(down.actor))

        @op
        def lost(self, name: str) -> None:
            self.seen.append((name, self.now()))

    async with open_actor(Worker, name="w") as worker:
        watcher = Watcher(worker)
        async with open_actor(lambda: watcher) as ref:
            await trio.sleep(5)
            now = trio.current_time()
            await worker.stop()
            await soon()
            assert watcher.seen == [("w", now)]
            assert ref.statistics().messages.fates == {Fate.HANDLED: 1}


async def test_an_actor_that_has_ended_watches_no_more() -> None:
    class Watcher(Actor):
        def __init__(self, other: Ref[Worker]) -> None:
            self.other = other

        async def setup(self) -> None:
            self.watch(self.other, lambda _down: Watcher.lost())

        @op
        def lost(self) -> None: ...

    async with open_actor(Worker) as worker:
        for _ in range(100):
            async with open_actor(lambda: Watcher(worker)):
                pass
        assert len(worker._slot._watchers) == 0


# stopping


async def test_stop_lets_the_running_op_end_and_bounces_the_queue() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await worker.ask(Worker.slow(3)))

        async def queued() -> None:
            with pytest.raises(ActorStopped):
                await worker.ask(Worker.note("q"))

        nursery.start_soon(ask)
        await soon()
        nursery.start_soon(queued)
        await soon()
        start = trio.current_time()
        await worker.stop(grace=5)
        assert trio.current_time() - start == 3.0
        assert actor.log == ["slow 3", "wind down", "teardown"]
    assert answers == ["done"]


async def test_stop_lets_concurrent_ops_end_within_the_grace() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker:
        for seconds in (2, 4, 60):
            await worker.tell(Worker.beside(seconds))
        await soon()
        start = trio.current_time()
        await worker.stop(grace=10)
        assert trio.current_time() - start == 10.0
        assert actor.log == ["wind down", "beside 2", "beside 4", "teardown"]
        assert worker.statistics().messages.fates == {Fate.HANDLED: 2, Fate.INTERRUPTED: 1}


async def test_stop_without_grace_cuts_what_runs() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(Interrupted):
                await worker.ask(Worker.slow(3))

        nursery.start_soon(ask)
        await soon()
        start = trio.current_time()
        await worker.stop(grace=0)
        assert trio.current_time() == start
        assert actor.log[-1] == "teardown"


async def test_a_stop_that_drains_handles_what_is_queued_and_takes_nothing_new() -> None:
    actor = Worker()
    async with open_actor(lambda: actor, capacity=2) as worker, trio.open_nursery() as nursery:
        await fill(worker, busy=3)
        nursery.start_soon(worker.tell, Worker.note("waits for room"))
        await soon()
        nursery.start_soon(lambda: worker.stop(grace=5, drain=True))
        await soon()
        assert worker.tell_nowait(Worker.note("late")) is Delivery.UNDELIVERED
        await worker.watch()
        assert actor.log == ["slow 3", "0", "1", "waits for room", "wind down", "teardown"]


async def test_a_drain_that_takes_too_long_is_cut_and_the_rest_bounced() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker:
        for _ in range(5):
            await worker.tell(Worker.slow(2))
        await soon()
        start = trio.current_time()
        await worker.stop(grace=5, drain=True)
        assert trio.current_time() - start == 5.0
        assert actor.log == ["slow 2", "slow 2", "teardown"]
        assert (await worker.watch()).reason == "killed"
        assert worker.statistics().messages.fates == {
            Fate.HANDLED: 2,
            Fate.INTERRUPTED: 1,
            Fate.UNDELIVERED: 2,
        }


async def test_stopping_twice_shortens_the_grace_at_most() -> None:
    for first, second in ((10, 2), (2, 10)):
        async with open_actor(Worker) as worker, trio.open_nursery() as nursery:
            await worker.tell(Worker.slow(1000))
            await soon()
            start = trio.current_time()
            nursery.start_soon(partial(worker.stop, grace=first))
            await soon()
            await worker.stop(grace=second)
            assert trio.current_time() - start == 2.0


async def test_a_drain_asked_for_after_a_plain_stop_does_not_prolong_it() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker, trio.open_nursery() as nursery:
        for _ in range(3):
            await worker.tell(Worker.slow(2))
        await soon()
        start = trio.current_time()
        nursery.start_soon(worker.stop)
        await soon()
        await worker.stop(drain=True)
        assert trio.current_time() - start == 2.0
        assert actor.log == ["slow 2", "wind down", "teardown"]


async def test_stopping_an_ended_actor_returns_at_once() -> None:
    async with open_actor(Worker) as worker:
        await worker.stop()
        start = trio.current_time()
        await worker.stop()
        assert trio.current_time() == start


async def test_a_stop_that_is_not_awaited_to_its_end_holds_all_the_same() -> None:
    async with open_actor(Worker) as worker:
        await worker.tell(Worker.slow(4))
        await soon()
        start = trio.current_time()
        with trio.move_on_after(1):
            await worker.stop(grace=10)
        await worker.watch()
        assert trio.current_time() - start == 4.0


async def test_an_op_cannot_stop_its_own_actor_but_finish() -> None:
    async with open_actor(Worker) as worker:
        with pytest.raises(RuntimeError, match=r"Worker\.stop_itself cannot wait for its own actor to end"):
            await worker.ask(Worker.stop_itself())
        await worker.ask(Worker.go_home())
        assert (await worker.watch()).reason == "normal"


@pytest.mark.parametrize("grace", [-1, -math.inf, math.nan])
async def test_a_grace_below_zero_is_refused(grace: float) -> None:
    async with open_actor(Worker) as worker:
        with pytest.raises(ValueError, match="grace must be >= 0, got"):
            await worker.stop(grace=grace)
        assert worker.statistics().state == "running"


async def test_finish_ends_after_the_current_message_and_bounces_the_rest() -> None:
    actor = Worker()
    async with open_actor(lambda: actor) as worker:
        for message in (Worker.note("a"), Worker.go_home(), Worker.note("b")):
            worker.tell_nowait(message)
        assert (await worker.watch()).reason == "normal"
        assert actor.log == ["a", "wind down", "teardown"]
        assert worker.statistics().messages.fates == {Fate.HANDLED: 2, Fate.UNDELIVERED: 1}


async def test_what_still_runs_after_finish_has_the_grace_and_no_longer() -> None:
    class Leaver(Actor):
        @op(concurrent=True)
        async def work(self, seconds: float) -> str:
            await trio.sleep(seconds)
            return "worked"

        @op
        def leave(self, grace: float) -> None:
            self.finish(grace=grace)

    async def leave_behind(seconds: float) -> tuple[str, object]:
        outcome: object = None
        async with open_actor(Leaver) as leaver, trio.open_nursery() as nursery:

            async def work() -> None:
                nonlocal outcome
                try:
                    outcome = await leaver.ask(Leaver.work(seconds))
                except Interrupted as error:
                    outcome = type(error)

            nursery.start_soon(work)
            await soon()
            await leaver.ask(Leaver.leave(5))
            assert leaver.statistics().state == "stopping"
            reason = (await leaver.watch()).reason
        return reason, outcome

    start = trio.current_time()
    assert await leave_behind(4) == ("normal", "worked")
    assert await leave_behind(3600) == ("killed", Interrupted)
    assert trio.current_time() - start == 4 + 5


async def test_an_actor_that_shields_itself_past_its_grace_was_killed_not_stopped() -> None:
    class Stubborn(Actor):
        @op
        async def shield(self, seconds: float) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)

    for seconds, reason in ((4.0, "stopped"), (6.0, "killed")):
        async with open_actor(Stubborn) as stubborn:
            await stubborn.tell(Stubborn.shield(seconds))
            await soon()
            start = trio.current_time()
            await stubborn.stop(grace=5)
            assert (trio.current_time() - start, (await stubborn.watch()).reason) == (seconds, reason)


async def test_an_asker_that_is_cancelled_already_pushes_nobody_out() -> None:
    actor = Worker()
    async with open_actor(lambda: actor, capacity=1, overflow="drop_oldest") as worker:
        await worker.tell(Worker.slow(10))
        await soon()
        worker.tell_nowait(Worker.note("stays"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await worker.ask(Worker.note("pushes"))
        assert scope.cancelled_caught
        await trio.sleep(11)
        assert actor.log == ["slow 10", "stays"]


# the system lane


async def test_the_system_lane_is_open_although_the_mailbox_is_full_and_an_op_runs_for_an_hour() -> None:
    actor = Worker()
    async with open_actor(lambda: actor, capacity=3) as worker, trio.open_nursery() as nursery:
        downs: list[tuple[str, float]] = []

        async def watch() -> None:
            downs.append(((await worker.watch()).reason, trio.current_time() - start))

        await fill(worker, busy=3600)
        start = trio.current_time()
        nursery.start_soon(watch)
        statistics = worker.statistics()
        assert (statistics.depth, statistics.capacity, statistics.state) == (3, 3, "running")
        assert statistics.running == (RunningOp("slow", start, ()),)
        await trio.sleep(10)
        await worker.stop(grace=5)
        await soon()
        assert downs == [("killed", 15.0)]
        assert worker.statistics().state == "ended"


async def test_statistics_show_what_runs_what_waits_and_for_whom() -> None:
    class Front(Actor):
        def __init__(self, back: Ref[Worker]) -> None:
            self.back = back

        @op
        async def go(self) -> str:
            return await self.back.ask(Worker.slow(5))

    async with (
        open_actor(Worker, name="back") as back,
        open_actor(lambda: Front(back), name="front") as front,
    ):
        start = trio.current_time()
        await front.tell(Front.go())
        await back.tell(Worker.park())
        await soon()
        assert front.statistics().running == (RunningOp("go", start, ("back.slow",)),)
        assert back.statistics().parked <= 1
        assert front.statistics().incarnation == 1
        await trio.sleep(6)
        assert front.statistics().running == ()
        assert back.statistics().parked == 1


async def test_statistics_name_what_an_op_waits_for_also_where_nobody_works_on_it() -> None:
    class Front(Actor):
        def __init__(self, back: Ref[Worker]) -> None:
            self.back = back

        @op(concurrent=True)
        async def park(self) -> None:
            with pytest.raises(Interrupted):
                await self.back.ask(Worker.park())

        @op(concurrent=True)
        async def end(self) -> None:
            await self.back.stop()

    async with (
        open_actor(Worker, name="back") as back,
        open_actor(lambda: Front(back), name="front") as front,
    ):
        await front.tell(Front.park())
        await soon()
        assert [(running.op, running.waits_for) for running in front.statistics().running] == [
            ("park", ("back.park",))
        ]
        await back.tell(Worker.slow(3))
        await soon()
        await front.tell(Front.end())
        await soon()
        assert [(running.op, running.waits_for) for running in front.statistics().running] == [
            ("park", ("back.park",)),
            ("end", ("back.slow",)),
        ]
        await trio.sleep(10)
        assert front.statistics().running == ()


async def test_refs_are_equal_when_they_reach_the_same_actor() -> None:
    class Selfish(Actor):
        @op
        def me(self) -> Ref[Selfish]:
            return self.ref

    async with open_actor(Selfish, name="s") as one, open_actor(Selfish) as two:
        assert one == await one.ask(Selfish.me())
        assert one != two
        assert one != 3
        assert len({one, two, await one.ask(Selfish.me())}) == 2
        assert repr(one) == "<Ref 's' running>"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"capacity": 0}, ValueError, "capacity must be >= 1, got 0"),
        ({"capacity": 1.5}, TypeError, "capacity must be a whole number, got 1.5"),
        ({"capacity": True}, TypeError, "capacity must be a whole number, got True"),
        (
            {"overflow": "burst"},
            ValueError,
            "overflow must be wait, refuse, drop_oldest or drop_newest, got 'burst'",
        ),
    ],
)
async def test_wrong_options_of_a_mailbox_are_refused(
    options: dict[str, object], error: type[Exception], text: str
) -> None:
    opening: Any = open_actor
    with pytest.raises(error, match=text):
        async with opening(Worker, **options):
            pass
