"""The supervised counter starts again twice, then gives up, and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "supervised_counter.py"


def test_the_supervised_counter_survives_two_faults_and_reports_three() -> None:
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)  # noqa: S603  # our own example
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("add")] == [
        "add 1: 1 (incarnation 1)",
        "add 13: interrupted, whether it counted is unknown",
        "add 2: 2 (incarnation 2)",
        "add 13: interrupted, whether it counted is unknown",
        "add 3: 3 (incarnation 3)",
        "add 13: interrupted, whether it counted is unknown",
    ]
    assert [line for line in lines if line.startswith("    counter")] == [
        f"    counter: {event}"
        for event in [
            *["ChildStarted", "ChildCrashed", "ChildRestarting"] * 2,
            *["ChildStarted", "ChildCrashed", "ChildGivenUp"],
        ]
    ] + ["    counter: Escalated"]
    assert lines[-4:] == [
        "child 'counter' of 'supervisor' failed, and its budget of 2 restarts in 30 s is spent (3 sub-exceptions)",
        *["    RuntimeError('an unlucky number') while handling Counter.add(n=13), attempt 1"] * 3,
    ]
    assert done.stderr == ""
