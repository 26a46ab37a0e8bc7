"""Two tenants, four keys, one urgent call: who goes when, who is told how long it will take, and what each has had.

The pool has 4 requests a minute, each key 2 of them. The studio pays twice what the school pays. Virtual time.
"""

from __future__ import annotations

import trio
from trio.testing import MockClock

from actors import Ref, open_actor
from actors.limiter import Limiter, reserve
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Unknown
from actors.policies.queue.records import Place
from actors.policies.scope import Scope
from actors.policies.usage import Usage

POOL_LIMITS = Limits(requests=4, window=60.0)
KINDS = {"key": Limits(requests=2, input_tokens=None, output_tokens=None, window=60.0)}
WEIGHTS = {"studio": 2.0}
CALLS = (  # when it comes, who, for which tenant, by which key, how urgent
    (0.0, "ada", "studio", "k1", 0),
    (1.0, "ben", "studio", "k1", 0),
    (1.5, "cleo", "studio", "k1", 0),
    (3.0, "dan", "school", "k2", 0),
    (4.0, "eve", "studio", "k3", 0),
    (10.0, "fay", "school", "k2", 0),
    (11.0, "gus", "school", "k4", 0),
    (12.0, "hal", "studio", "k3", 0),
    (13.0, "ida", "school", "k4", 9),
)


def say(name: str, text: str) -> None:
    """Print one line with the time."""
    print(f"{trio.current_time():6.1f} s  {name:5}{text}")


async def call(limiter: Ref[Limiter], name: str, tenant: str, key: str, priority: float) -> None:
    """Make one call of two seconds."""

    def queued(place: Place) -> None:
        wait = place.expected_wait
        when = "when a call has ended" if isinstance(wait, Unknown) else f"in {wait:g} s as things stand"
        say(name, f"waits as number {place.position}, goes {when}")

    usage = Usage(input_tokens=50, output_tokens=100)
    claim = Claim(usage, scopes=(Scope("key", key),), tenant=tenant, priority=priority)
    async with reserve(limiter, claim, max_wait=300.0, on_queued=queued) as held:
        say(name, f"goes for the {tenant} by {key}")
        await trio.sleep(2)
        held.report(input_tokens=48, output_tokens=60)


async def main() -> None:
    """Let them all come, then look at the books."""
    async with open_actor(lambda: Limiter(POOL_LIMITS, margin=1.0, kinds=KINDS, weights=WEIGHTS)) as limiter:
        async with trio.open_nursery() as nursery:
            for at, name, tenant, key, priority in CALLS:
                await trio.sleep(at - trio.current_time())
                nursery.start_soon(call, limiter, name, tenant, key, priority)
        for scope in (Scope("key", f"k{number}") for number in range(1, 5)):
            report = await limiter.ask(Limiter.scope_statistics(scope))
            used = report.books.used.requests
            print(f"{scope}: {report.traffic.granted} granted, {used} used within the last minute")
        books = await limiter.ask(Limiter.statistics())
        print("granted by tenant:", dict(books.queue.granted_by_tenant))


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
