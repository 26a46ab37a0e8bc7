"""Tests for one run of an actor: timers, deadlines, child tasks, and the ways it begins and ends."""
# ruff: noqa: PT012  # a crash ends the block around an actor, not one statement in it

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import trio
import trio.testing

from actors.kernel import Actor, Books, Exit, Fate, Ref, Timer, op, open_actor
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot
from actors.testing.run import run

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Clockwork(Actor):
    def __init__(self) -> None:
        self.log: list[tuple[str, float]] = []
        self.timer: Timer | None = None
        self.due = math.inf
        self.step = math.inf
        self.start = 0.0

    async def setup(self) -> None:
        self.start = self.now()

    def note(self, text: str) -> None:
        self.log.append((text, self.now() - self.start))

    def next_deadline(self) -> float:
        return self.due

    def on_deadline(self) -> None:
        self.note("deadline")
        self.due += self.step

    @op
    def tick(self, text: str = "tick") -> None:
        self.note(text)

    @op
    def arm(self, delay: float, text: str = "tick") -> Timer:
        return self.after(delay, Clockwork.tick(text))

    @op
    def arm_every(self, interval: float, text: str = "tick") -> None:
        self.timer = self.every(interval, Clockwork.tick(text))

    @op
    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()

    @op
    def move(self, delay: float, step: float = math.inf) -> None:
        self.due, self.step = self.now() + delay, step

    @op(concurrent=True)
    async def move_later(self, wait: float, delay: float) -> None:
        await trio.sleep(wait)
        self.due = self.now() + delay

    @op
    async def slow(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.note("slow")

    @op
    def child(self, wait: float, delay: float) -> None:
        async def arm() -> None:
            await trio.sleep(wait)
            self.after(delay, Clockwork.tick("from child"))

        self.start_soon(arm)

    @op
    def child_cancels(self, wait: float) -> None:
        async def cancel() -> None:
            await trio.sleep(wait)
            if self.timer is not None:
                self.timer.cancel()

        self.start_soon(cancel)


async def soon() -> None:
    await trio.testing.wait_all_tasks_blocked()


# timers


async def test_a_timer_fires_once_at_its_instant() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.arm(2.5))
        await trio.sleep(100)
        assert actor.log == [("tick", 2.5)]
        assert ref.statistics().messages.fates == {Fate.HANDLED: 2}


async def test_timers_due_together_fire_in_the_order_they_were_armed() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        for text, delay in (("c", 2.0), ("a", 1.0), ("d", 2.0), ("b", 1.0), ("now", 0.0)):
            await ref.ask(Clockwork.arm(delay, text))
        await trio.sleep(3)
        assert actor.log == [("now", 0.0), ("a", 1.0), ("b", 1.0), ("c", 2.0), ("d", 2.0)]


async def test_a_periodic_timer_keeps_its_beat_until_it_is_cancelled() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.arm_every(2))
        await trio.sleep(7)
        await ref.ask(Clockwork.disarm())
        await ref.ask(Clockwork.disarm())
        await trio.sleep(7)
        assert actor.log == [("tick", 2.0), ("tick", 4.0), ("tick", 6.0)]


async def test_a_periodic_timer_that_was_held_up_skips_what_it_missed() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.arm_every(2))
        await ref.tell(Clockwork.slow(7))
        await trio.sleep(12)
        assert actor.log == [("slow", 7.0), ("tick", 7.0), ("tick", 9.0), ("tick", 11.0)]


async def test_a_timer_of_a_message_that_is_cancelled_by_a_child_at_its_instant_fires_or_not_but_nothing_else() -> (
    None
):
    for _ in range(10):
        actor = Clockwork()
        async with open_actor(lambda actor=actor: actor) as ref:  # type: ignore[misc]  # mypy cannot infer the default
            await ref.ask(Clockwork.arm_every(5))
            await ref.ask(Clockwork.child_cancels(5))
            await trio.sleep(20)
            assert [text for text, _ in actor.log] in (["tick"], [])


