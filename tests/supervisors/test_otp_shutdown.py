"""How long children may take to stop, and what they may do meanwhile: OTP's cases on shutdown, in our words."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import SLOWLY, crash, settle

from actors.kernel import Ref
from supervisors import ChildSpec, LifecycleEvent, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def busy(tree: Tree, child_id: str, seconds: float) -> None:
    player: Ref[Player] = await tree.child(child_id)
    await player.tell(Player.work(seconds))
    await settle()


@pytest.mark.parametrize(
    ("grace", "end", "at"),
    [(math.inf, "stopped", 20_000.0), (1.0, "killed", 1.0), (0.0, "killed", 0.0)],
    ids=["unlimited", "seconds", "none"],
)
async def test_a_child_that_works_on_is_waited_for_as_its_spec_says(
    grace: float, end: str, at: float
) -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec("calm", Player), ChildSpec("busy", Player, grace=grace)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        await busy(tree, "busy", 20_000.0 if grace == math.inf else 40_000.0)
        await tree.stop()
        assert told(events)[2:] == [f"busy stopped 1 {end} @{at:g}", f"calm stopped 1 stopped @{at:g}"]


async def test_an_unlimited_grace_is_for_workers_and_supervisors_alike() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("p", Player, grace=math.inf)])

    specs = [ChildSpec("inner", inner), ChildSpec("worker", Player, grace=math.inf)]
    async with open_supervisor(children=specs) as tree:
        await busy(Tree(await tree.child("inner")), "p", 500.0)
        await busy(tree, "worker", 300.0)
        await tree.stop()
        assert trio.current_time() == 500.0


async def test_children_that_end_by_themselves_while_the_tree_ends_do_not_spoil_it() -> None:
    """Every restart type with every way to end, all within the time that the last child takes to stop."""
    events: list[LifecycleEvent] = []
    ways = {"ends": Player.end, "crashes": Player.crash}
    restarts = ("temporary", "transient", "permanent")
    racers = [
        ChildSpec(f"{restart} {way}", Player, restart=restart)  # type: ignore[arg-type]  # a Literal, over a loop
        for restart in restarts
        for way in (*ways, "is stopped", "is cut")
    ]
    specs = [ChildSpec("first", Player), *racers, ChildSpec("last", Script(teardown=1.0).player)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        refs: dict[str, Ref[Player]] = {spec.id: await tree.child(spec.id) for spec in racers}
        for child_id, ref in refs.items():
            if child_id.endswith("is cut"):
                await ref.tell(Player.work(60.0))
        await settle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.stop)
            await trio.sleep(0.2)
            for child_id, ref in refs.items():
                way = child_id.partition(" ")[2]
                if way in ways:
                    await ref.tell(ways[way]())
                else:
                    nursery.start_soon(lambda ref=ref, way=way: ref.stop(grace=0 if way == "is cut" else 5))  # type: ignore[misc]  # bound now
        assert trio.current_time() == 1.0
    ends = {event.child: getattr(event, "reason", "crashed") for event in events if event.at > 0.0}
    expected = {"ends": "normal", "crashes": "crashed", "is stopped": "stopped", "is cut": "killed"}
    assert ends == {
        "first": "stopped",
        "last": "stopped",
        **{f"{restart} {way}": reason for restart in restarts for way, reason in expected.items()},
    }
    assert [event.at for event in events if event.child in refs and event.at > 0.0] == [0.2] * 12
    assert told(events)[-1] == "first stopped 1 stopped @1"


async def test_nobody_comes_back_while_the_tree_ends() -> None:
    script = Script()
    specs = [
        ChildSpec("crasher", script.player, backoff=SLOWLY),
        ChildSpec("last", Script(teardown=1.0).player),
    ]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("crasher")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.stop)
            await trio.sleep(0.5)
            await crash(player)
    assert [what for what, _ in script.log] == ["crasher setup", "crasher teardown"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize(
    ("at", "over", "setups"),
    [(0.25, 1.25, 3), (0.75, 1.5, 3), (1.25, 1.5, 3), (3.0, 4.5, 5)],
    ids=["crashed one ends", "last is recalled", "first is recalled", "second starts"],
)
async def test_a_tree_that_ends_in_the_middle_of_a_group_restart_leaves_nobody_behind(
    strategy: Any, at: float, over: float, setups: int
) -> None:
    script = Script(setups=[0.0, 0.0, 0.0, 0.0, 5.0], teardown=0.5)
    specs = [ChildSpec(child_id, script.player, grace=1.0) for child_id in "abc"]
    async with open_supervisor(strategy, children=specs, rng=HalfDice()) as tree:
        a: Ref[Player] = await tree.child("a")
        await a.tell(Player.crash())
        await trio.sleep(at)
        await tree.stop()
        assert trio.current_time() == over
    whats = [what.split()[1] for what, _ in script.log]
    assert whats.count("setup") == setups
    assert whats.count("teardown") == {3: 3, 5: 4}[setups]  # a setup that was cut has no teardown
