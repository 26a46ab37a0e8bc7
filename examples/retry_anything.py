"""One flaky service, five ways to call it again: a policy, a plan, a deadline, a layer inside a layer, a shared budget.

Virtual time, and dice that always show the middle, so that the waits can be read.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from actors import Ref, open_actor
from actors.errors import CallFailed
from actors.faults import Fault
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import PROFILES
from actors.retry import Budget, retry, retrying

NARROW = RetryPolicy(jitter="narrow")


class Middle(random.Random):
    """Dice that always show the middle."""

    def random(self) -> float:
        """Throw them."""
        return 0.5


DICE = Middle()


def say(text: str) -> None:
    """Print one line with the time."""
    print(f"{trio.current_time():6.1f} s  {text}")


def say_retry(attempt: int, fault: Fault, delay: float) -> None:
    """Print why there is another attempt."""
    say(f"attempt {attempt} failed: {fault.kind}; the next one in {delay:g} s")


def flaky(*faults: Fault) -> Callable[[], Awaitable[str]]:
    """Make a service that fails with each fault in turn, and then answers."""
    left = list(faults)

    async def call() -> str:
        await trio.sleep(0.1)
        if left:
            fault = left.pop(0)
            raise CallFailed(fault.message, retryable=fault.retryable, fault=fault)
        return "an answer"

    return call


async def attempt(title: str, call: Callable[[], Awaitable[str]]) -> None:
    """Make a call and print what comes of it."""
    print(f"\n{title}")
    try:
        say(await call())
    except CallFailed as error:
        say(f"{error}; {error.__notes__[0]}")
        if error.retry_at is not None:
            say(f"trying again makes sense at {error.retry_at:.1f} s")


async def several(budget: Ref[Budget]) -> None:
    """Make six calls of a service that is down; together they may retry for 200 tokens."""
    for _ in range(6):
        down = flaky(*(Fault.of("server_error") for _ in range(9)))
        try:
            await retry(down, RetryPolicy(1, initial=0.0), budget=budget, price=100)
        except CallFailed as error:
            say(error.__notes__[0])


async def main() -> None:
    """Call it in all five ways."""
    reset, limited = Fault.of("network_reset"), Fault.of("rate_limited")

    service = flaky(reset, limited)
    await attempt("a policy", lambda: retry(service, NARROW, on_retry=say_retry, rng=DICE))

    store = flaky(*(Fault.of("database") for _ in range(4)))
    await attempt("a plan", lambda: retry(store, PROFILES["aggressive"], on_retry=say_retry, rng=DICE))

    busy = flaky(Fault.of("rate_limited", retry_after=40.0))
    with trio.move_on_after(30):
        await attempt("a deadline", lambda: retry(busy, rng=DICE))

    @retrying(RetryPolicy(9), on_retry=say_retry)
    async def inner() -> str:
        return await twice()

    twice = flaky(reset)
    await attempt("a layer inside a layer", lambda: retry(inner, NARROW, on_retry=say_retry, rng=DICE))

    print("\na shared budget")
    async with open_actor(lambda: Budget(200)) as budget:
        await several(budget)
        statistics = await budget.ask(Budget.statistics())
        print("granted", statistics.granted["retry"], "suppressed", statistics.suppressed["retry"])


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
