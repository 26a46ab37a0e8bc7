"""A breaker stays open for longer with every failed round, never too long, and forgets slowly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.breaker.open_time import OpenTime
from actors.policies.breaker.rules import BreakerRules


def exact(**rules: float) -> OpenTime:
    """Return one without jitter."""
    return OpenTime(BreakerRules(jitter=0.0, **rules), random.Random(0))  # type: ignore[arg-type]  # numbers all


def fail(times: int, open_time: OpenTime) -> None:
    for _ in range(times):
        open_time.fail()


@pytest.mark.parametrize(
    ("failed", "seconds"), [(0, 60.0), (1, 120.0), (2, 240.0), (3, 480.0), (4, 600.0), (5_000, 600.0)]
)
def test_it_doubles_with_each_failed_round_up_to_the_cap(failed: int, seconds: float) -> None:
    open_time = exact()
    fail(failed, open_time)
    assert open_time.draw(0.0) == seconds


def test_it_does_not_grow_where_the_multiplier_is_one() -> None:
    open_time = exact(multiplier=1.0)
    fail(3, open_time)
    assert open_time.draw(0.0) == 60.0


def test_it_does_not_grow_where_the_cap_is_the_first_time() -> None:
    open_time = exact(cap=60.0)
    fail(3, open_time)
    assert open_time.draw(0.0) == 60.0
    assert open_time.failed(0.0) == 1.0


def test_one_round_is_forgotten_per_decay_while_it_is_closed() -> None:
    open_time = exact(decay=100.0)
    fail(2, open_time)
    open_time.close(1_000.0)
    assert open_time.failed(1_000.0) == 2.0
    assert open_time.draw(1_100.0) == 120.0
    assert open_time.failed(1_150.0) == 0.5
    assert open_time.draw(1_150.0) == pytest.approx(60.0 * 2**0.5)
    assert open_time.draw(1_200.0) == open_time.draw(9_999.0) == 60.0


def test_nothing_is_forgotten_while_it_is_not_closed() -> None:
    open_time = exact(decay=100.0)
    fail(2, open_time)
    open_time.close(0.0)
    open_time.open(50.0)
    assert open_time.failed(50.0) == open_time.failed(5_000.0) == 1.5
    open_time.close(5_000.0)
    assert open_time.failed(5_050.0) == 1.0


def test_rounds_beyond_the_cap_are_not_remembered() -> None:
    """Four lead from 60 to 600 seconds; a long outage is not remembered for as long again."""
    open_time = exact(decay=100.0)
    fail(60, open_time)
    assert open_time.failed(0.0) == 4.0
    open_time.close(0.0)
    assert open_time.draw(400.0) == 60.0


@pytest.mark.parametrize(
    ("cooldown", "cap", "multiplier", "most"),
    [
        (60.0, 120.0, 2.0, 1.0),
        (30.0, 240.0, 2.0, 3.0),
        (0.1, 100.0, 10.0, 3.0),
        (5.0, 405.0, 3.0, 4.0),
        (60.0, 121.0, 2.0, 2.0),
    ],
)
def test_a_round_that_leads_to_the_cap_exactly_is_the_last_that_is_remembered(
    cooldown: float, cap: float, multiplier: float, most: float
) -> None:
    """The quotient of the logarithms of 2 and 2 is a hair more than 1 for some caps; that is not two rounds."""
    open_time = exact(cooldown=cooldown, cap=cap, multiplier=multiplier)
    fail(60, open_time)
    assert open_time.failed(0.0) == most
    assert open_time.draw(0.0) == cap


def test_everything_is_forgotten_when_it_is_cleared() -> None:
    open_time = exact()
    fail(3, open_time)
    open_time.clear()
    assert open_time.draw(0.0) == 60.0


@given(
    seed=st.integers(),
    failed=st.integers(0, 2_000),
    cooldown=st.floats(0.001, 1e4),
    growth=st.floats(1.0, 1e6),
    multiplier=st.floats(1.0, 1e300),
    jitter=st.floats(0.0, 1.0),
)
def test_jitter_only_lengthens_it_and_by_no_more_than_its_share(
    *, seed: int, failed: int, cooldown: float, growth: float, multiplier: float, jitter: float
) -> None:
    rules = BreakerRules(cooldown=cooldown, cap=cooldown * growth, multiplier=multiplier, jitter=jitter)
    open_time = OpenTime(rules, random.Random(seed))
    fail(failed, open_time)
    plain = OpenTime(
        BreakerRules(cooldown=cooldown, cap=cooldown * growth, multiplier=multiplier, jitter=0.0),
        random.Random(0),
    )
    fail(failed, plain)
    base = plain.draw(0.0)
    assert cooldown <= base <= rules.cap
    assert base <= open_time.draw(0.0) <= base * (1 + jitter)


def test_two_that_tripped_together_do_not_come_back_together() -> None:
    drawn = {OpenTime(BreakerRules(), random.Random(seed)).draw(0.0) for seed in range(100)}
    assert len(drawn) == 100
    assert 60.0 <= min(drawn) < 61.0
    assert 65.0 < max(drawn) <= 66.0
