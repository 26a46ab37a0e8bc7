"""The record: which answers count as coverage, and what is said of those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coverage.record import (
    EVIDENCE_LIMIT,
    POINTS_LIMIT,
    Coverage,
    Evidence,
    Scores,
    parse_coverage,
    to_dict,
)
from actors.errors import ReplyInvalid

GOOD = Coverage(
    logline="A keeper lights a lamp.",
    strengths=("Scene 2 turns.",),
    concerns=("It is short.", "It is dark."),
    scores=Scores(premise=7, structure=6, character=1, dialogue=10),
    verdict="consider",
    evidence=(Evidence(4, "The lamp."), Evidence(9, "The storm.")),
)
SCENES = range(4, 10)


def answer(**changes: Any) -> str:
    return json.dumps(to_dict(GOOD) | changes)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ReplyInvalid) as refused:
        parse_coverage(text, scenes=SCENES)
    return refused.value.problems


def test_a_coverage_comes_back_from_its_json() -> None:
    assert parse_coverage(answer(), scenes=SCENES) == GOOD


def test_a_coverage_as_a_dict_is_plain_json() -> None:
    assert to_dict(GOOD) == {
        "logline": "A keeper lights a lamp.",
        "strengths": ["Scene 2 turns."],
        "concerns": ["It is short.", "It is dark."],
        "scores": {"premise": 7, "structure": 6, "character": 1, "dialogue": 10},
        "verdict": "consider",
        "evidence": [{"scene": 4, "note": "The lamp."}, {"scene": 9, "note": "The storm."}],
    }


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "Here is my {{coverage}}:\n\n{}\n\nHope it helps.",
        'An object such as {{"a": 1}} comes first. {}',
        '{{"coverage": {}}}',
    ],
)
def test_prose_and_fences_around_the_answer_are_passed_over(wrapped: str) -> None:
    text = (
        wrapped.replace("{}", answer()).replace("{{", "{").replace("}}", "}") if "{{" in wrapped else wrapped
    )
    assert parse_coverage(text.replace("{}", answer()), scenes=SCENES) == GOOD


def test_other_fields_are_ignored() -> None:
    assert parse_coverage(answer(mood="grim"), scenes=SCENES) == GOOD


def test_strings_are_made_printable_on_one_line() -> None:
    text = answer(logline="A\x1b[31m red\u202e\n lamp\ud800.")
    assert parse_coverage(text, scenes=SCENES).logline == "A [31m red lamp ."


def test_a_raw_line_break_inside_a_string_is_read() -> None:
    text = answer().replace("A keeper lights", "A keeper\nlights")
    assert parse_coverage(text, scenes=SCENES) == GOOD


@pytest.mark.parametrize(
    "text", ["", "No.", "{", "[]", "{}", "null", '{"a": 1}', answer()[:-1], '{"a":' * 99_999]
)
def test_an_answer_without_a_complete_object_is_refused(text: str) -> None:
    assert problems(text) == ("the reply must hold one complete JSON object, got none",)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"logline": ""}, "logline must be a string of 1 to 400 characters, got a string of 0"),
        ({"logline": " \n\t"}, "logline must be a string of 1 to 400 characters, got a string of 0"),
        ({"logline": "x" * 401}, "logline must be a string of 1 to 400 characters, got a string of 401"),
        ({"logline": None}, "logline must be a string of 1 to 400 characters, got null"),
        ({"strengths": []}, "strengths must be a list of 1 to 8 entries, got a list of 0"),
        ({"strengths": ["x"] * 9}, "strengths must be a list of 1 to 8 entries, got a list of 9"),
        ({"strengths": "fine"}, "strengths must be a list of 1 to 8 entries, got a string of 4"),
        ({"concerns": ["x", ""]}, "concerns[1] must be a string of 1 to 600 characters, got a string of 0"),
        ({"concerns": [{}]}, "concerns[0] must be a string of 1 to 600 characters, got an object"),
        ({"scores": []}, "scores must be an object, got a list of 0"),
        ({"verdict": "maybe"}, 'verdict must be "pass", "consider" or "recommend", got a string of 5'),
        ({"verdict": ["pass"]}, 'verdict must be "pass", "consider" or "recommend", got a list of 1'),
        ({"evidence": []}, "evidence must be a list of 1 to 12 entries, got a list of 0"),
        ({"evidence": [7]}, "evidence[0] must be an object, got 7"),
        (
            {"evidence": [{"scene": 3, "note": "x"}]},
            "evidence[0].scene must be a whole number from 4 to 9, got 3",
        ),
        (
            {"evidence": [{"scene": 10, "note": "x"}]},
            "evidence[0].scene must be a whole number from 4 to 9, got 10",
        ),
        (
            {"evidence": [{"scene": 4}]},
            "evidence[0].note must be a string of 1 to 600 characters, got nothing",
        ),
    ],
)
def test_a_field_out_of_bounds_is_named_with_its_bound(changes: dict[str, Any], problem: str) -> None:
    assert problems(answer(**changes)) == (problem,)


@pytest.mark.parametrize(
    ("mark", "got"),
    [(0, "0"), (11, "11"), (7.0, "7.0"), ("7", "a string of 1"), (True, "true"), (10**9, "a number far off")],
)
def test_a_mark_is_a_whole_number_from_1_to_10(mark: object, got: str) -> None:
    scores = {"premise": 1, "structure": mark, "character": 10, "dialogue": 5}
    assert problems(answer(scores=scores)) == (
        f"scores.structure must be a whole number from 1 to 10, got {got}",
    )


def test_all_problems_are_told_at_once() -> None:
    found = problems('{"logline": 1, "scores": {"premise": 0}, "verdict": false}')
    assert [line.split(" must")[0] for line in found] == [
        "logline",
        "strengths",
        "concerns",
        "scores.premise",
        "scores.structure",
        "scores.character",
        "scores.dialogue",
        "verdict",
        "evidence",
    ]


def test_the_error_says_what_is_wrong_first() -> None:
    with pytest.raises(ReplyInvalid, match=r"^reply is no coverage: verdict must be .*, got null$"):
        parse_coverage(answer(verdict=None), scenes=SCENES)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["pass", 5, "ok"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["logline", "strengths", "scores", "premise", "verdict", "evidence", "scene", "note"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.one_of(st.text(), JSON_LIKE.map(json.dumps), st.text('{}[]":,ax1`')))
def test_every_text_is_a_coverage_or_a_list_of_problems(text: str) -> None:
    found: tuple[str, ...] = ("",)
    try:
        parse_coverage(text, scenes=SCENES)
    except ReplyInvalid as refused:
        found = refused.problems
    assert found
    assert all("\n" not in line and len(line) < 120 for line in found)


SENTENCE = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
MARK = st.integers(1, 10)
COVERAGES = st.builds(
    Coverage,
    logline=SENTENCE,
    strengths=st.lists(SENTENCE, min_size=1, max_size=POINTS_LIMIT).map(tuple),
    concerns=st.lists(SENTENCE, min_size=1, max_size=POINTS_LIMIT).map(tuple),
    scores=st.builds(Scores, premise=MARK, structure=MARK, character=MARK, dialogue=MARK),
    verdict=st.sampled_from(["pass", "consider", "recommend"]),
    evidence=st.lists(
        st.builds(Evidence, scene=st.sampled_from(SCENES), note=SENTENCE), min_size=1, max_size=EVIDENCE_LIMIT
    ).map(tuple),
)


@given(COVERAGES)
def test_every_coverage_survives_the_way_out_and_in(coverage: Coverage) -> None:
    assert parse_coverage(json.dumps(to_dict(coverage)), scenes=SCENES) == coverage
