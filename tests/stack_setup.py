"""What the tests of the whole stack stand on: a path on which every model has a limiter, a breaker and a budget."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from cast_setup import DIALECT, FIRST, TWO_SECONDS, a_request, exact, held_for

from actors.breaker.breaker import Breaker
from actors.call.call import place_call
from actors.call.path import CallPath, Line
from actors.call.steps import Answered, CallStep
from actors.call.terms import ORDINARY, CallTerms
from actors.errors import CallFailed, Rejected
from actors.hedging.clock import HedgeClock
from actors.kernel import Actor, Ref, open_actor
from actors.limiter.grant import LimiterStatistics
from actors.limiter.limiter import Limiter
from actors.policies.breaker.records import BreakerSnapshot
from actors.policies.breaker.rules import BreakerRules, Recovery
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.policies.usage import NOTHING, Usage
from actors.retry.budget import Budget, BudgetStatistics
from actors.testing.provider import Fault, SimulatedProvider
from actors.wire.chat import ChatRequest

RULES = BreakerRules(consecutive=3, cooldown=60.0, jitter=0.0, is_adaptive=False, failure_rate=None)
"""Three failures in a row open it for a minute exactly, and two rounds, for two."""


def probing_by(probes: int) -> BreakerRules:
    """Return rules that let so many calls try, all of which have to succeed."""
    recovery: Recovery = "probes" if probes > 1 else "trial"
    return attrs.evolve(RULES, recovery=recovery, probes=probes, probes_needed=probes)


ONCE = RetryPolicy(max_retries=0)

HELD = held_for(a_request())
"""What a call reserves, and what stays spent of one that may have been counted."""

ONE_CALL = Usage(1, 5, 7)
"""What the provider counts for `a_request()` and its echoed answer."""

PRICE = HELD.input_tokens + HELD.output_tokens
"""What one more attempt at `a_request()` draws on a budget."""


class Longest(random.Random):
    """Draws the longest wait there may be, so that waits are 1, 2, 4, ... seconds times the fault's factor.

    Waits that somebody named are waited for exactly.
    """

    def random(self) -> float:
        return 0.0

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def provider_with(*faults: Fault, **options: Any) -> SimulatedProvider:
    """Make a provider whose answers take 2 s and whose refusals take 0.5 s, and script it."""
    provider = SimulatedProvider(**{"latency": TWO_SECONDS, **options})
    provider.script(*faults)
    return provider


@attrs.define(eq=False)
class Stack:
    """A path, and ways to look at what guards it; models are counted from 0, in the order of the chain."""

    path: CallPath

    async def breaker(self, model: int = 0) -> BreakerSnapshot:
        ref = self.path.lines[model].breaker
        assert ref is not None
        return await ref.ask(Breaker.snapshot())

    async def budget(self, model: int = 0) -> BudgetStatistics:
        ref = self.path.lines[model].budget
        assert ref is not None
        return await ref.ask(Budget.statistics())

    async def limiter(self, model: int = 0) -> LimiterStatistics:
        return await self.path.lines[model].limiter.ask(Limiter.statistics())

    async def trip(self, model: int = 0, failures: int = 3) -> None:
        """Let calls fail, past limiter and provider, at this instant."""
        ref = self.path.lines[model].breaker
        assert ref is not None
        for _ in range(failures):
            await ref.ask(Breaker.settle(await ref.ask(Breaker.admit()), "failure"))

    async def drain(self, left: int = 0, model: int = 0) -> None:
        """Take out of a full budget all but `left` tokens."""
        ref = self.path.lines[model].budget
        assert ref is not None
        capacity = (await self.budget(model)).purse.capacity
        assert await ref.ask(Budget.withdraw(capacity - left))

    async def assert_settled(self, used: Usage = NOTHING, model: int = 0) -> None:
        """Check that nothing is held, nobody waits, no ticket is out, and exactly `used` is spent."""
        books = await self.limiter(model)
        assert (books.ledger.in_flight, books.ledger.reserved, books.queue.waiting) == (0, NOTHING, 0)
        assert books.ledger.used == used
        if self.path.lines[model].breaker is not None:
            snapshot = await self.breaker(model)
            assert (snapshot.in_flight, snapshot.probes) == (0, 0)

    async def answer(self, terms: CallTerms = ORDINARY, request: ChatRequest | None = None) -> Answered:
        """Place a call and return its answer."""
        *_, last = await self.steps(terms, request)
        assert isinstance(last, Answered)
        return last

    async def steps(self, terms: CallTerms = ORDINARY, request: ChatRequest | None = None) -> list[CallStep]:
        """Place a call and return its steps."""
        return [step async for step in place_call(self.path, request or a_request(), terms)]

    async def failure(self, terms: CallTerms = ORDINARY, request: ChatRequest | None = None) -> Exception:
        """Place a call that has no answer, and return its error."""
        with pytest.raises((CallFailed, Rejected)) as caught:
            await self.steps(terms, request)
        return caught.value


@asynccontextmanager
async def open_stack(
    provider: SimulatedProvider,
    *models: str,
    limits: Limits | None = None,
    rules: BreakerRules | None = RULES,
    capacity: int | None = 10_000,
    **options: Any,
) -> AsyncGenerator[Stack]:
    """Open a limiter, a breaker and a budget for each of `models`, and give the stack over them.

    Args:
        provider: answers.
        models: the chain; the first model of all if there are none.
        limits: of each limiter, which uses them to the last.
        rules: of each breaker; None for no breakers.
        capacity: of each budget, of which a first success earns a tenth of its price; None for no budgets.
        options: of the path.
    """
    async with AsyncExitStack() as stack:

        async def opened(make: Callable[[], Actor], name: str) -> Any:
            return await stack.enter_async_context(open_actor(make, name=name))

        lines: list[Line] = []
        for model in models or (FIRST,):
            limiter = await opened(exact(Limiter, limits or Limits()), f"limiter/{model}")
            breaker = budget = None
            if rules is not None:
                breaker = await opened(partial(Breaker, rules, service=model), f"breaker/{model}")
            if capacity is not None:
                budget = await opened(partial(Budget, capacity), f"budget/{model}")
            lines.append(Line(model, limiter, breaker, budget))
        options = {"transport": provider.transport, "dialect": DIALECT, "rng": Longest(), **options}
        yield Stack(CallPath(lines, **options))


@asynccontextmanager
async def open_trained_clock(seconds: float = 3.0, model: str = FIRST) -> AsyncGenerator[Ref[HedgeClock]]:
    """Open a hedge clock that has seen twenty answers of a model, each after so many seconds."""
    async with open_actor(HedgeClock) as clock:
        for _ in range(20):
            await clock.ask(HedgeClock.learn(model, seconds))
        yield clock


@contextmanager
def takes(seconds: float) -> Generator[None]:
    """Check that the block takes exactly so long."""
    began = trio.current_time()
    yield
    assert trio.current_time() - began == pytest.approx(seconds, abs=1e-9)


async def leave(call: Callable[[], Awaitable[object]], *, after: float) -> None:
    """Begin a call and leave it after so many seconds, of which it knows nothing; it must not have ended by then."""
    async with trio.open_nursery() as nursery:

        async def begin() -> None:
            await call()
            raise AssertionError("the call had ended before its caller left")

        nursery.start_soon(begin)
        await trio.sleep(after)
        nursery.cancel_scope.cancel()
