"""The pages on the limits name the numbers that the code has."""

from __future__ import annotations

import re

from hooks_loading import ROOT

from actors.policies.ledger.ledger import DEFAULT_SLACK
from actors.policies.ledger.orphans import DEFAULT_PATIENCE
from actors.policies.queue.admission import DEFAULT_MAX_OVERTAKES

LIMITS = (ROOT / "docs" / "explanation" / "limits.md").read_text("utf-8")
LIMIT_CALLS = (ROOT / "docs" / "how-to" / "limit-calls.md").read_text("utf-8")


def test_the_bound_of_overtaking_is_that_of_the_code() -> None:
    assert re.findall(r"`max_overtakes` grants in a\s+row, (\d+)", LIMITS) == [str(DEFAULT_MAX_OVERTAKES)]
    assert re.findall(r"max_overtakes=(\d+)", LIMIT_CALLS) == [str(DEFAULT_MAX_OVERTAKES)]


def test_the_time_to_settle_a_grant_is_that_of_the_code() -> None:
    assert f"{DEFAULT_PATIENCE / 60:g} minutes to settle it" in LIMITS
    assert f"for {DEFAULT_PATIENCE / 60:g} minutes (`patience=`)" in LIMIT_CALLS


def test_the_slack_is_that_of_the_code() -> None:
    assert DEFAULT_SLACK == 0.5
    assert "`slack` is half a second" in LIMITS
