"""Rates of a model, learned from counts: what one count teaches, what many do, and what nothing can."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.estimates.text_features import FEATURES
from actors.policies.estimates.token_rates import TokenRates

COUNTS = st.lists(st.integers(0, 5000), min_size=len(FEATURES), max_size=len(FEATURES)).map(tuple)
LESSONS = st.lists(st.tuples(COUNTS, st.integers(0, 100_000)), max_size=30)


def features(**counts: int) -> tuple[int, ...]:
    return tuple(counts.get(name, 0) for name in FEATURES)


ENGLISH = features(letters=4000, words=900, blanks=950, marks=200, texts=2)
CHINESE = features(ideographs=1000, kana=120, texts=2)


def taught(text: tuple[int, ...], tokens: int, times: int = 1) -> TokenRates:
    rates = TokenRates()
    for _ in range(times):
        rates.learn(text, tokens)
    return rates


def test_rates_begin_between_what_tokenizers_do() -> None:
    assert TokenRates().rates["letters"] == 0.2
    assert TokenRates().expected(features(ideographs=10, texts=1)) == pytest.approx(17.0)
    assert TokenRates().expected(features()) == 0
    assert TokenRates().spread(features()) == 0


def test_one_count_brings_the_guess_within_a_twentieth() -> None:
    rates = taught(ENGLISH, 2500)
    assert TokenRates().expected(ENGLISH) == pytest.approx(1548)
    assert rates.expected(ENGLISH) == pytest.approx(2500, rel=0.05)


def test_what_english_costs_says_much_of_chinese_but_not_all() -> None:
    before, rates = TokenRates(), taught(ENGLISH, 2 * 1548, times=20)
    factor = rates.expected(CHINESE) / before.expected(CHINESE)
    assert 1.4 < factor < 2
    assert rates.spread(CHINESE) / rates.expected(CHINESE) > 0.4


def test_doubt_falls_with_each_count_for_the_sorts_that_were_seen() -> None:
    doubts = [taught(ENGLISH, 1548, times=n).spread(ENGLISH) / 1548 for n in (0, 1, 5, 20)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > 0.6
    assert doubts[-1] < 0.06


def test_a_lone_surprise_moves_the_rates_by_no_more_than_a_likely_count() -> None:
    rates = taught(ENGLISH, 1548, times=20)
    rates.learn(ENGLISH, 20 * 1548)
    assert rates.expected(ENGLISH) == pytest.approx(1548, rel=0.06)


def test_surprises_to_both_sides_are_no_change() -> None:
    rates = taught(ENGLISH, 1548, times=20)
    for factor in (3.0, 0.3) * 6:
        rates.learn(ENGLISH, round(factor * 1548))
    assert rates.expected(ENGLISH) == pytest.approx(1548, rel=0.1)


def test_a_surprise_to_the_other_side_begins_the_row_anew() -> None:
    rates = taught(ENGLISH, 1548, times=20)
    for factor in (3.0, 3.0, 0.3) * 2:
        rates.learn(ENGLISH, round(factor * 1548))
        assert rates.expected(ENGLISH) < 1.4 * 1548


def test_a_likely_count_between_them_ends_a_row_of_surprises() -> None:
    rates = taught(ENGLISH, 1548, times=20)
    for factor in (1.5, 1.5, 1.0, 1.0, 1.0) * 6:
        rates.learn(ENGLISH, round(factor * 1548))
        assert rates.expected(ENGLISH) < 1.15 * 1548


@pytest.mark.parametrize("factor", [0.5, 1.3, 1.77])
def test_the_third_surprise_in_a_row_is_believed(factor: float) -> None:
    rates, changed = taught(ENGLISH, 1548, times=40), round(factor * 1548)
    for _ in range(2):
        rates.learn(ENGLISH, changed)
    assert abs(rates.expected(ENGLISH) / changed - 1) > 0.15
    rates.learn(ENGLISH, changed)
    assert rates.expected(ENGLISH) == pytest.approx(changed, rel=0.05)


def test_a_slow_drift_is_followed_without_a_surprise() -> None:
    rates = taught(ENGLISH, 1548, times=40)
    for step in range(60):
        rates.learn(ENGLISH, round(1548 * (1 + 0.2 * step / 60)))
    assert rates.expected(ENGLISH) == pytest.approx(1.2 * 1548, rel=0.06)


def test_a_sort_that_is_not_seen_is_forgotten_slowly() -> None:
    rates = taught(CHINESE, 900, times=20)
    for _ in range(500):
        rates.learn(ENGLISH, 1548)
    assert rates.expected(CHINESE) == pytest.approx(900, rel=0.1)
    assert rates.spread(CHINESE) < 0.4 * 900


def test_doubt_grows_again_for_a_sort_that_is_not_seen() -> None:
    rates = taught(CHINESE, 900, times=20)
    before = rates.spread(CHINESE)
    for _ in range(200):
        rates.learn(ENGLISH, 1548)
    assert rates.spread(CHINESE) > 1.2 * before


def test_one_script_may_drift_without_the_other() -> None:
    rates = TokenRates()
    for _ in range(1500):
        rates.learn(ENGLISH, 1548)
        rates.learn(CHINESE, 1400)
    for _ in range(60):
        rates.learn(ENGLISH, 1548)
        rates.learn(CHINESE, 1540)
    assert rates.expected(ENGLISH) == pytest.approx(1548, rel=0.02)
    assert rates.expected(CHINESE) == pytest.approx(1540, rel=0.03)


def test_texts_that_say_nothing_of_a_sort_never_raise_its_doubt_above_the_first_one() -> None:
    rates, first, letters = TokenRates(), TokenRates(), features(letters=5000)
    for _ in range(5000):
        rates.learn(letters, 1000)
    for unseen in (features(hangul=1), features(digits=1), features(texts=1)):
        doubts = [each.spread(unseen) / each.expected(unseen) for each in (rates, first)]
        assert doubts[0] == pytest.approx(doubts[1], rel=0.05)
        assert doubts[0] <= doubts[1] * (1 + 1e-9)


def test_a_text_without_features_teaches_nothing() -> None:
    rates = TokenRates()
    rates.learn(features(), 1000)
    assert rates.rates == TokenRates().rates


def test_after_ten_thousand_counts_nothing_is_more_in_doubt_than_at_the_beginning() -> None:
    rng, rates, first = random.Random(1), TokenRates(), TokenRates()
    for _ in range(10_000):
        share = rng.random()
        text = tuple(int(share * a + (1 - share) * b) for a, b in zip(ENGLISH, CHINESE, strict=True))
        rates.learn(text, round(first.expected(text) * rng.gauss(1.2, 0.05)))
    assert rates.spread(ENGLISH) < 0.06 * rates.expected(ENGLISH)
    for unseen in (features(hangul=1000), features(digits=1000)):
        doubts = [each.spread(unseen) / each.expected(unseen) for each in (rates, first)]
        assert 0.5 * doubts[1] < doubts[0] <= doubts[1] * (1 + 1e-9)


@given(LESSONS, COUNTS, COUNTS)
def test_more_of_anything_never_costs_less_whatever_was_taught(
    lessons: list[tuple[tuple[int, ...], int]], one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    rates = TokenRates()
    for text, tokens in lessons:
        rates.learn(text, tokens)
    both = tuple(map(sum, zip(one, other, strict=True)))
    assert rates.expected(one) >= 0
    assert rates.spread(one) >= 0
    assert rates.expected(both) >= rates.expected(one)
    upper = [rates.expected(text) + rates.spread(text) for text in (one, both)]
    assert upper[1] >= upper[0] * (1 - 1e-9)


@given(LESSONS)
def test_no_rate_leaves_a_tenth_to_ten_times_its_first(lessons: list[tuple[tuple[int, ...], int]]) -> None:
    rates, first = TokenRates(), TokenRates().rates
    for text, tokens in lessons:
        rates.learn(text, tokens)
    for name, rate in rates.rates.items():
        assert 0.1 * first[name] <= rate * (1 + 1e-9)
        assert rate <= 10 * first[name] * (1 + 1e-9)
