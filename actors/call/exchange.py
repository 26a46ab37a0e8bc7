"""One attempt under way: an exchange with the provider, and a second copy where it is slow, the first answer of both.

A second copy is a call like any other: it draws on the budget, reserves, and asks the breaker. Each copy has its own
reservation and its own pass through the breaker, and says itself what became of it, whoever wins:

    a copy                limiter                       breaker        budget, for a second one
    is answered           what it really used           success        given back
    fails                 refunded, if not counted      by its fault   spent
    loses, is cancelled   spent as supposed             nothing        spent
    is not sent           refunded                      nothing        given back

A loser says nothing of the service. It has taken longer than most calls do and would perhaps have been answered: the
winner's answer is one success, and not two. If it was out for as long as the breaker's rules call slow, it has been
counted as slow already.

**One `attempt_timeout` is for the attempt as a whole**: a second copy is to bring the answer sooner and not to put off
its end, so it has what time the first has left. Then the attempt has failed once, not once for each copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from actors.breaker.breaking import Passing, pass_breaker
from actors.call.path import CallPath
from actors.call.under_way import CallUnderWay, Turn
from actors.errors import CallFailed, DeliveryError, TransportFailed
from actors.hedging.clock import HedgeClock, timed
from actors.hedging.hedging import hedged
from actors.limiter.reservation import Held, reserve
from actors.retry.spending import Spending
from actors.wire.chat import ChatReply

CLOCK_PATIENCE = 0.1
"""Seconds to wait for the hedge clock. It answers at once; only one that is being restarted cannot, and to do without a
second copy costs less than to hold up every call."""


async def exchange(call: CallUnderWay, turn: Turn, held: Held, passing: Passing) -> ChatReply:
    """Make one attempt and say what becomes of it; where it is slow and hedging is on, race it with a second copy.

    Raises:
        CallFailed: no answer, or one of no use.
    """
    after = await _hedged_after(call.path, turn)
    first = partial(_copy, call, turn, turn.spending, held, passing)
    with trio.move_on_after(call.path.attempt_timeout):
        return await (first() if after is None else _raced(call, turn, first, after))
    raise TransportFailed(f"no answer within attempt_timeout {call.path.attempt_timeout:g} s", kind="timeout")


async def _raced(
    call: CallUnderWay, turn: Turn, first: Callable[[], Awaitable[ChatReply]], after: float
) -> ChatReply:
    # Paid for by itself: whether the attempt was a retry is no concern of its second copy.
    spending = Spending(turn.line.budget, turn.spending.price)

    async def may_hedge() -> bool:
        return await spending.withdraw("hedge") is True

    try:
        won = await hedged(first, partial(_second, call, turn, spending), after=after, may_hedge=may_hedge)
        if won.won_by == "second":
            spending.succeeded()
        return won.value
    finally:
        spending.not_sent()


async def _second(call: CallUnderWay, turn: Turn, spending: Spending) -> ChatReply:
    """Make the same exchange once more, if there is capacity for it now."""
    async with (
        reserve(turn.line.limiter, turn.claim, max_wait=0, confirms=True) as held,
        pass_breaker(turn.line.breaker) as passing,
    ):
        call.tally.attempts += 1
        return await _copy(call, turn, spending, held, passing)


async def _hedged_after(path: CallPath, turn: Turn) -> float | None:
    """Return after how many seconds a second copy is worth it, or None for never."""
    if path.hedge_clock is None:
        return None
    with trio.move_on_after(CLOCK_PATIENCE):
        try:
            return await path.hedge_clock.ask(HedgeClock.delay(turn.line.model))
        except DeliveryError:
            return None  # whoever keeps the times is gone: that is no reason not to call
    return None


async def _copy(
    call: CallUnderWay, turn: Turn, spending: Spending, held: Held, passing: Passing
) -> ChatReply:
    """Make the exchange once.

    What becomes of it is said here: the blocks around it end by what becomes of the attempt, which the other copy may
    have decided.
    """
    spending.sent()
    held.start()
    try:
        reply = await _exchanged(call.path, turn, held)
    except BaseException as error:
        held.ended_by(error)
        if isinstance(error, CallFailed):
            passing.failed(call.fault(error))
        raise
    passing.succeeded()
    return reply


async def _exchanged(path: CallPath, turn: Turn, held: Held) -> ChatReply:
    with timed(path.hedge_clock, turn.line.model) as timing:
        response = await path.transport.send(turn.encoded)
        held.sent(response.sent_at)
        held.heard(response.first_byte_at)
        held.observe(path.dialect.limits(response))
        reply = path.dialect.decode(response)
        timing.answered(response)
    counts = reply.counts
    counted = counts.prompt_tokens if path.dialect.counts_cache_reads else counts.counted_input_tokens
    held.report(input_tokens=counted, output_tokens=counts.output_tokens, prompt_tokens=counts.prompt_tokens)
    return reply
