"""Tests for who is active in a failover group: plain numbers for time."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from supervisors.failover.policy import (
    Awaited,
    Decision,
    Down,
    FailBack,
    FailoverPolicy,
    Fit,
    KeepLast,
    Promote,
    Proving,
    Stay,
    Suspect,
)


def group(size: int = 2, *, healthy_for: float = 30.0, is_probed: bool = True) -> FailoverPolicy:
    """Return a group whose members all serve."""
    policy = FailoverPolicy(size, healthy_for, is_probed)
    for rank in range(size):
        assert policy.serves(rank, 0.0) == Stay()
    return policy


# the start


def test_the_first_member_is_active_from_the_start() -> None:
    policy = FailoverPolicy(2, 30.0, is_probed=True)
    assert (policy.active, policy.standing(0), policy.standing(1)) == (0, Awaited(), Awaited())
    assert policy.serves(0, 0.0) == Stay()
    assert policy.serves(1, 0.0) == Stay()
    assert (policy.active, policy.standing(0), policy.standing(1)) == (0, Fit(), Fit())


def test_a_first_member_that_does_not_start_gives_way_to_the_first_that_does() -> None:
    policy = FailoverPolicy(3, 30.0, is_probed=True)
    assert policy.falls(0, "not started") == KeepLast()
    assert policy.falls(1, "not started") == KeepLast()
    assert policy.serves(2, 0.0) == Promote(2, demoted=0)


# going over


def test_a_crash_within_the_budget_does_not_move_the_role() -> None:
    policy = group()
    assert policy.crashes(0) == Stay()
    assert policy.standing(0) == Suspect()
    assert policy.crashes(0) == Stay()
    assert policy.serves(0, 0.4) == Stay()
    assert (policy.active, policy.standing(0)) == (0, Fit())


def test_a_spent_budget_moves_the_role_to_the_next_fit_member() -> None:
    policy = group(3)
    policy.crashes(1)
    assert policy.falls(0, "budget spent") == Promote(2, demoted=0)
    assert (policy.active, policy.standing(0)) == (2, Down("budget spent"))


def test_a_member_that_says_it_is_unwell_loses_the_role_though_it_serves() -> None:
    policy = group()
    assert policy.feels(0, 5.0, is_well=False) == Promote(1, demoted=0)
    assert policy.standing(0) == Down("unwell")


def test_a_member_that_is_unwell_when_it_starts_is_not_fit() -> None:
    policy = FailoverPolicy(2, 30.0, is_probed=True)
    assert policy.serves(0, 0.0, is_well=False) == KeepLast()
    assert policy.serves(1, 0.0) == Promote(1, demoted=0)


def test_a_crash_of_a_standby_takes_it_out_of_the_line_until_it_has_proved_itself() -> None:
    policy = group(is_probed=False)
    assert policy.crashes(1) == Stay()
    assert policy.standing(1) == Down("crashed")
    policy.serves(1, 2.0)
    assert policy.standing(1) == Proving(2.0)


def test_a_fit_member_goes_before_a_better_one_that_is_proving() -> None:
    policy = group(3, is_probed=False)
    policy.crashes(1)
    policy.serves(1, 1.0)
    assert policy.falls(0, "budget spent") == Promote(2, demoted=0)


def test_one_that_is_proving_takes_the_role_when_there_is_no_fit_one() -> None:
    policy = group(is_probed=False)
    policy.crashes(1)
    policy.serves(1, 1.0)
    assert policy.falls(0, "budget spent") == Promote(1, demoted=0)
    assert (policy.active, policy.standing(1)) == (1, Proving(1.0))
    assert policy.advance(31.0) == Stay()
    assert policy.standing(1) == Fit()


def test_the_last_one_is_never_taken_out() -> None:
    policy = group()
    policy.falls(1, "budget spent")
    assert policy.falls(0, "budget spent") == KeepLast()
    assert policy.active == 0


def test_a_group_of_one_keeps_its_only_member_whatever_happens() -> None:
    policy = group(1)
    assert policy.falls(0, "budget spent") == KeepLast()
    assert policy.serves(0, 30.0) == KeepLast()
    assert policy.answers(0, 30.0) == Stay()


def test_the_last_one_gives_way_as_soon_as_another_begins_to_prove_itself() -> None:
    policy = group()
    policy.falls(1, "budget spent")
    policy.falls(0, "budget spent")
    assert policy.serves(1, 30.0) == KeepLast()
    assert policy.answers(1, 30.0) == Promote(1, demoted=0)


# going back


def test_the_role_goes_back_at_the_probe_that_completes_healthy_for() -> None:
    policy = group(healthy_for=10.0)
    policy.falls(0, "budget spent")
    assert policy.serves(0, 30.0) == Stay()
    assert policy.standing(0) == Down("budget spent")
    assert policy.answers(0, 32.0) == Stay()
    assert policy.standing(0) == Proving(32.0)
    assert policy.answers(0, math.nextafter(42.0, 0)) == Stay()
    assert policy.answers(0, 42.0) == FailBack(0, demoted=1)
    assert policy.active == 0


def test_a_probe_that_fails_begins_the_proof_anew() -> None:
    policy = group(healthy_for=10.0)
    policy.falls(0, "budget spent")
    policy.serves(0, 30.0)
    policy.answers(0, 30.0)
    policy.answers(0, 39.0)
    assert policy.fails_probe(0) == Stay()
    assert policy.standing(0) == Down("probe failed")
    policy.answers(0, 41.0)
    assert policy.answers(0, 50.0) == Stay()
    assert policy.answers(0, 51.0) == FailBack(0, demoted=1)


@pytest.mark.parametrize(
    "interrupt",
    [
        lambda policy: (policy.crashes(0), policy.serves(0, 35.0)),
        lambda policy: (policy.falls(0, "budget spent"), policy.serves(0, 35.0)),
        lambda policy: (policy.feels(0, 34.0, is_well=False), policy.feels(0, 35.0, is_well=True)),
    ],
)
def test_whatever_goes_wrong_begins_the_proof_anew(interrupt: Callable[[FailoverPolicy], object]) -> None:
    policy = group(healthy_for=10.0)
    policy.falls(0, "budget spent")
    policy.serves(0, 30.0)
    policy.answers(0, 30.0)
    interrupt(policy)
    assert policy.answers(0, 40.0) == Stay()
    assert policy.answers(0, 50.0) == FailBack(0, demoted=1)


def test_without_probes_time_alone_completes_the_proof() -> None:
    policy = group(healthy_for=10.0, is_probed=False)
    assert policy.next_deadline() == math.inf
    policy.falls(0, "budget spent")
    policy.serves(0, 30.0)
    assert policy.next_deadline() == 40.0
    assert policy.advance(math.nextafter(40.0, 0)) == Stay()
    assert policy.advance(40.0) == FailBack(0, demoted=1)
    assert policy.next_deadline() == math.inf


def test_without_probes_a_member_proves_itself_from_when_it_says_that_it_is_well_again() -> None:
    policy = group(healthy_for=10.0, is_probed=False)
    policy.feels(0, 1.0, is_well=False)
    policy.feels(0, 4.0, is_well=True)
    assert policy.next_deadline() == 14.0
    policy.feels(0, 7.0, is_well=True)
    assert policy.next_deadline() == 14.0


def test_a_probe_that_an_unwell_member_answers_proves_nothing() -> None:
    policy = group(healthy_for=10.0)
    policy.feels(0, 1.0, is_well=False)
    assert policy.answers(0, 2.0) == Stay()
    assert policy.standing(0) == Down("unwell")


def test_a_worse_member_that_is_fit_again_changes_nothing() -> None:
    policy = group(healthy_for=10.0, is_probed=False)
    policy.crashes(1)
    policy.serves(1, 1.0)
    assert policy.advance(11.0) == Stay()
    assert (policy.active, policy.standing(1)) == (0, Fit())


def test_the_role_climbs_step_by_step_as_better_members_come_back() -> None:
    policy = group(3, healthy_for=10.0, is_probed=False)
    policy.falls(0, "budget spent")
    policy.falls(1, "budget spent")
    assert policy.active == 2
    policy.serves(1, 30.0)
    policy.serves(0, 35.0)
    assert policy.advance(40.0) == FailBack(1, demoted=2)
    assert policy.advance(45.0) == FailBack(0, demoted=1)


def test_one_that_loses_the_role_between_two_incarnations_has_to_prove_itself() -> None:
    policy = group(healthy_for=10.0, is_probed=False)
    policy.falls(0, "budget spent")
    policy.serves(0, 30.0)
    policy.crashes(1)
    assert policy.advance(40.0) == FailBack(0, demoted=1)
    assert policy.standing(1) == Down("crashed")


# whom to probe


def test_only_a_member_that_serves_and_is_not_trusted_is_under_test() -> None:
    policy = group(healthy_for=10.0)
    assert [policy.is_under_test(rank) for rank in (0, 1)] == [False, False]
    policy.crashes(0)
    assert not policy.is_under_test(0)
    policy.falls(0, "budget spent")
    assert not policy.is_under_test(0)
    policy.serves(0, 30.0)
    assert policy.is_under_test(0)
    policy.answers(0, 30.0)
    assert policy.is_under_test(0)
    policy.answers(0, 40.0)
    assert not policy.is_under_test(0)


def test_nobody_is_under_test_where_there_are_no_probes() -> None:
    policy = group(is_probed=False)
    policy.feels(0, 1.0, is_well=False)
    assert not policy.is_under_test(0)


@pytest.mark.parametrize("verb", [lambda p: p.answers(0, 40.0), lambda p: p.fails_probe(0)])
def test_the_answer_to_a_probe_of_an_incarnation_that_has_ended_is_no_event(
    verb: Callable[[FailoverPolicy], Decision],
) -> None:
    policy = group()
    policy.falls(0, "budget spent")
    assert verb(policy) == Stay()
    assert policy.standing(0) == Down("budget spent")


# what is refused


def test_what_cannot_happen_is_refused_and_changes_nothing() -> None:
    policy = group()
    with pytest.raises(ValueError, match=r"^member 1 serves already$"):
        policy.serves(1, 1.0)
    policy.falls(1, "budget spent")
    with pytest.raises(ValueError, match=r"^member 1 does not serve$"):
        policy.feels(1, 1.0, is_well=False)
    assert (policy.active, policy.standing(0), policy.standing(1)) == (0, Fit(), Down("budget spent"))


@pytest.mark.parametrize(
    ("size", "healthy_for", "complaint"),
    [
        (0, 30.0, "a group has at least 1 member, got 0"),
        (1, 0.0, "healthy_for must be > 0 and finite, got 0.0"),
        (1, math.inf, "healthy_for must be > 0 and finite, got inf"),
        (1, math.nan, "healthy_for must be > 0 and finite, got nan"),
    ],
)
def test_a_wrong_group_is_refused(size: int, healthy_for: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^(a group|healthy_for) ") as caught:
        FailoverPolicy(size, healthy_for, is_probed=True)
    assert str(caught.value) == complaint
