"""When a second copy of a call is worth it: after the learned 95th percentile of the time to the first token.

Most calls are answered in about the usual time, and a few take many times as long, by bad luck that a second try would
not have. The quantile draws the line: only a twentieth of all calls is ever out for longer, so only a twentieth is
sent twice.

**What losers say.** Of two copies one is cancelled, and how long it would have taken nobody knows: at least as long as
it was out. To drop these samples would be to forget the slow ones, precisely because they are slow: the quantile
falls, more calls are hedged, more slow ones are forgotten, and hedging feeds itself. So they count as *right-censored*
samples, and the quantile is read off the Kaplan-Meier estimate: each answer takes its share of those that were still
out at its time, and a cancelled copy leaves without being counted as answered.

    out for   1 s answered   2 s answered   3 s cancelled   4 s answered
    at risk   4              3              2               1
    unanswered after it
              3/4            3/4 x 2/3 = 1/2                1/2 x 0/1 = 0

Here half of the calls take longer than 2 s. Without the third one it would seem to be a third of them.

Where so many never answered that the estimate stays above a twentieth to its end, the quantile lies beyond all answers
that were seen. The longest of them stands in for it: it is too small rather than too large, and each answer that comes
later than it moves it up. Otherwise a provider that lets one call in ten hang would switch off hedging.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs

from actors.policies.instants import check_instant

QUANTILE = 0.95
"""Of the time to the first token: "The Tail at Scale" (Dean and Barroso) sends second copies to 5 % of calls, and most
of the tail is gone."""

ENOUGH = 20
"""Answers before anything is hedged: of fewer, none need lie above the quantile of 0.95. failsafe-go waits for as
many."""

RECENT = 256
"""Samples that count: a dozen of them lie above the quantile of 0.95, and at a call a second it follows the provider's
hour of the day in minutes."""

LEAST = 0.05
"""Seconds: a second copy needs a round trip before it can be of use at all."""

MOST_MODELS = 256
"""Models that are remembered; of more, the one that was not heard of for longest is begun anew."""

_ROUNDING = 1e-9
"""What a product of `RECENT` shares may be off by, with much to spare; shares differ by 1 / `RECENT` at least."""


@attrs.frozen
class TimeToFirstStatistics:
    """What is known of the time to the first token of one model.

    Args:
        answers: answered calls so far.
        censored: calls so far that were cancelled before an answer.
        p95: the learned quantile in seconds, or None before there were enough answers.
        longest: seconds, of the recent answers; None when there are none.
    """

    answers: int
    censored: int
    p95: float | None
    longest: float | None


def _check_quantile(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_share(attribute.name, value)


def _check_share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not 0 < value < 1:  # not-a-number fails every comparison, so it fails here too
        raise ValueError(f"{name} must be > 0 and < 1, got {value}")


def _check_count(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _check_seconds(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=0.0)


@attrs.define(eq=False)
class TimeToFirst:
    """How long one model takes to its first token, of the last calls: answered ones, and ones that were cut off.

    Args:
        recent: samples that count, at least as many as `enough`.
        enough: answers among them before a quantile is told.

    Raises:
        TypeError: a count is no whole number.
        ValueError: a count is below 1, or `recent` below `enough`.
    """

    recent: int = attrs.field(default=RECENT, validator=_check_count)
    enough: int = attrs.field(default=ENOUGH, validator=_check_count)
    _samples: deque[tuple[float, bool]] = attrs.field(factory=deque[tuple[float, bool]], init=False)
    # Seconds, and whether it was cut off then: of the same time answers come first, so a tie is at risk of both.
    _ordered: list[tuple[float, bool]] = attrs.field(factory=list[tuple[float, bool]], init=False)
    _answers: int = attrs.field(default=0, init=False)
    _censored: int = attrs.field(default=0, init=False)
    _recent_answers: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if self.recent < self.enough:
            raise ValueError(f"recent must be >= enough {self.enough}, got {self.recent}")

    def learn(self, seconds: float) -> None:
        """Take in how long a call was out before its first token came.

        Raises:
            TypeError: `seconds` is no number.
            ValueError: it is negative or not finite.
        """
        self._add(check_instant("seconds", seconds, earliest=0.0), is_censored=False)
        self._answers += 1

    def censored(self, seconds: float) -> None:
        """Take in that a call had no first token when it was cancelled: a loser, or one whose caller went away.

        Raises:
            TypeError, ValueError: as `learn`.
        """
        self._add(check_instant("seconds", seconds, earliest=0.0), is_censored=True)
        self._censored += 1

    @property
    def p95(self) -> float | None:
        """Seconds within which 95 of 100 calls have their first token, or None before there were enough answers."""
        return self.quantile(QUANTILE)

    def quantile(self, quantile: float) -> float | None:
        """Return the seconds within which such a share of calls has its first token.

        Returns:
            None before there were enough answers; the longest answer where so many were cut off that it lies beyond.

        Raises:
            TypeError: `quantile` is no number.
            ValueError: it is not above 0 and below 1.
        """
        _check_share("quantile", quantile)
        if self._recent_answers < self.enough:
            return None
        unanswered, at_risk, longest = 1.0, len(self._ordered), 0.0
        for seconds, is_censored in self._ordered:
            if not is_censored:
                unanswered *= 1 - 1 / at_risk
                longest = seconds
                if unanswered <= 1 - quantile + _ROUNDING:
                    break
            at_risk -= 1
        return longest

    def statistics(self) -> TimeToFirstStatistics:
        """Return what is known."""
        longest = max((seconds for seconds, is_censored in self._ordered if not is_censored), default=None)
        return TimeToFirstStatistics(self._answers, self._censored, self.p95, longest)

    def _add(self, seconds: float, *, is_censored: bool) -> None:
        if len(self._samples) == self.recent:
            oldest = self._samples.popleft()
            del self._ordered[bisect_left(self._ordered, oldest)]
            self._recent_answers -= not oldest[1]
        sample = (seconds, is_censored)
        self._samples.append(sample)
        insort(self._ordered, sample)
        self._recent_answers += not is_censored


@attrs.frozen
class Hedging:
    """When a second copy goes out.

    Args:
        quantile: of the time to the first token, above 0 and below 1: a call that is out for longer is hedged.
        enough: answers of a model before any of its calls is hedged.
        recent: samples of a model that count.
        least: seconds after which a second copy goes out at the earliest.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a value is out of its bounds.
    """

    quantile: float = attrs.field(default=QUANTILE, validator=_check_quantile)
    enough: int = attrs.field(default=ENOUGH, validator=_check_count)
    recent: int = attrs.field(default=RECENT, validator=_check_count)
    least: float = attrs.field(default=LEAST, validator=_check_seconds)

    def __attrs_post_init__(self) -> None:
        self.times()

    def times(self) -> TimeToFirst:
        """Return the empty books of one model.

        Raises:
            ValueError: `recent` is below `enough`.
        """
        return TimeToFirst(self.recent, self.enough)

    def delay(self, times: TimeToFirst) -> float | None:
        """Return after how many seconds a call is hedged, or None while too little is known to hedge at all."""
        quantile = times.quantile(self.quantile)
        return None if quantile is None else max(self.least, quantile)


@attrs.define(eq=False)
class TimesToFirst:
    """The times to the first token of many models, each in books of its own.

    Args:
        rules: how many samples count, and which quantile.
    """

    rules: Hedging = attrs.field(factory=Hedging)
    _models: dict[str, TimeToFirst] = attrs.field(factory=dict[str, TimeToFirst], init=False)

    def learn(self, model: str, seconds: float) -> None:
        """Take in how long a call to `model` was out before its first token came.

        Raises:
            TypeError: `seconds` is no number.
            ValueError: it is negative or not finite.
        """
        self._books_of(model).learn(seconds)

    def censored(self, model: str, seconds: float) -> None:
        """Take in that a call to `model` had no first token when it was cancelled.

        Raises:
            TypeError, ValueError: as `learn`.
        """
        self._books_of(model).censored(seconds)

    def delay(self, model: str) -> float | None:
        """Return after how many seconds a call to `model` is hedged, or None while too little is known."""
        known = self._models.get(model)
        return None if known is None else self.rules.delay(known)

    def statistics(self) -> Mapping[str, TimeToFirstStatistics]:
        """Return what is known by model, the one that was heard of last at the end."""
        return {model: times.statistics() for model, times in self._models.items()}

    def _books_of(self, model: str) -> TimeToFirst:
        known = self._models.pop(model) if model in self._models else self.rules.times()
        if len(self._models) >= MOST_MODELS:
            del self._models[next(iter(self._models))]
        self._models[model] = known
        return known
