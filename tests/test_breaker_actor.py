"""The breaker's actor: whom it lets through, what it tells, health checks, what is set by hand, what a crash costs."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from breaker_setup import (
    HEALTH,
    NAME,
    RULES,
    Fragile,
    Heard,
    Page,
    admit,
    crash,
    fail,
    idle,
    open_breaker,
    refusal,
    settle,
    snapshot,
)
from cast_setup import open_restarting
from trio.testing import MockClock

from actors.breaker.breaker import Breaker
from actors.breaker.memory import BreakerMemory
from actors.errors import BreakerOpen
from actors.kernel import Ref, open_actor
from actors.policies.breaker.records import BreakerChange, Ticket
from actors.policies.breaker.rules import BreakerRules


@asynccontextmanager
async def open_fragile(
    rules: BreakerRules = RULES, *, keeps_state: bool = True, pause: float = 0.0, **options: Any
) -> AsyncGenerator[Ref[Fragile]]:
    """Open a breaker that can crash, and is restarted when it has."""
    make = partial(Fragile, rules, service=NAME, **options)
    async with open_restarting(make, "breaker", keeps_state=keeps_state, pause=pause) as breaker:
        yield breaker


# ── who is let through ──────────────────────────────────────────────────────────────────────────────────────────


async def test_three_failures_in_a_row_refuse_everybody_for_exactly_the_open_time(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker:
        await trio.sleep(7.0)
        await fail(breaker, 2)
        await breaker.ask(Breaker.check())
        await fail(breaker)
        refused = await refusal(breaker)
        assert (refused.service, refused.state, refused.retry_at) == (NAME, "open", 67.0)
        assert str(refused) == "breaker 'anthropic/opus' is open; retry after 60 s"
        await trio.sleep_until(66.9)
        assert str(await refusal(breaker)) == "breaker 'anthropic/opus' is open; retry after 0.1 s"
        with pytest.raises(BreakerOpen, match=r"is open; retry after 0\.1 s"):
            await breaker.ask(Breaker.check())
        await trio.sleep_until(67.0)
        await breaker.ask(Breaker.check())
        probe = await admit(breaker)
        assert probe == Ticket(4, 2, is_probe=True, admitted_at=67.0)
    assert autojump_clock.current_time() == 67.0


async def test_a_probe_that_succeeds_closes_and_others_are_refused_meanwhile(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()
    async with open_breaker(on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        probe = await admit(breaker)
        refused = await refusal(breaker)
        assert (refused.state, refused.retry_at) == ("half_open", 61.0)
        assert (
            str(refused)
            == "breaker 'anthropic/opus' is half-open and its trial calls are out; retry after 1 s"
        )
        await trio.sleep(2.0)
        await settle(breaker, probe, "success")
        assert (await admit(breaker)).is_probe is False
    assert heard.path == [(0.0, "open"), (60.0, "half_open"), (62.0, "closed")]
    assert {service for service, _ in heard.changes} == {NAME}
    assert autojump_clock.current_time() == 62.0


async def test_an_asker_that_vanishes_between_admission_and_answer_gives_the_permit_back(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        with trio.CancelScope() as scope:
            scope.cancel()
            await admit(breaker)  # the message is in the mailbox, and its asker is gone
        assert scope.cancelled_caught
        await idle()
        assert (await snapshot(breaker)).probes == 0
        assert (await admit(breaker)).is_probe
    assert autojump_clock.current_time() == 60.0


async def test_a_ticket_whose_asker_is_gone_when_it_is_given_is_taken_back_as_neutral(
    autojump_clock: MockClock,
) -> None:
    scope = trio.CancelScope()

    class Leaving(Breaker):
        def admit(self, deadline: float = math.inf) -> Ticket:
            scope.cancel()  # in the middle of it: the answer finds nobody
            return super().admit(deadline)

    async with open_actor(partial(Leaving, RULES, service=NAME), name="breaker") as breaker:
        with scope:
            await breaker.ask(Breaker.admit())
        assert scope.cancelled_caught
        await idle()
        seen = await snapshot(breaker)
    assert (seen.admitted, seen.settled, seen.in_flight) == (1, 1, 0)
    assert (seen.calls, seen.failures_in_row) == (0, 0)
    assert autojump_clock.current_time() == 0.0


async def test_a_caller_without_time_left_gets_no_probe(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        with pytest.raises(BreakerOpen) as caught:
            await admit(breaker, deadline=60.0)
        assert caught.value.retry_at == 60.0
        assert (await admit(breaker, deadline=60.5)).is_probe
    assert autojump_clock.current_time() == 60.0


# ── hung, slow, late ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hung_probe_fails_when_its_lease_ends_and_no_breaker_stays_half_open(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()
    async with open_breaker(on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(60.0)
        hung = await admit(breaker)
        await trio.sleep_until(200.0)
        await settle(breaker, hung, "success")  # it comes after its lease: late, and no word of it counts
        assert (await refusal(breaker)).retry_at == 240.0
        await trio.sleep_until(250.0)
        await admit(
            breaker, deadline=260.0
        )  # hangs too, with a caller who leaves earlier than the lease ends
        await trio.sleep_until(500.0)
        await settle(breaker, await admit(breaker), "success")
        assert (await snapshot(breaker)).late == 1
    assert heard.path == [
        (0.0, "open"),
        (60.0, "half_open"),
        (120.0, "open"),  # for 120 s
        (250.0, "half_open"),
        (260.0, "open"),  # for 240 s
        (500.0, "half_open"),
        (500.0, "closed"),
    ]
    assert autojump_clock.current_time() == 500.0


async def test_calls_that_are_slow_open_it_before_they_end(autojump_clock: MockClock) -> None:
    rules = attrs.evolve(RULES, consecutive=None, slow_after=5.0, slow_rate=0.5)
    heard = Heard()
    async with open_breaker(rules, on_change=heard) as breaker:
        for _ in range(4):
            await admit(breaker)
        await trio.sleep(9.0)
    assert heard.path == [(5.0, "open")]
    assert heard.changes[0][1].reason == "4 of 4 calls were slow"
    assert autojump_clock.current_time() == 9.0


async def test_a_success_that_took_too_long_by_its_callers_measure_is_slow(autojump_clock: MockClock) -> None:
    rules = attrs.evolve(RULES, consecutive=None, slow_after=5.0, slow_rate=0.5)
    async with open_breaker(rules) as breaker:
        for took in (4.9, 5.0):
            await settle(breaker, await admit(breaker), "success", took=took)
        seen = await snapshot(breaker)
        assert (seen.calls, seen.slow_rate) == (2, 0.5)
        await settle(breaker, await admit(breaker), "neutral", took=99.0)
        assert (await snapshot(breaker)).calls == 2
    assert autojump_clock.current_time() == 0.0


async def test_what_is_settled_twice_or_was_sent_before_the_outage_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker:
        early = await admit(breaker)
        twice = await admit(breaker)
        await settle(breaker, twice, "failure")
        await settle(breaker, twice, "failure")
        await fail(breaker)
        await breaker.ask(Breaker.check())  # two failures, not three
        await fail(breaker)
        await trio.sleep_until(60.0)
        probe = await admit(breaker)
        await settle(breaker, early, "success")
        assert (await snapshot(breaker)).state == "half_open"
        await settle(breaker, probe, "failure")
        assert (await refusal(breaker)).retry_at == 180.0
        assert (await snapshot(breaker)).late == 1
    assert autojump_clock.current_time() == 60.0


async def test_one_result_that_names_an_instant_opens_until_then(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await settle(breaker, await admit(breaker), "neutral", open_until=3600.0)
        assert (await refusal(breaker)).retry_at == 3600.0
    assert autojump_clock.current_time() == 0.0


# ── what it tells ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_change_is_an_event_with_facts_and_no_text_of_a_request(
    autojump_clock: MockClock,
) -> None:
    page = Page()
    async with open_breaker(log=page.log) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(61.5)
        await settle(breaker, await admit(breaker), "success")
        for wish in (Breaker.observe(), Breaker.disable(), Breaker.isolate(), Breaker.release()):
            await breaker.ask(wish)
    opened = {"service": NAME, "before": "closed", "generation": 1, "why": "3 failures in a row"}
    assert page.events == [
        {"level": "warning", "event": "breaker.opened", **opened, "again_in": 60.0},
        {
            "level": "info",
            "event": "breaker.half_opened",
            **opened,
            "before": "open",
            "generation": 2,
            "why": "its time is over",
        },
        {
            "level": "info",
            "event": "breaker.closed",
            **opened,
            "before": "half_open",
            "generation": 3,
            "why": "1 of 1 probes succeeded",
        },
        *(
            {
                "level": level,
                "event": f"breaker.{event}",
                "service": NAME,
                "before": before,
                "generation": generation,
                "why": why,
            }
            for level, event, before, generation, why in (
                ("warning", "observed", "closed", 4, "only observing, by hand"),
                ("warning", "disabled", "observe_only", 5, "disabled by hand"),
                ("warning", "isolated", "disabled", 6, "isolated by hand"),
                ("info", "closed", "isolated", 7, "released by hand"),
            )
        ),
    ]
    assert autojump_clock.current_time() == 61.5


async def test_a_listener_that_raises_is_logged_told_again_and_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    told: list[str] = []

    def listen(service: str, change: BreakerChange) -> None:
        told.append(change.after)
        raise ValueError(f"a listener's own affair with {service}")

    page = Page()
    async with open_breaker(on_change=listen, log=page.log) as breaker:
        await fail(breaker, 3)
        await breaker.ask(Breaker.reset())
        assert breaker.statistics().incarnation == 1
    assert told == ["open", "closed"]
    failures = [event for event in page.events if event["event"] == "breaker.listener_failed"]
    assert (
        failures
        == [
            {
                "level": "error",
                "event": "breaker.listener_failed",
                "service": NAME,
                "error": "ValueError",
            }
        ]
        * 2
    )
    assert autojump_clock.current_time() == 0.0


# ── health checks ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_health_checks_run_every_thirty_seconds_beside_the_mailbox_and_close_it(
    autojump_clock: MockClock,
) -> None:
    began: list[float] = []

    async def check() -> None:
        began.append(trio.current_time())
        match len(began):
            case 1:
                raise ConnectionRefusedError
            case 2:
                await trio.sleep_forever()
            case 3:
                await trio.sleep(1.5)
            case _:
                pytest.fail("a breaker that is closed needs no check")

    heard, page = Heard(), Page()
    async with open_breaker(HEALTH, check=check, on_change=heard, log=page.log) as breaker:
        await trio.sleep(100.0)
        await fail(breaker, 3)
        assert (await refusal(breaker)).retry_at == 130.0
        await trio.sleep_until(165.0)  # in the middle of the one that hangs: it may be back any moment
        assert (await refusal(breaker)).retry_at == 166.0
        assert trio.current_time() == 165.0
        await trio.sleep_until(191.0)
        assert (await refusal(breaker)).state == "open"
        await trio.sleep_until(300.0)
        assert (await admit(breaker)).is_probe is False
    assert began == [130.0, 160.0, 190.0]  # the one that hangs is cut after thirty seconds
    assert heard.path == [(100.0, "open"), (191.5, "closed")]
    assert [event for event in page.events if event["event"] == "breaker.check_failed"] == [
        {
            "level": "info",
            "event": "breaker.check_failed",
            "service": NAME,
            "error": "ConnectionRefusedError",
        },
        {"level": "info", "event": "breaker.check_failed", "service": NAME, "error": None},
    ]
    assert autojump_clock.current_time() == 300.0


async def test_a_health_check_that_cannot_be_cut_is_not_run_twice_at_a_time(
    autojump_clock: MockClock,
) -> None:
    running, most = 0, 0

    async def check() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        with trio.CancelScope(shield=True):
            await trio.sleep(70.0)
        running -= 1

    heard = Heard()
    async with open_breaker(HEALTH, check=check, on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(101.0)
        assert (await snapshot(breaker)).state == "closed"  # it was well after all, if slow to say so
    assert most == 1
    assert heard.path == [(0.0, "open"), (100.0, "closed")]
    assert autojump_clock.current_time() == 101.0


async def test_what_a_health_check_finds_after_somebody_isolated_it_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async def check() -> None:
        await trio.sleep(5.0)

    async with open_breaker(HEALTH, check=check) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(32.0)
        await breaker.ask(Breaker.isolate())
        await trio.sleep_until(40.0)
        assert (await refusal(breaker)).state == "isolated"
    assert autojump_clock.current_time() == 40.0


async def test_what_a_health_check_finds_of_an_earlier_outage_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    began: list[float] = []

    async def check() -> None:
        began.append(trio.current_time())
        await trio.sleep(20.0)

    heard = Heard()
    async with open_breaker(HEALTH, check=check, on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(35.0)
        await breaker.ask(Breaker.reset())
        await fail(breaker, 3)
        await trio.sleep_until(55.0)  # the first check has come back at 50, and well
        assert (await refusal(breaker)).retry_at == 65.0
        await trio.sleep_until(90.0)
    assert began == [30.0, 65.0]
    assert heard.path == [(0.0, "open"), (35.0, "closed"), (35.0, "open"), (85.0, "closed")]
    assert autojump_clock.current_time() == 90.0


async def test_health_checks_go_on_after_a_crash(autojump_clock: MockClock) -> None:
    began: list[float] = []

    async def check() -> None:
        began.append(trio.current_time())
        if len(began) == 1:
            await trio.sleep_forever()

    heard = Heard()
    async with open_fragile(HEALTH, check=check, on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(40.0)
        await crash(breaker)  # and with it the check that hangs
        await trio.sleep_until(70.0)
    assert began == [30.0, 60.0]
    assert heard.path == [(0.0, "open"), (60.0, "closed")]
    assert autojump_clock.current_time() == 70.0


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_isolated_stays_so_until_it_is_released(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        before = await admit(breaker)
        await breaker.ask(Breaker.isolate())
        refused = await refusal(breaker)
        assert (refused.state, refused.retry_at) == ("isolated", None)
        assert str(refused) == "breaker 'anthropic/opus' is isolated, until somebody releases it"
        await settle(breaker, before, "success")
        for wish in (Breaker.reset(), Breaker.disable(), Breaker.observe()):
            await breaker.ask(wish)
        await trio.sleep(86_400.0)
        assert (await refusal(breaker)).state == "isolated"
        await breaker.ask(Breaker.release())
        assert (await snapshot(breaker)).state == "closed"
        await admit(breaker)
    assert autojump_clock.current_time() == 86_400.0


async def test_a_disabled_one_counts_nothing_and_an_observing_one_tells_what_it_would_have_done(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker:
        await breaker.ask(Breaker.disable())
        await fail(breaker, 10)
        seen = await snapshot(breaker)
        assert (seen.state, seen.calls, seen.would_have_opened) == ("disabled", 0, 0)
        await breaker.ask(Breaker.observe())
        await fail(breaker, 3)
        await admit(breaker)
        seen = await snapshot(breaker)
        assert (seen.state, seen.opened, seen.would_have_opened) == ("observe_only", 0, 1)
    assert autojump_clock.current_time() == 0.0


# ── over a crash ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_window_generation_and_open_time_outlive_a_crash(autojump_clock: MockClock) -> None:
    async with open_fragile() as breaker:
        await fail(breaker, 2)
        await crash(breaker)
        assert (await snapshot(breaker)).failures_in_row == 2
        await fail(breaker)
        assert (await refusal(breaker)).retry_at == 60.0
        await crash(breaker)
        assert (await refusal(breaker)).retry_at == 60.0
        await trio.sleep_until(60.0)
        await fail(breaker)
        await crash(breaker)
        assert (await refusal(breaker)).retry_at == 180.0  # the second round: twice as long
        seen = await snapshot(breaker)
        assert (seen.generation, seen.opened, seen.failed_probes) == (3, 2, 1.0)
        assert breaker.statistics().incarnation == 4
    assert autojump_clock.current_time() == 60.0


async def test_a_probe_that_was_out_when_it_crashed_decides_still(autojump_clock: MockClock) -> None:
    heard = Heard()
    async with open_fragile(on_change=heard, pause=5.0) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(60.0)
        probe = await admit(breaker)
        await crash(breaker)
        assert trio.current_time() == 65.0
        assert (await refusal(breaker)).state == "half_open"  # its permit is still out
        await settle(breaker, probe, "success")
    assert heard.path == [(0.0, "open"), (60.0, "half_open"), (65.0, "closed")]
    assert autojump_clock.current_time() == 65.0


async def test_a_lease_that_ended_while_it_was_down_has_ended(autojump_clock: MockClock) -> None:
    heard = Heard()
    async with open_fragile(on_change=heard, pause=30.0) as breaker:
        await fail(breaker, 3)
        await trio.sleep_until(60.0)
        await admit(breaker, deadline=70.0)
        await crash(breaker)
        assert trio.current_time() == 90.0
        assert (await refusal(breaker)).retry_at == 190.0  # 120 s from the instant at which the lease ended
    assert heard.path == [(0.0, "open"), (60.0, "half_open"), (70.0, "open")]
    assert autojump_clock.current_time() == 90.0


async def test_a_settlement_that_comes_while_it_is_down_is_heard_when_it_is_up(
    autojump_clock: MockClock,
) -> None:
    async with open_fragile(pause=5.0) as breaker:
        ticket = await admit(breaker)
        await breaker.tell(Fragile.crash())
        await idle()
        breaker.tell_regardless(Breaker.settle(ticket, "failure"))
        await trio.sleep(6.0)
        assert (await snapshot(breaker)).failures_in_row == 1
    assert autojump_clock.current_time() == 6.0


async def test_isolation_outlives_a_crash_and_other_rules(autojump_clock: MockClock) -> None:
    async with open_fragile() as breaker:
        await breaker.ask(Breaker.isolate())
        await crash(breaker)
        assert (await refusal(breaker)).state == "isolated"
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize(
    ("wish", "state"),
    [
        (Breaker.isolate(), "isolated"),
        (Breaker.disable(), "disabled"),
        (Breaker.observe(), "observe_only"),
        (Breaker.reset(), "closed"),
    ],
)
async def test_other_rules_begin_anew_but_for_what_was_set_by_hand(
    wish: Any, state: str, autojump_clock: MockClock
) -> None:
    memory = BreakerMemory()
    async with open_breaker(memory=memory) as breaker:
        await breaker.ask(wish)
        await fail(breaker, 0 if state == "isolated" else 2)
    async with open_breaker(BreakerRules(consecutive=5), memory=memory) as breaker:
        seen = await snapshot(breaker)
        assert (seen.state, seen.threshold, seen.failures_in_row) == (state, 5, 0)
    assert autojump_clock.current_time() == 0.0


async def test_where_nothing_is_kept_it_begins_closed_and_a_ticket_of_another_life_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async with open_fragile(keeps_state=False) as breaker:
        before = [await admit(breaker) for _ in range(3)]
        await trio.sleep(1.0)
        await crash(breaker)
        after = await admit(breaker)
        assert after.number == before[0].number
        for ticket in before:
            await settle(breaker, ticket, "failure")
        seen = await snapshot(breaker)
        assert (seen.state, seen.failures_in_row, seen.in_flight) == ("closed", 0, 1)
    assert autojump_clock.current_time() == 1.0


def test_what_is_no_memory_of_it_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^state must be a BreakerMemory, got dict$"):
        Breaker(RULES, service=NAME).take_over({})
    with pytest.raises(TypeError, match=r"^memory must be a BreakerMemory or None, got dict$"):
        Breaker(RULES, service=NAME, memory={})  # type: ignore[arg-type]  # wrong on purpose
