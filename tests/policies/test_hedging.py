"""The learned quantile: when it is told, that it is Kaplan and Meier's, and that losers do not pull it down."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unmeasured import unmeasured

from actors.policies.hedging import (
    ENOUGH,
    LEAST,
    MOST_MODELS,
    QUANTILE,
    RECENT,
    Hedging,
    TimesToFirst,
    TimeToFirst,
    TimeToFirstStatistics,
)

PAGE = (Path(__file__).parents[2] / "docs/explanation/hedging.md").read_text("utf-8")

Sample = tuple[float, bool]
"""Seconds, and whether it was cut off then."""


def times_of(*samples: Sample | float, enough: int = 1, recent: int = RECENT) -> TimeToFirst:
    times = TimeToFirst(recent, enough)
    for sample in samples:
        seconds, is_censored = sample if isinstance(sample, tuple) else (sample, False)
        (times.censored if is_censored else times.learn)(seconds)
    return times


def by_the_book(samples: list[Sample], quantile: Fraction) -> float | None:
    """Kaplan and Meier as their paper has it: at each distinct time, those that ended of those still at risk."""
    unanswered = Fraction(1)
    ends = sorted({seconds for seconds, is_censored in samples if not is_censored})
    for end in ends:
        at_risk = sum(seconds >= end for seconds, _ in samples)
        ended = sum(sample == (end, False) for sample in samples)
        unanswered *= 1 - Fraction(ended, at_risk)
        if unanswered <= 1 - quantile:
            return end
    return ends[-1] if ends else None


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_told_before_twenty_answers() -> None:
    assert ENOUGH == 20
    assert times_of(*[1.0] * 19, enough=ENOUGH).p95 is None
    assert times_of(*[1.0] * 19, (9.0, True), enough=ENOUGH).p95 is None
    assert times_of(*[1.0] * 19, (9.0, True), 1.0, enough=ENOUGH).p95 == 1.0


def test_of_a_hundred_answers_the_ninety_fifth_is_told() -> None:
    assert times_of(*range(100, 0, -1)).p95 == 95
    assert times_of(*range(1, 21)).p95 == 19
    assert times_of(*range(1, 20)).p95 == 19
    assert QUANTILE == 0.95


def test_the_example_of_the_page_is_what_it_says() -> None:
    times = times_of(1.0, 2.0, (3.0, True), 4.0)
    assert [times.quantile(share) for share in (0.25, 0.26, 0.5, 0.51, 0.99)] == [1.0, 2.0, 2.0, 4.0, 4.0]
    dropped = times_of(1.0, 2.0, 4.0)
    assert [dropped.quantile(share) for share in (0.33, 0.5, 0.66, 0.67)] == [1.0, 2.0, 2.0, 4.0]


def test_who_was_cut_off_before_any_answer_says_nothing() -> None:
    assert times_of(1.0, 2.0, *[(0.5, True)] * 50).quantile(0.5) == 1.0


def test_of_the_same_instant_the_answer_comes_first() -> None:
    assert times_of((2.0, True), 2.0, 1.0, 3.0).quantile(0.5) == 2.0
    assert times_of((1.0, True), 1.0, 2.0).quantile(0.33) == 1.0


def test_where_the_quantile_lies_beyond_all_answers_the_longest_stands_in_for_it() -> None:
    times = times_of(1.0, 2.0, *[(60.0, True)] * 8)
    assert times.p95 == times.quantile(0.5) == 2.0
    times.learn(7.0)
    assert times.p95 == 7.0


def test_old_samples_are_forgotten_whatever_they_were() -> None:
    times = times_of(*[50.0] * 4, (60.0, True), *[1.0] * 4, recent=4, enough=2)
    assert times.p95 == 1.0
    assert times.statistics() == TimeToFirstStatistics(answers=8, censored=1, p95=1.0, longest=1.0)
    told: list[float | None] = []
    for seconds, is_censored in ((2.0, True), (2.0, True), (2.0, True), (3.0, False), (3.0, False)):
        (times.censored if is_censored else times.learn)(seconds)
        told.append(times.p95)
    assert told == [1.0, 1.0, None, None, 3.0]


def test_who_knows_nothing_says_so() -> None:
    assert TimeToFirst().statistics() == TimeToFirstStatistics(0, 0, None, None)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=3 * 40),
    st.integers(1, 99),
)
def test_it_is_the_quantile_of_kaplan_and_meier(samples: list[tuple[int, bool]], percent: int) -> None:
    times, recent = times_of(*samples, recent=40), samples[-40:]
    told = by_the_book([(float(s), c) for s, c in recent], Fraction(percent, 100))
    assert times.quantile(percent / 100) == told
    answers = [seconds for seconds, is_censored in recent if not is_censored]
    longest = max(answers, default=None)
    assert (times.statistics().longest, times.statistics().answers) == (
        longest,
        sum(not is_censored for _, is_censored in samples),
    )


@given(
    st.lists(st.floats(0, 1e6), min_size=ENOUGH, max_size=2 * RECENT),
    st.integers(1, 99),
)
def test_without_losers_it_is_the_quantile_of_a_plain_list(seconds: list[float], percent: int) -> None:
    recent = sorted(seconds[-RECENT:])
    rank = math.ceil(Fraction(percent, 100) * len(recent))
    assert times_of(*seconds, enough=ENOUGH).quantile(percent / 100) == recent[rank - 1]


@given(st.lists(st.tuples(st.floats(0, 99), st.booleans()), min_size=1, max_size=60), st.data())
def test_to_be_cut_off_instead_of_answered_never_makes_the_quantile_smaller(
    samples: list[Sample], data: st.DataObject
) -> None:
    # But for the longest answer of all, without which nothing is known of the times beyond the next one.
    answered = [(s, c) for s, c in samples if not c]
    if len(answered) < 2:
        return
    one = data.draw(st.sampled_from(answered))
    if one == max(answered):
        return
    index = samples.index(one)
    cut = [*samples[:index], (one[0], True), *samples[index + 1 :]]
    before, after = times_of(*samples).p95, times_of(*cut).p95
    assert before is not None
    assert after is not None
    assert after >= before


# ── the drift ───────────────────────────────────────────────────────────────────────────────────────────────────


def drop(_times: TimeToFirst, _seconds: float) -> None:
    """What most do with a loser."""


@attrs.frozen
class Call:
    """One call of a long evening: after what it was hedged, what it took, and what it would have taken."""

    delay: float
    took: float
    alone: float

    @property
    def was_hedged(self) -> bool:
        return self.alone > self.delay


@cache
@unmeasured
def hedge_for_long(
    draw: Callable[[random.Random], float],
    cut_off: Callable[[TimeToFirst, float], None] = TimeToFirst.censored,
    *,
    timeout: float = 60.0,
) -> tuple[Call, ...]:
    """Make 6,000 calls, each hedged by what those before have taught, and return the last 5,000."""
    rng, times, made = random.Random(0), TimeToFirst(), list[Call]()
    for _ in range(6000):
        delay, first = times.p95, draw(rng)
        took = first
        if delay is None or first <= delay:
            times.learn(first) if first < timeout else cut_off(times, timeout)
        else:
            second = draw(rng)
            took = min(first, delay + second)
            if took >= timeout:
                cut_off(times, timeout)
                cut_off(times, timeout - delay)
            elif took < first:
                times.learn(second)
                cut_off(times, took)
            else:
                times.learn(first)
                cut_off(times, first - delay)
        made.append(Call(math.inf if delay is None else delay, min(took, timeout), min(first, timeout)))
    return tuple(made[1000:])


def lognormal(rng: random.Random) -> float:
    return rng.lognormvariate(0.0, 0.7)


def exponential(rng: random.Random) -> float:
    return rng.expovariate(1.0)


def heavy_tailed(rng: random.Random) -> float:
    return rng.paretovariate(1.1)


def one_in_fifteen_hangs(rng: random.Random) -> float:
    return math.inf if rng.random() < 1 / 15 else lognormal(rng)


def share_of_hedged(calls: Sequence[Call]) -> float:
    return statistics.mean(call.was_hedged for call in calls)


def p99(seconds: Iterable[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


WORLDS = pytest.mark.parametrize(
    ("draw", "share_when_dropped"), [(lognormal, 0.08), (exponential, 0.09), (heavy_tailed, 0.12)]
)


@WORLDS
def test_a_twentieth_is_hedged_for_ever(
    draw: Callable[[random.Random], float], share_when_dropped: float
) -> None:
    calls = hedge_for_long(draw)
    assert 0.04 < share_of_hedged(calls) < 0.06 < share_when_dropped
    first, last = calls[:2500], calls[-2500:]
    assert abs(share_of_hedged(first) - share_of_hedged(last)) < 0.015


@WORLDS
def test_with_losers_dropped_hedging_feeds_itself(
    draw: Callable[[random.Random], float], share_when_dropped: float
) -> None:
    assert share_of_hedged(hedge_for_long(draw, drop)) > share_when_dropped


def test_calls_that_hang_neither_switch_it_off_nor_drag_it_down() -> None:
    calls = hedge_for_long(one_in_fifteen_hangs)
    assert 0.06 < share_of_hedged(calls) < 0.1
    assert min(call.delay for call in calls) > 3.16  # what it is for a model that never hangs
    assert max(call.delay for call in calls) < 20


@pytest.mark.parametrize(
    ("row", "draw"),
    [
        ("log-normal", lognormal),
        ("exponential", exponential),
        ("heavy-tailed", heavy_tailed),
        ("one in fifteen hangs", one_in_fifteen_hangs),
    ],
)
def test_the_page_tells_what_hedging_gains_and_costs(
    row: str, draw: Callable[[random.Random], float]
) -> None:
    calls, dropped = hedge_for_long(draw), hedge_for_long(draw, drop)
    seconds = [f"{p99(call.alone for call in calls):.1f} s", f"{p99(call.took for call in calls):.1f} s"]
    shares = [f"{share_of_hedged(each):.1%}".replace("%", " %") for each in (calls, dropped)]
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {row} ")]
    assert [cell.strip() for cell in line.strip("|").split("|")[1:]] == [*seconds, *shares]


def test_it_follows_a_model_that_has_become_slower_and_one_that_has_become_faster() -> None:
    slow = times_of(*[1.0] * 400, *[3.0] * 13)
    assert slow.p95 == 3.0
    fast = times_of(*[3.0] * 400, *[1.0] * 244)
    assert fast.p95 == 1.0


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_copy_goes_out_at_the_quantile_but_not_at_once() -> None:
    rules = Hedging(quantile=0.5, enough=2, recent=4)
    times = rules.times()
    assert (times.recent, times.enough) == (4, 2)
    assert rules.delay(times) is None
    for seconds in (0.0, 0.0, 1.0, 2.0):
        times.learn(seconds)
    assert rules.delay(times) == LEAST == 0.05
    assert Hedging(quantile=0.75).delay(times) == 1.0


def test_models_are_known_apart() -> None:
    times = TimesToFirst(Hedging(enough=2))
    assert times.delay("opus") is None
    for seconds in (1.0, 2.0):
        times.learn("opus", seconds)
        times.learn("haiku", seconds / 10)
    times.censored("opus", 5.0)
    times.censored("sonnet", 5.0)
    assert [times.delay(model) for model in ("opus", "haiku", "sonnet")] == [2.0, 0.2, None]
    assert times.statistics() == {
        "haiku": TimeToFirstStatistics(2, 0, 0.2, 0.2),
        "opus": TimeToFirstStatistics(2, 1, 2.0, 2.0),
        "sonnet": TimeToFirstStatistics(0, 1, None, None),
    }


def test_of_too_many_models_the_one_heard_of_longest_ago_is_begun_anew() -> None:
    times = TimesToFirst()
    for number in (*range(MOST_MODELS), 3, MOST_MODELS):
        times.learn(f"model-{number}", 1.0)
    models = list(times.statistics())
    assert len(models) == MOST_MODELS
    assert models[:3] == ["model-1", "model-2", "model-4"]
    assert models[-2:] == ["model-3", f"model-{MOST_MODELS}"]


@pytest.mark.parametrize("take", [TimeToFirst.learn, TimeToFirst.censored])
@pytest.mark.parametrize(
    ("seconds", "error", "message"),
    [
        (-0.1, ValueError, "seconds must be >= 0.0, got -0.1"),
        (math.inf, ValueError, "seconds must be finite, got inf"),
        (math.nan, ValueError, "seconds must be a number of seconds, got nan"),
        (True, TypeError, "seconds must be a number of seconds, got True"),
        ("1", TypeError, "seconds must be a number of seconds, got '1'"),
    ],
)
def test_what_is_no_time_is_refused_and_changes_nothing(
    take: Callable[[TimeToFirst, float], None], seconds: float, error: type[Exception], message: str
) -> None:
    times = times_of(1.0)
    with pytest.raises(error) as caught:
        take(times, seconds)
    assert str(caught.value) == message
    assert times.statistics() == TimeToFirstStatistics(1, 0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ({"quantile": 0}, ValueError, "quantile must be > 0 and < 1, got 0"),
        ({"quantile": 1.0}, ValueError, "quantile must be > 0 and < 1, got 1.0"),
        ({"quantile": math.nan}, ValueError, "quantile must be > 0 and < 1, got nan"),
        ({"quantile": "p95"}, TypeError, "quantile must be a number, got str"),
        ({"quantile": True}, TypeError, "quantile must be a number, got bool"),
        ({"enough": 0}, ValueError, "enough must be >= 1, got 0"),
        ({"enough": 2.0}, TypeError, "enough must be a whole number, got float"),
        ({"recent": True}, TypeError, "recent must be a whole number, got bool"),
        ({"recent": 19}, ValueError, "recent must be >= enough 20, got 19"),
        ({"least": -1.0}, ValueError, "least must be >= 0.0, got -1.0"),
        ({"least": math.inf}, ValueError, "least must be finite, got inf"),
    ],
)
def test_rules_out_of_their_bounds_are_refused(
    rules: dict[str, float], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        Hedging(**rules)  # type: ignore[arg-type]  # wrong on purpose
    assert str(caught.value) == message


def test_a_quantile_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^quantile must be > 0 and < 1, got 1\.5$"):
        times_of(1.0).quantile(1.5)
