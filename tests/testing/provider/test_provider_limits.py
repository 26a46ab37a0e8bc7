"""Both ways of enforcing limits, against naive models that keep every event and look at every window."""

from __future__ import annotations

import math
from fractions import Fraction

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.testing.provider.limits import (
    DIMENSIONS,
    MODES,
    Mode,
    ProviderLimits,
    SlidingWindow,
    TokenBucket,
    new_meter,
)
from actors.testing.provider.pool import OverLimit, PeakUsage, Pool
from actors.testing.provider.rolling_sum import COMPACT_FROM, RollingSum

# Eighths of a second are exact as floats, so a naive model in fractions and the judge see the same instants.
eighths = st.integers(0, 8 * 40).map(lambda n: n / 8)
modes = st.sampled_from(MODES)


@attrs.frozen
class Event:
    at: float
    amount: int


@attrs.frozen
class Step:
    """After `pause` seconds a request with `input_tokens` comes and, if let in, produces `output_tokens` at once."""

    pause: float
    input_tokens: int
    output_tokens: int


steps = st.lists(st.builds(Step, eighths, st.integers(0, 60), st.integers(0, 50)), max_size=60)
small_limits = st.builds(
    ProviderLimits,
    requests=st.integers(1, 6),
    input_tokens=st.integers(1, 120),
    output_tokens=st.integers(1, 60),
)


def window_before(events: list[Event], now: float) -> int:
    """The sum over the minute that ends at `now`, counted event by event."""
    return sum(event.amount for event in events if event.at + 60.0 > now >= event.at)


def bucket_level(events: list[Event], limit: int, now: float) -> Fraction:
    """The level at `now` of a bucket refilled by `limit` a minute, worked out in exact fractions."""
    level, since = Fraction(limit), Fraction(0)
    for event in events:
        level = min(Fraction(limit), level + (Fraction(event.at) - since) * limit / 60) - event.amount
        since = Fraction(event.at)
    return min(Fraction(limit), level + (Fraction(now) - since) * limit / 60)


def naive_room(mode: Mode, events: list[Event], limit: int, now: float) -> Fraction:
    if mode == "sliding_window":
        return Fraction(limit - window_before(events, now))
    return bucket_level(events, limit, now)


@given(modes, small_limits, steps)
def test_a_request_is_let_in_exactly_when_the_naive_model_has_room_for_it(
    mode: Mode, limits: ProviderLimits, steps: list[Step]
) -> None:
    pool = Pool(limits, mode)
    events: dict[str, list[Event]] = {dimension: [] for dimension in DIMENSIONS}
    now = 0.0
    for step in steps:
        now += step.pause
        wanted = {"requests": 1, "input_tokens": step.input_tokens, "output_tokens": 1}
        has_room = all(
            naive_room(mode, events[dimension], pool.limit(dimension), now) >= wanted[dimension]
            for dimension in DIMENSIONS
        )
        refusal = pool.admit(now, step.input_tokens)
        assert (refusal is None) == has_room
        if refusal is None:
            pool.produce(now, step.output_tokens)
            used = {"requests": 1, "input_tokens": step.input_tokens, "output_tokens": step.output_tokens}
            for dimension in DIMENSIONS:
                events[dimension].append(Event(now, used[dimension]))
        for dimension in DIMENSIONS:
            room = naive_room(mode, events[dimension], pool.limit(dimension), now)
            assert pool.remaining(now, dimension) == math.floor(room)


