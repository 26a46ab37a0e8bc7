"""Search A is down and search B is slow, and whoever asks is answered all the same: by whom, and why not by the others.

Each search has a guard of its own: a breaker, one retry, a timeout. The sentence at the end costs nothing and cannot
fail. After a while both are well again. Virtual time: the minutes pass at once.
"""

from __future__ import annotations

import random

import trio
from trio.testing import MockClock

from actors import open_actor
from actors.breaker import Breaker
from actors.fallback import FallbackChain, Step, constant
from actors.guard import Guard
from actors.policies.breaker.rules import PRESETS
from actors.policies.retry.retry import RetryPolicy
from actors.time_budget import time_budget

SORRY = "Search is resting. Please ask again in a minute."
WELL_AGAIN = 90.0
QUESTIONS = ((0, "ghost light"), (20, "trap door"), (40, "fly loft"), (60, "prompt box"), (150, "last reel"))


async def search_a(question: str) -> str:
    """Find everything, when it can be reached."""
    if trio.current_time() < WELL_AGAIN:
        raise ConnectionRefusedError("no connection")
    return f"A knows all about the {question}"


async def search_b(question: str) -> str:
    """Find a little, slowly on a bad day."""
    await trio.sleep(30 if trio.current_time() < WELL_AGAIN / 2 else 2)
    return f"B knows a little of the {question}"


async def main() -> None:
    """Ask five questions, within ten seconds each."""
    once_more, rules = RetryPolicy(max_retries=1), PRESETS["search"]
    async with (
        open_actor(lambda: Breaker(rules, service="search a")) as breaker_a,
        open_actor(lambda: Breaker(rules, service="search b")) as breaker_b,
    ):
        first = Guard("search a", breaker_a, once_more, timeout=2.0, rng=random.Random(1))
        second = Guard("search b", breaker_b, once_more, timeout=3.0, rng=random.Random(2))
        chain = FallbackChain[[str], str](
            [
                Step("search a", first.around(search_a)),
                Step("search b", second.around(search_b)),
                constant("sentence", SORRY),
            ]
        )
        for at, question in QUESTIONS:
            await trio.sleep_until(at)
            with time_budget(10):
                served = await chain.call(question)
            print(f"{at:5.1f} s  {question}, after {trio.current_time() - at:.1f} s")
            for passed_over in served.passed_over:
                print(f"           {passed_over}")
            print(f"           {served.used}: {served.value}")
        print("answered:", dict(chain.statistics().served))
        print("called:", {guard.name: guard.statistics().attempts for guard in (first, second)})


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
