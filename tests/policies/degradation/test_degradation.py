"""Degradation: what is down, what that stands for, and how long it must last."""

from __future__ import annotations

import math

import attrs
import pytest

from actors.policies.breaker.records import BREAKER_STATES, BreakerState
from actors.policies.degradation.burn_rate import BurnRow, BurnRules
from actors.policies.degradation.degradation import Degradation
from actors.policies.degradation.rules import START, DegradationLevel, DegradationRules

SHUT = ("search: breaker open",)
RISEN = DegradationLevel(1, "search_degraded", 15.0, SHUT)


def test_it_begins_with_nothing_known_and_nothing_due() -> None:
    degradation = Degradation()
    assert (degradation.level, degradation.truth, degradation.next_deadline()) == (START, 0, math.inf)
    assert degradation.expire(1000.0) == ()


def test_it_rises_when_a_breaker_has_been_open_long_enough() -> None:
    degradation = Degradation()
    assert degradation.hear("search", "open", 10.0) == ()
    assert (degradation.truth, degradation.next_deadline()) == (1, 15.0)
    assert degradation.expire(14.9) == ()
    assert degradation.expire(15.0) == (RISEN,)
    assert (degradation.level, degradation.next_deadline()) == (RISEN, math.inf)


def test_it_falls_when_all_has_been_well_long_enough() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 10.0)
    degradation.expire(20.0)
    assert degradation.hear("search", "half_open", 40.0) == ()
    assert degradation.truth == 1  # a probe has proved nothing yet
    assert degradation.hear("search", "closed", 41.0) == ()
    assert degradation.next_deadline() == 101.0
    assert degradation.expire(101.0) == (DegradationLevel(0, "normal", 101.0),)


def test_a_change_has_happened_at_its_own_instant_however_late_one_looks() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 10.0)
    degradation.hear("search", "closed", 16.0)
    assert degradation.expire(500.0) == (DegradationLevel(0, "normal", 76.0),)
    assert degradation.statistics(500.0).rises == 1


def test_what_was_due_is_told_by_whatever_comes_next() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 10.0)
    assert degradation.hear("search", "closed", 16.0) == (RISEN,)


def test_a_breaker_that_closes_soon_enough_changes_nothing() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 10.0)
    degradation.hear("search", "closed", 14.9)
    assert degradation.next_deadline() == math.inf
    assert degradation.expire(1000.0) == ()


def test_a_breaker_that_opens_again_in_the_same_outage_takes_nobody_down_and_up() -> None:
    degradation = Degradation()
    degradation.hear("model", "open", 0.0)
    for start in range(60, 600, 60):
        degradation.hear("model", "half_open", float(start))
        degradation.hear("model", "closed", start + 1.0)
        degradation.hear("model", "open", start + 10.0)
    assert degradation.expire(700.0) == ()
    assert degradation.level == DegradationLevel(4, "critical", 5.0, ("model: breaker open",))


def test_it_goes_to_what_is_true_in_one_step_up_and_down() -> None:
    degradation = Degradation()
    for service in ("search", "memory", "stores", "chat"):
        degradation.hear(service, "open", 0.0)
    (level,) = degradation.expire(5.0)
    assert (level.number, level.name) == (4, "critical")
    assert level.why == (
        "chat: breaker open",
        "memory: breaker open",
        "search: breaker open",
        "stores: breaker open",
    )
    degradation.hear("chat", "closed", 10.0)
    degradation.hear("stores", "closed", 10.0)
    (level,) = degradation.expire(70.0)
    assert (level.number, level.name, level.since) == (2, "memory_degraded", 70.0)
    assert level.why == ("memory: breaker open", "search: breaker open")


def test_it_rises_only_as_far_as_has_lasted() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 0.0)
    degradation.hear("model", "open", 4.0)
    changes = degradation.expire(20.0)
    assert [(level.number, level.since) for level in changes] == [(1, 5.0), (4, 9.0)]


def test_it_falls_only_as_far_as_has_lasted() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 0.0)
    degradation.hear("model", "open", 0.0)
    degradation.expire(5.0)
    degradation.hear("model", "closed", 10.0)
    degradation.hear("search", "closed", 40.0)
    changes = degradation.expire(200.0)
    assert [(level.number, level.since) for level in changes] == [(1, 70.0), (0, 100.0)]


@pytest.mark.parametrize("state", BREAKER_STATES)
def test_open_half_open_and_isolated_are_down(state: BreakerState) -> None:
    degradation = Degradation()
    degradation.hear("stores", state, 0.0)
    assert degradation.truth == (3 if state in ("open", "half_open", "isolated") else 0)


def test_a_service_with_several_breakers_is_down_when_all_of_them_are() -> None:
    degradation = Degradation(DegradationRules(members={"model": ("opus", "haiku")}))
    degradation.hear("model/opus", "open", 0.0)
    assert degradation.truth == 0
    degradation.hear("model/haiku", "half_open", 1.0)
    assert degradation.truth == 4
    degradation.expire(6.0)
    assert degradation.level.why == ("model: breaker half_open, open",)
    degradation.hear("model/opus", "closed", 7.0)
    assert degradation.truth == 0


