"""When a failed call is tried again: bounds that hold for every fault, clock and throw of the dice."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallFailed
from actors.policies.retry import HINT_SPREAD, GiveUp, Retry, RetryPolicy

SECONDS = st.floats(0, 1e6)
INSTANTS = st.floats(0, 1e9)
SEEDS = st.integers(0, 2**32 - 1)


def decide(
    policy: RetryPolicy,
    error: CallFailed,
    *,
    attempt: int = 1,
    started: float = 0.0,
    now: float = 0.0,
    deadline: float = math.inf,
    seed: int = 0,
) -> Retry | GiveUp:
    return policy.decide(
        error, attempt=attempt, started=started, now=now, deadline=deadline, rng=random.Random(seed)
    )


def passing(retry_after: float | None = None) -> CallFailed:
    return CallFailed("overloaded", retryable=True, retry_after=retry_after)


class Highest(random.Random):
    """Dice that always show the most they can."""

    def random(self) -> float:
        return math.nextafter(1.0, 0.0)


@given(attempt=st.integers(1, 10**9), initial=SECONDS, cap=SECONDS, seed=SEEDS)
def test_a_wait_nobody_named_lies_between_zero_and_the_cap(
    attempt: int, initial: float, cap: float, seed: int
) -> None:
    delay = RetryPolicy(initial=initial, cap=cap).backoff(attempt, random.Random(seed))

    assert 0 <= delay <= min(cap, initial * 2.0 ** min(attempt - 1, 1000))


@pytest.mark.parametrize(
    ("attempt", "bound"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (10**9, 30.0)]
)
def test_the_bound_doubles_with_each_attempt_up_to_the_cap(attempt: int, bound: float) -> None:
    delay = RetryPolicy(initial=1.0, cap=30.0).backoff(attempt, Highest())

    assert delay == pytest.approx(bound, rel=1e-12)


def test_the_largest_bounds_a_float_holds_do_not_overflow() -> None:
    policy = RetryPolicy(initial=1e308, cap=1e308)

    assert policy.backoff(10**9, Highest()) <= 1e308


@given(hint=st.floats(1e-6, 1e6), now=INSTANTS, seed=SEEDS)
def test_a_retry_is_never_earlier_than_the_provider_asked_and_at_most_a_fifth_later(
    hint: float, now: float, seed: int
) -> None:
    policy = RetryPolicy(max_elapsed=math.inf)

    decision = decide(policy, passing(hint), started=now, now=now, seed=seed)

    assert isinstance(decision, Retry)
    assert hint <= decision.delay <= hint * (1 + HINT_SPREAD)


@given(
    hint=st.none() | SECONDS,
    now=INSTANTS,
    left=SECONDS,
    elapsed=SECONDS,
    max_elapsed=SECONDS | st.just(math.inf),
    attempt=st.integers(1, 100),
    seed=SEEDS,
)
def test_no_retry_comes_at_or_after_the_deadline_or_beyond_the_time_a_call_may_take(
    *,
    hint: float | None,
    now: float,
    left: float,
    elapsed: float,
    max_elapsed: float,
    attempt: int,
    seed: int,
) -> None:
    policy = RetryPolicy(max_retries=50, max_elapsed=max_elapsed)
    started, deadline = now - elapsed, now + left

    decision = decide(
        policy, passing(hint), attempt=attempt, started=started, now=now, deadline=deadline, seed=seed
    )

    match decision:
        case Retry(delay=delay):
            assert attempt <= 50
            assert delay >= 0
            assert now + delay < deadline
            assert now + delay < started + max_elapsed
        case GiveUp(reason=reason):
            assert reason == ("no retries left" if attempt > 50 else "no time left")


def test_a_wait_that_would_end_at_the_deadline_is_not_begun() -> None:
    policy = RetryPolicy(initial=0.0)

    assert decide(policy, passing(), now=5.0, deadline=5.0) == GiveUp("no time left")
    assert decide(policy, passing(), now=5.0, deadline=math.nextafter(5.0, 6.0)) == Retry(0.0)


def test_max_elapsed_counts_from_the_first_attempt() -> None:
    policy = RetryPolicy(initial=0.0, max_elapsed=60.0)

    assert decide(policy, passing(), started=10.0, now=70.0) == GiveUp("no time left")
    assert decide(policy, passing(), started=10.0, now=69.5) == Retry(0.0)


def test_a_fault_that_does_not_pass_is_given_up_at_once_and_tells_when_it_may() -> None:
    error = CallFailed("no", retryable=False, retry_after=7.0)

    assert decide(RetryPolicy(), error, now=3.0) == GiveUp("not retryable", retry_at=10.0)
    assert decide(RetryPolicy(), CallFailed("no"), now=3.0) == GiveUp("not retryable", retry_at=None)


def test_there_are_as_many_retries_as_the_policy_says() -> None:
    policy = RetryPolicy(max_retries=2, initial=0.0)

    assert decide(policy, passing(), attempt=2) == Retry(0.0)
    assert decide(policy, passing(4.0), attempt=3, now=1.0) == GiveUp("no retries left", retry_at=5.0)
    assert decide(RetryPolicy(max_retries=0), passing(), attempt=1) == GiveUp("no retries left")


@pytest.mark.parametrize("hint", [0.0, -1.0, math.nan, -math.inf])
def test_a_hint_that_names_no_time_ahead_is_taken_for_none(hint: float) -> None:
    decision = decide(RetryPolicy(), passing(hint), seed=1)

    assert decision == decide(RetryPolicy(), passing(), seed=1)
    assert isinstance(decision, Retry)
    assert 0 <= decision.delay <= 1


def test_a_hint_without_end_is_not_waited_for() -> None:
    policy = RetryPolicy(max_elapsed=math.inf)

    assert decide(policy, passing(math.inf)) == GiveUp("no time left", retry_at=math.inf)


def test_the_same_seed_gives_the_same_waits() -> None:
    delays = {decide(RetryPolicy(), passing(), seed=9) for _ in range(3)}

    assert len(delays) == 1


@pytest.mark.parametrize("name", ["max_retries", "initial", "cap", "max_elapsed"])
@pytest.mark.parametrize("value", [-1, math.nan])
def test_a_bound_below_zero_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be >= 0"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]  # a wrong value is the point


@pytest.mark.parametrize("name", ["initial", "cap"])
def test_a_wait_of_our_own_choice_has_an_end(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be >= 0 and finite, got inf$"):
        RetryPolicy(**{name: math.inf})  # type: ignore[arg-type]  # a wrong value is the point
