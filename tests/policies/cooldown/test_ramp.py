"""The gate after trouble: shut, then one, then three times as many in each round, then open, and on its guard."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.policies.cooldown.patience import FIRST_PATIENCE, MOST_PATIENCE
from actors.policies.cooldown.ramp import (
    CALM_SIZE,
    FULL_SIZE,
    HALT,
    QUIET_AFTER,
    STALE_AFTER,
    STALE_SIZE,
    WARY_FOR,
    Outcome,
    Ramp,
    RampStatistics,
)


def at_once(requests: int | None = None) -> Ramp:
    """A ramp whose grants are not staggered."""
    return Ramp(requests, spread=0.0)


def granted(ramp: Ramp, now: float, most: int = 1000) -> int:
    """Grant as many as pass in this instant."""
    count = 0
    while count < most and ramp.opens_at(now) <= now:
        ramp.pass_one(now)
        count += 1
    return count


def settle(ramp: Ramp, outcome: Outcome, times: int, *, granted_at: float, now: float) -> None:
    for _ in range(times):
        ramp.settled(outcome, granted_at=granted_at, now=now)


# ── without trouble ─────────────────────────────────────────────────────────────────────────────────────────────


def test_without_trouble_it_is_open_and_counts_nothing() -> None:
    ramp = Ramp(50)
    assert granted(ramp, 0.0) == 1000
    assert not ramp.settled("success", granted_at=0.0, now=1.0)
    assert not ramp.settled("other", granted_at=0.0, now=1.0)
    assert ramp.statistics(1.0) == RampStatistics(1.0, False, None, 0, FIRST_PATIENCE, 0, 0)


def test_a_paced_one_staggers_grants_without_trouble_too() -> None:
    ramp = Ramp(50, paced=True)
    instants: list[float] = []
    now = 0.0
    for _ in range(50):
        now = ramp.opens_at(now)
        ramp.pass_one(now)
        instants.append(now)
    assert instants == pytest.approx([each * 0.04 for each in range(50)])
    assert not ramp.is_active(now)


def test_a_paced_one_wakes_fifty_times_a_second_at_most() -> None:
    ramp = Ramp(4000, paced=True)
    assert granted(ramp, 0.0) == 40
    assert ramp.opens_at(0.0) == 0.02


def test_the_limit_can_be_changed_at_any_time() -> None:
    ramp = Ramp(50, paced=True)
    ramp.requests = 25
    ramp.pass_one(0.0)
    assert ramp.opens_at(0.0) == 0.08
    ramp.requests = None
    ramp.pass_one(0.08)
    assert ramp.opens_at(0.08) == 0.08 + 2.0 / FULL_SIZE


# ── shut ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_shut_until_the_pause_is_over() -> None:
    ramp = Ramp(50)
    ramp.pause(30.0, 10.0)
    assert ramp.opens_at(10.0) == ramp.opens_at(29.9) == 30.0
    assert ramp.opens_at(30.0) == 30.0
    assert ramp.is_active(10.0)


def test_a_pause_lengthens_another_and_never_shortens_it() -> None:
    ramp = Ramp(50)
    ramp.pause(30.0, 10.0)
    ramp.pause(20.0, 11.0)
    assert ramp.opens_at(11.0) == 30.0
    ramp.pause(40.0, 12.0)
    assert ramp.opens_at(12.0) == 40.0
    assert ramp.statistics(12.0).pauses == 2


def test_trouble_shuts_it_at_once_for_a_short_time() -> None:
    ramp = Ramp(50)
    assert not ramp.settled("trouble", granted_at=9.0, now=10.0)
    assert ramp.opens_at(10.0) == 10.0 + HALT
    assert ramp.statistics(10.0).halts == 1


def test_a_whole_clump_of_trouble_shuts_it_once() -> None:
    ramp = Ramp(50)
    for now in (10.0, 10.4, 10.9, 11.5, 14.0):
        ramp.settled("trouble", granted_at=9.0, now=now)
    assert ramp.opens_at(10.9) == 11.0
    assert ramp.opens_at(14.0) == 14.0
    assert ramp.statistics(14.0).halts == 1


def test_the_word_of_the_cooldown_takes_the_place_of_the_halt() -> None:
    shorter, longer = Ramp(50), Ramp(50)
    for ramp, until in ((shorter, 10.5), (longer, 18.0)):
        ramp.halt(10.0)
        ramp.pause(until, 10.0)
        assert ramp.opens_at(10.0) == until


def test_an_older_pause_does_not_end_a_halt() -> None:
    ramp = Ramp(50)
    ramp.pause(20.0, 10.0)
    ramp.halt(25.0)
    ramp.pause(20.0, 25.0)
    assert ramp.opens_at(25.0) == 26.0


def test_a_halt_during_a_pause_changes_nothing() -> None:
    ramp = Ramp(50)
    ramp.pause(20.0, 10.0)
    ramp.halt(19.9)
    assert ramp.opens_at(19.9) == 20.0
    assert ramp.statistics(19.9).halts == 0


def test_a_pause_that_was_over_before_it_was_heard_of_begins_a_ramp_at_once() -> None:
    ramp = at_once(50)
    ramp.pause(9.0, 10.0)
    assert granted(ramp, 10.0) == 1


def test_a_lifted_pause_opens_it_at_once_and_slowly() -> None:
    ramp = at_once(50)
    ramp.pause(100.0, 10.0)
    ramp.lift(20.0)
    assert granted(ramp, 20.0) == 1
    ramp.lift(20.5)
    assert ramp.statistics(20.5).without_news == 1
    ramp.pause(99.0, 20.5)
    assert ramp.opens_at(20.5) == 99.0


@pytest.mark.parametrize("until", [math.inf, math.nan])
def test_a_pause_without_end_is_refused(until: float) -> None:
    ramp = Ramp(50)
    with pytest.raises(ValueError, match="until must be"):
        ramp.pause(until, 10.0)
    assert not ramp.is_active(10.0)


# ── ramping ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_pause_one_passes() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    assert granted(ramp, 10.0) == 1
    assert ramp.opens_at(10.0) == 10.0 + FIRST_PATIENCE


def test_each_success_makes_room_for_two_more_so_the_number_triples_in_a_round() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    rounds: list[int] = []
    for now in range(10, 14):
        rounds.append(granted(ramp, float(now), most=60))
        settle(ramp, "success", rounds[-1], granted_at=float(now), now=now + 0.5)
    assert rounds == [1, 3, 9, 27]
    assert not ramp.is_active(13.5)


def test_silence_for_longer_than_refusals_take_is_as_good_as_success() -> None:
    ramp = at_once(50)
    ramp.settled("trouble", granted_at=9.5, now=10.0)
    assert ramp.statistics(10.0).patience == 1.0
    rounds = [granted(ramp, 11.0 + now, most=60) for now in range(4)]
    assert rounds == [1, 3, 9, 27]
    assert not ramp.is_active(15.0)


def test_a_success_after_silence_has_spoken_does_not_count_again() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert granted(ramp, 11.0) == 3
    ramp.settled("success", granted_at=10.0, now=11.5)
    assert ramp.statistics(11.5).size == 3
    assert ramp.statistics(11.5).without_news == 3


def test_what_tells_nothing_makes_room_for_the_next_probe_and_none_beyond_that() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert not ramp.settled("other", granted_at=10.0, now=10.1)
    assert granted(ramp, 10.1) == 1


def test_trouble_of_a_probe_shuts_it_and_begins_anew() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    ramp.settled("success", granted_at=10.0, now=10.5)
    granted(ramp, 10.5)
    ramp.settled("trouble", granted_at=10.5, now=10.6)
    assert ramp.opens_at(10.6) == 11.6
    assert granted(ramp, 11.6) == 1


def test_news_of_calls_from_before_the_pause_is_no_news() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 5.0)
    granted(ramp, 10.0)
    for outcome in ("success", "other", "trouble"):
        assert not ramp.settled(outcome, granted_at=4.9, now=10.2)
    assert ramp.statistics(10.2).size == 1
    assert ramp.statistics(10.2).without_news == 1
    assert ramp.statistics(10.2).halts == 0


def test_stale_trouble_teaches_how_long_refusals_take() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 5.0)
    ramp.settled("trouble", granted_at=4.8, now=5.1)
    assert ramp.statistics(10.0).patience == pytest.approx(0.6)


def test_what_silence_has_said_already_is_not_taken_back_by_longer_patience() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 5.0)
    granted(ramp, 10.0)
    ramp.settled("trouble", granted_at=4.0, now=11.0)
    assert ramp.statistics(11.0).patience == MOST_PATIENCE
    assert ramp.statistics(11.0).size == 3


def test_the_first_success_after_a_pause_is_worth_a_word() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert not ramp.settled("success", granted_at=9.0, now=10.1)
    assert ramp.settled("success", granted_at=10.0, now=10.5)
    assert not ramp.settled("success", granted_at=10.0, now=10.6)
    ramp.halt(11.0)
    assert ramp.settled("success", granted_at=12.0, now=12.5)


def test_the_first_success_is_worth_a_word_though_the_ramp_has_ended_by_silence() -> None:
    ramp = at_once(1)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert not ramp.is_active(15.0)
    assert ramp.settled("success", granted_at=10.0, now=20.0)


def test_a_settlement_may_name_the_instant_of_sending_instead_of_the_grant() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert ramp.settled("success", granted_at=10.01, now=10.5)
    assert ramp.statistics(10.5).size == 3


def test_the_ramp_ends_when_it_has_been_quiet_for_a_window_and_goes_on_with_its_guard_up() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    assert ramp.statistics(math.nextafter(10.0 + QUIET_AFTER, 0.0)).size == 1
    assert ramp.statistics(10.0 + QUIET_AFTER).size == STALE_SIZE
    assert granted(ramp, 10.0 + QUIET_AFTER) == STALE_SIZE


@pytest.mark.parametrize(("requests", "steps"), [(5, 3), (50, 25), (None, 32)])
def test_the_ramp_ends_when_as_many_may_pass_as_the_limit_lets_through(
    requests: int | None, steps: int
) -> None:
    ramp = at_once(requests)
    ramp.pause(0.0, -1.0)
    for step in range(steps):
        assert ramp.is_active(step * 0.1)
        ramp.pass_one(step * 0.1)
        ramp.settled("success", granted_at=step * 0.1, now=step * 0.1)
    assert not ramp.is_active(steps * 0.1)


def test_while_it_ramps_grants_are_staggered_over_the_spread() -> None:
    ramp = Ramp(50, spread=2.0)
    ramp.pause(10.0, 0.0)
    assert granted(ramp, 10.0) == 1
    ramp.settled("success", granted_at=10.0, now=10.01)
    assert ramp.opens_at(10.01) == 10.04
    assert granted(ramp, 10.04) == 1
    assert ramp.opens_at(10.04) == pytest.approx(10.08)


# ── on its guard ────────────────────────────────────────────────────────────────────────────────────────────────


def answered(requests: int | None, at: float = 0.0) -> Ramp:
    """A ramp whose grants are not staggered, and whose last success is of an instant."""
    ramp = at_once(requests)
    ramp.pass_one(at)
    ramp.settled("success", granted_at=at, now=at)
    return ramp


def after_trouble(requests: int | None) -> Ramp:
    """One that has ramped after a pause until 0, to the end, in that instant."""
    ramp = at_once(requests)
    ramp.pause(0.0, -1.0)
    while ramp.is_active(0.0):
        ramp.pass_one(0.0)
        ramp.settled("success", granted_at=0.0, now=0.0)
    return ramp


def test_before_the_first_answer_nothing_is_stale() -> None:
    ramp = at_once(50)
    ramp.pass_one(0.0)
    ramp.settled("other", granted_at=0.0, now=1.0)
    assert granted(ramp, 1000.0) == 1000


def test_in_calm_the_first_grants_after_a_silence_are_a_third_of_the_limit_or_sixteen() -> None:
    just = math.nextafter(STALE_AFTER, math.inf)
    for requests, size in ((50, 16), (17, CALM_SIZE), (4_000, 1_333), (None, 21)):
        assert granted(answered(requests), just, most=5_000) == size
        assert granted(answered(requests), STALE_AFTER, most=5_000) == 5_000


def test_a_limit_that_small_needs_no_guard() -> None:
    assert granted(answered(CALM_SIZE), 100.0) == 1000
    assert granted(after_trouble(STALE_SIZE), 100.0) == 1000


def test_after_trouble_they_are_a_twelfth_of_the_limit_or_four() -> None:
    for requests, size in ((50, 4), (5, STALE_SIZE), (4_000, 333), (None, 5)):
        assert granted(after_trouble(requests), 10.0) == size


def test_it_is_wary_for_ten_minutes() -> None:
    assert granted(after_trouble(50), math.nextafter(WARY_FOR, 0.0)) == STALE_SIZE
    assert granted(after_trouble(50), WARY_FOR) == CALM_SIZE


def test_each_one_that_is_silent_or_answered_makes_room_for_two_more() -> None:
    ramp = answered(50)
    assert granted(ramp, 10.0) == 16
    settle(ramp, "success", 2, granted_at=10.0, now=10.5)
    assert ramp.statistics(10.5).size == 20
    assert granted(ramp, 10.5) == 6
    assert not ramp.is_active(10.0 + FIRST_PATIENCE + 0.5)
    assert granted(ramp, 10.0 + FIRST_PATIENCE + 0.5) == 1000


def test_it_is_staggered_after_trouble_and_not_in_calm() -> None:
    calm, wary = Ramp(50), Ramp(50)
    calm.settled("success", granted_at=0.0, now=0.0)
    wary.pause(0.0, -1.0)
    assert granted(calm, 10.0) == CALM_SIZE
    assert granted(wary, QUIET_AFTER) == 1
    assert wary.opens_at(QUIET_AFTER) == QUIET_AFTER + 0.04


def test_a_guarded_start_ends_after_a_quiet_window_and_the_next_one_is_guarded_again() -> None:
    ramp = answered(50)
    assert granted(ramp, 10.0, most=3) == 3
    assert ramp.statistics(10.0 + QUIET_AFTER - 0.1).size == CALM_SIZE + 6
    assert ramp.statistics(10.0 + QUIET_AFTER).size == CALM_SIZE


def test_looking_begins_nothing() -> None:
    looked_at, other = answered(50), answered(50)
    for now in range(6, 80):
        looked_at.statistics(float(now))
    assert looked_at.statistics(100.0) == other.statistics(100.0)
    assert granted(looked_at, 100.0) == granted(other, 100.0) == CALM_SIZE


def test_silence_speaks_at_its_instant_whenever_anybody_asks() -> None:
    looked_at, other = answered(20), answered(20)
    for ramp in (looked_at, other):
        assert granted(ramp, 10.0) == CALM_SIZE
    assert not looked_at.is_active(10.0 + FIRST_PATIENCE)
    later = 10.0 + FIRST_PATIENCE + STALE_AFTER
    assert [ramp.is_active(later) for ramp in (looked_at, other)] == [False, False]
    later = math.nextafter(later, math.inf)
    assert [ramp.statistics(later).size for ramp in (looked_at, other)] == [CALM_SIZE, CALM_SIZE]


def test_trouble_of_a_guarded_start_shuts_it() -> None:
    ramp = answered(50)
    granted(ramp, 10.0)
    ramp.settled("trouble", granted_at=10.0, now=10.5)
    assert ramp.opens_at(10.5) == 10.5 + HALT
    assert granted(ramp, 10.5 + HALT) == 1


def test_the_end_of_the_pause_that_holds_is_told_and_no_ramp() -> None:
    ramp = at_once(50)
    assert ramp.shut_until(5.0) == 5.0
    ramp.pause(10.0, 5.0)
    assert ramp.shut_until(5.0) == 10.0
    granted(ramp, 10.0)
    assert ramp.shut_until(10.5) == 10.5
    ramp.halt(11.0)
    assert ramp.shut_until(11.0) == 11.0 + HALT


# ── never stuck ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_probe_that_hangs_for_two_minutes_holds_up_nobody_for_longer_than_patience() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    granted(ramp, 10.0)
    assert ramp.opens_at(10.0) == 11.0
    assert granted(ramp, 11.0) == 3


def test_probes_that_are_all_cancelled_let_the_next_through_at_once() -> None:
    ramp = at_once(50)
    ramp.pause(10.0, 0.0)
    for _ in range(100):
        assert granted(ramp, 10.0) == 1
        ramp.settled("other", granted_at=10.0, now=10.0)


def test_grants_that_are_never_settled_leave_nothing_behind() -> None:
    ramp = at_once(5)
    ramp.pause(10.0, 0.0)
    for now in range(10, 200):
        granted(ramp, float(now), most=10)
    assert ramp.statistics(202.0).without_news == 0
    assert granted(ramp, 202.0, most=10) == STALE_SIZE


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"requests": 0}, ValueError, "requests must be >= 1 or None, got 0"),
        ({"requests": 1.5}, TypeError, "requests must be a whole number or None, got 1.5"),
        ({"spread": -1.0}, ValueError, "spread must be >= 0.0, got -1.0"),
        ({"spread": math.inf}, ValueError, "spread must be finite, got inf"),
    ],
)
def test_a_ramp_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Ramp(**arguments)
    assert str(caught.value) == text


def test_a_limit_that_makes_no_sense_is_refused_later_too() -> None:
    ramp = Ramp(50)
    with pytest.raises(ValueError, match="requests must be >= 1 or None, got 0"):
        ramp.requests = 0
    assert ramp.requests == 50
