"""A drill: the provider is down for ten minutes under 200 callers, in virtual time; `make outage` runs this.

Prints one JSON line:

    calls              calls that callers placed, all in all
    reached_provider   requests that went out while the provider was down, health checks included
    calls_per_call     requests over calls of which at least one went out; retries multiply nothing where it is near 1
    recovery_seconds   from the end of the outage until nobody is kept from calling any more: the last call after it
                       that failed or was refused, and the last instant to which one that was refused was told to wait
    trouble_seconds    from the end of the outage to the last call after it that failed or was refused
    refused            calls that were turned away unsent, at once
    failed             calls that were sent and not answered
    answered           the others

Each caller asks, thinks for a while, and asks again. One that is refused comes back when it is told to. With `--bare`
there is neither breaker nor budget: what retries alone make of the same outage. Both models are down, or the only one
with `--models 1`; with `--share 0.5` at most half of them is given up at a time, and so one is asked all the while.

The outage is longer than ten minutes by a part of a minute, which the seed draws: ten minutes are a multiple of the
seconds between two health checks, and one would knock in the very moment in which the door opens.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence

import attrs
import trio
from configuration import LATENCY
from trio.testing import MockClock

from actors.errors import CallFailed, Rejected
from actors.testing.provider import ProviderLimits, ServedModel, SimulatedProvider, outage, overload
from actors.testing.run import run_seeded
from actors.wire.chat import ChatMessage, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport
from supervisors.runtime.runtime import Runtime, open_runtime
from supervisors.runtime.settings import OPEN_SHARE, LimitSettings, ProviderSettings, RetrySettings, Settings

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5")

LIMITS = ProviderLimits(4000, 2_000_000, 400_000)
"""Large enough that the limits are in nobody's way: the outage is."""

RAGGED = 60.0
"""Seconds by which an outage lasts longer at most."""

LEAST_THOUGHT, MOST_THOUGHT = 15.0, 45.0
"""Seconds a caller thinks between two calls: 400 calls a minute of 200 callers."""
LATER = 0.2
"""Share of the time it was told to wait by which a refused caller comes later at most: they do not come as one."""

AIM_PER_CALL = 1.1
AIM_RECOVERY = 60.0
"""Seconds: the cooldown of a model's breaker."""

LONGEST_RUN = 86_400.0


@attrs.frozen
class Weather:
    """What is drilled.

    Args:
        models: of the chain; all of them are down.
        fault: "refused" for a provider whose door is shut, "overloaded" for one that answers 529.
        is_bare: without breaker and budget.
        share: of the models that may be given up as down at a time, as the settings have it.
        seed: decides everything.
        callers: how many.
        calm: seconds of fair weather before the outage: budgets are full, breakers have seen success.
        lasting: seconds of the outage at least.
        after: seconds that are watched after it.

    Attributes:
        ends: instant at which the outage is over.
    """

    models: tuple[str, ...] = MODELS
    fault: str = "refused"
    is_bare: bool = False
    share: float = OPEN_SHARE
    seed: int = 0
    callers: int = 200
    calm: float = 300.0
    lasting: float = 600.0
    after: float = 900.0
    ends: float = attrs.field(init=False)

    @ends.default
    def _drawn(self) -> float:
        return self.calm + self.lasting + random.Random(f"{self.seed}/weather").uniform(0.0, RAGGED)

    def is_down(self, now: float) -> bool:
        """Whether the outage is on."""
        return self.calm <= now < self.ends

    @property
    def settings(self) -> Settings:
        """The settings of the runtime: the defaults, but for limits that are in nobody's way."""
        limits = LimitSettings(LIMITS.requests, LIMITS.input_tokens, LIMITS.output_tokens, max_wait=30.0)
        provider = ProviderSettings(models=self.models, open_share=self.share)
        if not self.is_bare:
            return Settings(provider, limits)
        default = Settings()
        services = dict(default.services) | {"model": attrs.evolve(default.services["model"], breaker="off")}
        return Settings(provider, limits, retry=RetrySettings(budget=0), services=services)


