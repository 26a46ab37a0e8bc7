"""Permanent, transient, temporary, each against every way to end: OTP's truth table, under every strategy."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from players import Player
from rehearsal import AT_ONCE, counts, crash, end, incarnations, settle, states, stop

from actors.errors import ChildAlreadyPresent, ChildAlreadyStarted
from actors.kernel import Ref
from supervisors import ChildSpec, ChildState, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")


async def cut(ref: Ref[Player]) -> None:
    """Give a child that works no time to end."""
    await ref.tell(Player.work(60.0))
    await settle()
    await ref.stop(grace=0)
    await settle()


WAYS = {"ends": end, "is stopped": stop, "is cut": cut, "crashes": crash}


def spec(restart: Any) -> ChildSpec[Player]:
    return ChildSpec("p", Player, restart=restart, backoff=AT_ONCE)


@pytest.mark.parametrize("way", WAYS)
async def test_a_permanent_child_starts_again_however_it_ends(way: str) -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(spec("permanent"))
        await WAYS[way](player)
        assert await player.ask(Player.add(1)) == [1]
        assert await incarnations(tree) == {"p": 2}
        assert await counts(tree) == (1, 1, 0, 0)


async def test_a_permanent_child_starts_again_as_often_as_it_is_stopped() -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(spec("permanent"))
        for number in (2, 3, 4):
            await stop(player)
            assert await incarnations(tree) == {"p": number}


@pytest.mark.parametrize(
    ("way", "state"),
    [("ends", "stopped"), ("is stopped", "stopped"), ("is cut", "stopped"), ("crashes", "running")],
)
async def test_a_transient_child_starts_again_after_a_crash_alone(way: str, state: ChildState) -> None:
    async with open_supervisor() as tree:
        player = await tree.start_child(spec("transient"))
        await WAYS[way](player)
        assert await states(tree) == {"p": state}
        assert player.is_ended == (state == "stopped")


@pytest.mark.parametrize("way", ["ends", "is stopped"])
async def test_a_transient_child_that_was_started_again_by_hand_ends_like_the_first(way: str) -> None:
    async with open_supervisor() as tree:
        player: Ref[Player] = await tree.start_child(spec("transient"))
        for _ in range(3):
            await WAYS[way](player)
            assert await counts(tree) == (1, 0, 0, 1)
            player = await tree.restart_child("p")
        assert await player.ask(Player.add(1)) == [1]


@pytest.mark.parametrize("way", WAYS)
async def test_a_temporary_child_is_forgotten_however_it_ends_and_its_id_is_free(way: str) -> None:
    async with open_supervisor() as tree:
        for _ in range(2):
            player = await tree.start_child(spec("temporary"))
            await WAYS[way](player)
            assert await counts(tree) == (0, 0, 0, 0)
            assert player.is_ended


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("restart", "way", "left"),
    [
        ("permanent", "by hand", "kept"),
        ("permanent", "ends", "running"),
        ("permanent", "is stopped", "running"),
        ("permanent", "crashes", "running"),
        ("transient", "by hand", "kept"),
        ("transient", "ends", "kept"),
        ("transient", "is stopped", "kept"),
        ("transient", "crashes", "running"),
        ("temporary", "by hand", "gone"),
        ("temporary", "ends", "gone"),
        ("temporary", "is stopped", "gone"),
        ("temporary", "crashes", "gone"),
    ],
)
async def test_what_is_left_of_a_child_is_the_same_under_every_strategy(
    strategy: Any, restart: Any, way: str, left: str
) -> None:
    async with open_supervisor(strategy) as tree:
        player = await tree.start_child(spec(restart))
        if way == "by hand":
            await tree.stop_child("p")
        else:
            await WAYS[way](player)
        if left == "gone":
            await tree.start_child(spec(restart))
        elif left == "kept":
            with pytest.raises(ChildAlreadyPresent):
                await tree.start_child(spec(restart))
            await tree.restart_child("p")
        else:
            with pytest.raises(ChildAlreadyStarted):
                await tree.start_child(spec(restart))
        assert await states(tree) == {"p": "running"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("way", ["ends", "crashes"])
async def test_a_temporary_bystander_of_a_group_restart_is_stopped_and_forgotten(
    strategy: Any, way: str
) -> None:
    specs = [
        ChildSpec("p", Player, backoff=AT_ONCE),
        ChildSpec("bystander", Player, restart="temporary"),
        ChildSpec("last", Player),
    ]
    async with open_supervisor(strategy, children=specs) as tree:
        bystander: Ref[Player] = await tree.child("bystander")
        await WAYS[way](await tree.child("p"))
        assert (await bystander.watch()).reason == "stopped"
        assert await incarnations(tree) == {"p": 2, "last": 2}
        await trio.sleep(100)
        assert await states(tree) == {"p": "running", "last": "running"}


async def test_a_temporary_child_that_crashes_moves_nobody_under_any_strategy() -> None:
    for strategy in ("one_for_all", "rest_for_one"):
        specs = [ChildSpec("p", Player, restart="temporary"), ChildSpec("other", Player)]
        async with open_supervisor(strategy, children=specs) as tree:
            await crash(await tree.child("p"))
            assert await incarnations(tree) == {"other": 1}


async def test_a_transient_child_that_ends_moves_nobody_under_any_strategy() -> None:
    for strategy in ("one_for_all", "rest_for_one"):
        specs = [ChildSpec("p", Player, restart="transient"), ChildSpec("other", Player)]
        async with open_supervisor(strategy, children=specs) as tree:
            await end(await tree.child("p"))
            assert await incarnations(tree) == {"p": 1, "other": 1}
