"""Tests of state that survives: handed over by one incarnation, taken or refused by the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest
import trio
from restarting import Run, open_restarted

from actors.errors import Interrupted
from actors.kernel import Actor, Books, Exit, current_books, op
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


@attrs.define(eq=False)
class Purse:
    """A state with an invariant."""

    coins: int = 0

    def is_sound(self) -> bool:
        """Whether it can be trusted."""
        return self.coins >= 0


class Keeper(Actor):
    """Keeps a purse over its incarnations."""

    def __init__(self) -> None:
        self.purse = Purse()
        self.steps: list[str] = []

    async def setup(self) -> None:
        self.steps.append("setup")

    async def teardown(self) -> None:
        self.steps.append("teardown")

    def hand_over(self) -> object:
        self.steps.append("hand_over")
        return self.purse

    def take_over(self, state: object) -> None:
        self.steps.append("take_over")
        assert isinstance(state, Purse)
        if not state.is_sound():
            raise ValueError(state.coins)
        self.purse = state

    @op
    def put(self, coins: int) -> int:
        self.purse.coins += coins
        return self.purse.coins

    @op
    def crash(self) -> None:
        raise KeyError(1)


async def crash(run: Run[Any]) -> None:
    """Crash the actor and wait for the next incarnation."""
    with pytest.raises(Interrupted):
        await run.ref.ask(Keeper.crash())
    await trio.sleep(1)


def made(kind: Callable[[], Keeper]) -> tuple[Callable[[], Keeper], list[Keeper]]:
    """Return a factory and the list of what it made."""
    actors: list[Keeper] = []

    def make() -> Keeper:
        actors.append(kind())
        return actors[-1]

    return make, actors


async def test_the_state_of_a_crashed_actor_is_the_next_ones_state() -> None:
    factory, actors = made(Keeper)
    async with open_restarted(factory, keeps_state=True) as run:
        assert await run.ref.ask(Keeper.put(3)) == 3
        await crash(run)
        assert await run.ref.ask(Keeper.put(4)) == 7
        assert run.slot.estate is None  # it is the actor's own now
        await run.ref.stop()
        await trio.sleep(1)
        assert await run.ref.ask(Keeper.put(1)) == 8
    assert run.heritages == ["new", "kept", "kept"]
    assert [actor.steps for actor in actors] == [
        ["setup", "teardown", "hand_over"],
        ["take_over", "setup", "teardown", "hand_over"],
        ["take_over", "setup", "teardown", "hand_over"],
    ]


async def test_without_being_asked_to_nothing_is_handed_over() -> None:
    factory, actors = made(Keeper)
    async with open_restarted(factory) as run:
        await run.ref.ask(Keeper.put(3))
        await crash(run)
        assert await run.ref.ask(Keeper.put(4)) == 4
    assert run.heritages == ["new", "new"]
    assert actors[1].steps == ["setup", "teardown"]


async def test_a_state_that_is_refused_gives_way_to_a_fresh_actor() -> None:
    factory, actors = made(Keeper)
    async with open_restarted(factory, keeps_state=True) as run:
        await run.ref.ask(Keeper.put(-3))
        await crash(run)
        assert await run.ref.ask(Keeper.put(4)) == 4
        assert run.slot.actor is actors[2]
    assert run.heritages == ["new", "cold"]
    assert actors[1].steps == ["take_over"]
    assert actors[2].steps == ["setup", "teardown", "hand_over"]


async def test_an_actor_that_takes_over_nothing_starts_cold() -> None:
    class Forgetful(Actor):
        def hand_over(self) -> object:
            return 3

        @op
        def hello(self) -> int:
            return self.incarnation

    async with open_restarted(Forgetful, keeps_state=True) as run:
        await run.ref.stop()
        assert await run.ref.ask(Forgetful.hello()) == 2
    assert run.heritages == ["new", "cold"]
    with pytest.raises(NotImplementedError, match=r"^Forgetful takes over no int$"):
        Forgetful().take_over(3)


async def test_an_actor_that_hands_over_nothing_starts_cold() -> None:
    async with open_restarted(Actor, keeps_state=True) as run:
        await run.ref.stop()
        await trio.sleep(1)
    assert run.heritages == ["new", "cold"]


async def test_a_hand_over_that_fails_costs_the_state_and_is_noted_on_what_ended_the_actor() -> None:
    class Torn(Keeper):
        def hand_over(self) -> object:
            raise OSError("secret")

    async with open_restarted(Torn, keeps_state=True) as run:
        await crash(run)
        await run.ref.stop()
        await trio.sleep(1)
    assert run.heritages == ["new", "cold", "cold"]
    assert run.notes[0] == [
        "while handling Keeper.crash(), attempt 1",
        "its state was lost: hand_over raised OSError",
    ]
    assert run.exits[1] == Exit("stopped")


async def test_a_state_that_a_failed_start_has_touched_is_handed_to_nobody() -> None:
    class Unlucky(Keeper):
        async def setup(self) -> None:
            await super().setup()
            if self.incarnation == 2:
                raise OSError

    factory, actors = made(Unlucky)
    async with open_restarted(factory, keeps_state=True) as run:
        await run.ref.ask(Keeper.put(3))
        await crash(run)
        assert await run.ref.ask(Keeper.put(4)) == 4
    assert run.heritages == ["new", "kept", "cold"]
    assert [actor.steps for actor in actors[1:]] == [
        ["take_over", "setup"],
        ["setup", "teardown", "hand_over"],
    ]


async def test_a_factory_that_fails_has_not_touched_the_state() -> None:
    class Broken(Keeper):
        def __init__(self) -> None:
            raise OSError

    kinds = [Keeper, Broken, Keeper]

    def make() -> Keeper:
        return kinds.pop(0)()

    async with open_restarted(make, keeps_state=True) as run:
        await run.ref.ask(Keeper.put(3))
        await crash(run)
        assert run.slot.incarnation == 3
        assert await run.ref.ask(Keeper.put(4)) == 7
    assert [exit_.reason for exit_ in run.exits] == ["crashed", "crashed", "stopped"]
    assert run.heritages[2] == "kept"


async def test_a_first_start_that_fails_loses_nothing_so_the_second_is_new() -> None:
    class Late(Keeper):
        async def setup(self) -> None:
            await super().setup()
            if self.incarnation == 1:
                raise OSError

    factory, actors = made(Late)
    async with open_restarted(factory, keeps_state=True) as run:
        assert await run.ref.ask(Keeper.put(4)) == 4
    assert run.heritages == ["new", "new"]
    assert actors[0].steps == ["setup"]


async def test_taking_over_is_before_setup_so_it_can_start_nothing() -> None:
    class Eager(Keeper):
        def take_over(self, state: object) -> None:
            assert self.incarnation == 2
            assert self.name == "a"
            with pytest.raises(RuntimeError, match=r"^a timer can be started from setup on"):
                self.after(1, Keeper.put(1))
            with pytest.raises(RuntimeError, match=r"^a child task can be started from setup on$"):
                self.start_soon(trio.sleep, 1)
            super().take_over(state)

    async with open_restarted(Eager, keeps_state=True) as run:
        await crash(run)
    assert run.heritages == ["new", "kept"]


async def test_a_state_that_is_not_kept_any_more_is_dropped() -> None:
    async with open_restarted(Keeper, keeps_state=True, pause=1.0) as run:
        await run.ref.ask(Keeper.put(3))
        with pytest.raises(Interrupted):
            await run.ref.ask(Keeper.crash())
        await trio.sleep(0.5)
        left: object = run.slot.estate
        assert isinstance(left, Purse)
        run.slot.keeps_state = False
        assert await run.ref.ask(Keeper.put(4)) == 4
        assert run.slot.estate is None
    assert run.heritages == ["new", "new"]


async def test_a_slot_that_is_closed_keeps_no_state() -> None:
    slot = Slot.open("a", current_books(), keeps_state=True)
    slot.request_stop(5.0)
    exit_ = await Incarnation(slot).run(Keeper, lambda: None)
    left: object = slot.estate
    assert isinstance(left, Purse)
    slot.close(exit_)
    assert slot.estate is None


async def test_one_that_was_left_behind_does_not_hand_its_state_to_its_successors_successor() -> None:
    class Deaf(Keeper):
        async def teardown(self) -> None:
            if self.incarnation == 1:
                await trio.sleep(0.9)

    slot = Slot.open("a", current_books(), keeps_state=True)
    slot.request_stop(0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Incarnation(slot).run, Deaf, lambda: None)
        await trio.sleep(0.5)
        slot.leave("restarting")
        await trio.sleep(1)
        assert slot.estate is None
    slot.close(Exit("stopped"))


async def test_the_actor_that_plays_can_be_seen_and_nobody_else() -> None:
    factory, actors = made(Keeper)
    seen: list[object] = []
    async with open_restarted(factory, pause=1.0) as run:
        await run.ref.ask(Keeper.put(1))
        seen.append(run.slot.actor)
        with pytest.raises(Interrupted):
            await run.ref.ask(Keeper.crash())
        await trio.sleep(0.5)
        seen.append(run.slot.actor)
        await trio.sleep(1)
        seen.append(run.slot.actor)
    seen.append(run.slot.actor)
    assert seen == [actors[0], None, actors[1], None]


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_keeps_state_is_a_bool(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^keeps_state must be a bool, got "):
        Slot.open("a", Books(), keeps_state=cast("Any", wrong))


async def test_a_slot_keeps_its_seal_over_all_its_incarnations_and_shares_it_with_nobody() -> None:
    async with open_restarted(Keeper) as one, open_restarted(Keeper) as other:
        seal = one.slot.seal
        await crash(one)
        await one.ref.ask(Keeper.put(1))

        assert len(one.exits) == 1
        assert one.slot.seal == seal != other.slot.seal
        assert seal not in repr(one.slot)
