"""When a failed call is tried again: bounds that hold for every fault, clock and throw of the dice."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.faults import FAULT_KINDS, FAULT_ROWS, Fault, FaultKind
from actors.policies.retry.retry import HINT_SPREAD, GiveUp, Jitter, Retry, RetryPolicy

SECONDS = st.floats(0, 1e6)
INSTANTS = st.floats(0, 1e9)
SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(FAULT_KINDS)
LOADS = st.floats(allow_nan=True)


def decide(
    policy: RetryPolicy,
    fault: Fault,
    *,
    attempt: int = 1,
    started: float = 0.0,
    now: float = 0.0,
    deadline: float = math.inf,
    seed: int = 0,
    load: float = 0.0,
    rng: random.Random | None = None,
) -> Retry | GiveUp:
    return policy.decide(
        fault,
        attempt=attempt,
        started=started,
        now=now,
        deadline=deadline,
        rng=rng or random.Random(seed),
        load=load,
    )


def passing(
    retry_after: float | None = None, kind: FaultKind = "server_error", *, charged: bool = True
) -> Fault:
    return Fault.of(kind, retryable=True, retry_after=retry_after, charged=charged)


class Highest(random.Random):
    """Dice that always show the most they can."""

    def random(self) -> float:
        return math.nextafter(1.0, 0.0)


class Lowest(random.Random):
    """Dice that always show the least they can."""

    def random(self) -> float:
        return 0.0


# a wait nobody named


@given(
    attempt=st.integers(1, 10**9),
    initial=SECONDS,
    cap=SECONDS,
    factor=st.floats(0.5, 6.0),
    jitter=st.sampled_from(["full", "narrow"]),
    seed=SEEDS,
)
def test_a_wait_nobody_named_lies_between_zero_and_the_cap(
    *, attempt: int, initial: float, cap: float, factor: float, jitter: Jitter, seed: int
) -> None:
    policy = RetryPolicy(initial=initial, cap=cap, jitter=jitter)

    delay = policy.backoff(attempt, random.Random(seed), factor=factor)

    assert 0 <= delay <= cap
    assert delay <= initial * 2.0 ** min(attempt - 1, 1000) * factor * 1.2


@given(attempt=st.integers(1, 10**9), initial=SECONDS, cap=SECONDS, seed=SEEDS)
def test_narrow_jitter_stays_within_a_fifth_of_the_bound_and_under_the_cap(
    attempt: int, initial: float, cap: float, seed: int
) -> None:
    delay = RetryPolicy(initial=initial, cap=cap, jitter="narrow").backoff(attempt, random.Random(seed))

    bound = min(cap, initial * 2.0 ** min(attempt - 1, 1000))
    assert bound * 0.8 <= delay <= min(cap, bound * 1.2)


def test_narrow_jitter_reaches_both_ends() -> None:
    policy = RetryPolicy(initial=1.0, jitter="narrow")

    assert policy.backoff(2, Lowest()) == 1.6
    assert policy.backoff(2, Highest()) == pytest.approx(2.4, rel=1e-12)


def test_at_the_cap_narrow_jitter_still_spreads_callers() -> None:
    policy = RetryPolicy(initial=100.0, cap=30.0, jitter="narrow")
    rng = random.Random(4)

    delays = [policy.backoff(1, rng) for _ in range(1000)]

    assert len(set(delays)) == 1000
    assert 24.0 <= min(delays) < 24.1
    assert 29.9 < max(delays) <= 30.0


@pytest.mark.parametrize(
    ("attempt", "bound"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (10**9, 30.0)]
)
def test_the_bound_doubles_with_each_attempt_up_to_the_cap(attempt: int, bound: float) -> None:
    delay = RetryPolicy(initial=1.0, cap=30.0).backoff(attempt, Highest())

    assert delay == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize("jitter", ["full", "narrow"])
def test_the_largest_bounds_a_float_holds_do_not_overflow(jitter: Jitter) -> None:
    policy = RetryPolicy(initial=1.7e308, cap=1.7e308, jitter=jitter)

    assert 0 <= policy.backoff(10**9, Highest(), factor=6.0) <= 1.7e308
    assert 0 <= policy.backoff(10**9, Lowest(), factor=6.0) <= 1.7e308


def test_full_jitter_is_the_default_and_spreads_over_the_whole_range() -> None:
    rng = random.Random(2)

    delays = sorted(RetryPolicy().backoff(3, rng) for _ in range(4000))

    assert delays[400] == pytest.approx(0.4, abs=0.1)
    assert delays[2000] == pytest.approx(2.0, abs=0.1)
    assert delays[3600] == pytest.approx(3.6, abs=0.1)


# the factor


@pytest.mark.parametrize(
    ("fault", "load", "factor"),
    [
        (passing(), 0.0, 1.0),
        (passing(), 0.8, 1.0),
        (passing(), 0.81, 2.0),
        (passing(), math.inf, 2.0),
        (passing(), math.nan, 1.0),
        (passing(kind="rate_limited"), 0.0, 3.0),
        (passing(kind="rate_limited"), 1.0, 6.0),
        (passing(kind="overloaded"), 0.0, 2.0),
        (passing(kind="network_timeout", charged=False), 0.0, 0.5),
        (passing(kind="network_timeout", charged=False), 0.9, 1.0),
        (passing(kind="network_timeout"), 0.0, 1.0),
        (passing(kind="network_refused", charged=False), 0.0, 1.0),
    ],
)
def test_the_fault_and_the_load_stretch_or_shorten_the_wait(fault: Fault, load: float, factor: float) -> None:
    decision = decide(RetryPolicy(), fault, attempt=2, load=load, rng=Highest())

    assert isinstance(decision, Retry)
    assert decision.delay == pytest.approx(2.0 * factor, rel=1e-12)
    assert RetryPolicy().factor(fault, load) == factor


def test_a_policy_that_is_not_adaptive_waits_alike_for_all() -> None:
    policy = RetryPolicy(is_adaptive=False)

    for fault in (passing(kind="rate_limited"), passing(kind="network_timeout", charged=False)):
        assert decide(policy, fault, load=1.0, seed=3) == decide(policy, passing(), seed=3)


@given(kind=KINDS, attempt=st.integers(1, 100), load=LOADS, seed=SEEDS, charged=st.booleans())
def test_the_cap_holds_after_every_factor(
    *, kind: FaultKind, attempt: int, load: float, seed: int, charged: bool
) -> None:
    policy = RetryPolicy(max_retries=100, cap=7.0, max_elapsed=math.inf)

    decision = decide(policy, passing(kind=kind, charged=charged), attempt=attempt, load=load, seed=seed)

    assert isinstance(decision, Retry)
    assert 0 <= decision.delay <= 7.0


# a wait the provider named


@given(hint=st.floats(1e-6, 1e6), now=INSTANTS, seed=SEEDS, kind=KINDS, load=LOADS)
def test_a_retry_is_never_earlier_than_the_provider_asked_and_at_most_a_fifth_later(
    hint: float, now: float, seed: int, kind: FaultKind, load: float
) -> None:
    policy = RetryPolicy(max_elapsed=math.inf, cap=0.1, jitter="narrow")

    decision = decide(policy, passing(hint, kind), started=now, now=now, seed=seed, load=load)

    assert isinstance(decision, Retry)
    assert hint <= decision.delay <= hint * (1 + HINT_SPREAD)


def test_a_wait_longer_than_the_time_left_is_refused_with_the_instant_it_would_end() -> None:
    assert decide(RetryPolicy(), passing(171.0), now=5.0, started=4.0) == GiveUp("no time left", 176.0)
    assert decide(RetryPolicy(), passing(30.0), now=5.0, deadline=35.0) == GiveUp("no time left", 35.0)


def test_a_hint_without_end_is_not_waited_for() -> None:
    policy = RetryPolicy(max_elapsed=math.inf)
    fault = passing()
    object.__setattr__(fault, "retry_after", 1.7e308)  # past the checks that a fault is made with

    assert decide(policy, fault, now=1.7e308, started=0.0) == GiveUp("no time left", math.inf)


# time


@given(
    hint=st.none() | st.floats(1e-6, 1e6),
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
        case GiveUp(reason="no time left", retry_at=retry_at):
            assert attempt <= 50
            assert retry_at is not None
            assert retry_at >= now if hint is None else retry_at == now + hint
        case GiveUp(reason=reason):
            assert (attempt > 50, reason) == (True, "no retries left")


def test_a_wait_that_would_end_at_the_deadline_is_not_begun() -> None:
    policy = RetryPolicy(initial=0.0)

    assert decide(policy, passing(), now=5.0, deadline=5.0) == GiveUp("no time left", 5.0)
    assert decide(policy, passing(), now=5.0, deadline=math.nextafter(5.0, 6.0)) == Retry(0.0)


def test_max_elapsed_counts_from_the_first_attempt() -> None:
    policy = RetryPolicy(initial=0.0, max_elapsed=60.0)

    assert decide(policy, passing(), started=10.0, now=70.0) == GiveUp("no time left", 70.0)
    assert decide(policy, passing(), started=10.0, now=69.5) == Retry(0.0)


def test_a_wait_of_our_own_that_does_not_fit_names_the_instant_it_would_have_ended() -> None:
    policy = RetryPolicy(initial=4.0, jitter="narrow")

    decision = decide(policy, passing(), now=10.0, deadline=12.0, rng=Lowest())

    assert decision == GiveUp("no time left", 10.0 + 4.0 * 0.8)


# whether at all


def test_a_fault_that_does_not_pass_is_given_up_at_once_and_tells_when_it_may() -> None:
    fault = Fault.of("quota_exhausted", retry_after=7.0)

    assert decide(RetryPolicy(), fault, now=3.0) == GiveUp("not retryable", retry_at=10.0)
    assert decide(RetryPolicy(), Fault.of("auth_error"), now=3.0) == GiveUp("not retryable", retry_at=None)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_is_tried_again_exactly_if_its_row_says_so(kind: FaultKind) -> None:
    decision = decide(RetryPolicy(), Fault.of(kind))

    assert isinstance(decision, Retry) == FAULT_ROWS[kind].retryable


def test_there_are_as_many_retries_as_the_policy_says() -> None:
    policy = RetryPolicy(max_retries=2, initial=0.0)

    assert decide(policy, passing(), attempt=2) == Retry(0.0)
    assert decide(policy, passing(4.0), attempt=3, now=1.0) == GiveUp("no retries left", retry_at=5.0)
    assert decide(RetryPolicy(max_retries=0), passing(), attempt=1) == GiveUp("no retries left")


def test_the_same_seed_gives_the_same_waits() -> None:
    delays = {decide(RetryPolicy(), passing(), seed=9) for _ in range(3)}

    assert len(delays) == 1


# what a policy may be


def test_the_defaults_are_three_retries_within_a_minute() -> None:
    assert RetryPolicy() == RetryPolicy(3, 1.0, 30.0, 60.0, "full", True)


def wrong(**fields: Any) -> RetryPolicy:
    return RetryPolicy(**fields)


@pytest.mark.parametrize("name", ["max_retries", "initial", "cap", "max_elapsed"])
def test_a_bound_below_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be >= 0(\.0)?, got -1$"):
        wrong(**{name: -1})


@pytest.mark.parametrize("name", ["initial", "cap", "max_elapsed"])
def test_not_a_number_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be a number of seconds, got nan$"):
        wrong(**{name: math.nan})


@pytest.mark.parametrize("name", ["initial", "cap"])
def test_a_wait_of_our_own_choice_has_an_end(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be finite, got inf$"):
        wrong(**{name: math.inf})


@pytest.mark.parametrize("name", ["initial", "cap", "max_elapsed"])
@pytest.mark.parametrize("value", [True, "1", None])
def test_what_is_no_number_of_seconds_is_refused(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be a number of seconds, got {value!r}$"):
        wrong(**{name: value})


@pytest.mark.parametrize("value", [True, 1.0, math.nan, math.inf, "3", None])
def test_the_number_of_retries_is_a_whole_number(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^max_retries must be a whole number, got {value!r}$"):
        wrong(max_retries=value)


@pytest.mark.parametrize("value", ["equal", None, [], 1])
def test_a_jitter_nobody_knows_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^jitter must be one of full, narrow, got "):
        wrong(jitter=value)


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_whether_it_is_adaptive_is_yes_or_no(value: object) -> None:
    with pytest.raises(TypeError, match=r"^is_adaptive must be True or False, got "):
        wrong(is_adaptive=value)
