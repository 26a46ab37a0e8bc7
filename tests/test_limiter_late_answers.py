"""An answer that is long in coming is long: nobody is sent into a window that it has probably filled."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from cast_setup import acquire, exact, refund, report

from actors.kernel import Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.usage import Usage

OUTPUT = Limits(requests=None, input_tokens=None, output_tokens=1000)
CALL = Usage(output_tokens=1000)

pytestmark = pytest.mark.usefixtures("autojump_clock")


@asynccontextmanager
async def open_taught() -> AsyncGenerator[Ref[Limiter]]:
    """Open one that has seen five answers of 100 tokens in 2 s each, at the instant 2; half of the window is spent."""
    async with open_actor(exact(Limiter, OUTPUT, output=OutputPolicy("at_completion"))) as limiter:
        grants = [await acquire(limiter, CALL) for _ in range(5)]
        await trio.sleep(2.0)
        for grant in grants:
            await report(limiter, grant, output_tokens=100, started_at=0.0)
        yield limiter


async def test_whoever_comes_while_a_late_answer_may_have_filled_the_window_waits_for_its_end() -> None:
    async with open_taught() as limiter:
        late = await acquire(limiter, CALL)
        await trio.sleep_until(
            9.9
        )  # 7.9 s at 50 tokens a second, and 100 are expected of the next one: just room
        await refund(limiter, await acquire(limiter, CALL))
        assert trio.current_time() == 9.9

        await trio.sleep_until(10.1)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await trio.sleep_until(14.0)
                await report(limiter, late, output_tokens=350, started_at=2.0)

            await acquire(limiter, CALL)
            assert trio.current_time() == 14.0


async def test_what_is_late_by_now_counts_even_if_nobody_asked_since_its_grant() -> None:
    async with open_taught() as limiter:
        late = await acquire(limiter, CALL)
        await trio.sleep_until(40.0)
        with trio.move_on_after(1.0) as scope:
            await acquire(limiter, CALL)
        assert scope.cancelled_caught
        await report(limiter, late, output_tokens=350, started_at=2.0)
        await acquire(limiter, CALL)
        assert trio.current_time() == 41.0


async def test_a_late_answer_that_never_comes_leaves_half_of_the_limit_to_the_others() -> None:
    async with open_taught() as limiter:
        await acquire(limiter, CALL)
        await trio.sleep_until(100.0)  # the five have left the window
        grants = [await acquire(limiter, CALL) for _ in range(3)]
        assert trio.current_time() == 100.0
        for grant in grants:
            await report(limiter, grant, output_tokens=100, started_at=100.0)
