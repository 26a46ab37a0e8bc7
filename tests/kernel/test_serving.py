"""Tests for the serving of single messages: plain, deferred, async and concurrent ops."""
# ruff: noqa: PT012  # a crash ends the block around an actor, not one statement in it

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from actors.errors import ActorStopped, Interrupted, NotDelivered
from actors.kernel import Actor, Deferred, Fate, Message, Ref, current_books, op, open_actor

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Recorder(Actor):
    """Records what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.inside = 0

    @op
    def note(self, text: str) -> int:
        """Plain: atomic, in mailbox order."""
        self.log.append(text)
        return len(self.log)

    @op
    def read(self) -> tuple[str, ...]:
        return tuple(self.log)

    @op
    async def slow(self, text: str, seconds: float) -> str:
        """In mailbox order."""
        self.log.append(f"+{text}")
        try:
            await trio.sleep(seconds)
        finally:
            self.log.append(f"-{text}")
        return text

    @op(concurrent=True)
    async def beside(self, text: str, seconds: float) -> str:
        self.log.append(f"+{text}")
        try:
            await trio.sleep(seconds)
        finally:
            self.log.append(f"-{text}")
        return text

    @op(concurrent=True)
    async def check_in(self) -> float:
        """Concurrent, and done before its first checkpoint."""
        self.log.append("checked in")
        return self.now()

    @op(on_abandon="finish", undo=lambda self, value: self.log.append(f"undo {value}"))
    async def promise(self, text: str, seconds: float) -> str:
        await trio.sleep(seconds)
        self.log.append(text)
        return text

    @op(raises=(ValueError,))
    def refuse(self) -> None:
        raise ValueError("no")

    @op(raises=(ValueError,))
    async def refuse_later(self) -> None:
        await trio.sleep(1)
        raise ValueError("no")

    @op
    def crash(self) -> None:
        raise KeyError("crash")

    @op(concurrent=True)
    async def crash_later(self, seconds: float) -> None:
        await trio.sleep(seconds)
        raise KeyError("crash")


class Window(Actor):
    """Grants units in order of arrival, later: what a limiter does, and nothing else."""

    def __init__(self) -> None:
        self.line: list[Deferred[int]] = []
        self.granted = 0
        self.undone: list[int] = []
        self.left = 0
        self.kept: Deferred[int] = Deferred()

    def _leave(self) -> None:
        self.left += 1

    @op(undo=lambda self, unit: self.undone.append(unit), raises=(ValueError,))
    def acquire(self) -> Deferred[int]:
        deferred = Deferred[int](on_abandoned=self._leave)
        self.line.append(deferred)
        return deferred

    @op
    def grant(self) -> bool:
        self.granted += 1
        return self.line.pop(0).set(self.granted)

    @op
    def refuse(self) -> bool:
        return self.line.pop(0).fail(ValueError("none left"))

    @op
    def at_once(self, value: int) -> Deferred[int]:
        deferred = Deferred[int]()
        assert deferred.set(value)
        return deferred

    @op(raises=(ValueError,))
    def refused_at_once(self) -> Deferred[int]:
        deferred = Deferred[int]()
        assert deferred.fail(ValueError("at once"))
        return deferred

    @op
    def same_again(self) -> Deferred[int]:
        return self.kept

    @op(raises=(RuntimeError,))
    def set_twice(self) -> Deferred[int]:
        deferred = Deferred[int]()
        deferred.set(1)
        deferred.set(2)
        return deferred

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def outcome(ask: Callable[[], Awaitable[object]]) -> object:
    """Return what `ask` returns or raises."""
    try:
        return await ask()
    except Exception as error:  # noqa: BLE001  # the error is the outcome
        return error


async def soon() -> None:
    """Let all that can run at this instant run."""
    await trio.testing.wait_all_tasks_blocked()


# plain ops


async def test_plain_ops_run_in_mailbox_order() -> None:
    async with open_actor(Recorder) as recorder:
        for text in "abcdef":
            recorder.tell_nowait(Recorder.note(text))
        assert await recorder.ask(Recorder.read()) == tuple("abcdef")


async def test_a_plain_op_answers_at_the_same_instant() -> None:
    async with open_actor(Recorder) as recorder:
        start = trio.current_time()
        assert [await recorder.ask(Recorder.note("x")) for _ in range(200)] == list(range(1, 201))
        assert trio.current_time() == start


async def test_a_batch_is_bounded_so_that_others_get_their_turn() -> None:
    seen: list[int] = []
    async with open_actor(Recorder, capacity=1000) as recorder:

        async def look() -> None:
            while (depth := recorder.statistics().depth) > 0:
                seen.append(depth)
                await trio.lowlevel.checkpoint()

        for _ in range(1000):
            recorder.tell_nowait(Recorder.note("x"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            assert await recorder.ask(Recorder.note("last")) == 1001
    assert len(seen) >= 10


async def test_a_declared_error_reaches_the_asker_unchanged_and_the_actor_lives() -> None:
    async with open_actor(Recorder) as recorder:
        with pytest.raises(ValueError, match=r"^no$"):
            await recorder.ask(Recorder.refuse())
        with pytest.raises(ValueError, match=r"^no$"):
            await recorder.ask(Recorder.refuse_later())
        assert await recorder.ask(Recorder.note("alive")) == 1
        assert recorder.statistics().messages.fates == {Fate.HANDLED: 1, Fate.FAILED: 2}


async def test_a_declared_error_of_a_tell_is_a_dead_letter() -> None:
    books = current_books()
    async with open_actor(Recorder) as recorder:
        await recorder.tell(Recorder.refuse())
        assert await recorder.ask(Recorder.note("alive")) == 1
    [letter] = books.dead_letters
    assert (letter.fate, letter.reason, letter.recipient) == (
        Fate.FAILED,
        "nobody waits for its error",
        "Recorder",
    )
    assert isinstance(letter.error, ValueError)


async def test_a_crash_interrupts_its_asker_names_the_cause_and_bounces_the_queue() -> None:
    books = current_books()
    outcomes: dict[str, object] = {}
    with pytest.raises(KeyError, match="crash"):
        async with open_actor(Recorder, name="r") as recorder:

            async def ask(name: str, call: Callable[[], Awaitable[object]]) -> None:
                with trio.CancelScope(shield=True):
                    outcomes[name] = await outcome(call)

            async with trio.open_nursery() as nursery:
                recorder.tell_nowait(Recorder.slow("x", 1))
                await soon()
                nursery.start_soon(ask, "crash", lambda: recorder.ask(Recorder.crash()))
                await soon()
                nursery.start_soon(ask, "queued", lambda: recorder.ask(Recorder.note("q")))
                await soon()
                recorder.tell_nowait(Recorder.note("told"))
    crashed, queued = outcomes["crash"], outcomes["queued"]
    assert isinstance(crashed, Interrupted)
    assert isinstance(crashed.__cause__, KeyError)
    assert (crashed.message, crashed.recipient) == (Recorder.crash(), "r")
    assert isinstance(queued, ActorStopped)
    assert queued.message == Recorder.note("q")
    assert books.totals().fates == {
        Fate.HANDLED: 1,
        Fate.INTERRUPTED: 1,
        Fate.BOUNCED: 1,
        Fate.UNDELIVERED: 1,
    }
    assert [letter.message for letter in books.dead_letters] == [Recorder.note("told")]


# deferred replies


async def test_a_deferred_reply_is_given_later_and_in_any_order() -> None:
    async with open_actor(Window) as window, trio.open_nursery() as nursery:
        got: list[tuple[str, int, float]] = []

        async def take(name: str) -> None:
            got.append((name, await window.ask(Window.acquire()), trio.current_time() - start))

        start = trio.current_time()
        nursery.start_soon(take, "a")
        await soon()
        nursery.start_soon(take, "b")
        await soon()
        assert window.statistics().parked == 2
        await trio.sleep(7)
        assert await window.ask(Window.grant())
        await trio.sleep(1)
        assert await window.ask(Window.grant())
        await soon()
        assert got == [("a", 1, 7.0), ("b", 2, 8.0)]
        assert window.statistics().parked == 0


async def test_a_deferred_reply_set_before_it_is_returned_counts() -> None:
    async with open_actor(Window) as window:
        assert await window.ask(Window.at_once(5)) == 5
        with pytest.raises(ValueError, match="at once"):
            await window.ask(Window.refused_at_once())
        assert window.statistics().parked == 0


async def test_a_deferred_reply_may_fail() -> None:
    async with open_actor(Window) as window, trio.open_nursery() as nursery:
        nursery.start_soon(outcome, lambda: window.ask(Window.acquire()))
        await soon()
        assert await window.ask(Window.refuse())
        await soon()
        assert window.statistics().messages.fates == {Fate.HANDLED: 1, Fate.FAILED: 1}


async def test_a_deferred_reply_that_fails_after_its_asker_left_says_so() -> None:
    async with open_actor(Window) as window:
        with trio.move_on_after(1):
            await window.ask(Window.acquire())
        assert not await window.ask(Window.refuse())
        assert window.statistics().messages.fates == {Fate.HANDLED: 1, Fate.EXPIRED: 1}


async def test_setting_a_deferred_reply_twice_is_refused() -> None:
    async with open_actor(Window) as window:
        with pytest.raises(RuntimeError, match="this reply has been answered already"):
            await window.ask(Window.set_twice())


async def test_the_same_deferred_for_two_messages_is_a_crash_and_both_askers_learn_it() -> None:
    outcomes: list[object] = []
    with pytest.raises(RuntimeError, match="op 'same_again' returned the same Deferred twice"):
        async with open_actor(Window) as window:

            async def ask() -> None:
                with trio.CancelScope(shield=True):
                    outcomes.append(await outcome(lambda: window.ask(Window.same_again())))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                nursery.start_soon(ask)
    assert [type(each) for each in outcomes] == [Interrupted, Interrupted]


async def test_an_asker_that_leaves_calls_on_abandoned_once_and_undo_never() -> None:
    actor = Window()
    async with open_actor(lambda: actor) as window:
        with trio.move_on_after(1):
            await window.ask(Window.acquire())
        await soon()
        assert (actor.left, actor.undone) == (1, [])
        assert window.statistics().messages.fates == {Fate.EXPIRED: 1}


async def test_a_value_set_at_the_instant_its_asker_leaves_is_undone_or_received_never_both() -> None:
    actor = Window()
    received: list[int] = []

    async def take(window: Ref[Window]) -> None:
        with trio.move_on_at(10):
            received.append(await window.ask(Window.acquire()))

    async with open_actor(lambda: actor) as window, trio.open_nursery() as nursery:
        nursery.start_soon(take, window)
        await trio.sleep_until(10)
        if actor.line:
            window.tell_nowait(Window.grant())
    assert len(received) + len(actor.undone) + actor.left >= 1
    assert len(received) + len(actor.undone) == actor.granted


async def test_a_value_set_long_after_its_asker_left_is_undone() -> None:
    actor = Window()
    async with open_actor(lambda: actor) as window:
        with trio.move_on_after(1):
            await window.ask(Window.acquire())
        await trio.sleep(5)
        assert not await window.ask(Window.grant())
        assert actor.undone == [1]


async def test_an_asker_that_leaves_before_its_op_ran_is_skipped() -> None:
    actor = Window()
    async with open_actor(lambda: actor) as window:
        with trio.CancelScope() as scope:
            scope.cancel()
            await window.ask(Window.acquire())
        await soon()
        assert actor.line == []
        assert window.statistics().messages.open == 0


async def test_parked_askers_are_interrupted_by_a_crash_with_its_cause() -> None:
    outcomes: list[object] = []
    actor = Window()
    with pytest.raises(KeyError):
        async with open_actor(lambda: actor) as window:

            async def ask() -> None:
                with trio.CancelScope(shield=True):
                    outcomes.append(await outcome(lambda: window.ask(Window.acquire())))

            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(ask)
                await soon()
                await window.tell(Window.crash())
    assert [type(each) for each in outcomes] == [Interrupted] * 3
    assert all(isinstance(each, Interrupted) and isinstance(each.__cause__, KeyError) for each in outcomes)
    assert not actor.line[0].set(1)  # too late, and no error: an old incarnation's reply is nobody's
    assert actor.undone == []


async def test_a_deferred_reply_nobody_waits_for_is_handled_when_set_and_interrupted_when_not() -> None:
    async with open_actor(Window) as window:
        await window.tell(Window.acquire())
        assert await window.ask(Window.grant())
        await window.tell(Window.acquire())
        await soon()
        assert window.statistics().messages.fates == {Fate.HANDLED: 2}
    assert window.statistics().messages.fates == {Fate.HANDLED: 2, Fate.INTERRUPTED: 1}


async def test_an_undo_that_fails_is_a_crash() -> None:
    class Sore(Actor):
        def __init__(self) -> None:
            self.line: list[Deferred[int]] = []

        @op(undo=lambda _self, value: 1 // value)
        def acquire(self) -> Deferred[int]:
            self.line.append(Deferred())
            return self.line[-1]

        @op
        def grant(self) -> None:
            self.line.pop().set(0)

    with pytest.raises(ZeroDivisionError):
        async with open_actor(Sore) as sore:
            with trio.move_on_after(1):
                await sore.ask(Sore.acquire())
            await sore.tell(Sore.grant())
            await trio.sleep_forever()


async def test_an_on_abandoned_that_fails_is_a_crash() -> None:
    class Sore(Actor):
        @op
        def acquire(self) -> Deferred[int]:
            return Deferred(on_abandoned=lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        async with open_actor(Sore) as sore:
            with trio.move_on_after(1):
                await sore.ask(Sore.acquire())
            await trio.sleep_forever()


# async ops


async def test_async_ops_hold_the_mailbox_and_run_in_order() -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        start = trio.current_time()
        for text in "ab":
            nursery.start_soon(recorder.ask, Recorder.slow(text, 2))
            await soon()
        assert await recorder.ask(Recorder.read()) == ("+a", "-a", "+b", "-b")
        assert trio.current_time() - start == 4.0


async def test_concurrent_ops_run_side_by_side_and_let_the_mailbox_go_on() -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        start = trio.current_time()
        nursery.start_soon(recorder.ask, Recorder.beside("a", 3))
        await soon()
        nursery.start_soon(recorder.ask, Recorder.beside("b", 2))
        await soon()
        assert await recorder.ask(Recorder.read()) == ("+a", "+b")
        assert {running.op for running in recorder.statistics().running} == {"beside"}
        await trio.sleep(3)
        await soon()
        assert await recorder.ask(Recorder.read()) == ("+a", "+b", "-b", "-a")
        assert trio.current_time() - start == 3.0


async def test_a_concurrent_op_whose_asker_leaves_before_it_starts_is_skipped() -> None:
    async with open_actor(Recorder) as recorder:
        for checkpoints in range(8):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recorder.ask, Recorder.check_in())
                for _ in range(checkpoints):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            await soon()
        fates = recorder.statistics().messages.fates
        assert len(await recorder.ask(Recorder.read())) == fates.get(Fate.HANDLED, 0)


async def test_a_concurrent_op_that_crashes_takes_the_actor_with_it() -> None:
    with pytest.raises(KeyError):
        async with open_actor(Recorder) as recorder:
            start = trio.current_time()
            await recorder.tell(Recorder.crash_later(2))
            await recorder.tell(Recorder.slow("x", 1000))
            await trio.sleep_forever()
    assert trio.current_time() - start == 2.0
    assert recorder.statistics().messages.fates == {Fate.INTERRUPTED: 2}


# askers that go


async def test_cancelling_an_ask_cancels_the_async_op_it_waits_for() -> None:
    async with open_actor(Recorder) as recorder:
        with trio.move_on_after(2):
            await recorder.ask(Recorder.slow("a", 100))
        with trio.move_on_after(2):
            await recorder.ask(Recorder.beside("b", 100))
        await soon()
        assert await recorder.ask(Recorder.read()) == ("+a", "-a", "+b", "-b")
        assert recorder.statistics().messages.fates == {Fate.HANDLED: 1, Fate.EXPIRED: 2}


async def test_an_op_that_finishes_although_its_asker_has_gone_hands_its_value_to_undo() -> None:
    async with open_actor(Recorder) as recorder:
        start = trio.current_time()
        with trio.move_on_after(2):
            await recorder.ask(Recorder.promise("done", 5))
        assert await recorder.ask(Recorder.read()) == ("done", "undo done")
        assert trio.current_time() - start == 5.0
        assert recorder.statistics().messages.fates == {Fate.HANDLED: 1, Fate.EXPIRED: 1}


async def test_a_cancelled_ask_counts_as_cancelled_and_a_late_one_as_expired() -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        nursery.start_soon(recorder.ask, Recorder.slow("a", 100))
        await soon()
        nursery.start_soon(recorder.ask, Recorder.note("queued"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    await soon()
    assert recorder.statistics().messages.fates == {Fate.CANCELLED: 2}


class Cutter(Actor):
    """Cancels, from within its ops, the scope of whoever asks."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.scope = trio.CancelScope()

    @op(undo=lambda self, value: self.log.append(f"undo {value}"), raises=(ValueError,))
    def cut(self, then: str) -> int:
        self.scope.cancel()
        if then == "refuse":
            raise ValueError(then)
        if then == "crash":
            raise KeyError(then)
        return 1

    @op(undo=lambda self, value: self.log.append(f"undo {value}"))
    def cut_and_park(self) -> Deferred[int]:
        self.scope.cancel()
        return Deferred(on_abandoned=lambda: self.log.append("left"))


