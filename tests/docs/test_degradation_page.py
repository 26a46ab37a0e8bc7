"""The page on how degraded the whole is shows the numbers that the code has."""

from __future__ import annotations

import re

from hooks_loading import ROOT

from actors.policies.degradation.burn_rate import BurnRules
from actors.policies.degradation.degradation import UNANSWERED
from actors.policies.degradation.rules import DegradationRules

PAGE = (ROOT / "docs" / "explanation" / "degradation.md").read_text("utf-8")


def test_the_rows_of_the_burn_rate_are_those_of_the_code() -> None:
    rules = BurnRules()
    rows = re.findall(r"^\| (\d+) \| (\d+) % \| ([\d.]+) s \| ([\d.]+) s \|$", PAGE, re.MULTILINE)
    assert rows == [
        (f"{row.factor:g}", f"{100 * rules.threshold(row):g}", f"{row.long:.1f}", f"{row.short:.1f}")
        for row in rules.rows
    ]
    fast, slow = rules.rows
    assert f"({rules.fewest(fast)} for a factor of 14, {rules.fewest(slow)} for 7)" in PAGE


def test_the_calls_that_say_what_breakers_cannot_are_as_many_as_in_the_code() -> None:
    assert UNANSWERED == 3
    assert "three calls of it in a row have failed" in PAGE


def test_the_delays_are_those_of_the_code() -> None:
    rules = DegradationRules()
    assert f"| {rules.up_after:g} s (`up_after`) |" in PAGE
    assert f"| {rules.down_after:g} s (`down_after`) |" in PAGE
