"""Sums over an analysis, the same ones for the report a person reads and the file a program reads."""

from __future__ import annotations

from typing import Literal

import attrs

from actors.coverage.personas import PERSONAS
from actors.coverage.record import Scores
from actors.coverage.verdict import Weights, overall
from supervisors.runtime.analysis_result import Analysis

Status = Literal["complete", "partial", "failed"]


@attrs.frozen
class Totals:
    """What the whole analysis took.

    Args:
        attempts: provider calls made by all readers.
        input_tokens: counted input tokens.
        output_tokens: output tokens.
        restarts: how often readers were started again.
        models: the models that gave last answers, each once, in the order of the readers.
        fell_back: readers of whom any answer came from another model than the preferred one.
    """

    attempts: int
    input_tokens: int
    output_tokens: int
    restarts: int
    models: tuple[str, ...]
    fell_back: tuple[str, ...]

    @classmethod
    def of(cls, analysis: Analysis) -> Totals:
        """Add up the readers of `analysis`; one without readers gives zeros."""
        reports = analysis.readers.values()
        return cls(
            attempts=sum(report.attempts for report in reports),
            input_tokens=sum(report.input_tokens for report in reports),
            output_tokens=sum(report.output_tokens for report in reports),
            restarts=sum(report.restarts for report in reports),
            models=tuple(dict.fromkeys(report.model_used for report in reports if report.model_used)),
            fell_back=tuple(name for name, report in analysis.readers.items() if report.fell_back),
        )


def status_of(analysis: Analysis) -> Status:
    """Return "complete" when every reader has a result, "partial" when some have, "failed" when none has."""
    if not analysis.results:
        return "failed"
    return "partial" if analysis.errors else "complete"


def overall_mark(reader: str, scores: Scores) -> float:
    """Return the mark, 1.0 to 10.0, that the reader's verdict rests on.

    Each reader of the house weighs the four marks in their own way; a reader unknown here weighs them alike.
    """
    persona = PERSONAS.get(reader)
    return float(overall(scores, persona.weights if persona else Weights()))