async def test_a_cancelled_timer_does_not_call_on_deadline() -> None:
    class Shy(Clockwork):
        @op
        def cancel_soon(self) -> None:
            """Arm a timer that is due at once, and a task that cancels it before the loop comes to it."""
            timer = self.after(0, Clockwork.tick())

            async def cancel() -> None:
                timer.cancel()

            self.start_soon(cancel)

    for _ in range(20):
        actor = Shy()
        async with open_actor(lambda actor=actor: actor) as ref:  # type: ignore[misc]  # mypy cannot infer the default
            await ref.ask(Shy.cancel_soon())
            await soon()
            assert [text for text, _ in actor.log] in (["tick"], [])


async def test_a_timer_armed_in_setup_counts_from_there() -> None:
    class Early(Clockwork):
        async def setup(self) -> None:
            await super().setup()
            self.after(3, Clockwork.tick())
            await trio.sleep(1)

    actor = Early()
    async with open_actor(lambda: actor):
        await trio.sleep(10)
        assert actor.log == [("tick", 3.0)]


async def test_a_timer_armed_by_a_child_task_wakes_the_loop() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.child(2, 3))
        await trio.sleep(10)
        assert actor.log == [("from child", 5.0)]


async def test_a_timer_that_comes_due_while_slow_ops_are_queued_fires_at_the_next_message_boundary() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.arm(1.5))
        for _ in range(4):
            await ref.tell(Clockwork.slow(1))
        await trio.sleep(10)
        assert actor.log == [("slow", 1.0), ("slow", 2.0), ("tick", 2.0), ("slow", 3.0), ("slow", 4.0)]


async def test_a_timer_ends_with_its_incarnation() -> None:
    async with open_actor(Clockwork) as ref:
        await ref.ask(Clockwork.arm(5))
        await ref.stop()
        await trio.sleep(10)
        assert ref.statistics().messages.sent == 1


async def test_wrong_times_and_wrong_messages_of_timers_are_refused() -> None:
    class Wrong(Clockwork):
        @op(raises=(ValueError, TypeError))
        def go(self, what: str) -> None:
            match what:
                case "delay":
                    self.after(-1, Clockwork.tick())
                case "nan":
                    self.after(math.nan, Clockwork.tick())
                case "interval":
                    self.every(0, Clockwork.tick())
                case _:
                    self.after(1, 3)  # type: ignore[arg-type]  # wrong on purpose

    async with open_actor(Wrong) as ref:
        for what, text in (
            ("delay", "delay must be >= 0, got -1"),
            ("nan", "delay must be >= 0, got nan"),
            ("interval", "interval must be > 0, got 0"),
            ("message", r"a timer takes a message, such as Counter\.add\(3\), got int"),
        ):
            with pytest.raises((ValueError, TypeError), match=text):
                await ref.ask(Wrong.go(what))


async def test_a_timer_that_never_comes_due_keeps_quiet() -> None:
    async with open_actor(Clockwork) as ref:
        await ref.ask(Clockwork.arm(math.inf))
        await trio.sleep(86400)
        assert ref.statistics().messages.sent == 1


# deadlines of the policy


async def test_on_deadline_is_called_at_the_exact_instants() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.move(1.5, 2.0))
        await trio.sleep(6)
        assert actor.log == [("deadline", 1.5), ("deadline", 3.5), ("deadline", 5.5)]


async def test_a_deadline_may_be_moved_by_a_message_and_by_a_concurrent_op() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.move(100))
        await ref.ask(Clockwork.move(5))
        await trio.sleep(1)
        await ref.tell(Clockwork.move_later(1, 1))
        await trio.sleep(200)
        assert actor.log == [("deadline", 3.0)]


