"""The breaker of the example opens, tries, closes and is isolated, at the instants that it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "breaker.py"


def test_the_breaker_spares_callers_a_wait_and_the_service_their_calls() -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)  # noqa: S603  # our own example
    lines = done.stdout.splitlines()
    assert [line.strip() for line in lines if "->" in line] == [
        "40.0    closed -> open: 3 failures in a row",
        "70.0    open -> half_open: its time is over",
        "74.0    half_open -> open: a probe failed",
        "140.0    open -> half_open: its time is over",
        "140.3    half_open -> closed: 1 of 1 probes succeeded",
        "160.0    closed -> isolated: isolated by hand",
        "180.0    isolated -> closed: released by hand",
    ]
    assert sum("refused at once, it is open, try again at 70.0" in line for line in lines) == 2
    assert sum("refused at once, it is open, try again at 134.0" in line for line in lines) == 6
    assert sum("refused at once, it is isolated" in line for line in lines) == 2
    assert lines[-1] == "of 18 questions 8 reached the service, and 10 were spared a wait"
    assert done.stderr == ""
