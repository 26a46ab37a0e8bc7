"""Every row of every table holds, and every table is in its form."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from conformance.report import judge
from conformance.rows import Row, documents, tables
from conformance.topics import TOPICS

from actors.faults import FAULT_KINDS

TABLES = tables()
ROWS = [row for table in TABLES for row in table.rows]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.topic}, {row.id}" for row in ROWS])
def test_the_code_does_what_the_row_says(row: Row) -> None:
    assert judge(row).complaints == ()


def test_each_topic_has_a_table_and_a_runner() -> None:
    assert [table.topic for table in TABLES] == sorted(TOPICS)
    assert all(table.about for table in TABLES)


def test_there_are_enough_rows_and_each_topic_has_its_share() -> None:
    counted = Counter(row.topic for row in ROWS)
    assert len(ROWS) >= 350
    assert min(counted.values()) >= 15


def test_every_document_is_named_by_a_row_and_says_where_it_is() -> None:
    assert {row.document for row in ROWS} == set(documents())
    assert all(documents().values())


def test_most_rows_are_facts_from_outside() -> None:
    own = [row for row in ROWS if row.document.startswith(("The house", "docs/"))]
    assert len(own) < len(ROWS) / 3


def test_no_source_is_a_registry_of_packages() -> None:
    words = " ".join([*(row.source for row in ROWS), *documents(), *documents().values()])
    assert not re.search(r"pypi|npmjs|crates\.io|rubygems|packagist", words, re.IGNORECASE)


def test_no_two_rows_of_a_topic_are_the_same_case() -> None:
    cases = Counter(str((row.topic, row.given, row.when, sorted(row.then))) for row in ROWS)
    assert {case for case, times in cases.items() if times > 1} == set()


def test_every_kind_of_fault_comes_of_a_response_an_event_or_an_exception_or_is_told_by_its_outcome() -> None:
    told = {row.then.get("kind") for row in ROWS} | {row.given.get("fault", {}).get("kind") for row in ROWS}
    assert set(FAULT_KINDS) <= told


@pytest.mark.parametrize(
    ("topic", "least"),
    [("responses", 150), ("waits", 60), ("jitter", 40), ("breaker", 80), ("exceptions", 80)],
)
def test_what_was_asked_for_by_name_is_there_in_number(topic: str, least: int) -> None:
    assert sum(row.topic == topic for row in ROWS) >= least


@pytest.mark.parametrize("provider", ["anthropic", "openai", "groq", "dashscope"])
def test_each_provider_has_its_rows(provider: str) -> None:
    told = Counter(row.topic for row in ROWS if row.given.get("provider") == provider)
    assert told["responses"] >= 20
    assert told["events"] >= 3