async def test_a_deadline_moved_by_a_child_task_that_ends_is_seen() -> None:
    class Moved(Clockwork):
        @op
        def move_in_child(self) -> None:
            async def move() -> None:
                await trio.sleep(1)
                self.due = self.now() + 1

            self.start_soon(move)

    actor = Moved()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Moved.move_in_child())
        await trio.sleep(50)
        assert actor.log == [("deadline", 2.0)]


async def test_the_end_of_an_op_wakes_an_actor_that_has_deadlines_and_no_other() -> None:
    class Idle(Actor):
        @op(concurrent=True)
        async def work(self) -> None:
            await trio.sleep(1)

    class Due(Idle):
        def next_deadline(self) -> float:
            return math.inf

    class Steps(trio.abc.Instrument):
        taken = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  # Trio's signature
            self.taken += 1

    async def steps_of(kind: type[Idle]) -> int:
        async with open_actor(kind) as ref:
            steps = Steps()
            trio.lowlevel.add_instrument(steps)
            await ref.ask(Idle.work())
            await trio.sleep(1)
            trio.lowlevel.remove_instrument(steps)
            return steps.taken

    assert await steps_of(Due) == await steps_of(Idle) + 1


async def test_a_deadline_that_was_moved_on_at_its_instant_is_not_called() -> None:
    class Moved(Clockwork):
        @op
        def go(self) -> None:
            self.due = self.now()

            async def move() -> None:
                self.due = math.inf

            self.start_soon(move)

        def on_deadline(self) -> None:
            assert self.due <= self.now()
            super().on_deadline()

    for _ in range(20):
        async with open_actor(Moved) as ref:
            await ref.ask(Moved.go())
            await soon()


async def test_a_deadline_that_does_not_advance_is_a_crash_with_a_clear_message() -> None:
    said = r"^on_deadline of 'c' left next_deadline at 5\.0, not after 5\.0\nin on_deadline$"
    with pytest.raises(RuntimeError, match=said):
        async with open_actor(Clockwork, name="c") as ref:
            await ref.ask(Clockwork.move(5 - trio.current_time(), 0))
            await trio.sleep_forever()


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: 1 // 0, ZeroDivisionError, "division"),
        (lambda: None, TypeError, "real number"),
        (lambda: math.nan, ValueError, "next_deadline of 'w' must be an instant or infinity, got nan"),
    ],
)
async def test_a_next_deadline_that_fails_is_a_crash(
    wrong: Callable[[], float], error: type[Exception], text: str
) -> None:
    class Wrong(Actor):
        def next_deadline(self) -> float:
            return wrong()

    with pytest.raises(error, match=text):
        async with open_actor(Wrong, name="w") as ref:
            await trio.sleep_forever()
    assert (await ref.watch()).reason == "crashed"


async def test_timers_come_before_the_deadline_of_the_same_instant() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor) as ref:
        await ref.ask(Clockwork.move(2, 10))
        await ref.ask(Clockwork.arm(2))
        await trio.sleep(5)
        assert actor.log == [("tick", 2.0), ("deadline", 2.0)]


# child tasks


async def test_child_tasks_run_beside_the_actor_and_are_cancelled_at_its_end() -> None:
    log: list[str] = []

    class Parent(Actor):
        async def setup(self) -> None:
            self.start_soon(self.work, "early")

        @op
        def go(self) -> None:
            self.start_soon(self.work, "late")

        async def work(self, name: str) -> None:
            log.append(f"+{name}")
            try:
                await trio.sleep_forever()
            finally:
                log.append(f"-{name}")

    async with open_actor(Parent) as ref:
        await ref.ask(Parent.go())
        await soon()
        assert sorted(log) == ["+early", "+late"]
        await ref.stop()
        assert sorted(log) == ["+early", "+late", "-early", "-late"]


