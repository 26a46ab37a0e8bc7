"""One reader's coverage of a whole script out of their coverages of its sections.

The rules, all deterministic:

- Logline: the one of the longest section, by words; of equals the earlier.
- Scores: each mark is the mean of the sections' marks, weighted by words and rounded half up.
- Verdict: what the merged scores earn with the reader's weights, by the rule the reader was given (see `verdict`).
- Strengths and concerns: points that say the same but for case, space and a final stop are one, in the words they
  were first put in. Those named by more sections come first; among equals a section's first point goes before any
  section's second, and earlier sections go before later ones. The first `POINTS_LIMIT` stay.
- Evidence: one note a section in turn until `EVIDENCE_LIMIT` stand, repeats left out, then sorted by scene.

One coverage alone stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from actors.coverage.record import EVIDENCE_LIMIT, POINTS_LIMIT, Coverage, Evidence, Scores
from actors.coverage.verdict import Weights, verdict_of

_T = TypeVar("_T")


def merge(coverages: Sequence[Coverage], *, words: Sequence[int], weights: Weights) -> Coverage:
    """Merge coverages of one reader, section by section, into one.

    Args:
        coverages: one for each section, in the order of the script.
        words: how many words each section has; a section without words counts as one of a single word.
        weights: how much each mark counts with this reader.

    Returns:
        The coverage of the whole.

    Raises:
        ValueError: there is no coverage, or not one number of words for each.
    """
    if not coverages or len(coverages) != len(words):
        raise ValueError(
            f"merge needs one word count for each coverage, got {len(words)} for {len(coverages)}"
        )
    if len(coverages) == 1:
        return coverages[0]
    sizes = [max(1, count) for count in words]
    scores = _scores([coverage.scores for coverage in coverages], sizes)
    return Coverage(
        logline=coverages[sizes.index(max(sizes))].logline,
        strengths=_ranked([coverage.strengths for coverage in coverages]),
        concerns=_ranked([coverage.concerns for coverage in coverages]),
        scores=scores,
        verdict=verdict_of(scores, weights),
        evidence=_evidence([coverage.evidence for coverage in coverages]),
    )


def _scores(scores: Sequence[Scores], sizes: Sequence[int]) -> Scores:
    def mean(marks: Iterable[int]) -> int:
        weighted = sum(mark * size for mark, size in zip(marks, sizes, strict=True))
        return (2 * weighted + sum(sizes)) // (2 * sum(sizes))

    return Scores(
        premise=mean(each.premise for each in scores),
        structure=mean(each.structure for each in scores),
        character=mean(each.character for each in scores),
        dialogue=mean(each.dialogue for each in scores),
    )


def _ranked(points: Sequence[Sequence[str]]) -> tuple[str, ...]:
    named_by: dict[str, int] = {}
    for section in points:
        for same in {_sameness(point) for point in section}:
            named_by[same] = named_by.get(same, 0) + 1
    first_of_each = _distinct(_in_turn(points), _sameness)
    return tuple(sorted(first_of_each, key=lambda point: -named_by[_sameness(point)])[:POINTS_LIMIT])


def _evidence(evidence: Sequence[Sequence[Evidence]]) -> tuple[Evidence, ...]:
    chosen = list(_distinct(_in_turn(evidence), lambda each: (each.scene, _sameness(each.note))))[
        :EVIDENCE_LIMIT
    ]
    return tuple(sorted(chosen, key=lambda each: each.scene))


def _sameness(point: str) -> str:
    return " ".join(point.casefold().split()).rstrip(".!")


def _in_turn(sections: Sequence[Sequence[_T]]) -> Iterator[_T]:
    """Yield the first of every section, then the second of every section, and so on."""
    rounds = zip_longest(*([(each,) for each in section] for section in sections), fillvalue=())
    return chain.from_iterable(chain.from_iterable(rounds))


def _distinct(values: Iterable[_T], key: Callable[[_T], Hashable]) -> Iterator[_T]:
    seen: dict[Hashable, _T] = {}
    for value in values:
        seen.setdefault(key(value), value)
    return iter(seen.values())