def test_where_some_breakers_are_open_calls_say_whether_the_others_answer() -> None:
    degradation = Degradation(DegradationRules(members={"model": ("opus", "haiku")}))
    degradation.hear("model/opus", "open", 0.0)
    for ok in (False, False, True, False, False):
        degradation.outcome("model", ok=ok, now=1.0)
    assert degradation.truth == 0
    degradation.outcome("model", ok=False, now=2.0)
    assert degradation.truth == 4
    degradation.expire(7.0)
    assert degradation.level.why == ("model: breaker open",)
    degradation.outcome("model", ok=True, now=8.0)
    assert degradation.truth == 0


def test_where_all_breakers_are_closed_a_few_calls_that_failed_say_nothing() -> None:
    degradation = Degradation(DegradationRules(members={"model": ("opus", "haiku")}))
    for _ in range(4):
        degradation.outcome("model", ok=False, now=0.0)
    assert degradation.truth == 0
    degradation.hear("model/opus", "open", 1.0)
    assert degradation.truth == 4
    degradation.hear("model/opus", "closed", 2.0)
    assert degradation.truth == 0


def test_a_breaker_that_nobody_named_joins_its_service() -> None:
    degradation = Degradation()
    degradation.hear("model/opus", "open", 0.0)
    assert degradation.truth == 4
    degradation.hear("model/haiku", "closed", 0.0)
    assert degradation.truth == 0


def test_a_breaker_of_the_service_s_own_name_stands_for_all_of_it_and_never_against_its_parts() -> None:
    degradation = Degradation(DegradationRules(members={"model": ("opus", "haiku")}))
    degradation.hear("model", "open", 0.0)
    assert degradation.truth == 4
    degradation.hear("model", "closed", 0.0)
    assert degradation.truth == 0
    degradation.hear("model/opus", "open", 0.0)
    degradation.hear("model/haiku", "open", 0.0)
    assert degradation.truth == 4


def test_a_service_that_stands_for_nothing_is_counted_and_changes_nothing() -> None:
    degradation = Degradation()
    assert degradation.hear("weather", "open", 0.0) == ()
    assert degradation.outcome("weather/here", ok=False, now=0.0) == ()
    told = degradation.statistics(0.0)
    assert (told.truth, told.ignored, "weather" in told.services) == (0, 2, False)


def test_a_burn_takes_a_service_down_while_its_breaker_is_closed() -> None:
    rules = DegradationRules(burn=BurnRules(0.9, (BurnRow(5.0, 60.0, 12.0),)))
    degradation = Degradation(rules)
    for now in (0.0, 1.0, 2.0, 3.0):
        degradation.outcome("search", ok=False, now=now)
    assert degradation.truth == 1
    assert degradation.next_deadline() == 8.0
    changes = degradation.expire(1000.0)
    assert changes == (
        DegradationLevel(1, "search_degraded", 8.0, ("search: errors burn 5 times too fast",)),
        DegradationLevel(0, "normal", 75.0),  # the last error leaves the short window at 15
    )


def test_a_burn_and_an_open_breaker_are_one_being_down() -> None:
    rules = DegradationRules(burn=BurnRules(0.9, (BurnRow(5.0, 60.0, 12.0),)))
    degradation = Degradation(rules)
    for now in (0.0, 0.0, 0.0, 0.0):
        degradation.outcome("search", ok=False, now=now)
    degradation.hear("search", "open", 3.0)
    assert degradation.expire(20.0) == (DegradationLevel(1, "search_degraded", 5.0, SHUT),)
    degradation.hear("search", "closed", 30.0)
    assert degradation.expire(1000.0) == (DegradationLevel(0, "normal", 90.0),)


def test_a_burn_that_is_over_as_it_has_lasted_long_enough_has_lasted() -> None:
    rules = DegradationRules(up_after=9.0, down_after=0.0, burn=BurnRules(0.9, (BurnRow(5.0, 60.0, 12.0),)))
    degradation = Degradation(rules)
    for now in (0.0, 0.0, 0.0, 3.0):
        degradation.outcome("search", ok=False, now=now)
    # Three errors leave the short window at 12, the fourth alone keeps its share at 1 until 15.
    assert [(level.number, level.since) for level in degradation.expire(100.0)] == [(1, 12.0), (0, 15.0)]
    brief = Degradation(attrs.evolve(rules, up_after=12.0))
    for now in (0.0, 0.0, 0.0, 3.0):
        brief.outcome("search", ok=False, now=now)
    (risen, fallen) = brief.expire(100.0)
    assert (risen.number, risen.since, risen.why) == (1, 15.0, ("search: errors burn 5 times too fast",))
    assert (fallen.number, fallen.since, fallen.why) == (0, 15.0, ())


def test_successes_keep_the_level_at_normal() -> None:
    degradation = Degradation()
    for now in range(100):
        degradation.outcome("model", ok=now % 50 != 0, now=float(now))
    assert degradation.truth == 0


def test_the_statistics_say_where_each_service_stands() -> None:
    degradation = Degradation()
    degradation.hear("search", "open", 0.0)
    degradation.outcome("chat", ok=True, now=1.0)
    degradation.expire(6.0)
    told = degradation.statistics(6.0)
    assert (told.level.number, told.truth, told.rises, told.falls, told.ignored) == (1, 1, 1, 0, 0)
    assert list(told.services) == ["search", "memory", "stores", "model", "chat"]
    search, chat = told.services["search"], told.services["chat"]
    assert (search.level, search.is_down, dict(search.breakers)) == (1, True, {"": "open"})
    assert (chat.level, chat.is_down, chat.breakers, chat.burn[0].events) == (4, False, {}, 1)
