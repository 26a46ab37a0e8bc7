"""Specs and budgets that change while the tree runs: OTP's cases on code change, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from players import HalfDice, Player, Script
from rehearsal import AT_ONCE, crash, end, incarnations, settle, states

from actors.errors import RestartsExhausted
from actors.kernel import Ref
from supervisors import Backoff, ChildSpec, Intensity, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


def spec(child_id: str, **fields: Any) -> ChildSpec[Player]:
    return ChildSpec(child_id, Player, **{"backoff": AT_ONCE, **fields})


async def test_children_that_are_added_by_a_change_are_not_started_by_it() -> None:
    async with open_supervisor() as tree:
        await tree.change_specs([spec("one"), spec("two")])
        assert await states(tree) == {"one": "stopped", "two": "stopped"}
        for child_id in ("one", "two"):
            player: Ref[Player] = await tree.restart_child(child_id)
            assert await player.ask(Player.add(1)) == [1]
        assert await states(tree) == {"one": "running", "two": "running"}


async def test_children_that_a_change_does_not_name_are_left_alone_and_stand_behind_the_others() -> None:
    async with open_supervisor(children=[spec("one"), spec("two")]) as tree:
        two: Ref[Player] = await tree.child("two")
        await tree.change_specs([spec("one", grace=1.0), spec("three")])
        assert await states(tree) == {"one": "running", "three": "stopped", "two": "running"}
        assert list(await states(tree)) == ["one", "three", "two"]
        assert await two.ask(Player.add(1)) == [1]


async def test_a_changed_spec_is_the_one_that_is_told_and_moves_no_running_child() -> None:
    async with open_supervisor(children=[spec("p", grace=2.0)]) as tree:
        player: Ref[Player] = await tree.child("p")
        await player.ask(Player.add(1))
        await tree.change_specs([spec("p", grace=1.0)])
        assert (await tree.get_child_spec("p")).grace == 1.0
        assert await player.ask(Player.add(2)) == [1, 2]
        assert await incarnations(tree) == {"p": 1}


async def test_a_changed_grace_holds_for_the_next_stop() -> None:
    async with open_supervisor(children=[spec("p", grace=50.0)]) as tree:
        player: Ref[Player] = await tree.child("p")
        await tree.change_specs([spec("p", grace=1.0)])
        await player.tell(Player.work(60.0))
        await settle()
        await tree.stop_child("p")
        assert trio.current_time() == 1.0


async def test_a_changed_factory_makes_the_next_incarnation() -> None:
    script = Script()
    async with open_supervisor(children=[spec("p")]) as tree:
        player: Ref[Player] = await tree.child("p")
        await tree.change_specs([ChildSpec("p", script.player, backoff=AT_ONCE)])
        assert script.log == []
        await crash(player)
        assert script.log == [("p setup", 0.0)]


async def test_a_changed_restart_type_decides_over_the_next_end() -> None:
    async with open_supervisor(children=[spec("p"), spec("q", restart="transient")]) as tree:
        await tree.change_specs([spec("p", restart="transient"), spec("q")])
        for child_id in "pq":
            await end(await tree.child(child_id))
        assert await states(tree) == {"p": "stopped", "q": "running"}


async def test_a_changed_budget_holds_from_now_on() -> None:
    async with open_supervisor(
        children=[spec("p", intensity=Intensity(100))], intensity=Intensity(1)
    ) as tree:
        player: Ref[Player] = await tree.child("p")
        await crash(player)
        await tree.change_intensity(Intensity(3))
        await crash(player)
        await crash(player)
        assert await incarnations(tree) == {"p": 4}


async def test_a_budget_that_was_narrowed_below_what_is_spent_ends_the_tree_at_the_next_crash() -> None:
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[spec("p")], intensity=Intensity(10)) as tree:
            player: Ref[Player] = await tree.child("p")
            await crash(player)
            await crash(player)
            await tree.change_intensity(Intensity(1))
            assert await player.ask(Player.add(1)) == [1]
            await crash(player)
            await trio.sleep_forever()
    assert (caught.value.restarts, len(caught.value.exceptions)) == (1, 2)


@pytest.mark.parametrize(
    ("specs", "kind"),
    [
        ([spec("one"), "two"], TypeError),
        ([spec("one"), spec("one", grace=1.0)], ValueError),
        ([spec("one", needs=("ghost",))], ValueError),
        ([spec("one", needs=("two",)), spec("two", needs=("one",))], ValueError),
        ([spec("one", restart="transient", significant=True)], ValueError),
    ],
    ids=["no spec", "twice", "ghost", "cycle", "significant"],
)
async def test_a_faulty_change_is_refused_as_a_whole(specs: Any, kind: type[Exception]) -> None:
    async with open_supervisor(children=[spec("one", grace=3.0)]) as tree:
        with pytest.raises(kind):
            await tree.change_specs(specs)
        assert await states(tree) == {"one": "running"}
        assert (await tree.get_child_spec("one")).grace == 3.0


async def test_a_faulty_budget_is_refused_and_the_old_one_holds() -> None:
    async with open_supervisor(children=[spec("p")], intensity=Intensity(1)) as tree:
        with pytest.raises(TypeError):
            await tree.change_intensity(2)  # type: ignore[arg-type]  # what it refuses
        await crash(await tree.child("p"))
        assert await incarnations(tree) == {"p": 2}


async def test_a_change_to_nothing_changes_nothing() -> None:
    async with open_supervisor(children=[spec("p")]) as tree:
        await tree.change_specs([])
        assert await states(tree) == {"p": "running"}


async def test_a_new_order_is_the_order_of_the_next_group_restart_and_of_the_end() -> None:
    script = Script()
    specs = [ChildSpec(child_id, script.player, backoff=AT_ONCE) for child_id in "abc"]
    async with open_supervisor("one_for_all", children=specs) as tree:
        await tree.change_specs(list(reversed(specs)))
        script.log.clear()
        await crash(await tree.child("b"))
        assert [what for what, _ in script.log] == [
            "b teardown",
            "a teardown",
            "c teardown",
            "c setup",
            "b setup",
            "a setup",
        ]
        script.log.clear()
    assert [what for what, _ in script.log] == ["a teardown", "b teardown", "c teardown"]


@pytest.mark.parametrize("mode", ["any", "all"])
async def test_a_child_that_became_significant_ends_all_and_one_that_is_so_no_more_does_not(
    mode: Any,
) -> None:
    plain = spec("p", restart="transient")
    for before, after, is_over in (
        (plain, attrs.evolve(plain, significant=True), True),
        (attrs.evolve(plain, significant=True), plain, False),
    ):
        async with open_supervisor(auto_shutdown=mode, children=[before]) as tree:
            await tree.change_specs([after])
            await settle()
            assert not tree.ref.is_ended
            await end(await tree.child("p"))
            assert tree.ref.is_ended == is_over


async def test_a_child_that_waits_for_its_restart_comes_back_by_the_new_spec() -> None:
    script = Script()
    slow = spec("p", backoff=Backoff(initial=20.0, cap=20.0))
    async with open_supervisor(children=[slow], rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("p")
        await crash(player)
        await tree.change_specs([ChildSpec("p", script.player)])
        await player.ask(Player.add(1))
        assert script.log == [("p setup", 10.0)]


async def test_a_nested_supervisor_is_changed_through_its_own_handle() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[spec("p")])

    async with open_supervisor(children=[ChildSpec("inner", inner)]) as tree:
        below = Tree(await tree.child("inner"))
        await below.change_specs([spec("p", grace=1.0), spec("q")])
        assert await states(below) == {"p": "running", "q": "stopped"}
