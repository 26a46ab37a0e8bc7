"""The yardstick: it never sends what is refused, waits no longer than it must, and sends again what failed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs
import pytest
import trio
import yardstick
from calls import Call, Conversation
from jitter import Trip
from tally import Tally
from trial import Outcome, Trial, run_yardstick
from troubles import Troubles
from workload import WORKLOADS

from actors.testing.provider import (
    INSTANT,
    MODES,
    Fault,
    Mode,
    ProviderLimits,
    ServedModel,
    SimulatedProvider,
    hang,
    overload,
    server_error,
)
from actors.testing.run import run

pytestmark = pytest.mark.unmeasured

MODEL = "claude-sonnet-4-5"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["requests", "input", "output", "mixed", "storms"])
def test_it_never_sends_what_the_provider_refuses(name: str, mode: Mode) -> None:
    trial = WORKLOADS[name].trial(mode, seed=5, scale=0.25)
    outcome = run_yardstick(trial)
    assert outcome.over_limit == 0
    assert outcome.completed == len(trial.calls) == 150
    assert outcome.wasted == 0 or name == "storms"


def test_it_knows_the_storms_and_does_not_send_into_them() -> None:
    trial = attrs.evolve(
        WORKLOADS["mixed"].trial("sliding_window", seed=1, scale=0.25),
        troubles=Troubles(calm=20.0, lasting=600.0),
    )
    assert len(trial.troubles.storms(1)) > 5
    assert run_yardstick(trial).wasted == 0


def test_equal_seeds_give_equal_runs_and_others_do_not() -> None:
    def waits(seed: int) -> Sequence[float]:
        return run_yardstick(WORKLOADS["storms"].trial("token_bucket", seed, scale=0.1)).tally.waits

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)


def calls_of(count: int, *, at: float = 0.0) -> tuple[Call, ...]:
    return tuple(Call(number, at, "english", 100, 10, 0) for number in range(1, count + 1))


async def sent_by_the_yardstick(
    calls: tuple[Call, ...], limits: ProviderLimits, *faults: Fault, patience: float = 1000.0
) -> tuple[list[float], Tally]:
    """Return when requests arrived at a provider that answers at once, over a network without delays."""
    conversation = Conversation(calls)
    provider = SimulatedProvider(
        limits=limits, models=(ServedModel(MODEL),), model=conversation.answer, latency=INSTANT
    )
    provider.script(*faults)
    tally = Tally()
    await yardstick.Yardstick(
        provider=provider,
        model=MODEL,
        conversation=conversation,
        storms=[fault for fault in faults if fault.name == "overload"],
        rng=random.Random(0),
        tally=tally,
        patience=patience,
        attempt_timeout=30.0,
    ).run()
    return [record.at for record in provider.log], tally


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trip, "draw", classmethod(lambda cls, _rng: cls(0.0, 0.0)))


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("limits", [ProviderLimits(requests=2), ProviderLimits(input_tokens=200)])
def test_each_call_leaves_at_the_first_instant_at_which_it_fits(limits: ProviderLimits) -> None:
    async def main() -> None:
        arrivals, tally = await sent_by_the_yardstick(calls_of(5), limits)
        assert arrivals == [0.0, 0.0, 60.0, 60.0, 120.0]
        assert tally.waits == arrivals

    run(main, seed=0)


@pytest.mark.usefixtures("no_jitter")
def test_it_waits_a_storm_out() -> None:
    async def main() -> None:
        arrivals, _ = await sent_by_the_yardstick(calls_of(2), ProviderLimits(), overload(at=0, lasting=12.5))
        assert arrivals == [12.5, 12.5]

    run(main, seed=0)


@pytest.mark.usefixtures("no_jitter")
def test_what_failed_is_sent_again_before_all_who_came_after_it() -> None:
    async def main() -> None:
        limits = ProviderLimits(requests=1)
        arrivals, tally = await sent_by_the_yardstick(calls_of(2), limits, server_error(nth=1))
        assert arrivals == [0.0, 60.0, 120.0]
        assert tally.waits == [0.0, 120.0]

    run(main, seed=0)


@pytest.mark.usefixtures("no_jitter")
def test_a_hang_is_given_up_and_sent_again() -> None:
    async def main() -> None:
        arrivals, tally = await sent_by_the_yardstick(calls_of(1), ProviderLimits(), hang(nth=1))
        assert arrivals == [0.0, 30.0]
        assert tally.endings == {"completed": 1}
        assert trio.current_time() == 30.0

    run(main, seed=0)


@pytest.mark.usefixtures("no_jitter")
def test_a_call_leaves_the_line_when_its_patience_ends() -> None:
    async def main() -> None:
        arrivals, tally = await sent_by_the_yardstick(calls_of(3), ProviderLimits(requests=1), patience=60.0)
        assert arrivals == [0.0, 60.0]
        assert tally.endings == {"completed": 2, "refused": 1}

    run(main, seed=0)


def test_waste_is_what_was_sent_in_vain() -> None:
    outcome: Outcome = run_yardstick(
        Trial(calls_of(40), ProviderLimits(), "sliding_window", 0, troubles=FAILING)
    )
    assert outcome.completed == 40
    assert outcome.wasted == outcome.tally.sent - 40 > 0


FAILING = Troubles(server_errors=0.2, refusals=0.1, resets=0.1)
