"""Tests for restart decisions, budgets and backoff: plain numbers for time, and dice that are not random."""

from __future__ import annotations

import math
import random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.intensity import CHILD_INTENSITY, SUPERVISOR_INTENSITY, Intensity, RestartWindow
from supervisors.restart import (
    VERDICTS,
    Decision,
    Escalate,
    ExitReason,
    Forget,
    Keep,
    Restart,
    RestartRecord,
    RestartType,
)


class Loaded(random.Random):
    """Dice that always show the same."""

    def __init__(self, shows: float) -> None:
        super().__init__(0)
        self.shows = shows

    def random(self) -> float:
        return self.shows


HALF = Loaded(0.5)


def record(
    restart: RestartType = "permanent",
    *,
    own: Intensity = CHILD_INTENSITY,
    shared: RestartWindow | None = None,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> RestartRecord:
    return RestartRecord(restart, backoff, RestartWindow(own), shared or RestartWindow(SUPERVISOR_INTENSITY))


# the truth table


@pytest.mark.parametrize(
    ("restart", "reason", "decision"),
    [
        ("permanent", "normal", Restart(0.05)),
        ("permanent", "stopped", Restart(0.0)),
        ("permanent", "killed", Restart(0.0)),
        ("permanent", "crashed", Restart(0.05)),
        ("permanent", "cancelled", Keep()),
        ("transient", "normal", Keep()),
        ("transient", "stopped", Keep()),
        ("transient", "killed", Keep()),
        ("transient", "crashed", Restart(0.05)),
        ("transient", "cancelled", Keep()),
        ("temporary", "normal", Forget()),
        ("temporary", "stopped", Forget()),
        ("temporary", "killed", Forget()),
        ("temporary", "crashed", Forget()),
        ("temporary", "cancelled", Forget()),
    ],
)
def test_the_restart_type_and_the_exit_decide(
    restart: RestartType, reason: ExitReason, decision: Decision
) -> None:
    assert record(restart).decide(reason, ran_for=1.0, now=10.0, rng=HALF) == decision


def test_the_table_has_a_verdict_for_every_type_and_reason() -> None:
    assert {restart: set(row) for restart, row in VERDICTS.items()} == {
        restart: set(get_args(ExitReason)) for restart in get_args(RestartType)
    }


# budgets


def test_a_child_that_spent_its_budget_escalates() -> None:
    child = record(own=Intensity(2, 10.0))
    for now in (1.0, 2.0):
        assert isinstance(child.decide("crashed", ran_for=0, now=now, rng=HALF), Restart)
    assert child.decide("crashed", ran_for=0, now=3.0, rng=HALF) == Escalate("child", Intensity(2, 10.0))


def test_children_spend_from_their_supervisors_budget_together() -> None:
    shared = RestartWindow(Intensity(2, 10.0))
    first, second = record(shared=shared), record(shared=shared)
    assert isinstance(first.decide("crashed", ran_for=0, now=1.0, rng=HALF), Restart)
    assert isinstance(second.decide("crashed", ran_for=0, now=1.0, rng=HALF), Restart)
    assert first.decide("crashed", ran_for=0, now=2.0, rng=HALF) == Escalate("supervisor", Intensity(2, 10.0))


def test_a_restart_that_the_supervisor_cannot_pay_for_is_not_charged_to_the_child() -> None:
    child = record(shared=RestartWindow(Intensity(0, 10.0)))
    child.decide("crashed", ran_for=0, now=1.0, rng=HALF)
    assert (child.window.count(1.0), child.failures) == (0, 0)


def test_ends_that_are_not_restarted_cost_nothing() -> None:
    child = record("transient", own=Intensity(0, 10.0))
    assert child.decide("normal", ran_for=0, now=1.0, rng=HALF) == Keep()
    assert child.decide("crashed", ran_for=0, now=1.0, rng=HALF) == Escalate("child", Intensity(0, 10.0))


def test_a_restart_leaves_the_window_when_it_is_exactly_one_period_old() -> None:
    window = RestartWindow(Intensity(1, 10.0))
    window.add(5.0)
    assert not window.has_room(math.nextafter(15.0, 0))
    assert window.has_room(15.0)
    assert window.count(15.0) == 0


def test_a_full_window_refuses_and_notes_nothing() -> None:
    window = RestartWindow(Intensity(1, 10.0))
    window.add(5.0)
    with pytest.raises(ValueError, match=r"^the window holds its 1 restarts already$"):
        window.add(6.0)
    assert window.count(15.0) == 0


def test_a_window_refuses_an_instant_before_the_last_one() -> None:
    window = RestartWindow(Intensity(3, 10.0))
    window.add(5.0)
    with pytest.raises(ValueError, match=r"^now must be >= 5.0, got 4.0$"):
        window.add(4.0)
    assert window.count(5.0) == 1


@given(
    restarts=st.integers(0, 5),
    period=st.floats(0.001, 100.0),
    steps=st.lists(st.floats(0.0, 60.0), max_size=60),
)
def test_the_window_counts_like_a_plain_list(restarts: int, period: float, steps: list[float]) -> None:
    window = RestartWindow(Intensity(restarts, period))
    noted: list[float] = []
    now = 0.0
    for step in steps:
        now += step
        within = [instant for instant in noted if now - instant < period]
        assert window.count(now) == len(within)
        assert window.has_room(now) == (len(within) < restarts)
        if len(within) < restarts:
            window.add(now)
            noted.append(now)
        assert len(window._instants or ()) <= restarts


@pytest.mark.parametrize(
    ("fields", "kind", "complaint"),
    [
        ({"restarts": 1.0}, TypeError, "restarts must be a whole number, got 1.0"),
        ({"restarts": True}, TypeError, "restarts must be a whole number, got True"),
        ({"restarts": -1}, ValueError, "restarts must be >= 0, got -1"),
        ({"period": "5"}, TypeError, "period must be a number of seconds, got '5'"),
        ({"period": 0}, ValueError, "period must be > 0 and finite, got 0"),
        ({"period": math.inf}, ValueError, "period must be > 0 and finite, got inf"),
        ({"period": math.nan}, ValueError, "period must be > 0 and finite, got nan"),
    ],
)
def test_a_wrong_budget_is_refused(fields: dict[str, Any], kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind) as caught:
        Intensity(**fields)
    assert str(caught.value) == complaint


def test_the_default_budgets_are_3_a_child_and_10_a_supervisor_in_30_seconds() -> None:
    assert (Intensity(3, 30.0), Intensity(10, 30.0)) == (CHILD_INTENSITY, SUPERVISOR_INTENSITY)


# backoff


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(initial=1.0, cap=5.0, factor=2.0)
    assert [backoff.bound(failures) for failures in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_delay_is_drawn_from_zero_to_its_bound() -> None:
    backoff = Backoff(initial=1.0, cap=5.0)
    assert backoff.delay(2, Loaded(0.0)) == 0.0
    assert backoff.delay(2, Loaded(0.25)) == 0.5


def test_a_row_of_failures_grows_the_delay_and_a_healthy_incarnation_ends_it() -> None:
    child = record(own=Intensity(100, 30.0), backoff=Backoff(initial=1.0, cap=60.0, healthy_after=10.0))
    delays = [
        child.decide("crashed", ran_for=ran_for, now=now, rng=HALF)
        for now, ran_for in [(1.0, 0.0), (2.0, 9.9), (3.0, 1.0), (4.0, 10.0), (5.0, 0.0)]
    ]
    assert delays == [Restart(0.5), Restart(1.0), Restart(2.0), Restart(0.5), Restart(1.0)]


def test_a_requested_stop_neither_waits_nor_lengthens_the_row() -> None:
    child = record(backoff=Backoff(initial=1.0))
    assert child.decide("stopped", ran_for=0, now=1.0, rng=HALF) == Restart(0.0)
    assert child.decide("crashed", ran_for=0, now=2.0, rng=HALF) == Restart(0.5)


def test_no_initial_delay_means_none_ever() -> None:
    assert [Backoff(initial=0.0).delay(n, HALF) for n in (1, 50)] == [0.0, 0.0]


def test_a_factor_of_one_keeps_the_delay() -> None:
    assert [Backoff(initial=1.0, factor=1.0).bound(n) for n in (1, 50)] == [1.0, 1.0]


@given(
    initial=st.floats(0.0, 10.0),
    more=st.floats(0.0, 1e6),
    factor=st.floats(1.0, 1e3),
    failures=st.integers(1, 10**9),
    seed=st.integers(),
)
def test_no_delay_is_above_the_cap_and_no_bound_below_the_one_before(
    initial: float, more: float, factor: float, failures: int, seed: int
) -> None:
    backoff = Backoff(initial=initial, cap=initial + more, factor=factor)
    assert 0.0 <= backoff.delay(failures, random.Random(seed)) <= backoff.cap
    assert backoff.bound(failures) <= backoff.bound(failures + 1) <= backoff.cap


@pytest.mark.parametrize(
    ("fields", "kind", "complaint"),
    [
        ({"initial": "1"}, TypeError, "initial must be a number, got '1'"),
        ({"factor": True}, TypeError, "factor must be a number, got True"),
        ({"initial": -0.1}, ValueError, "initial must be >= 0 and finite, got -0.1"),
        ({"initial": math.inf, "cap": math.inf}, ValueError, "initial must be >= 0 and finite, got inf"),
        ({"initial": 2.0, "cap": 1.0}, ValueError, "cap must be >= initial 2.0 and finite, got 1.0"),
        ({"cap": math.inf}, ValueError, "cap must be >= initial 0.1 and finite, got inf"),
        ({"factor": 0.5}, ValueError, "factor must be >= 1 and finite, got 0.5"),
        ({"factor": math.nan}, ValueError, "factor must be >= 1 and finite, got nan"),
        ({"healthy_after": 0}, ValueError, "healthy_after must be > 0, got 0"),
    ],
)
def test_a_wrong_backoff_is_refused(fields: dict[str, Any], kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind) as caught:
        Backoff(**fields)
    assert str(caught.value) == complaint
