"""The estimator that learns: what it says before and after it was told, and of whom."""

from __future__ import annotations

import copy

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.estimates.estimate import Estimate, Estimator
from actors.policies.estimates.learning_estimator import (
    LEAST_ALLOWANCE,
    MOST_ALLOWANCE,
    MOST_MODELS,
    RECENT,
    LearningEstimator,
)
from actors.testing.provider import count_tokens

ENGLISH = "The prompter sat just outside the light, the script in her lap. " * 40
CHINESE = "提词的人坐在灯光照不到的地方。膝上放着剧本。" * 40
ANY_TEXT = st.text(st.characters(codec=None), max_size=80)
LESSONS = st.lists(st.tuples(ANY_TEXT, st.integers(0, 500)), max_size=12)


def taught(text: str, tokens: int, times: int) -> LearningEstimator:
    estimator = LearningEstimator()
    for _ in range(times):
        estimator.correct("model", estimator.estimate("model", [text]), tokens)
    return estimator


def state(estimator: Estimator) -> object:
    return {name: attrs.evolve(each) for name, each in estimator.statistics().items()}


def test_no_texts_are_no_tokens_and_an_empty_one_is_a_message() -> None:
    estimator = LearningEstimator()
    assert estimator.estimate("model", []).at_most == 0
    assert estimator.estimate("model", [""]).expected == 4


def test_before_the_first_answer_half_as_much_again_and_more_is_reserved() -> None:
    estimate = LearningEstimator().estimate("model", [ENGLISH])
    assert estimate.at_most > 1.6 * estimate.expected
    assert estimate.at_most > 1.77 * (count_tokens(ENGLISH) + 3)


def test_after_twenty_answers_a_tenth_at_most_is_reserved_in_vain() -> None:
    estimate = taught(ENGLISH, 900, times=20).estimate("model", [ENGLISH])
    assert estimate.expected == pytest.approx(900, rel=0.02)
    assert 900 <= estimate.at_most <= 990


def test_a_script_that_is_new_is_reserved_with_more_to_spare() -> None:
    estimate = taught(ENGLISH, 900, times=20).estimate("model", [CHINESE])
    assert estimate.at_most > 1.6 * estimate.expected


def test_each_model_is_learned_by_itself() -> None:
    estimator = taught(ENGLISH, 1500, times=20)
    assert estimator.estimate("other", [ENGLISH]) == LearningEstimator().estimate("other", [ENGLISH])


def test_an_estimate_changes_nothing() -> None:
    estimator = LearningEstimator()
    assert estimator.estimate("model", [ENGLISH]) == estimator.estimate("model", [ENGLISH])
    assert estimator.statistics() == {}


def test_what_every_message_costs_beside_its_text_is_learned() -> None:
    estimator = LearningEstimator()
    for number in range(60):
        texts = ["a line of it"] * (1 + number % 7)
        estimator.correct("model", estimator.estimate("model", texts), 23 * len(texts))
    assert estimator.estimate("model", ["a line of it"] * 5).expected == pytest.approx(115, rel=0.05)
    assert estimator.statistics()["model"].rates["texts"] > 10


def test_ratios_that_differ_are_allowed_for_at_their_quantile() -> None:
    estimator = LearningEstimator()
    for number in range(RECENT):
        estimator.correct("model", estimator.estimate("model", [ENGLISH]), 1000 if number % 4 else 1150)
    estimate = estimator.estimate("model", [ENGLISH])
    assert estimate.at_most > 1150
    assert estimate.expected == pytest.approx(1037, rel=0.04)


def test_a_calm_after_a_storm_takes_the_allowance_back() -> None:
    estimator = LearningEstimator()
    for number in range(RECENT):
        estimator.correct("model", estimator.estimate("model", [ENGLISH]), 1000 if number % 4 else 1150)
    for _ in range(RECENT):
        estimator.correct("model", estimator.estimate("model", [ENGLISH]), 1000)
    assert estimator.estimate("model", [ENGLISH]).at_most < 1100


def test_the_allowance_has_a_least_and_a_most() -> None:
    calm, wild = taught(ENGLISH, 1000, times=200), LearningEstimator()
    for number in range(RECENT):
        wild.correct("model", wild.estimate("model", [ENGLISH]), 9000 if number % 2 else 300)
    assert calm.estimate("model", [ENGLISH]).at_most >= LEAST_ALLOWANCE * 1000
    estimate = wild.estimate("model", [ENGLISH])
    assert estimate.at_most <= (MOST_ALLOWANCE + 1) * estimate.expected + 2