async def test_child_tasks_that_setup_starts_run_while_it_is_still_at_work() -> None:
    class Parent(Actor):
        async def setup(self) -> None:
            self.ready = trio.Event()
            self.start_soon(self.work)
            await self.ready.wait()

        async def work(self) -> None:
            self.ready.set()
            await trio.sleep_forever()

    with trio.fail_after(1):
        async with open_actor(Parent):
            pass


@pytest.mark.parametrize("is_unmoved", [True, False])
async def test_a_child_task_that_crashes_during_setup_fails_the_start(is_unmoved: bool) -> None:
    log: list[str] = []

    class Parent(Actor):
        async def setup(self) -> None:
            self.start_soon(self.fail)
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                if not is_unmoved:
                    raise

        async def fail(self) -> None:
            raise KeyError("child")

        async def teardown(self) -> None:
            log.append("torn down")

    with pytest.raises(KeyError, match="child"):
        async with open_actor(Parent):
            log.append("opened")
    assert log == (["torn down"] if is_unmoved else [])


@pytest.mark.parametrize("early", [True, False])
async def test_a_child_task_that_crashes_is_the_actors_crash(early: bool) -> None:
    class Parent(Actor):
        async def setup(self) -> None:
            if early:
                self.start_soon(self.fail)

        @op
        def go(self) -> None:
            self.start_soon(self.fail)

        async def fail(self) -> None:
            await trio.sleep(1)
            raise KeyError("child")

    with pytest.raises(KeyError, match="child"):
        async with open_actor(Parent) as ref:
            if not early:
                await ref.tell(Parent.go())
            await trio.sleep_forever()
    assert (await ref.watch()).reason == "crashed"


async def test_what_fails_in_a_child_that_is_cancelled_is_an_error_of_the_end_not_a_torn_group() -> None:
    class Parent(Actor):
        async def setup(self) -> None:
            self.start_soon(self.work)

        async def work(self) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                try:
                    await trio.sleep_forever()
                finally:
                    raise KeyError("clean-up")

    slot = Slot.open("p", Books())
    async with trio.open_nursery() as nursery:
        exits: list[Exit] = []

        async def host() -> None:
            exits.append(await Incarnation(slot).run(Parent, lambda: None))

        nursery.start_soon(host)
        await soon()
        slot.request_stop(1)
    [exit_] = exits
    assert isinstance(exit_.error, ExceptionGroup)
    assert exit_.error.subgroup(KeyError) is not None
    slot.close(exit_)


async def test_a_task_started_while_an_actor_is_torn_down_is_refused() -> None:
    class Late(Actor):
        async def teardown(self) -> None:
            self.start_soon(trio.sleep_forever)

    with pytest.raises(RuntimeError, match="closed"):
        async with open_actor(Late):
            pass


# the end


async def test_wind_down_runs_while_child_tasks_still_do_and_not_on_a_crash() -> None:
    log: list[str] = []

    class Outbox(Actor):
        async def setup(self) -> None:
            self.start_soon(self.send)

        async def send(self) -> None:
            await trio.sleep(3)
            log.append("sent")

        async def wind_down(self) -> None:
            await trio.sleep(4)
            log.append("wound down")

        async def teardown(self) -> None:
            log.append("torn down")

        @op
        def crash(self) -> None:
            raise KeyError("crash")

    async with open_actor(Outbox) as ref:
        await ref.stop(grace=10)
        assert log == ["sent", "wound down", "torn down"]
    log.clear()
    with pytest.raises(KeyError):
        async with open_actor(Outbox) as ref:
            await ref.tell(Outbox.crash())
            await trio.sleep_forever()
    assert log == ["torn down"]


async def test_a_wind_down_longer_than_the_grace_is_cut() -> None:
    class Slow(Actor):
        async def wind_down(self) -> None:
            await trio.sleep_forever()

    async with open_actor(Slow) as ref:
        start = trio.current_time()
        await ref.stop(grace=3)
        assert trio.current_time() - start == 3.0
        assert (await ref.watch()).reason == "killed"


