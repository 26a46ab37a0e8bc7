"""An estimator behind its guard: what it raises or returns is counted, and reaches nobody who did not ask for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest

from actors.policies.estimates.estimate import Estimate, EstimateStatistics, Estimator
from actors.policies.estimates.guarded_estimator import EstimatorFailures, GuardedEstimator
from actors.policies.estimates.learning_estimator import LearningEstimator

GUESS = Estimate(10, 12)


@attrs.define(eq=False)
class Puppet:
    """An estimator that does whatever it is made to do."""

    act: Callable[[], Any] = lambda: None

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        del model, texts
        return self.act()  # type: ignore[no-any-return]  # anything, on purpose

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        del model, estimate
        return self.act()  # type: ignore[no-any-return]  # anything, on purpose

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        del model, estimate, actual
        self.act()

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        return self.act()  # type: ignore[no-any-return]  # anything, on purpose


@attrs.frozen
class Detailed(Estimate):
    """An estimate with more to it."""

    by_part: tuple[int, ...] = ()


@attrs.frozen(init=False)
class Unchecked(Estimate):
    """An estimate that checks nothing."""

    def __init__(self, expected: Any, at_most: Any) -> None:
        object.__setattr__(self, "expected", expected)
        object.__setattr__(self, "at_most", at_most)
        object.__setattr__(self, "features", ())


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


ERRORS = (
    RuntimeError("the text of a prompt"),
    ValueError(),
    OverflowError(),
    ExceptionGroup("", [KeyError()]),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_claim_keeps_its_guess_when_it_cannot_be_estimated_again(error: Exception) -> None:
    guarded = GuardedEstimator(Puppet(raising(error)))

    assert guarded.estimate_again("model", GUESS) is GUESS
    assert guarded.estimate_again("model", GUESS) is GUESS
    last = f"{type(error).__name__} by estimate_again"
    assert guarded.failures() == EstimatorFailures(failed_estimates=2, last=last)


@pytest.mark.parametrize(
    "again",
    [
        None,
        7,
        "12",
        (10, 12),
        Unchecked(math.nan, 5),
        Unchecked(5, math.inf),
        Unchecked(-1, 5),
        Unchecked(None, None),
        Unchecked(5, 4),
        Unchecked(10**16, 10**16),
    ],
)
def test_a_claim_keeps_its_guess_when_the_next_one_is_none(again: Any) -> None:
    guarded = GuardedEstimator(Puppet(lambda: again))

    assert guarded.estimate_again("model", GUESS) is GUESS
    assert guarded.failures().failed_estimates == 1


@pytest.mark.parametrize("again", [Estimate(1, 2), Estimate(0, 0), Detailed(1, 2, by_part=(1,))])
def test_what_is_an_estimate_is_passed_on_as_it_is(again: Estimate) -> None:
    guarded = GuardedEstimator(Puppet(lambda: again))

    assert guarded.estimate_again("model", GUESS) is again
    assert guarded.failures() == EstimatorFailures()


def test_a_correction_that_fails_is_counted() -> None:
    guarded = GuardedEstimator(Puppet(raising(KeyError("x"))))

    guarded.correct("model", GUESS, 7)

    assert guarded.failures() == EstimatorFailures(failed_corrections=1, last="KeyError by correct")


@pytest.mark.parametrize("told", [None, 7, "x", [5]])
def test_statistics_that_are_none_are_of_no_model(told: Any) -> None:
    guarded = GuardedEstimator(Puppet(lambda: told))

    assert guarded.statistics() == {}
    assert guarded.failures().failed_statistics == 1


def test_statistics_that_cannot_be_had_are_of_no_model() -> None:
    guarded = GuardedEstimator(Puppet(raising(OSError())))

    assert guarded.statistics() == {}
    assert guarded.failures() == EstimatorFailures(failed_statistics=1, last="OSError by statistics")


def test_what_an_estimate_raises_goes_to_whoever_asked_for_it() -> None:
    guarded = GuardedEstimator(Puppet(raising(KeyError("x"))))

    with pytest.raises(KeyError):
        guarded.estimate("model", ["text"])
    assert guarded.failures() == EstimatorFailures()


@pytest.mark.parametrize("ask", ["estimate_again", "correct", "statistics"])
def test_an_interrupt_is_no_failure_of_the_estimator(ask: str) -> None:
    guarded = GuardedEstimator(Puppet(raising(KeyboardInterrupt())))
    asked: dict[str, Callable[[], object]] = {
        "estimate_again": lambda: guarded.estimate_again("model", GUESS),
        "correct": lambda: guarded.correct("model", GUESS, 7),
        "statistics": guarded.statistics,
    }

    with pytest.raises(KeyboardInterrupt):
        asked[ask]()


def test_no_failure_tells_what_the_error_said() -> None:
    guarded = GuardedEstimator(Puppet(raising(RuntimeError("the text of a prompt"))))
    guarded.estimate_again("model", GUESS)

    assert "prompt" not in repr(guarded.failures())


def test_one_that_works_is_as_good_with_a_guard_as_without() -> None:
    plain: Estimator = LearningEstimator()
    guarded: Estimator = GuardedEstimator(LearningEstimator())
    for each in (plain, guarded):
        for text in ("a", "some words", "more words than before"):
            each.correct("model", each.estimate("model", [text]), 9)

    guess = plain.estimate("model", ["the same"])
    assert guarded.estimate("model", ["the same"]) == guess
    assert guarded.estimate_again("model", guess) == plain.estimate_again("model", guess)
    assert guarded.statistics() == plain.statistics()


def test_a_guess_of_somebody_else_is_left_as_it_is_by_the_usual_estimator() -> None:
    guarded = GuardedEstimator(LearningEstimator())

    assert guarded.estimate_again("model", GUESS) is GUESS
    guarded.correct("model", GUESS, 11)
    failures = guarded.failures()
    assert (failures.failed_estimates, failures.failed_corrections) == (1, 1)
