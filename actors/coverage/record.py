"""The coverage record a reader gives: what it holds and which answers count as one."""

from __future__ import annotations

from typing import Literal

import attrs

Verdict = Literal["pass", "consider", "recommend"]


@attrs.frozen
class Scores:
    """Marks from 1 (poor) to 10 (outstanding)."""

    premise: int
    structure: int
    character: int
    dialogue: int


@attrs.frozen
class Evidence:
    """A claim and the scene it rests on; `scene` counts from 1 over the whole script."""

    scene: int
    note: str


@attrs.frozen
class Coverage:
    """One reader's judgement of a script."""

    logline: str
    strengths: tuple[str, ...]
    concerns: tuple[str, ...]
    scores: Scores
    verdict: Verdict
    evidence: tuple[Evidence, ...]