@given(small_limits, steps)
def test_no_window_of_a_minute_holds_more_than_the_limit(limits: ProviderLimits, steps: list[Step]) -> None:
    pool = Pool(limits, "sliding_window")
    let_in: list[tuple[float, Step]] = []
    now = 0.0
    for step in steps:
        now += step.pause
        if pool.admit(now, step.input_tokens) is None:
            let_in.append((now, step))
    requests = [Event(at, 1) for at, _ in let_in]
    tokens = [Event(at, step.input_tokens) for at, step in let_in]
    # A window's sum only ever rises where an event enters it, so the windows that end at events are all that matter.
    assert all(window_before(requests, event.at) <= limits.requests for event in requests)
    assert all(window_before(tokens, event.at) <= limits.input_tokens for event in tokens)
    assert pool.peak() == PeakUsage(
        requests=max((window_before(requests, event.at) for event in requests), default=0),
        input_tokens=max((window_before(tokens, event.at) for event in tokens), default=0),
    )


# Here 102 s are a hair too short in floats, and the bucket forgives a hair.
@example("token_bucket", ProviderLimits(2, 1, 21), [Step(0, 0, 26), Step(18, 0, 36)], 0)
@given(modes, small_limits, steps, st.integers(0, 60))
def test_who_waits_as_told_is_let_in_and_who_comes_a_second_early_is_not(
    mode: Mode, limits: ProviderLimits, steps: list[Step], input_tokens: int
) -> None:
    def filled() -> tuple[Pool, float]:
        pool, now = Pool(limits, mode), 0.0
        for step in steps:
            now += step.pause
            if pool.admit(now, step.input_tokens) is None:
                pool.produce(now, step.output_tokens)
        return pool, now

    pool, now = filled()
    refusal = pool.admit(now, input_tokens)
    if refusal is None or input_tokens > limits.input_tokens:
        return
    assert refusal.retry_after >= 1
    assert filled()[0].admit(now + refusal.retry_after - 1, input_tokens) is not None
    assert filled()[0].admit(now + refusal.retry_after, input_tokens) is None


@given(modes, small_limits, steps)
def test_at_the_reset_everything_is_back_and_just_before_it_is_not(
    mode: Mode, limits: ProviderLimits, steps: list[Step]
) -> None:
    pool, now = Pool(limits, mode), 0.0
    for step in steps:
        now += step.pause
        if pool.admit(now, step.input_tokens) is None:
            pool.produce(now, step.output_tokens)
    for dimension in DIMENSIONS:
        full_at = pool.full_at(now, dimension)
        if full_at > now:
            assert pool.remaining(max(now, full_at - 0.01), dimension) < pool.limit(dimension)
        assert pool.remaining(full_at, dimension) == pool.limit(dimension)


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_request_counts_in_no_dimension(mode: Mode) -> None:
    pool = Pool(ProviderLimits(requests=2, input_tokens=100, output_tokens=10), mode)
    assert pool.admit(0.0, 101) == OverLimit("input_tokens", 100, retry_after=1)
    assert [pool.remaining(0.0, dimension) for dimension in DIMENSIONS] == [2, 100, 10]
    assert pool.peak() == PeakUsage()


def test_a_request_that_never_fits_is_told_to_wait_until_the_pool_is_untouched() -> None:
    pool = Pool(ProviderLimits(input_tokens=100), "sliding_window")
    assert pool.admit(0.0, 40) is None
    assert pool.admit(10.0, 101) == OverLimit("input_tokens", 100, retry_after=50)


def test_a_request_leaves_the_window_at_the_very_end_of_its_minute() -> None:
    pool = Pool(ProviderLimits(requests=1), "sliding_window")
    assert pool.admit(0.1, 0) is None
    assert pool.admit(60.0, 0) == OverLimit("requests", 1, retry_after=1)
    assert pool.admit(0.1 + 60.0, 0) is None


def test_a_bucket_lets_a_full_burst_in_and_then_one_a_refill() -> None:
    pool = Pool(ProviderLimits(requests=6), "token_bucket")
    assert [pool.admit(0.0, 0) for _ in range(6)] == [None] * 6
    assert pool.admit(0.0, 0) == OverLimit("requests", 6, retry_after=10)
    assert pool.admit(10.0, 0) is None
    assert pool.admit(19.9, 0) == OverLimit("requests", 6, retry_after=1)


