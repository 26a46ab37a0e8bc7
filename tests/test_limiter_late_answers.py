"""An answer that is long in coming is long: nobody is sent into a window that it may fill, nor waits for ever."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from cast_setup import acquire, exact, refund, report

from actors.errors import WaitTooLong
from actors.kernel import Ref, open_actor
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.usage import Usage

OUTPUT = Limits(requests=None, input_tokens=None, output_tokens=2000)
CALL = Usage(output_tokens=2000)
SENT_AT, ROOM_UNTIL, LOST_AT = 6.0, 15.2, 30.0

pytestmark = pytest.mark.usefixtures("autojump_clock")


@asynccontextmanager
async def open_busy() -> AsyncGenerator[tuple[Ref[Limiter], Grant]]:
    """Open one at the instant 6, with a call just sent.

    It knows of 50 tokens a second at most, of 140 an answer on average and 300 at most, so that 600 are foreseen. 1,400
    of 2,000 are spent and 140 will be held for the call: room for another 140, and 320 more for what is unseen.
    """
    async with open_actor(exact(Limiter, OUTPUT, output=OutputPolicy("at_completion"))) as limiter:
        other = await acquire(limiter, Claim(CALL, kind="other"))
        grants = [await acquire(limiter, CALL) for _ in range(5)]
        await trio.sleep(2.0)
        for grant in grants[:4]:
            await report(limiter, grant, output_tokens=100, started_at=0.0)
        await trio.sleep_until(SENT_AT)
        await report(limiter, grants[4], output_tokens=300, started_at=0.0)
        await report(limiter, other, output_tokens=700)
        yield limiter, await acquire(limiter, CALL)


async def test_the_stage_is_set_as_it_says() -> None:
    async with open_busy() as (limiter, _late):
        await trio.sleep(1.0)
        books = await limiter.ask(Limiter.statistics())
        assert (books.ledger.used.output_tokens, books.ledger.reserved.output_tokens) == (1400, 140)


async def test_whoever_comes_while_a_late_answer_may_have_filled_the_window_waits_for_its_end() -> None:
    async with open_busy() as (limiter, late):
        await trio.sleep_until(ROOM_UNTIL - 0.01)
        await refund(limiter, await acquire(limiter, CALL))
        assert trio.current_time() == ROOM_UNTIL - 0.01

        await trio.sleep_until(ROOM_UNTIL + 0.01)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await trio.sleep_until(20.0)
                await report(limiter, late, output_tokens=400, started_at=SENT_AT)

            await acquire(limiter, CALL)
            assert trio.current_time() == 20.0


async def test_whoever_waits_for_an_answer_that_never_comes_goes_when_it_is_lost() -> None:
    async with open_busy() as (limiter, _late):
        await trio.sleep_until(ROOM_UNTIL + 0.01)
        await acquire(limiter, CALL)
        assert trio.current_time() == LOST_AT


async def test_what_is_late_by_now_counts_even_if_nobody_asked_since_its_grant() -> None:
    async with open_busy() as (limiter, _late):
        await trio.sleep_until(20.0)
        with trio.move_on_after(1.0) as scope:
            await acquire(limiter, CALL)
        assert scope.cancelled_caught


async def test_nobody_is_refused_for_what_a_late_answer_may_still_turn_out_to_be() -> None:
    async with open_busy() as (limiter, late):
        await trio.sleep_until(20.0)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await trio.sleep_until(22.0)
                await report(limiter, late, output_tokens=150, started_at=SENT_AT)

            await acquire(
                limiter, CALL, 25.0
            )  # the deadline is before anything leaves the window, and before 30
            assert trio.current_time() == 22.0


async def test_whose_deadline_comes_before_a_late_answer_is_turned_away_then() -> None:
    async with open_busy() as (limiter, _late):
        await trio.sleep_until(20.0)
        with pytest.raises(WaitTooLong):
            await acquire(limiter, CALL, 25.0)
        assert trio.current_time() == 25.0
