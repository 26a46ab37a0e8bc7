"""Bursts in a small world of storms: what a ramp saves, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest
from storm_world import Figures, Mode, StormWorld
from unmeasured import unmeasured

from actors.policies.cooldown.ramp import Ramp

SEEDS = range(40)
CALM = 1e9


def paced() -> Ramp:
    return Ramp(50, paced=True)


def unpaced() -> Ramp:
    return Ramp(50)


@cache
@unmeasured
def play(
    mode: Mode, between: float, ramp: Callable[[], Ramp] = paced, *, has_gate: bool = True
) -> list[Figures]:
    return [StormWorld(seed, mode, ramp(), between=between, has_gate=has_gate).play() for seed in SEEDS]


@cache
@unmeasured
def yardstick(mode: Mode, between: float) -> list[Figures]:
    return [StormWorld(seed, mode, between=between, sees_all=True).play() for seed in SEEDS]


def ratio(figures: list[Figures], yard: list[Figures]) -> float:
    return fmean(mine.makespan / best.makespan for mine, best in zip(figures, yard, strict=True))


def stormed(figures: list[Figures]) -> float:
    return fmean(each.stormed for each in figures)


@pytest.mark.parametrize("mode", ["window", "bucket"])
def test_without_storms_the_guard_costs_a_second_or_two_of_a_burst_of_twelve_minutes(mode: Mode) -> None:
    figures, ungated = play(mode, CALM, unpaced), play(mode, CALM, has_gate=False)
    assert all(mine.makespan - free.makespan < 2.5 for mine, free in zip(figures, ungated, strict=True))
    assert ratio(figures, ungated) < 1.002


def test_without_storms_pacing_costs_three_seconds_of_a_burst_at_most() -> None:
    yard = yardstick("window", CALM)
    assert all(
        mine.makespan - best.makespan <= 3.0 for mine, best in zip(play("window", CALM), yard, strict=True)
    )
    assert ratio(play("window", CALM), yard) < 1.004
    assert ratio(play("bucket", CALM), yardstick("bucket", CALM)) < 1.004


@pytest.mark.parametrize("mode", ["window", "bucket"])
def test_a_storm_now_and_then_costs_less_than_five_in_a_hundred_of_time_and_as_much_waste_again(
    mode: Mode,
) -> None:
    figures, yard = play(mode, 150.0, unpaced), yardstick(mode, 150.0)
    assert ratio(figures, yard) < 1.05
    assert fmean(each.wasted for each in figures) < 2.0 * fmean(each.wasted for each in yard)


@pytest.mark.parametrize("mode", ["window", "bucket"])
def test_one_storm_after_the_other_costs_less_than_ten_in_a_hundred_of_time(mode: Mode) -> None:
    assert ratio(play(mode, 60.0, unpaced), yardstick(mode, 60.0)) < 1.10


def test_pacing_saves_a_few_more_calls_and_takes_no_more_time() -> None:
    with_it, without = play("window", 150.0), play("window", 150.0, unpaced)
    assert stormed(with_it) < 0.9 * stormed(without)
    assert fmean(each.makespan for each in with_it) < 1.01 * fmean(each.makespan for each in without)


@pytest.mark.parametrize("mode", ["window", "bucket"])
def test_nearly_every_burst_with_a_storm_now_and_then_wastes_no_more_than_twice_the_yardstick(
    mode: Mode,
) -> None:
    pairs = list(zip(play(mode, 150.0, unpaced), yardstick(mode, 150.0), strict=True))
    assert sum(mine.wasted > 2 * best.wasted for mine, best in pairs) <= 0.1 * len(pairs)
    assert all(mine.makespan <= 1.10 * best.makespan for mine, best in pairs)


@unmeasured
def test_without_a_gate_a_burst_would_be_sent_into_storms_again_and_again() -> None:
    ungated = [StormWorld(seed, "window", between=150.0, has_gate=False).play() for seed in range(3)]
    assert stormed(ungated) > 50 * stormed(play("window", 150.0))


def test_the_page_shows_the_figures_of_this_world() -> None:
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "cooldown.md").read_text("utf-8")
    rows = re.findall(r"\| (window|bucket) \| (\d+) s \| (paced|unpaced) \| ([\d.]+) \| (\d+) \|", page)
    assert len(rows) == 8
    for mode, between, ramp, time, calls in rows:
        figures = play(mode, float(between), paced if ramp == "paced" else unpaced)
        assert f"{ratio(figures, yardstick(mode, float(between))):.3f}" == time
        assert f"{stormed(figures):.0f}" == calls
