"""Tests for running one actor for the length of a block."""
# ruff: noqa: PT012  # an actor's crash ends the block around it, not one statement

from __future__ import annotations

import gc
import math
import weakref
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actors.errors import ActorStopped, Interrupted, StartFailed
from actors.kernel import Actor, Fate, Ref, current_books, op, open_actor, open_books
from actors.testing.run import run

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Stage(Actor):
    """Does in each phase what it is told to."""

    def __init__(self, *, setup: object = None, teardown: object = None) -> None:
        self.plan = {"setup": setup, "teardown": teardown}
        self.log: list[str] = []

    async def setup(self) -> None:
        await self.perform("setup")

    async def teardown(self) -> None:
        await self.perform("teardown")

    async def perform(self, phase: str) -> None:
        self.log.append(phase)
        what = self.plan[phase]
        if isinstance(what, BaseException):
            raise what
        if isinstance(what, int | float):
            await trio.sleep(what)
        self.log.append(f"{phase} done")

    @op
    async def slow(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @op
    def crash(self) -> None:
        raise KeyError("crash")

    @op
    def interrupt(self) -> None:
        raise KeyboardInterrupt

    @op(concurrent=True)
    async def interrupt_beside(self) -> None:
        raise KeyboardInterrupt


async def soon() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_the_name_comes_from_the_factory() -> None:
    async with (
        open_actor(Stage) as one,
        open_actor(partial(Stage, setup=0)) as two,
        open_actor(Stage, name="n") as three,
    ):
        assert [ref.name for ref in (one, two, three)] == ["Stage", "Stage", "n"]


async def test_the_end_of_the_block_stops_the_actor_within_its_grace() -> None:
    actor = Stage()
    start = trio.current_time()
    async with open_actor(lambda: actor, grace=2) as ref:
        await ref.tell(Stage.slow(100))
        await soon()
    assert trio.current_time() - start == 2.0
    assert actor.log == ["setup", "setup done", "teardown", "teardown done"]
    assert (await ref.watch()).reason == "killed"


async def test_a_setup_that_fails_raises_its_error_as_it_is_and_runs_no_teardown() -> None:
    cause = OSError("cause")
    error = KeyError("setup")
    error.__cause__ = cause
    actor = Stage(setup=error)
    with pytest.raises(KeyError) as caught:
        async with open_actor(lambda: actor):
            pytest.fail("the block must not run")
    assert caught.value is error
    assert error.__cause__ is cause
    assert actor.log == ["setup"]


async def test_what_reached_an_actor_whose_setup_failed_is_bounced() -> None:
    books = current_books()

    class Eager(Stage):
        async def setup(self) -> None:
            self.ref.tell_nowait(Stage.crash())
            raise OSError

    with pytest.raises(OSError, match=r"^\nin setup$"):
        async with open_actor(Eager):
            pass
    assert books.totals().fates == {Fate.UNDELIVERED: 1}


async def test_an_actor_that_is_stopped_in_its_setup_has_not_started() -> None:
    class Slow(Actor):
        async def setup(self) -> None:
            refs.append(self.ref)
            await trio.sleep(100)

    refs: list[Ref[Slow]] = []

    async def stop() -> None:
        await soon()
        start = trio.current_time()
        await refs[0].stop(grace=3)
        assert trio.current_time() - start == 3.0

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        with pytest.raises(StartFailed, match="'slow' was stopped before it had started") as caught:
            async with open_actor(Slow, name="slow"):
                pytest.fail("the block must not run")
    assert caught.value.child == "slow"
    assert (await refs[0].watch()).reason == "killed"


async def test_a_setup_that_ends_within_the_grace_of_a_stop_is_torn_down() -> None:
    class Slow(Stage):
        async def setup(self) -> None:
            refs.append(self.ref)
            await super().setup()

    refs: list[Ref[Slow]] = []
    actor = Slow(setup=2)

    async def stop() -> None:
        await soon()
        await refs[0].stop(grace=3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        async with open_actor(lambda: actor) as ref:
            await soon()
            assert ref.is_ended
            with pytest.raises(ActorStopped):
                await ref.ask(Stage.slow(1))
    assert actor.log == ["setup", "setup done", "teardown", "teardown done"]


async def test_a_lone_error_of_the_block_comes_as_it_is_with_its_cause() -> None:
    cause = OSError("cause")
    error = ValueError("block")
    with pytest.raises(ValueError, match="block") as caught:
        async with open_actor(Stage):
            raise error from cause
    assert caught.value is error
    assert error.__cause__ is cause


async def test_a_lone_group_of_the_block_stays_the_group_it_is() -> None:
    group = ExceptionGroup("mine", [ValueError("x")])
    with pytest.raises(ExceptionGroup) as caught:
        async with open_actor(Stage):
            raise group
    assert caught.value.message == "mine"
    assert caught.value.exceptions == group.exceptions


async def test_a_crash_cancels_the_block_and_comes_as_it_is() -> None:
    with pytest.raises(KeyError, match="crash"):
        async with open_actor(Stage) as ref:
            await ref.tell(Stage.crash())
            await trio.sleep_forever()


async def test_a_crash_and_an_error_of_the_block_come_in_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_actor(Stage) as ref:
            with pytest.raises(Interrupted):
                await ref.ask(Stage.crash())
            raise ValueError("block")
    assert {type(error) for error in caught.value.exceptions} == {KeyError, ValueError}


async def test_an_asker_in_the_block_that_hears_of_the_crash_adds_nothing_to_it() -> None:
    with pytest.raises(KeyError, match="crash"):
        async with open_actor(Stage) as ref:
            await ref.ask(Stage.crash())


async def test_an_actor_made_by_a_lambda_is_called_by_its_class() -> None:
    async with open_actor(lambda: Stage()) as ref:  # noqa: PLW0108  # the lambda is what this is about
        assert ref.name == "Stage"
    with pytest.raises(ActorStopped, match="actor 'Stage' has stopped"):
        await ref.ask(Stage.crash())


@pytest.mark.parametrize("grace", ["x", None, math.nan, -1, True])
async def test_a_grace_that_is_none_is_refused_before_the_start(grace: Any) -> None:
    with pytest.raises(ValueError, match=r"^grace must be a number >= 0, got "):
        async with open_actor(Stage, grace=grace):
            pytest.fail("the block ran")


@pytest.mark.parametrize(
    ("name", "kind"), [(3, TypeError), ("", ValueError), ("a\nb", ValueError), ("\x1b[2J", ValueError)]
)
async def test_a_name_that_cannot_be_shown_is_refused(name: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^name must be "):
        async with open_actor(Stage, name=name):
            pytest.fail("the block ran")


def test_another_thread_is_refused_and_breaks_nothing() -> None:
    async def main() -> None:
        async with open_actor(Stage) as ref:
            await trio.testing.wait_all_tasks_blocked()

            async def ask() -> None:
                await ref.ask(Stage.crash())

            for reach in (partial(ref.tell_nowait, Stage.crash()), partial(trio.run, ask)):
                with pytest.raises(RuntimeError) as caught:
                    await trio.to_thread.run_sync(reach)
                assert (
                    str(caught.value)
                    == "actor 'Stage' runs in another thread; reach it through trio.from_thread"
                )
            assert ref.statistics().messages.sent == 0

    run(main, clock=trio.testing.MockClock(rate=1))  # threads take real time, which must not be jumped over


async def test_teardown_runs_when_the_block_raises_and_when_it_is_cancelled() -> None:
    raised, cancelled = Stage(teardown=0.5), Stage(teardown=0.5)
    with pytest.raises(ValueError, match="block"):
        async with open_actor(lambda: raised):
            raise ValueError("block")
    start = trio.current_time()
    with trio.move_on_after(1) as scope:
        async with open_actor(lambda: cancelled):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - start == 1.5
    assert raised.log == cancelled.log == ["setup", "setup done", "teardown", "teardown done"]


async def test_teardown_after_an_error_of_the_block_is_bounded_by_a_second() -> None:
    for _ in range(5):
        start = trio.current_time()
        with pytest.raises(ExceptionGroup) as caught:
            async with open_actor(lambda: Stage(teardown=1000)):
                raise ValueError("block")
        assert trio.current_time() - start == 1.0
        assert {type(error) for error in caught.value.exceptions} == {ValueError, TimeoutError}


async def test_teardown_that_hangs_is_cut_and_told() -> None:
    start = trio.current_time()
    with pytest.raises(TimeoutError, match="teardown of 's' did not end within 5 s"):
        async with open_actor(lambda: Stage(teardown=1000), name="s"):
            pass
    assert trio.current_time() - start == 5.0


async def test_teardown_that_fails_is_told() -> None:
    with pytest.raises(OSError, match="teardown"):
        async with open_actor(lambda: Stage(teardown=OSError("teardown"))):
            pass


async def test_teardown_that_fails_while_it_is_cut_is_told() -> None:
    class Sore(Actor):
        async def teardown(self) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                try:
                    await trio.sleep_forever()
                finally:
                    raise OSError("sore")

    with pytest.raises(ExceptionGroup) as caught:
        async with open_actor(Sore) as ref:
            pass
    assert caught.value.subgroup(OSError) is not None
    assert (await ref.watch()).reason == "stopped"


@pytest.mark.parametrize("message", [Stage.interrupt(), Stage.interrupt_beside()])
def test_a_keyboard_interrupt_in_an_op_comes_through_as_it_is(message: object) -> None:
    actor = Stage()

    async def main() -> None:
        async with open_actor(lambda: actor) as ref:
            await ref.tell(message)  # type: ignore[arg-type]  # one of two messages
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert actor.log[-1] == "teardown done"


async def test_an_actor_opened_in_an_op_is_not_taken_for_that_op() -> None:
    class Inner(Actor):
        @op
        async def back(self, outer: Ref[Outer]) -> str:
            return await outer.ask(Outer.hello())

    class Outer(Actor):
        @op(concurrent=True)
        async def go(self) -> str:
            async with open_actor(Inner) as inner:
                return await inner.ask(Inner.back(self.ref))

        @op
        def hello(self) -> str:
            return "hello"

    async with open_actor(Outer) as outer:
        assert await outer.ask(Outer.go()) == "hello"


async def test_a_thousand_actors_leave_nothing_behind() -> None:
    books = current_books()
    actors: list[weakref.ref[Stage]] = []

    def make() -> Stage:
        actor = Stage()
        actors.append(weakref.ref(actor))
        return actor

    for _ in range(1000):
        async with open_actor(make) as ref:
            await ref.ask(Stage.slow(0.1))
    assert len(books._live) == 0
    assert books.totals().fates == {Fate.HANDLED: 1000}
    gc.collect()
    assert sum(actor() is not None for actor in actors) == 0


async def test_an_ended_actor_needs_no_garbage_collector() -> None:
    class Kept(Actor):
        @op
        def hello(self) -> None: ...

    actors: list[weakref.ref[Kept]] = []

    def make() -> Kept:
        actor = Kept()
        actors.append(weakref.ref(actor))
        return actor

    gc.collect()
    gc.disable()
    try:
        async with open_actor(make) as ref:
            await ref.ask(Kept.hello())
        assert actors[0]() is None
    finally:
        gc.enable()


async def test_books_are_found_by_those_inside_and_are_new_outside() -> None:
    with open_books() as mine:
        assert current_books() is mine
        async with open_actor(Stage) as ref:
            await ref.ask(Stage.slow(1))
        assert mine.totals().sent == 1
    assert current_books() is not mine
