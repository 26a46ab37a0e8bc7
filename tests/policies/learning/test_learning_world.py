"""A learner beside a provider's own pools: jitter, rounding, responses in any order, and others on the same key."""

from __future__ import annotations

import random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_world import WINDOW, World

from actors.policies.learning.learning import LimitLearner
from actors.policies.learning.limit_detection import GROWTH_NEEDS
from actors.policies.ledger.limits import Limits
from actors.testing.provider.limits import MODES, Mode, ProviderLimits

SMALL = ProviderLimits()


def poisson(world: World, calls: int, load: float, *, begin: float = 0.0) -> World:
    """Let us ask for calls at random instants, at this share of the limit of requests."""
    now = begin
    for _ in range(calls):
        now += world.rng.expovariate(load * world.limits.requests / WINDOW)
        world.call(now, world.rng.randint(1, 900))
    return world


def bursts(world: World, count: int, size: int, spacing: float, *, tokens: int = 100) -> World:
    """Let us ask for many calls in one instant, again and again."""
    for burst in range(count):
        for _ in range(size):
            world.call(burst * spacing, tokens)
    return world


@pytest.mark.parametrize("mode", MODES)
def test_a_lone_client_is_charged_for_nobody_in_ten_thousand_responses(mode: Mode) -> None:
    responses = 0
    for number, load in enumerate((0.2, 0.6, 0.95, 1.5, 4.0)):
        world = poisson(
            World(mode=mode, rng=random.Random(number), has_date=number % 2 == 0), 3_200, load
        ).run()
        responses += len(world.history)
        assert world.charges == []
    assert responses >= 10_000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("told", ["start", "end"])
@pytest.mark.parametrize("latency", [(0.0, 0.1), (5.0, 70.0)])
def test_a_lone_client_is_charged_for_nobody_however_old_a_response_is(
    mode: Mode, told: Literal["start", "end"], latency: tuple[float, float]
) -> None:
    for load in (0.3, 1.5):
        world = World(mode=mode, rng=random.Random(7), told=told, latency=latency)
        poisson(world, 1_000, load).run()
        assert world.charges == []


def beside_others(mode: Mode, seed: int) -> World:
    """A key that we use to a third, and others to two fifths and in bursts."""
    world = World(mode=mode, rng=random.Random(seed), latency=(0.5, 3.0))
    for instant in range(0, 1_200, 3):
        for _ in range(12 if instant % 240 == 0 else 1):
            world.foreign_call(instant + world.rng.random(), input_tokens=world.rng.randint(1, 400))
    return poisson(world, 300, 0.3).run()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_others_are_never_charged_more_than_they_have_ever_used(mode: Mode, seed: int) -> None:
    world = beside_others(mode, seed)

    charged_at = [
        told for told in world.history if any(use.quantity == "requests" for use in told.lesson.others)
    ]
    assert charged_at
    for told in charged_at:
        assert world.charged("requests", by=told.now) <= world.others_requests(-1.0, told.told_at)


@pytest.mark.parametrize("seed", range(5))
def test_in_a_window_others_are_never_charged_more_than_they_used_in_it(seed: int) -> None:
    world = beside_others("sliding_window", seed)

    for told in world.history:
        if any(use.quantity == "requests" for use in told.lesson.others):
            charged = world.charged("requests", by=told.now, present=told.now)
            assert 0 < charged <= world.others_requests(told.told_at - WINDOW, told.told_at)


@pytest.mark.parametrize("seed", range(20))
def test_what_others_used_while_we_were_quiet_is_charged_within_the_rounding(seed: int) -> None:
    world = World(mode="sliding_window", rng=random.Random(seed))
    for second in range(20):
        world.foreign_call(float(second), input_tokens=400)
    world.call(30.0, input_tokens=300)
    world.run()

    (told,) = world.history
    charged = {use.quantity: use.amount for use in told.lesson.others}
    assert charged["requests"] == 20
    assert 8_000 - 1_000 <= charged["input_tokens"] <= 8_000


def refused_beside_others(*, is_heeding_others: bool) -> int:
    """429s in an hour in which others use two fifths of a key and we ask for more than the rest."""
    world = World(mode="sliding_window", rng=random.Random(5), latency=(0.2, 2.0))
    world.is_heeding_others = is_heeding_others
    for instant in range(0, 3_600, 3):
        world.foreign_call(instant + world.rng.random(), output_tokens=1)
    for instant in range(7_200):
        world.call(instant / 2, 100, 10)
    return world.run().refused


