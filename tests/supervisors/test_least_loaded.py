"""Tests that the least loaded place is chosen, and that equal ones take turns."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.pool.least_loaded import LeastLoaded


@given(rounds=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), max_size=20))
def test_no_place_has_less_to_do_than_the_chosen_one(rounds: list[list[int]]) -> None:
    usher = LeastLoaded()
    for loads in rounds:
        assert loads[usher.choose(loads)] == min(loads)


@given(size=st.integers(1, 8), rounds=st.integers(1, 5), first=st.integers(0, 7))
def test_equal_places_take_turns(size: int, rounds: int, first: int) -> None:
    usher = LeastLoaded(first)
    chosen = [usher.choose([0] * size) for _ in range(size * rounds)]
    assert Counter(chosen) == dict.fromkeys(range(size), rounds)
    assert chosen == chosen[:size] * rounds


@given(loads=st.lists(st.integers(0, 5), min_size=1, max_size=8), messages=st.integers(0, 60))
def test_messages_that_stay_even_the_loads_out(loads: list[int], messages: int) -> None:
    usher, heaped = LeastLoaded(), list(loads)
    for _ in range(messages):
        heaped[usher.choose(heaped)] += 1
    assert sum(heaped) == sum(loads) + messages
    grown = [place for place, load in enumerate(heaped) if load > loads[place]]
    assert all(heaped[place] - min(heaped) <= 1 for place in grown)


def test_the_turn_goes_on_after_the_last_choice_and_skips_who_has_more_to_do() -> None:
    usher = LeastLoaded()
    assert [usher.choose(loads) for loads in ([0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0])] == [
        0,
        2,
        0,
        2,
        0,
    ]


def test_loads_of_any_kind_that_compares_are_taken() -> None:
    assert LeastLoaded().choose([(True, 0), (False, 3), (False, 2)]) == 2


def test_no_places_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^loads must hold at least one place, got none$"):
        LeastLoaded().choose([])
