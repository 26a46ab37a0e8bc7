"""Mean and quantile of answers by kind: from when on they are known, of how many, and of which kinds."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.output_lengths import (
    DEVIATIONS,
    ENOUGH,
    MOST_KINDS,
    MOST_QUANTILE,
    RECENT,
    OutputLengths,
    OutputStatistics,
)


def lengths_of(*tokens: int, kind: str = "coverage") -> OutputLengths:
    lengths = OutputLengths()
    for each in tokens:
        lengths.add(kind, each)
    return lengths


def test_a_mean_is_told_after_five_answers_rounded_up() -> None:
    assert OutputLengths().mean("coverage") is None
    assert lengths_of(1, 2, 3, 4).mean("coverage") is None
    assert lengths_of(1, 2, 3, 4, 5).mean("coverage") == 3
    assert lengths_of(1, 2, 3, 4, 6).mean("coverage") == 4
    assert lengths_of(0, 0, 0, 0, 0).mean("coverage") == 0


def test_a_quantile_is_told_once_an_answer_lies_above_it() -> None:
    assert OutputLengths().quantile("coverage", 0.9) is None
    assert lengths_of(*range(1, 10)).quantile("coverage", 0.9) is None
    assert lengths_of(*range(1, 11)).quantile("coverage", 0.9) == 9
    assert lengths_of(*range(100, 0, -1)).quantile("coverage", 0.9) == 90
    assert lengths_of(*range(1, 100)).quantile("coverage", 0.99) is None
    assert lengths_of(*range(1, 101)).quantile("coverage", 0.99) == 99
    assert lengths_of(*range(RECENT)).quantile("coverage", MOST_QUANTILE) == RECENT - 2


def test_not_even_a_low_quantile_is_told_of_fewer_than_five_answers() -> None:
    assert lengths_of(7, 8, 9, 10).quantile("coverage", 0.1) is None
    assert lengths_of(7, 8, 9, 10, 11).quantile("coverage", 0.1) == 7


def test_a_surprise_is_the_longest_answer_or_what_many_may_differ_by_together() -> None:
    d = DEVIATIONS
    assert OutputLengths().surprise("coverage", 3) == 0
    assert lengths_of(1, 1, 1, 900).surprise("coverage", 3) == 0
    seen = lengths_of(100, 100, 100, 100, 200)  # mean 120, deviation 40
    assert [seen.surprise("coverage", calls) for calls in (0, 1, 4, 9)] == [0, 40 * d, 80 * d, 120 * d]
    assert lengths_of(*[0] * 9, *[900], *[0] * 90).surprise("coverage", 1) == 900 - 9
    assert lengths_of(*[70] * 9).surprise("coverage", 100) == 0
    forgotten = lengths_of(*[5000] * 10, *[100] * RECENT)
    assert forgotten.surprise("coverage", 100) == 0


def test_kinds_are_known_apart() -> None:
    lengths = lengths_of(*[100] * ENOUGH)
    assert lengths.mean("coverage") == 100
    assert lengths.mean("") is None


def test_old_answers_are_forgotten_and_counted() -> None:
    lengths = lengths_of(*[1000] * RECENT, *[10] * RECENT)
    assert lengths.mean("coverage") == 10
    assert lengths.quantile("coverage", 0.9) == 10
    assert lengths.statistics() == {"coverage": OutputStatistics(answers=2 * RECENT, mean=10, longest=10)}


def test_of_too_many_kinds_the_one_heard_of_longest_ago_is_begun_anew() -> None:
    lengths = OutputLengths()
    for number in (*range(MOST_KINDS), 3, MOST_KINDS):
        lengths.add(f"kind-{number}", 5)
    kinds = list(lengths.statistics())
    assert len(kinds) == MOST_KINDS
    assert kinds[:3] == ["kind-1", "kind-2", "kind-4"]
    assert kinds[-2:] == ["kind-3", f"kind-{MOST_KINDS}"]


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (-1, ValueError, "output_tokens must be >= 0, got -1"),
        (2.0, TypeError, "output_tokens must be a whole number, got 2.0"),
        (True, TypeError, "output_tokens must be a whole number, got True"),
    ],
)
def test_what_is_no_count_is_refused_and_changes_nothing(
    tokens: int, error: type[Exception], message: str
) -> None:
    lengths = OutputLengths()
    with pytest.raises(error) as caught:
        lengths.add("coverage", tokens)
    assert str(caught.value) == message
    assert lengths.statistics() == {}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=3 * RECENT), st.floats(0.01, MOST_QUANTILE))
def test_mean_and_quantile_are_those_of_a_plain_list(tokens: list[int], quantile: float) -> None:
    lengths, recent = lengths_of(*tokens), sorted(tokens[-RECENT:])
    rank = math.ceil(quantile * len(recent))
    is_told = len(recent) >= ENOUGH and rank < len(recent)
    assert lengths.quantile("coverage", quantile) == (recent[rank - 1] if is_told else None)
    assert lengths.mean("coverage") == (math.ceil(statistics.mean(recent)) if len(recent) >= ENOUGH else None)
    told = lengths.statistics()["coverage"]
    assert (told.answers, told.longest) == (len(tokens), recent[-1])
    assert told.mean == pytest.approx(statistics.mean(recent))
