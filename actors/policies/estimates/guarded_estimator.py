"""An estimator behind a guard: it may be anybody's code, and what it raises or returns ends nobody's actor.

A limiter is one for many, and asks its estimator in the middle of their affairs. So it asks through this:

    asked for              it raises, or returns what is none        counted as
    estimate_again         the claim keeps the guess it came with    failed_estimates
    correct                nothing was learned                       failed_corrections
    statistics             no model has any                          failed_statistics

Each failure is counted, and the last one told by the kind of its error alone, as its text might hold that of a prompt.
`estimate` stands in no limiter's way: its caller asks for it, and gets what it raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs

from actors.policies.estimates.estimate import Estimate, EstimateStatistics, Estimator


@attrs.frozen
class EstimatorFailures:
    """How often an estimator failed those who asked it.

    Args:
        failed_estimates: claims that were granted by the guess they came with, or weighed by it in line.
        failed_corrections: answered calls from which nothing was learned.
        failed_statistics: snapshots without its part.
        last: the last of all in a few words, "RuntimeError by estimate_again"; None before the first.
    """

    failed_estimates: int = 0
    failed_corrections: int = 0
    failed_statistics: int = 0
    last: str | None = None


@attrs.define(eq=False)
class GuardedEstimator:
    """An `Estimator` that never raises where a limiter asks it: an interpreter with a prompter at hand.

    It does not make a wrong guess right: one that is a guess by its form is taken as it is. Nor does it bound time: an
    estimator that does not return holds up the actor that asks it.

    Args:
        estimator: whom it asks.
    """

    estimator: Estimator
    _failures: EstimatorFailures = attrs.field(factory=EstimatorFailures, init=False)

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        """Estimate a call with these texts, without a guard: the caller has no guess yet to fall back on.

        Raises:
            Exception: whatever the estimator raises.
        """
        return self.estimator.estimate(model, texts)

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        """Estimate the same texts by what is known now, or leave it at `estimate` if that fails."""
        try:
            again = self.estimator.estimate_again(model, estimate)
            if type(again) is not Estimate:
                _check(again)  # one of the very kind was checked when it was made
        except Exception as error:  # noqa: BLE001  # anybody's code
            self._note("estimate_again", error, failed_estimates=self._failures.failed_estimates + 1)
            return estimate
        return again

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        """Let it learn that a call was `actual` input tokens; if that fails, it has not learned."""
        try:
            self.estimator.correct(model, estimate, actual)
        except Exception as error:  # noqa: BLE001  # anybody's code
            self._note("correct", error, failed_corrections=self._failures.failed_corrections + 1)

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        """Return how well each model is estimated, by its name; nothing if that fails."""
        try:
            told: Any = self.estimator.statistics()
            return dict(cast("Mapping[str, EstimateStatistics]", told))
        except Exception as error:  # noqa: BLE001  # anybody's code
            self._note("statistics", error, failed_statistics=self._failures.failed_statistics + 1)
            return {}

    def failures(self) -> EstimatorFailures:
        """Return how often it failed, as a frozen snapshot."""
        return self._failures

    def _note(self, verb: str, error: Exception, **counts: int) -> None:
        self._failures = attrs.evolve(self._failures, last=f"{type(error).__name__} by {verb}", **counts)


def _check(again: Any) -> None:
    """Check what is no plain estimate, and may be one of a kind of the estimator's own."""
    if not isinstance(again, Estimate):
        raise TypeError(f"estimate_again must return an Estimate, got {type(again).__name__}")
    Estimate(again.expected, again.at_most)
