"""The default estimator: it knows what texts are made of, and learns from each answer what that costs at each model.

Like a joiner who has never sawn this wood before: the first cuts have much to spare, and soon they fit.

    expected   features . rates                                         (`text_features`, `token_rates`)
    at_most    expected * allowance + what the rates may still be off

**The allowance** is what is left when the rates are known: texts of the same make differ. It is the 0.9 quantile of
recent ratios of the actual to the expected, at least `LEAST_ALLOWANCE`. Each ratio is taken by the rates just before
they learn from it, not by those of the estimate: in a burst all estimates are of the same early moment, and how wrong
they were says nothing of now.

**What the rates may be off** is large at the beginning, large for a script not met so far, and soon small for one that
is. It is the part that matters for a burst: of fifty calls at once the differences between texts cancel out, while a
rate that is wrong is wrong fifty times.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence

import attrs

from actors.policies.estimates.estimate import Estimate, EstimateStatistics
from actors.policies.estimates.text_features import FEATURES, count_features
from actors.policies.estimates.token_rates import TokenRates
from actors.policies.usage import check_count

RECENT = 64
"""Calls that error and allowance are taken from: enough for a quantile, few enough to forget last week."""

LEAST_ALLOWANCE = 1.05
"""What is reserved for an estimate that has been right throughout. The next fifty texts may be made otherwise, all in
the same way: after English, Chinese and code, texts that mix the three come to 4 % more than is expected."""

MOST_ALLOWANCE = 2.0
"""A run of attachments and other surprises must not make everybody reserve ten times what they need."""

ALLOWANCE_QUANTILE = 0.9
"""Of recent ratios; the sum of a burst lies far below the same quantile of its single calls."""

MOST_MODELS = 64
"""Models that are remembered; of more, the one that was not used for longest is begun anew."""


@attrs.define(eq=False)
class _Model:
    """What is known of one model, and how the last estimates came out.

    Attributes:
        ratios: actual over expected by the rates of the moment, oldest first.
        sorted_ratios: the same in order.
        outcomes: expected, at_most and actual of the last corrections.
    """

    rates: TokenRates = attrs.field(factory=TokenRates)
    calls: int = 0
    ratios: deque[float] = attrs.field(factory=lambda: deque[float](maxlen=RECENT))
    sorted_ratios: list[float] = attrs.field(factory=list[float])
    outcomes: deque[tuple[int, int, int]] = attrs.field(
        factory=lambda: deque[tuple[int, int, int]](maxlen=RECENT)
    )

    @property
    def allowance(self) -> float:
        if not self.sorted_ratios:
            return LEAST_ALLOWANCE
        rank = math.ceil(ALLOWANCE_QUANTILE * len(self.sorted_ratios))
        return min(MOST_ALLOWANCE, max(LEAST_ALLOWANCE, self.sorted_ratios[rank - 1]))

    def remember(self, ratio: float) -> None:
        if len(self.ratios) == RECENT:
            del self.sorted_ratios[bisect_left(self.sorted_ratios, self.ratios[0])]
        self.ratios.append(ratio)
        insort(self.sorted_ratios, ratio)


@attrs.define(eq=False)
class LearningEstimator:
    """An `Estimator` that corrects itself, for each model by itself, from what its calls came to.

    It is plain data and pure: the actor that owns it may hand it to its next incarnation as it is. A model is begun
    with rates in the middle of what today's tokenizers do; what one model taught is not used for another.

    An estimate takes time in proportion to the text, about 10 us for 1,000 characters; a correction takes the same time
    for any text.
    """

    _models: dict[str, _Model] = attrs.field(factory=dict[str, _Model], init=False)
    # What is known of a model without calls; it is read alone, so that no guess has to make one.
    _unknown: _Model = attrs.field(factory=_Model, init=False)

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        """Estimate a call with these texts; with none it is 0."""
        return self._estimate(model, count_features(texts))

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        """Estimate the same texts by what is known now.

        Raises:
            ValueError: the estimate was made by somebody else.
        """
        return self._estimate(model, _features_of(estimate))

    def _estimate(self, model: str, features: tuple[int, ...]) -> Estimate:
        known = self._models.get(model, self._unknown)
        expected, spread = known.rates.guess(features)
        at_most = expected * known.allowance + spread
        return Estimate(math.ceil(expected), math.ceil(at_most), features)

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        """Learn from a call that came to `actual` input tokens, those read from a cache included.

        Raises:
            TypeError: `actual` is not a whole number.
            ValueError: `actual` is below 0, or the estimate was made by somebody else.
        """
        check_count("actual", actual)
        _features_of(estimate)
        known = self._touch(model)
        known.calls += 1
        known.outcomes.append((estimate.expected, estimate.at_most, actual))
        expected = known.rates.expected(estimate.features)
        if expected > 0:
            known.remember(actual / expected)
            known.rates.learn(estimate.features, actual)

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        """Return how well each model is estimated, the one that was corrected last at the end."""
        return {name: _statistics(model) for name, model in self._models.items()}

    def _touch(self, model: str) -> _Model:
        known = self._models.pop(model) if model in self._models else _Model()
        if len(self._models) >= MOST_MODELS:
            del self._models[next(iter(self._models))]
        self._models[model] = known
        return known


def _features_of(estimate: Estimate) -> tuple[int, ...]:
    if len(estimate.features) != len(FEATURES):
        raise ValueError(f"an estimate must have {len(FEATURES)} features, got {len(estimate.features)}")
    return estimate.features


def _statistics(model: _Model) -> EstimateStatistics:
    told = [outcome for outcome in model.outcomes if outcome[2] > 0]
    errors = [abs(expected - actual) / actual for expected, _, actual in told]
    actual_sum = sum(actual for _, _, actual in told)
    return EstimateStatistics(
        calls=model.calls,
        median_error=statistics.median(errors) if errors else None,
        covered=sum(at_most >= actual for _, at_most, actual in told) / len(told) if told else None,
        reserved=sum(at_most for _, at_most, _ in told) / actual_sum if told else None,
        rates=model.rates.rates,
    )
