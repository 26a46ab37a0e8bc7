"""An analysis as JSON, for programs: one stable shape that says its own version.

    schema            "understudy.analysis/1"; the number grows when a key changes its meaning or goes
    title             text
    scenes, words     whole numbers
    status            "complete", "partial" or "failed"
    partial_success   true when some readers have results and some have errors
    seconds           how long it all took
    results           by reader: logline, strengths, concerns, scores, verdict, evidence, overall
      scores            premise, structure, character, dialogue: 1 to 10
      verdict           "pass", "consider" or "recommend"
      evidence          list of {scene, note}; scenes count from 1
      overall           the mean of the scores as the reader weighs them; the verdict rests on it
    errors            by reader: kind, text
    readers           by reader: attempts, model_used (or null), fell_back, sections, restarts,
                      input_tokens, output_tokens, started_at, seconds
    incidents         list of {at, reader, what, survived_by}, oldest first
    totals            attempts, input_tokens, output_tokens, restarts, models, fell_back

A reader stands in either `results` or `errors`. Keys and readers keep their order. Times are seconds since
the analysis began, rounded to the millisecond. Texts are as the models and the script gave them: escape them where
they are shown.
"""

from __future__ import annotations

import json
from typing import cast

import attrs

from actors.coverage.record import Coverage, to_dict
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderReport
from supervisors.runtime.analysis_totals import Totals, overall_mark, status_of

SCHEMA = "understudy.analysis/1"
DIGITS = 3
"""Milliseconds: finer than any network, and equal runs give equal files."""


def to_json(analysis: Analysis) -> dict[str, object]:
    """Return `analysis` as plain dicts, lists, texts, numbers, booleans and None."""
    return {
        "schema": SCHEMA,
        "title": analysis.title,
        "scenes": analysis.scenes,
        "words": analysis.words,
        "status": status_of(analysis),
        "partial_success": analysis.partial_success,
        "seconds": round(analysis.seconds, DIGITS),
        "results": {reader: _result(reader, coverage) for reader, coverage in analysis.results.items()},
        "errors": {reader: attrs.asdict(failure) for reader, failure in analysis.errors.items()},
        "readers": {reader: _reader(report) for reader, report in analysis.readers.items()},
        "incidents": [_incident(incident) for incident in analysis.incidents],
        "totals": _totals(Totals.of(analysis)),
    }


def to_bytes(analysis: Analysis) -> bytes:
    """Return `analysis` as an indented UTF-8 JSON text with a line feed at its end."""
    text = json.dumps(to_json(analysis), ensure_ascii=False, indent=2, allow_nan=False)
    # Half a surrogate pair has no UTF-8; written as \udc80 it is the JSON escape for itself.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _result(reader: str, coverage: Coverage) -> dict[str, object]:
    return {**to_dict(coverage), "overall": round(overall_mark(reader, coverage.scores), DIGITS)}


def _reader(report: ReaderReport) -> dict[str, object]:
    started_at, seconds = round(report.started_at, DIGITS), round(report.seconds, DIGITS)
    return attrs.asdict(attrs.evolve(report, started_at=started_at, seconds=seconds))


def _incident(incident: Incident) -> dict[str, object]:
    return attrs.asdict(attrs.evolve(incident, at=round(incident.at, DIGITS)))


def _totals(totals: Totals) -> dict[str, object]:
    return attrs.asdict(totals, value_serializer=_list_of_tuple)


def _list_of_tuple(_instance: object, _attribute: object, value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
