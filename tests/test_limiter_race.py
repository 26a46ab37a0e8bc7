"""Ten thousand ask at once: exactly the capacity is granted, in whatever order they come."""

from __future__ import annotations

import math
import random
from functools import partial

import pytest
import trio
from cast_setup import exact, open_restarting

from actors.errors import WaitTooLong
from actors.kernel import Ref
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.scope import Scope
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run

pytestmark = pytest.mark.unmeasured

ASKERS = 10_000
CAPACITY = 4_000
LIMITS = Limits(
    requests=CAPACITY,
    input_tokens=60_000,
    output_tokens=None,
    further=(Limit("requests", 100_000, 86_400.0),),
)
KINDS = {"key": Limits(requests=700, input_tokens=None, output_tokens=None)}


async def ask_at_once(limiter: Ref[Limiter], claims: list[Claim], *, until: float) -> list[Grant]:
    """Let everybody ask in the same instant and wait until another one; return what was granted."""
    granted: list[Grant] = []

    async def asker(claim: Claim) -> None:
        try:
            granted.append(await limiter.ask(Limiter.acquire(claim, until)))
        except WaitTooLong:
            return

    async with trio.open_nursery() as nursery:
        for claim in claims:
            nursery.start_soon(asker, claim)
    return granted


async def settle(limiter: Ref[Limiter], grants: list[Grant]) -> None:
    """Report them all, in one instant."""
    async with trio.open_nursery() as nursery:
        for grant in grants:
            report = Limiter.report(grant, input_tokens=10, output_tokens=0, started_at=grant.granted_at)
            nursery.start_soon(limiter.ask, report)


async def capacity_is_granted(algorithm: str) -> None:
    make = exact(Limiter, LIMITS, max_waiting=ASKERS, algorithm=algorithm)
    async with open_restarting(make, "limiter") as limiter:
        claims = [Claim(Usage(1, 10))] * ASKERS
        first = await ask_at_once(limiter, claims, until=30.0)
        assert len(first) == CAPACITY
        assert trio.current_time() == 30.0
        assert len({grant.reservation for grant in first}) == CAPACITY

        claims = claims[: CAPACITY + 100]
        await settle(limiter, first)  # sent at 0, counted by 0.5, so all of it is back at 60.5
        second = await ask_at_once(limiter, claims, until=60.5 if algorithm == "sliding_window" else 31.5)
        if algorithm == "sliding_window":
            assert second == []  # a deadline at the very instant is one that is missed
            # After a silence a third goes first, and the others when no refusal has come back within a second.
            second = await ask_at_once(limiter, claims, until=62.0)
            assert len(second) == CAPACITY
        else:
            # Half a minute has brought half of it back but for the half second of doubt, and another comes in 15 ms.
            assert len(second) == math.floor((31.5 - 0.5) / 60 * CAPACITY)

        books = await limiter.ask(Limiter.statistics())
        assert books.ledger.in_flight == len(second)
        await settle(limiter, second)
        books = await limiter.ask(Limiter.statistics())
        assert books.ledger.reserved == NOTHING
        assert books.queue.waiting == 0


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_ten_thousand_who_ask_at_once_are_granted_exactly_the_capacity(seed: int, algorithm: str) -> None:
    run(partial(capacity_is_granted, algorithm), seed=seed)


async def every_scope_is_filled(rng: random.Random) -> None:
    """Ten keys of 700 each fall under a pool of 4,000: of a few keys each gets all, of all the pool is what is left."""
    make = exact(Limiter, LIMITS, max_waiting=ASKERS, kinds=KINDS)
    async with open_restarting(make, "limiter") as limiter:
        claims = [
            Claim(Usage(1, 10), scopes=(Scope("key", str(rng.randrange(5))),)) for _ in range(ASKERS // 2)
        ]
        granted = await ask_at_once(limiter, claims, until=30.0)
        per_key = [sum(grant.claim.scopes[0].name == str(key) for grant in granted) for key in range(5)]
        assert per_key == [700] * 5

        claims = [
            Claim(Usage(1, 10), scopes=(Scope("key", str(5 + rng.randrange(5))),)) for _ in range(ASKERS // 2)
        ]
        more = await ask_at_once(limiter, claims, until=31.0)
        assert len(more) == CAPACITY - 5 * 700
        await settle(limiter, granted + more)
        assert (await limiter.ask(Limiter.statistics())).ledger.reserved == NOTHING


@pytest.mark.parametrize("seed", [1, 2])
def test_every_key_and_the_pool_are_filled_to_the_last(seed: int) -> None:
    run(partial(every_scope_is_filled, random.Random(seed)), seed=seed)


async def refunds_go_on(rng: random.Random) -> None:
    """Who is granted gives back at once what was not used; in the end all that was kept is the capacity."""
    make = exact(Limiter, LIMITS, max_waiting=ASKERS)
    async with open_restarting(make, "limiter") as limiter:
        kept = 0

        async def asker(gives_back: bool) -> None:
            nonlocal kept
            try:
                grant = await limiter.ask(Limiter.acquire(Usage(1, 10), 30.0))
            except WaitTooLong:
                return
            if gives_back:
                await limiter.ask(Limiter.cancel(grant, charged=False))
            else:
                kept += 1
                await limiter.ask(Limiter.report(grant, input_tokens=10, output_tokens=0))

        async with trio.open_nursery() as nursery:
            for _ in range(ASKERS):
                nursery.start_soon(asker, rng.random() < 0.3)
        assert kept == CAPACITY
        books = await limiter.ask(Limiter.statistics())
        assert books.ledger.reserved == NOTHING
        assert books.ledger.used == Usage(CAPACITY, 10 * CAPACITY)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_given_back_goes_to_somebody_else_until_all_is_used(seed: int) -> None:
    run(partial(refunds_go_on, random.Random(seed)), seed=seed)
