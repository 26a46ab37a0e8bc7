"""The numbers of a breaker are checked where they are written down, and presets are as their services need them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.policies.breaker.rules import PRESETS, BreakerRules


@pytest.mark.parametrize(
    ("preset", "consecutive", "cooldown"),
    [("search", 3, 30.0), ("stores", 5, 60.0), ("model", 3, 60.0), ("chat", 5, 30.0)],
)
def test_a_preset_has_the_threshold_and_the_cooldown_of_its_service(
    preset: str, consecutive: int, cooldown: float
) -> None:
    assert (PRESETS[preset].consecutive, PRESETS[preset].cooldown) == (consecutive, cooldown)


def test_there_are_four_presets_and_none_can_be_exchanged() -> None:
    assert list(PRESETS) == ["search", "stores", "model", "chat"]
    with pytest.raises(TypeError):
        PRESETS["chat"] = BreakerRules()  # type: ignore[index]  # that is what is tried


def test_all_probes_are_needed_unless_told_otherwise() -> None:
    assert BreakerRules().probes_needed == 1
    assert BreakerRules(probes=3, recovery="probes").probes_needed == 3
    assert BreakerRules(probes=3, probes_needed=2, recovery="probes").probes_needed == 2


def test_rules_may_be_left_out() -> None:
    rules = BreakerRules(consecutive=None, failure_rate=None, slow_after=None)
    assert (rules.consecutive, rules.failure_rate, rules.slow_after) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"consecutive": 0}, ValueError, "consecutive must be >= 1, got 0"),
        ({"consecutive": True}, TypeError, "consecutive must be a whole number, got True"),
        ({"consecutive": 2.0}, TypeError, "consecutive must be a whole number, got 2.0"),
        ({"cooldown": 0}, ValueError, "cooldown must be > 0, got 0"),
        ({"cooldown": -1.0}, ValueError, "cooldown must be >= 0.0, got -1.0"),
        ({"cooldown": math.nan}, ValueError, "cooldown must be a number of seconds, got nan"),
        ({"cooldown": math.inf}, ValueError, "cooldown must be finite, got inf"),
        ({"cooldown": "1"}, TypeError, "cooldown must be a number of seconds, got '1'"),
        ({"failure_rate": 0.0}, ValueError, "failure_rate must be > 0 and < 1, got 0.0"),
        ({"failure_rate": 1.0}, ValueError, "failure_rate must be > 0 and < 1, got 1.0"),
        ({"failure_rate": math.nan}, ValueError, "failure_rate must be finite, got nan"),
        ({"window": 0.0}, ValueError, "window must be > 0, got 0.0"),
        ({"slow_after": 0.0}, ValueError, "slow_after must be > 0, got 0.0"),
        ({"slow_after": True}, TypeError, "slow_after must be a number of seconds, got True"),
        ({"slow_rate": 1.0}, ValueError, "slow_rate must be > 0 and < 1, got 1.0"),
        ({"slow_rate": None}, TypeError, "slow_rate must be a number, got None"),
        ({"multiplier": 0.5}, ValueError, "multiplier must be >= 1, got 0.5"),
        ({"multiplier": math.inf}, ValueError, "multiplier must be finite, got inf"),
        ({"cap": 59.0}, ValueError, "cap must be >= 60.0, got 59.0"),
        ({"jitter": True}, TypeError, "jitter must be a number, got True"),
        ({"jitter": -0.1}, ValueError, "jitter must be >= 0 and <= 1, got -0.1"),
        ({"jitter": 1.5}, ValueError, "jitter must be >= 0 and <= 1, got 1.5"),
        ({"probes": 0, "recovery": "probes"}, ValueError, "probes must be >= 1, got 0"),
        (
            {"probes": 3, "probes_needed": 4, "recovery": "probes"},
            ValueError,
            "probes_needed must be <= 3, the probes, got 4",
        ),
        ({"probes_needed": 0}, ValueError, "probes_needed must be >= 1, got 0"),
        ({"probes": 3}, ValueError, 'probes must be 1 where recovery is "trial", got 3'),
        (
            {"probes": 2, "recovery": "health"},
            ValueError,
            'probes must be 1 where recovery is "health", got 2',
        ),
        ({"recovery": "hope"}, ValueError, "recovery must be one of trial, probes, health, got 'hope'"),
        ({"probe_lease": 0.0}, ValueError, "probe_lease must be > 0, got 0.0"),
        ({"health_every": 0.0}, ValueError, "health_every must be > 0, got 0.0"),
        ({"is_adaptive": 1}, TypeError, "is_adaptive must be True or False, got 1"),
        ({"decay": 0.0}, ValueError, "decay must be > 0, got 0.0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    fields: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        BreakerRules(**fields)

    assert str(caught.value) == text
