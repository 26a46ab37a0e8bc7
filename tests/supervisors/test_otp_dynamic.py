"""Children made from one template: OTP's cases on its simplest strategy, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import AT_ONCE, SLOWLY, counts, crash, end, settle, stop

from actors.errors import (
    ChildNotFound,
    NotDelivered,
    NotNow,
    RestartsExhausted,
    StartFailed,
    TooManyChildren,
)
from actors.kernel import Actor, Ref, op
from supervisors import (
    ChildTemplate,
    Intensity,
    LifecycleEvent,
    Supervisor,
    open_dynamic_supervisor,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Reader(Player):
    """Is made with arguments."""

    def __init__(self, title: str = "", *, pages: int = 0) -> None:
        super().__init__()
        self.title, self.pages = title, pages

    @op
    def told(self) -> tuple[str, int]:
        return self.title, self.pages


def picky(what: str = "") -> Player:
    """Make a player, decline to, or fail to, as told."""
    if what == "decline":
        raise NotNow("not now")
    if what == "fail":
        raise ValueError("bad argument")
    return Player()


def template(restart: Any = "permanent", **fields: Any) -> ChildTemplate[..., Player]:
    return ChildTemplate(picky, restart=restart, **{"backoff": AT_ONCE, **fields})


async def running(tree: Any) -> list[Ref[Player]]:
    return [status.ref for status in await tree.which_children()]


# starting and stopping


async def test_each_child_is_made_with_its_own_arguments_and_keeps_them_over_restarts() -> None:
    made = ChildTemplate(Reader, restart="permanent", backoff=AT_ONCE)
    async with open_dynamic_supervisor(made) as tree:
        maya = await tree.start_child("maya", pages=10)
        devon = await tree.start_child("devon", pages=20)
        assert await maya.ask(Reader.told()) == ("maya", 10)
        await crash(devon)
        assert await devon.ask(Reader.told()) == ("devon", 20)


async def test_children_are_started_listed_counted_and_stopped_by_their_refs() -> None:
    async with open_dynamic_supervisor(template()) as tree:
        assert await running(tree) == []
        one = await tree.start_child()
        assert await running(tree) == [one]
        two = await tree.start_child()
        assert await running(tree) == [one, two]
        assert await counts(tree) == (2, 2, 0, 0)
        await tree.stop_child(one)
        assert one.is_ended
        assert await running(tree) == [two]
        assert await counts(tree) == (1, 1, 0, 0)
        with pytest.raises(NotDelivered):
            await one.ask(Player.add(1))


async def test_a_permanent_child_that_was_stopped_is_forgotten_for_nobody_could_name_it_again() -> None:
    async with open_dynamic_supervisor(template("permanent")) as tree:
        child = await tree.start_child()
        await tree.stop_child(child)
        await trio.sleep(100)
        assert await counts(tree) == (0, 0, 0, 0)


async def test_stopping_a_child_of_somebody_else_is_refused_and_leaves_it_alone() -> None:
    async with open_dynamic_supervisor(template()) as ours, open_dynamic_supervisor(template()) as theirs:
        own, stranger = await ours.start_child(), await theirs.start_child()
        assert own.name == stranger.name
        with pytest.raises(ChildNotFound):
            await ours.stop_child(stranger)
        for child in (own, stranger):
            assert await child.ask(Player.add(1)) == [1]


async def test_a_child_that_has_ended_is_no_child_any_more() -> None:
    async with open_dynamic_supervisor(template("temporary")) as tree:
        child = await tree.start_child()
        await tree.stop_child(child)
        with pytest.raises(ChildNotFound):
            await tree.stop_child(child)
        assert await counts(tree) == (0, 0, 0, 0)


async def test_what_is_no_ref_stops_nobody() -> None:
    async with open_dynamic_supervisor(template()) as tree:
        child = await tree.start_child()
        with pytest.raises(TypeError):
            await tree.stop_child("picky-1")  # type: ignore[arg-type]  # what it refuses
        assert await running(tree) == [child]


async def test_a_start_that_fails_leaves_nothing_behind() -> None:
    async with open_dynamic_supervisor(template()) as tree:
        with pytest.raises(StartFailed) as caught:
            await tree.start_child("fail")
        assert isinstance(caught.value.__cause__, ValueError)
        assert await running(tree) == []


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_a_child_that_declines_is_not_kept_whatever_its_restart_type(restart: Any) -> None:
    async with open_dynamic_supervisor(template(restart)) as tree:
        declined = await tree.start_child("decline")
        assert declined.is_ended
        other = await tree.start_child()
        assert await running(tree) == [other]
        assert await counts(tree) == (1, 1, 0, 0)


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_child_that_declines_its_restart_is_forgotten(restart: Any) -> None:
    script: list[str] = ["", "", "decline"]

    def make() -> Player:
        return picky(script.pop(0))

    async with open_dynamic_supervisor(ChildTemplate(make, restart=restart, backoff=AT_ONCE)) as tree:
        child = await tree.start_child()
        await crash(child)
        assert await running(tree) == [child]
        await crash(child)
        assert await running(tree) == []
        assert child.is_ended


async def test_more_children_than_there_may_be_are_refused_until_one_has_gone() -> None:
    async with open_dynamic_supervisor(template("temporary"), max_children=2) as tree:
        first = await tree.start_child()
        await tree.start_child()
        with pytest.raises(TooManyChildren):
            await tree.start_child()
        await end(first)
        await tree.start_child()
        assert await counts(tree) == (2, 2, 0, 0)


# restarting


@pytest.mark.parametrize(
    ("restart", "way", "is_back"),
    [
        ("permanent", end, True),
        ("permanent", stop, True),
        ("permanent", crash, True),
        ("transient", end, False),
        ("transient", stop, False),
        ("transient", crash, True),
        ("temporary", end, False),
        ("temporary", stop, False),
        ("temporary", crash, False),
    ],
)
async def test_restart_types_decide_as_they_do_elsewhere_but_who_is_not_back_is_forgotten(
    restart: Any, way: Any, is_back: bool
) -> None:
    async with open_dynamic_supervisor(template(restart)) as tree:
        child = await tree.start_child()
        other = await tree.start_child()
        await way(child)
        assert await running(tree) == ([child, other] if is_back else [other])
        assert child.is_ended != is_back


async def test_crashes_of_different_children_spend_one_budget_and_end_all() -> None:
    script = Script()
    made = ChildTemplate(script.player, restart="permanent", backoff=AT_ONCE)
    with pytest.raises(RestartsExhausted):
        async with open_dynamic_supervisor(made, intensity=Intensity(2, 3600.0)) as tree:
            one, two = await tree.start_child(), await tree.start_child()
            await crash(one)
            assert await running(tree) == [one, two]
            await crash(two)
            await crash(one)
            await trio.sleep_forever()
    whats = [what.split()[-1] for what, _ in script.log]
    assert whats.count("setup") == whats.count("teardown") == 4


async def test_a_child_that_never_starts_again_spends_the_budget_and_ends_its_siblings() -> None:
    class Stumbling:
        def __init__(self) -> None:
            self.can_start = True

        def __call__(self, *, stumbles: bool = False) -> Player:
            if stumbles and not self.can_start:
                raise ValueError("no")
            return Player()

    factory = Stumbling()
    made = ChildTemplate(factory, restart="permanent", backoff=AT_ONCE, intensity=Intensity(100))
    with pytest.raises(RestartsExhausted) as caught:
        async with open_dynamic_supervisor(made, intensity=Intensity(4, 3600.0)) as tree:
            doomed = await tree.start_child(stumbles=True)
            other = await tree.start_child()
            factory.can_start = False
            await crash(doomed)
            await trio.sleep_forever()
    assert len(caught.value.exceptions) == 5
    assert other.is_ended


async def test_children_that_are_being_retried_are_counted_apart_and_can_be_stopped() -> None:
    class Flaky:
        is_broken = False

        def __call__(self) -> Player:
            if self.is_broken:
                raise ValueError("broken")
            return Player()

    flaky = Flaky()
    made = ChildTemplate(flaky, restart="permanent", backoff=SLOWLY, intensity=Intensity(20, 10.0))
    async with open_dynamic_supervisor(made, intensity=Intensity(20, 10.0), rng=HalfDice()) as tree:
        one, two, three = [await tree.start_child() for _ in range(3)]
        assert await counts(tree) == (3, 3, 0, 0)
        flaky.is_broken = True
        await crash(one)
        await crash(two)
        await trio.sleep(12)
        assert await counts(tree) == (3, 1, 2, 0)
        await tree.stop_child(two)
        assert trio.current_time() == 12.0
        assert await counts(tree) == (2, 1, 1, 0)
        flaky.is_broken = False
        assert await one.ask(Player.add(1)) == [1]
        assert await counts(tree) == (2, 2, 0, 0)
        await tree.stop_child(three)
        await tree.stop_child(one)
        assert await counts(tree) == (0, 0, 0, 0)


async def test_a_supervisor_whose_children_are_being_retried_stops_at_once() -> None:
    script = Script(setups=[0.0, 0.0, ValueError("no")])
    made = ChildTemplate(script.player, restart="permanent", backoff=SLOWLY)
    async with open_dynamic_supervisor(made, rng=HalfDice()) as tree:
        for child in [await tree.start_child(), await tree.start_child()]:
            await crash(child)
        await trio.sleep(12)
        await tree.stop()
        assert trio.current_time() == 12.0


# stopping all


async def test_all_children_stop_side_by_side_each_within_its_grace() -> None:
    events: list[LifecycleEvent] = []
    made = ChildTemplate(Player, grace=2.0)
    async with open_dynamic_supervisor(made, on_event=events.append) as tree:
        for seconds in (1.0, 1.0, 5.0):
            child = await tree.start_child()
            await child.tell(Player.work(seconds))
        await settle()
        await tree.stop()
        assert trio.current_time() == 2.0
    ends = sorted(line.split(" ", 1)[1] for line in told(events)[3:])
    assert ends == ["stopped 1 killed @2", "stopped 1 stopped @1", "stopped 1 stopped @1"]


async def test_without_a_grace_all_children_are_cut_at_once() -> None:
    async with open_dynamic_supervisor(ChildTemplate(Player, grace=0)) as tree:
        children = [await tree.start_child() for _ in range(10)]
        for child in children:
            await child.tell(Player.work(60.0))
        await settle()
        await tree.stop()
        assert trio.current_time() == 0.0
        assert [(await child.watch()).reason for child in children] == ["killed"] * 10


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_children_that_end_by_themselves_while_all_stop_do_not_spoil_it(restart: Any) -> None:
    made = ChildTemplate(Player, restart=restart)
    async with open_dynamic_supervisor(made) as tree:
        slow, ending, crashing, stopped = [await tree.start_child() for _ in range(4)]
        for child in (slow, ending, crashing, stopped):
            await child.tell(Player.work(1.0))
        crashing.tell_nowait(Player.crash())
        await settle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.stop)
            await trio.sleep(0.5)
            nursery.start_soon(stopped.stop)
        assert trio.current_time() == 1.0
        assert [(await child.watch()).reason for child in (slow, ending, stopped)] == ["stopped"] * 3


async def test_one_stubborn_child_cannot_hang_the_others() -> None:
    script = Script()
    made = ChildTemplate(script.player, grace=2.0)
    async with open_dynamic_supervisor(made) as tree:
        stubborn, *others = [await tree.start_child() for _ in range(3)]
        await stubborn.tell(Player.shield(50.0))
        await settle()
    teardowns = sorted(at for what, at in script.log if what.endswith("teardown"))
    assert teardowns == [0.0, 0.0, 50.0]
    assert all(other.is_ended for other in others)


# what is kept


class Heavy:
    """An argument that is worth dropping."""


@pytest.mark.parametrize(
    ("restart", "is_kept"), [("temporary", False), ("transient", True), ("permanent", True)]
)
async def test_arguments_are_kept_for_children_that_may_start_again_and_for_no_others(
    restart: Any, is_kept: bool
) -> None:
    class Light(Actor):
        def __init__(self, _heavy: Heavy) -> None:
            pass

    async with open_dynamic_supervisor(ChildTemplate(Light, restart=restart)) as tree:
        for _ in range(2):  # also after another one has ended
            heavy = Heavy()
            seen = weakref.ref(heavy)
            child = await tree.start_child(heavy)
            del heavy
            await settle()
            gc.collect()
            assert (seen() is not None) == is_kept
            await child.stop()
            await settle()


async def test_nothing_is_kept_of_temporary_children_that_have_ended() -> None:
    async with open_dynamic_supervisor(template("temporary")) as tree:
        seen = []
        for _ in range(20):
            child = await tree.start_child()
            seen.append(weakref.ref(child._slot))
            await child.stop()
            del child
        await settle()
        gc.collect()
        assert [each for each in seen if each() is not None] == []
        assert await counts(tree) == (0, 0, 0, 0)


async def test_supervisors_can_be_made_from_a_template_and_are_counted_as_such() -> None:
    async with open_dynamic_supervisor(ChildTemplate(Supervisor)) as tree:
        for _ in range(3):
            await tree.start_child()
        held = await tree.count_children()
        assert (held.active, held.supervisors, held.workers) == (3, 3, 0)


async def test_two_hundred_children_are_all_counted_and_all_gone_when_they_were_cut() -> None:
    async with open_dynamic_supervisor(template("temporary")) as tree:
        children = [await tree.start_child() for _ in range(200)]
        assert await counts(tree) == (200, 200, 0, 0)
        assert await running(tree) == children
        for child in children:
            await child.stop(grace=0)
        await settle()
        assert await counts(tree) == (0, 0, 0, 0)


# change at run time


async def test_a_changed_template_makes_the_next_children_and_moves_none_that_are_there() -> None:
    async with open_dynamic_supervisor(ChildTemplate(Reader, restart="permanent", backoff=AT_ONCE)) as tree:
        old = await tree.start_child("maya")
        await tree.change_template(ChildTemplate(Reader, restart="transient", grace=1.0))
        new = await tree.start_child("devon")
        for child in (old, new):
            await end(child)
        assert await running(tree) == [old]
        assert await old.ask(Reader.told()) == ("maya", 0)


@pytest.mark.parametrize(
    ("made", "kind"),
    [(None, TypeError), (Player, TypeError), (template("temporary", significant=True), ValueError)],
    ids=["nothing", "class", "significant"],
)
async def test_a_faulty_template_is_refused_and_the_old_one_holds(made: Any, kind: type[Exception]) -> None:
    async with open_dynamic_supervisor(template()) as tree:
        with pytest.raises(kind):
            await tree.change_template(made)
        assert await (await tree.start_child()).ask(Player.add(1)) == [1]


async def test_the_template_in_force_is_told() -> None:
    first, second = template(), template("transient", grace=1.0)
    async with open_dynamic_supervisor(first) as tree:
        assert await tree.get_template() == first
        await tree.change_template(second)
        assert await tree.get_template() == second


async def test_a_changed_budget_holds_for_all_children_there_are() -> None:
    async with open_dynamic_supervisor(template(), intensity=Intensity(0)) as tree:
        child = await tree.start_child()
        await tree.change_intensity(Intensity(1))
        await crash(child)
        assert await running(tree) == [child]


# significance: where we go further


@pytest.mark.parametrize("mode", ["any", "all"])
async def test_a_significant_template_ends_all_with_any_or_the_last_of_its_children(mode: Any) -> None:
    made = template("temporary", significant=True)
    async with open_dynamic_supervisor(made, auto_shutdown=mode) as tree:
        one, two = await tree.start_child(), await tree.start_child()
        await end(one)
        assert two.is_ended == (mode == "any")
        await two.stop()
        await settle()
        assert tree.ref.is_ended
