"""Six calls share 3 requests and 1,000 output tokens a minute: they wait in line, and what is not used comes back.

Virtual time: the minutes pass at once.
"""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Ref, open_actor
from actors.errors import ProviderFailed, Rejected
from actors.limiter import Limiter, reserve
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.usage import Usage

LIMITS = Limits(requests=3, output_tokens=1_000, window=60.0)
HOLD_ALL = OutputPolicy("max_tokens")
CALLS = (
    ("ada", "x" * 350, 300.0),
    ("ben", "overloaded", 300.0),
    ("cleo", "x" * 90, 300.0),
    ("dan", "x" * 400, 300.0),
    ("eve", "x" * 10, 30.0),
    ("fay", "x" * 20, 300.0),
)


def say(name: str, text: str) -> None:
    """Print one line with the time."""
    print(f"{trio.current_time():6.1f} s  {name:5} {text}")


async def model(prompt: str) -> int:
    """Stand in for a model: two seconds, then an answer of some length, or a refusal after one."""
    await trio.sleep(1)
    if prompt == "overloaded":
        raise ProviderFailed("overloaded", status=529, kind="overloaded_error", charged=False)
    await trio.sleep(1)
    return len(prompt)


async def call(limiter: Ref[Limiter], name: str, prompt: str, max_wait: float) -> None:
    """Reserve the most a call may use, make it, and report what it used."""
    try:
        async with reserve(limiter, Usage(output_tokens=400), max_wait=max_wait) as held:
            say(name, f"goes, after {held.grant.waited:.1f} s in line")
            tokens = await model(prompt)
            held.report(input_tokens=100, output_tokens=tokens)
            say(name, f"used {tokens} of the 400 tokens held")
    except Rejected as rejected:
        say(name, f"never went: {rejected}")
    except ProviderFailed:
        say(name, "was refused uncounted: all of it comes back")


async def main() -> None:
    """Let six callers come in a row, then look at the books."""
    async with open_actor(lambda: Limiter(LIMITS, margin=1.0, output=HOLD_ALL)) as limiter:
        async with trio.open_nursery() as nursery:
            for name, prompt, patience in CALLS:
                nursery.start_soon(call, limiter, name, prompt, patience)
                await wait_all_tasks_blocked()  # so that they come in this order
        books = await limiter.ask(Limiter.statistics())
        print(f"spent within the last minute: {books.ledger.used}")
        print(
            f"in line: {books.queue.waiting}, granted: {books.queue.granted}, under way: {books.ledger.in_flight}"
        )


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