@pytest.mark.parametrize(
    ("message", "log"),
    [(Cutter.cut("return"), ["undo 1"]), (Cutter.cut("refuse"), []), (Cutter.cut_and_park(), ["left"])],
)
async def test_a_plain_op_may_cancel_its_own_asker(message: Message[Cutter, int], log: list[str]) -> None:
    actor = Cutter()
    async with open_actor(lambda: actor) as cutter:
        with actor.scope:
            await cutter.ask(message)
        await soon()
        assert actor.scope.cancelled_caught
        assert actor.log == log
        assert cutter.statistics().messages.fates == {Fate.CANCELLED: 1}
        assert cutter.statistics().parked == 0


async def test_a_plain_op_that_cancels_its_asker_and_crashes_is_a_crash() -> None:
    actor = Cutter()
    with pytest.raises(KeyError, match="crash"):
        async with open_actor(lambda: actor) as cutter:
            with actor.scope:
                await cutter.ask(Cutter.cut("crash"))
            await trio.sleep_forever()
    assert cutter.statistics().messages.fates == {Fate.INTERRUPTED: 1}


async def test_a_value_set_between_the_departure_of_its_asker_and_the_news_of_it_is_undone() -> None:
    actor = Window()
    async with open_actor(lambda: actor) as window:
        with trio.CancelScope() as scope:

            async def leave_and_grant() -> None:
                await soon()
                scope.cancel()
                actor.granted += 1
                assert not actor.line.pop().set(actor.granted)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(leave_and_grant)
                await window.ask(Window.acquire())
        await soon()
        assert (actor.left, actor.undone) == (0, [1])


