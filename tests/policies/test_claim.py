"""A claim is checked where it is made, and falls under the pool whatever else it falls under."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from actors.policies.claim import Claim
from actors.policies.estimates.estimate import Estimate
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

USAGE = Usage(1, 400, 1_024)
KEY, TEAM = Scope("key", "3f9a"), Scope("team", "blue")


def test_a_claim_is_for_nobody_in_particular_and_not_urgent() -> None:
    assert Claim(USAGE) == Claim(
        USAGE,
        expected_output=None,
        kind="",
        scopes=(),
        tenant="",
        priority=0,
        model="",
        estimate=None,
    )


def test_the_pool_comes_first_and_the_other_scopes_in_their_order() -> None:
    assert Claim(USAGE).all_scopes == (POOL,)
    assert Claim(USAGE, scopes=(TEAM, KEY)).all_scopes == (POOL, TEAM, KEY)


def test_how_the_input_was_guessed_is_not_shown() -> None:
    shown = repr(Claim(USAGE, estimate=Estimate(400, 500, (1, 2, 3))))
    assert "estimate" not in shown
    assert "400" in shown


@pytest.mark.parametrize("priority", [-1, 0, 0.5, 10**6])
def test_a_priority_is_any_finite_number(priority: float) -> None:
    assert Claim(USAGE, priority=priority).priority == priority


@pytest.mark.parametrize("priority", [math.inf, -math.inf, math.nan])
def test_a_priority_without_bound_is_refused(priority: float) -> None:
    with pytest.raises(ValueError, match=f"^priority must be finite, got {priority}$"):
        Claim(USAGE, priority=priority)


def test_an_output_below_nothing_is_not_expected() -> None:
    assert Claim(USAGE, expected_output=0).expected_output == 0
    with pytest.raises(ValueError, match=r"^expected_output must be >= 0, got -1$"):
        Claim(USAGE, expected_output=-1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"expected_output": 1.5}, "expected_output must be a whole number, got 1.5"),
        ({"expected_output": True}, "expected_output must be a whole number, got True"),
        ({"kind": 1}, "kind must be text, got int"),
        ({"tenant": None}, "tenant must be text, got NoneType"),
        ({"model": b""}, "model must be text, got bytes"),
        ({"priority": "high"}, "priority must be a number, got str"),
        ({"priority": True}, "priority must be a number, got bool"),
        ({"scopes": [KEY]}, "scopes must be a tuple of Scope, got list"),
        ({"scopes": (KEY, "team")}, "scopes must be a tuple of Scope, got str in it"),
        ({"estimate": 400}, "estimate must be an Estimate or None, got int"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        Claim(USAGE, **arguments)


@pytest.mark.parametrize("usage", [None, (1, 2, 3), Claim(USAGE)])
def test_only_a_usage_is_claimed(usage: Any) -> None:
    with pytest.raises(TypeError, match=f"^usage must be a Usage, got {type(usage).__name__}$"):
        Claim(usage)


def test_the_pool_is_not_named_again() -> None:
    with pytest.raises(ValueError, match=r"^scopes must not hold pool, which every call falls under anyway$"):
        Claim(USAGE, scopes=(KEY, POOL))


def test_a_scope_is_named_once() -> None:
    with pytest.raises(ValueError, match=r"^scopes must be different from one another$"):
        Claim(USAGE, scopes=(KEY, TEAM, Scope("key", "3f9a")))


def test_a_priority_is_a_number_that_a_float_can_hold() -> None:
    with pytest.raises(ValueError, match=r"^priority must be finite, got a whole number of 1329 bits$"):
        Claim(Usage(), priority=10**400)


@pytest.mark.parametrize("expected", [10**15 + 1, 10**400])
def test_expected_output_is_at_most_a_thousand_million_million(expected: int) -> None:
    with pytest.raises(ValueError, match=r"^expected_output must be <= 10\*\*15, got "):
        Claim(Usage(output_tokens=5), expected_output=expected)
