"""Bursts, an overload and storms through the whole call path, each held against the yardstick; `make burst` runs this.

Prints one JSON line for each workload and mode of the provider, and what was aimed at on standard error:

    makespan_ratio   seconds for each completed call, over the yardstick's
    failed           calls that were sent and given up, or lost
    rejections_429   429s that the limits gave: caused by us
    wasted           requests sent minus calls completed
    wait_p50, _p99   seconds from the wish to the first request, of the completed calls

A call that is turned away before its patience ends was never sent: it is not failed, and does not complete.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import attrs
from configuration import MARGIN, OUTPUT
from in_parallel import exit_with, in_order
from tally import percentile
from trial import Outcome, Trial, run_trial, run_yardstick
from workload import WORKLOADS

from actors.policies.ledger.output_policy import OUTPUT_POLICIES, OutputPolicyName
from actors.testing.provider import MODES, Mode


@attrs.frozen
class Job:
    """One line's worth of work.

    Args:
        workload: its name.
        mode: of the provider.
        seed: decides everything.
        scale: the share of the workload's calls that is made.
        margin: the share of every limit that the runtime uses.
        output: how the runtime reserves output.
    """

    workload: str
    mode: Mode
    seed: int = 0
    scale: float = 1.0
    margin: float = MARGIN
    output: OutputPolicyName = OUTPUT

    @property
    def trial(self) -> Trial:
        """What is run."""
        trial = WORKLOADS[self.workload].trial(self.mode, self.seed, self.scale)
        return attrs.evolve(trial, margin=self.margin, output=self.output)


@attrs.frozen
class Result:
    """What a job came to.

    Args:
        line: the JSON line.
        remarks: what was aimed at, and what came.
        is_met: whether each aim was met.
    """

    line: str
    remarks: str
    is_met: bool


def measure(job: Job) -> Result:
    """Run a workload through the runtime and by the yardstick, and compare."""
    ours, best = run_trial(job.trial), run_yardstick(job.trial)
    verdicts = WORKLOADS[job.workload].judge(job.mode, ours, best)
    return Result(
        line=line(job, ours, best),
        remarks="; ".join(
            [f"{job.workload}, {job.mode}", *_beside(ours, best), *(str(each) for each in verdicts)]
        ),
        is_met=all(each.is_met for each in verdicts),
    )


def line(job: Job, ours: Outcome, best: Outcome) -> str:
    """Return the JSON line of a job."""
    endings = ours.tally.endings
    return json.dumps(
        {
            "workload": job.workload,
            "mode": job.mode,
            "makespan_ratio": round(ratio(ours, best), 4) if ours.completed else None,
            "failed": endings["failed"] + endings["lost"],
            "rejections_429": ours.over_limit,
            "wasted": ours.wasted,
            "wait_p50": round(percentile(ours.tally.waits, 0.5), 2),
            "wait_p99": round(percentile(ours.tally.waits, 0.99), 2),
        }
    )


def ratio(ours: Outcome, best: Outcome) -> float:
    """Return the seconds that one completed call took, over the yardstick's; both must have completed some."""
    return (ours.seconds / ours.completed) / (best.seconds / best.completed)


def _beside(ours: Outcome, best: Outcome) -> list[str]:
    waits = f"{percentile(best.tally.waits, 0.5):.1f} and {percentile(best.tally.waits, 0.99):.1f} s"
    return [
        _ends(ours),
        f"yardstick {_ends(best)}, {best.wasted} wasted, waits {waits}",
    ]


def _ends(outcome: Outcome) -> str:
    refused = outcome.tally.endings["refused"]
    return f"{outcome.completed} completed and {refused} turned away in {outcome.seconds:.1f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; a missed aim is shown, not hidden, and does not fail the run."""
    parser = argparse.ArgumentParser(
        prog="burst.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "workloads", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)} (default all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default 0)")
    parser.add_argument("--mode", choices=MODES, help="of the provider (default both)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the calls that is made (default 1)"
    )
    parser.add_argument(
        "--margin", type=float, default=MARGIN, help=f"share of every limit that is used (default {MARGIN})"
    )
    parser.add_argument(
        "--output", choices=OUTPUT_POLICIES, default=OUTPUT, help=f"how output is reserved (default {OUTPUT})"
    )
    parser.add_argument("--processes", type=int, default=2, help="that work at once (default 2)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.workloads if name not in WORKLOADS]:
        parser.error(f"no workload is called {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    names: list[str] = options.workloads or list(WORKLOADS)
    modes: list[Mode] = [options.mode] if options.mode else list(MODES)
    jobs = [
        Job(name, mode, options.seed, options.scale, options.margin, options.output)
        for name in names
        for mode in modes
    ]
    for result in in_order(measure, jobs, processes=options.processes):
        print(result.line, flush=True)
        print(f"{'  ' if result.is_met else '! '}{result.remarks}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
