"""One exchange with a provider, under a reservation that is settled by what it used; and a second copy of a slow one.

A second copy is a call like any other: it draws on the budget, reserves, and asks the breaker. The copy that loses is
cancelled, and settled by what it may have used: the provider has seen it.
"""

from __future__ import annotations

from functools import partial

import trio

from actors.breaking import pass_breaker
from actors.call_path import CallPath
from actors.call_under_way import CallUnderWay, Turn
from actors.errors import DeliveryError, Rejected, TransportFailed
from actors.hedge_clock import HedgeClock, timed
from actors.hedging import hedged
from actors.reservation import Held, reserve
from actors.spending import Spending
from actors.wire.chat import ChatReply


async def exchange(call: CallUnderWay, turn: Turn, held: Held) -> ChatReply:
    """Make one exchange and settle its reservation; where it is slow and hedging is on, race it with a second copy.

    Raises:
        CallFailed: no answer, or one of no use.
    """
    after = await _hedged_after(call.path, turn)
    if after is None:
        return await _once(call.path, turn, held)
    # Paid for by itself: whether the attempt was a retry is no concern of its second copy.
    spending = Spending(turn.line.budget, turn.spending.price)
    won = await hedged(
        partial(_once, call.path, turn, held),
        partial(_second, call, turn, spending),
        after=after,
        may_hedge=partial(spending.withdraw, "hedge"),
    )
    if won.won_by == "second":
        spending.succeeded()
    return won.value


async def _second(call: CallUnderWay, turn: Turn, spending: Spending) -> ChatReply:
    """Make the same exchange once more, if there is capacity for it now."""
    try:
        async with (
            reserve(turn.line.limiter, turn.claim, max_wait=0, confirms=True) as held,
            pass_breaker(turn.line.breaker) as passing,
        ):
            call.tally.attempts += 1
            reply = await _once(call.path, turn, held)
            passing.succeeded()
            return reply
    except Rejected:
        spending.not_sent()
        raise


async def _hedged_after(path: CallPath, turn: Turn) -> float | None:
    """Return after how many seconds a second copy is worth it, or None for never."""
    if path.hedge_clock is None:
        return None
    try:
        return await path.hedge_clock.ask(HedgeClock.delay(turn.line.model))
    except DeliveryError:
        return None  # whoever keeps the times is gone: that is no reason not to call


async def _once(path: CallPath, turn: Turn, held: Held) -> ChatReply:
    held.start()
    with trio.move_on_after(path.attempt_timeout), timed(path.hedge_clock, turn.line.model) as timing:
        response = await path.transport.send(turn.encoded)
        held.sent(response.sent_at)
        held.observe(path.dialect.limits(response))
        reply = path.dialect.decode(response)
        timing.answered(response)
        counts = reply.counts
        counted = counts.prompt_tokens if path.dialect.counts_cache_reads else counts.counted_input_tokens
        held.report(
            input_tokens=counted, output_tokens=counts.output_tokens, prompt_tokens=counts.prompt_tokens
        )
        return reply
    raise TransportFailed(f"no answer within attempt_timeout {path.attempt_timeout:g} s", kind="timeout")
