"""What `make soak` and `make burst` print, on runs small enough for a test."""

from __future__ import annotations

import json
from typing import Any

import burst
import pytest
import soak
from workload import WORKLOADS

from actors.testing.provider import MODES, Mode

pytestmark = pytest.mark.unmeasured

BURST_KEYS = [
    "workload",
    "mode",
    "makespan_ratio",
    "failed",
    "rejections_429",
    "wasted",
    "wait_p50",
    "wait_p99",
]
SOAK_KEYS = [
    "mode",
    "requests",
    "completed",
    "rejections_429",
    "utilization",
    "attempts_per_task",
    "leaked",
    "estimate_error",
    "wall_seconds",
]


@pytest.mark.parametrize("mode", MODES)
def test_a_small_burst_is_answered_without_a_429(mode: Mode) -> None:
    line: dict[str, Any] = json.loads(burst.measure(burst.Job("mixed", mode, scale=0.05)).line)
    assert list(line) == BURST_KEYS
    assert (line["workload"], line["mode"]) == ("mixed", mode)
    assert (line["failed"], line["rejections_429"], line["wasted"]) == (0, 0, 0)


def test_equal_seeds_give_equal_lines() -> None:
    first, second, other = (
        burst.measure(burst.Job("storms", "token_bucket", seed, 0.05)) for seed in (4, 4, 5)
    )
    assert first.line == second.line
    assert first.line != other.line


@pytest.mark.parametrize("mode", MODES)
def test_a_short_soak_is_answered_without_a_429_over_crashes(mode: Mode) -> None:
    line: dict[str, Any] = json.loads(soak.measure(soak.Job(mode, hours=1 / 3, crash_every=300.0)))
    assert list(line) == SOAK_KEYS
    assert line["mode"] == mode
    assert line["requests"] == line["completed"] == 922
    assert (line["rejections_429"], line["leaked"]) == (0, 0)


def test_the_limiter_does_crash(capsys: pytest.CaptureFixture[str]) -> None:
    soak.measure(soak.Job("sliding_window", hours=0.1, crash_every=60.0))
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("sliding_window: 4 crashes of the limiter, ")
    assert "'completed': 276}" in told[-1]


def test_a_run_prints_a_line_for_each_workload_and_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert burst.main(["requests", "mixed", "--scale", "0.01", "--processes", "1"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [(line["workload"], line["mode"]) for line in lines] == [
        (workload, mode) for workload in ("requests", "mixed") for mode in MODES
    ]
    assert len(printed.err.splitlines()) == 4


def test_another_output_policy_takes_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["output", "--mode", "sliding_window", "--scale", "0.1", "--processes", "1", "--output"]
    makespans: list[float] = []
    for policy in ("at_completion", "max_tokens"):
        burst.main([*arguments, policy])
        makespans.append(json.loads(capsys.readouterr().out)["makespan_ratio"])
    assert makespans[1] > 1.3 * makespans[0]


def test_an_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        burst.main(["flood"])
    assert ended.value.code == 2
    assert f"no workload is called 'flood'; there are {', '.join(WORKLOADS)}" in capsys.readouterr().err
