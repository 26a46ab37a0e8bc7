"""The degradation's actor: when a level begins, who is told, and what a crash costs."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from actors.degradation import Degradation, DegradationState, telling
from actors.errors import BreakerOpen, CallFailed, Interrupted, OutOfTime, Rejected, TransportFailed
from actors.faults import Fault
from actors.kernel import Actor, Delivery, Ref, op, open_actor
from actors.policies.breaker.records import BreakerChange, BreakerState
from actors.policies.degradation.burn_rate import BurnRow, BurnRules
from actors.policies.degradation.rules import START, DegradationLevel, DegradationRules
from actors.telemetry import log_lines
from supervisors import Backoff, ChildSpec, open_supervisor

SEARCH = DegradationLevel(1, "search_degraded", 5.0, ("search: breaker open",))
NORMAL = DegradationLevel(0, "normal", 70.0)


def change(after: BreakerState, before: BreakerState = "closed") -> BreakerChange:
    return BreakerChange(trio.current_time(), before, after, 1, "3 failures in a row", None)


def open_breaker(service: str) -> Any:
    return Degradation.hear(service, change("open"))


def close_breaker(service: str) -> Any:
    return Degradation.hear(service, change("closed", "half_open"))


class Fragile(Degradation):
    """One that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


class Listening(Actor):
    """An actor that is told through its ref."""

    def __init__(self, told: list[DegradationLevel]) -> None:
        self._told = told

    @op
    def degrade(self, level: DegradationLevel) -> None:
        self._told.append(level)


async def test_it_begins_normal(autojump_clock: MockClock) -> None:
    async with open_actor(Degradation) as degradation:
        assert await degradation.ask(Degradation.level()) == START
    assert autojump_clock.current_time() == 0.0


async def test_a_level_begins_by_itself_at_its_own_instant(autojump_clock: MockClock) -> None:
    told: list[tuple[float, DegradationLevel]] = []
    async with open_actor(Degradation) as degradation:
        await degradation.ask(Degradation.subscribe(lambda level: told.append((trio.current_time(), level))))
        await degradation.ask(open_breaker("search"))
        await trio.sleep(10.0)
        await degradation.ask(close_breaker("search"))
        await trio.sleep(100.0)
    assert told == [(0.0, START), (5.0, SEARCH), (70.0, NORMAL)]
    assert autojump_clock.current_time() == 110.0


async def test_who_asks_at_the_very_instant_is_told_of_the_level_that_begins(
    autojump_clock: MockClock,
) -> None:
    async with open_actor(Degradation) as degradation:
        await degradation.ask(open_breaker("search"))
        await trio.sleep(4.9)
        assert await degradation.ask(Degradation.level()) == START
        await trio.sleep_until(5.0)
        assert await degradation.ask(Degradation.level()) == SEARCH
    assert autojump_clock.current_time() == 5.0


async def test_without_a_delay_it_rises_with_the_report(autojump_clock: MockClock) -> None:
    async with open_actor(lambda: Degradation(DegradationRules(up_after=0.0))) as degradation:
        await degradation.ask(open_breaker("model/opus"))
        level = await degradation.ask(Degradation.level())
    assert level == DegradationLevel(4, "critical", 0.0, ("model: breaker open",))
    assert autojump_clock.current_time() == 0.0


async def test_errors_that_burn_too_fast_are_heard_too(autojump_clock: MockClock) -> None:
    rules = DegradationRules(burn=BurnRules(0.9, (BurnRow(5.0, 60.0, 12.0),)))
    async with open_actor(lambda: Degradation(rules)) as degradation:
        for _ in range(4):
            await degradation.ask(Degradation.outcome("search", False))
        await trio.sleep(200.0)
        told = (await degradation.ask(Degradation.statistics())).policy
    assert (told.rises, told.falls, told.level) == (1, 1, DegradationLevel(0, "normal", 72.0))
    assert autojump_clock.current_time() == 200.0


async def test_successes_change_nothing(autojump_clock: MockClock) -> None:
    async with open_actor(Degradation) as degradation:
        for _ in range(20):
            await degradation.ask(Degradation.outcome("search", True))
        told = (await degradation.ask(Degradation.statistics())).policy
    assert (told.truth, told.services["search"].burn[0].events) == (0, 20)
    assert autojump_clock.current_time() == 0.0


async def test_who_subscribes_is_told_of_the_level_that_holds(autojump_clock: MockClock) -> None:
    told: list[DegradationLevel] = []
    async with open_actor(Degradation) as degradation:
        await degradation.ask(open_breaker("search"))
        await trio.sleep(20.0)
        await degradation.ask(Degradation.subscribe(told.append))
    assert told == [SEARCH]
    assert autojump_clock.current_time() == 20.0


