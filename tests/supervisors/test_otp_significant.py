"""Children whose end is the end of all: OTP's cases on automatic shutdown, in our words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import AT_ONCE, SLOWLY, Decliner, crash, end, incarnations, settle, states, stop

from actors.kernel import Ref
from supervisors import ChildSpec, LifecycleEvent, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")

MODES = ("any", "all")


def spec(child_id: str, restart: Any = "temporary", *, significant: bool = True) -> ChildSpec[Player]:
    return ChildSpec(child_id, Player, restart=restart, significant=significant, backoff=AT_ONCE)


def trio_of(restart: Any) -> list[ChildSpec[Player]]:
    """Two that are significant and one that is not."""
    return [spec("one", restart), spec("two", restart), spec("extra", restart, significant=False)]


async def cut(ref: Ref[Player]) -> None:
    """Stop a child in the middle of its work."""
    await ref.tell(Player.work(60.0))
    await settle()
    await ref.stop(grace=0)
    await settle()


WAYS: dict[str, Callable[[Ref[Player]], Awaitable[None]]] = {
    "ends": end,
    "is stopped": stop,
    "is cut": cut,
    "crashes": crash,
}


async def has_ended(tree: Tree) -> bool:
    """Whether the supervisor has ended by now, normally."""
    await settle()
    if not tree.ref.is_ended:
        return False
    assert (await tree.ref.watch()).error is None
    return True


# who is not significant


@pytest.mark.parametrize("mode", ["never", *MODES])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_children_that_are_not_significant_end_nobody(mode: Any, restart: Any) -> None:
    async with open_supervisor(auto_shutdown=mode, children=[spec("p", restart, significant=False)]) as tree:
        for way in WAYS.values():
            await way(await tree.child("p"))
            assert not await has_ended(tree)
            if restart == "temporary":
                await tree.start_child(spec("p", restart, significant=False))
            elif await states(tree) == {"p": "stopped"}:
                await tree.restart_child("p")
        await tree.stop_child("p")
        assert not await has_ended(tree)


# any


@pytest.mark.parametrize("way", WAYS)
async def test_any_temporary_significant_child_that_ends_ends_all_however_it_ends(way: str) -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(
        auto_shutdown="any", children=trio_of("temporary"), on_event=events.append
    ) as tree:
        await WAYS[way](await tree.child("one"))
        assert await has_ended(tree)
    gone = [line for line in told(events) if line.startswith(("two stopped", "extra stopped"))]
    assert gone == ["extra stopped 1 stopped @0", "two stopped 1 stopped @0"]


@pytest.mark.parametrize(
    ("way", "is_over"), [("ends", True), ("is stopped", True), ("is cut", True), ("crashes", False)]
)
async def test_a_transient_significant_child_ends_all_unless_it_crashed(way: str, is_over: bool) -> None:
    async with open_supervisor(auto_shutdown="any", children=trio_of("transient")) as tree:
        await WAYS[way](await tree.child("one"))
        assert await has_ended(tree) == is_over
        if not is_over:
            assert await incarnations(tree) == {"one": 2, "two": 1, "extra": 1}


# all


@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_under_all_only_the_last_significant_child_ends_all(restart: Any) -> None:
    async with open_supervisor(auto_shutdown="all", children=trio_of(restart)) as tree:
        one, two = await tree.child("one"), await tree.child("two")
        await end(one)
        assert not await has_ended(tree)
        assert (await states(tree))["extra"] == "running"
        await end(two)
        assert await has_ended(tree)


async def test_a_significant_child_between_two_incarnations_counts_as_live() -> None:
    specs = [
        ChildSpec("one", Player, restart="transient", significant=True, backoff=SLOWLY),
        spec("two", "transient"),
    ]
    async with open_supervisor(auto_shutdown="all", children=specs, rng=HalfDice()) as tree:
        one: Ref[Player] = await tree.child("one")
        await crash(one)
        await end(await tree.child("two"))
        assert not await has_ended(tree)
        await end(one)
        assert trio.current_time() == 10.0
        assert await has_ended(tree)


async def test_under_all_a_significant_child_that_was_stopped_by_hand_is_not_waited_for() -> None:
    async with open_supervisor(auto_shutdown="all", children=trio_of("transient")) as tree:
        await tree.stop_child("one")
        assert not await has_ended(tree)
        await end(await tree.child("two"))
        assert await has_ended(tree)


# the exceptions


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_a_stop_by_hand_never_ends_the_others(mode: Any, restart: Any) -> None:
    async with open_supervisor(auto_shutdown=mode, children=[spec("one", restart)]) as tree:
        await tree.stop_child("one")
        assert not await has_ended(tree)
        await trio.sleep(100)
        assert not tree.ref.is_ended


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_significant_bystanders_of_a_group_restart_end_nobody(
    mode: Any, strategy: Any, restart: Any
) -> None:
    specs = [
        spec("before", restart),
        ChildSpec("p", Player, restart="transient", backoff=AT_ONCE),
        spec("after", restart),
    ]
    async with open_supervisor(strategy, auto_shutdown=mode, children=specs) as tree:
        await crash(await tree.child("p"))
        assert not await has_ended(tree)
        assert (await incarnations(tree))["p"] == 2


async def test_a_child_that_cannot_stop_within_a_recall_ends_nobody() -> None:
    specs = [
        ChildSpec("p", Player, backoff=AT_ONCE),
        ChildSpec("one", Player, "transient", 0.5, significant=True),
    ]
    async with open_supervisor("one_for_all", auto_shutdown="any", children=specs) as tree:
        await (await tree.child("one")).tell(Player.work(60.0))
        await settle()
        await crash(await tree.child("p"))
        await trio.sleep(10)
        assert not tree.ref.is_ended
        assert await incarnations(tree) == {"p": 2, "one": 2}


async def test_a_significant_child_that_declines_to_start_ends_nobody_yet() -> None:
    specs = [ChildSpec("one", Decliner, restart="transient", significant=True), spec("two", "transient")]
    async with open_supervisor(auto_shutdown="all", children=specs) as tree:
        assert not await has_ended(tree)
        await end(await tree.child("two"))
        assert await has_ended(tree)


@pytest.mark.parametrize("mode", MODES)
async def test_a_significant_child_that_declines_its_restart_ends_nobody(mode: Any) -> None:
    made = iter([Player, Decliner])
    spec = ChildSpec("one", lambda: next(made)(), "transient", backoff=AT_ONCE, significant=True)  # noqa: PLW0108  # one each time
    async with open_supervisor(auto_shutdown=mode, children=[spec]) as tree:
        await crash(await tree.child("one"))
        assert await states(tree) == {"one": "stopped"}
        assert not await has_ended(tree)


# the end itself


async def test_an_automatic_shutdown_stops_the_others_in_reverse_order_each_within_its_grace() -> None:
    events: list[LifecycleEvent] = []
    script = Script(teardown=0.5)
    specs = [ChildSpec(child_id, script.player) for child_id in "ab"]
    async with open_supervisor(
        auto_shutdown="any", children=[*specs, spec("one")], on_event=events.append
    ) as tree:
        one: Ref[Player] = await tree.child("one")
        await one.tell(Player.end())
        await tree.ref.watch()
        assert script.log[2:] == [("b teardown", 0.0), ("a teardown", 0.5)]
        assert trio.current_time() == 1.0


async def test_an_automatic_shutdown_is_no_error_and_lets_the_block_go_on() -> None:
    async with open_supervisor(auto_shutdown="any", children=[spec("one")]) as tree:
        await end(await tree.child("one"))
        await trio.sleep(10)
    assert trio.current_time() == 10.0


def branch() -> Supervisor:
    return Supervisor(auto_shutdown="any", children=[spec("worker", "transient")])


@pytest.mark.parametrize("is_significant", [True, False])
async def test_an_automatic_shutdown_is_passed_on_by_a_branch_that_is_significant_itself(
    is_significant: bool,
) -> None:
    inner = ChildSpec("inner", branch, restart="transient", significant=is_significant)
    async with open_supervisor(auto_shutdown="any", children=[inner]) as tree:
        ref = await tree.child("inner")
        await end(await Tree(ref).child("worker"))
        assert (await ref.watch()).reason == "normal"
        assert await has_ended(tree) == is_significant


async def test_a_permanent_branch_that_shut_itself_down_starts_again() -> None:
    inner = ChildSpec("inner", branch, backoff=AT_ONCE)
    async with open_supervisor(children=[inner]) as tree:
        below = Tree(await tree.child("inner"))
        await end(await below.child("worker"))
        assert await incarnations(tree) == {"inner": 2}
        assert await states(below) == {"worker": "running"}
