"""Tests for how a tree ends: in reverse order, each child within its grace, however the block around it ends."""
# ruff: noqa: PT012  # a block's own end is what is tested

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import trio
import trio.testing
from players import HalfDice, Player, Script, told

from actors.errors import ActorStopped, ChildStillRunning, Interrupted, NotDelivered, StartFailed
from actors.kernel import Ref
from supervisors import Backoff, ChildSpec, Intensity, LifecycleEvent, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def settle() -> None:
    """Let all that can happen at this instant happen."""
    await trio.testing.wait_all_tasks_blocked()


async def busy(tree: Tree, child_id: str, seconds: float) -> Ref[Player]:
    """Give a child work."""
    player: Ref[Player] = await tree.child(child_id)
    await player.tell(Player.work(seconds))
    await settle()
    return player


async def test_children_stop_in_reverse_order_one_after_the_other() -> None:
    script = Script(teardown=0.5)
    async with open_supervisor(children=[ChildSpec(name, script.player) for name in "abc"]) as tree:
        await busy(tree, "c", 3.0)
        await busy(tree, "a", 5.0)
    assert script.log[3:] == [("c teardown", 3.0), ("b teardown", 3.5), ("a teardown", 5.0)]
    assert trio.current_time() == 5.5


async def test_what_runs_may_end_within_the_grace_and_is_cut_after_it() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("patient", Player, grace=math.inf), ChildSpec("hasty", Player, grace=2.0)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        await busy(tree, "hasty", 3.0)
        await busy(tree, "patient", 1000.0)
    assert told(events)[2:] == ["hasty stopped 1 killed @2", "patient stopped 1 stopped @1000"]


async def test_no_grace_cuts_at_once() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player, grace=0)]) as tree:
        await busy(tree, "p", 3.0)
    assert trio.current_time() == 0.0


async def test_a_worker_has_five_seconds_unless_its_class_says_otherwise() -> None:
    class Slow(Player):
        default_grace: ClassVar[float] = 8.0

    specs = [ChildSpec("slow", Slow), ChildSpec("p", Player)]
    events: list[LifecycleEvent] = []
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        await busy(tree, "p", 100.0)
        await busy(tree, "slow", 100.0)
    assert told(events)[2:] == ["p stopped 1 killed @5", "slow stopped 1 killed @13"]


async def test_a_spec_with_a_grace_overrules_the_class() -> None:
    class Slow(Player):
        default_grace: ClassVar[float] = 8.0

    async with open_supervisor(children=[ChildSpec("slow", Slow, grace=1.0)]) as tree:
        await busy(tree, "slow", 100.0)
    assert trio.current_time() == 1.0


async def test_a_child_that_shields_itself_is_named_and_does_not_hold_up_the_others() -> None:
    events: list[LifecycleEvent] = []
    script = Script()
    specs = [ChildSpec("a", script.player), ChildSpec("stubborn", Player, grace=2.0)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        stubborn: Ref[Player] = await tree.child("stubborn")
        await stubborn.tell(Player.shield(100.0))
        await settle()
    assert told(events)[2:] == [
        "stubborn overdue 1 2.0 @3",
        "a stopped 1 stopped @3",
        "stubborn stopped 1 killed @100",
    ]
    assert script.log[-1] == ("a teardown", 3.0)
    assert trio.current_time() == 100.0


@pytest.mark.parametrize(("seconds", "end"), [(0.0, "p stopped 1 stopped"), (60.0, "p stopped 1 killed")])
async def test_a_teardown_that_hangs_is_cut_a_second_after_the_grace_and_not_overdue(
    seconds: float, end: str
) -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("a", Player), ChildSpec("p", Script(teardown=100.0).player, grace=0.5)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        await busy(tree, "p", seconds)
    cut = 1.0 if seconds == 0.0 else 1.5
    assert told(events)[2:] == [f"{end} TimeoutError @{cut:g}", f"a stopped 1 stopped @{cut:g}"]


async def test_stopping_by_hand_a_child_that_shields_itself_says_so() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player, grace=2.0)]) as tree:
        player: Ref[Player] = await tree.child("p")
        await player.tell(Player.shield(100.0))
        await settle()
        with pytest.raises(ChildStillRunning, match=r"^child 'p' ignores its grace of 2 s and still runs$"):
            await tree.stop_child("p")
        assert trio.current_time() == 3.0
        await player.watch()
        await tree.restart_child("p")
        assert trio.current_time() == 100.0


async def test_an_error_while_a_child_stops_is_told_and_does_not_stop_the_others() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("a", Player), ChildSpec("p", Script(teardown=OSError("disk full")).player)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        player = await tree.child("p")
    assert told(events)[2:] == ["p stopped 1 stopped OSError @0", "a stopped 1 stopped @0"]
    assert isinstance((await player.watch()).error, OSError)


