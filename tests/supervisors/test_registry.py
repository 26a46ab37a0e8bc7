"""Tests for the names of a tree: taken at once, kept over restarts, free in the instant in which a slot is closed."""

from __future__ import annotations

import pytest
import trio
from players import Player

from actors.errors import NameNotFound, NameTaken
from actors.kernel import Actor, Books, Ref, open_actor
from actors.kernel.ref import slot_of
from actors.kernel.slot import Exit, Reason, Slot
from supervisors.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry()


def a_slot(name: str = "player") -> Slot:
    return Slot.open(name, Books())


def test_a_registered_actor_is_found_before_it_has_started(registry: Registry) -> None:
    slot = a_slot()
    registry.register("limiter", slot)
    assert registry.find("limiter") == Ref(slot)


def test_a_name_that_nobody_has_is_not_found(registry: Registry) -> None:
    with pytest.raises(NameNotFound) as caught:
        registry.find("limiter")
    assert (str(caught.value), caught.value.name) == (
        "no actor of this tree has the name 'limiter'",
        "limiter",
    )


def test_a_name_that_is_taken_is_refused_and_stays_where_it_is(registry: Registry) -> None:
    holder = a_slot("first")
    registry.register("limiter", holder)
    with pytest.raises(NameTaken) as caught:
        registry.register("limiter", a_slot("second"))
    assert (str(caught.value), caught.value.name) == (
        "the name 'limiter' is taken by actor 'first'",
        "limiter",
    )
    assert registry.find("limiter") == Ref(holder)


def test_one_actor_may_have_several_names_and_loses_them_together(registry: Registry) -> None:
    slot = a_slot()
    registry.register("limiter", slot)
    registry.register("gate", slot)
    assert registry.names() == ("gate", "limiter")
    slot.close(Exit("normal"))
    assert registry.names() == ()


def test_names_are_sorted(registry: Registry) -> None:
    for name in ("b", "c", "a"):
        registry.register(name, a_slot())
    assert registry.names() == ("a", "b", "c")


@pytest.mark.parametrize("reason", ["normal", "stopped", "killed", "crashed", "cancelled", "declined"])
def test_a_name_is_free_in_the_instant_in_which_the_slot_is_closed(
    registry: Registry, reason: Reason
) -> None:
    first, second = a_slot(), a_slot()
    registry.register("limiter", first)
    first.watch(lambda _down: registry.register("limiter", second))  # whoever hears of the end may take it
    first.close(Exit(reason))
    assert registry.find("limiter") == Ref(second)


def test_a_name_stays_while_an_incarnation_follows_another(registry: Registry) -> None:
    slot = a_slot()
    registry.register("limiter", slot)
    slot.leave("restarting")
    assert registry.find("limiter") == Ref(slot)


def test_a_late_release_does_not_take_the_name_from_its_next_holder(registry: Registry) -> None:
    first, second = a_slot(), a_slot()
    registry.register("limiter", first)
    (release,) = first._watchers
    first.close(Exit("crashed"))
    registry.register("limiter", second)
    assert first.down is not None
    release(first.down)
    assert registry.find("limiter") == Ref(second)


def test_an_actor_that_has_ended_cannot_be_named(registry: Registry) -> None:
    slot = a_slot("gone")
    slot.close(Exit("normal"))
    with pytest.raises(ValueError, match=r"^actor 'gone' has ended and cannot be named 'limiter'$"):
        registry.register("limiter", slot)
    assert registry.names() == ()


@pytest.mark.parametrize("name", ["", "two\nlines", "bell\a"])
async def test_a_name_that_would_not_print_on_one_line_is_refused(registry: Registry, name: str) -> None:
    text = f"^name must be printable text on one line, got {name!r}$".replace("\\", r"\\")
    with pytest.raises(ValueError, match=text):
        registry.register(name, a_slot())
    with pytest.raises(ValueError, match=text):
        registry.find(name)
    with pytest.raises(ValueError, match=text):
        await registry.wait_for(name)


