"""How figures are taken: processor time, pairs in turn inside one run, medians, and one JSON line each."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs


@attrs.frozen
class Figure:
    """One measured figure.

    Args:
        name: what was measured, such as "ask.lone".
        value: the median.
        unit: of the value.
        ratio: against the floor or bound that `aim` speaks of, or None.
        aim: what the figure should be, or None when it only informs.
        is_met: whether it is, or None without an aim.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    aim: str | None = None
    is_met: bool | None = None

    def line(self) -> str:
        """Return the figure as one line of JSON."""
        return json.dumps(
            {
                "name": self.name,
                "value": float(f"{self.value:.4g}"),
                "unit": self.unit,
                "ratio": None if self.ratio is None else round(self.ratio, 3),
                "aim": self.aim,
                "met": self.is_met,
            }
        )


def paired(ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Run both in turn, `rounds` times after one warm-up, and return both medians and the median ratio.

    The machine's speed drifts; a ratio of neighbours in time holds still.
    """
    ours()
    floor()
    pairs = [(ours(), floor()) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def in_fresh_process(module: str, measure: str, size: int) -> float:
    """Run `measure(size)`, an async function of a module beside this one, in a process of its own; return its value.

    Memory that was freed before would be counted as free, and what another measure left behind would cost time.
    """
    code = f"import {module}, trio; print(trio.run({module}.{measure}, {size}))"
    ran = subprocess.run(  # noqa: S603  # our own code, with names from these files
        [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    return float(ran.stdout)
