"""The outage drill, on short outages: with breaker and budget it keeps bounds that it misses without."""

from __future__ import annotations

import json
from typing import Any

import attrs
import outage
import pytest
import trio
from outage import MODELS, RAGGED, Counted, Weather
from trio.testing import MockClock
from unmeasured import unmeasured

from actors.testing.provider import SimulatedProvider, message_request
from actors.testing.run import run_seeded

SHORT = Weather(models=MODELS[:1], callers=40, calm=60.0, lasting=180.0, after=120.0)

KEYS = [
    "calls",
    "reached_provider",
    "calls_per_call",
    "recovery_seconds",
    "trouble_seconds",
    "refused",
    "failed",
    "answered",
]


@unmeasured
def drilled(weather: Weather) -> dict[str, Any]:
    clock = MockClock(autojump_threshold=0.0)
    return dict(run_seeded(outage.drill, weather, seed=weather.seed, clock=clock, limit=outage.LONGEST_RUN))


def exceeded(line: dict[str, Any]) -> set[str]:
    """Return the bounds that a short drill has not kept."""
    # Three failures open a breaker, with as many calls in the air as were; then a health check every thirty seconds.
    bounds = {
        "calls_per_call": outage.AIM_PER_CALL,
        "recovery_seconds": outage.AIM_RECOVERY + 1.0,
        "reached_provider": 24,
        "failed": 8,
    }
    return {name for name, bound in bounds.items() if line[name] > bound}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", ["refused", "overloaded"])
def test_with_breaker_and_budget_next_to_nothing_reaches_a_provider_that_is_down(
    fault: str, seed: int
) -> None:
    line = drilled(attrs.evolve(SHORT, fault=fault, seed=seed))
    assert list(line) == KEYS
    assert not exceeded(line)
    assert line["calls"] == line["refused"] + line["failed"] + line["answered"]
    assert line["refused"] > line["reached_provider"] >= 3
    assert line["recovery_seconds"] >= line["trouble_seconds"] > 0


def test_without_them_retries_multiply_what_reaches_it() -> None:
    line = drilled(attrs.evolve(SHORT, is_bare=True))
    assert exceeded(line) == {"calls_per_call", "reached_provider", "failed"}
    assert line["refused"] == 0


def test_one_of_two_models_is_asked_all_the_while_unless_both_may_be_given_up() -> None:
    both = attrs.evolve(SHORT, models=MODELS)
    asked, given_up = drilled(attrs.evolve(both, share=0.5)), drilled(both)
    assert {"calls_per_call", "reached_provider"} <= exceeded(asked)
    assert asked["refused"] == 0
    assert "calls_per_call" not in exceeded(given_up)
    assert given_up["reached_provider"] < 50


def test_equal_seeds_give_equal_lines_and_others_do_not() -> None:
    first, second, other = (drilled(attrs.evolve(SHORT, seed=seed)) for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_an_outage_does_not_end_in_step_with_the_health_checks() -> None:
    over = [Weather(seed=seed).ends - 900.0 for seed in range(50)]
    assert all(0 <= beyond < RAGGED for beyond in over)
    assert max(over) > 0.9 * RAGGED
    assert min(over) < 0.1 * RAGGED


async def test_what_goes_out_is_counted_and_by_itself_while_it_is_down(autojump_clock: MockClock) -> None:
    weather = Weather(calm=10.0, lasting=20.0)
    counted = Counted(SimulatedProvider().transport, weather)
    for at in (0.0, 10.0, weather.ends - 0.5, weather.ends + 0.5):
        await trio.sleep(at - trio.current_time())
        with trio.move_on_after(0.25):
            await counted.send(message_request())
    assert (counted.sent, counted.during) == (4, 2)
    assert autojump_clock.current_time() == weather.ends + 0.75


def test_a_run_prints_one_line_and_says_what_was_aimed_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Weather] = []

    async def short(weather: Weather) -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        seen.append(weather)
        return dict.fromkeys(KEYS, 2.0)

    monkeypatch.setattr(outage, "drill", short)
    assert (
        outage.main(["--seed", "3", "--models", "2", "--fault", "overloaded", "--bare", "--share", "1"]) == 0
    )
    assert seen == [Weather(MODELS, "overloaded", is_bare=True, share=1.0, seed=3)]
    printed = capsys.readouterr()
    assert list(json.loads(printed.out)) == KEYS
    assert printed.err.splitlines() == [
        "  calls_per_call 2.0, aim at most 1.1 (MISSED)",
        "  recovery_seconds 2.0, aim at most 60.0 (met)",
    ]
