"""A concierge that offers less while something is down: it asks for the level, and a sign at the door subscribes to it.

The search is down for a minute and a half, and the stores beside it for most of that time. Breakers find out, and the
degradation level follows what lasts: five seconds to rise, a minute to fall.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio

from actors import Ref, open_actor
from actors.degradation import Degradation, telling
from actors.errors import BreakerOpen
from actors.guard import Guard
from actors.policies.breaker.records import BreakerChange
from actors.policies.breaker.rules import PRESETS
from actors.policies.degradation.rules import DegradationLevel
from actors.policies.retry.retry import RetryPolicy
from actors.testing.run import run
from supervisors.breakers import BreakerTerms, open_breakers

OUTAGES = {"search": (20.0, 110.0), "stores": (40.0, 90.0)}  # seconds
EVERY = 5.0  # seconds from guest to guest


async def reach(service: str) -> None:
    """Use a service, or fail if it is down."""
    await trio.sleep(0.1)
    begin, end = OUTAGES[service]
    if begin <= trio.current_time() < end:
        raise ConnectionRefusedError


def turn_sign(level: DegradationLevel) -> None:
    """Turn the sign at the door; it is told at once, and it must not wait."""
    print(
        f"{trio.current_time():6.1f}  level {level.number}, {level.name}{''.join(f', {why}' for why in level.why)}"
    )


async def serve(guards: list[Guard], degradation: Ref[Degradation]) -> str:
    """Serve one guest, and say how much of what there is was left out."""
    level = await degradation.ask(Degradation.level())
    for guard in guards:
        with suppress(ConnectionRefusedError, BreakerOpen):
            await guard.call(partial(reach, guard.name))
    return {0: "everything", 1: "all but the search", 3: "nothing that must be kept"}[level.number]


async def main() -> None:
    """Serve a guest every five seconds for five minutes, and print when what they are served changes."""
    once = RetryPolicy(max_retries=0)
    async with open_actor(Degradation) as degradation:

        def hear(service: str, change: BreakerChange) -> None:
            degradation.tell_regardless(Degradation.hear(service, change))

        await degradation.ask(Degradation.subscribe(turn_sign))
        async with open_breakers(lambda name, _: BreakerTerms(PRESETS[name]), on_change=hear) as breakers:
            guards = [
                Guard(name, await breakers.of(name), once, on_end=telling(degradation, name))
                for name in ("search", "stores")
            ]
            before = ""
            for number in range(60):
                await trio.sleep_until(number * EVERY)
                served = await serve(guards, degradation)
                if served != before:
                    print(f"{trio.current_time():6.1f}  guest {number + 1} is served {served}")
                before = served
        told = await degradation.ask(Degradation.statistics())
        print(f"rises: {told.policy.rises}, falls: {told.policy.falls}")


if __name__ == "__main__":
    run(main, seed=1)
