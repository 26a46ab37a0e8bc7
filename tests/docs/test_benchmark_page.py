"""The page about the benchmarks tells of every figure that `make bench` prints."""

from __future__ import annotations

import re

from hooks_loading import ROOT

PAGE = (ROOT / "docs" / "explanation" / "benchmarks.md").read_text("utf-8")


def test_every_figure_is_told_of_and_no_other() -> None:
    names = ("kernel", "supervision", "limiter", "estimates", "stack")
    sources = [(ROOT / "benchmarks" / f"{name}.py").read_text("utf-8") for name in names]
    measured = {
        name for source in sources for name in re.findall(r'^    "([a-z_.]+)": \w+,$', source, re.MULTILINE)
    }
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.MULTILINE))
    assert measured
    assert told == measured