def test_a_bucket_keeps_its_rate_for_a_day_of_thirds() -> None:
    bucket = TokenBucket(50)
    for _ in range(50):
        bucket.charge(0.0, 1)
    for n in range(1, 24 * 60 * 50 + 1):
        now = n * 1.2
        assert bucket.fits_at(now, 1) == now
        assert bucket.fits_at(now, 2) > now
        bucket.charge(now, 1)


@pytest.mark.parametrize("mode", MODES)
def test_output_over_the_limit_shuts_the_pool_and_is_told(mode: Mode) -> None:
    pool = Pool(ProviderLimits(output_tokens=60), mode)
    assert pool.admit(0.0, 1) is None
    pool.produce(0.0, 40)
    assert pool.output_overshoot == 0
    pool.produce(0.0, 50)
    assert pool.output_overshoot == 30
    assert pool.remaining(0.0, "output_tokens") == -30
    expected = {"sliding_window": 60, "token_bucket": 31}[mode]
    assert pool.admit(0.0, 1) == OverLimit("output_tokens", 60, retry_after=expected)


def test_room_for_one_output_token_is_enough_to_start() -> None:
    pool = Pool(ProviderLimits(output_tokens=60), "sliding_window")
    pool.produce(0.0, 59)
    assert pool.admit(0.0, 1) is None
    pool.produce(0.0, 1)
    assert pool.admit(0.0, 1) is not None


def test_the_refusal_names_the_limit_as_the_api_does() -> None:
    assert str(OverLimit("input_tokens", 30_000, 7)) == (
        "This request would exceed your organization's rate limit of 30,000 input tokens per minute."
    )


def test_waiting_whole_seconds_is_never_too_early_for_the_last_bit() -> None:
    # In floats 60.74 - 26.74 is 34.0, and yet 26.74 + 34.0 is a bit less than 60.74.
    pool = Pool(ProviderLimits(requests=1), "sliding_window")
    assert pool.admit(0.74, 0) is None
    assert pool.admit(26.74, 0) == OverLimit("requests", 1, retry_after=35)


@given(st.lists(st.tuples(eighths, st.integers(0, 9)), max_size=80), st.integers(0, 100))
def test_a_rolling_sum_agrees_with_a_list_of_everything(adds: list[tuple[float, int]], amount: int) -> None:
    rolling, events, now = RollingSum(60.0), list[Event](), 0.0
    for pause, added in adds:
        now += pause
        rolling.add(now, added)
        events.append(Event(now, added))
        assert rolling.total(now) == window_before(events, now)
    present = rolling.total(now)
    relieved_at = rolling.relieved_at(now, amount)
    if amount > present:
        assert relieved_at == math.inf
    elif amount == 0:
        assert relieved_at == now
    else:
        assert present - window_before(events, relieved_at) >= amount
        assert present - window_before(events, relieved_at - 0.01) < amount


def test_a_rolling_sum_forgets_what_has_dropped_off() -> None:
    rolling = RollingSum(60.0)
    for n in range(COMPACT_FROM * 8):
        rolling.add(float(n), 1)
        assert rolling.total(float(n)) == min(n + 1, 60)
    assert len(rolling._ends) == len(rolling._sums) <= COMPACT_FROM + 60 + 1
    assert rolling.relieved_at(float(n), 1) == n + 1
    assert rolling.peak == 60


def test_each_mode_has_its_meter() -> None:
    assert isinstance(new_meter("sliding_window", 5), SlidingWindow)
    assert isinstance(new_meter("token_bucket", 5), TokenBucket)


@pytest.mark.parametrize("mode", MODES)
def test_more_than_the_limit_never_fits(mode: Mode) -> None:
    assert new_meter(mode, 5).fits_at(0.0, 6) == math.inf


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^input_tokens must be >= 1, got 0$"):
        ProviderLimits(input_tokens=0)
