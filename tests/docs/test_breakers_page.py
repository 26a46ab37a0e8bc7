"""The page on breakers shows the numbers that the code has."""

from __future__ import annotations

import re
from typing import get_args

from hooks_loading import ROOT

from actors.breaker.board import DEFAULT_SHARE
from actors.breaker.breaking import SETTLE_GRACE
from actors.policies.breaker import adaptive_threshold
from actors.policies.breaker import rules as breaker_rules
from actors.policies.breaker.outcome_window import surely
from actors.policies.breaker.records import BREAKER_STATES, OUTCOMES
from actors.policies.breaker.rules import BreakerRules, Recovery

PAGE = (ROOT / "docs" / "explanation" / "breakers.md").read_text("utf-8")


def first_column(head: str) -> list[str]:
    rows = PAGE.split(f"\n| {head} |")[1].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows[: rows.index("")]]


def test_every_state_every_outcome_and_every_way_to_recover_is_told() -> None:
    assert set(first_column("state")) == set(BREAKER_STATES)
    assert set(re.findall(r"`(\w+)`", PAGE.split("Four things, not two: ")[1].split(". ")[0])) == set(
        OUTCOMES
    )
    assert tuple(first_column("`recovery`")) == get_args(Recovery)


def test_the_table_of_sure_shares_is_what_the_bound_gives() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for calls, failures in ((int(calls.replace(",", "")), int(failures)) for calls, failures in rows):
        assert surely(failures, calls) >= breaker_rules.FAILURE_RATE > surely(failures - 1, calls)


def test_the_numbers_in_the_text_are_those_of_the_rules() -> None:
    rules = BreakerRules()
    assert (rules.consecutive, rules.failure_rate, rules.slow_rate) == (3, 0.5, 0.8)
    assert (rules.window, rules.slow_after, rules.probes, rules.probe_lease) == (60, None, 1, 60)
    assert (rules.multiplier, rules.cap, rules.jitter, rules.decay, rules.health_every) == (
        2,
        600,
        0.1,
        300,
        30,
    )
    assert (adaptive_threshold.POOR, adaptive_threshold.GOOD) == (0.7, 0.95)
    assert (adaptive_threshold.LEAST, adaptive_threshold.MOST, adaptive_threshold.STEP_EVERY) == (2, 10, 10)
    assert (DEFAULT_SHARE, SETTLE_GRACE) == (0.5, 1)