async def test_a_child_that_waits_for_its_next_incarnation_does_not_hold_up_the_end() -> None:
    script = Script()
    specs = [ChildSpec("p", script.player), ChildSpec("busy", Player, grace=math.inf)]
    async with open_supervisor(children=specs, backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("p")
        await busy(tree, "busy", 60.0)
        with pytest.raises(Interrupted):
            await player.ask(Player.crash())
        await settle()
    assert trio.current_time() == 60.0
    assert [what for what, _ in script.log] == ["p setup", "p teardown"]
    assert (await player.watch()).reason == "stopped"


async def test_a_child_that_crashes_while_the_tree_ends_stays_down() -> None:
    script = Script()
    specs = [ChildSpec("p", script.player), ChildSpec("busy", Player)]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("p")
        await busy(tree, "busy", 3.0)

        async def crash_later() -> None:
            await trio.sleep(1)
            await player.tell(Player.crash())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash_later)
            await tree.stop()
    assert [what for what, _ in script.log] == ["p setup", "p teardown"]
    assert (await player.watch()).reason == "crashed"


async def test_what_waits_in_a_mailbox_is_turned_away_at_the_end() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        player = await busy(tree, "p", 3.0)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await player.ask(Player.add(1))

            nursery.start_soon(ask)
            await settle()
            await tree.stop()
    with pytest.raises(NotDelivered):
        await tree.which_children()


async def test_a_tree_that_was_stopped_lets_its_block_go_on() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        await tree.stop()
        await trio.sleep(10)
    assert trio.current_time() == 10.0


async def test_a_block_that_raises_stops_the_tree_in_order_and_its_error_comes_as_it_is() -> None:
    script = Script(teardown=0.5)
    error = KeyError("block")
    with pytest.raises(KeyError) as caught:
        async with open_supervisor(children=[ChildSpec(name, script.player) for name in "ab"]) as tree:
            await busy(tree, "b", 2.0)
            raise error
    assert caught.value is error
    assert script.log[2:] == [("b teardown", 2.0), ("a teardown", 2.5)]


async def test_a_block_that_is_cancelled_has_no_grace_but_every_child_its_teardown() -> None:
    script = Script(teardown=0.5)
    events: list[LifecycleEvent] = []
    specs = [ChildSpec(name, script.player) for name in "ab"]
    with trio.move_on_after(1):
        async with open_supervisor(children=specs, on_event=events.append) as tree:
            await busy(tree, "b", 60.0)
            await trio.sleep_forever()
    assert sorted(script.log[2:]) == [("a teardown", 1.0), ("b teardown", 1.0)]
    assert sorted(told(events)[2:]) == ["a stopped 1 cancelled @1.5", "b stopped 1 cancelled @1.5"]


async def test_a_cancelled_block_leaves_no_child_waiting_for_its_next_incarnation() -> None:
    player: Ref[Player] | None = None
    with trio.move_on_after(1):
        async with open_supervisor(backoff=Backoff(initial=20.0), rng=HalfDice()) as tree:
            player = await tree.start_child(ChildSpec("p", Player))
            await player.tell(Player.crash())
            await player.ask(Player.add(1))
    assert player is not None
    assert (await player.watch()).reason == "crashed"


async def test_a_tree_can_be_cancelled_while_it_starts() -> None:
    script = Script()
    specs = [ChildSpec("a", script.player), ChildSpec("b", Script(setups=[math.inf]).player)]
    with trio.move_on_after(1):
        async with open_supervisor(children=specs):
            pytest.fail("the block must not be entered")
    assert script.log == [("a setup", 0.0), ("a teardown", 1.0)]


async def test_the_error_of_a_block_is_not_lost_when_its_end_is_cancelled() -> None:
    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1):
        async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
            await busy(tree, "p", 60.0)
            raise KeyError("block")
    assert trio.current_time() == 1.0
    assert caught.group_contains(KeyError)


async def test_the_end_of_a_tree_stops_a_child_that_is_still_starting() -> None:
    async with open_supervisor() as tree, trio.open_nursery() as nursery:

        async def start() -> None:
            with pytest.raises((StartFailed, Interrupted)):
                await tree.start_child(ChildSpec("p", Script(setups=[60.0]).player, grace=2.0))

        nursery.start_soon(start)
        await trio.sleep(1)
        await tree.stop()
    assert trio.current_time() == 3.0


async def test_a_nested_supervisor_has_all_the_time_its_children_have() -> None:
    events: list[LifecycleEvent] = []

    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player, grace=60.0)], on_event=events.append)

    async with open_supervisor(children=[ChildSpec("inner", inner)]) as tree:
        await busy(Tree(await tree.child("inner")), "p", 30.0)
    assert told(events)[1:] == ["p stopped 1 stopped @30"]


async def test_a_nested_supervisor_whose_grace_is_spent_takes_its_children_with_it() -> None:
    events: list[LifecycleEvent] = []

    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player, grace=60.0)])

    specs = [ChildSpec("inner", inner, grace=2.0)]
    async with open_supervisor(name="outer", children=specs, on_event=events.append) as tree:
        await busy(Tree(await tree.child("inner")), "p", 30.0)
    assert told(events)[2:] == ["p stopped 1 cancelled @2", "inner stopped 1 killed @2"]


async def test_two_stops_of_one_child_both_end_when_it_has_stopped() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)]) as tree:
        await busy(tree, "p", 3.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.stop_child, "p")
            nursery.start_soon(tree.stop_child, "p")
        assert trio.current_time() == 3.0


async def test_a_stop_that_its_asker_no_longer_waits_for_goes_on() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)], intensity=Intensity(0)) as tree:
        player = await busy(tree, "p", 3.0)
        with trio.move_on_after(1):
            await tree.stop_child("p")
        await player.watch()
        assert trio.current_time() == 3.0
