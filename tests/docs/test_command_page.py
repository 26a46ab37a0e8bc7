"""The page about `understudy analyze` names every option, exit status and JSON key that there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click
import pytest
from hooks_loading import ROOT

from supervisors.cli.exit_status import ExitStatus
from supervisors.cli.main import analyze
from supervisors.runtime.analysis_json import to_json
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderReport

PAGE = (ROOT / "docs" / "how-to" / "analyze-a-screenplay.md").read_text("utf-8")
JSON: Any = to_json(Analysis("", 0, 0, {}, {}, {"maya": ReaderReport()}, (Incident(0.0, "maya", "", ""),)))


def table_under(heading: str) -> str:
    """Return the text between a heading and the next."""
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_option_is_named_and_no_other() -> None:
    options = {name for option in analyze.params if isinstance(option, click.Option) for name in option.opts}
    assert set(re.findall(r"`(--[a-z-]+)", table_under("Options"))) == options


def test_every_exit_status_is_named_and_no_other() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \|", table_under("Exit statuses"), re.MULTILINE)
    assert sorted(int(number) for row in rows for number in row.split(",")) == sorted(ExitStatus)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(JSON.keys(), id="top"),
        pytest.param(JSON["readers"]["maya"].keys(), id="readers"),
        pytest.param(JSON["incidents"][0].keys(), id="incidents"),
        pytest.param(JSON["totals"].keys(), id="totals"),
    ],
)
def test_every_key_of_the_json_is_named(keys: Iterable[str]) -> None:
    assert [key for key in keys if f"`{key}`" not in table_under("The JSON")] == []
