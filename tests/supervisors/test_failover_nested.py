"""Tests for failover groups inside of trees: how they are reached, stopped and started again."""

from __future__ import annotations

import random

import attrs
import pytest
import trio
import trio.testing
from failover_cast import Fate, Model, member, ping, told

from actors.errors import ActorStopped, Interrupted, NameTaken, StartFailed
from actors.kernel import Ref
from supervisors import Backoff, ChildSpec, ChildStopped, Intensity, Supervisor, open_supervisor
from supervisors.events import LifecycleEvent
from supervisors.failover.events import FailoverEvent, MemberDown, MemberPromoted
from supervisors.failover.group import FailoverGroup
from supervisors.failover.ref import FailoverRef, open_failover_group

pytestmark = pytest.mark.usefixtures("autojump_clock")


def models(first: Fate | None = None, second: Fate | None = None) -> ChildSpec[FailoverGroup[Model]]:
    return ChildSpec(
        "models", lambda: FailoverGroup([member("first", first), member("second", second)], probe=ping)
    )


async def test_a_group_in_a_tree_is_reached_by_the_ref_of_its_child() -> None:
    async with open_supervisor() as tree:
        model = FailoverRef(await tree.start_child(models()))
        assert await model.ask(Model.who()) == "first/1"
        with pytest.raises(Interrupted):
            await model.ask(Model.crash())
        assert await model.ask(Model.who()) == "second/1"
        found: Ref[Model] = FailoverRef(await tree.child("models"))
        assert found == model
        assert await found.ask(Model.who()) == "second/1"


async def test_a_member_whose_name_is_taken_fails_the_start_and_frees_the_names_of_those_before_it() -> None:
    events: list[FailoverEvent | LifecycleEvent] = []

    def group() -> FailoverGroup[Model]:
        first, second = member("first"), member("second")
        specs = [attrs.evolve(first, name="ours"), attrs.evolve(second, name="theirs")]
        return FailoverGroup(specs, on_event=events.append)

    async with open_supervisor(children=[attrs.evolve(member("other"), name="theirs")]) as tree:
        with pytest.raises(StartFailed) as caught:
            await tree.start_child(ChildSpec("models", group))
        failure = caught.value.__cause__
        assert isinstance(failure, StartFailed)
        assert (failure.child, type(failure.__cause__)) == ("second", NameTaken)
        assert tree.names() == ("theirs",)
    (stopped,) = [event for event in events if isinstance(event, ChildStopped)]
    assert (stopped.child, stopped.reason) == ("first", "stopped")


async def test_members_are_found_by_their_names() -> None:
    spec = ChildSpec("models", lambda: FailoverGroup([attrs.evolve(member("first"), name="lead")]))
    async with open_supervisor(children=[spec]) as tree:
        found: Ref[Model] = tree.find("lead")
        assert await found.ask(Model.who()) == "first/1"


async def test_a_start_that_is_cut_short_leaves_no_name_behind() -> None:
    def group() -> FailoverGroup[Model]:
        slow = member("first", Fate(setups=[100.0]))
        return FailoverGroup([attrs.evolve(slow, name="lead"), attrs.evolve(member("second"), name="other")])

    async with open_supervisor() as tree:
        with trio.move_on_after(5.0):
            await tree.start_child(ChildSpec("models", group, grace=10.0))
        await trio.sleep(20.0)
        assert tree.names() == ()


async def test_the_supervisor_above_spends_nothing_on_a_member_that_fails() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(children=[models()], on_event=events.append) as tree:
        model: FailoverRef[Model] = FailoverRef(await tree.child("models"))
        with pytest.raises(Interrupted):
            await model.ask(Model.crash())
        await trio.sleep(31.0)
        (status,) = await tree.which_children()
        assert (status.incarnation, status.state) == (1, "running")


async def test_a_group_that_was_stopped_turns_messages_away() -> None:
    async with open_supervisor() as tree:
        model = FailoverRef(await tree.start_child(models()))
        await tree.stop_child("models")
        assert model.is_ended
        with pytest.raises(
            ActorStopped, match=r"^Model\.who\(\) was not delivered: actor 'models' has stopped$"
        ):
            await model.ask(Model.who())


async def test_a_ref_reaches_the_new_members_after_the_group_itself_was_restarted() -> None:
    fate = Fate()
    async with open_supervisor() as tree:
        model = FailoverRef(await tree.start_child(models(fate)))
        fate.setups = [5.0]
        await model.stop()  # a request: the group is permanent, so it is started again
        await trio.testing.wait_all_tasks_blocked()
        assert await model.ask(Model.who()) == "first/1"  # it waited in the mailbox of the new first member
        assert trio.current_time() == 5.0


async def test_a_group_between_two_incarnations_turns_messages_away() -> None:
    sibling = member("sibling", intensity=Intensity(1, 30.0), backoff=Backoff(initial=4.0, cap=4.0))
    async with open_supervisor("one_for_all", children=[models(), sibling], rng=Half()) as tree:
        model: FailoverRef[Model] = FailoverRef(await tree.child("models"))
        crashing: Ref[Model] = await tree.child("sibling")
        with pytest.raises(Interrupted):
            await crashing.ask(Model.crash())
        await trio.sleep(1.0)
        with pytest.raises(ActorStopped) as caught:
            await model.ask(Model.who())
        assert (caught.value.recipient, model.is_ended) == ("models", False)
        await trio.sleep(1.5)
        assert await model.ask(Model.who()) == "first/1"


class Half(random.Random):
    """Dice that always show one half."""

    def random(self) -> float:
        return 0.5


async def test_a_group_whose_members_are_supervisors_hears_only_of_its_own_members() -> None:
    events: list[FailoverEvent | LifecycleEvent] = []

    def region() -> Supervisor:
        return Supervisor(children=[member("first", Fate(bad={1})), member("west")])

    specs = [ChildSpec("first", region), ChildSpec("second", region)]
    async with open_failover_group(specs, on_event=events.append) as ref:
        (east, _west) = await ref.ask(Supervisor.which_children())
        with pytest.raises(Interrupted):
            await east.ref.ask(Model.crash())
        await trio.sleep(1.0)
        assert told(events, MemberDown, MemberPromoted) == []
        assert (await ref.ask(Supervisor.count_children())).active == 2


async def test_members_of_different_kinds_share_the_messages_of_their_base() -> None:
    class Small(Model):
        pass

    small: ChildSpec[Model] = ChildSpec("small", lambda: Small(Fate()))
    async with open_failover_group([member("large"), small]) as model:
        with pytest.raises(Interrupted):
            await model.ask(Model.crash())
        assert await model.ask(Model.who()) == "small/1"
