"""A search service falls silent for a minute: who is let through, who is told at once when to come again, who tries.

The service is a few lines below, and the clock is virtual: it all takes some milliseconds.
"""

from __future__ import annotations

import attrs
import trio
from trio.testing import MockClock

from actors.breaker import Breaker, pass_breaker
from actors.errors import BreakerOpen
from actors.kernel import Ref
from actors.policies.breaker.records import BreakerChange
from actors.policies.breaker.rules import PRESETS
from supervisors.breakers import BreakerTerms, open_breakers

RULES = attrs.evolve(PRESETS["search"], jitter=0.0)
"""Three failures in a row open it for 30 s; without jitter, so that the times below are round."""

REFUSES_FROM, HANGS_FROM, BACK_AT = 12.0, 60.0, 90.0


@attrs.define(eq=False)
class Search:
    """A service that refuses connections for a while, then hangs, and then is back."""

    reached: int = 0

    async def find(self, words: str) -> str:
        """Answer, or not."""
        self.reached += 1
        now = trio.current_time()
        if REFUSES_FROM <= now < HANGS_FROM:
            raise ConnectionRefusedError
        if HANGS_FROM <= now < BACK_AT:
            await trio.sleep_forever()
        await trio.sleep(0.3)
        return f"pages about {words}"


def say(what: str) -> None:
    """Print what happened, and when."""
    print(f"{trio.current_time():6.1f}  {what}")


def on_change(_service: str, change: BreakerChange) -> None:
    """Print that the breaker has changed."""
    say(f"  {change.before} -> {change.after}: {change.reason}")


async def ask(search: Search, breaker: Ref[Breaker], number: int) -> None:
    """Search through the breaker, with four seconds' patience; what comes out is classified by itself."""
    try:
        async with pass_breaker(breaker) as passing:
            with trio.fail_after(4.0):
                found = await search.find("ghost lights")
            passing.succeeded()
    except BreakerOpen as refused:
        again = "" if refused.retry_at is None else f", try again at {refused.retry_at:.1f}"
        say(f"question {number}: refused at once, it is {refused.state}{again}")
    except (ConnectionError, trio.TooSlowError) as error:
        say(f"question {number}: {type(error).__name__}")
    else:
        say(f"question {number}: {found}")


async def main() -> None:
    """Ask every ten seconds for three minutes, and take the service out by hand for two of the questions."""
    search = Search()
    async with open_breakers(lambda _service, _model: BreakerTerms(RULES), on_change=on_change) as breakers:
        breaker = await breakers.of("search")
        by_hand = {16: breakers.isolate, 18: breakers.release}
        for number in range(1, 19):
            await trio.sleep_until(10.0 * number)
            if number in by_hand:
                await by_hand[number]("search")
            await ask(search, breaker, number)
        seen = (await breakers.snapshot())["search"]
    print(f"of 18 questions {search.reached} reached the service, and {seen.refused} were spared a wait")


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
