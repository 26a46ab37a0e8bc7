"""The page on trying again shows the numbers that the code has."""

from __future__ import annotations

import re

import attrs
from hooks_loading import ROOT

from actors.policies.retry.budget import DEFAULT_CAPACITY
from actors.policies.retry.numbers import PROFILE_NAMES, RETRY_NUMBERS, STRATEGY_NAMES
from actors.policies.retry.retry import RetryPolicy
from actors.retry.attempts import BUDGET_PATIENCE

PAGE = (ROOT / "docs" / "how-to" / "retry.md").read_text("utf-8")


def numbers_in(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]


def test_the_page_shows_every_default_of_a_policy() -> None:
    shown = dict(re.findall(r"^\| `(\w+)=([^`]+)` \|", PAGE, re.MULTILINE))
    assert shown == {
        name: f'"{value}"' if isinstance(value, str) else str(value)
        for name, value in attrs.asdict(RetryPolicy()).items()
    }


def test_the_page_shows_the_table_of_profiles() -> None:
    rows = {
        name: [numbers_in(cell) for cell in re.findall(r"\| ([^|]+)", row)]
        for name, row in re.findall(r"^\| (aggressive|standard|conservative) (\|.*)\|$", PAGE, re.MULTILINE)
    }
    assert tuple(rows) == PROFILE_NAMES
    for profile, cells in rows.items():
        for strategy, cell in zip(STRATEGY_NAMES, cells, strict=True):
            numbers = RETRY_NUMBERS[profile][strategy]
            told = [numbers.max_retries, numbers.initial, numbers.max_elapsed]
            assert cell == (told if numbers.max_retries else [0])


def test_the_page_tells_what_a_budget_holds_and_how_long_it_is_waited_for() -> None:
    assert f"It holds {DEFAULT_CAPACITY:,} tokens" in PAGE
    assert BUDGET_PATIENCE == 1
    assert "within a second, counts as a" in PAGE
