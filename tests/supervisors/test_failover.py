"""Tests for failover groups: who has the messages when, to the instant."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from failover_cast import Fate, Model, line, member, not_now, ping, told

from actors.errors import ActorStopped, Interrupted, NotNow, Quarantined, StartFailed
from actors.kernel import Delivery, Ref
from actors.kernel.ref import slot_of
from actors.testing.waiting import waiting_tasks
from supervisors import Backoff, ChildCrashed, ChildRestarting, ChildSpec, ChildStarted, Intensity
from supervisors.events import LifecycleEvent
from supervisors.failover.events import (
    FailedBack,
    FailoverEvent,
    LastKept,
    MemberDown,
    MemberFit,
    MemberPromoted,
    ProbeFailed,
)
from supervisors.failover.group import FailoverGroup
from supervisors.failover.policy import Fit, Proving
from supervisors.failover.ref import FailoverRef, open_failover_group
from supervisors.failover.statistics import FailoverStatistics, MemberStatistics

pytestmark = pytest.mark.usefixtures("autojump_clock")

Events = list[FailoverEvent | LifecycleEvent]

CHANGES = (MemberDown, MemberFit, MemberPromoted, FailedBack, LastKept, ProbeFailed)


@asynccontextmanager
async def pair(
    first: Fate | None = None, second: Fate | None = None, events: Events | None = None, **options: Any
) -> AsyncGenerator[FailoverRef[Model]]:
    """Open a group of two members, given up at their first crash."""
    heard = [] if events is None else events
    members = [member("first", first), member("second", second)]
    async with open_failover_group(members, on_event=heard.append, **options) as model:
        yield model


async def interrupted(model: Ref[Model]) -> None:
    """Crash the active member, and see that its asker is told."""
    with pytest.raises(Interrupted):
        await model.ask(Model.crash())


# the start


async def test_all_members_are_started_and_the_first_is_active() -> None:
    events: Events = []
    async with pair(events=events) as model:
        assert await model.ask(Model.who()) == "first/1"
        assert told(events) == ["ChildStarted first @0", "ChildStarted second @0"]


async def test_a_first_member_that_does_not_start_is_tried_again_while_the_second_is_active() -> None:
    events: Events = []
    async with pair(Fate(setups=[RuntimeError("no"), 0.0]), events=events) as model:
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(59.9)
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(60.0)
        await trio.testing.wait_all_tasks_blocked()
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, *CHANGES, ChildStarted, ChildRestarting)[:7] == [
        "MemberDown first not started @0",
        "LastKept first @0",
        "ChildRestarting first @0",
        "ChildStarted second @0",
        "MemberPromoted second first 0 @0",
        "ChildStarted first @30",
        "MemberFit first @60",
    ]


async def test_a_group_of_which_no_member_starts_fails_and_says_why() -> None:
    bad = ValueError("bad configuration")
    with pytest.raises(StartFailed) as caught:
        async with pair(Fate(setups=[bad]), Fate(setups=[RuntimeError("worse")])):
            pytest.fail("the block is not entered")
    assert str(caught.value) == "no member of 'failover' started, 'first' first of all"
    assert caught.value.child == "first"
    causes = caught.value.__cause__
    assert isinstance(causes, ExceptionGroup)
    assert [str(error) for error in causes.exceptions] == [
        "child 'first' did not start: it failed with ValueError",
        "child 'second' did not start: it failed with RuntimeError",
    ]
    assert causes.exceptions[0].__cause__ is bad


async def test_a_member_that_declines_to_start_is_tried_again() -> None:
    events: Events = []
    fate = Fate(setups=[NotNow("maintenance"), 0.0])
    async with pair(fate, events=events, healthy_for=10.0) as model:
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(40.5)
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, MemberDown, FailedBack) == [
        "MemberDown first declined @0",
        "FailedBack first second 0 @40",
    ]


async def test_a_group_whose_members_all_decline_fails_to_start() -> None:
    spec: ChildSpec[Model] = ChildSpec("first", not_now)
    with pytest.raises(StartFailed, match=r"^no member of 'failover' started") as caught:
        async with open_failover_group([spec]):
            pytest.fail("the block is not entered")
    causes = caught.value.__cause__
    assert isinstance(causes, ExceptionGroup)
    assert [type(error) for error in causes.exceptions] == [NotNow]


# going over


async def test_a_crash_within_the_budget_leaves_the_role_where_it_is_and_messages_wait() -> None:
    events: Events = []
    specs = [
        member("first", intensity=Intensity(2, 30.0), backoff=Backoff(initial=1.0, cap=1.0)),
        member("second"),
    ]
    async with open_failover_group(specs, on_event=events.append, seed=1) as model:
        for incarnation in (1, 2):
            assert await model.ask(Model.who()) == f"first/{incarnation}"
            await interrupted(model)
        assert await model.ask(Model.who()) == "first/3"
        assert told(events, *CHANGES) == []
        await interrupted(model)
        assert await model.ask(Model.who()) == "second/1"


async def test_what_waits_moves_in_order_when_the_budget_is_spent() -> None:
    events: Events = []
    first, second = Fate(), Fate()
    async with pair(first, second, events) as model, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def ask(number: int) -> None:
            answers.append(await model.ask(Model.note(number)))

        nursery.start_soon(partial(interrupted_by, model, 2.0))
        await trio.sleep(1.0)
        for number in (1, 2, 3):
            assert await model.tell(Model.note(number)) is Delivery.QUEUED
        nursery.start_soon(ask, 4)
        await trio.sleep_until(2.0)
        await trio.testing.wait_all_tasks_blocked()
        assert (first.handled, second.handled, answers) == ([], [1, 2, 3, 4], ["second"])
    assert told(events, *CHANGES, ChildCrashed) == [
        "ChildCrashed first RuntimeError @2",
        "MemberDown first budget spent @2",
        "MemberPromoted second first 4 @2",
    ]


async def interrupted_by(model: Ref[Model], seconds: float) -> None:
    with pytest.raises(Interrupted):
        await model.ask(Model.crash_in(seconds))


async def test_what_had_begun_is_tried_again_by_the_next_member_if_its_op_is_idempotent() -> None:
    first, second = Fate(bad={7}), Fate()
    async with pair(first, second) as model:
        assert model.tell_nowait(Model.note(6)) is Delivery.QUEUED
        assert await model.ask(Model.look_up(7)) == "second/1"
        assert (first.handled, second.handled) == ([6], [7])


async def test_a_message_that_crashes_one_member_after_the_other_is_quarantined_and_the_last_lives_on() -> (
    None
):
    events: Events = []
    specs = [member(name, Fate(bad={7})) for name in ("a", "b", "c", "d")]
    async with open_failover_group(specs, on_event=events.append) as model:
        with pytest.raises(Quarantined):
            await model.ask(Model.look_up(7))
        assert await model.ask(Model.who()) == "c/2"
    assert told(events, MemberPromoted) == ["MemberPromoted b a 1 @0", "MemberPromoted c b 1 @0"]


async def test_more_messages_than_the_next_member_holds_lose_nothing() -> None:
    second = Fate()
    specs = [member("first"), member("second", second, capacity=1)]
    async with open_failover_group(specs) as model, trio.open_nursery() as nursery:
        nursery.start_soon(partial(interrupted_by, model, 1.0))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(20):
            assert model.tell_nowait(Model.note(number)) is Delivery.QUEUED
        await trio.sleep(1.5)
        assert second.handled == list(range(20))


async def test_a_member_that_calls_itself_unwell_has_no_message_more() -> None:
    events: Events = []
    first, second = Fate(), Fate()
    async with pair(first, second, events) as model:
        model.tell_nowait(Model.note(1))
        model.tell_nowait(Model.feel(is_well=False))
        for number in (2, 3):
            model.tell_nowait(Model.note(number))
        assert await model.ask(Model.who()) == "second/1"
        assert (first.handled, second.handled) == ([1], [2, 3])
    assert told(events, *CHANGES) == ["MemberDown first unwell @0", "MemberPromoted second first 3 @0"]


async def test_what_an_unwell_member_has_begun_it_brings_to_its_end() -> None:
    async with pair() as model, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def work() -> None:
            answers.append(await model.ask(Model.falter(2.0)))

        nursery.start_soon(work)
        await trio.sleep(1.0)
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(2.0)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == ["first/1"]


async def test_a_member_that_is_unwell_while_it_starts_is_not_active() -> None:
    events: Events = []
    async with pair(Fate(is_unwell_at_setup=True), events=events) as model:
        assert await model.ask(Model.who()) == "second/1"
    assert told(events, *CHANGES, ChildStarted, ChildCrashed) == [
        "ChildStarted first @0",
        "MemberDown first unwell @0",
        "LastKept first @0",
        "ChildStarted second @0",
        "MemberPromoted second first 0 @0",
    ]


async def test_an_unwell_member_that_crashes_comes_back_well_and_proves_itself() -> None:
    events: Events = []
    async with pair(events=events, healthy_for=10.0) as model:
        (first, _second) = await model.group.ask(FailoverGroup.which_children())
        await model.ask(Model.feel(is_well=False))
        await interrupted(first.ref)
        await trio.sleep_until(50.0)
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, FailedBack) == ["FailedBack first second 0 @40"]


async def test_the_same_seed_gives_the_same_delays() -> None:
    async def delays(seed: int) -> list[str]:
        events: Events = []
        spec = member("only", intensity=Intensity(5, 30.0), backoff=Backoff(initial=1.0, cap=8.0))
        start = trio.current_time()
        async with open_failover_group([spec], seed=seed, on_event=events.append) as model:
            for _ in range(4):
                await interrupted(model)
                await trio.sleep(10.0)
        return [f"{event.at - start:.9f}" for event in events if isinstance(event, ChildStarted)]

    assert await delays(7) == await delays(7) != await delays(8)


async def test_the_last_one_stays_active_and_messages_wait_for_its_next_incarnation() -> None:
    events: Events = []
    async with pair(events=events) as model:
        await interrupted(model)
        await trio.sleep(1.0)
        await interrupted(model)
        assert model.tell_nowait(Model.note(1)) is Delivery.QUEUED
        assert await model.ask(Model.who()) == "first/2"
        assert trio.current_time() == 30.0
    assert told(events, *CHANGES) == [
        "MemberDown first budget spent @0",
        "MemberPromoted second first 0 @0",
        "MemberDown second budget spent @1",
        "LastKept second @1",
        "MemberPromoted first second 2 @30",
    ]


async def test_a_group_of_one_waits_for_its_only_member() -> None:
    events: Events = []
    fate = Fate()
    async with open_failover_group([member("only", fate)], on_event=events.append) as model:
        await interrupted(model)
        assert model.tell_nowait(Model.note(1)) is Delivery.QUEUED
        assert await model.ask(Model.who()) == "only/2"
        assert (trio.current_time(), fate.handled) == (30.0, [1])
    assert told(events, *CHANGES) == ["MemberDown only budget spent @0", "LastKept only @0"]


async def test_a_member_whose_backoff_is_nothing_is_given_a_second_all_the_same() -> None:
    fate = Fate(setups=[0.0, RuntimeError("no")])
    spec = member("only", fate, backoff=Backoff(initial=0.0, cap=0.0))
    events: Events = []
    async with open_failover_group([spec], on_event=events.append) as model:
        await interrupted(model)
        await trio.sleep_until(3.5)
    assert told(events, ChildRestarting) == [f"ChildRestarting only @{second}" for second in range(4)]


async def test_a_stop_that_is_asked_of_the_active_member_does_not_move_the_role() -> None:
    events: Events = []
    specs = [member("first", intensity=Intensity(1, 30.0)), member("second")]
    async with open_failover_group(specs, on_event=events.append) as model:
        (first, _second) = await model.group.ask(FailoverGroup.which_children())
        await first.ref.stop()
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, *CHANGES) == []


async def test_what_comes_back_to_a_demoted_member_when_it_ends_moves_on() -> None:
    first, second = Fate(), Fate()
    async with pair(first, second) as model, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def look() -> None:
            answers.append(await model.ask(Model.falter_and_crash(1.0)))

        nursery.start_soon(look)
        await trio.sleep(0.5)
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(1.5)
        assert answers == ["second/1"]


async def test_an_observer_that_sends_a_message_does_not_overtake_those_that_wait() -> None:
    second = Fate()
    models: list[FailoverRef[Model]] = []

    def observe(event: FailoverEvent | LifecycleEvent) -> None:
        if isinstance(event, MemberDown):
            models[0].tell_nowait(Model.note(3))

    specs = [member("first"), member("second", second)]
    async with open_failover_group(specs, on_event=observe) as model, trio.open_nursery() as nursery:
        models.append(model)
        nursery.start_soon(partial(interrupted_by, model, 1.0))
        await trio.testing.wait_all_tasks_blocked()
        for number in (1, 2):
            model.tell_nowait(Model.note(number))
        await trio.sleep_until(1.5)
        assert second.handled == [1, 2, 3]


# going back


async def test_a_healthy_group_is_never_probed() -> None:
    first, second = Fate(), Fate()
    async with pair(first, second, probe=ping) as model:
        await trio.sleep(3600.0)
        assert await model.ask(Model.who()) == "first/1"
        assert first.probes == second.probes == []


async def test_the_role_goes_back_at_the_probe_that_completes_the_proof() -> None:
    events: Events = []
    first, second = Fate(), Fate()
    async with pair(first, second, events, probe=ping, probe_every=4.0, healthy_for=10.0) as model:
        await interrupted(model)
        await trio.sleep_until(41.9)
        assert await model.ask(Model.who()) == "second/1"
        await trio.sleep_until(42.1)
        assert await model.ask(Model.who()) == "first/2"
        await trio.sleep(100.0)
        assert (first.probes, second.probes) == ([30.0, 34.0, 38.0, 42.0], [])
    assert told(events, *CHANGES)[2:] == ["MemberFit first @42", "FailedBack first second 0 @42"]


async def test_a_probe_that_fails_begins_the_proof_anew() -> None:
    events: Events = []
    first = Fate()
    async with pair(
        first, None, events, probe=ask_who_unless_bad, probe_every=5.0, healthy_for=10.0
    ) as model:
        await interrupted(model)
        await trio.sleep_until(37.0)
        first.bad.add(0)
        await trio.sleep_until(41.0)
        first.bad.clear()
        await trio.sleep_until(60.0)
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, *CHANGES)[2:] == [
        "ProbeFailed first RuntimeError @40",
        "MemberDown first probe failed @40",
        "MemberFit first @55",
        "FailedBack first second 0 @55",
    ]


async def ask_who_unless_bad(model: Ref[Model]) -> None:
    if await model.ask(Model.is_bad()):
        raise RuntimeError("bad")


async def test_a_probe_that_is_not_answered_in_time_has_failed() -> None:
    events: Events = []
    first = Fate(probe=math.inf)
    options: dict[str, Any] = {"probe": ping, "probe_every": 5.0, "probe_timeout": 2.0, "healthy_for": 10.0}
    async with pair(first, None, events, **options) as model:
        await interrupted(model)
        await trio.sleep_until(45.0)
        first.probe = 0.5
        await trio.sleep_until(80.0)
        assert first.probes == [30.0, 37.0, 44.0, 51.0, 56.5, 62.0]
    assert told(events, ProbeFailed, FailedBack) == [
        *(f"ProbeFailed first TooSlowError @{at}" for at in (32, 39, 46)),
        "FailedBack first second 0 @62.5",
    ]


async def test_without_a_probe_a_member_proves_itself_by_being_well_for_long_enough() -> None:
    events: Events = []
    async with pair(events=events, healthy_for=10.0) as model:
        await interrupted(model)
        await trio.sleep_until(41.0)
        assert await model.ask(Model.who()) == "first/2"
    assert told(events, *CHANGES)[2:] == ["MemberFit first @40", "FailedBack first second 0 @40"]


async def test_a_crash_while_a_member_proves_itself_begins_the_proof_anew() -> None:
    events: Events = []
    async with pair(events=events, healthy_for=10.0) as model:
        (first, _second) = await model.group.ask(FailoverGroup.which_children())
        await interrupted(model)
        await trio.sleep_until(35.0)
        await interrupted(first.ref)
        await trio.sleep_until(100.0)
    assert told(events, *CHANGES)[2:] == [
        "MemberDown first budget spent @35",
        "MemberFit first @75",
        "FailedBack first second 0 @75",
    ]


async def test_a_member_that_calls_itself_well_again_proves_itself_from_then_on() -> None:
    events: Events = []
    async with pair(events=events, healthy_for=10.0) as model:
        (first, _second) = await model.group.ask(FailoverGroup.which_children())
        await model.ask(Model.feel(is_well=False))
        await trio.sleep_until(3.0)
        await first.ref.ask(Model.feel(is_well=True))
        await trio.sleep_until(50.0)
    assert told(events, FailedBack) == ["FailedBack first second 0 @13"]


async def test_an_unwell_member_is_probed_and_may_find_itself_well_by_it() -> None:
    events: Events = []
    async with pair(events=events, probe=feel_well, probe_every=5.0, healthy_for=10.0) as model:
        await model.ask(Model.feel(is_well=False))
        await trio.sleep_until(30.0)
    assert told(events, FailedBack) == ["FailedBack first second 0 @10"]


async def feel_well(model: Ref[Model]) -> None:
    await model.ask(Model.feel(is_well=True))


async def test_what_waits_moves_back_too_and_what_has_begun_ends_where_it_began() -> None:
    events: Events = []
    first, second = Fate(), Fate()
    async with pair(first, second, events, healthy_for=10.0) as model, trio.open_nursery() as nursery:
        await interrupted(model)
        await trio.sleep_until(39.0)
        nursery.start_soon(model.ask, Model.work(1, 5.0))
        await trio.sleep_until(39.5)
        for number in (2, 3):
            model.tell_nowait(Model.note(number))
        await trio.sleep_until(40.5)
        assert (second.handled, first.handled) == ([1], [2, 3])
    assert told(events, FailedBack) == ["FailedBack first second 2 @40"]


async def test_the_role_goes_past_a_crashed_standby_and_climbs_back_step_by_step() -> None:
    events: Events = []
    specs = [
        member("a"),
        member("b", backoff=Backoff(initial=0.1, cap=5.0)),
        member("c"),
    ]
    async with open_failover_group(specs, healthy_for=10.0, on_event=events.append) as model:
        a, b, _c = await model.group.ask(FailoverGroup.which_children())
        await interrupted(b.ref)
        await interrupted(a.ref)
        await trio.testing.wait_all_tasks_blocked()
        assert await model.ask(Model.who()) == "c/1"
        await trio.sleep(100.0)
    assert told(events, MemberPromoted, FailedBack) == [
        "MemberPromoted c a 0 @0",
        "FailedBack b c 0 @15",
        "FailedBack a b 0 @40",
    ]


# standbys


async def test_a_standby_that_only_looks_fit_is_found_if_standbys_are_probed() -> None:
    events: Events = []
    first, second = Fate(), Fate()
    specs = [member("first", first), member("second", second), member("third")]
    options: dict[str, Any] = {"probe": ping, "probe_every": 5.0, "probe_timeout": 1.0, "healthy_for": 10.0}
    async with open_failover_group(
        specs, standby_probe_every=60.0, on_event=events.append, **options
    ) as model:
        await trio.sleep_until(70.0)
        assert (first.probes, second.probes) == ([], [60.0])
        second.probe = math.inf
        await trio.sleep_until(122.0)
        await interrupted(model)
        assert await model.ask(Model.who()) == "third/1"
    assert told(events, *CHANGES)[:2] == [
        "ProbeFailed second TooSlowError @121",
        "MemberDown second probe failed @121",
    ]


# the handle


async def test_the_group_tells_how_it_stands() -> None:
    async with pair(healthy_for=10.0) as model:
        await interrupted(model)
        await trio.sleep_until(32.0)
        assert await model.group.ask(FailoverGroup.statistics()) == FailoverStatistics(
            active="second",
            members=(MemberStatistics("first", Proving(30.0), 2), MemberStatistics("second", Fit(), 1)),
            promotions=1,
            fail_backs=0,
            moved=0,
        )


async def test_a_snapshot_sees_the_members_and_their_roles() -> None:
    async with pair() as model:
        await interrupted(model)
        await trio.testing.wait_all_tasks_blocked()
        group = FailoverGroup[Model]([member("first")])
        assert group.look_inside().children == ()
        inside = await look_inside(model)
        assert inside == [("first", "standby", "RuntimeError", 1), ("second", "active", "", 0)]


async def look_inside(model: FailoverRef[Model]) -> list[tuple[str, str, str, int]]:
    group = slot_of(model).actor
    assert isinstance(group, FailoverGroup)
    views = group.look_inside().children
    return [(view.id, view.role, view.error, view.restarts) for view in views]


async def test_the_members_stop_in_reverse_order_when_the_block_ends() -> None:
    events: Events = []
    async with pair(events=events) as model:
        pass
    assert [line(event) for event in events[2:]] == ["ChildStopped second  @0", "ChildStopped first  @0"]
    with pytest.raises(ActorStopped, match="actor 'failover' has stopped"):
        await model.ask(Model.who())


async def test_nothing_is_left_over_after_a_group_that_was_probing() -> None:
    before = task_count()
    async with pair(Fate(probe=math.inf), probe=ping, probe_timeout=1000.0) as model:
        await interrupted(model)
        await trio.sleep_until(31.0)
    assert task_count() == before


def task_count() -> int:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return len(waiting_tasks(root))


async def test_the_crash_of_the_block_ends_the_group() -> None:
    with pytest.raises(ValueError, match=r"^mine$"):
        async with pair():
            raise ValueError("mine")


@pytest.mark.parametrize(
    ("options", "kind", "complaint"),
    [
        ({"members": []}, ValueError, "a group has at least 1 member, got none"),
        ({"members": ["first"]}, TypeError, "a member is given as a ChildSpec, got str"),
        ({"members": [member("a"), member("a")]}, ValueError, "two members have the id 'a'"),
        (
            {"members": [ChildSpec("a", not_now, "transient")]},
            ValueError,
            "member 'a' must be permanent, got 'transient': the role has to be filled",
        ),
        (
            {"members": [member("a"), ChildSpec("b", not_now, needs=("a",))]},
            ValueError,
            "member 'b' cannot need others: a standby stands in for the one that is gone",
        ),
        ({"probe_every": 0}, ValueError, "probe_every must be > 0 and finite, got 0"),
        ({"probe_timeout": math.inf}, ValueError, "probe_timeout must be > 0 and finite, got inf"),
        ({"probe_every": "5"}, TypeError, "probe_every must be a number of seconds, got '5'"),
        ({"healthy_for": 0}, ValueError, "healthy_for must be > 0 and finite, got 0"),
        ({"healthy_for": True}, TypeError, "healthy_for must be a number of seconds, got True"),
        ({"standby_probe_every": 5.0}, ValueError, "standby_probe_every is of no use without a probe"),
        (
            {"standby_probe_every": -1.0, "probe": ping},
            ValueError,
            "standby_probe_every must be > 0 and finite, got -1.0",
        ),
        ({"seed": 1, "rng": Random(2)}, ValueError, "give a seed or an rng, not both"),
    ],
)
def test_a_wrong_group_is_refused(options: dict[str, Any], kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind) as caught:
        FailoverGroup(**{"members": [member("a")]} | options)
    assert str(caught.value) == complaint
