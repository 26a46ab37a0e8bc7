"""Tests for the drawn tree, compared as text."""

from __future__ import annotations

from itertools import pairwise
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.tree_drawing import Column, Row, draw_tree, text_width

COLUMNS = (
    Column("state", rank=1),
    Column("mailbox", rank=2, align="right"),
    Column("kind", rank=3),
)

SHOP = (
    Row(0, "shop", ("running", "0/64", "one_for_one")),
    Row(
        1,
        "limiter",
        ("running", "3/64", "permanent"),
        ("acquire for 1.5 s, waits for store.put", "unhealthy"),
    ),
    Row(1, "readers", ("restarting", "0/8", "rest_for_one"), ("last error ValueError",)),
    Row(2, "maya", ("running", "10/64", "transient"), ("read for 12 s",)),
    Row(2, "colton, who has a long name", ("stopping", "0/64", "transient")),
    Row(3, "notes", ("running", "0/64", "temporary")),
    Row(1, "store", ("stopped", "0/64", "permanent")),
)


def drawn(text: str) -> str:
    return dedent(text).strip("\n")


def test_branches_columns_and_notes_stand_in_line() -> None:
    assert draw_tree(SHOP, COLUMNS, title="actor", width=72) == drawn("""
        actor                              state       mailbox  kind
        shop                               running        0/64  one_for_one
        ├─ limiter                         running        3/64  permanent
        │    acquire for 1.5 s, waits for store.put
        │    unhealthy
        ├─ readers                         restarting      0/8  rest_for_one
        │  │ last error ValueError
        │  ├─ maya                         running       10/64  transient
        │  │    read for 12 s
        │  └─ colton, who has a long name  stopping       0/64  transient
        │     └─ notes                     running        0/64  temporary
        └─ store                           stopped        0/64  permanent
    """)


def test_a_long_name_is_cut_before_a_column_goes() -> None:
    rows = (SHOP[0], Row(1, "colton, who has a long name", ("stopping", "0/64", "transient")))
    assert draw_tree(rows, COLUMNS, title="actor", width=60) == drawn("""
        actor                         state     mailbox  kind
        shop                          running      0/64  one_for_one
        └─ colton, who has a long n…  stopping     0/64  transient
    """)


def test_the_least_important_columns_go_first_where_the_width_is_short() -> None:
    headings = [
        draw_tree(SHOP, COLUMNS, title="actor", width=width).splitlines()[0].split()
        for width in (55, 54, 40, 30)
    ]
    assert headings == [
        ["actor", "state", "mailbox", "kind"],
        ["actor", "state", "mailbox"],
        ["actor", "state"],
        ["actor"],
    ]


def test_notes_are_wrapped_and_hang_in_their_branch() -> None:
    assert draw_tree(SHOP[:3], COLUMNS, title="actor", width=30) == drawn("""
        actor       state
        shop        running
        ├─ limiter  running
        │    acquire for 1.5 s, waits
        │      for store.put
        │    unhealthy
        └─ readers  restarting
             last error ValueError
    """)


def test_a_column_without_any_text_is_left_out() -> None:
    rows = (Row(0, "shop", ("running", "")), Row(1, "store", ("stopped", "")))
    columns = (Column("state", rank=1), Column("restarts", rank=2))
    assert draw_tree(rows, columns, title="actor", width=80) == drawn("""
        actor     state
        shop      running
        └─ store  stopped
    """)


def test_no_rows_are_the_heading_alone() -> None:
    assert draw_tree((), COLUMNS, title="actor", width=80) == "actor"


def test_wide_and_combining_characters_do_not_push_the_columns() -> None:
    rows = (
        Row(0, "shop", ("running",)),
        Row(1, "読者", ("running",)),
        Row(1, "re\u0301my", ("running",)),
        Row(1, "読者読者読者読者読者読者", ("running",)),
    )
    lines = draw_tree(rows, COLUMNS[:1], title="actor", width=30).splitlines()
    assert [text_width(line[: line.index("running")]) for line in lines[1:]] == [23, 23, 23, 23]
    assert [line.index("running") for line in lines[1:]] == [23, 21, 24, 15]  # in characters
    assert lines[-1] == "└─ 読者読者読者読者…   running"


def test_a_deep_tree_keeps_the_nearest_branches_and_gives_the_level() -> None:
    rows = [Row(level, f"n{level}", ("running",), ("busy",) if level == 4 else ()) for level in range(11)]
    assert draw_tree(rows, COLUMNS[:1], title="actor", width=30) == drawn("""
        actor            state
        n0               running
        └─ n1            running
           └─ n2         running
              └─ n3      running
         4       └─ n4   running
                    │ busy
         5       └─ n5   running
         6       └─ n6   running
         7       └─ n7   running
         8       └─ n8   running
         9       └─ n9   running
        10       └─ n10  running
    """)


@pytest.mark.parametrize("width", [20, 80])
def test_a_tree_far_deeper_than_the_stack_is_drawn_in_the_width_it_was_given(width: int) -> None:
    rows = [Row(level, f"node {level}", ("running", "0/64", "permanent")) for level in range(20_000)]
    lines = draw_tree(rows, COLUMNS, title="actor", width=width).splitlines()
    assert (len(lines), max(len(line) for line in lines) <= width) == (20_001, True)


@st.composite
def trees(draw: st.DrawFn) -> list[Row]:
    """Draw rows in preorder with levels, names and notes of any kind."""
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 12))):
        level = draw(st.integers(1, min(4, rows[-1].level + 1))) if rows else 0
        words = st.text(st.sampled_from("ab 読e\u0301"), min_size=1, max_size=30).map(
            lambda text: text.strip() or "x"
        )
        cells = tuple(draw(st.sampled_from(("", "running", "1"))) for _ in COLUMNS)
        rows.append(Row(level, draw(words), cells, tuple(draw(st.lists(words, max_size=2)))))
    return rows


@given(trees(), st.integers(40, 120))
def test_every_branch_leads_up_to_a_row_it_belongs_to_and_none_leads_nowhere(
    rows: list[Row], width: int
) -> None:
    """Read from the drawing alone, each line's branch is met by a branch, or a label, right above it, and goes on."""
    lines = draw_tree(rows, COLUMNS, title="actor", width=width).splitlines()[1:]
    for above, line in pairwise((*lines, "")):
        here, there = rail_of(line), rail_of(above)
        for column, char in enumerate(here):
            if char in "│├└":
                assert column < len(above)
                assert above[column] in "│├" or above[:column].strip("│├└─ ") == ""
        goes_on = [column for column, char in enumerate(there) if char in "│├"]
        assert [column for column in goes_on if here[column : column + 1] not in {"│", "├", "└"}] == []


def rail_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" │├└─"))]


@given(trees(), st.integers(40, 120))
def test_no_row_is_longer_than_the_width(rows: list[Row], width: int) -> None:
    plain = [Row(row.level, row.label, row.cells) for row in rows]
    lines = draw_tree(plain, COLUMNS, title="actor", width=width).splitlines()
    assert len(lines) == len(rows) + 1
    assert max(text_width(line) for line in lines) <= width
