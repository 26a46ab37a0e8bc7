"""Who goes down and comes up with a child, and in which order: OTP's cases on the group strategies, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import AT_ONCE, SLOWLY, counts, crash, end, incarnations, settle, states

from actors.errors import ChildAlreadyStarted, ChildStillRestarting, Interrupted, RestartsExhausted
from actors.kernel import Ref
from supervisors import (
    ChildOverdue,
    ChildRestarting,
    ChildSpec,
    Intensity,
    LifecycleEvent,
    Supervisor,
    Tree,
    open_supervisor,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")

ROWS = ("ch7", "ch3", "ch10", "ch2", "ch5")
"""Ids whose order of start is no order of the alphabet."""


def cast(script: Script, ids: tuple[str, ...] = ROWS) -> list[ChildSpec[Player]]:
    return [ChildSpec(child_id, script.player, backoff=AT_ONCE) for child_id in ids]


# who


async def test_one_for_one_moves_the_crashed_child_alone() -> None:
    async with open_supervisor(children=cast(Script())) as tree:
        await crash(await tree.child("ch10"))
        assert await incarnations(tree) == {"ch7": 1, "ch3": 1, "ch10": 2, "ch2": 1, "ch5": 1}


@pytest.mark.parametrize("crashed", ["ch7", "ch10", "ch5"])
async def test_one_for_all_moves_everybody_whoever_crashed(crashed: str) -> None:
    async with open_supervisor("one_for_all", children=cast(Script())) as tree:
        await crash(await tree.child(crashed))
        assert await incarnations(tree) == dict.fromkeys(ROWS, 2)
        assert await counts(tree) == (5, 5, 0, 0)


@pytest.mark.parametrize(
    ("crashed", "moved"), [("ch7", 5), ("ch10", 3), ("ch5", 1)], ids=["first", "middle", "last"]
)
async def test_rest_for_one_moves_the_crashed_child_and_those_started_after_it(
    crashed: str, moved: int
) -> None:
    async with open_supervisor("rest_for_one", children=cast(Script())) as tree:
        await crash(await tree.child(crashed))
        after = dict.fromkeys(ROWS[: 5 - moved], 1) | dict.fromkeys(ROWS[5 - moved :], 2)
        assert await incarnations(tree) == after
        assert await counts(tree) == (5, 5, 0, 0)


async def test_rest_for_one_counts_a_child_started_by_hand_as_the_last() -> None:
    async with open_supervisor("rest_for_one", children=cast(Script(), ("a", "b"))) as tree:
        await tree.start_child(ChildSpec("c", Player))
        await crash(await tree.child("b"))
        assert await incarnations(tree) == {"a": 1, "b": 2, "c": 2}


async def test_a_lone_child_starts_again_under_one_for_all() -> None:
    async with open_supervisor("one_for_all", children=cast(Script(), ("a",))) as tree:
        await crash(await tree.child("a"))
        assert await incarnations(tree) == {"a": 2}


async def test_a_permanent_child_that_ends_well_moves_its_group_as_a_crash_does() -> None:
    async with open_supervisor("one_for_all", children=cast(Script(), ("a", "b"))) as tree:
        await end(await tree.child("b"))
        assert await incarnations(tree) == {"a": 2, "b": 2}


async def test_members_that_were_kept_stopped_start_with_their_group() -> None:
    specs = [
        ChildSpec("done", Player, restart="transient"),
        ChildSpec("stopped", Player),
        ChildSpec("p", Player, backoff=AT_ONCE),
    ]
    async with open_supervisor("one_for_all", children=specs) as tree:
        await end(await tree.child("done"))
        await tree.stop_child("stopped")
        assert await counts(tree) == (3, 1, 0, 2)
        await crash(await tree.child("p"))
        assert await states(tree) == {"done": "running", "stopped": "running", "p": "running"}


# in which order


async def test_members_stop_in_reverse_order_and_start_in_order() -> None:
    script = Script()
    async with open_supervisor("rest_for_one", children=cast(script)) as tree:
        script.log.clear()
        await crash(await tree.child("ch10"))
        assert [what for what, _ in script.log] == [
            "ch10 teardown",
            "ch5 teardown",
            "ch2 teardown",
            "ch10 setup",
            "ch2 setup",
            "ch5 setup",
        ]
        script.log.clear()
    assert [what for what, _ in script.log] == [f"{child_id} teardown" for child_id in reversed(ROWS)]


async def test_each_member_stops_before_the_one_before_it_and_starts_when_that_serves() -> None:
    script = Script(setups=[0.0, 0.0, 0.0, 2.0], teardown=0.5)
    async with open_supervisor("one_for_all", children=cast(script, ("a", "b", "c"))) as tree:
        script.log.clear()
        await (await tree.child("a")).tell(Player.crash())
        await trio.sleep(30)
        assert script.log == [
            ("a teardown", 0.0),
            ("c teardown", 0.5),
            ("b teardown", 1.0),
            ("a setup", 1.5),
            ("b setup", 3.5),
            ("c setup", 5.5),
        ]


async def test_a_member_has_its_grace_before_it_is_cut_for_the_others() -> None:
    events: list[LifecycleEvent] = []
    specs = [
        ChildSpec("a", Player, backoff=AT_ONCE),
        ChildSpec("b", Player, grace=2.0),
        ChildSpec("c", Player),
    ]
    async with open_supervisor("one_for_all", children=specs, on_event=events.append) as tree:
        await (await tree.child("b")).tell(Player.work(60.0))
        await (await tree.child("c")).tell(Player.work(1.0))
        await settle()
        await crash(await tree.child("a"))
        await trio.sleep(30)
        assert [line for line in told(events) if "stopped" in line] == [
            "c stopped 1 stopped @1",
            "b stopped 1 killed @3",
        ]
        assert await incarnations(tree) == {"a": 2, "b": 2, "c": 2}


async def test_a_member_that_shields_itself_is_named_and_cannot_hang_its_group_for_ever() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("a", Player, backoff=AT_ONCE), ChildSpec("stubborn", Player, grace=2.0)]
    async with open_supervisor("one_for_all", children=specs, on_event=events.append) as tree:
        await (await tree.child("stubborn")).tell(Player.shield(100.0))
        await settle()
        a: Ref[Player] = await tree.child("a")
        await crash(a)
        assert await a.ask(Player.add(1)) == [1]
        assert [event.child for event in events if isinstance(event, ChildOverdue)] == ["stubborn"]
        await trio.sleep(200)
        assert await states(tree) == {"a": "running", "stubborn": "running"}


# what stays


async def test_refs_stay_good_and_messages_keep_their_order_over_a_group_restart() -> None:
    async with open_supervisor("one_for_all", children=cast(Script(), ("a", "b"))) as tree:
        a: Ref[Player] = await tree.child("a")
        b: Ref[Player] = await tree.child("b")
        await b.tell(Player.work(1.0))
        for number in range(5):
            await b.tell(Player.add(number))
        await settle()
        await crash(a)
        assert await b.ask(Player.add(5)) == [0, 1, 2, 3, 4, 5]
        assert (await tree.child("a"), await tree.child("b")) == (a, b)
        assert not b.is_ended


async def test_all_members_show_as_restarting_while_the_delay_lasts() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec(child_id, Player, backoff=SLOWLY) for child_id in "abc"]
    async with open_supervisor(
        "rest_for_one", children=specs, rng=HalfDice(), on_event=events.append
    ) as tree:
        await crash(await tree.child("b"))
        assert await states(tree) == {"a": "running", "b": "restarting", "c": "restarting"}
        assert await counts(tree) == (3, 1, 2, 0)
        c: Ref[Player] = await tree.child("c")
        assert await c.ask(Player.add(1)) == [1]
        assert trio.current_time() == 10.0
        assert {event.child for event in events if isinstance(event, ChildRestarting)} <= {"b", "c"}


# what it costs


async def test_a_group_restart_costs_one_restart_however_many_members_it_has() -> None:
    own = Intensity(2, 100.0)
    specs = [ChildSpec(child_id, Player, backoff=AT_ONCE, intensity=own) for child_id in "abcd"]
    async with open_supervisor("one_for_all", children=specs, intensity=Intensity(4, 100.0)) as tree:
        for child_id in "abab":
            await crash(await tree.child(child_id))
        assert await incarnations(tree) == dict.fromkeys("abcd", 5)
    assert trio.current_time() == 0.0


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_group_restarts_that_spend_the_supervisors_budget_end_everybody(strategy: Any) -> None:
    script = Script()
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(
            strategy, children=cast(script, ("a", "b", "c")), intensity=Intensity(2, 3600.0)
        ) as tree:
            for child_id in ("b", "c", "b"):
                await crash(await tree.child(child_id), child_id)
            await trio.sleep_forever()
    assert [str(error) for error in caught.value.exceptions] == ["b", "c", "b"]
    setups = [what for what, _ in script.log if what.endswith("setup")]
    teardowns = [what for what, _ in script.log if what.endswith("teardown")]
    assert len(setups) == len(teardowns)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_member_that_never_starts_again_spends_the_budget_and_ends_everybody(strategy: Any) -> None:
    script = Script()
    never = Script(setups=[0.0, ValueError("no")])
    specs = [
        ChildSpec("a", script.player, backoff=AT_ONCE),
        ChildSpec("never", never.player, backoff=AT_ONCE, intensity=Intensity(100)),
        ChildSpec("z", script.player, backoff=AT_ONCE),
    ]
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(strategy, children=specs, intensity=Intensity(4, 3600.0)) as tree:
            await crash(await tree.child("a"))
            await trio.sleep_forever()
    assert caught.value.child == "never"
    assert [type(error).__name__ for error in caught.value.exceptions] == ["RuntimeError"] + [
        "ValueError"
    ] * 4
    assert [what for what, _ in never.log].count("never setup") == 5
    assert [what for what, _ in script.log].count("a setup") == 2
    assert script.log[-1][0] == "a teardown"


# when a member fails to start again


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_member_that_fails_to_start_is_tried_again_and_those_before_it_stay_up(strategy: Any) -> None:
    first, second, third = Script(), Script(setups=[0.0, ValueError("1"), ValueError("2"), 0.0]), Script()
    events: list[LifecycleEvent] = []
    specs = [
        ChildSpec("a", first.player, backoff=AT_ONCE),
        ChildSpec("b", second.player),
        ChildSpec("c", third.player),
    ]
    async with open_supervisor(strategy, children=specs, rng=HalfDice(), on_event=events.append) as tree:
        await crash(await tree.child("a"))
        assert await states(tree) == {"a": "running", "b": "restarting", "c": "restarting"}
        a: Ref[Player] = await tree.child("a")
        assert await a.ask(Player.add(1)) == [1]
        c: Ref[Player] = await tree.child("c")
        await c.ask(Player.add(1))
        assert trio.current_time() == pytest.approx(0.15)
        assert await a.ask(Player.add(2)) == [1, 2]
        assert await incarnations(tree) == {"a": 2, "b": 4, "c": 2}
        assert [line for line in told(events) if line.startswith("b crashed")] == [
            "b crashed 2 ValueError @0",
            "b crashed 3 ValueError @0.05",
        ]


async def test_a_member_that_comes_up_again_and_crashes_while_the_others_wait_joins_them() -> None:
    late = Script(setups=[0.0, ValueError("1"), 0.0])
    specs = [
        ChildSpec("a", Player, backoff=AT_ONCE),
        ChildSpec("b", late.player, backoff=SLOWLY),
        ChildSpec("c", Player),
    ]
    async with open_supervisor("one_for_all", children=specs, rng=HalfDice()) as tree:
        a: Ref[Player] = await tree.child("a")
        await crash(a)
        assert await states(tree) == {"a": "running", "b": "restarting", "c": "restarting"}
        await trio.sleep(1)
        await crash(a)
        await trio.sleep(60)
        assert await states(tree) == {"a": "running", "b": "running", "c": "running"}
        assert (await incarnations(tree))["a"] == 3
        assert [what for what, _ in late.log].count("b setup") == 3


async def test_a_group_that_is_being_retried_answers_everything_and_can_be_stopped_at_once() -> None:
    script = Script(setups=[0.0, ValueError("no")])
    specs = [
        ChildSpec("a", Player),
        ChildSpec("b", script.player, backoff=SLOWLY, intensity=Intensity(8, 10.0)),
        ChildSpec("c", Player),
    ]
    async with open_supervisor("rest_for_one", children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("b"))
        await trio.sleep(12)
        with pytest.raises(ChildAlreadyStarted, match="restarting"):
            await tree.start_child(specs[1])
        with pytest.raises(ChildStillRestarting):
            await tree.restart_child("b")
        with pytest.raises(ChildStillRestarting):
            await tree.delete_child("b")
        assert await states(tree) == {"a": "running", "b": "restarting", "c": "restarting"}
        assert await counts(tree) == (3, 1, 2, 0)
        await tree.stop_child("b")
        assert trio.current_time() == 12.0
        assert (await states(tree))["b"] == "stopped"
        script.setups[:] = [0.0, ValueError("no")]
        again: Ref[Player] = await tree.restart_child("b")
        await crash(again)
        await trio.sleep(5)
        before = trio.current_time()
        await tree.stop()
        assert trio.current_time() == before


async def test_the_others_go_on_when_a_waiting_member_is_stopped_by_hand() -> None:
    specs = [ChildSpec(child_id, Player, backoff=SLOWLY) for child_id in "abc"]
    async with open_supervisor("one_for_all", children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("a"))
        await tree.stop_child("b")
        assert await states(tree) == {"a": "restarting", "b": "stopped", "c": "restarting"}
        await trio.sleep(10)
        await settle()
        assert await states(tree) == {"a": "running", "b": "stopped", "c": "running"}


async def test_two_crashes_at_one_instant_lead_to_one_line_of_members_that_start_once_each() -> None:
    script = Script(setups=[0.0, 0.0, 0.0, 1.0], teardown=0.5)
    async with open_supervisor("one_for_all", children=cast(script, ("a", "b", "c"))) as tree:
        script.log.clear()
        refs: list[Ref[Player]] = [await tree.child(child_id) for child_id in "ac"]
        for ref in refs:
            ref.tell_nowait(Player.crash())
        await trio.sleep(60)
        assert [line for line in script.log if line[0].endswith("setup")] == [
            ("a setup", 1.0),
            ("b setup", 2.0),
            ("c setup", 3.0),
        ]
        assert await incarnations(tree) == dict.fromkeys("abc", 2)
        for ref in refs:
            assert await ref.ask(Player.add(1)) == [1]


# trees


async def test_a_branch_that_gives_up_restarts_its_siblings_and_loses_what_was_started_by_hand() -> None:
    """The tree of OTP's suite: three branches under one_for_all, workers added while it runs."""

    def workers() -> Supervisor:
        return Supervisor(children=cast(Script(), ("one", "two")))

    def empty() -> Supervisor:
        return Supervisor(intensity=Intensity(4, 3600.0))

    specs = [
        ChildSpec("first", workers, backoff=AT_ONCE),
        ChildSpec("second", empty, backoff=AT_ONCE),
        ChildSpec("third", empty, restart="transient"),
    ]
    async with open_supervisor("one_for_all", name="top", children=specs) as tree:
        await tree.stop_child("third")
        assert await counts(tree) == (3, 2, 0, 1)
        first, second = Tree(await tree.child("first")), Tree(await tree.child("second"))
        never = Script(setups=[0.0, ValueError("no")])
        doomed = await second.start_child(
            ChildSpec("doomed", never.player, backoff=AT_ONCE, intensity=Intensity(100))
        )
        sound = await second.start_child(ChildSpec("sound", Player, backoff=AT_ONCE))
        await crash(sound)
        assert await incarnations(second) == {"doomed": 1, "sound": 2}
        assert await incarnations(first) == {"one": 1, "two": 1}

        await crash(doomed)
        await trio.sleep(60)
        assert await states(tree) == {"first": "running", "second": "running", "third": "running"}
        assert await states(first) == {"one": "running", "two": "running"}
        assert await states(second) == {}
        assert await states(Tree(await tree.child("third"))) == {}


async def test_killing_a_nested_supervisor_brings_it_and_its_children_back() -> None:
    script = Script()
    inner = ChildSpec("inner", lambda: Supervisor("one_for_all", children=cast(script, ("p",))))
    async with open_supervisor("one_for_all", children=[inner]) as tree:
        ref = await tree.child("inner")
        await ref.stop(grace=0)
        await settle()
        assert await incarnations(tree) == {"inner": 2}
        player: Ref[Player] = await Tree(ref).child("p")
        with pytest.raises(Interrupted):
            await player.ask(Player.crash())
        assert await player.ask(Player.add(1)) == [1]
        await Tree(ref).stop_child("p")
        assert await (await Tree(ref).restart_child("p")).ask(Player.add(1)) == [1]
