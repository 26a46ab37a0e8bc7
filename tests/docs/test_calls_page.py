"""The page on the call tells its steps, its defaults and its chain as the code has them."""

from __future__ import annotations

import re
from typing import get_args

from hooks_loading import ROOT

from actors.call.steps import CallStep
from actors.policies.model_chain import READERS_TIER, chain_of
from actors.policies.retry.budget import DEFAULT_EARNS
from supervisors.runtime.settings import Settings

PAGE = (ROOT / "docs" / "explanation" / "calls.md").read_text("utf-8")
DEFAULTS = Settings()


def test_every_step_is_told_and_no_other() -> None:
    section = PAGE.split("\n## Its steps\n")[1].split("\nWhat a failure becomes")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [
        step.__name__ for step in get_args(CallStep)
    ]


def test_the_bounds_of_time_are_those_of_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| .* \| (\d+) s \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    assert [getattr(getattr(DEFAULTS, section), name) for section, name, _ in rows] == [
        float(shown) for *_, shown in rows
    ]


def test_the_defaults_of_retries_are_those_of_the_settings() -> None:
    retry = DEFAULTS.retry
    assert f"attempts left ({retry.max_retries})" in PAGE
    assert f"time left within `max_elapsed` ({retry.max_elapsed:g} s)" in PAGE
    waits = [f"{retry.initial * 2**number:g}" for number in range(retry.max_retries)]
    assert f"that is {', '.join(waits[:-1])} and {waits[-1]} s before" in PAGE
    assert f"The cap, {retry.cap:g} s, holds" in PAGE


def test_the_budget_and_the_chain_are_those_of_the_code() -> None:
    assert f"| {DEFAULTS.retry.budget:,} tokens (`retry.budget`) |" in PAGE
    assert DEFAULT_EARNS == 0.1
    assert "a tenth of its price comes in" in PAGE
    assert DEFAULTS.provider.models == chain_of(READERS_TIER)
    assert f"""`chain_of("{READERS_TIER}")`, the default""" in PAGE
    assert " and ".join(f"`{model}`" for model in DEFAULTS.provider.models) in PAGE
