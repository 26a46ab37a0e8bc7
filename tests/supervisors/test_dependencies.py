"""Tests for start orders and restart sets, against the plain reading of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.dependencies import Dependencies, Strategy, start_order

IDS = "abcdefg"


@st.composite
def rows(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Draw children that need only those before them in a hidden order, and show them in another."""
    hidden = draw(st.permutations(IDS))
    needs = {
        each: tuple(sorted(draw(st.sets(st.sampled_from(hidden[:place]), max_size=3)))) if place else ()
        for place, each in enumerate(hidden)
    }
    return {each: needs[each] for each in draw(st.permutations(IDS))}


def test_children_without_needs_start_in_the_order_given() -> None:
    assert start_order({"b": (), "a": (), "c": ()}) == ("b", "a", "c")


def test_a_child_starts_behind_what_it_needs_and_otherwise_where_it_stands() -> None:
    assert start_order({"reader": ("call", "limiter"), "log": (), "call": ("limiter",), "limiter": ()}) == (
        "limiter",
        "call",
        "reader",
        "log",
    )


@given(rows())
def test_in_any_row_everybody_stands_behind_what_they_need_and_nobody_is_lost(
    row: dict[str, tuple[str, ...]],
) -> None:
    order = start_order(row)
    assert sorted(order) == sorted(row)
    for child, needs in row.items():
        assert all(order.index(each) < order.index(child) for each in needs)


def test_a_circle_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match=r"^children need each other in a circle: b -> c -> d -> b$"):
        start_order({"a": ("b",), "b": ("c",), "c": ("d",), "d": ("b",)})


def test_a_need_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^child 'a' needs 'x', and there is no such child$"):
        start_order({"a": ("x",)})


def test_a_chain_of_thousands_of_needs_is_put_in_order() -> None:
    chain = {str(each): (str(each + 1),) for each in range(20_000)} | {"20000": ()}
    assert start_order(chain)[:2] == ("20000", "19999")


@pytest.mark.parametrize(
    ("strategy", "together"),
    [("one_for_one", "b"), ("rest_for_one", "bcd"), ("one_for_all", "abcd")],
)
def test_a_strategy_says_who_is_restarted_with_a_child(strategy: Strategy, together: str) -> None:
    assert Dependencies(strategy).restart_set("b", "abcd") == tuple(together)


@given(rows(), st.sampled_from(IDS))
def test_those_that_need_a_child_directly_or_not_are_restarted_with_it(
    row: dict[str, tuple[str, ...]], failed: str
) -> None:
    order = start_order(row)
    dependencies = Dependencies("one_for_one")
    for child in order:
        dependencies.add(child, row[child])
    leaning = {failed}
    for child in order:  # in start order one pass is enough
        if leaning & set(row[child]):
            leaning.add(child)
    assert dependencies.restart_set(failed, order) == tuple(each for each in order if each in leaning)
    assert dependencies.dependents(failed) == leaning


@given(rows(), st.sampled_from(IDS))
def test_rest_for_one_is_the_need_of_all_that_stand_before(
    row: dict[str, tuple[str, ...]], failed: str
) -> None:
    order = start_order(row)
    by_need, by_strategy = Dependencies("one_for_one"), Dependencies("rest_for_one")
    for place, child in enumerate(order):
        by_need.add(child, order[:place])
        by_strategy.add(child, row[child])
    assert by_strategy.restart_set(failed, order) == by_need.restart_set(failed, order)


def test_what_a_forgotten_child_needed_is_forgotten() -> None:
    dependencies = Dependencies("one_for_one")
    dependencies.add("b", ("a",))
    assert dependencies.needed_by("a") == ("b",)
    dependencies.remove("b", ("a", "never_added"))
    assert dependencies.needed_by("a") == ()
    assert dependencies.restart_set("a", "ab") == ("a",)