# deadlines


async def test_a_message_that_expired_in_the_queue_is_skipped() -> None:
    async with open_actor(Recorder) as recorder:
        await recorder.tell(Recorder.slow("a", 10))
        with trio.move_on_after(5) as scope:
            await recorder.ask(Recorder.note("never"))
        assert scope.cancelled_caught
        assert await recorder.ask(Recorder.read()) == ("+a", "-a")
        assert recorder.statistics().messages.fates == {Fate.HANDLED: 2, Fate.EXPIRED: 1}


async def test_the_askers_deadline_bounds_the_handler_and_all_it_asks() -> None:
    class Front(Actor):
        def __init__(self, back: Ref[Recorder]) -> None:
            self.back = back
            self.seen = 0.0

        @op
        async def go(self) -> None:
            self.seen = trio.current_effective_deadline()
            await self.back.ask(Recorder.slow("x", 100))

    async with open_actor(Recorder) as recorder:
        front = Front(recorder)
        async with open_actor(lambda: front) as ref:
            deadline = trio.current_time() + 4
            with trio.move_on_at(deadline):
                await ref.ask(Front.go())
            assert front.seen == deadline
            assert await recorder.ask(Recorder.read()) == ("+x", "-x")
            assert trio.current_time() == deadline


@pytest.mark.parametrize("message", [Recorder.slow("a", 100), Recorder.beside("a", 100)])
async def test_an_asker_whose_deadline_moved_while_it_is_served_is_interrupted_not_hung(
    message: object,
) -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        with trio.CancelScope(deadline=trio.current_time() + 5) as scope:

            async def move() -> None:
                await trio.sleep(1)
                scope.deadline += 1000

            nursery.start_soon(move)
            start = trio.current_time()
            with pytest.raises(Interrupted, match="its deadline passed while it was being handled"):
                await recorder.ask(message)  # type: ignore[arg-type]  # one of two messages
            assert trio.current_time() - start == 5.0


async def test_an_asker_whose_deadline_moved_while_it_is_queued_has_its_message_back() -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        await recorder.tell(Recorder.slow("a", 10))
        with trio.CancelScope(deadline=trio.current_time() + 5) as scope:

            async def move() -> None:
                await trio.sleep(1)
                scope.deadline += 1000

            nursery.start_soon(move)
            with pytest.raises(
                NotDelivered, match="its deadline passed in the mailbox of 'Recorder'"
            ) as caught:
                await recorder.ask(Recorder.slow("b", 1))
        assert caught.value.message == Recorder.slow("b", 1)
        assert await recorder.ask(Recorder.read()) == ("+a", "-a")


async def test_a_deadline_moved_nearer_is_kept_to() -> None:
    async with open_actor(Recorder) as recorder, trio.open_nursery() as nursery:
        start = trio.current_time()
        with trio.CancelScope(deadline=start + 50) as scope:

            async def move() -> None:
                await trio.sleep(1)
                scope.deadline = start + 2

            nursery.start_soon(move)
            await recorder.ask(Recorder.slow("a", 100))
        await soon()
        assert trio.current_time() - start == 2.0
        assert await recorder.ask(Recorder.read()) == ("+a", "-a")
