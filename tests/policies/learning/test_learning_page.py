"""The page about learning shows the figures that a run gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_figures import WORKLOADS, row

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "learning-limits.md").read_text("utf-8")


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_page_tells_how_soon_a_bucket_shows_itself(name: str) -> None:
    assert row(name) in PAGE.splitlines()
