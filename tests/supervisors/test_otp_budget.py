"""When restarts are too many: OTP's cases on intensity and escalation, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import pytest
import trio
from players import HalfDice, Player, Script
from rehearsal import AT_ONCE, crash, incarnations, settle, stop

from actors.errors import RestartsExhausted
from actors.kernel import Ref
from supervisors import Backoff, ChildSpec, Intensity, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def test_restarts_further_apart_than_the_window_never_add_up() -> None:
    spec = ChildSpec("p", Player, backoff=AT_ONCE, intensity=Intensity(1, 1.0))
    async with open_supervisor(children=[spec], intensity=Intensity(1, 1.0)) as tree:
        player: Ref[Player] = await tree.child("p")
        for _ in range(4):
            await crash(player)
            await trio.sleep(1.0)
        await tree.stop_child("p")
        await tree.delete_child("p")


@pytest.mark.parametrize(("pause", "is_over"), [(0.2, True), (0.249, True), (0.25, False), (0.3, False)])
async def test_the_window_slides_by_less_than_a_second(pause: float, is_over: bool) -> None:
    spec = ChildSpec("p", Player, backoff=AT_ONCE, intensity=Intensity(100))

    async def crash_three_times() -> None:
        async with open_supervisor(children=[spec], intensity=Intensity(2, 0.5)) as tree:
            player: Ref[Player] = await tree.child("p")
            for _ in range(3):
                await crash(player)
                await trio.sleep(pause)
            assert await incarnations(tree) == {"p": 4}

    if is_over:
        with pytest.raises(RestartsExhausted):
            await crash_three_times()
        assert trio.current_time() == pytest.approx(2 * pause)
    else:
        await crash_three_times()


async def test_a_window_that_would_have_been_emptied_by_whole_seconds_is_still_full() -> None:
    spec = ChildSpec("p", Player, backoff=AT_ONCE, intensity=Intensity(100))
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[spec], intensity=Intensity(1, 1.0)) as tree:
            player: Ref[Player] = await tree.child("p")
            await trio.sleep(0.9)
            await crash(player)
            await trio.sleep(0.99)
            assert await incarnations(tree) == {"p": 2}
            await crash(player)
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(1.89)


async def test_a_child_that_never_starts_again_spends_the_budget_and_ends_its_siblings() -> None:
    never, other = Script(setups=[0.0, ValueError("no")]), Script()
    specs = [
        ChildSpec("never", never.player, backoff=AT_ONCE, intensity=Intensity(100)),
        ChildSpec("other", other.player),
    ]
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=specs, intensity=Intensity(4, 3600.0)) as tree:
            await crash(await tree.child("never"))
            await trio.sleep_forever()
    assert len(caught.value.exceptions) == 5
    assert [what for what, _ in never.log].count("never setup") == 5
    assert [what for what, _ in other.log] == ["other setup", "other teardown"]


async def test_a_childs_own_budget_ends_the_tree_while_its_supervisors_has_room() -> None:
    specs = [ChildSpec("p", Player, backoff=AT_ONCE, intensity=Intensity(1)), ChildSpec("q", Player)]
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=specs, intensity=Intensity(100)) as tree:
            for _ in range(2):
                await crash(await tree.child("p"))
            await trio.sleep_forever()
    assert (caught.value.child, caught.value.restarts) == ("p", 1)


async def test_stops_that_permanent_children_are_asked_for_spend_the_budget_too() -> None:
    script = Script()
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[ChildSpec("p", script.player)], intensity=Intensity(1)) as tree:
            for _ in range(2):
                await stop(await tree.child("p"))
            await trio.sleep_forever()
    assert [what for what, _ in script.log] == ["p setup", "p teardown"] * 2


async def test_stops_and_starts_by_hand_cost_nothing() -> None:
    async with open_supervisor(children=[ChildSpec("p", Player)], intensity=Intensity(0)) as tree:
        for _ in range(10):
            await tree.stop_child("p")
            await tree.restart_child("p")


async def test_an_escalation_holds_one_error_for_each_incarnation_that_cost_a_restart() -> None:
    spec = ChildSpec("p", Player, backoff=AT_ONCE, intensity=Intensity(2))
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[spec]) as tree:
            for text in ("one", "two", "three"):
                await crash(await tree.child("p"), text)
            await trio.sleep_forever()
    assert isinstance(caught.value, ExceptionGroup)
    assert [str(error) for error in caught.value.exceptions] == ["one", "two", "three"]


async def test_an_escalation_costs_the_supervisor_above_one_restart_and_gives_a_fresh_budget_below() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player, backoff=AT_ONCE)], intensity=Intensity(1))

    spec = ChildSpec("inner", inner, backoff=AT_ONCE, intensity=Intensity(2))
    async with open_supervisor(children=[spec]) as tree:
        branch = Tree(await tree.child("inner"))
        for _ in range(4):
            await crash(await branch.child("p"))
        assert await incarnations(tree) == {"inner": 3}
        assert await incarnations(branch) == {"p": 1}


async def test_escalations_climb_to_the_root_and_end_the_block() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player)], intensity=Intensity(0))

    spec = ChildSpec("inner", inner, intensity=Intensity(0))
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(name="outer", children=[spec]) as tree:
            await crash(await Tree(await tree.child("inner")).child("p"), "the root cause")
            await trio.sleep_forever()
    (below,) = caught.value.exceptions
    assert isinstance(below, RestartsExhausted)
    assert (caught.value.child, below.child) == ("inner", "p")
    assert [str(error) for error in below.exceptions] == ["the root cause"]


async def test_a_transient_branch_that_gave_up_starts_again_for_giving_up_is_a_crash() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player)], intensity=Intensity(0))

    spec = ChildSpec("inner", inner, restart="transient", backoff=AT_ONCE)
    async with open_supervisor(children=[spec]) as tree:
        await crash(await Tree(await tree.child("inner")).child("p"))
        assert await incarnations(tree) == {"inner": 2}


async def test_a_budget_of_none_ends_the_tree_at_the_first_crash() -> None:
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[ChildSpec("p", Player)], intensity=Intensity(0)) as tree:
            await crash(await tree.child("p"))
            await trio.sleep_forever()
    assert trio.current_time() == 0.0


async def test_many_crashes_in_quick_succession_are_all_followed_by_a_restart_within_the_budget() -> None:
    spec = ChildSpec("p", Player, backoff=Backoff(initial=0.01), intensity=Intensity(10, 10.0))
    async with open_supervisor(children=[spec], rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("p")
        for _ in range(5):
            await player.tell(Player.crash())
        await player.ask(Player.add(1))
        await settle()
        assert await incarnations(tree) == {"p": 6}
