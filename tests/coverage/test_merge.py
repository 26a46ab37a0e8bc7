"""Merging sections: every rule by its own example."""

from __future__ import annotations

from fractions import Fraction

import attrs
import pytest

from actors.coverage.merge import merge
from actors.coverage.record import Coverage, Evidence, Scores
from actors.coverage.verdict import Weights, overall, verdict_of

EVEN = Weights()


def coverage(
    *,
    mark: int = 5,
    logline: str = "A lamp.",
    strengths: tuple[str, ...] = ("Good.",),
    concerns: tuple[str, ...] = ("Bad.",),
    evidence: tuple[Evidence, ...] = (Evidence(1, "Here."),),
) -> Coverage:
    return Coverage(logline, strengths, concerns, Scores(mark, mark, mark, mark), "pass", evidence)


def test_one_coverage_alone_stays_as_it_is() -> None:
    alone = attrs.evolve(coverage(mark=10), verdict="pass")
    assert merge([alone], words=[100], weights=EVEN) is alone


@pytest.mark.parametrize("words", [[], [1], [1, 2, 3]])
def test_each_coverage_needs_its_word_count(words: list[int]) -> None:
    with pytest.raises(
        ValueError, match=rf"^merge needs one word count for each coverage, got {len(words)} for 2$"
    ):
        merge([coverage(), coverage()], words=words, weights=EVEN)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="got 0 for 0"):
        merge([], words=[], weights=EVEN)


@pytest.mark.parametrize(
    ("marks", "words", "merged"),
    [
        ((4, 8), (100, 300), 7),
        ((4, 5), (100, 100), 5),
        ((4, 5), (101, 100), 4),
        ((9, 3), (0, 0), 6),
        ((10, 1, 1), (800, 100, 100), 8),
    ],
)
def test_marks_are_weighted_by_words_and_rounded_half_up(
    marks: tuple[int, ...], words: tuple[int, ...], merged: int
) -> None:
    result = merge([coverage(mark=mark) for mark in marks], words=words, weights=EVEN)
    assert result.scores == Scores(merged, merged, merged, merged)


def test_each_mark_is_merged_for_itself() -> None:
    parts = [attrs.evolve(coverage(), scores=scores) for scores in (Scores(1, 2, 3, 4), Scores(3, 4, 5, 6))]
    assert merge(parts, words=[1, 1], weights=EVEN).scores == Scores(2, 3, 4, 5)


def test_the_verdict_follows_from_the_merged_marks_and_not_from_the_sections() -> None:
    assert merge([coverage(mark=8), coverage(mark=8)], words=[1, 1], weights=EVEN).verdict == "recommend"


def test_the_verdict_weighs_the_marks_as_the_reader_does() -> None:
    parts = [attrs.evolve(coverage(), scores=Scores(3, 3, 9, 9))] * 2
    assert merge(parts, words=[1, 1], weights=EVEN).verdict == "consider"
    assert merge(parts, words=[1, 1], weights=Weights(0, 1, 3, 2)).verdict == "recommend"
    assert merge(parts, words=[1, 1], weights=Weights(3, 2, 1, 0)).verdict == "pass"


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        (Scores(8, 8, 7, 7), "recommend"),
        (Scores(8, 7, 7, 7), "consider"),
        (Scores(6, 6, 5, 5), "consider"),
        (Scores(6, 5, 5, 5), "pass"),
    ],
)
def test_recommend_begins_at_seven_and_a_half_and_consider_at_five_and_a_half(
    scores: Scores, verdict: str
) -> None:
    assert verdict_of(scores, EVEN) == verdict


def test_the_overall_mark_is_exact() -> None:
    assert overall(Scores(8, 6, 7, 7), Weights(1, 3, 1, 1)) == Fraction(40, 6)


def test_the_logline_is_that_of_the_longest_section_of_equals_the_earlier() -> None:
    parts = [coverage(logline=name) for name in ("a", "b", "c")]
    assert merge(parts, words=[1, 9, 9], weights=EVEN).logline == "b"


def test_points_that_say_the_same_are_one_in_the_words_they_were_first_put_in() -> None:
    parts = [coverage(strengths=("A strong  hook.",)), coverage(strengths=("a Strong hook", "Wit."))]
    assert merge(parts, words=[1, 1], weights=EVEN).strengths == ("A strong  hook.", "Wit.")


def test_points_named_by_more_sections_come_first_then_those_named_earlier_in_their_list() -> None:
    parts = [
        coverage(concerns=("a1", "a2", "a2", "a3")),
        coverage(concerns=("b1", "shared")),
        coverage(concerns=("c1", "c2", "shared")),
    ]
    assert merge(parts, words=[1, 1, 1], weights=EVEN).concerns == (
        "shared", "a1", "b1", "c1", "a2", "c2", "a3",
    )  # fmt: skip


def test_at_most_eight_points_stay() -> None:
    parts = [coverage(strengths=tuple(f"{name}{rank}" for rank in range(8))) for name in "ab"]
    merged = merge(parts, words=[1, 1], weights=EVEN)
    assert merged.strengths == ("a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3")


def test_evidence_stands_in_the_order_of_scenes_without_repeats() -> None:
    parts = [
        coverage(evidence=(Evidence(3, "c"), Evidence(1, "a"))),
        coverage(evidence=(Evidence(3, "C."), Evidence(3, "d"), Evidence(9, "e"))),
    ]
    assert merge(parts, words=[1, 1], weights=EVEN).evidence == (
        Evidence(1, "a"),
        Evidence(3, "c"),
        Evidence(3, "d"),
        Evidence(9, "e"),
    )


def test_evidence_is_capped_fairly_so_that_late_sections_keep_theirs() -> None:
    parts = [
        coverage(evidence=tuple(Evidence(first + offset, "x") for offset in range(12)))
        for first in (1, 101, 201)
    ]
    merged = merge(parts, words=[1, 1, 1], weights=EVEN)
    assert [each.scene for each in merged.evidence] == [1, 2, 3, 4, 101, 102, 103, 104, 201, 202, 203, 204]
