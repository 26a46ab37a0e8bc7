"""One run of one workload: through the whole call path, or by the yardstick, on a virtual clock.

Both meet the same provider under the same seeds: its latencies, its faults and the trips over the network are drawn
from dice of their own, in the order in which requests come.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio
from calls import Call, Conversation
from configuration import ATTEMPT_TIMEOUT, LATENCY, MARGIN, MODEL, OUTPUT, settings_for
from jitter import JitteryNetwork
from jumping_clock import JumpingClock
from tally import Ending, Tally
from troubles import PEACE, Troubles
from yardstick import Yardstick

from actors.errors import CallFailed, Rejected
from actors.policies.ledger.output_policy import OutputPolicyName
from actors.testing.provider import Mode, ProviderLimits, ServedModel, SimulatedProvider
from actors.testing.run import run_seeded
from supervisors.runtime.runtime import Runtime, open_runtime

PATIENT = 7200.0
"""Seconds: for workloads in which nobody is to be turned away."""

LOST_AFTER = 4 * 3600.0
"""Seconds after the last call began in which all must end; one that has none by then is lost."""

LONGEST_RUN = 3 * 86400.0
"""Seconds of virtual time after which a run is stuck."""


@attrs.frozen
class Trial:
    """What is run.

    Args:
        calls: all of them, in the order of their numbers.
        limits: of the provider.
        mode: how it enforces them.
        seed: decides everything that is left to chance.
        patience: seconds a call waits for capacity.
        troubles: what goes wrong.
        margin: the share of every limit that the runtime uses.
        output: how the runtime reserves output.
    """

    calls: tuple[Call, ...] = attrs.field(repr=False)
    limits: ProviderLimits
    mode: Mode
    seed: int
    patience: float = PATIENT
    troubles: Troubles = PEACE
    margin: float = MARGIN
    output: OutputPolicyName = OUTPUT


@attrs.define(eq=False)
class Stage:
    """What is there in a run: the provider, the words, the dice and the tally.

    Args:
        trial: what is run.
        started_at: the instant at which it began.
    """

    trial: Trial
    started_at: float = attrs.field(factory=trio.current_time)
    tally: Tally = attrs.field(factory=Tally)
    conversation: Conversation = attrs.field(init=False)
    provider: SimulatedProvider = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.conversation = Conversation(self.trial.calls)
        self.provider = SimulatedProvider(
            limits=self.trial.limits,
            mode=self.trial.mode,
            models=(ServedModel(MODEL),),
            model=self.conversation.answer,
            latency=LATENCY,
            seed=self.trial.seed,
        )
        self.provider.script(*self.trial.troubles.faults(self.trial.seed))

    @property
    def dice(self) -> random.Random:
        """New dice for the network."""
        return random.Random(f"{self.trial.seed}/network")


@attrs.frozen
class Outcome:
    """What a run came to.

    Args:
        tally: what became of the calls.
        over_limit: 429s that the limits gave: requests that should not have been sent.
        seconds: from the beginning to the last answer.
        input_tokens: tokens of the prompts of the calls that were answered.
        output_tokens: tokens of their answers.
    """

    tally: Tally
    over_limit: int
    seconds: float
    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, stage: Stage) -> Outcome:
        """Read it off the provider's own books."""
        answered = [record for record in stage.provider.log if record.completed]
        return cls(
            tally=stage.tally,
            over_limit=stage.provider.statistics().over_limit,
            seconds=max(0.0, stage.tally.last_completed_at - stage.started_at),
            input_tokens=sum(record.input_tokens for record in answered),
            output_tokens=sum(record.output_tokens for record in answered),
        )

    @property
    def completed(self) -> int:
        """How many calls were answered."""
        return self.tally.endings["completed"]

    @property
    def wasted(self) -> int:
        """Requests that left without an answer to show for it."""
        return self.tally.sent - self.completed


Backstage = Callable[[Runtime, Stage], Awaitable[object]]
"""Something that goes on beside the calls, and is cancelled when they have ended."""


async def _nothing(_runtime: Runtime, _stage: Stage) -> None:
    """Leave the runtime in peace."""


async def play(stage: Stage, *, meanwhile: Backstage = _nothing, afterwards: Backstage = _nothing) -> None:
    """Make all calls through the runtime, each as a task of its own, and return when each has ended.

    Args:
        stage: what is there.
        meanwhile: runs beside the calls.
        afterwards: runs once they have ended, with the runtime still open.
    """
    trial = stage.trial
    network = JitteryNetwork(stage.provider.transport, stage.dice, stage.tally)
    settings = settings_for(trial.limits, trial.patience, trial.margin, trial.output)
    async with open_runtime(settings, transport=network, seed=trial.seed) as runtime:
        async with trio.open_nursery() as beside:
            beside.start_soon(meanwhile, runtime, stage)
            with trio.move_on_at(stage.started_at + trial.calls[-1].at + LOST_AFTER):
                async with trio.open_nursery() as nursery:
                    for call in trial.calls:
                        await trio.sleep_until(stage.started_at + call.at)
                        nursery.start_soon(_place, runtime, stage, call)
            beside.cancel_scope.cancel()
        await afterwards(runtime, stage)


async def _place(runtime: Runtime, stage: Stage, call: Call) -> None:
    stage.tally.want(call.number, trio.current_time())
    ending: Ending = "lost"
    try:
        await runtime.call(stage.conversation.request(call))
        ending = "completed"
    except Rejected:
        ending = "refused"
    except CallFailed:
        ending = "failed"
    finally:
        stage.tally.end(call.number, ending, trio.current_time())


def run_trial(trial: Trial, *, meanwhile: Backstage = _nothing, afterwards: Backstage = _nothing) -> Outcome:
    """Run a trial through the whole call path; no message of the tree may be without a fate at its end."""

    async def main() -> Outcome:
        stage = Stage(trial)
        await play(stage, meanwhile=meanwhile, afterwards=afterwards)
        return Outcome.of(stage)

    return _run(main, trial.seed)


def run_yardstick(trial: Trial) -> Outcome:
    """Run a trial by the yardstick."""

    async def main() -> Outcome:
        stage = Stage(trial)
        yardstick = Yardstick(
            provider=stage.provider,
            model=MODEL,
            conversation=stage.conversation,
            storms=trial.troubles.storms(trial.seed),
            rng=stage.dice,
            tally=stage.tally,
            patience=trial.patience,
            attempt_timeout=ATTEMPT_TIMEOUT,
        )
        await yardstick.run()
        return Outcome.of(stage)

    return _run(main, trial.seed)


def _run(main: Callable[[], Awaitable[Outcome]], seed: int) -> Outcome:
    return run_seeded(partial(main), seed=seed, clock=JumpingClock(), limit=LONGEST_RUN)
