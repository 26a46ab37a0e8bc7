"""The JSON of an analysis: its shape is a promise."""

from __future__ import annotations

import json

import attrs

from actors.coverage.record import Coverage, Evidence, Scores
from supervisors.runtime.analysis_json import SCHEMA, to_bytes, to_json
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderFailure, ReaderReport
from supervisors.runtime.analysis_totals import Totals, overall_mark, status_of

COVERAGE = Coverage(
    logline="A pilgrim climbs.",
    strengths=("the signs",),
    concerns=("the middle", "the end"),
    scores=Scores(premise=7, structure=5, character=6, dialogue=8),
    verdict="consider",
    evidence=(Evidence(3, "the chasm"),),
)
MIXED = Analysis(
    title="Ascent",
    scenes=34,
    words=4321,
    results={"zoe": COVERAGE, "colton": COVERAGE},
    errors={"devon": ReaderFailure("RestartsExhausted", "crashed 4 times")},
    readers={
        "zoe": ReaderReport(4, "sonnet", False, 3, 0, 30_000, 1_800, 0.12345, 41.23456),
        "colton": ReaderReport(7, "haiku", True, 3, 1, 36_000, 2_100, 0.5, 88.0),
        "devon": ReaderReport(9, None, False, 1, 3, 10, 1, 1.0, 60.0),
    },
    incidents=(Incident(1.23456, "colton", "overloaded (529)", "retried"), Incident(9.0, "devon", "crashed")),
    seconds=88.50049,
)
EMPTY = Analysis("", 0, 0, {}, {}, {})


def test_the_whole_shape_of_a_mixed_analysis() -> None:
    result = {
        "logline": "A pilgrim climbs.",
        "strengths": ["the signs"],
        "concerns": ["the middle", "the end"],
        "scores": {"premise": 7, "structure": 5, "character": 6, "dialogue": 8},
        "verdict": "consider",
        "evidence": [{"scene": 3, "note": "the chasm"}],
    }
    assert to_json(MIXED) == {
        "schema": "understudy.analysis/1",
        "title": "Ascent",
        "scenes": 34,
        "words": 4321,
        "status": "partial",
        "partial_success": True,
        "seconds": 88.5,
        "results": {"zoe": result | {"overall": 6.5}, "colton": result | {"overall": 6.429}},
        "errors": {"devon": {"kind": "RestartsExhausted", "text": "crashed 4 times"}},
        "readers": {
            "zoe": {
                "attempts": 4,
                "model_used": "sonnet",
                "fell_back": False,
                "sections": 3,
                "restarts": 0,
                "input_tokens": 30_000,
                "output_tokens": 1_800,
                "started_at": 0.123,
                "seconds": 41.235,
            },
            "colton": {
                "attempts": 7,
                "model_used": "haiku",
                "fell_back": True,
                "sections": 3,
                "restarts": 1,
                "input_tokens": 36_000,
                "output_tokens": 2_100,
                "started_at": 0.5,
                "seconds": 88.0,
            },
            "devon": {
                "attempts": 9,
                "model_used": None,
                "fell_back": False,
                "sections": 1,
                "restarts": 3,
                "input_tokens": 10,
                "output_tokens": 1,
                "started_at": 1.0,
                "seconds": 60.0,
            },
        },
        "incidents": [
            {"at": 1.235, "reader": "colton", "what": "overloaded (529)", "survived_by": "retried"},
            {"at": 9.0, "reader": "devon", "what": "crashed", "survived_by": ""},
        ],
        "totals": {
            "attempts": 20,
            "input_tokens": 66_010,
            "output_tokens": 3_901,
            "restarts": 4,
            "models": ["sonnet", "haiku"],
            "fell_back": ["colton"],
        },
    }


def test_keys_and_readers_keep_their_order() -> None:
    written = json.loads(to_bytes(MIXED))

    assert list(written) == [
        "schema",
        "title",
        "scenes",
        "words",
        "status",
        "partial_success",
        "seconds",
        "results",
        "errors",
        "readers",
        "incidents",
        "totals",
    ]
    assert list(written["results"]) == ["zoe", "colton"]


def test_equal_analyses_give_equal_bytes() -> None:
    assert to_bytes(MIXED) == to_bytes(attrs.evolve(MIXED))


def test_every_field_of_the_values_it_shows_is_in_it() -> None:
    reader = to_json(MIXED)["readers"]
    totals = to_json(MIXED)["totals"]

    assert isinstance(reader, dict)
    assert isinstance(totals, dict)
    assert list(reader["zoe"]) == [field.name for field in attrs.fields(ReaderReport)]
    assert list(totals) == [field.name for field in attrs.fields(Totals)]


def test_bytes_are_what_the_dict_says_and_end_with_a_line_feed() -> None:
    assert json.loads(to_bytes(MIXED)) == to_json(MIXED)
    assert to_bytes(MIXED).endswith(b"}\n")


def test_letters_stay_letters_and_half_a_surrogate_pair_survives() -> None:
    analysis = attrs.evolve(EMPTY, title="Été \udc80")

    assert "Été".encode() in to_bytes(analysis)
    assert json.loads(to_bytes(analysis))["title"] == "Été \udc80"


def test_an_analysis_without_readers_is_written_too() -> None:
    assert to_json(EMPTY)["schema"] == SCHEMA
    assert to_json(EMPTY)["status"] == "failed"
    assert Totals.of(EMPTY) == Totals(0, 0, 0, 0, (), ())


def test_the_status_follows_results_and_errors() -> None:
    failure = {"devon": ReaderFailure("CallFailed", "no")}

    assert status_of(attrs.evolve(EMPTY, results={"maya": COVERAGE})) == "complete"
    assert status_of(attrs.evolve(EMPTY, results={"maya": COVERAGE}, errors=failure)) == "partial"
    assert status_of(attrs.evolve(EMPTY, errors=failure)) == "failed"


def test_the_overall_mark_weighs_as_the_reader_does() -> None:
    scores = Scores(premise=10, structure=1, character=1, dialogue=1)

    assert overall_mark("colton", scores) == 34 / 7
    assert overall_mark("nobody known", scores) == 13 / 4