async def test_an_error_while_stopping_is_told_and_the_reason_stays_stopped() -> None:
    class Sore(Actor):
        async def wind_down(self) -> None:
            raise KeyError("sore")

    with pytest.raises(KeyError, match="sore"):
        async with open_actor(Sore) as ref:
            pass
    down = await ref.watch()
    assert (down.reason, type(down.error)) == ("stopped", KeyError)


async def test_a_killed_actor_whose_teardown_fails_was_killed_all_the_same() -> None:
    class Sore(Actor):
        async def wind_down(self) -> None:
            await trio.sleep_forever()

        async def teardown(self) -> None:
            raise KeyError("sore")

    with pytest.raises(KeyError, match="sore"):
        async with open_actor(Sore, grace=2) as ref:
            pass
    assert (await ref.watch()).reason == "killed"


async def test_two_errors_at_the_end_come_as_a_group() -> None:
    class Sore(Actor):
        @op
        def crash(self) -> None:
            raise KeyError("crash")

        async def teardown(self) -> None:
            raise ValueError("teardown")

    with pytest.raises(ExceptionGroup, match="actor 's' ended with several errors") as caught:
        async with open_actor(Sore, name="s") as ref:
            await ref.tell(Sore.crash())
            await trio.sleep_forever()
    assert [type(error) for error in caught.value.exceptions] == [KeyError, ValueError]


async def test_a_message_in_hand_at_a_crash_goes_back_to_the_head_of_the_queue() -> None:
    for _ in range(20):
        await crash_with_a_message_in_hand()


async def crash_with_a_message_in_hand() -> None:
    """Hand a message to a sleeping loop in the instant in which a child task crashes; Trio throws the order."""
    handled: list[str] = []
    fuse = trio.Event()

    class Frail(Actor):
        has_crashed = False

        async def setup(self) -> None:
            self.start_soon(self.burn)

        async def burn(self) -> None:
            await fuse.wait()
            if self.incarnation == 1:
                self.has_crashed = True
                raise KeyError("crash")

        @op
        def note(self, text: str) -> None:
            assert not self.has_crashed, "handled by an actor that had crashed"
            handled.append(text)

    books = Books()
    slot = Slot.open("f", books)

    async def host() -> None:
        exit_ = Exit("normal")
        for _ in range(2):
            exit_ = await Incarnation(slot).run(Frail, lambda: None)
            slot.leave("restarting")
        slot.close(exit_)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(host)
        await soon()
        ref: Ref[Frail] = Ref(slot)
        ref.tell_nowait(Frail.note("first"))
        ref.tell_nowait(Frail.note("second"))
        fuse.set()
        assert slot.mailbox.depth == 2
        await soon()
        assert handled == ["first", "second"]
        slot.request_stop(1)
    books.check_balanced()
    assert slot.mailbox.tally.snapshot().fates == {Fate.HANDLED: 2}


async def test_a_timer_that_is_due_at_a_crash_does_not_fire() -> None:
    class Frail(Clockwork):
        def next_deadline(self) -> float:
            if self.due == 0.0:
                raise KeyError("crash")
            return self.due

        @op
        def break_down(self) -> None:
            self.after(0, Clockwork.tick())
            self.due = 0.0

    actor = Frail()
    with pytest.raises(KeyError):
        async with open_actor(lambda: actor) as ref:
            await ref.tell(Frail.break_down())
            await trio.sleep_forever()
    assert actor.log == []


# a slot over several incarnations