def test_charging_others_spares_two_refusals_of_three() -> None:
    assert refused_beside_others(is_heeding_others=True) == 97
    assert refused_beside_others(is_heeding_others=False) == 313


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_limits_are_detected_while_calls_are_under_way(mode: Mode, seed: int) -> None:
    """Configured far too small: the third response in the order of sending has them right."""
    truth = ProviderLimits(4_000, 2_000_000, 400_000)
    learner = LimitLearner(Limits(50, 30_000, 8_000))
    world = World(mode=mode, limits=truth, rng=random.Random(seed), learner=learner)
    bursts(world, 1, 40, 60.0).run()

    taught = [told for told in world.history if told.lesson.limits]
    assert world.history.index(taught[0]) == GROWTH_NEEDS - 1
    assert learner.limits == Limits(3_880, 1_940_000, 388_000)
    assert len(taught) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_limits_that_shrink_and_grow_in_flight_are_followed(mode: Mode, seed: int) -> None:
    learner = LimitLearner(Limits(50, 30_000, 8_000))
    world = World(mode=mode, rng=random.Random(seed), learner=learner, latency=(0.5, 20.0))
    world.change(300.0, ProviderLimits(30, 20_000, 5_000))
    world.change(900.0, ProviderLimits(100, 60_000, 16_000))
    poisson(world, 900, 0.8).run()

    taught = [(told.now, told.lesson.limits) for told in world.history if told.lesson.limits]
    assert [limits for _, limits in taught] == [
        Limits(29, 19_400, 4_850),
        Limits(97, 58_200, 15_520),
    ]
    assert 300.0 < taught[0][0] < 330.0
    assert 900.0 < taught[1][0] < 960.0
    assert world.charges == []


LIE = {
    "anthropic-ratelimit-input-tokens-limit": "300",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-tokens-limit": "300",
    "anthropic-ratelimit-tokens-remaining": "0",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_calls_that_are_larger_than_a_strange_limit_never_let_it_be_believed(mode: Mode, seed: int) -> None:
    world = World(mode=mode, rng=random.Random(seed))
    world.lie(100.0, 1_000.0, LIE)
    for second in range(1_000):
        world.call(float(second), 500 + second % 100, 50)
    world.run()

    assert all(told.lesson.limits is None for told in world.history)
    assert world.refused == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_that_was_told_in_error_is_gone_two_windows_after_the_last_who_told_it(
    mode: Mode, seed: int
) -> None:
    """Small calls let it be believed; then none comes any more but large ones, which it makes impossible."""
    world = World(mode=mode, rng=random.Random(seed))
    world.lie(0.0, 60.0, LIE)
    for tick in range(20):
        world.call(tick * 2.0, 50, 50)
    for second in range(60, 600):
        world.call(float(second), 500, 50)
    world.run()

    last_told = max(told.now for told in world.history if told.told_at < 60.0)
    large = [told for told in world.history if told.sent_at >= 60.0]
    assert min(told.sent_at for told in large) < last_told + 2 * WINDOW + 1.0
    assert world.learner.limits.input_tokens == 29_100
    assert (world.refused, world.charges) == (0, [])
    assert len(large) > 300


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_that_is_as_small_in_truth_costs_one_refusal_in_two_windows_and_is_believed_all_the_time(
    mode: Mode, seed: int
) -> None:
    truth = ProviderLimits(50, 300, 8_000)
    world = World(
        mode=mode, rng=random.Random(seed), limits=truth, learner=LimitLearner(Limits(50, 30_000, 8_000))
    )
    for tick in range(3):
        world.call(tick * 10.0, 50, 50)
    for second in range(60, 3_660):
        world.call(float(second), 500, 50)
    world.run()

    assert {told.lesson.limits.input_tokens for told in world.history if told.lesson.limits} == {291}
    assert 25 <= world.refused <= 30


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(5))
def test_nobody_looks_at_a_small_limit_as_long_as_others_are_answered(mode: Mode, seed: int) -> None:
    truth = ProviderLimits(50, 3_000, 8_000)
    world = World(
        mode=mode, rng=random.Random(seed), limits=truth, learner=LimitLearner(Limits(50, 30_000, 8_000))
    )
    for tick in range(360):
        world.call(tick * 10.0, 100, 50)
        world.call(tick * 10.0 + 30.0, 5_000, 50)
    world.run()

    assert world.learner.limits.input_tokens == 2_910
    assert world.refused == 0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("has_date", [True, False])
def test_a_bucket_under_load_is_found_out(seed: int, *, has_date: bool) -> None:
    world = poisson(World(mode="token_bucket", rng=random.Random(seed), has_date=has_date), 300, 0.95).run()

    assert world.algorithm == "token_bucket"
    assert [told.lesson.algorithm for told in world.history if told.lesson.algorithm] == ["token_bucket"]


@pytest.mark.parametrize("seed", range(10))
def test_a_bucket_that_is_emptied_every_minute_is_found_out_by_the_second(seed: int) -> None:
    """As long as calls use all of it at once it is whole a window later: a sliding window looks the same."""
    world = World(mode="token_bucket", rng=random.Random(seed), latency=(2.0, 20.0))
    for tick in range(1_800):
        world.call(tick / 10, world.rng.randint(500, 700), world.rng.randint(100, 200))
    world.run()

    turned_at = [told.now for told in world.history if told.lesson.algorithm == "token_bucket"]
    assert len(turned_at) == 1
    assert turned_at[0] < 90.0


