"""The page that holds supervision against other systems names every published case once, and tests that there are."""

from __future__ import annotations

import re

from hooks_loading import ROOT

PAGE = (ROOT / "docs" / "explanation" / "otp-conformance.md").read_text("utf-8")
TESTS = {
    name: path.name
    for path in ROOT.glob("tests/**/test_*.py")
    for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
}
CASES_OF_OTP = 93
"""Exported by `supervisor_SUITE` and run by its `all` and `groups`."""


def test_every_case_of_otp_is_named_once() -> None:
    otp = PAGE.split("## OTP, case by case", 1)[1].split("## kameo", 1)[0]
    cases = re.findall(r"^\| `(\w+)` \|", otp, re.MULTILINE)
    assert len(cases) == len(set(cases)) == CASES_OF_OTP


def test_every_test_that_the_page_names_is_there() -> None:
    files = {path.removesuffix(".py") for path in TESTS.values()}
    named = set(re.findall(r"`(test_\w+)`", PAGE)) - files
    assert named
    assert sorted(named - TESTS.keys()) == []


def test_every_case_has_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| .+ \| (.+) \|$", PAGE.split("## OTP, case by case", 1)[1], re.MULTILINE)
    wanting = [
        row
        for row in rows
        if not re.search(r"`test_\w+`|no meaning: \S|no counterpart: \w|differs: \w|the same", row)
    ]
    assert [row for row in wanting if row not in {"here", "---"}] == []