@attrs.define(eq=False)
class Counted:
    """A transport that counts what goes out while the provider is down.

    Args:
        transport: carries the exchanges.
        weather: says when it is down.
        sent: requests so far.
        during: those that went out during the outage.
    """

    transport: Transport
    weather: Weather
    sent: int = 0
    during: int = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Count a request and send it."""
        self.sent += 1
        self.during += self.weather.is_down(trio.current_time())
        return await self.transport.send(request)


@attrs.define(eq=False)
class Drill:
    """What came of the calls.

    Args:
        calls: placed.
        answered: answered.
        failed: sent, and not answered.
        refused: not sent.
        last_trouble: instant at which the last call failed or was refused.
        kept_until: the last instant to which somebody was told to wait.
    """

    calls: int = 0
    answered: int = 0
    failed: int = 0
    refused: int = 0
    last_trouble: float = 0.0
    kept_until: float = 0.0


async def caller(number: int, runtime: Runtime, drill: Drill, weather: Weather) -> None:
    """Ask, think, and ask again, until the drill is over."""
    rng = random.Random(f"{weather.seed}/caller/{number}")
    request = ChatRequest(
        "", (ChatMessage("user", f"caller {number} asks what it always asks"),), max_tokens=64
    )
    await trio.sleep(rng.uniform(0.0, MOST_THOUGHT))
    while trio.current_time() < weather.ends + weather.after:
        pause = rng.uniform(LEAST_THOUGHT, MOST_THOUGHT)
        drill.calls += 1
        try:
            await runtime.call(request)
        except (CallFailed, Rejected) as error:
            now = trio.current_time()
            drill.last_trouble = now
            if isinstance(error, Rejected):
                drill.refused += 1
            else:
                drill.failed += 1
            if error.retry_at is not None:
                drill.kept_until = max(drill.kept_until, error.retry_at)
                pause = (error.retry_at - now) * (1 + LATER * rng.random())
        else:
            drill.answered += 1
        await trio.sleep(max(0.0, pause))


async def drill(weather: Weather) -> dict[str, object]:
    """Run the drill and return its line."""
    provider = SimulatedProvider(
        limits=LIMITS,
        models=tuple(ServedModel(model) for model in weather.models),
        latency=LATENCY,
        seed=weather.seed,
    )
    down = outage if weather.fault == "refused" else overload
    provider.script(down(at=weather.calm, lasting=weather.ends - weather.calm))
    counted, came_of = Counted(provider.transport, weather), Drill()
    async with (
        open_runtime(weather.settings, transport=counted, seed=weather.seed) as runtime,
        trio.open_nursery() as nursery,
    ):
        for number in range(weather.callers):
            nursery.start_soon(caller, number, runtime, came_of, weather)
    sent_calls = came_of.answered + came_of.failed
    return {
        "calls": came_of.calls,
        "reached_provider": counted.during,
        "calls_per_call": round(counted.sent / sent_calls, 3),
        "recovery_seconds": _since(weather.ends, max(came_of.last_trouble, came_of.kept_until)),
        "trouble_seconds": _since(weather.ends, came_of.last_trouble),
        "refused": came_of.refused,
        "failed": came_of.failed,
        "answered": came_of.answered,
    }


def _since(end: float, instant: float) -> float:
    return round(max(0.0, instant - end), 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill and print its line; what was aimed at goes to standard error."""
    parser = argparse.ArgumentParser(prog="outage", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument("--models", type=int, default=2, choices=(1, 2), help="models of the chain, all down")
    parser.add_argument(
        "--fault", default="refused", choices=("refused", "overloaded"), help="how it is down"
    )
    parser.add_argument("--bare", action="store_true", help="without breaker and budget, as a contrast")
    parser.add_argument(
        "--share", type=float, default=OPEN_SHARE, help="of the models that may be given up as down at a time"
    )
    given = parser.parse_args(arguments)
    weather = Weather(MODELS[: given.models], given.fault, given.bare, given.share, given.seed)
    clock = MockClock(autojump_threshold=0.0)
    line = run_seeded(drill, weather, seed=weather.seed, clock=clock, limit=LONGEST_RUN)
    print(json.dumps(line))
    for name, aim in (("calls_per_call", AIM_PER_CALL), ("recovery_seconds", AIM_RECOVERY)):
        value = line[name]
        assert isinstance(value, float)
        print(f"  {name} {value}, aim at most {aim} ({'met' if value <= aim else 'MISSED'})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
