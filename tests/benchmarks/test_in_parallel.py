"""Runs side by side come in their order; whoever interrupts them ends them at once, and is not shown their insides."""

from __future__ import annotations

import signal
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path

import pytest
from in_parallel import INTERRUPTED, exit_with, in_order

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_jobs(processes: int) -> None:
    assert list(in_order(abs, [-3, 2, -1], processes=processes)) == [3, 2, 1]


def test_whoever_wants_no_more_leaves_no_process_behind() -> None:
    results = in_order(abs, [-1, -2, -3, -4], processes=2)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]  # it is a generator
    while workers := active_children():  # one that was just being started ends when it finds nothing to do
        for worker in workers:
            worker.join()


def test_an_interrupted_benchmark_says_so_in_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        exit_with(interrupted)
    assert ended.value.code == INTERRUPTED == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interruption_reaches_the_parent_and_ends_its_workers_with_it() -> None:
    # Announced by itself once two workers are at it, so that nobody has to guess when that is.
    program = (
        "import os, signal, sys, time\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "from in_parallel import exit_with, in_order\n"
        "def main():\n"
        "    results = in_order(time.sleep, [0.0, 3600.0, 3600.0], processes=2)\n"
        "    next(results)\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "    return len(list(results))\n"
        "if __name__ == '__main__':\n"
        "    exit_with(main)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # A worker that has just been started hears it before it can ignore it, and says so in its own way.
    assert (ended.returncode, "interrupted\n" in ended.stderr) == (INTERRUPTED, True)