def test_estimates_of_one_burst_are_held_against_what_is_known_when_each_is_corrected() -> None:
    estimator = LearningEstimator()
    burst = [estimator.estimate("model", [ENGLISH]) for _ in range(50)]
    for estimate in burst:
        estimator.correct("model", estimate, 1200)
    assert estimator.estimate("model", [ENGLISH]).at_most < 1.12 * 1200


def test_statistics_tell_how_the_estimates_came_out_as_they_were_made() -> None:
    estimator = LearningEstimator()
    for expected, at_most, actual in ((100, 150, 80), (100, 150, 125), (100, 150, 200)):
        features = estimator.estimate("model", [ENGLISH]).features
        estimator.correct("model", Estimate(expected, at_most, features), actual)
    told = estimator.statistics()["model"]
    assert told.calls == 3
    assert told.median_error == 0.25
    assert told.covered == pytest.approx(2 / 3)
    assert told.reserved == pytest.approx(450 / 405)
    assert told.rates["letters"] > 0


def test_statistics_are_of_the_recent_calls_and_count_all() -> None:
    estimator = taught(ENGLISH, 1000, times=RECENT + 6)
    told = estimator.statistics()["model"]
    assert told.calls == RECENT + 6
    assert told.median_error is not None
    assert told.median_error < 0.01


def test_a_call_that_came_to_nothing_has_no_error_to_tell_of() -> None:
    estimator = LearningEstimator()
    estimator.correct("model", estimator.estimate("model", []), 0)
    told = estimator.statistics()["model"]
    assert (told.calls, told.median_error, told.covered, told.reserved) == (1, None, None, None)


def test_of_too_many_models_the_one_corrected_longest_ago_is_begun_anew() -> None:
    estimator = LearningEstimator()
    for number in (*range(MOST_MODELS), 3, MOST_MODELS):
        name = f"model-{number}"
        estimator.correct(name, estimator.estimate(name, [ENGLISH]), 900)
    names = list(estimator.statistics())
    assert len(names) == MOST_MODELS
    assert names[:3] == ["model-1", "model-2", "model-4"]
    assert names[-2:] == ["model-3", f"model-{MOST_MODELS}"]


@pytest.mark.parametrize(
    ("actual", "error", "message"),
    [
        (-1, ValueError, "actual must be >= 0, got -1"),
        (True, TypeError, "actual must be a whole number, got True"),
        (1.5, TypeError, "actual must be a whole number, got 1.5"),
    ],
)
def test_what_is_no_count_teaches_nothing(actual: int, error: type[Exception], message: str) -> None:
    estimator = LearningEstimator()
    with pytest.raises(error) as caught:
        estimator.correct("model", estimator.estimate("model", [ENGLISH]), actual)
    assert str(caught.value) == message
    assert estimator.statistics() == {}


def test_an_estimate_of_somebody_else_teaches_nothing() -> None:
    estimator = LearningEstimator()
    with pytest.raises(ValueError, match=r"^an estimate must have 12 features, got 0$"):
        estimator.correct("model", Estimate(1, 2), 10)
    assert estimator.statistics() == {}


def test_it_is_plain_data_that_can_be_copied_and_goes_on_alike() -> None:
    one = taught(ENGLISH, 900, times=5)
    other = copy.deepcopy(one)
    for estimator in (one, other):
        estimator.correct("model", estimator.estimate("model", [CHINESE]), 1200)
    assert state(one) == state(other)
    assert one.estimate("model", [CHINESE]) == other.estimate("model", [CHINESE])


@given(LESSONS, ANY_TEXT, ANY_TEXT)
def test_a_longer_text_is_never_estimated_at_less(
    lessons: list[tuple[str, int]], one: str, other: str
) -> None:
    estimator = LearningEstimator()
    for text, actual in lessons:
        estimator.correct("model", estimator.estimate("model", [text]), actual)
    shorter, longer = (estimator.estimate("model", [text]) for text in (one, one + other))
    assert 0 <= shorter.expected <= longer.expected
    assert shorter.expected <= shorter.at_most <= longer.at_most


def test_texts_that_wait_are_estimated_again_by_what_was_learned_meanwhile() -> None:
    estimator = LearningEstimator()
    waiting = estimator.estimate("model", [ENGLISH])
    for _ in range(20):
        estimator.correct("model", estimator.estimate("model", [ENGLISH]), 900)
    assert estimator.estimate_again("model", waiting) == estimator.estimate("model", [ENGLISH]) != waiting
    with pytest.raises(ValueError, match=r"^an estimate must have 12 features, got 0$"):
        estimator.estimate_again("model", Estimate(1, 2))