async def test_who_has_unsubscribed_is_told_no_more(autojump_clock: MockClock) -> None:
    one, two = list[DegradationLevel](), list[DegradationLevel]()
    tell_one = one.append
    async with open_actor(Degradation) as degradation:
        await degradation.ask(Degradation.subscribe(tell_one))
        await degradation.ask(Degradation.subscribe(two.append, name="two"))
        await degradation.ask(Degradation.unsubscribe(tell_one))
        await degradation.ask(Degradation.unsubscribe("two"))
        await degradation.ask(Degradation.unsubscribe("nobody"))
        await degradation.ask(open_breaker("search"))
        await trio.sleep(10.0)
        told = await degradation.ask(Degradation.statistics())
    assert one == two == [START]
    assert (told.listeners, told.dropped) == (0, 0)
    assert autojump_clock.current_time() == 10.0


async def test_a_name_takes_the_place_of_who_had_it(autojump_clock: MockClock) -> None:
    before, after = list[DegradationLevel](), list[DegradationLevel]()
    async with open_actor(Degradation) as degradation:
        await degradation.ask(Degradation.subscribe(before.append, name="chat"))
        await degradation.ask(Degradation.subscribe(after.append, name="chat"))
        await degradation.ask(open_breaker("search"))
        await trio.sleep(10.0)
    assert (before, after) == ([START], [START, SEARCH])
    assert autojump_clock.current_time() == 10.0


async def test_a_listener_that_raises_or_is_gone_is_dropped_and_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    def raises(level: DegradationLevel) -> None:
        if level.number:
            raise ValueError("a listener's own affair")

    told: list[DegradationLevel] = []
    async with open_actor(Degradation) as degradation:
        async with open_actor(lambda: Listening(told)) as listening:
            tell = listening.tell_regardless
            await degradation.ask(Degradation.subscribe(raises))
            await degradation.ask(Degradation.subscribe(lambda level: tell(Listening.degrade(level))))
            await degradation.ask(Degradation.subscribe(lambda _level: Delivery.UNDELIVERED))
            await trio.testing.wait_all_tasks_blocked()
        await degradation.ask(open_breaker("search"))
        await trio.sleep(10.0)
        snapshot = await degradation.ask(Degradation.statistics())
    assert told == [START]
    assert (snapshot.listeners, snapshot.dropped, snapshot.policy.level) == (0, 3, SEARCH)
    assert autojump_clock.current_time() == 10.0


async def test_each_change_is_one_line_of_the_log(autojump_clock: MockClock) -> None:
    file = io.StringIO()
    log = log_lines(file, wall_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    async with open_actor(lambda: Degradation(log=log)) as degradation:
        for service in ("search", "chat"):
            await degradation.ask(open_breaker(service))
        await trio.sleep(10.0)
        await degradation.ask(close_breaker("chat"))
        await trio.sleep(100.0)
    first, second = (json.loads(line) for line in file.getvalue().splitlines())
    assert first == {
        "timestamp": "2026-01-01T00:00:00.000Z",
        "level": "warning",
        "event": "degradation.changed",
        "number": 4,
        "name": "critical",
        "before": 0,
        "why": ["chat: breaker open", "search: breaker open"],
    }
    assert (second["level"], second["number"], second["before"]) == ("info", 1, 4)
    assert autojump_clock.current_time() == 110.0


async def test_the_log_goes_on_over_a_crash(autojump_clock: MockClock) -> None:
    file = io.StringIO()
    log = log_lines(file, wall_clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    spec = ChildSpec("degradation", lambda: Fragile(log=log), backoff=Backoff(0.0, 0.0), keep_state=True)
    async with open_supervisor() as tree:
        degradation: Ref[Any] = await tree.start_child(spec)
        await degradation.ask(open_breaker("chat"))
        await degradation.ask(open_breaker("search"))
        await trio.sleep(10.0)
        with pytest.raises(Interrupted):
            await degradation.ask(Fragile.crash())
        await degradation.ask(close_breaker("chat"))
        await trio.sleep(100.0)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["level"], line["before"], line["number"]) for line in lines] == [
        ("warning", 0, 4),
        ("info", 4, 1),
    ]
    assert autojump_clock.current_time() == 110.0


