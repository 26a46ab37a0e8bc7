"""A round of probes gives what it has, takes silence for a no, and speaks as soon as it is sure."""

from __future__ import annotations

import math

import pytest

from actors.policies.breaker.probes import ProbeRound
from actors.policies.breaker.records import Ticket
from actors.policies.breaker.rules import BreakerRules

RULES = BreakerRules(probes=3, probes_needed=2, probe_lease=10.0, recovery="probes")


def probe(number: int) -> Ticket:
    return Ticket(number, 1, is_probe=True, admitted_at=0.0)


def lease(round_: ProbeRound, *numbers: int, deadline: float = math.inf, now: float = 0.0) -> None:
    for number in numbers:
        round_.give(probe(number), deadline, now)


def balance(round_: ProbeRound) -> tuple[int, int, int, int]:
    assert round_.free + round_.out + round_.successes + round_.failures == 3
    return round_.free, round_.out, round_.successes, round_.failures


def test_what_is_given_is_not_free() -> None:
    round_ = ProbeRound(RULES)
    assert balance(round_) == (3, 0, 0, 0)
    lease(round_, 1, 2)
    assert balance(round_) == (1, 2, 0, 0)


def test_a_probe_that_comes_back_without_a_word_is_free_again() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1)
    assert round_.give_back(probe(1), 1.0, is_success=None)
    assert balance(round_) == (3, 0, 0, 0)
    assert round_.verdict is None


def test_it_is_well_at_the_last_success_that_is_needed() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1, 2, 3)
    round_.give_back(probe(1), 1.0, is_success=True)
    round_.give_back(probe(2), 1.0, is_success=False)
    assert round_.verdict is None
    round_.give_back(probe(3), 1.0, is_success=True)
    assert balance(round_) == (0, 0, 2, 1)
    assert round_.verdict == "well"


def test_it_is_ill_as_soon_as_success_is_no_longer_possible() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1, 2, 3)
    round_.give_back(probe(1), 1.0, is_success=False)
    assert round_.verdict is None
    round_.give_back(probe(2), 1.0, is_success=False)
    assert round_.verdict == "ill"


def test_a_probe_that_is_not_back_in_time_has_failed_and_is_not_taken_back() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1, now=5.0)
    assert round_.next_end == 15.0
    round_.end_lease(15.0)
    assert balance(round_) == (2, 0, 0, 1)
    assert round_.overdue == 1
    assert not round_.give_back(probe(1), 16.0, is_success=True)
    assert balance(round_) == (2, 0, 0, 1)


@pytest.mark.parametrize(
    ("slow_after", "deadline", "end"),
    [
        (None, math.inf, 10.0),
        (None, 4.0, 4.0),
        (None, 30.0, 10.0),
        (3.0, math.inf, 3.0),
        (3.0, 2.0, 2.0),
        (20.0, math.inf, 10.0),
    ],
)
def test_a_lease_ends_when_the_caller_gives_up_or_the_probe_is_slow_or_has_taken_too_long(
    slow_after: float | None, deadline: float, end: float
) -> None:
    round_ = ProbeRound(BreakerRules(probe_lease=10.0, slow_after=slow_after))
    lease(round_, 1, deadline=deadline)
    assert round_.next_end == end


def test_probes_are_expected_back_when_the_last_of_them_usually_would_be() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1)
    lease(round_, 2, now=2.0)
    assert round_.expected_back(2.0, usual=3.0) == 5.0
    assert round_.expected_back(4.5, usual=3.0) == 5.5  # it may be back any moment
    assert round_.expected_back(9.5, usual=3.0) == 10.0  # the first lease ends
    assert round_.expected_back(2.0, usual=0.0) == 3.0


def test_leases_end_in_their_own_order() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1)
    lease(round_, 2, deadline=3.0)
    assert round_.next_end == 3.0
    round_.end_lease(3.0)
    assert round_.next_end == 10.0
    assert round_.give_back(probe(1), 9.0, is_success=True)


def test_a_round_in_which_nothing_happens_is_adjourned_after_the_length_of_a_lease() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1)
    round_.give_back(probe(1), 4.0, is_success=None)
    assert round_.next_end == 14.0


def test_a_new_round_knows_nothing_of_the_old_one_but_how_many_were_overdue() -> None:
    round_ = ProbeRound(RULES)
    lease(round_, 1, 2)
    round_.end_lease(10.0)
    round_.clear()
    assert balance(round_) == (3, 0, 0, 0)
    assert round_.overdue == 1
    assert not round_.give_back(probe(2), 11.0, is_success=True)
