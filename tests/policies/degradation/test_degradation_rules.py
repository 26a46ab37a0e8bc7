"""The rules of degradation: levels by name, and what cannot be a rule."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest

from actors.policies.breaker.records import BREAKER_STATES
from actors.policies.degradation.rules import DEFAULT_RULES, DOWN_STATES, LEVEL_NAMES, START, DegradationRules


def test_the_levels_are_numbered_from_normal_to_critical() -> None:
    assert dict(enumerate(LEVEL_NAMES)) == {
        0: "normal",
        1: "search_degraded",
        2: "memory_degraded",
        3: "state_degraded",
        4: "critical",
    }
    assert (START.number, START.name, START.since, START.why) == (0, "normal", -math.inf, ())


def test_every_level_has_a_service_that_stands_for_it_by_default() -> None:
    assert dict(DEFAULT_RULES.levels) == {"search": 1, "memory": 2, "stores": 3, "model": 4, "chat": 4}
    assert (DEFAULT_RULES.up_after, DEFAULT_RULES.down_after) == (5.0, 60.0)


def test_a_breaker_is_down_where_not_everybody_passes() -> None:
    assert set(BREAKER_STATES) - DOWN_STATES == {"closed", "disabled", "observe_only"}


def test_rules_do_not_change_with_what_they_were_made_of() -> None:
    levels = {"search": 1}
    rules = DegradationRules(levels)
    levels["model"] = 4
    assert dict(rules.levels) == {"search": 1}
    with pytest.raises(TypeError):
        cast("dict[str, int]", rules.levels)["model"] = 4


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"levels": 5}, TypeError, "levels and members must be mappings by service, got int"),
        ({"levels": {"a": 0}}, ValueError, "the level of 'a' must be >= 1 and <= 4, got 0"),
        ({"levels": {"a": 5}}, ValueError, "the level of 'a' must be >= 1 and <= 4, got 5"),
        ({"levels": {"a": True}}, TypeError, "the level of 'a' must be a whole number, got True"),
        ({"levels": {"": 1}}, ValueError, "levels must be by names of services without '/', got ''"),
        ({"levels": {"a/b": 1}}, ValueError, "levels must be by names of services without '/', got 'a/b'"),
        ({"levels": {5: 1}}, TypeError, "levels must be by the names of services, got 5"),
        ({"members": {"a": "b"}}, TypeError, "the breakers of 'a' must be a tuple, got str"),
        ({"members": {"a": ("",)}}, TypeError, "the breakers of 'a' must be named by text"),
        ({"up_after": -1.0}, ValueError, "up_after must be >= 0.0, got -1.0"),
        ({"up_after": math.inf}, ValueError, "up_after must be finite, got inf"),
        ({"down_after": math.nan}, ValueError, "down_after must be a number of seconds, got nan"),
        ({"down_after": "1"}, TypeError, "down_after must be a number of seconds, got '1'"),
    ],
)
def test_what_cannot_be_a_rule_is_told(wrong: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error) as caught:
        DegradationRules(**wrong)
    assert str(caught.value) == told


def test_a_burn_is_by_rules() -> None:
    with pytest.raises(TypeError, match="burn"):
        DegradationRules(burn=cast("Any", 14.0))
