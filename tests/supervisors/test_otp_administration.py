"""Starting, stopping, deleting and counting while the tree runs: OTP's cases on administration, in our words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from players import HalfDice, Player, Script
from rehearsal import AT_ONCE, SLOWLY, counts, crash, incarnations, settle, states

from actors.errors import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildStillRestarting,
    ChildStillRunning,
    NotDelivered,
)
from actors.kernel import Ref
from supervisors import ChildSpec, Intensity, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")

SPEC = ChildSpec("p", Player, backoff=AT_ONCE)


async def test_the_life_of_a_child_under_administration() -> None:
    """Start, stop, stop again, start anew, delete, start once more: each step with what is counted after it."""
    async with open_supervisor(children=[SPEC]) as tree:
        assert await counts(tree) == (1, 1, 0, 0)
        await tree.stop_child("p")
        await tree.stop_child("p")
        assert (await states(tree), await counts(tree)) == ({"p": "stopped"}, (1, 0, 0, 1))
        await tree.restart_child("p")
        assert (await states(tree), await counts(tree)) == ({"p": "running"}, (1, 1, 0, 0))
        await tree.stop_child("p")
        await tree.delete_child("p")
        assert await counts(tree) == (0, 0, 0, 0)
        third = await tree.start_child(SPEC)
        assert await tree.child("p") == third
        await crash(third)
        assert await incarnations(tree) == {"p": 2}


async def test_an_id_that_is_taken_says_whether_its_child_was_started_or_is_only_present() -> None:
    async with open_supervisor(children=[SPEC]) as tree:
        with pytest.raises(ChildAlreadyStarted, match=r"^child 'p' exists already and is running"):
            await tree.start_child(SPEC)
        await tree.stop_child("p")
        with pytest.raises(ChildAlreadyPresent, match=r"^child 'p' exists already and is stopped"):
            await tree.start_child(SPEC)
        assert await counts(tree) == (1, 0, 0, 1)


async def test_a_refused_request_leaves_the_child_as_it_was() -> None:
    async with open_supervisor(children=[SPEC]) as tree:
        player: Ref[Player] = await tree.child("p")
        await player.ask(Player.add(1))
        for refused in (tree.delete_child, tree.restart_child):
            with pytest.raises(ChildStillRunning):
                await refused("p")
        for refused in (tree.stop_child, tree.delete_child, tree.restart_child):
            with pytest.raises(ChildNotFound):
                await refused("ghost")
        assert await player.ask(Player.add(2)) == [1, 2]


async def test_a_deleted_child_is_not_found_any_more() -> None:
    async with open_supervisor(children=[SPEC]) as tree:
        await tree.stop_child("p")
        await tree.delete_child("p")
        for verb in (tree.child, tree.restart_child, tree.stop_child, tree.delete_child, tree.get_child_spec):
            with pytest.raises(ChildNotFound):
                await verb("p")


async def test_children_are_listed_in_the_order_of_their_starts_each_with_how_far_it_got() -> None:
    async with open_supervisor() as tree:
        one = await tree.start_child(ChildSpec("one", Player))
        assert await states(tree) == {"one": "running"}
        two = await tree.start_child(ChildSpec("two", Player))
        assert list(await states(tree)) == ["one", "two"]
        assert [status.ref for status in await tree.which_children()] == [one, two]
        await tree.stop_child("one")
        assert await states(tree) == {"one": "stopped", "two": "running"}
        await tree.delete_child("one")
        assert await states(tree) == {"two": "running"}


async def test_a_child_started_again_by_hand_keeps_its_place_and_one_deleted_in_between_goes_last() -> None:
    async with open_supervisor(children=[ChildSpec(child_id, Player) for child_id in "abc"]) as tree:
        await tree.stop_child("a")
        await tree.restart_child("a")
        assert list(await states(tree)) == ["a", "b", "c"]
        await tree.stop_child("a")
        await tree.delete_child("a")
        await tree.start_child(ChildSpec("a", Player))
        assert list(await states(tree)) == ["b", "c", "a"]


async def test_supervisors_and_workers_are_counted_apart() -> None:
    specs = [ChildSpec("inner", Supervisor), ChildSpec("p", Player), ChildSpec("q", Player)]
    async with open_supervisor(children=specs) as tree:
        held = await tree.count_children()
        assert (held.supervisors, held.workers) == (1, 2)
        await tree.stop_child("inner")
        held = await tree.count_children()
        assert (held.specs, held.active, held.supervisors, held.workers) == (3, 2, 1, 2)


VERBS: dict[str, Callable[[Tree], Awaitable[object]]] = {
    "start_child": lambda tree: tree.start_child(SPEC),
    "stop_child": lambda tree: tree.stop_child("p"),
    "restart_child": lambda tree: tree.restart_child("p"),
    "delete_child": lambda tree: tree.delete_child("p"),
    "child": lambda tree: tree.child("p"),
    "get_child_spec": lambda tree: tree.get_child_spec("p"),
    "which_children": lambda tree: tree.which_children(),
    "count_children": lambda tree: tree.count_children(),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_supervisor_that_has_ended_takes_no_request(verb: str) -> None:
    async with open_supervisor(children=[SPEC]) as tree:
        await tree.stop()
        with pytest.raises(NotDelivered):
            await VERBS[verb](tree)


async def test_while_a_restart_is_retried_the_supervisor_answers_and_refuses_what_would_cross_it() -> None:
    script = Script(setups=[0.0, ValueError("no")])
    spec = ChildSpec("p", script.player, backoff=SLOWLY, intensity=Intensity(8, 1000.0))
    async with open_supervisor(children=[spec], rng=HalfDice()) as tree:
        first: Ref[Player] = await tree.child("p")
        await crash(first)
        await trio.sleep(12)
        with pytest.raises(ChildAlreadyStarted, match="restarting"):
            await tree.start_child(spec)
        with pytest.raises(ChildStillRestarting):
            await tree.restart_child("p")
        with pytest.raises(ChildStillRestarting):
            await tree.delete_child("p")
        assert (await states(tree), await counts(tree)) == ({"p": "restarting"}, (1, 0, 1, 0))
        assert not first.is_ended
        await tree.stop_child("p")
        assert trio.current_time() == 12.0
        assert (await first.watch()).reason == "stopped"
        assert await states(tree) == {"p": "stopped"}


async def test_a_child_stopped_while_its_restart_was_retried_can_be_started_when_the_fault_is_gone() -> None:
    script = Script(setups=[0.0, ValueError("no")])
    async with open_supervisor(
        children=[ChildSpec("p", script.player, backoff=SLOWLY)], rng=HalfDice()
    ) as tree:
        await crash(await tree.child("p"))
        await trio.sleep(12)
        await tree.stop_child("p")
        script.setups[:] = [0.0]
        player: Ref[Player] = await tree.restart_child("p")
        assert await player.ask(Player.add(1)) == [1]


async def test_a_supervisor_whose_child_is_being_retried_stops_at_once() -> None:
    script = Script(setups=[0.0, ValueError("no")])
    async with open_supervisor(
        children=[ChildSpec("p", script.player, backoff=SLOWLY)], rng=HalfDice()
    ) as tree:
        player: Ref[Player] = await tree.child("p")
        await crash(player)
        await trio.sleep(12)
        await tree.stop()
        assert trio.current_time() == 12.0
        assert (await player.watch()).reason == "stopped"


@pytest.mark.parametrize("by_hand", [True, False], ids=["stop_child", "stop"])
async def test_a_restart_that_hangs_in_its_setup_is_cut_within_the_grace(by_hand: bool) -> None:
    script = Script(setups=[0.0, 3600.0])
    spec = ChildSpec("p", script.player, backoff=AT_ONCE, grace=2.0)
    async with open_supervisor(children=[spec]) as tree:
        await crash(await tree.child("p"))
        await trio.sleep(1)
        assert await states(tree) == {"p": "starting"}
        await (tree.stop_child("p") if by_hand else tree.stop())
        assert trio.current_time() == 3.0


async def test_a_supervisor_answers_while_it_stops_a_child_that_takes_its_time() -> None:
    async with (
        open_supervisor(children=[SPEC, ChildSpec("q", Player)]) as tree,
        trio.open_nursery() as nursery,
    ):
        player: Ref[Player] = await tree.child("p")
        await player.tell(Player.shield(4.0))
        await settle()
        nursery.start_soon(tree.stop_child, "p")
        await trio.sleep(1)
        assert await states(tree) == {"p": "stopping", "q": "running"}
        assert await counts(tree) == (2, 2, 0, 0)
        with pytest.raises(ChildStillRunning):
            await tree.restart_child("p")
        await tree.stop_child("q")
        assert trio.current_time() == 1.0


async def test_a_message_no_supervisor_knows_is_refused_and_hurts_nobody() -> None:
    async with open_supervisor(children=[SPEC]) as tree:
        stray: Ref[Player] = Ref(tree.ref._slot)
        with pytest.raises(TypeError):
            await stray.ask(Player.add(1))
        assert await states(tree) == {"p": "running"}
