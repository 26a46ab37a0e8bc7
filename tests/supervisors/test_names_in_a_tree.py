"""Tests for names in a running tree: taken before `setup`, kept over restarts, free again on every way out."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from players import Player, Script

from actors.errors import (
    DeliveryError,
    Interrupted,
    NameNotFound,
    NameTaken,
    NotNow,
    RestartsExhausted,
    StartFailed,
    UnderstudyError,
)
from actors.kernel import Actor, Ref, op
from supervisors import (
    Backoff,
    ChildSpec,
    ChildTemplate,
    DynamicSupervisor,
    Intensity,
    Supervisor,
    Tree,
    open_dynamic_supervisor,
    open_supervisor,
)
from supervisors.scope import current_registry

pytestmark = pytest.mark.usefixtures("autojump_clock")

AT_ONCE = Backoff(initial=0.0)
PLENTY = Intensity(restarts=1000, period=1.0)

the_limiter = partial(ChildSpec[Player], "holder", Player, name="limiter", backoff=AT_ONCE)


async def crash(ref: Ref[Player]) -> None:
    with pytest.raises(Interrupted):
        await ref.ask(Player.crash())


# while an actor lives


async def test_a_named_child_is_found_anywhere_in_its_tree() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[the_limiter()])

    async with open_supervisor(children=[ChildSpec("inner", inner), ChildSpec("beside", Player)]) as tree:
        limiter = await Tree(await tree.child("inner")).child("holder")
        assert tree.names() == ("limiter",)
        assert tree.find("limiter") == tree.find("limiter", Player) == limiter
        assert await tree.wait_for("limiter", Player) == limiter
        assert Tree(await tree.child("inner")).find("limiter") == limiter
        with pytest.raises(TypeError, match=r"^the actor named 'limiter' is a Player, not a Supervisor$"):
            tree.find("limiter", Supervisor)


async def test_two_trees_have_names_of_their_own() -> None:
    async with (
        open_supervisor(children=[the_limiter()]) as one,
        open_supervisor(children=[the_limiter()]) as other,
    ):
        assert one.find("limiter") != other.find("limiter")


async def test_a_tree_inside_an_actor_of_another_is_a_tree_of_its_own() -> None:
    class Host(Actor):
        @op
        async def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
            async with open_supervisor(children=[the_limiter()]) as tree:
                return tree.names(), current_registry().names()

    async with open_supervisor(children=[ChildSpec("host", Host, name="host")]) as tree:
        host = tree.find("host", Host)
        assert await host.ask(Host.names()) == (("limiter",), ("host",))


async def test_a_child_is_found_while_it_starts_and_what_it_is_asked_waits_for_it() -> None:
    script = Script(setups=[3.0])
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        nursery.start_soon(tree.start_child, ChildSpec("holder", script.player, name="limiter"))
        limiter = await tree.wait_for("limiter", Player)
        assert trio.current_time() == 0
        assert await limiter.ask(Player.add(1)) == [1]
        assert trio.current_time() == 3.0


async def test_a_name_stays_with_its_actor_over_restarts() -> None:
    async with open_supervisor(children=[the_limiter(backoff=Backoff(initial=5.0))], seed=1) as tree:
        limiter = tree.find("limiter", Player)
        await crash(limiter)
        assert tree.find("limiter") == limiter  # it waits for its next incarnation
        with pytest.raises(NameTaken, match=r"^the name 'limiter' is taken by actor 'holder'$"):
            await tree.start_child(ChildSpec("other", Player, name="limiter"))
        assert await limiter.ask(Player.add(1)) == [1]
        assert tree.find("limiter") == limiter


async def test_a_name_stays_over_the_restart_of_its_group() -> None:
    specs = [the_limiter(), ChildSpec("other", Player, backoff=AT_ONCE)]
    async with open_supervisor("one_for_all", children=specs) as tree:
        limiter = tree.find("limiter", Player)
        await crash(await tree.child("other"))
        assert await limiter.ask(Player.add(1)) == [1]
        assert tree.find("limiter") == limiter


async def test_an_actor_finds_others_by_their_names() -> None:
    class Caller(Actor):
        async def setup(self) -> None:
            self.limiter = current_registry().find("limiter", Player)

        @op(concurrent=True)
        async def call(self, number: int) -> list[int]:
            late = await current_registry().wait_for("late", Player)
            return await self.limiter.ask(Player.add(number)) + await late.ask(Player.add(number))

    async with open_supervisor(children=[the_limiter(), ChildSpec("caller", Caller)]) as tree:
        caller: Ref[Caller] = await tree.child("caller")

        async def come_late() -> None:
            await trio.sleep(2)
            await tree.start_child(ChildSpec("late", Player, name="late"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_late)
            assert await caller.ask(Caller.call(7)) == [7, 7]
            assert trio.current_time() == 2.0


async def test_an_actor_of_a_dynamic_supervisor_finds_names_too() -> None:
    class Session(Actor):
        @op
        def look(self) -> tuple[str, ...]:
            return current_registry().names()

    async with open_dynamic_supervisor(ChildTemplate(Session)) as sessions:
        session = await sessions.start_child()
        assert await session.ask(Session.look()) == sessions.names() == ()

    def inner() -> DynamicSupervisor:
        return DynamicSupervisor(ChildTemplate(Session))

    async with open_supervisor(children=[the_limiter(), ChildSpec("inner", inner)]) as tree:
        supervisor: Ref[DynamicSupervisor] = await tree.child("inner")
        session = await supervisor.ask(DynamicSupervisor.start_child((), {}))
        assert await session.ask(Session.look()) == ("limiter",)


async def test_a_name_passes_to_the_successor_of_an_actor_that_is_left_behind() -> None:
    class Replacing(Supervisor):
        @op
        def replace(self, child_id: str) -> Ref[Player]:
            return Ref(self._children.replace(self._children.by_id[child_id]).slot)

    async with open_supervisor(
        children=[ChildSpec("inner", lambda: Replacing(children=[the_limiter(grace=0.0)]))]
    ) as tree:
        old = tree.find("limiter", Player)
        await old.tell(Player.shield(10))
        inner: Ref[Replacing] = await tree.child("inner")
        new = await inner.ask(Replacing.replace("holder"))
        assert tree.find("limiter") == new != old
        await old.stop(grace=0.0)
        await old.watch()
        assert tree.find("limiter") == new


# names that clash


async def test_a_start_under_a_taken_name_changes_nothing() -> None:
    made: list[str] = []

    def factory() -> Player:
        made.append("made")
        return Player()

    async with open_supervisor(children=[the_limiter()]) as tree:
        with pytest.raises(NameTaken) as caught:
            await tree.start_child(ChildSpec("other", factory, name="limiter"))
        assert (caught.value.name, made) == ("limiter", [])
        assert [child.id for child in await tree.which_children()] == ["holder"]


async def test_two_first_children_of_one_name_fail_the_tree() -> None:
    specs = [the_limiter(), ChildSpec("other", Player, name="limiter")]
    with pytest.raises(StartFailed) as caught:
        async with open_supervisor(children=specs):
            pass
    assert str(caught.value) == "child 'other' did not start: the name 'limiter' is taken by actor 'holder'"
    assert caught.value.child == "other"
    assert isinstance(caught.value.__cause__, NameTaken)


async def test_a_stopped_child_does_not_come_back_while_another_has_its_name() -> None:
    async with open_supervisor(children=[the_limiter()]) as tree:
        await tree.stop_child("holder")
        await tree.start_child(ChildSpec("other", Player, name="limiter"))
        with pytest.raises(NameTaken, match=r"^the name 'limiter' is taken by actor 'other'$"):
            await tree.restart_child("holder")
        await tree.stop_child("other")
        assert await tree.restart_child("holder") == tree.find("limiter")


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_group_comes_back_without_a_stopped_member_whose_name_another_has(*, by_hand: bool) -> None:
    script = Script()
    holder = ChildSpec("holder", script.player, "transient", name="limiter")
    specs = [holder, ChildSpec("other", Player, backoff=AT_ONCE)]
    async with open_supervisor("one_for_all", children=specs) as tree:
        if by_hand:
            await tree.stop_child("holder")
        else:
            await tree.find("limiter", Player).ask(Player.end())
            await trio.testing.wait_all_tasks_blocked()
        newcomer = await tree.start_child(ChildSpec("newcomer", Player, name="limiter", backoff=AT_ONCE))
        await crash(await tree.child("other"))
        await trio.sleep(1)
        assert tree.find("limiter") == newcomer
        assert [(child.id, child.state) for child in await tree.which_children()] == [
            ("holder", "stopped"),
            ("other", "running"),
            ("newcomer", "running"),
        ]
    assert [what for what, _at in script.log] == ["holder setup", "holder teardown"]


async def test_a_changed_name_holds_from_the_next_start() -> None:
    async with open_supervisor(children=[the_limiter()]) as tree:
        await tree.change_specs([the_limiter(name="gate"), ChildSpec("new", Player, name="limiter")])
        assert tree.find("limiter") == await tree.child("holder")
        await tree.stop_child("holder")
        assert tree.names() == ()
        assert await tree.restart_child("holder") == tree.find("gate")
        assert await tree.restart_child("new") == tree.find("limiter")


# every way out

Way = Callable[[Tree], Awaitable[object]]


async def ends_normally(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter("transient"))
    await holder.ask(Player.end())
    await holder.watch()


async def crashes(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter(restart="temporary"))
    await crash(holder)
    await holder.watch()


async def is_stopped_by_hand(tree: Tree) -> None:
    await tree.start_child(the_limiter())
    await tree.stop_child("holder")


async def is_stopped_and_deleted(tree: Tree) -> None:
    await is_stopped_by_hand(tree)
    await tree.delete_child("holder")


async def is_stopped_by_its_ref(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter(restart="transient"))
    await holder.stop()


async def is_killed(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter(restart="transient"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(interrupted, holder, Player.work(math.inf))
        await trio.sleep(1)
        await holder.stop(grace=0.5)


async def interrupted(holder: Ref[Player], message: Any) -> None:
    with pytest.raises(Interrupted):
        await holder.ask(message)


async def shields_itself_and_ends_late(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter(grace=0.5))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(holder.tell, Player.shield(30))
        await trio.sleep(1)
        with pytest.raises(Exception, match="ignores its grace"):
            await tree.stop_child("holder")
        assert tree.find("limiter") == holder  # it lives
        await holder.watch()


async def fails_in_its_teardown(tree: Tree) -> None:
    script = Script(teardown=RuntimeError("teardown"))
    await tree.start_child(ChildSpec("holder", script.player, name="limiter"))
    await tree.stop_child("holder")


async def fails_to_start(tree: Tree) -> None:
    script = Script(setups=[RuntimeError("setup")])
    with pytest.raises(StartFailed):
        await tree.start_child(ChildSpec("holder", script.player, name="limiter"))


async def has_a_factory_that_raises(tree: Tree) -> None:
    def factory() -> Player:
        raise RuntimeError("factory")

    with pytest.raises(StartFailed):
        await tree.start_child(ChildSpec("holder", factory, name="limiter"))


async def has_a_factory_of_no_actor(tree: Tree) -> None:
    factory: Any = object
    with pytest.raises(StartFailed):
        await tree.start_child(ChildSpec("holder", factory, name="limiter"))


async def declines(tree: Tree) -> None:
    script = Script(setups=[NotNow("no work")])
    holder = await tree.start_child(ChildSpec("holder", script.player, name="limiter"))
    assert holder.is_ended


async def is_stopped_while_it_starts(tree: Tree) -> None:
    async def start() -> None:
        with pytest.raises(StartFailed):
            await tree.start_child(ChildSpec("holder", Script(setups=[30.0]).player, name="limiter"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await trio.sleep(1)
        await tree.stop_child("holder")


async def has_an_asker_that_leaves(tree: Tree) -> None:
    with trio.move_on_after(1):
        await tree.start_child(ChildSpec("holder", Script(setups=[30.0]).player, name="limiter", grace=0.0))
    await trio.testing.wait_all_tasks_blocked()


async def is_stopped_between_two_incarnations(tree: Tree) -> None:
    holder = await tree.start_child(the_limiter(backoff=Backoff(initial=10.0, cap=10.0)))
    await crash(holder)
    await tree.stop_child("holder")


async def is_cut_in_the_instant_in_which_it_is_added(tree: Tree) -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[])

    subtree = Tree(await tree.start_child(ChildSpec("inner", inner, "temporary")))

    async def start() -> None:
        with pytest.raises((DeliveryError, StartFailed)):
            await subtree.start_child(the_limiter())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await tree.wait_for("limiter")
        await subtree.ref.stop(grace=0.0)
    await subtree.ref.watch()


async def is_a_temporary_bystander(tree: Tree) -> None:
    def inner() -> Supervisor:
        return Supervisor(
            "one_for_all", children=[the_limiter("temporary"), ChildSpec("other", Player, backoff=AT_ONCE)]
        )

    subtree = Tree(await tree.start_child(ChildSpec("inner", inner)))
    await crash(await subtree.child("other"))
    await trio.sleep(1)


async def goes_with_its_supervisor(tree: Tree, ending: str) -> None:
    def inner() -> Supervisor:
        first = [the_limiter(), ChildSpec("other", Player, "transient", backoff=AT_ONCE, significant=True)]
        return Supervisor(children=first, intensity=Intensity(0), auto_shutdown="any")

    spec = ChildSpec("inner", inner, "temporary")
    subtree = Tree(await tree.start_child(spec))
    other: Ref[Player] = await subtree.child("other")
    match ending:
        case "give-up":
            await crash(other)
        case "auto-shutdown":
            await other.ask(Player.end())
        case "stop":
            await tree.stop_child("inner")
        case "kill":
            await subtree.ref.stop(grace=0.0)
        case _:
            raise AssertionError(ending)
    await subtree.ref.watch()


async def goes_with_a_sibling_that_fails_to_start(tree: Tree) -> None:
    def inner() -> Supervisor:
        return Supervisor(
            children=[the_limiter(), ChildSpec("bad", Script(setups=[ValueError("bad")]).player)]
        )

    with pytest.raises(StartFailed):
        await tree.start_child(ChildSpec("inner", inner))


WAYS: Mapping[str, Way] = {
    each.__name__: each
    for each in (
        ends_normally,
        crashes,
        is_stopped_by_hand,
        is_stopped_and_deleted,
        is_stopped_by_its_ref,
        is_killed,
        shields_itself_and_ends_late,
        fails_in_its_teardown,
        fails_to_start,
        has_a_factory_that_raises,
        has_a_factory_of_no_actor,
        declines,
        is_stopped_while_it_starts,
        has_an_asker_that_leaves,
        is_stopped_between_two_incarnations,
        is_cut_in_the_instant_in_which_it_is_added,
        is_a_temporary_bystander,
        goes_with_a_sibling_that_fails_to_start,
    )
} | {
    f"goes_with_its_supervisor_by_{ending}": partial(goes_with_its_supervisor, ending=ending)
    for ending in ("give-up", "auto-shutdown", "stop", "kill")
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_name_is_free_at_once_for_the_next_when_an_actor(way: str) -> None:
    async with open_supervisor() as tree:
        with pytest.raises(NameNotFound):
            tree.find("limiter")
        await WAYS[way](tree)
        assert tree.names() == ()
        newcomer = await tree.start_child(ChildSpec("newcomer", Player, name="limiter"))
        assert tree.find("limiter", Player) == newcomer
        assert await newcomer.ask(Player.add(1)) == [1]


@pytest.mark.parametrize("ending", ["end", "error", "cancellation", "escalation"])
async def test_no_name_is_left_when_a_tree_has_ended_by(ending: str) -> None:
    trees: list[Tree] = []

    async def live() -> None:
        async with open_supervisor(children=[the_limiter()], intensity=Intensity(0)) as tree:
            trees.append(tree)
            assert tree.names() == ("limiter",)
            match ending:
                case "error":
                    raise RuntimeError(ending)
                case "cancellation":
                    await trio.sleep_forever()
                case "escalation":
                    await tree.find("limiter").tell(Player.crash())
                    await trio.sleep_forever()
                case _:
                    pass

    with trio.move_on_after(1):
        try:
            await live()
        except (RuntimeError, RestartsExhausted):
            assert ending in {"error", "escalation"}
    (tree,) = trees
    assert tree.names() == ()
    with pytest.raises(NameNotFound, match=r"^no actor has the name 'limiter': the tree has ended$"):
        await tree.wait_for("limiter")


# any order of events, against a dict


@attrs.frozen
class Step:
    """What is done to one of three children: each has one of two names and a restart type of its own."""

    verb: Literal["start", "start_badly", "crash", "end", "stop", "restart", "delete"]
    child: Literal["a", "b", "c"]


TYPES: dict[str, Any] = {"a": "permanent", "b": "transient", "c": "temporary"}
NAMES = {"a": "one", "b": "one", "c": "two"}

STEPS = st.builds(
    Step,
    st.sampled_from(("start", "start_badly", "crash", "end", "stop", "restart", "delete")),
    st.sampled_from(("a", "b", "c")),
)


@attrs.define
class Model:
    """Which children live and which are kept stopped; the names follow from that."""

    live: set[str] = attrs.field(factory=set[str])
    kept: set[str] = attrs.field(factory=set[str])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(NAMES[child] for child in self.live))

    def expect(self, step: Step) -> str:
        """Take a step; return the name of the error that is to come of it, or nothing."""
        child, is_taken = step.child, NAMES[step.child] in self.names
        match step.verb:
            case "start" | "start_badly":
                if child in self.live | self.kept:
                    return "ChildAlreadyStarted" if child in self.live else "ChildAlreadyPresent"
                if is_taken:
                    return "NameTaken"
                if step.verb == "start_badly":
                    return "StartFailed"
                self.live.add(child)
            case "restart":
                if child not in self.kept:
                    return "ChildStillRunning" if child in self.live else "ChildNotFound"
                if is_taken:
                    return "NameTaken"
                self.kept.discard(child)
                self.live.add(child)
            case "stop" | "crash" | "end" if child in self.live:
                goes_on = {"stop": (), "crash": ("a", "b"), "end": ("a",)}[step.verb]
                if child not in goes_on:
                    self.live.discard(child)
                    self.kept |= {child} - {"c"}
            case "stop" if child not in self.kept:
                return "ChildNotFound"
            case "delete":
                if child not in self.kept:
                    return "ChildStillRunning" if child in self.live else "ChildNotFound"
                self.kept.discard(child)
            case _:
                pass
        return ""


async def take(tree: Tree, step: Step, model: Model) -> str:
    """Take a step in the tree; return the name of the error that came of it, or nothing."""
    child = step.child
    spec = partial(
        ChildSpec[Player], child, restart=TYPES[child], name=NAMES[child], backoff=AT_ONCE, intensity=PLENTY
    )
    try:
        match step.verb:
            case "start":
                await tree.start_child(spec(Player))
            case "start_badly":
                await tree.start_child(spec(Script(setups=[ValueError("bad")]).player))
            case "restart":
                await tree.restart_child(child)
            case "stop":
                await tree.stop_child(child)
            case "delete":
                await tree.delete_child(child)
            case "crash" | "end" if child in model.live:
                ref: Ref[Player] = await tree.child(child)
                await ref.tell(Player.crash() if step.verb == "crash" else Player.end())
                await trio.testing.wait_all_tasks_blocked()
            case _:
                pass
    except UnderstudyError as error:
        return type(error).__name__
    return ""


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_names_of_a_tree_are_those_of_its_living_children_whatever_happens(steps: list[Step]) -> None:
    async def main() -> None:
        model = Model()
        async with open_supervisor(intensity=PLENTY) as tree:
            for step in steps:
                was = await take(tree, step, model)
                assert (step, was) == (step, model.expect(step))
                assert tree.names() == model.names
                for child in model.live:
                    assert tree.find(NAMES[child], Player) == await tree.child(child)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
