"""What the tests of the cast stand on: limiters, a path of models, a provider with exact times, and restarts."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
import trio

from actors.call.call import place_call
from actors.call.path import CallPath, Dialect, Line
from actors.call.steps import Answered, CallStep
from actors.errors import Interrupted
from actors.kernel import Actor, Exit, Ref, current_books, op, open_actor
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot
from actors.limiter.grant import Grant, LimiterStatistics
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.cooldown.records import Trouble
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.retry.retry import RetryPolicy
from actors.policies.usage import NOTHING, Usage
from actors.testing.provider import DEFAULT_MODELS, Latency, SimulatedProvider
from actors.wire import anthropic
from actors.wire.chat import ChatMessage, ChatRequest

ActorT = TypeVar("ActorT", bound=Actor)
LimiterT = TypeVar("LimiterT", bound=Limiter)

FIRST, SECOND, THIRD = (model.id for model in DEFAULT_MODELS[:3])

TWO_SECONDS = Latency(median=2.0, sigma=0.0, per_output_token=0.0, refusal=0.5)
"""Every answer takes 2 s, every refusal 0.5 s."""

AT_ONCE = RetryPolicy(initial=0.0)
"""Retries wait for nothing, unless the provider names a time."""

ONE_REQUEST = Usage()

DIALECT = Dialect(
    encode=partial(anthropic.encode, api_key="simulated", base_url="http://simulated.provider"),
    decode=anthropic.decode,
)


class Fragile(Limiter):
    """A limiter that can be made to crash."""

    @op
    def crash(self) -> None:
        """Crash."""
        raise KeyError("crash")


def exact(
    kind: Callable[..., LimiterT], limits: Limits, *args: Any, **options: Any
) -> Callable[[], LimiterT]:
    """Make a limiter that uses its limits to the last, and holds all the output there may be."""
    options = {"margin": 1.0, "output": OutputPolicy("max_tokens"), **options}
    return partial(kind, limits, *args, **options)


@asynccontextmanager
async def open_restarting(
    factory: Callable[[], ActorT],
    name: str,
    *,
    pause: float = 0.0,
    keeps_state: bool = False,
    on_start: Callable[[Incarnation], object] = lambda _incarnation: None,
) -> AsyncGenerator[Ref[ActorT]]:
    """Run an actor that is restarted `pause` seconds after each crash, for the length of the block.

    `on_start` is told of each incarnation that got through its setup.
    """
    slot = Slot.open(name, current_books(), keeps_state=keeps_state)
    started = trio.Event()

    async def play() -> Exit:
        incarnation = Incarnation(slot)

        def has_started() -> None:
            started.set()
            on_start(incarnation)

        return await incarnation.run(factory, has_started)

    async def supervise() -> None:
        while (exit_ := await play()).reason == "crashed":
            slot.leave("restarting")
            await trio.sleep(pause)
        slot.close(exit_)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervise)
        await started.wait()
        ref: Ref[ActorT] = Ref(slot)
        yield ref
        slot.request_stop(5.0)


@asynccontextmanager
async def open_ended(factory: Callable[[], ActorT]) -> AsyncGenerator[Ref[ActorT]]:
    """Give a ref to an actor that has ended."""
    slot = Slot.open("ended", current_books())
    slot.close(Exit("stopped"))
    ref: Ref[ActorT] = Ref(slot)
    assert factory is not None
    yield ref


@asynccontextmanager
async def open_path(
    provider: SimulatedProvider,
    *models: str,
    limits: Limits | None = None,
    rules: Mapping[str, Any] | None = None,
    **options: Any,
) -> AsyncGenerator[CallPath]:
    """Open a limiter for each of `models`, an exact one by other `rules`, and give the path over them."""
    async with AsyncExitStack() as stack:
        lines: list[Line] = []
        for model in models or (FIRST,):
            make = exact(Limiter, limits or Limits(), **(rules or {}))
            limiter = await stack.enter_async_context(open_actor(make, name=f"limiter/{model}"))
            lines.append(Line(model, limiter))
        yield CallPath(lines, **{"transport": provider.transport, "dialect": DIALECT, **options})


def a_request(text: str = "hello", *, max_tokens: int = 100) -> ChatRequest:
    """Ask `text`, of whichever model the path chooses."""
    return ChatRequest("", (ChatMessage("user", text),), max_tokens=max_tokens)


def held_for(request: ChatRequest) -> Usage:
    """What is reserved for `request` as long as nothing was learned, where all output is held."""
    estimate = LearningEstimator().estimate(request.model, request.texts)
    return Usage(1, estimate.at_most, request.max_tokens)


async def steps_of(path: CallPath, request: ChatRequest | None = None) -> list[CallStep]:
    """Place a call and return its steps."""
    return [step async for step in place_call(path, request or a_request())]


async def answer_of(path: CallPath, request: ChatRequest | None = None) -> Answered:
    """Place a call and return its answer."""
    answered = (await steps_of(path, request))[-1]
    assert isinstance(answered, Answered)
    return answered


async def acquire(
    limiter: Ref[Limiter], claim: Claim | Usage = ONE_REQUEST, deadline: float = math.inf, **options: Any
) -> Grant:
    """Ask for a grant."""
    return await limiter.ask(Limiter.acquire(claim, deadline, **options))


async def report(limiter: Ref[Limiter], grant: Grant, **options: Any) -> None:
    """Settle a grant as answered, with nothing known but what `options` say."""
    options = {"input_tokens": None, "output_tokens": None, **options}
    await limiter.ask(Limiter.report(grant, **options))


async def refund(limiter: Ref[Limiter], grant: Grant, trouble: Trouble | None = None) -> None:
    """Settle a grant as one that the provider did not count."""
    await limiter.ask(Limiter.cancel(grant, charged=False, trouble=trouble))


async def crash(limiter: Ref[Fragile]) -> None:
    """Crash it, and wait until it is up again."""
    with pytest.raises(Interrupted):
        await limiter.ask(Fragile.crash())
    await limiter.ask(Fragile.statistics())


async def books_of(limiter: Ref[Limiter]) -> LimiterStatistics:
    """Return the limiter's books, all that left included."""
    return await limiter.ask(Limiter.statistics())


async def assert_settled(limiter: Ref[Limiter], used: Usage) -> None:
    """Check that nothing is held, nobody waits, and exactly `used` is spent."""
    books = await books_of(limiter)
    assert (books.ledger.in_flight, books.ledger.reserved) == (0, NOTHING)
    assert books.queue.waiting == 0
    assert books.ledger.used == used
