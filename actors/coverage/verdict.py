"""From marks to a verdict: how much each mark counts for a reader, and which overall mark earns what."""

from __future__ import annotations

from fractions import Fraction

import attrs

from actors.coverage.record import Scores, Verdict

RECOMMEND_FROM = Fraction(15, 2)
"""The overall mark, of 10, from which a script is recommended: well above the middle in what the reader values."""

CONSIDER_FROM = Fraction(11, 2)
"""The overall mark from which a script is worth a second look: the exact middle of 1 to 10."""


def _counting(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


@attrs.frozen
class Weights:
    """How often each mark counts towards the overall mark; at least one must count.

    Raises:
        ValueError: a weight is negative, or all are zero.
    """

    premise: int = attrs.field(default=1, validator=_counting)
    structure: int = attrs.field(default=1, validator=_counting)
    character: int = attrs.field(default=1, validator=_counting)
    dialogue: int = attrs.field(default=1, validator=_counting)

    def __attrs_post_init__(self) -> None:
        if not self.total:
            raise ValueError("weights must not all be 0")

    @property
    def total(self) -> int:
        """The sum of the weights, by which a weighted sum of marks is divided."""
        return self.premise + self.structure + self.character + self.dialogue


def overall(scores: Scores, weights: Weights) -> Fraction:
    """Return the weighted mean of the marks, exactly: 8, 6, 7, 7 with weights 1, 3, 1, 1 is 40/6."""
    weighted = (
        weights.premise * scores.premise
        + weights.structure * scores.structure
        + weights.character * scores.character
        + weights.dialogue * scores.dialogue
    )
    return Fraction(weighted, weights.total)


def verdict_of(scores: Scores, weights: Weights) -> Verdict:
    """Return what the marks earn: recommend from 7.5 overall, consider from 5.5, else pass."""
    mark = overall(scores, weights)
    if mark >= RECOMMEND_FROM:
        return "recommend"
    return "consider" if mark >= CONSIDER_FROM else "pass"
