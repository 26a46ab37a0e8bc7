"""One logical call, readable from top to bottom: fallback, retry, limiter, timeout, transport.

    for each model of the chain                 (fallback: the fault lies with the model)
        for each attempt                        (retry: the fault passes)
            reserve capacity                    (limiter: never more than the provider allows)
                send, within attempt_timeout    (transport)
                decode, and settle by what it really used

Each attempt reserves anew, so no retry ever goes out that the limiter does not know of. A wait that cannot end before
the caller's deadline is not begun. What remains when every model has failed is the last error, with a note for each
model that was passed over before it. A model that was called and then had no capacity for a retry has failed, with the
fault of the call: `Rejected` says that nothing was sent.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import attrs
import trio

from actors.call_steps import Answered, Calling, CallStep, Failed, PassedOver, Waiting, phrase
from actors.errors import CallFailed, Rejected, TransportFailed
from actors.kernel import Ref
from actors.limiter import Limiter
from actors.policies.estimate import estimate_tokens
from actors.policies.fallback import falls_back
from actors.policies.retry import Retry, RetryPolicy
from actors.policies.usage import Usage
from actors.reservation import DEFAULT_MAX_WAIT, Held, reserve
from actors.wire.chat import ChatReply, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport

DEFAULT_ATTEMPT_TIMEOUT = 120.0
"""Seconds one exchange may take: an answer of 1,024 tokens at a slow 20 a second, and as much again."""

MESSAGE_OVERHEAD = 8
"""Tokens a turn costs beside its text: the role and the marks around it, guessed on the high side."""


@attrs.frozen
class Dialect:
    """How a provider is spoken to: a request into HTTP, and HTTP into a reply or an error."""

    encode: Callable[[ChatRequest], HttpRequest]
    decode: Callable[[HttpResponse], ChatReply]


@attrs.frozen
class Line:
    """A model that can be called, and the limiter of the pool it belongs to."""

    model: str
    limiter: Ref[Limiter]


@attrs.frozen
class CallPath:
    """All that a call needs beside its request.

    Args:
        lines: the chain of models, the preferred one first; at least one.
        transport: carries the exchanges.
        dialect: speaks to the provider.
        retry: when a failed attempt is made again.
        max_wait: seconds an attempt waits for capacity.
        attempt_timeout: seconds one exchange may take.
        rng: source of the jitter.
    """

    lines: Sequence[Line] = attrs.field(validator=attrs.validators.min_len(1))
    transport: Transport
    dialect: Dialect
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    max_wait: float = attrs.field(default=DEFAULT_MAX_WAIT, validator=attrs.validators.ge(0))
    attempt_timeout: float = attrs.field(default=DEFAULT_ATTEMPT_TIMEOUT, validator=attrs.validators.gt(0))
    rng: random.Random = attrs.field(factory=random.Random)


async def place_call(path: CallPath, request: ChatRequest) -> AsyncGenerator[CallStep]:
    """Call the models of the chain until one answers; the last step is `Answered`.

    `request.model` is replaced by each model in turn.

    Raises:
        CallFailed: the last model's fault, or one that no other model could answer better.
        Rejected: the last model had no capacity in time.
        TypeError, ValueError: `request` is none, or cannot be encoded; nothing was sent.
    """
    if not isinstance(request, ChatRequest):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"request must be a ChatRequest, got {type(request).__name__}")
    made = 0
    passed_over: list[str] = []
    for number, line in enumerate(path.lines):
        try:
            async with aclosing(_call_model(path, line, request, made)) as steps:
                async for step in steps:
                    match step:
                        case Calling(attempt=attempt):
                            made = attempt
                        case Answered() if number:
                            step = attrs.evolve(step, fell_back=True)  # noqa: PLW2901  # the same step, told in full
                        case _:
                            pass
                    yield step
        except (CallFailed, Rejected) as error:
            last = number == len(path.lines) - 1
            if last or not falls_back(error):
                for note in passed_over:
                    error.add_note(note)
                raise
            following = path.lines[number + 1].model
            passed_over.append(f"{line.model} was passed over: {phrase(error)}")
            yield PassedOver(line.model, following, error)
        else:
            return


async def _call_model(
    path: CallPath, line: Line, request: ChatRequest, made: int
) -> AsyncGenerator[CallStep]:
    """Call one model, again where that helps; `made` attempts went out before."""
    request = attrs.evolve(request, model=line.model)
    usage, encoded = estimated_usage(request), path.dialect.encode(request)
    failure: CallFailed | None = None
    started = math.inf
    attempt = 0
    while True:
        yield Waiting(line.model)
        time_left = max(0.0, started + path.retry.max_elapsed - trio.current_time())
        try:
            async with reserve(
                line.limiter, usage, max_wait=min(path.max_wait, time_left), confirms=True
            ) as held:
                attempt += 1
                started = min(started, trio.current_time())
                yield Calling(line.model, made + attempt, held.grant.waited)
                reply = await _exchange(path, encoded, held)
        except Rejected as rejected:
            if failure is None:
                raise
            failure.add_note(f"not tried again: {phrase(rejected)}")
            raise failure from rejected
        except CallFailed as error:
            failure = error
            decision = path.retry.decide(
                error,
                attempt=attempt,
                started=started,
                now=trio.current_time(),
                deadline=trio.current_effective_deadline(),
                rng=path.rng,
            )
            delay = decision.delay if isinstance(decision, Retry) else None
            yield Failed(line.model, made + attempt, error, delay)
            if delay is None:
                raise
            await trio.sleep(delay)
        else:
            yield Answered(reply, line.model, fell_back=False, attempts=made + attempt)
            return


async def _exchange(path: CallPath, encoded: HttpRequest, held: Held) -> ChatReply:
    """Make one exchange and settle its reservation by what it used."""
    held.start()
    with trio.move_on_after(path.attempt_timeout):
        response = await path.transport.send(encoded)
        held.sent(response.sent_at)
        reply = path.dialect.decode(response)
        held.report(input_tokens=reply.counts.counted_input_tokens, output_tokens=reply.counts.output_tokens)
        return reply
    raise TransportFailed(f"no answer within attempt_timeout {path.attempt_timeout:g} s", kind="timeout")


def estimated_usage(request: ChatRequest) -> Usage:
    """Return what `request` may use: its text by estimate, and as many output tokens as it allows."""
    texts = [request.system, *(message.text for message in request.messages)]
    return Usage(
        requests=1,
        input_tokens=sum(estimate_tokens(text) + MESSAGE_OVERHEAD for text in texts),
        output_tokens=request.max_tokens,
    )
