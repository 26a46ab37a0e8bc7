"""The page that tells the house's story names files that are there."""

from __future__ import annotations

import re

from hooks_loading import ROOT

PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
FLOORS = ("", "actors", "actors/policies", "supervisors")
"""Where a file may be that is named without its folder."""


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    assert "supervisors/recovery.py" in named
    assert (
        sorted(name for name in named if not any((ROOT / floor / name).is_file() for floor in FLOORS)) == []
    )


def test_every_folder_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(\w+)/`", PAGE))
    assert named
    assert sorted(name for name in named if not any((ROOT / floor / name).is_dir() for floor in FLOORS)) == []
