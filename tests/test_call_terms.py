"""Terms become the claim of a call, and are refused where the claim would be."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from actors.call.terms import ORDINARY, CallTerms
from actors.policies.claim import Claim
from actors.policies.estimates.estimate import Estimate
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

KEY = Scope("key", "3f9a")


def test_ordinary_terms_are_nobodys_in_particular() -> None:
    usage = Usage(1, 400, 1_024)
    assert CallTerms() == ORDINARY
    assert ORDINARY.claim(usage) == Claim(usage)


def test_all_that_was_said_stands_in_the_claim() -> None:
    terms = CallTerms(tenant="reader", priority=2.5, kind="coverage", expected_output=300, scopes=(KEY,))
    usage, estimate = Usage(1, 400, 1_024), Estimate(400, 500)

    assert terms.claim(usage, model="opus", estimate=estimate) == Claim(
        usage,
        expected_output=300,
        kind="coverage",
        scopes=(KEY,),
        tenant="reader",
        priority=2.5,
        model="opus",
        estimate=estimate,
    )


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"tenant": 1}, TypeError, "tenant must be text, got int"),
        ({"kind": None}, TypeError, "kind must be text, got NoneType"),
        ({"priority": "high"}, TypeError, "priority must be a number, got str"),
        ({"priority": math.inf}, ValueError, "priority must be finite, got inf"),
        ({"expected_output": "7"}, TypeError, "expected_output must be a whole number, got '7'"),
        ({"expected_output": True}, TypeError, "expected_output must be a whole number, got True"),
        ({"expected_output": -1}, ValueError, "expected_output must be >= 0, got -1"),
        ({"scopes": [KEY]}, TypeError, "scopes must be a tuple of Scope, got list"),
        ({"scopes": (KEY, KEY)}, ValueError, "scopes must be different from one another"),
        ({"tenant": "a\nb"}, ValueError, "tenant must have printable characters only"),
        ({"tenant": "x" * 129}, ValueError, "tenant must have 1 to 128 characters, got 129"),
        ({"kind": "a\tb"}, ValueError, "kind must have printable characters only"),
        ({"ids": {"user": ""}}, ValueError, "user must have 1 to 128 characters, got 0"),
        ({"ids": {"user": 5}}, TypeError, "user must be text, got int"),
        ({"scopes": (POOL,)}, ValueError, "scopes must not hold pool, which every call falls under anyway"),
    ],
)
def test_terms_that_no_claim_could_have_are_refused_at_once(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        CallTerms(**arguments)