async def test_what_is_queued_survives_a_restart_in_order() -> None:
    class Frail(Actor):
        def __init__(self) -> None:
            self.log: list[str] = []

        @op
        def note(self, text: str) -> int:
            self.log.append(text)
            return self.incarnation

        @op
        def crash(self) -> None:
            raise KeyError("crash")

    books = Books()
    slot = Slot.open("f", books)
    ref: Ref[Frail] = Ref(slot)
    actors: list[Frail] = []
    exits: list[Exit] = []

    def make() -> Frail:
        actors.append(Frail())
        return actors[-1]

    async def host() -> None:
        for _ in range(2):
            exits.append(await Incarnation(slot).run(make, lambda: None))
            slot.leave("restarting")
        slot.close(exits[-1])

    for message in (Frail.note("a"), Frail.crash(), Frail.note("b"), Frail.note("c")):
        ref.tell_nowait(message)
    assert slot.statistics().state == "starting"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host)
        await soon()
        assert [actor.log for actor in actors] == [["a"], ["b", "c"]]
        assert await ref.ask(Frail.note("d")) == 2
        slot.request_stop(1)
    assert [exit_.reason for exit_ in exits] == ["crashed", "stopped"]
    assert slot.down is not None
    assert (slot.down.incarnation, slot.down.reason) == (2, "stopped")
    books.check_balanced()


async def test_a_slot_that_was_drained_takes_messages_for_its_next_incarnation() -> None:
    class Quiet(Actor):
        @op
        def who(self) -> int:
            return self.incarnation

    books = Books()
    slot = Slot.open("q", books)
    ref: Ref[Quiet] = Ref(slot)

    async def host() -> None:
        exit_ = Exit("normal")
        for _ in range(2):
            exit_ = await Incarnation(slot).run(Quiet, lambda: None)
            slot.leave("restarting")
        slot.close(exit_)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(host)
        await soon()
        await ref.stop(drain=True)
        assert await ref.ask(Quiet.who()) == 2
        await ref.stop()
        await soon()
        assert ref.is_ended
    books.check_balanced()


async def test_a_stop_asked_for_before_the_incarnation_plays_reaches_it() -> None:
    slot = Slot.open("q", Books())
    asked: list[float] = []
    slot.on_stop_request = asked.append
    slot.request_stop(2)
    exit_ = await Incarnation(slot).run(Actor, lambda: None)
    assert exit_ == Exit("stopped")
    slot.close(exit_)
    slot.request_stop(1)
    assert asked == [2]


# misuse


async def test_an_actor_that_is_not_running_says_how_to_run_it() -> None:
    with pytest.raises(
        RuntimeError, match="this Clockwork is not running; open it with open_actor or a supervisor"
    ):
        _ = Clockwork().ref


async def test_a_factory_must_make_a_new_actor_each_time() -> None:
    actor = Clockwork()
    async with open_actor(lambda: actor):
        with pytest.raises(RuntimeError, match="this Clockwork runs already; a factory must make a new one"):
            async with open_actor(lambda: actor):
                pass


async def test_a_factory_must_make_an_actor() -> None:
    with pytest.raises(TypeError, match="the factory must return an Actor, got int"):
        async with open_actor(lambda: 3):  # type: ignore[type-var]  # wrong on purpose
            pass


async def test_an_actor_knows_its_name_and_number() -> None:
    class Self(Actor):
        @op
        def who(self) -> tuple[str, int]:
            return self.name, self.incarnation

    async with open_actor(Self, name="me") as ref:
        assert await ref.ask(Self.who()) == ("me", 1)


# a clock that goes on between two looks at it, as a real one does


class Eager(Actor):
    """Answers "now" for as long as something is due, as a policy does that is asked what fits."""

    def __init__(self) -> None:
        self.due = 0.0
        self.fired = trio.Event()

    async def setup(self) -> None:
        self.due = self.now() + 1.0

    def next_deadline(self) -> float:
        return math.inf if self.fired.is_set() else max(self.due, self.now())

    def on_deadline(self) -> None:
        self.fired.set()


def test_a_deadline_of_now_is_acted_on_although_the_clock_goes_on_meanwhile() -> None:
    actor = Eager()

    async def main() -> None:
        async with open_actor(lambda: actor):
            with trio.fail_after(200):
                await actor.fired.wait()

    run(main, clock=trio.testing.MockClock(rate=1000))
