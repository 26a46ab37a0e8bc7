"""A limiter that was told of limits that are not there comes back by itself, and obeys those that are."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest
import trio
from cast_setup import Fragile, acquire, books_of, crash, exact, open_restarting

from actors.errors import NeverFits
from actors.kernel import Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.policies.cooldown.records import Trouble
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.usage import Usage

LIMITS = Limits(requests=50, input_tokens=30_000, output_tokens=8_000)
SMALL = Usage(1, 50, 200)
LARGE = Usage(1, 500, 300)
INPUT = "anthropic-ratelimit-input-tokens-{}"
TOTAL = "x-ratelimit-{}-tokens"

pytestmark = pytest.mark.usefixtures("autojump_clock")


def headers(names: str, limit: int) -> dict[str, str]:
    """What a response tells of one limit, which is spent."""
    return {names.format("limit"): str(limit), names.format("remaining"): "0"}


async def limits_of(limiter: Ref[Limiter]) -> list[Limit]:
    """Return the limits in force."""
    return [books.limit for books in (await books_of(limiter)).ledger.pool.each]


async def call(limiter: Ref[Limiter], usage: Usage, told: Mapping[str, str] | None = None) -> None:
    """Make a call that takes a second."""
    grant = await acquire(limiter, usage)
    await trio.sleep(1)
    await limiter.ask(
        Limiter.report(grant, input_tokens=usage.input_tokens, output_tokens=200, observed=told)
    )


async def poisoned(limiter: Ref[Limiter], names: str) -> None:
    """Let small calls tell of a limit of 300 that makes large ones impossible."""
    for _ in range(2):
        await call(limiter, SMALL, headers(names, 300))
    with pytest.raises(NeverFits, match="must be <= 300 per 60 s"):
        await call(limiter, LARGE)


@pytest.mark.parametrize("names", [INPUT, TOTAL])
async def test_a_limit_that_cannot_have_let_its_own_response_through_is_not_believed(names: str) -> None:
    async with open_actor(exact(Limiter, LIMITS)) as limiter:
        for _ in range(10):
            await call(limiter, LARGE, headers(names, 1))

        assert await limits_of(limiter) == list(LIMITS.each)


@pytest.mark.parametrize("names", [INPUT, TOTAL])
async def test_a_limit_that_let_nothing_through_for_two_windows_is_looked_at_and_gone_with_the_answer(
    names: str,
) -> None:
    async with open_actor(exact(Limiter, LIMITS)) as limiter:
        await poisoned(limiter, names)
        await trio.sleep(119)
        with pytest.raises(NeverFits):
            await acquire(limiter, LARGE)
        await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(call, limiter, LARGE)
            await trio.sleep(0.5)
            assert (await books_of(limiter)).queue.waiting == 9
            await trio.sleep(1)
            assert (await books_of(limiter)).queue.waiting == 0

        assert await limits_of(limiter) == list(LIMITS.each)


async def test_who_is_refused_as_it_looks_leaves_the_limit_and_tells_those_who_wait_for_it() -> None:
    async with open_actor(exact(Limiter, LIMITS)) as limiter:
        await poisoned(limiter, INPUT)
        await trio.sleep(120)
        grant = await acquire(limiter, LARGE)

        async def waits() -> None:
            with pytest.raises(NeverFits, match=r"^input_tokens must be <= 300 per 60 s, got 500$"):
                await acquire(limiter, LARGE)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            await trio.sleep(1)
            assert (await books_of(limiter)).queue.waiting == 1
            trouble = Trouble("rate", retry_after=1.0)
            await limiter.ask(Limiter.cancel(grant, charged=False, trouble=trouble))

        await waits()


async def test_a_limit_survives_a_crash_and_so_does_the_way_out_of_it() -> None:
    async with open_restarting(exact(Fragile, LIMITS), "limiter", keeps_state=True) as limiter:
        await poisoned(limiter, INPUT)
        await crash(limiter)
        with pytest.raises(NeverFits):
            await acquire(limiter, LARGE)
        await trio.sleep(120)

        await call(limiter, LARGE)

        assert await limits_of(limiter) == list(LIMITS.each)


async def test_who_does_not_learn_does_not_look() -> None:
    small = attrs.evolve(LIMITS, input_tokens=300)
    async with open_actor(exact(Limiter, small, learns=False)) as limiter:
        await trio.sleep(1_000)
        with pytest.raises(NeverFits):
            await acquire(limiter, LARGE)