def test_a_name_that_is_no_text_is_refused(registry: Registry) -> None:
    with pytest.raises(TypeError, match=r"^name must be a string, got 3$"):
        registry.register(3, a_slot())  # type: ignore[arg-type]  # what a caller without a type checker may write


# the kind of the actor


class Other(Actor):
    """Is not a player."""


async def test_an_actor_of_the_kind_that_is_asked_for_is_found(registry: Registry) -> None:
    async with open_actor(Player) as player:
        registry.register("maya", slot_of(player))
        assert registry.find("maya", Player) == player
        assert registry.find("maya", Actor) == player


async def test_an_actor_of_another_kind_is_refused(registry: Registry) -> None:
    async with open_actor(Player) as player:
        registry.register("maya", slot_of(player))
        with pytest.raises(TypeError, match=r"^the actor named 'maya' is a Player, not a Other$"):
            registry.find("maya", Other)
        with pytest.raises(TypeError, match=r"^the actor named 'maya' is a Player, not a Other$"):
            await registry.wait_for("maya", Other)


def test_the_kind_of_an_actor_that_does_not_play_now_is_not_known(registry: Registry) -> None:
    slot = a_slot()
    registry.register("maya", slot)
    assert registry.find("maya", Other) == Ref(slot)


# waiting


async def test_waiting_for_a_name_ends_when_it_is_taken(
    registry: Registry, autojump_clock: trio.abc.Clock
) -> None:
    found: list[tuple[Ref[Actor], float]] = []
    slot = a_slot()
    start = trio.current_time()

    async def wait() -> None:
        found.append((await registry.wait_for("limiter"), trio.current_time() - start))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.sleep(3)
        registry.register("gate", a_slot())
        await trio.sleep(1)
        registry.register("limiter", slot)
    assert found == [(Ref(slot), 4.0)] * 2
    assert autojump_clock.current_time() - start == 4.0


async def test_a_name_that_is_there_is_returned_after_a_checkpoint(registry: Registry) -> None:
    slot = a_slot()
    registry.register("limiter", slot)
    with trio.testing.assert_checkpoints():
        assert await registry.wait_for("limiter") == Ref(slot)


async def test_waiting_is_bounded_by_the_deadline_around_it(
    registry: Registry, autojump_clock: trio.abc.Clock
) -> None:
    start = autojump_clock.current_time()
    with pytest.raises(trio.TooSlowError), trio.fail_after(2.5):
        await registry.wait_for("limiter")
    assert trio.current_time() - start == 2.5


async def test_a_wait_that_was_cancelled_leaves_nothing_behind(
    registry: Registry, autojump_clock: trio.abc.Clock
) -> None:
    async def wait(seconds: float) -> None:
        with trio.move_on_after(seconds):
            await registry.wait_for("limiter")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, 1)
        nursery.start_soon(wait, 2)
        await trio.sleep(1.5)
        assert list(registry._awaited) == ["limiter"]  # the other one still waits
    assert not registry._awaited
    assert autojump_clock.current_time() > 0


async def test_a_name_that_is_freed_before_the_waiter_looks_is_waited_for_anew(
    registry: Registry, autojump_clock: trio.abc.Clock
) -> None:
    first, second = a_slot(), a_slot()
    found: list[Ref[Actor]] = []

    async def wait() -> None:
        found.append(await registry.wait_for("limiter"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        registry.register("limiter", first)
        first.close(Exit("crashed"))
        await trio.sleep(1)
        assert found == []
        registry.register("limiter", second)
    assert found == [Ref(second)]
    assert autojump_clock.current_time() > 0


async def test_whoever_waits_when_the_tree_ends_is_told(
    registry: Registry, autojump_clock: trio.abc.Clock
) -> None:
    async def close() -> None:
        await trio.sleep(1)
        registry.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close)
        with pytest.raises(NameNotFound, match=r"^no actor has the name 'limiter': the tree has ended$"):
            await registry.wait_for("limiter")
    with pytest.raises(NameNotFound, match=r"^no actor has the name 'gate': the tree has ended$"):
        await registry.wait_for("gate")
    assert autojump_clock.current_time() > 0
