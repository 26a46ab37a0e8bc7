"""How children start, decline to start and fail to start: the cases of OTP's suite on starts, in our words."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import AT_ONCE, Decliner, counts, crash, settle, states

from actors.errors import ChildNotFound, NameTaken, NotDelivered, NotNow, StartFailed
from actors.kernel import Ref
from supervisors import Backoff, ChildSpec, Intensity, LifecycleEvent, Supervisor, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Willing:
    """A factory that declines until it is told otherwise."""

    def __init__(self) -> None:
        self.is_willing = False

    def __call__(self) -> Player:
        if not self.is_willing:
            raise NotNow("not yet")
        return Player()


async def test_a_supervisor_without_children_opens_and_stops() -> None:
    async with open_supervisor() as tree:
        assert await counts(tree) == (0, 0, 0, 0)
        await tree.stop()
        assert tree.ref.is_ended


async def test_a_child_that_declines_is_kept_without_an_incarnation_and_its_ref_has_ended() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(on_event=events.append) as tree:
        ref = await tree.start_child(ChildSpec("one", Decliner))
        await tree.start_child(ChildSpec("two", Player))
        assert ref.is_ended
        assert (await ref.watch()).reason == "declined"
        with pytest.raises(NotDelivered):
            await ref.ask(Player.add(1))
        assert await states(tree) == {"one": "stopped", "two": "running"}
        assert await counts(tree) == (2, 1, 0, 1)
        assert told(events) == ["one stopped 1 declined @0", "two started 1 @0"]


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_first_child_that_declines_does_not_fail_the_tree_and_is_kept(restart: Any) -> None:
    specs = [ChildSpec("one", Decliner, restart=restart), ChildSpec("two", Player)]
    async with open_supervisor(children=specs) as tree:
        assert await states(tree) == {"one": "stopped", "two": "running"}


async def test_a_temporary_first_child_that_declines_is_forgotten() -> None:
    specs = [ChildSpec("one", Decliner, restart="temporary"), ChildSpec("two", Player, restart="temporary")]
    async with open_supervisor(children=specs) as tree:
        assert await states(tree) == {"two": "running"}
        assert await counts(tree) == (1, 1, 0, 0)


async def test_a_temporary_child_started_by_hand_that_declines_is_forgotten() -> None:
    async with open_supervisor() as tree:
        ref = await tree.start_child(ChildSpec("one", Decliner, restart="temporary"))
        assert ref.is_ended
        assert await counts(tree) == (0, 0, 0, 0)
        await tree.start_child(ChildSpec("one", Player))


async def test_a_child_that_declined_can_be_started_by_hand_later() -> None:
    willing = Willing()
    async with open_supervisor(children=[ChildSpec("p", willing)]) as tree:
        assert (await tree.restart_child("p")).is_ended
        assert await states(tree) == {"p": "stopped"}
        willing.is_willing = True
        player: Ref[Player] = await tree.restart_child("p")
        assert await player.ask(Player.add(1)) == [1]


async def test_a_child_that_declines_its_restart_is_kept_stopped_and_spends_no_more() -> None:
    willing = Willing()
    willing.is_willing = True
    spec = ChildSpec("p", willing, backoff=AT_ONCE, intensity=Intensity(1))
    async with open_supervisor(children=[spec]) as tree:
        player: Ref[Player] = await tree.child("p")
        willing.is_willing = False
        await crash(player)
        assert await states(tree) == {"p": "stopped"}
        assert (await player.watch()).reason == "declined"


async def test_a_nested_supervisor_that_declines_is_kept_and_its_children_never_start() -> None:
    script = Script()

    class Idle(Supervisor):
        async def setup(self) -> None:
            raise NotNow("no work for this branch")

    specs = [ChildSpec("inner", lambda: Idle(children=[ChildSpec("p", script.player)]))]
    async with open_supervisor(children=specs) as tree:
        assert await states(tree) == {"inner": "stopped"}
        assert script.log == []


async def test_a_factory_that_makes_no_actor_is_a_failed_start() -> None:
    with pytest.raises(StartFailed) as caught:
        async with open_supervisor(children=[ChildSpec("p", lambda: 7)]):  # type: ignore[arg-type, return-value]  # what it refuses
            pytest.fail("the block must not be entered")
    assert isinstance(caught.value.__cause__, TypeError)
    assert str(caught.value.__cause__) == "the factory must return an Actor, got int"


async def test_a_failed_first_start_is_not_tried_again() -> None:
    script = Script(setups=[ValueError("no disk")])
    with pytest.raises(StartFailed):
        async with open_supervisor(
            children=[ChildSpec("p", script.player)], backoff=Backoff(), rng=HalfDice()
        ):
            pytest.fail("the block must not be entered")
    assert script.log == [("p setup", 0.0)]
    assert trio.current_time() == 0.0


async def test_a_supervisor_tells_the_spec_of_each_child_as_it_was_given() -> None:
    specs = [ChildSpec("a", Player), ChildSpec("b", Player, grace=0), ChildSpec("c", Supervisor)]
    async with open_supervisor(children=specs) as tree:
        assert [await tree.get_child_spec(child_id) for child_id in "abc"] == specs
        await tree.stop_child("b")
        assert await tree.get_child_spec("b") == specs[1]
        with pytest.raises(ChildNotFound):
            await tree.get_child_spec("d")


async def test_a_start_under_a_name_that_another_actor_has_fails_and_leaves_nothing_behind() -> None:
    async with open_supervisor(children=[ChildSpec("first", Player, name="star")]) as tree:
        star = await tree.child("first")
        with pytest.raises(NameTaken, match="star"):
            await tree.start_child(ChildSpec("second", Player, name="star"))
        assert await states(tree) == {"first": "running"}
        assert tree.find("star") == star
        await tree.stop_child("first")
        await settle()
        second = await tree.start_child(ChildSpec("second", Player, name="star"))
        assert tree.find("star") == second
