"""What a breaker does, told state by state with exact numbers."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import pytest

from actors.policies.breaker.breaker import Breaker
from actors.policies.breaker.records import BreakerChange, Outcome, Refused, Ticket
from actors.policies.breaker.rules import PRESETS, BreakerRules
from actors.policies.breaker.tickets import FORGET_AFTER


def breaker_with(*, asks_to_open: bool = False, **rules: Any) -> Breaker:
    """Return a breaker whose open time is exact."""
    return Breaker(BreakerRules(jitter=0.0, **rules), random.Random(0), asks_to_open=asks_to_open)


def let_in(breaker: Breaker, now: float, *, deadline: float = math.inf) -> Ticket:
    ticket = breaker.admit(now, deadline=deadline)
    assert isinstance(ticket, Ticket)
    return ticket


def call(breaker: Breaker, outcome: Outcome, now: float, **named: float) -> BreakerChange | None:
    """Make one call that is over at once."""
    return breaker.settle(let_in(breaker, now), outcome, now, **named)


def tripped(**rules: Any) -> Breaker:
    """Return a breaker that opened at 0, for 60 seconds unless the rules say otherwise."""
    breaker = breaker_with(**rules)
    while breaker.state == "closed":
        call(breaker, "failure", 0.0)
    return breaker


# ── closed ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_third_failure_in_a_row_opens_it() -> None:
    breaker = breaker_with()
    assert call(breaker, "failure", 0.0) is None
    assert call(breaker, "failure", 1.0) is None
    assert call(breaker, "failure", 2.0) == BreakerChange(
        2.0, "closed", "open", 1, "3 failures in a row", 62.0
    )


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_opens_at_its_threshold_for_its_cooldown(preset: str) -> None:
    rules = PRESETS[preset]
    assert rules.consecutive is not None
    breaker = Breaker(rules, random.Random(0))
    for _ in range(rules.consecutive - 1):
        assert call(breaker, "failure", 0.0) is None
    change = call(breaker, "failure", 0.0)
    assert change is not None
    assert change.retry_at is not None
    assert rules.cooldown <= change.retry_at <= rules.cooldown * 1.1


def test_a_call_that_takes_too_long_counts_before_it_ends() -> None:
    breaker = breaker_with(slow_after=10.0)
    tickets = [let_in(breaker, 0.0) for _ in range(16)]
    assert breaker.next_deadline(0.0) == 10.0
    assert breaker.expire(9.9) == ()
    assert breaker.expire(10.0) == (
        BreakerChange(10.0, "closed", "open", 1, "16 of 16 calls were slow", 70.0),
    )
    assert breaker.settle(tickets[0], "success", 11.0) is None
    assert breaker.snapshot(11.0).late == 1


def test_a_success_that_took_too_long_is_slow() -> None:
    breaker = breaker_with(slow_after=10.0)
    ticket = let_in(breaker, 0.0)
    breaker.settle(ticket, "success", 10.0)
    assert breaker.snapshot(10.0).slow_rate == 1.0


# ── open ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_open_breaker_refuses_at_once_and_says_when_to_come_again() -> None:
    breaker = tripped()
    assert breaker.admit(59.9) == breaker.check(59.9) == Refused("open", 60.0)
    assert breaker.snapshot(59.9).refused == 2


def test_a_check_takes_nothing() -> None:
    breaker = tripped()
    assert breaker.check(60.0) is None
    assert breaker.state == "open"
    assert isinstance(breaker.admit(60.0), Ticket)
    assert breaker.check(60.0) == Refused("half_open", 61.0)


def test_one_result_that_names_an_instant_opens_until_then() -> None:
    breaker = breaker_with()
    change = call(breaker, "neutral", 5.0, open_until=3_605.0)
    assert change == BreakerChange(5.0, "closed", "open", 1, "the service named an instant", 3_605.0)
    assert breaker.admit(3_604.9) == Refused("open", 3_605.0)
    assert isinstance(breaker.admit(3_605.0), Ticket)


@pytest.mark.parametrize("named", [4.9, 5.0])
def test_an_instant_that_has_passed_says_nothing(named: float) -> None:
    breaker = breaker_with()
    assert call(breaker, "success", 5.0, open_until=named) is None
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    ("arguments", "named", "text"),
    [
        ("sucess", None, "outcome must be one of success, failure, slow, neutral, got 'sucess'"),
        ("success", math.inf, "open_until must be finite, got inf"),
        ("success", math.nan, "open_until must be a number of seconds, got nan"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    arguments: Any, named: float | None, text: str
) -> None:
    breaker = breaker_with()
    ticket = let_in(breaker, 0.0)
    before = breaker.snapshot(0.0)
    with pytest.raises(ValueError, match=f"^{text}$"):
        breaker.settle(ticket, arguments, 0.0, open_until=named)
    assert breaker.snapshot(0.0) == before


# ── late, twice, lost ───────────────────────────────────────────────────────────────────────────────────────


def test_a_success_that_was_sent_before_the_outage_does_not_close() -> None:
    breaker = breaker_with()
    early = let_in(breaker, 0.0)
    for _ in range(3):
        call(breaker, "failure", 1.0)
    let_in(breaker, 61.0)
    assert breaker.settle(early, "success", 62.0) is None
    assert breaker.state == "half_open"
    assert breaker.snapshot(62.0).late == 1


def test_a_timeout_of_the_outage_does_not_open_again() -> None:
    breaker = breaker_with(consecutive=1)
    early = let_in(breaker, 0.0)
    call(breaker, "failure", 1.0)
    call(breaker, "success", 61.0)
    assert breaker.state == "closed"
    assert breaker.settle(early, "failure", 62.0, open_until=999.0) is None
    assert breaker.state == "closed"


def test_a_ticket_settles_once() -> None:
    breaker = breaker_with(consecutive=2)
    ticket = let_in(breaker, 0.0)
    breaker.settle(ticket, "failure", 0.0)
    assert breaker.settle(ticket, "failure", 0.0) is None
    seen = breaker.snapshot(0.0)
    assert (seen.state, seen.failures_in_row, seen.settled, seen.late) == ("closed", 1, 1, 0)


def test_a_ticket_that_nobody_brings_back_is_written_off_after_an_hour() -> None:
    breaker = breaker_with(slow_after=4_000.0)
    let_in(breaker, 0.0)
    assert breaker.snapshot(FORGET_AFTER - 1).in_flight == 1
    seen = breaker.snapshot(FORGET_AFTER)
    assert (seen.admitted, seen.settled, seen.forgotten, seen.in_flight) == (1, 0, 1, 0)
    assert breaker.next_deadline(FORGET_AFTER) == math.inf


# ── half-open ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = tripped()
    assert call(breaker, "success", 60.0) == BreakerChange(
        60.0, "half_open", "closed", 3, "1 of 1 probes succeeded", None
    )
    seen = breaker.snapshot(60.0)
    assert (seen.failures_in_row, seen.calls, seen.failed_probes) == (0, 0, 0.0)


@pytest.mark.parametrize("outcome", ["failure", "slow"])
def test_a_probe_that_does_not_succeed_opens_it_for_twice_as_long(outcome: Outcome) -> None:
    breaker = tripped()
    assert call(breaker, outcome, 60.0) == BreakerChange(
        60.0, "half_open", "open", 3, "a probe failed", 180.0
    )


def test_a_probe_that_tells_nothing_is_given_to_the_next() -> None:
    breaker = tripped()
    assert call(breaker, "neutral", 60.0) is None
    assert breaker.state == "half_open"
    assert let_in(breaker, 60.0).is_probe


def test_a_probe_that_names_an_instant_opens_until_then_and_is_no_failed_round_by_itself() -> None:
    breaker = tripped()
    change = call(breaker, "neutral", 60.0, open_until=100.0)
    assert change is not None
    assert (change.after, change.retry_at) == ("open", 100.0)
    assert breaker.snapshot(60.0).failed_probes == 0.0
    call(breaker, "failure", 100.0, open_until=130.0)
    assert breaker.snapshot(100.0).failed_probes == 1.0


def test_a_probe_that_never_returns_has_failed_when_its_lease_is_over() -> None:
    breaker = tripped()
    hung = let_in(breaker, 60.0)
    assert breaker.next_deadline(60.0) == 120.0
    assert breaker.expire(120.0) == (
        BreakerChange(120.0, "half_open", "open", 3, "a probe was not back in time", 240.0),
    )
    assert breaker.settle(hung, "success", 121.0) is None
    seen = breaker.snapshot(121.0)
    assert (seen.state, seen.late, seen.overdue, seen.in_flight) == ("open", 1, 1, 0)


def test_a_probe_has_failed_when_its_caller_gives_up() -> None:
    breaker = tripped()
    let_in(breaker, 60.0, deadline=65.0)
    assert breaker.next_deadline(60.0) == 65.0
    assert breaker.check(65.0) == Refused("open", 185.0)


@pytest.mark.parametrize("deadline", [59.0, 60.0])
def test_a_caller_who_has_no_time_left_gets_no_probe(deadline: float) -> None:
    breaker = tripped()
    assert breaker.admit(60.0, deadline=deadline) == Refused("open", 60.0)
    assert breaker.state == "open"
    let_in(breaker, 60.0)
    assert breaker.admit(60.0, deadline=deadline) == Refused("half_open", 61.0)


def test_a_caller_who_has_no_time_left_passes_a_closed_breaker() -> None:
    assert isinstance(breaker_with().admit(5.0, deadline=5.0), Ticket)


def serve(breaker: Breaker, took: float, now: float) -> None:
    """Make one call that succeeds after so many seconds."""
    breaker.settle(let_in(breaker, now), "success", now + took)


@pytest.mark.parametrize(
    ("took", "asked_at", "retry_at"),
    [
        ((), 60.0, 61.0),
        ((0.2,), 60.0, 61.0),  # a quick service: a second all the same
        ((4.0,), 60.0, 64.0),
        ((4.0,), 62.0, 64.0),
        ((4.0,), 63.5, 64.5),
        ((4.0,), 90.0, 91.0),  # it takes longer than usual
        ((4.0,), 119.5, 120.0),  # its lease ends before
        ((4.0, 12.0), 60.0, 65.0),  # an eighth of the way
        ((500.0,), 60.0, 120.0),
    ],
)
def test_while_a_probe_is_out_it_makes_sense_to_ask_again_when_it_is_expected_back(
    took: tuple[float, ...], asked_at: float, retry_at: float
) -> None:
    breaker = breaker_with()
    for seconds in took:
        serve(breaker, seconds, -1000.0)
    while breaker.state == "closed":
        call(breaker, "failure", 0.0)
    let_in(breaker, 60.0)
    assert breaker.admit(asked_at) == Refused("half_open", retry_at)
    assert breaker.snapshot(asked_at).retry_at == retry_at


def test_what_calls_usually_take_is_learned_from_probes_too_and_from_nothing_but_successes() -> None:
    breaker = tripped()
    breaker.settle(let_in(breaker, 60.0), "success", 68.0)
    late = let_in(breaker, 68.0)
    for _ in range(3):
        breaker.settle(let_in(breaker, 68.0), "failure", 98.0)
    assert breaker.settle(late, "success", 99.0) is None  # of another generation
    let_in(breaker, 158.0)
    assert breaker.admit(158.0) == Refused("half_open", 166.0)


def test_a_reset_forgets_what_calls_usually_take() -> None:
    breaker = breaker_with()
    serve(breaker, 8.0, -100.0)
    breaker.reset(-50.0)
    while breaker.state == "closed":
        call(breaker, "failure", 0.0)
    let_in(breaker, 60.0)
    assert breaker.admit(60.0) == Refused("half_open", 61.0)


@pytest.mark.parametrize(("probes", "crowd"), [(1, 1_000), (5, 1_000), (1_000, 1_000), (7, 3)])
def test_a_crowd_at_the_half_open_instant_gets_exactly_the_permits(probes: int, crowd: int) -> None:
    recovery = "trial" if probes == 1 else "probes"
    breaker = tripped(probes=probes, recovery=recovery)
    answers = [breaker.admit(60.0) for _ in range(crowd)]
    admitted = [answer for answer in answers if isinstance(answer, Ticket)]
    assert len(admitted) == min(probes, crowd)
    assert all(ticket.is_probe for ticket in admitted)
    assert {answer for answer in answers if isinstance(answer, Refused)} <= {Refused("half_open", 61.0)}
    assert breaker.snapshot(60.0).probes == len(admitted)


def test_all_probes_decide_and_none_is_given_twice() -> None:
    breaker = tripped(probes=3, recovery="probes")
    first, second, third = (let_in(breaker, 60.0) for _ in range(3))
    assert breaker.settle(first, "success", 61.0) is None
    assert breaker.settle(second, "success", 61.0) is None
    assert breaker.admit(61.0) == Refused("half_open", 62.0)
    change = breaker.settle(third, "success", 61.0)
    assert change is not None
    assert (change.after, change.reason) == ("closed", "3 of 3 probes succeeded")


def test_the_first_failure_decides_where_all_must_succeed() -> None:
    breaker = tripped(probes=3, recovery="probes")
    first, second, _ = (let_in(breaker, 60.0) for _ in range(3))
    assert breaker.settle(first, "failure", 61.0) is not None
    assert breaker.settle(second, "success", 61.0) is None
    assert (breaker.state, breaker.snapshot(61.0).late) == ("open", 1)


def test_a_result_that_comes_after_its_lease_is_late_in_the_same_round_too() -> None:
    breaker = tripped(probes=3, probes_needed=1, recovery="probes")
    hung = let_in(breaker, 60.0, deadline=62.0)
    let_in(breaker, 60.0)
    breaker.expire(62.0)
    assert breaker.state == "half_open"
    assert breaker.settle(hung, "success", 63.0) is None
    assert (breaker.state, breaker.snapshot(63.0).late) == ("half_open", 1)


def test_a_round_in_which_nothing_happens_is_adjourned_and_goes_on_with_the_next_who_asks() -> None:
    breaker = tripped(probes=2, recovery="probes")
    assert call(breaker, "success", 60.0) is None
    assert breaker.next_deadline(60.0) == 120.0
    assert breaker.expire(120.0) == (
        BreakerChange(120.0, "half_open", "open", 3, "its probes told too little", 120.0),
    )
    assert breaker.next_deadline(120.0) == math.inf
    assert breaker.snapshot(120.0).failed_probes == 0.0
    change = call(breaker, "success", 5_000.0)
    assert change is not None
    assert change.after == "closed"


def test_a_breaker_that_flaps_begins_where_it_left_off_and_forgets_slowly() -> None:
    breaker = tripped(decay=300.0)
    call(breaker, "failure", 60.0)  # one failed round: open until 180
    call(breaker, "success", 180.0)
    for _ in range(3):
        call(breaker, "failure", 180.0)
    assert breaker.admit(180.0) == Refused("open", 300.0)
    call(breaker, "success", 300.0)
    for _ in range(3):
        call(breaker, "failure", 600.0)
    assert breaker.admit(600.0) == Refused("open", 660.0)


def test_nothing_is_forgotten_while_it_is_open() -> None:
    breaker = tripped(decay=300.0)
    call(breaker, "failure", 60.0)
    call(breaker, "success", 180.0)
    for _ in range(3):
        call(breaker, "failure", 480.0)
    assert breaker.snapshot(480.0).failed_probes == 0.0
    call(breaker, "failure", 540.0)
    assert breaker.snapshot(9_999.0).failed_probes == 1.0


def test_a_round_that_follows_a_failed_one_has_all_its_probes() -> None:
    breaker = tripped(probes=3, recovery="probes")
    call(breaker, "failure", 60.0)
    assert [let_in(breaker, 180.0).is_probe for _ in range(3)] == [True] * 3
    assert isinstance(breaker.admit(180.0), Refused)


def test_a_round_that_was_broken_off_by_hand_takes_no_probe_from_the_next() -> None:
    breaker = tripped(probes=3, recovery="probes")
    let_in(breaker, 60.0)
    breaker.isolate(61.0)
    assert breaker.snapshot(61.0).probes == 0
    breaker.release(62.0)
    for _ in range(3):
        call(breaker, "failure", 62.0)
    assert [let_in(breaker, 122.0).is_probe for _ in range(3)] == [True] * 3


def test_a_probe_is_one_of_the_hundred_outcomes_that_move_the_threshold() -> None:
    breaker = breaker_with()
    for outcome in ("success",) * 96 + ("failure",) * 3:
        call(breaker, outcome, 0.0)
    assert breaker.snapshot(0.0).threshold == 3
    call(breaker, "success", 60.0)
    assert breaker.snapshot(60.0).threshold == 4


def test_a_probe_that_was_not_back_in_time_is_one_of_them_too() -> None:
    breaker = breaker_with(failure_rate=None)
    for outcome in ("success", "success", "failure") * 27 + ("success",) * 15 + ("failure",) * 3:
        call(breaker, outcome, 0.0)
    let_in(breaker, 60.0)
    breaker.expire(120.0)
    assert breaker.snapshot(120.0).threshold == 2


# ── recovery by health checks ───────────────────────────────────────────────────────────────────────────────


def test_a_health_check_is_due_every_thirty_seconds_and_asked_for_once() -> None:
    breaker = tripped(recovery="health")
    assert breaker.next_deadline(0.0) == 30.0
    assert not breaker.health_due(29.9)
    assert breaker.health_due(30.0)
    assert not breaker.health_due(30.0)
    assert breaker.admit(45.0) == Refused("open", 46.0)  # the check may be back any moment
    assert breaker.admit(59.5) == Refused("open", 60.0)  # and if it is not, there will be another
    assert breaker.health(False, 59.6) is None
    assert breaker.admit(59.7) == Refused("open", 60.0)
    assert breaker.health_due(60.0)
    assert breaker.health(True, 61.0) == BreakerChange(
        61.0, "open", "closed", 2, "a health check succeeded", None
    )


def test_whoever_is_refused_after_a_check_that_failed_is_told_of_the_next_one() -> None:
    breaker = tripped(recovery="health")
    assert breaker.health_due(30.0)
    assert breaker.health(False, 31.0) is None
    assert breaker.admit(32.0) == Refused("open", 60.0)


def test_no_call_is_let_through_to_try_where_health_checks_decide() -> None:
    breaker = tripped(recovery="health")
    assert breaker.admit(1_000.0) == Refused("open", 1_020.0)
    assert breaker.state == "open"


def test_health_checks_that_nobody_made_are_not_made_up_for() -> None:
    breaker = tripped(recovery="health")
    assert breaker.health_due(95.0)
    assert breaker.next_deadline(95.0) == 120.0
    assert not breaker.health_due(95.0)


def test_no_health_check_is_due_before_an_instant_that_was_named() -> None:
    breaker = breaker_with(recovery="health")
    call(breaker, "neutral", 0.0, open_until=500.0)
    assert not breaker.health_due(499.0)
    assert breaker.health_due(500.0)


def test_a_health_check_that_began_in_another_generation_is_late() -> None:
    breaker = tripped(recovery="health")
    old = breaker.generation
    breaker.reset(1.0)
    for _ in range(3):
        call(breaker, "failure", 2.0)
    assert breaker.health(True, 3.0, generation=old) is None
    assert (breaker.state, breaker.snapshot(3.0).late) == ("open", 1)
    assert breaker.health(True, 3.0, generation=breaker.generation) is not None


@pytest.mark.parametrize("recovery", ["trial", "health"])
def test_a_health_check_that_nobody_asked_for_changes_nothing(recovery: str) -> None:
    breaker = tripped() if recovery == "trial" else breaker_with(recovery="health")
    before = breaker.state
    assert breaker.health(True, 1.0) is None
    assert breaker.state == before


# ── with leave ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_breaker_that_asks_stays_closed_until_it_has_leave() -> None:
    breaker = breaker_with(asks_to_open=True)
    for _ in range(3):
        assert call(breaker, "failure", 0.0) is None
    assert (breaker.state, breaker.wants_to_open) == ("closed", True)
    change = breaker.allow_open(1.0)
    assert change is not None
    assert (change.after, change.reason, change.retry_at) == ("open", "3 failures in a row", 61.0)
    assert not breaker.wants_to_open


def test_one_that_was_denied_wants_again_at_the_next_failure() -> None:
    breaker = breaker_with(asks_to_open=True)
    for _ in range(3):
        call(breaker, "failure", 0.0)
    breaker.deny_open(0.0)
    seen = breaker.snapshot(0.0)
    assert (seen.state, seen.would_have_opened, breaker.wants_to_open) == ("closed", 1, False)
    call(breaker, "failure", 0.0)
    assert breaker.wants_to_open


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    breaker = breaker_with(asks_to_open=True)
    assert breaker.allow_open(0.0) is None
    breaker.deny_open(0.0)
    assert breaker.snapshot(0.0).would_have_opened == 0


def test_an_instant_that_was_named_is_kept_while_it_waits_for_leave() -> None:
    breaker = breaker_with(asks_to_open=True, consecutive=1)
    call(breaker, "neutral", 0.0, open_until=500.0)
    call(breaker, "failure", 1.0)
    change = breaker.allow_open(2.0)
    assert change is not None
    assert change.retry_at == 500.0


def test_leave_that_comes_after_the_named_instant_comes_too_late() -> None:
    breaker = breaker_with(asks_to_open=True)
    call(breaker, "neutral", 0.0, open_until=5.0)
    assert breaker.allow_open(5.0) is None
    assert breaker.state == "closed"


def test_a_failed_probe_needs_no_leave() -> None:
    breaker = breaker_with(asks_to_open=True)
    for _ in range(3):
        call(breaker, "failure", 0.0)
    breaker.allow_open(0.0)
    assert call(breaker, "failure", 60.0) is not None


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_isolation_lasts_until_it_is_released_by_hand() -> None:
    breaker = tripped()
    change = breaker.isolate(1.0)
    assert change is not None
    assert (change.before, change.after, change.retry_at) == ("open", "isolated", None)
    for verb in (breaker.isolate, breaker.disable, breaker.observe, breaker.reset):
        assert verb(2.0) is None
    assert breaker.admit(1e9) == Refused("isolated", None)
    released = breaker.release(1e9)
    assert released is not None
    assert released.after == "closed"


def test_results_from_before_the_isolation_change_nothing() -> None:
    breaker = breaker_with()
    early = let_in(breaker, 0.0)
    breaker.isolate(1.0)
    breaker.release(2.0)
    breaker.settle(early, "failure", 3.0)
    assert breaker.snapshot(3.0).failures_in_row == 0


def test_a_disabled_breaker_lets_everybody_through_and_counts_nothing() -> None:
    breaker = breaker_with()
    breaker.disable(0.0)
    assert breaker.disable(0.0) is None
    for _ in range(10):
        assert call(breaker, "failure", 1.0, open_until=99.0) is None
    seen = breaker.snapshot(1.0)
    assert (seen.state, seen.calls, seen.failures_in_row, seen.settled) == ("disabled", 0, 0, 10)


def test_one_that_only_observes_counts_how_often_it_would_have_opened() -> None:
    breaker = breaker_with()
    breaker.observe(0.0)
    assert breaker.observe(0.0) is None
    for _ in range(10):  # the first three trip it, and the others it would have refused
        assert call(breaker, "failure", 1.0) is None
    assert breaker.snapshot(1.0).would_have_opened == 1
    for _ in range(3):
        call(breaker, "failure", 61.0)
    assert (breaker.state, breaker.snapshot(61.0).would_have_opened) == ("observe_only", 2)


def test_a_result_of_a_call_that_it_would_have_refused_is_not_observed() -> None:
    breaker = breaker_with(slow_after=100.0)
    breaker.observe(0.0)
    for _ in range(3):
        call(breaker, "failure", 1.0)
    refused = let_in(breaker, 2.0)
    breaker.settle(refused, "failure", 70.0)
    assert breaker.snapshot(70.0).failures_in_row == 0


def test_an_instant_that_was_named_is_observed_too() -> None:
    breaker = breaker_with()
    breaker.observe(0.0)
    assert call(breaker, "neutral", 0.0, open_until=50.0) is None
    assert breaker.snapshot(0.0).would_have_opened == 1
    call(breaker, "failure", 49.0)
    assert breaker.snapshot(49.0).failures_in_row == 0
    call(breaker, "failure", 50.0)
    assert breaker.snapshot(50.0).failures_in_row == 1


@pytest.mark.parametrize("is_half_open", [False, True])
def test_a_reset_closes_what_opened_by_itself_and_forgets_all(is_half_open: bool) -> None:
    breaker = tripped()
    call(breaker, "failure", 60.0)
    probe = let_in(breaker, 180.0) if is_half_open else None
    change = breaker.reset(181.0)
    assert change is not None
    assert (change.after, change.reason) == ("closed", "reset by hand")
    assert breaker.snapshot(181.0).failed_probes == 0.0
    if probe is not None:
        assert breaker.settle(probe, "failure", 182.0) is None
        assert breaker.snapshot(182.0).late == 1


def test_a_reset_of_a_closed_breaker_is_no_change_and_makes_what_is_under_way_late() -> None:
    breaker = breaker_with()
    early = let_in(breaker, 0.0)
    call(breaker, "failure", 0.0)
    assert breaker.reset(1.0) is None
    breaker.settle(early, "failure", 2.0)
    seen = breaker.snapshot(2.0)
    assert (seen.state, seen.failures_in_row, seen.late) == ("closed", 0, 1)


def test_a_reset_lets_one_that_observes_see_again() -> None:
    breaker = breaker_with()
    breaker.observe(0.0)
    for _ in range(3):
        call(breaker, "failure", 0.0)
    breaker.reset(1.0)
    call(breaker, "failure", 2.0)
    seen = breaker.snapshot(2.0)
    assert (seen.state, seen.failures_in_row) == ("observe_only", 1)


@pytest.mark.parametrize("now", [0.0, 59.0])
def test_what_opened_by_itself_is_not_released(now: float) -> None:
    breaker = tripped()
    assert breaker.release(now) is None
    assert breaker.state == "open"


def test_a_snapshot_counts_what_is_in_the_window_now() -> None:
    breaker = breaker_with()
    call(breaker, "failure", 0.0)
    assert (breaker.snapshot(59.0).calls, breaker.snapshot(59.0).failure_rate) == (1, 1.0)
    assert (breaker.snapshot(60.0).calls, breaker.snapshot(60.0).failure_rate) == (0, 0.0)


# ── time, changes, crashes ──────────────────────────────────────────────────────────────────────────────────


def test_a_breaker_that_is_looked_at_seldom_does_not_differ_from_one_that_is_looked_at_often() -> None:
    often, seldom = tripped(slow_after=30.0), tripped(slow_after=30.0)
    for breaker in (often, seldom):
        let_in(breaker, 60.0)
    for second in range(61, 500):
        often.expire(float(second))
    assert often.snapshot(500.0) == seldom.snapshot(500.0)
    assert often.take_changes() == seldom.take_changes()


def test_every_change_is_told_once_those_included_that_no_verb_returns() -> None:
    breaker = tripped()
    let_in(breaker, 60.0)
    breaker.expire(120.0)
    assert [(each.before, each.after) for each in breaker.take_changes()] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "open"),
    ]
    assert breaker.take_changes() == ()


def test_a_copy_goes_on_where_the_original_was() -> None:
    """All of it is plain values, so an actor may hand it over when it crashes."""
    breaker = Breaker(BreakerRules(slow_after=10.0, jitter=0.5), random.Random(3))
    early = let_in(breaker, 0.0)
    for _ in range(3):
        call(breaker, "failure", 1.0)
    heir = copy.deepcopy(breaker)
    for each in (breaker, heir):
        assert each.settle(early, "failure", 2.0) is None
        let_in(each, 100.0)
    assert heir.expire(200.0) == breaker.expire(200.0)
    assert heir.snapshot(300.0) == breaker.snapshot(300.0)
