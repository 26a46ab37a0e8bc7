"""A day of traffic at 95 % load through the whole call path, in virtual time; `make soak` runs this.

Calls arrive at random (Poisson) at 0.95 of the rate that the limits allow after the safety margin, all three limits
loaded alike. The network takes up to half a second each way, requests fail in all the ways there are, storms of 529s
come over them, and the limiter's actor crashes every hour. One JSON line for each mode of the provider:

    requests            calls that were wanted
    completed           calls that were answered
    rejections_429      429s that the limits gave: caused by us
    utilization         of the limit that was used most: what answered calls used, over what limit and margin allow
    attempts_per_task   requests sent for each call
    leaked              reservations still held at the end, and calls without an end
    estimate_error      median error of the estimated input tokens of recent calls, relative to what was counted
    wall_seconds        real time
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from itertools import count
from time import perf_counter

import attrs
import trio
from calls import draw_calls, most_calls_per_minute
from configuration import MARGIN
from in_parallel import in_order
from probes import crash_limiter, estimate_error, held_reservations
from trial import Outcome, Stage, Trial, run_trial
from troubles import Troubles
from workload import MIXED, SMALL

from actors.testing.provider import MODES, Mode
from supervisors.runtime.runtime import Runtime

HOUR = 3600.0

HOURS = 24.0
"""Virtual hours of a whole run."""

LOAD = 0.95
"""Of what the limits allow after the safety margin."""

PATIENCE = 1800.0
"""Seconds that a call waits for capacity. At this load a queue of minutes comes and goes, storms beside it."""

TROUBLES = Troubles(
    server_errors=0.004,
    refusals=0.002,
    resets=0.001,
    hangs=0.00005,
    calm=2 * HOUR,
)
"""What fails after it was counted uses capacity too, on top of the load; half a percent leaves room for it."""

NEWS = 4
"""Crashes from one line on standard error to the next."""

SETTLING = 1.0
"""Seconds after the last answer in which the last settlement arrives."""


@attrs.frozen
class Job:
    """One line's worth of work.

    Args:
        mode: of the provider.
        seed: decides everything.
        hours: virtual hours in which calls arrive.
        crash_every: seconds from one crash of the limiter to the next.
    """

    mode: Mode
    seed: int = 0
    hours: float = HOURS
    crash_every: float = HOUR

    @property
    def trial(self) -> Trial:
        """What is run."""
        rate = LOAD * MARGIN * most_calls_per_minute(MIXED, SMALL) / 60
        calls = draw_calls(
            random.Random(f"{self.seed}/calls"),
            MIXED,
            count=round(rate * self.hours * HOUR),
            per_second=rate,
        )
        troubles = attrs.evolve(TROUBLES, lasting=self.hours * HOUR)
        return Trial(calls, SMALL, self.mode, self.seed, PATIENCE, troubles)


@attrs.define(eq=False)
class Watch:
    """What goes on beside the calls of a run: crashes, news on standard error, and the last look at the books.

    Args:
        job: what is run.
        held: reservations that were held when all was over.
        error: of the estimates by then, or None without any.
        crashes: of the limiter.
    """

    job: Job
    held: int = 0
    error: float | None = None
    crashes: int = 0
    began: float = attrs.field(factory=perf_counter)

    async def crash_on_time(self, runtime: Runtime, stage: Stage) -> None:
        """Crash the limiter time and again, and tell now and then how far the run is."""
        for number in count(1):
            await trio.sleep_until(stage.started_at + number * self.job.crash_every)
            self.crashes += await crash_limiter(runtime)
            if number % NEWS == 0:
                self._tell(f"{self.crashes} crashes of the limiter, {stage.tally.ended} calls ended")

    async def look(self, runtime: Runtime, stage: Stage) -> None:
        """Look at the books once everything has come to its end."""
        await trio.sleep(SETTLING)
        self.held = await held_reservations(runtime)
        self.error = await estimate_error(runtime)
        self._tell(f"{self.crashes} crashes of the limiter, endings {dict(stage.tally.endings)}")

    def _tell(self, text: str) -> None:
        seconds = perf_counter() - self.began
        print(f"{self.job.mode}: {text}, {seconds:.0f} s", file=sys.stderr, flush=True)


def measure(job: Job) -> str:
    """Run one mode and return its JSON line."""
    began = perf_counter()
    watch = Watch(job)
    outcome = run_trial(job.trial, meanwhile=watch.crash_on_time, afterwards=watch.look)
    endings = outcome.tally.endings
    return json.dumps(
        {
            "mode": job.mode,
            "requests": len(job.trial.calls),
            "completed": outcome.completed,
            "rejections_429": outcome.over_limit,
            "utilization": round(utilization(outcome), 4),
            "attempts_per_task": round(outcome.tally.sent / outcome.tally.ended, 4),
            "leaked": watch.held + endings["lost"],
            "estimate_error": None if watch.error is None else round(watch.error, 4),
            "wall_seconds": round(perf_counter() - began, 1),
        }
    )


def utilization(outcome: Outcome) -> float:
    """Return the share of what limit and margin allow that answered calls used, of the limit that was used most."""
    allowed = MARGIN * outcome.seconds / 60
    return max(
        outcome.completed / (SMALL.requests * allowed),
        outcome.input_tokens / (SMALL.input_tokens * allowed),
        outcome.output_tokens / (SMALL.output_tokens * allowed),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; a missed aim is shown, not hidden, and does not fail the run."""
    parser = argparse.ArgumentParser(
        prog="soak.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default 0)")
    parser.add_argument("--hours", type=float, default=HOURS, help="virtual hours of traffic (default 24)")
    parser.add_argument("--mode", choices=MODES, help="of the provider (default both)")
    parser.add_argument("--processes", type=int, default=2, help="that work at once (default 2)")
    options = parser.parse_args(arguments)
    modes: list[Mode] = [options.mode] if options.mode else list(MODES)
    jobs = [Job(mode, options.seed, options.hours) for mode in modes]
    for text in in_order(measure, jobs, processes=options.processes):
        print(text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
