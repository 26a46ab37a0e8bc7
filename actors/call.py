"""One logical call, readable from top to bottom: fallback, retry, limiter, timeout, transport.

    for each model of the chain                 (fallback: the fault lies with the model)
        for each attempt                        (retry: the fault passes)
            reserve capacity                    (limiter: never more than the provider allows)
                send, within attempt_timeout    (transport)
                decode, and settle by what it really used, and by what the headers say

Each attempt reserves anew, so no retry ever goes out that the limiter does not know of. It keeps the place in line that
its first attempt had, and what was not counted is refunded before: nobody waits or pays twice. A wait that cannot end
before the caller's deadline is not begun. What remains when every model has failed is the last error, with a note for
each model that was passed over before it. A model that was called and then had no capacity for a retry has failed, with
the fault of the call: `Rejected` says that nothing was sent.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import attrs
import trio

from actors.call_steps import Answered, Calling, CallStep, Failed, PassedOver, Waiting, phrase
from actors.call_terms import ORDINARY, CallTerms
from actors.errors import CallFailed, Rejected, TransportFailed
from actors.faults import Fault
from actors.kernel import Ref
from actors.limiter import Limiter
from actors.policies.admission_records import Order
from actors.policies.estimate import Estimate
from actors.policies.fallback import falls_back
from actors.policies.learning_estimator import LearningEstimator
from actors.policies.retry import Retry, RetryPolicy
from actors.policies.usage import Usage
from actors.reservation import DEFAULT_MAX_WAIT, Held, reserve
from actors.wire.chat import ChatReply, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport
from actors.wire.rate_limits import ObservedLimits

DEFAULT_ATTEMPT_TIMEOUT = 120.0
"""Seconds one exchange may take: an answer of 1,024 tokens at a slow 20 a second, and as much again."""

Measure = Callable[[str, Sequence[str]], Estimate]
"""From a model and the texts of a prompt to a guess, as `Estimator.estimate` makes it."""

NOTHING_OBSERVED = ObservedLimits()


def _nothing_said(_response: HttpResponse) -> ObservedLimits:
    return NOTHING_OBSERVED


@attrs.frozen
class Dialect:
    """How a provider is spoken to: a request into HTTP, and HTTP into a reply or an error.

    Args:
        encode: writes a request.
        decode: reads an answer, or raises what it stands for.
        limits: reads what the headers of any answer say of the provider's limits.
        counts_cache_reads: whether input that was read from a cache counts against the limits.
    """

    encode: Callable[[ChatRequest], HttpRequest]
    decode: Callable[[HttpResponse], ChatReply]
    limits: Callable[[HttpResponse], ObservedLimits] = _nothing_said
    counts_cache_reads: bool = False


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
        measure: guesses how many tokens a prompt is before anything is known; the limiter, which learns, guesses again.
    """

    lines: Sequence[Line] = attrs.field(validator=attrs.validators.min_len(1))
    transport: Transport
    dialect: Dialect
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    max_wait: float = attrs.field(default=DEFAULT_MAX_WAIT, validator=attrs.validators.ge(0))
    attempt_timeout: float = attrs.field(default=DEFAULT_ATTEMPT_TIMEOUT, validator=attrs.validators.gt(0))
    rng: random.Random = attrs.field(factory=random.Random)
    measure: Measure = attrs.field(factory=lambda: LearningEstimator().estimate)


async def place_call(
    path: CallPath, request: ChatRequest, terms: CallTerms = ORDINARY
) -> AsyncGenerator[CallStep]:
    """Call the models of the chain until one answers; the last step is `Answered`.

    `request.model` is replaced by each model in turn.

    Args:
        path: the models, and how they are called.
        request: the question.
        terms: for whom it is, and how urgent.

    Raises:
        CallFailed: the last model's fault, or one that no other model could answer better.
        Rejected: the last model had no capacity in time.
        TypeError, ValueError: `request` is none, or cannot be encoded; nothing was sent.
    """
    if not isinstance(request, ChatRequest):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"request must be a ChatRequest, got {type(request).__name__}")
    if not isinstance(terms, CallTerms):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"terms must be CallTerms, got {type(terms).__name__}")
    made = 0
    passed_over: list[str] = []
    for number, line in enumerate(path.lines):
        try:
            async with aclosing(_call_model(path, line, request, terms, made)) as steps:
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
    path: CallPath, line: Line, request: ChatRequest, terms: CallTerms, made: int
) -> AsyncGenerator[CallStep]:
    """Call one model, again where that helps; `made` attempts went out before."""
    request = attrs.evolve(request, model=line.model)
    encoded = path.dialect.encode(request)
    estimate = path.measure(line.model, texts_of(request))
    usage = Usage(1, estimate.at_most, request.max_tokens)
    claim = terms.claim(usage, model=line.model, estimate=estimate)
    failure: CallFailed | None = None
    place: Order | None = None
    started = math.inf
    attempt = 0
    while True:
        yield Waiting(line.model)
        time_left = max(0.0, started + path.retry.max_elapsed - trio.current_time())
        try:
            async with reserve(
                line.limiter, claim, max_wait=min(path.max_wait, time_left), confirms=True, place=place
            ) as held:
                place = held.grant.place
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
                _fault_of(error),
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
        held.observe(path.dialect.limits(response))
        reply = path.dialect.decode(response)
        counts = reply.counts
        counted = counts.prompt_tokens if path.dialect.counts_cache_reads else counts.counted_input_tokens
        held.report(
            input_tokens=counted, output_tokens=counts.output_tokens, prompt_tokens=counts.prompt_tokens
        )
        return reply
    raise TransportFailed(f"no answer within attempt_timeout {path.attempt_timeout:g} s", kind="timeout")


def _fault_of(error: CallFailed) -> Fault:
    hint = error.retry_after
    is_ahead = hint is not None and 0 < hint < math.inf
    return error.fault or Fault.of(
        "server_error",
        str(error),
        retryable=error.retryable,
        retry_after=hint if is_ahead else None,
        charged=error.charged,
    )


def texts_of(request: ChatRequest) -> list[str]:
    """Return the texts whose tokens are its input: the system prompt, and each turn."""
    return [request.system, *(message.text for message in request.messages)]
