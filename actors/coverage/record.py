"""The coverage record a reader gives: what it holds and which answers count as one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, cast

import attrs

from actors.errors import ReplyInvalid

_T = TypeVar("_T")

Verdict = Literal["pass", "consider", "recommend"]

LOGLINE_LENGTH = 400
"""The most characters of a logline: two long sentences."""

POINTS_LIMIT = 8
"""The most strengths, and the most concerns: what a reader of the coverage still takes in."""

EVIDENCE_LIMIT = 12
"""The most scenes a coverage points to."""

NOTE_LENGTH = 600
"""The most characters of a strength, a concern or a note."""


MARKS = range(1, 11)
"""A mark, from 1 (poor) to 10 (outstanding)."""

_VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {"pass": "pass", "consider": "consider", "recommend": "recommend"}
)
_NOTHING: Final = object()
_FIELDS = frozenset({"logline", "strengths", "concerns", "scores", "verdict", "evidence"})
# Prose before the answer may hold a bracket or two; every try reads at most the whole text once.
_TRIES = 32
_QUOTED_BELOW = 10_000
# Models break lines inside strings, which strict JSON forbids and a reader understands.
_DECODER = json.JSONDecoder(strict=False)


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


def to_dict(coverage: Coverage) -> dict[str, Any]:
    """Return the coverage as JSON has it: objects as dicts, sequences as lists, keys in the order of the record."""
    return {
        "logline": coverage.logline,
        "strengths": list(coverage.strengths),
        "concerns": list(coverage.concerns),
        "scores": attrs.asdict(coverage.scores),
        "verdict": coverage.verdict,
        "evidence": [attrs.asdict(evidence) for evidence in coverage.evidence],
    }


def parse_coverage(text: str, *, scenes: range) -> Coverage:
    """Read a model's answer, strictly, and tell all that is wrong with it at once.

    The answer is the first JSON object in the text that has a field of the record, whatever prose or code fence
    stands around it. Other fields are ignored. White space and unprintable characters inside a string become
    single spaces, so that no report can move the cursor of the terminal that shows it.

    Args:
        text: the answer; any text.
        scenes: the scenes that evidence may rest on.

    Raises:
        ReplyInvalid: there is no such object, or it breaks a bound. Each problem is one line with the path of the
            field, its bound and the kind of value found, never the text found.
    """
    check = _Check()
    found = _object_in(text)
    if found is None:
        problems = ("the reply must hold one complete JSON object, got none",)
        raise ReplyInvalid("reply holds no coverage", problems=problems)
    coverage = Coverage(
        logline=check.text("logline", found.get("logline", _NOTHING), LOGLINE_LENGTH),
        strengths=check.points("strengths", found.get("strengths", _NOTHING)),
        concerns=check.points("concerns", found.get("concerns", _NOTHING)),
        scores=check.scores("scores", found.get("scores", _NOTHING)),
        verdict=check.verdict("verdict", found.get("verdict", _NOTHING)),
        evidence=check.evidence("evidence", found.get("evidence", _NOTHING), scenes),
    )
    if check.problems:
        raise ReplyInvalid(f"reply is no coverage: {check.problems[0]}", problems=tuple(check.problems))
    return coverage


def _object_in(text: str) -> Mapping[str, object] | None:
    """Return the first object that has a field of the record, tried at the first brackets only."""
    at = -1
    for _ in range(_TRIES):
        at = text.find("{", at + 1)
        if at < 0:
            break
        try:
            found, _end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        if not _FIELDS.isdisjoint(found):
            return cast("Mapping[str, object]", found)
    return None


@attrs.define(eq=False)
class _Check:
    """A list of problems that grows while values pass by; a wrong value passes as some value of the right type."""

    problems: list[str] = attrs.field(factory=list[str])

    def text(self, path: str, value: object, longest: int) -> str:
        if isinstance(value, str) and 1 <= len(cleaned := _printable(value)) <= longest:
            return cleaned
        return self._fault(path, f"a string of 1 to {longest} characters", value, instead="")

    def whole(self, path: str, value: object, bounds: range) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value in bounds:
            return value
        return self._fault(path, f"a whole number from {bounds.start} to {bounds.stop - 1}", value, instead=0)

    def entries(self, path: str, value: object, most: int) -> Sequence[object]:
        entries = _as_list(value)
        if 1 <= len(entries) <= most:
            return entries
        return self._fault(path, f"a list of 1 to {most} entries", value, instead=[])

    def fields(self, path: str, value: object) -> Mapping[str, object] | None:
        if isinstance(value, dict):
            return cast("Mapping[str, object]", value)
        return self._fault(path, "an object", value, instead=None)

    def points(self, path: str, value: object) -> tuple[str, ...]:
        entries = enumerate(self.entries(path, value, POINTS_LIMIT))
        return tuple(self.text(f"{path}[{index}]", entry, NOTE_LENGTH) for index, entry in entries)

    def scores(self, path: str, value: object) -> Scores:
        marks = self.fields(path, value)
        if marks is None:
            return Scores(0, 0, 0, 0)
        return Scores(
            **{
                name: self.whole(f"{path}.{name}", marks.get(name, _NOTHING), MARKS)
                for name in ("premise", "structure", "character", "dialogue")
            }
        )

    def verdict(self, path: str, value: object) -> Verdict:
        if isinstance(value, str) and value in _VERDICTS:
            return _VERDICTS[value]
        return self._fault(path, '"pass", "consider" or "recommend"', value, instead="pass")

    def evidence(self, path: str, value: object, scenes: range) -> tuple[Evidence, ...]:
        entries = enumerate(self.entries(path, value, EVIDENCE_LIMIT))
        return tuple(self._one_evidence(f"{path}[{index}]", entry, scenes) for index, entry in entries)

    def _one_evidence(self, path: str, value: object, scenes: range) -> Evidence:
        fields = self.fields(path, value)
        if fields is None:
            return Evidence(0, "")
        return Evidence(
            scene=self.whole(f"{path}.scene", fields.get("scene", _NOTHING), scenes),
            note=self.text(f"{path}.note", fields.get("note", _NOTHING), NOTE_LENGTH),
        )

    def _fault(self, path: str, bound: str, value: object, *, instead: _T) -> _T:
        self.problems.append(f"{path} must be {bound}, got {_kind(value)}")
        return instead


def _as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _printable(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _kind(value: object) -> str:
    """Say what was found without saying what it says."""
    entries = _as_list(value)
    match value:
        case str():
            return f"a string of {len(_printable(value))}"
        case list():
            return f"a list of {len(entries)}"
        case dict():
            return "an object"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float() if abs(value) < _QUOTED_BELOW:
            return str(value)
        case int() | float():
            return "a number far off"
        case _:
            return "nothing"