@pytest.mark.parametrize("seed", range(5))
def test_a_bucket_stays_one_through_changes_of_its_limits(seed: int) -> None:
    world = World(mode="token_bucket", rng=random.Random(seed))
    world.change(600.0, ProviderLimits(30, 20_000, 5_000))
    world.change(900.0, ProviderLimits(100, 60_000, 16_000))
    poisson(world, 1_000, 0.9).run()

    assert world.learner.statistics().contradictions == 0
    assert world.algorithm == "token_bucket"


def test_a_provider_that_becomes_a_sliding_window_is_noticed_at_once() -> None:
    world = poisson(World(mode="token_bucket", rng=random.Random(3)), 300, 0.9).run()
    assert world.algorithm == "token_bucket"
    ended = world.history[-1].now

    world.turn("sliding_window")
    poisson(world, 30, 0.5, begin=ended + 120.0).run()

    later = [told for told in world.history if told.now > ended]
    assert later[0].lesson.algorithm == "either"
    assert world.learner.statistics().contradictions == 1


def assert_never_a_bucket(world: World) -> None:
    world.run()
    assert all(told.lesson.algorithm != "token_bucket" for told in world.history)


LIMITS = st.sampled_from([1, 2, 3, 5, 10, 50, 60, 300, 1_000, 4_000])
LATENCIES = st.sampled_from([(0.0, 0.0), (0.1, 1.0), (0.5, 8.0), (5.0, 20.0), (1.0, 80.0)])


@settings(max_examples=150, deadline=None)
@given(
    requests=LIMITS,
    tokens=st.integers(min_value=100, max_value=60_000),
    load=st.floats(min_value=0.02, max_value=3.0),
    latency=LATENCIES,
    has_date=st.booleans(),
    told=st.sampled_from(["start", "end"]),
    foreign=st.booleans(),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_no_sliding_window_is_taken_for_a_bucket(
    *, requests: int, tokens: int, load: float, has_date: bool, foreign: bool, seed: int, **how: Any
) -> None:
    limits = ProviderLimits(requests, tokens, max(1, tokens // 4))
    world = World(mode="sliding_window", limits=limits, rng=random.Random(seed), has_date=has_date, **how)
    poisson(world, min(150, 10 * requests + 20), load)
    if foreign:
        for second in range(0, 120, 2):
            world.foreign_call(second + world.rng.random(), world.rng.randint(0, 100))
    assert_never_a_bucket(world)


@settings(max_examples=100, deadline=None)
@given(
    requests=LIMITS,
    size=st.integers(min_value=1, max_value=60),
    spacing=st.sampled_from([57.5, 59.0, 59.5, 60.0, 60.5, 61.0, 120.0]),
    latency=LATENCIES,
    has_date=st.booleans(),
    told=st.sampled_from(["start", "end"]),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_bursts_at_the_edges_of_windows_are_not_taken_for_a_bucket(
    *, requests: int, size: int, spacing: float, has_date: bool, seed: int, **how: Any
) -> None:
    limits = ProviderLimits(requests)
    world = World(mode="sliding_window", limits=limits, rng=random.Random(seed), has_date=has_date, **how)
    assert_never_a_bucket(bursts(world, 6, size, spacing))


@settings(max_examples=60, deadline=None)
@given(
    latency=st.floats(min_value=5, max_value=60),
    spread=st.sampled_from([0.5, 1.0, 20.0]),
    told=st.sampled_from(["start", "end"]),
    share=st.floats(min_value=0.2, max_value=1.0),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_a_window_that_empties_as_evenly_as_a_bucket_refills_is_not_taken_for_one(
    latency: float, spread: float, told: Literal["start", "end"], share: float, seed: int
) -> None:
    """An even minute of calls, then silence: what is used and the reset fall as a bucket's do, to the second."""
    world = World(
        mode="sliding_window", rng=random.Random(seed), told=told, latency=(latency, latency + spread)
    )
    for minute in range(0, 8, 2):
        for call in range(int(48 * share)):
            world.call(minute * 60 + call * 1.25 * share, 600, 10)
    assert_never_a_bucket(world)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("latency", [(0.1, 1.0), (2.0, 20.0), (10.0, 40.0)])
def test_a_window_of_the_clocks_minute_is_not_taken_for_a_bucket(
    seed: int, latency: tuple[float, float]
) -> None:
    world = World(mode="sliding_window", rng=random.Random(seed), latency=latency)
    world.turn("clock_minute")
    poisson(world, 400, (0.3, 0.9, 2.0)[seed % 3])
    assert_never_a_bucket(world)
