"""The page about conformance tells how many rows there are, of which topics and from where."""

from __future__ import annotations

import re
import tomllib

from conformance.rows import TABLES, documents, tables
from hooks_loading import ROOT

PAGE = (ROOT / "docs" / "explanation" / "conformance.md").read_text("utf-8")
ALL = tables()
ROWS = [row for table in ALL for row in table.rows]


def test_each_topic_is_told_of_with_the_number_of_its_rows() -> None:
    told = {name: int(rows) for name, rows in re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)}
    assert told == {table.topic: len(table.rows) for table in ALL}
    assert f"| all | {len(ROWS)} | |" in PAGE


def test_the_documents_and_the_rules_of_the_house_are_counted() -> None:
    own = sum(row.document.startswith(("The house", "docs/")) for row in ROWS)
    assert f"lists the {len(documents())} documents" in PAGE
    assert f"**the house**: {own} rows" in PAGE


def test_the_row_that_is_shown_is_a_row() -> None:
    (shown,) = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (row,) = tomllib.loads(shown)["row"]
    assert row in tomllib.loads((TABLES / "breaker.toml").read_text("utf-8"))["row"]


def test_the_planted_bugs_are_counted() -> None:
    source = (ROOT / "tests" / "conformance" / "test_conformance_runner.py").read_text("utf-8")
    bugs = source.split("BUGS: ", 1)[1].split("\n}\n", 1)[0]
    planted = re.findall(r'^    "', bugs, re.MULTILINE)
    assert f"planted in the code, {len(planted)} of them" in PAGE


def test_the_page_is_in_the_nav_and_the_target_in_the_makefile() -> None:
    assert "- explanation/conformance.md" in (ROOT / "mkdocs.yml").read_text("utf-8")
    assert re.search(r"^conformance: .+ ## .+JSON", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
