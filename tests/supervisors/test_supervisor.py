"""Tests for children that start, crash, end and start again: virtual time, exact instants."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import random
from contextvars import Context
from typing import Any

import pytest
import trio
import trio.testing
from players import HalfDice, Player, Script, told

from actors.errors import (
    ActorStopped,
    ChildExists,
    ChildNotFound,
    ChildStillRestarting,
    ChildStillRunning,
    Interrupted,
    NotDelivered,
    RestartsExhausted,
    StartFailed,
)
from actors.kernel import Fate, Ref, current_books, op
from actors.testing.run import run
from supervisors import (
    Backoff,
    ChildCounts,
    ChildSpec,
    ChildStarted,
    ChildState,
    Escalated,
    Intensity,
    LifecycleEvent,
    Supervisor,
    Tree,
    open_supervisor,
)
from supervisors.child import Child
from supervisors.children import Children

pytestmark = pytest.mark.usefixtures("autojump_clock")


def names(tree: tuple[Any, ...]) -> list[str]:
    return [status.id for status in tree]


async def state_of(tree: Tree, child_id: str) -> ChildState:
    return {status.id: status.state for status in await tree.which_children()}[child_id]


async def crash(ref: Ref[Player], text: str = "crash") -> None:
    with pytest.raises(Interrupted):
        await ref.ask(Player.crash(text))
    await settle()


async def settle() -> None:
    """Let all that can happen at this instant happen."""
    await trio.testing.wait_all_tasks_blocked()


# starting


async def test_first_children_start_in_order_each_when_the_one_before_serves() -> None:
    script = Script(setups=[1.0])
    events: list[LifecycleEvent] = []
    specs = [ChildSpec(name, script.player) for name in "abc"]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        assert script.log == [("a setup", 0.0), ("b setup", 1.0), ("c setup", 2.0)]
        assert told(events) == ["a started 1 @1", "b started 1 @2", "c started 1 @3"]
        assert names(await tree.which_children()) == ["a", "b", "c"]


async def test_a_child_that_was_started_by_hand_is_reached_by_its_ref_and_by_its_id() -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        assert await player.ask(Player.add(1)) == [1]
        assert await tree.child("p") == player


async def test_a_supervisor_answers_while_a_child_starts() -> None:
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        nursery.start_soon(tree.start_child, ChildSpec("slow", Script(setups=[10.0]).player))
        await trio.sleep(1)
        assert await state_of(tree, "slow") == "starting"
        assert trio.current_time() == 1.0


async def test_a_failed_first_start_fails_the_tree_and_stops_the_others_in_reverse() -> None:
    script, events = Script(), list[LifecycleEvent]()
    root = ValueError("no disk")
    specs = [
        ChildSpec("a", script.player),
        ChildSpec("b", script.player),
        ChildSpec("c", Script(setups=[root]).player),
        ChildSpec("d", script.player),
    ]
    with pytest.raises(StartFailed, match=r"^child 'c' did not start: it failed with ValueError$") as caught:
        async with open_supervisor(children=specs, on_event=events.append):
            pytest.fail("the block must not be entered")
    assert (caught.value.child, caught.value.__cause__) == ("c", root)
    assert [what for what, _ in script.log] == ["a setup", "b setup", "b teardown", "a teardown"]
    assert told(events) == [
        "a started 1 @0",
        "b started 1 @0",
        "c crashed 1 ValueError @0",
        "b stopped 1 stopped @0",
        "a stopped 1 stopped @0",
    ]


async def test_a_factory_that_raises_is_a_failed_start() -> None:
    def broken() -> Player:
        raise KeyError("no such part")

    with pytest.raises(StartFailed) as caught:
        async with open_supervisor(children=[ChildSpec("a", broken)]):
            pass
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_child_started_by_hand_that_fails_leaves_nothing_behind() -> None:
    async with open_supervisor() as tree:
        with pytest.raises(StartFailed) as caught:
            await tree.start_child(ChildSpec("p", Script(setups=[ValueError("bad")]).player))
        assert isinstance(caught.value.__cause__, ValueError)
        assert await tree.which_children() == ()
        await tree.start_child(ChildSpec("p", Player))


async def test_an_id_is_taken_while_its_child_runs_or_is_kept() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        with pytest.raises(ChildExists, match=r"^child 'p' exists already and is running$") as caught:
            await tree.start_child(ChildSpec("p", Player))
        assert caught.value.child == "p"
        await tree.stop_child("p")
        with pytest.raises(ChildExists, match=r"is stopped; restart_child or delete_child it$"):
            await tree.start_child(ChildSpec("p", Player))


async def test_a_start_that_is_cancelled_is_undone() -> None:
    script = Script(setups=[10.0])
    async with open_supervisor() as tree:
        with trio.move_on_after(1):
            await tree.start_child(ChildSpec("p", script.player, grace=2.0))
        await trio.sleep(5)
        assert await tree.which_children() == ()
        assert script.log == [("p setup", 0.0)]


async def test_a_start_whose_asker_goes_at_the_instant_it_is_done_is_undone() -> None:
    async with open_supervisor() as tree:
        with trio.move_on_after(10):
            await tree.start_child(ChildSpec("p", Script(setups=[10.0]).player))
            pytest.fail("the deadline comes first")
        await trio.sleep(1)
        assert await tree.which_children() == ()


@pytest.mark.parametrize("seed", range(8))
def test_a_start_whose_asker_goes_as_it_succeeds_is_undone_in_any_order(seed: int) -> None:
    async def main() -> None:
        scope = trio.CancelScope()

        def leave(event: LifecycleEvent) -> None:
            if isinstance(event, ChildStarted):
                scope.cancel()

        async with open_supervisor(on_event=leave) as tree:
            with scope:
                await tree.start_child(ChildSpec("p", Player))
            await settle()
            assert await tree.which_children() == ()

    run(main, seed=seed)


async def test_a_child_stopped_while_it_starts_has_not_started() -> None:
    async with open_supervisor() as tree, trio.open_nursery() as nursery:

        async def start() -> None:
            with pytest.raises(StartFailed, match="did not start: it was stopped first") as caught:
                await tree.start_child(ChildSpec("p", Script(setups=[10.0]).player, grace=2.0))
            assert caught.value.__cause__ is None

        nursery.start_soon(start)
        await trio.sleep(1)
        await tree.stop_child("p")
        assert trio.current_time() == 3.0


@pytest.mark.parametrize(
    ("arguments", "kind", "complaint"),
    [
        (
            {"strategy": "all_for_one"},
            ValueError,
            "strategy must be one_for_one or one_for_all or rest_for_one, got 'all_for_one'",
        ),
        ({"seed": 1, "rng": random.Random(1)}, ValueError, "give a seed or an rng, not both"),
        ({"children": [ChildSpec("a", Player)] * 2}, ValueError, "two children have the id 'a'"),
        ({"children": [Player]}, TypeError, "a child is given as a ChildSpec, got type"),
    ],
)
async def test_a_misused_supervisor_is_refused(
    arguments: dict[str, Any], kind: type[Exception], complaint: str
) -> None:
    with pytest.raises(kind) as caught:
        async with open_supervisor(**arguments):
            pass
    assert str(caught.value) == complaint


async def test_a_misused_start_is_the_callers_error_and_not_the_trees() -> None:
    async with open_supervisor() as tree:
        with pytest.raises(TypeError, match=r"^a child is given as a ChildSpec, got type$"):
            await tree.start_child(Player)  # type: ignore[arg-type]  # what it refuses
        assert await tree.which_children() == ()


def test_a_tree_opens_books_for_all_that_is_opened_inside_where_there_are_none() -> None:
    async def main() -> None:
        async with open_supervisor() as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            await player.ask(Player.add(1))
            assert current_books().totals().fates == {Fate.HANDLED: 2}

    Context().run(trio.run, main)


# crashing


async def test_a_crashed_child_starts_again_after_its_delay_with_its_messages_in_order() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(rng=HalfDice(), on_event=events.append) as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        await player.tell(Player.crash())
        for number in range(5):
            await player.tell(Player.add(number))
        assert await player.ask(Player.add(5)) == [0, 1, 2, 3, 4, 5]
        assert trio.current_time() == 0.05
        assert told(events) == [
            "p started 1 @0",
            "p crashed 1 RuntimeError @0",
            "p restarting 1 0.05 @0",
            "p started 2 @0.05",
        ]


async def test_a_supervisor_answers_while_a_child_waits_for_its_next_incarnation() -> None:
    async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        await crash(player)
        assert await state_of(tree, "p") == "restarting"
        assert await tree.count_children() == ChildCounts(
            specs=1, active=0, restarting=1, stopped=0, supervisors=0, workers=1
        )
        other = await tree.start_child(ChildSpec("other", Player))
        assert await other.ask(Player.add(1)) == [1]
        assert trio.current_time() == 0.0
        await player.ask(Player.add(1))
        assert trio.current_time() == 10.0


async def test_a_crash_leaves_siblings_and_their_state_alone() -> None:
    async with open_supervisor(children=[ChildSpec("a", Player), ChildSpec("b", Player)]) as tree:
        a, b = await tree.child("a"), await tree.child("b")
        await b.ask(Player.add(1))
        await crash(a)
        assert await b.ask(Player.add(2)) == [1, 2]
        assert [status.incarnation for status in await tree.which_children()] == [1, 1]


async def test_a_failed_restart_is_tried_again_with_a_longer_delay() -> None:
    script = Script(setups=[0.0, ValueError("1"), ValueError("2"), 0.0])
    events: list[LifecycleEvent] = []
    async with open_supervisor(rng=HalfDice(), on_event=events.append) as tree:
        player = await tree.start_child(ChildSpec("p", script.player, restart="transient"))
        await crash(player)
        await player.ask(Player.add(1))
    assert told(events)[1:-1] == [
        "p crashed 1 RuntimeError @0",
        "p restarting 1 0.05 @0",
        "p crashed 2 ValueError @0.05",
        "p restarting 2 0.1 @0.05",
        "p crashed 3 ValueError @0.15",
        "p restarting 3 0.2 @0.15",
        "p started 4 @0.35",
    ]


async def test_a_childs_own_backoff_overrules_its_supervisors() -> None:
    async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player, backoff=Backoff(initial=2.0)))
        await crash(player)
        await player.ask(Player.add(1))
        assert trio.current_time() == 1.0


async def test_a_temporary_child_that_crashes_is_forgotten_and_its_messages_bounce() -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(ChildSpec("p", Player, restart="temporary"))
        await crash(player)
        with pytest.raises(ActorStopped):
            await player.ask(Player.add(1))
        assert await tree.which_children() == ()
        assert (await player.watch()).reason == "crashed"


async def test_a_transient_child_that_ends_is_kept_and_a_permanent_one_starts_again() -> None:
    async with open_supervisor(rng=HalfDice()) as tree:
        transient = await tree.start_child(ChildSpec("t", Player, restart="transient"))
        permanent = await tree.start_child(ChildSpec("p", Player))
        await transient.tell(Player.end())
        await permanent.tell(Player.end())
        await settle()
        assert (await state_of(tree, "t"), await state_of(tree, "p")) == ("stopped", "restarting")
        assert await permanent.ask(Player.add(1)) == [1]


async def test_seed_name_and_incarnation_give_the_jitter() -> None:
    async def delay(seed: int, name: str) -> float:
        began = trio.current_time()
        async with open_supervisor(seed=seed, name=name) as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            await crash(player)
            await player.ask(Player.add(1))
        return trio.current_time() - began

    assert await delay(1, "a") == pytest.approx(0.1 * random.Random("1/a/1").random())
    assert await delay(2, "a") == pytest.approx(0.1 * random.Random("2/a/1").random())


async def test_without_a_seed_two_trees_do_not_wait_alike() -> None:
    delays: set[float] = set()
    for _ in range(2):
        began = trio.current_time()
        async with open_supervisor() as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            await crash(player)
            await player.ask(Player.add(1))
        delays.add(round(trio.current_time() - began, 9))
    assert len(delays) == 2


# escalating


async def test_a_child_that_spends_its_budget_ends_the_tree_with_all_its_errors() -> None:
    events: list[LifecycleEvent] = []
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(
            name="tree", children=[ChildSpec("a", Player)], rng=HalfDice(), on_event=events.append
        ) as tree:
            spec = ChildSpec("p", Player, intensity=Intensity(2, 10.0))
            player = await tree.start_child(spec)
            for text in ("one", "two", "three"):
                await crash(player, text)
            await trio.sleep_forever()
    error = caught.value
    assert (
        str(error)
        == "child 'p' of 'tree' failed, and its budget of 2 restarts in 10 s is spent (3 sub-exceptions)"
    )
    assert (error.child, error.restarts, error.period) == ("p", 2, 10.0)
    assert [(str(each), each.__notes__) for each in error.exceptions] == [
        ("one", [met(3), "incarnation 1 of 'p', which ran 0 s; restarted after 0.05 s"]),
        ("two", [met(3), "incarnation 2 of 'p', which ran 0 s; restarted after 0.1 s"]),
        ("three", [met(5), "incarnation 3 of 'p', which ran 0 s; not restarted"]),
    ]
    assert told(events)[-4:] == [
        "p crashed 3 RuntimeError @0.15",
        "p givenup 3 child @0.15",
        "p escalated @0.15",
        "a stopped 1 stopped @0.15",
    ]


def met(length: int) -> str:
    return f"while handling Player.crash(text=<str of {length}>), attempt 1"


async def test_children_that_spend_their_supervisors_budget_end_the_tree() -> None:
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(
            children=[ChildSpec("a", Player), ChildSpec("b", Player)], intensity=Intensity(1, 10.0)
        ) as tree:
            for name in "ab":
                await crash(await tree.child(name), name)
            await trio.sleep_forever()
    assert str(caught.value) == (
        "child 'b' of 'supervisor' failed, and its supervisor's budget of 1 restarts in 10 s is spent"
        " (2 sub-exceptions)"
    )
    assert [str(each) for each in caught.value.exceptions] == ["a", "b"]


async def test_two_children_that_spend_the_budget_at_one_instant_escalate_once() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("a", Player), ChildSpec("b", Player)]
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=specs, intensity=Intensity(0), on_event=events.append) as tree:
            for ref in [await tree.child("a"), await tree.child("b")]:
                ref.tell_nowait(Player.crash())
            await trio.sleep_forever()
    escalated = [event.child for event in events if isinstance(event, Escalated)]
    assert escalated == [caught.value.child]


async def test_a_crash_that_cost_no_restart_is_not_among_the_errors_of_an_escalation() -> None:
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(intensity=Intensity(0)) as tree:
            await crash(await tree.start_child(ChildSpec("t", Player, restart="temporary")), "temporary")
            await crash(await tree.start_child(ChildSpec("p", Player)), "permanent")
            await trio.sleep_forever()
    assert [str(each) for each in caught.value.exceptions] == ["permanent"]


async def test_permanent_children_that_keep_ending_well_have_no_errors_to_show() -> None:
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[ChildSpec("a", Player)], intensity=Intensity(0)) as tree:
            await (await tree.child("a")).tell(Player.end())
            await trio.sleep_forever()
    assert caught.value.__cause__ is None


async def test_failures_further_apart_than_the_period_never_escalate() -> None:
    spec = ChildSpec("p", Player, intensity=Intensity(1, 10.0), backoff=Backoff(initial=0.0))
    async with open_supervisor() as tree:
        player = await tree.start_child(spec)
        for _ in range(20):
            await crash(player)
            await trio.sleep(10)
        assert await player.ask(Player.add(1)) == [1]


async def test_an_escalation_cancels_the_block_before_the_children_go() -> None:
    seen: list[str] = []
    script = Script(teardown=0.5)
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[ChildSpec("a", script.player)], intensity=Intensity(0)) as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            await player.tell(Player.crash())
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                seen.append(f"block cancelled @{trio.current_time():g}")
                raise
            finally:
                seen.extend(what for what, _ in script.log)
    assert seen == ["block cancelled @0", "a setup"]
    assert script.log[-1] == ("a teardown", 0.0)
    assert trio.current_time() == 0.5


async def test_a_block_that_fails_with_the_tree_raises_both() -> None:
    with pytest.raises(ExceptionGroup, match="the block around 'supervisor' and its tree") as caught:
        async with open_supervisor(intensity=Intensity(0)) as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            try:
                await player.tell(Player.crash())
                await trio.sleep_forever()
            finally:
                raise KeyError("block")
    assert [type(each) for each in caught.value.exceptions] == [KeyError, RestartsExhausted]


async def test_a_child_that_crashes_too_often_before_all_have_started_fails_the_start() -> None:
    class Doomed(Player):
        async def setup(self) -> None:
            self.after(1.0, Player.crash())

    specs = [
        ChildSpec("doomed", Doomed, intensity=Intensity(0)),
        ChildSpec("slow", Script(setups=[60.0]).player, grace=2.0),
    ]
    with pytest.raises(StartFailed, match=r"^child 'doomed' crashed too often before all children") as caught:
        async with open_supervisor(children=specs):
            pytest.fail("the block must not be entered")
    assert isinstance(caught.value.__cause__, RestartsExhausted)
    assert trio.current_time() == 3.0


async def test_siblings_that_crash_while_the_tree_escalates_are_not_started_again() -> None:
    script = Script(teardown=1.0)
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(intensity=Intensity(0)) as tree:
            first = await tree.start_child(ChildSpec("first", script.player))
            await tree.start_child(ChildSpec("last", script.player))
            player = await tree.start_child(ChildSpec("p", Player))
            await player.tell(Player.crash())
            with trio.CancelScope(shield=True):
                await trio.sleep(0.5)
                await first.tell(Player.crash())
    assert caught.value.child == "p"
    assert [what for what, _ in script.log].count("first setup") == 1


# stopping and starting by hand


async def test_a_permanent_child_that_is_stopped_by_its_ref_starts_again_at_once() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(on_event=events.append) as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        await player.stop()
        assert await player.ask(Player.add(1)) == [1]
        assert told(events)[1:] == ["p stopped 1 stopped @0", "p restarting 1 0.0 @0", "p started 2 @0"]


@pytest.mark.parametrize(("restart", "left"), [("transient", ["p"]), ("temporary", [])])
async def test_other_children_that_are_stopped_by_their_ref_stay_stopped(
    restart: Any, left: list[str]
) -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(ChildSpec("p", Player, restart=restart))
        await player.stop()
        await settle()
        assert names(await tree.which_children()) == left
        assert player.is_ended


async def test_a_stop_during_the_delay_starts_a_permanent_child_at_once() -> None:
    async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player, intensity=Intensity(1)))
        await crash(player)
        await trio.sleep(1)
        await player.stop()
        assert await player.ask(Player.add(1)) == [1]
        assert trio.current_time() == 1.0


async def test_a_stop_during_the_delay_ends_a_transient_child_at_once() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice(), on_event=events.append) as tree:
        player = await tree.start_child(ChildSpec("p", Player, restart="transient"))
        await crash(player)
        await trio.sleep(1)
        await player.stop()
        assert (await player.watch()).reason == "stopped"
        assert trio.current_time() == 1.0
        assert told(events)[-1] == "p stopped 1 stopped @1"


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_stop_child_keeps_the_spec_and_restart_child_starts_it_anew_in_its_place(restart: Any) -> None:
    async with open_supervisor(children=[ChildSpec("a", Player), ChildSpec("b", Player)]) as tree:
        old = await tree.start_child(ChildSpec("p", Player, restart=restart))
        await tree.start_child(ChildSpec("z", Player))
        await tree.stop_child("p")
        assert await tree.count_children() == ChildCounts(
            specs=4, active=3, restarting=0, stopped=1, supervisors=0, workers=4
        )
        with pytest.raises(NotDelivered):
            await old.ask(Player.add(1))
        new = await tree.restart_child("p")
        assert await new.ask(Player.add(1)) == [1]
        assert names(await tree.which_children()) == ["a", "b", "p", "z"]
        assert new != old


async def test_stop_child_forgets_a_temporary_child() -> None:
    async with open_supervisor() as tree:
        await tree.start_child(ChildSpec("p", Player, restart="temporary"))
        await tree.stop_child("p")
        assert await tree.which_children() == ()


async def test_stop_child_ends_the_delay_of_a_permanent_child_for_good() -> None:
    async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        await crash(player)
        with pytest.raises(ChildStillRestarting, match=r"^child 'p' starts again by itself; stop it first$"):
            await tree.restart_child("p")
        with pytest.raises(ChildStillRestarting):
            await tree.delete_child("p")
        await tree.stop_child("p")
        assert trio.current_time() == 0.0
        await tree.delete_child("p")
        assert await tree.which_children() == ()


async def test_stopping_a_stopped_child_changes_nothing() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        await tree.stop_child("p")
        await tree.stop_child("p")
        assert await state_of(tree, "p") == "stopped"


async def test_a_running_child_is_neither_deleted_nor_started_again() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        with pytest.raises(ChildStillRunning, match=r"^child 'p' is running; stop it first$"):
            await tree.delete_child("p")
        with pytest.raises(ChildStillRunning):
            await tree.restart_child("p")
        assert await state_of(tree, "p") == "running"


async def test_a_child_that_is_not_there_is_not_found() -> None:
    async with open_supervisor(name="tree") as tree:
        for verb in (tree.child, tree.stop_child, tree.restart_child, tree.delete_child):
            with pytest.raises(ChildNotFound, match=r"^no child of 'tree' is called 'ghost'$") as caught:
                await verb("ghost")
            assert caught.value.child == "ghost"


async def test_a_restart_by_hand_that_fails_keeps_the_spec() -> None:
    script = Script(setups=[0.0, ValueError("bad"), 0.0])
    async with open_supervisor(children=[ChildSpec("p", script.player)]) as tree:
        await tree.stop_child("p")
        with pytest.raises(StartFailed):
            await tree.restart_child("p")
        assert await state_of(tree, "p") == "stopped"
        assert await (await tree.restart_child("p")).ask(Player.add(1)) == [1]


async def test_a_child_may_ask_its_own_supervisor_for_a_sibling() -> None:
    class Parent(Player):
        def __init__(self, tree: Tree) -> None:
            super().__init__()
            self.tree = tree

        @op
        async def hire(self) -> int:
            sibling = await self.tree.start_child(ChildSpec("sibling", Player))
            return len(await sibling.ask(Player.add(1)))

    async with open_supervisor() as tree:
        parent = await tree.start_child(ChildSpec("parent", lambda: Parent(tree)))
        assert await parent.ask(Parent.hire()) == 1


async def test_discarding_a_child_of_the_past_leaves_the_one_that_has_its_id_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added: list[tuple[Children, Child]] = []
    add = Children.add

    def spy(self: Children, spec: ChildSpec[Any]) -> Child:
        added.append((self, add(self, spec)))
        return added[-1][1]

    monkeypatch.setattr(Children, "add", spy)
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        await tree.stop_child("p")
        new = await tree.restart_child("p")
        children, old = added[0]
        children.discard(old)
        assert await tree.child("p") == new


# nesting


async def test_supervisors_nest_and_the_inner_ones_escalation_is_a_crash_for_the_outer() -> None:
    events: list[LifecycleEvent] = []

    def inner() -> Supervisor:
        return Supervisor(
            children=[ChildSpec("a", Player), ChildSpec("b", Player)],
            intensity=Intensity(0),
            rng=HalfDice(),
        )

    async with open_supervisor(name="outer", rng=HalfDice(), on_event=events.append) as tree:
        readers = Tree(await tree.start_child(ChildSpec("inner", inner)))
        await crash(await readers.child("a"))
        assert names(await readers.which_children()) == ["a", "b"]
        assert [status.incarnation for status in await tree.which_children()] == [2]
        assert trio.current_time() == 0.05
    assert [f"{event.supervisor}: {text}" for event, text in zip(events, told(events), strict=True)] == [
        "outer/inner: a started 1 @0",
        "outer/inner: b started 1 @0",
        "outer: inner started 1 @0",
        "outer/inner: a crashed 1 RuntimeError @0",
        "outer/inner: a givenup 1 supervisor @0",
        "outer/inner: a escalated @0",
        "outer/inner: b stopped 1 stopped @0",
        "outer: inner crashed 1 RestartsExhausted @0",
        "outer: inner restarting 1 0.05 @0",
        "outer/inner: a started 1 @0.05",
        "outer/inner: b started 1 @0.05",
        "outer: inner started 2 @0.05",
        "outer/inner: b stopped 1 stopped @0.05",
        "outer/inner: a stopped 1 stopped @0.05",
        "outer: inner stopped 2 stopped @0.05",
    ]


async def test_a_nested_start_that_fails_names_every_floor() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("a", Script(setups=[ValueError("root")]).player)])

    with pytest.raises(StartFailed) as caught:
        async with open_supervisor(children=[ChildSpec("inner", inner)]):
            pass
    middle = caught.value.__cause__
    assert isinstance(middle, StartFailed)
    assert (caught.value.child, middle.child) == ("inner", "a")
    assert isinstance(middle.__cause__, ValueError)