async def crashed(
    make: Callable[[], Degradation], told: list[DegradationLevel], *, keeps: bool
) -> DegradationLevel:
    """Let a breaker open at 0, crash at 2, and return the level at 20."""
    spec = ChildSpec("degradation", make, backoff=Backoff(0.0, 0.0), keep_state=keeps)
    async with open_supervisor() as tree:
        degradation: Ref[Any] = await tree.start_child(spec)
        await degradation.ask(Degradation.subscribe(told.append))
        await degradation.ask(open_breaker("search"))
        await trio.sleep(2.0)
        with pytest.raises(Interrupted):
            await degradation.ask(Fragile.crash())
        await trio.sleep(18.0)
        return cast("DegradationLevel", await degradation.ask(Degradation.level()))


async def test_a_crash_costs_nothing_where_the_slot_keeps_state(autojump_clock: MockClock) -> None:
    told: list[DegradationLevel] = []
    assert await crashed(Fragile, told, keeps=True) == SEARCH
    assert told == [START, SEARCH]
    assert autojump_clock.current_time() == 20.0


async def test_without_kept_state_it_begins_anew(autojump_clock: MockClock) -> None:
    told: list[DegradationLevel] = []
    assert await crashed(Fragile, told, keeps=False) == START
    assert told == [START]
    assert autojump_clock.current_time() == 20.0


async def test_other_rules_take_over_the_listeners_alone(autojump_clock: MockClock) -> None:
    told: list[DegradationLevel] = []
    made = iter([DegradationRules(up_after=5.0), DegradationRules(up_after=1.0)])
    assert await crashed(lambda: Fragile(next(made)), told, keeps=True) == START
    assert told == [START]
    assert autojump_clock.current_time() == 20.0


def test_it_goes_on_from_its_own_state_alone() -> None:
    with pytest.raises(TypeError, match=r"^state must be a DegradationState, got int$"):
        Degradation().take_over(5)
    state = Degradation().hand_over()
    assert type(state) is DegradationState


def test_whoever_tells_needs_a_degradation_and_the_name_of_a_service() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"^degradation must be a Ref, got int$"):
        telling(wrong, "search")


def test_rules_are_rules() -> None:
    with pytest.raises(TypeError, match=r"^rules must be DegradationRules, got dict$"):
        Degradation(cast("Any", {}))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Degradation.hear(cast("Any", 5), change("open")), "service must be text, got int"),
        (lambda: Degradation.hear("search", cast("Any", "open")), "change must be a BreakerChange, got str"),
        (lambda: Degradation.outcome(cast("Any", None), True), "service must be text, got NoneType"),
        (lambda: Degradation.outcome("search", cast("Any", 1)), "ok must be True or False, got int"),
        (lambda: Degradation.subscribe(cast("Any", 5)), "listener must be a plain function, got int"),
        (
            lambda: Degradation.subscribe(cast("Any", trio.sleep)),
            "listener must be a plain function, got an async function",
        ),
        (lambda: Degradation.subscribe(print, cast("Any", 5)), "name must be text, got int"),
        (lambda: Degradation.unsubscribe(cast("Any", 5)), "listener must be a name or callable, got int"),
    ],
)
async def test_a_wrong_argument_is_told_to_whoever_gave_it(
    make: Callable[[], Any], told: str, autojump_clock: MockClock
) -> None:
    async with open_actor(Degradation) as degradation:
        with pytest.raises(TypeError) as caught:
            await degradation.ask(make())
        assert str(caught.value) == told
        assert (await degradation.ask(Degradation.statistics())).policy.ignored == 0
        assert (await degradation.ask(Degradation.level())).since == -math.inf
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, [True]),
        (TransportFailed("no answer", kind="timeout"), [False]),
        (BreakerOpen("circuit 'search' is open", service="search", state="open", retry_at=None), []),
        (OutOfTime("no time left"), []),
        (Rejected("no capacity"), []),
        (CallFailed("slow down", retryable=True, fault=Fault.of("rate_limited", "slow down")), []),
        (CallFailed("no", retryable=False, fault=Fault.of("invalid_request", "no")), []),
        (ConnectionResetError(), [False]),
        (LookupError("a mistake of ours"), []),
    ],
)
async def test_the_end_of_a_call_is_told_unless_it_says_nothing(
    error: Exception | None, told: list[bool], autojump_clock: MockClock
) -> None:
    async with open_actor(Degradation) as degradation:
        telling(degradation, "search")(error)
        events = (await degradation.ask(Degradation.statistics())).policy.services["search"].burn[0]
    assert events.events == len(told)
    assert (events.long > 0) == (told == [False])
    assert autojump_clock.current_time() == 0.0
