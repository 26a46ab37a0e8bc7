"""How long silence has to last: from how fast refusals come."""

from __future__ import annotations

import random

import pytest

from actors.policies.cooldown.patience import FIRST_PATIENCE, LEAST_PATIENCE, MOST_PATIENCE, Patience


def learned(*samples: float) -> float:
    patience = Patience()
    for sample in samples:
        patience.learn(sample)
    return patience.seconds


def test_it_has_a_value_before_anything_was_timed() -> None:
    assert learned() == FIRST_PATIENCE == 1.0


def test_the_first_refusal_counts_twice() -> None:
    assert learned(0.5) == 1.0


def test_refusals_that_take_all_the_same_time_make_it_little_longer_than_that() -> None:
    assert learned(*[0.5] * 60) == pytest.approx(0.5, abs=1e-6)


def test_it_is_never_shorter_or_longer_than_its_bounds() -> None:
    assert learned(0.0) == learned(-1.0) == LEAST_PATIENCE == 0.25
    assert learned(120.0) == MOST_PATIENCE == 5.0


def test_one_refusal_that_took_minutes_is_forgotten_soon() -> None:
    assert learned(*[0.3] * 20, 120.0) > 2.0
    assert learned(*[0.3] * 20, 120.0, *[0.3] * 30) < 0.5


def test_it_outlasts_nearly_every_refusal_over_a_network_with_jitter() -> None:
    dice = random.Random(7)
    patience, missed = Patience(), 0
    for _ in range(2000):
        took = 0.05 + dice.uniform(0.0, 0.5) + dice.uniform(0.0, 0.5)
        missed += took > patience.seconds
        patience.learn(took)
    assert missed < 2000 * 0.10
