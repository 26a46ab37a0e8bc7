"""How long answers have been, by the kind of the task: the mean and a quantile of the last ones."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping

import attrs

from actors.policies.usage import check_count

RECENT = 128
"""Answers of a kind that count: enough for a quantile of 0.99, few enough to follow a changed prompt in minutes."""

ENOUGH = 5
"""Answers after which their mean is better than what a caller expects: its own error is then half their spread."""

MOST_KINDS = 256
"""Kinds that are remembered; of more, the one that was not heard of for longest is begun anew."""

DEVIATIONS = 3.0
"""Of a sum of answers: it is exceeded once in seven hundred times."""

FAR = 2
"""Times the longest of `RECENT` answers: among lengths with a tail as that of prose (log-normal, sigma 0.5) one in ten
thousand is longer."""

MOST_QUANTILE = 1 - 1 / RECENT
"""Above it not one of the answers that count need lie."""


@attrs.frozen
class OutputStatistics:
    """What answers of one kind came to.

    Args:
        answers: so far.
        mean: output tokens of the recent ones.
        longest: the most output tokens of one of the recent ones.
    """

    answers: int
    mean: float
    longest: int


@attrs.define(eq=False)
class _Kind:
    """Recent answers of one kind: in their order, by their length, their sum and that of their squares."""

    answers: int = 0
    total: int = 0
    squares: int = 0
    recent: deque[int] = attrs.field(factory=lambda: deque[int](maxlen=RECENT))
    ordered: list[int] = attrs.field(factory=list[int])

    def add(self, tokens: int) -> None:
        if len(self.recent) == RECENT:
            oldest = self.recent[0]
            self.total -= oldest
            self.squares -= oldest * oldest
            del self.ordered[bisect_left(self.ordered, oldest)]
        self.answers += 1
        self.total += tokens
        self.squares += tokens * tokens
        self.recent.append(tokens)
        insort(self.ordered, tokens)


@attrs.define(eq=False)
class OutputLengths:
    """What is known of the length of answers: a drawer for each kind of task, with the last slips in it."""

    _kinds: dict[str, _Kind] = attrs.field(factory=dict[str, _Kind], init=False)

    def add(self, kind: str, output_tokens: int) -> None:
        """Note that an answer of this kind was so long.

        Raises:
            TypeError: `output_tokens` is not a whole number.
            ValueError: it is below 0.
        """
        check_count("output_tokens", output_tokens)
        known = self._kinds.pop(kind) if kind in self._kinds else _Kind()
        if len(self._kinds) >= MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]
        self._kinds[kind] = known
        known.add(output_tokens)

    def mean(self, kind: str) -> int | None:
        """Return the mean of a kind in output tokens, rounded up, or None before there were `ENOUGH` answers."""
        known = self._kinds.get(kind)
        if known is None or len(known.recent) < ENOUGH:
            return None
        return -(-known.total // len(known.recent))

    def surprise(self, kind: str, calls: int) -> int:
        """Return by how much some answers together may be longer than as many means, in output tokens.

        One of them may be the longest that was seen; of many, `DEVIATIONS` standard deviations of their sum are rarely
        exceeded. 0 for no calls, and before there were `ENOUGH` answers.
        """
        known = self._kinds.get(kind)
        if calls == 0 or known is None or len(known.recent) < ENOUGH:
            return 0
        count = len(known.recent)
        mean = known.total / count
        variance = max(0.0, known.squares / count - mean * mean)
        return math.ceil(max(known.ordered[-1] - mean, DEVIATIONS * math.sqrt(variance * calls)))

    def foreseen(self, kind: str) -> int | None:
        """Return what an answer of a kind will not exceed, by all that is known: `FAR` times the longest recent one.

        None before there were `ENOUGH` answers.
        """
        known = self._kinds.get(kind)
        if known is None or len(known.recent) < ENOUGH:
            return None
        return FAR * known.ordered[-1]

    def quantile(self, kind: str, quantile: float) -> int | None:
        """Return the length that so large a part of the answers does not exceed, in output tokens.

        Args:
            kind: of the task.
            quantile: in 0 < quantile <= `MOST_QUANTILE`.

        Returns:
            None before there are so many answers that one of them lies above: 10 for 0.9, 100 for 0.99.
        """
        known = self._kinds.get(kind)
        if known is None:
            return None
        rank = math.ceil(quantile * len(known.ordered))
        if len(known.ordered) < ENOUGH or rank >= len(known.ordered):
            return None
        return known.ordered[rank - 1]

    def statistics(self) -> Mapping[str, OutputStatistics]:
        """Return what answers came to, by kind, the kind that was heard of last at the end."""
        return {
            name: OutputStatistics(known.answers, known.total / len(known.recent), known.ordered[-1])
            for name, known in self._kinds.items()
        }
