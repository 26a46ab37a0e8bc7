"""A day of traffic at 95 % load through the whole call path, in virtual time; `make soak` runs this.

Calls arrive at random (Poisson) at 0.95 of the rate that the limits allow after the safety margin. What is in the way
changes by the hour: requests, then input, then output. The network takes up to half a second each way, requests fail in
all the ways there are, storms of 529s come over them, and the limiter's actor crashes every hour. One JSON line for
each mode of the provider:

    requests            calls that were wanted
    completed           calls that were answered
    rejections_429      429s that the limits gave: caused by us
    utilization         of the limit that is in the way: what answered calls used, over what limit and margin allow
    attempts_per_task   requests sent for each call
    leaked              reservations still held at the end, and calls without an end
    estimate_error      median error of the estimated input tokens of recent calls, relative to what was counted
    wall_seconds        real time
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from time import perf_counter

import attrs
import trio
from calls import Call, Shape, draw_calls, most_calls_per_minute
from configuration import MARGIN
from in_parallel import exit_with, in_order
from probes import crash_limiter, estimate_error, held_reservations
from trial import Outcome, Stage, Trial, run_trial
from troubles import Troubles
from workload import INPUT, OUTPUT, REQUESTS, SMALL

from actors.testing.provider import MODES, Mode
from supervisors.runtime.runtime import Runtime

HOUR = 3600.0

HOURS = 24.0
"""Virtual hours of a whole run."""

LOAD = 0.95
"""Of what the limits allow after the safety margin."""

SHAPES = (REQUESTS, INPUT, OUTPUT)
"""One an hour, in turn: each limit is in the way for eight hours of the day."""

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
        troubles = attrs.evolve(TROUBLES, lasting=self.hours * HOUR)
        calls = tuple(chain.from_iterable(self._hours()))
        return Trial(calls, SMALL, self.mode, self.seed, PATIENCE, troubles)

    def _hours(self) -> Iterator[list[Call]]:
        """Draw the calls of each hour, of its shape; the last one may be a part of an hour."""
        rng, number = random.Random(f"{self.seed}/calls"), count(1)
        for hour in range(math.ceil(self.hours)):
            shape, lasting = shape_of(hour), min(1.0, self.hours - hour)
            rate = LOAD * MARGIN * most_calls_per_minute(shape, SMALL) / 60
            drawn = draw_calls(rng, shape, count=round(rate * lasting * HOUR), per_second=rate)
            # The last of an hour may come a little after it, and the first of the next one before that.
            yield [attrs.evolve(call, number=next(number), at=hour * HOUR + call.at) for call in drawn]


def shape_of(hour: int) -> Shape:
    """Return the sizes of the calls of an hour."""
    return SHAPES[hour % len(SHAPES)]


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
    trial = job.trial
    gc.collect()
    gc.freeze()  # the calls that were drawn, which every full collection would go through again: 2 %
    outcome = run_trial(trial, meanwhile=watch.crash_on_time, afterwards=watch.look)
    gc.unfreeze()
    endings = outcome.tally.endings
    return json.dumps(
        {
            "mode": job.mode,
            "requests": len(trial.calls),
            "completed": outcome.completed,
            "rejections_429": outcome.over_limit,
            "utilization": round(utilization(trial.calls, outcome), 4),
            "attempts_per_task": round(outcome.tally.sent / outcome.tally.ended, 4),
            "leaked": watch.held + endings["lost"],
            "estimate_error": None if watch.error is None else round(watch.error, 4),
            "wall_seconds": round(perf_counter() - began, 1),
        }
    )


def utilization(calls: Sequence[Call], outcome: Outcome) -> float:
    """Return the share of what limit and margin allow that answered calls used, of the limit that is in the way.

    Each call counts for its share of the limit that its hour is about, on average the one it takes most of.
    """
    minutes = sum(_minutes(call, shape_of(int(call.at // HOUR))) for call in calls)
    answered = outcome.completed / len(calls)
    return minutes * answered / (MARGIN * outcome.seconds / 60)


def _minutes(call: Call, shape: Shape) -> float:
    """Return for how many minutes a call takes all of the limit that is in the way of its shape."""
    if shape is INPUT:
        return call.input_tokens / SMALL.input_tokens
    if shape is OUTPUT:
        return call.output_tokens / SMALL.output_tokens
    return 1 / SMALL.requests


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
    exit_with(main)
