"""One logical call, readable from top to bottom: cache, fallback chain, breaker, retry, limiter, timeout, transport.

    an answer that is known is not asked for again       (cache)
    for each model of the chain                          (fallback chain: the fault lies with the model)
        is it known to be down? then not at all          (breaker)
        for each attempt                                 (retry: the fault passes, and the budget has room)
            reserve capacity                             (limiter: never more than the provider allows)
                take leave to call                       (breaker, again: time has passed in line)
                    send, within attempt_timeout         (timeout, transport; perhaps twice, if slow)
                    decode, and settle by what it really used, and by what the headers say

Each attempt reserves anew and asks the breaker anew, so no retry goes out that one of them does not know of. It keeps
the place in line that its first attempt had, and what was not counted is refunded before: nobody waits or pays twice. A
wait that cannot end before the caller's deadline is not begun. Retries, second copies and fallbacks draw on one budget
for each pool; where it is empty, the fault that was met is the answer.

When all fail, what remains is the error of the only model, or a group of each model's, in the order of the chain:
`NoneAnswered`, or `NoneAdmitted` where nothing was sent. A model that was called and then had no capacity for a retry
has failed, with the fault of the call: `Rejected` says that nothing was sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import trio

from actors.breaker.breaking import check_breaker, pass_breaker
from actors.call.exchange import exchange
from actors.call.known_replies import keep, look_up
from actors.call.path import CallPath
from actors.call.steps import Answered, Calling, CallStep, Failed, Waiting
from actors.call.terms import ORDINARY, CallTerms
from actors.call.under_way import CallUnderWay, Turn
from actors.error_phrase import phrase
from actors.errors import CallFailed, Rejected
from actors.limiter.reservation import reserve
from actors.policies.queue.records import Order
from actors.wire.chat import ChatRequest


async def place_call(
    path: CallPath, request: ChatRequest, terms: CallTerms = ORDINARY
) -> AsyncGenerator[CallStep]:
    """Call the models of the chain until one answers; the last step is `Answered`.

    `request.model` is replaced by each model in turn.

    Args:
        path: the models, and how they are called.
        request: the question.
        terms: for whom it is, how urgent, and whether it is tried again.

    Raises:
        CallFailed: the fault of the only model, or one that no other could answer better; `NoneAnswered` where several
            were tried.
        Rejected: there was no capacity in time, or the only model is known to be down; `NoneAdmitted` where several
            were tried.
        TypeError, ValueError: `request` is none, or cannot be encoded; nothing was sent.
    """
    if not isinstance(request, ChatRequest):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"request must be a ChatRequest, got {type(request).__name__}")
    if not isinstance(terms, CallTerms):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"terms must be CallTerms, got {type(terms).__name__}")
    known = await look_up(path.cache, request)
    if known is not None:
        yield Answered(known, known.model, fell_back=False, attempts=0, source="cache")
        return
    call = CallUnderWay(path, request, terms)
    try:
        async with aclosing(_along_the_chain(call)) as steps:
            async for step in steps:
                # A lesser model's answer is for whoever needs one now, not for those who come when all is well again.
                if isinstance(step, Answered) and not step.fell_back:
                    keep(path.cache, request, step.reply)
                yield step
    except (CallFailed, Rejected):
        if not call.may_be_answered_by_an_old_reply():
            raise
        known = await look_up(path.cache, request, stale=True)
        if known is None:
            raise
        yield call.tally.answered_from_memory(known)


async def _along_the_chain(call: CallUnderWay) -> AsyncGenerator[CallStep]:
    """Call one model after the other, as long as the next can be expected to answer better."""
    turn = call.first_turn()
    try:
        while True:
            try:
                async with aclosing(_with_retries(call, turn)) as steps:
                    async for step in steps:
                        yield step
            except (CallFailed, Rejected) as error:
                following = await call.next_turn(turn, error)
                if following is None:
                    break
                given_up = call.gave_up(turn, following, error)
                turn = following
                yield given_up
            else:
                return
    finally:
        turn.spending.not_sent()  # whoever leaves pays for nothing that did not go out
    raise call.tally.verdict()


async def _with_retries(call: CallUnderWay, turn: Turn) -> AsyncGenerator[CallStep]:
    """Call one model, again where that helps; each attempt asks breaker and limiter anew."""
    path, line, tally = call.path, turn.line, call.tally
    failure: CallFailed | None = None
    place: Order | None = None
    breaker: str | None = None
    while True:
        yield Waiting(line.model)
        time_left = max(0.0, turn.tries.started + path.retry.max_elapsed - trio.current_time())
        try:
            await check_breaker(line.breaker)
            async with reserve(
                line.limiter, turn.claim, max_wait=min(path.max_wait, time_left), confirms=True, place=place
            ) as held:
                place = held.grant.place
                async with pass_breaker(line.breaker) as passing:
                    breaker = passing.state
                    turn.tries.begin()
                    tally.attempts += 1
                    yield Calling(line.model, tally.attempts, held.grant.waited)
                    reply = await exchange(call, turn, held, passing)
        except Rejected as rejected:
            wait = call.outlasting(turn, rejected)
            if wait is not None:
                await trio.sleep(wait)  # what was drawn for this attempt is for the one after the wait
                continue
            turn.spending.not_sent()
            await call.met(turn, rejected, breaker)
            if failure is None:
                raise
            failure.add_note(f"not tried again: {phrase(rejected)}")
            failure.retry_at = rejected.retry_at
            raise failure from rejected
        except CallFailed as error:
            failure = error
            turn.spending.failed()
            delay = await call.pause(turn, error)
            await call.met(turn, error, breaker)
            yield Failed(line.model, tally.attempts, error, delay)
            if delay is None:
                raise
            await trio.sleep(delay)
        else:
            turn.spending.succeeded()
            yield tally.answered(reply, line.model)
            return
