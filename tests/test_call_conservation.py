"""Whatever goes wrong, in whatever order: in the end nothing is held, no ticket is out, and every token accounted for.

What each budget must hold is worked out anew, from what went over the wire and nothing else:

    the first request of a call                      is free
    every other one                                  costs its price
    a call that is answered by its first attempt     earns a tenth of it
    one that is answered by a later attempt          has it back
    and by a second copy                             has that back, too
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import attrs
import pytest
import trio
from cast_setup import FIRST, SECOND, THIRD, a_request, held_for
from hypothesis import given, settings
from hypothesis import strategies as st
from stack_setup import RULES, Stack, open_stack
from unmeasured import unmeasured

from actors.breaker.breaker import Breaker
from actors.call.call import place_call
from actors.call.steps import Answered
from actors.call.terms import CallTerms
from actors.errors import CallFailed, Rejected
from actors.hedging.clock import HedgeClock
from actors.kernel import open_actor
from actors.policies.breaker.rules import BreakerRules
from actors.policies.retry.retry import RetryPolicy
from actors.policies.usage import NOTHING
from actors.testing.provider import (
    Fault,
    Latency,
    SimulatedProvider,
    cut_off,
    hang,
    malformed,
    outage,
    overload,
    rate_limited,
    reset,
    server_error,
    spend_cap,
)
from actors.testing.run import run
from actors.wire.chat import ChatRequest
from actors.wire.http import HttpRequest, HttpResponse

CALLS = 40

CAPACITY = 10**9
"""So large that nothing that comes in is cut off."""

PRICE = held_for(a_request("call 000")).input_tokens + 100


@attrs.define(eq=False)
class Sent:
    """One request on the wire.

    Attributes:
        model: whom it went to.
        is_copy: whether another one of the same call was out to the same model.
        request_id: the provider's id of the answer, if there was one.
    """

    model: str
    is_copy: bool
    is_out: bool = True
    request_id: str | None = None


@attrs.define(eq=False)
class Wire:
    """A transport that remembers, for each call by its text, what was sent."""

    provider: SimulatedProvider
    sent: dict[str, list[Sent]] = attrs.field(factory=dict[str, list[Sent]])

    async def send(self, request: HttpRequest) -> HttpResponse:
        with self._remembered(request.body.decode()) as one:
            response = await self.provider.transport.send(request)
            one.request_id = response.headers["request-id"]
            return response

    @contextmanager
    def _remembered(self, body: str) -> Iterator[Sent]:
        text = body[body.index("call ") :][:8]
        (model,) = (each for each in (FIRST, SECOND, THIRD) if f'"{each}"' in body)
        of_call = self.sent.setdefault(text, [])
        one = Sent(model, is_copy=any(each.is_out for each in of_call))
        of_call.append(one)
        try:
            yield one
        finally:
            one.is_out = False


@attrs.define(eq=False)
class Evening:
    """Calls that come at any time, some of which are left by their callers, over a provider that fails as it likes."""

    seed: int
    answers: dict[str, Answered] = attrs.field(factory=dict[str, Answered])
    rng: random.Random = attrs.field(init=False)
    provider: SimulatedProvider = attrs.field(init=False)
    wire: Wire = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        latency = Latency(median=1.0, sigma=0.8)
        self.provider = SimulatedProvider(latency=latency, seed=self.seed)
        self.provider.script(*(self._fault(number) for number in range(6)))
        self.wire = Wire(self.provider)

    def _fault(self, number: int) -> Fault:
        if self.rng.random() < 0.1:
            return outage(at=self.rng.uniform(0, 60), lasting=self.rng.uniform(0, 10))
        make: Callable[..., Fault] = self.rng.choice(
            (cut_off, hang, malformed, overload, rate_limited, reset, server_error, spend_cap)
        )
        model = self.rng.choice((FIRST, SECOND, None))
        return make(model=model, chance=self.rng.choice((0.1, 0.3)), seed=number)

    def rules(self) -> BreakerRules:
        """Return the rules of the breakers."""
        return attrs.evolve(
            RULES,
            consecutive=self.rng.choice((1, 2, 4)),
            cooldown=self.rng.uniform(1, 20),
            probe_lease=self.rng.uniform(2, 20),
        )

    async def run(self) -> None:
        """Let all of it happen, and check what is left of it."""
        rng = self.rng
        async with (
            open_actor(HedgeClock) as clock,
            open_stack(
                self.provider,
                FIRST,
                SECOND,
                THIRD,
                rules=self.rules(),
                capacity=CAPACITY,
                transport=self.wire,
                hedge_clock=clock,
                retry=RetryPolicy(initial=rng.uniform(0, 3)),
                max_wait=rng.uniform(0, 40),
                attempt_timeout=rng.uniform(3, 12),
                rng=rng,
            ) as stack,
        ):
            for model in (FIRST, SECOND, THIRD):
                for _ in range(20):
                    await clock.ask(HedgeClock.learn(model, 1.0))
            at_first = [rng.choice((0, 3, 30)) * PRICE for _ in range(3)]
            for number, left in enumerate(at_first):
                await stack.drain(left, number)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._meddle, stack)
                for number in range(CALLS):
                    nursery.start_soon(self._call, stack, a_request(f"call {number:03}"))
            await self._check(stack, at_first)

    async def _meddle(self, stack: Stack) -> None:
        """Take a breaker out by hand for a while."""
        breaker = stack.path.lines[self.rng.randrange(3)].breaker
        assert breaker is not None
        await trio.sleep(self.rng.uniform(0, 40))
        await breaker.ask(Breaker.isolate())
        await trio.sleep(self.rng.uniform(0, 40))
        await breaker.ask(Breaker.release())

    async def _call(self, stack: Stack, request: ChatRequest) -> None:
        await trio.sleep(self.rng.uniform(0, 60))
        patience = self.rng.choice((self.rng.uniform(0, 15), math.inf))
        knows = self.rng.random() < 0.5
        terms = CallTerms(is_patient=self.rng.random() < 0.3, retries=self.rng.random() < 0.9)
        async with trio.open_nursery() as nursery:
            if knows:
                nursery.cancel_scope.deadline = trio.current_time() + patience
            else:
                nursery.start_soon(self._leave, nursery.cancel_scope, patience)
            with suppress(CallFailed, Rejected):
                async for step in place_call(stack.path, request, terms):
                    if isinstance(step, Answered):
                        self.answers[request.texts[-1]] = step
            nursery.cancel_scope.cancel()

    async def _leave(self, scope: trio.CancelScope, after: float) -> None:
        await trio.sleep(after)
        scope.cancel()

    async def _check(self, stack: Stack, at_first: list[int]) -> None:
        await trio.testing.wait_all_tasks_blocked()
        extra, back, earned = self._accounts()
        for number, model in enumerate((FIRST, SECOND, THIRD)):
            snapshot = await stack.breaker(number)
            assert (snapshot.in_flight, snapshot.probes) == (0, 0)
            assert snapshot.admitted == snapshot.settled
            left = at_first[number] + PRICE * (back[model] - extra[model] + earned[model] / 10)
            assert (await stack.budget(number)).left == pytest.approx(left, abs=1e-6)
            assert left >= 0
            books = await stack.limiter(number)
            assert (books.ledger.in_flight, books.ledger.reserved, books.queue.waiting) == (0, NOTHING, 0)
        assert self.provider.statistics().in_flight == 0
        assert self.provider.statistics().over_limit == 0
        await trio.sleep(130.0)
        for number in range(3):
            await stack.assert_settled(NOTHING, number)

    def _accounts(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Return, by model: requests that had to be paid, prices that came back, and first successes."""
        extra, back, earned = Counter[str](), Counter[str](), Counter[str]()
        for text, sent in self.wire.sent.items():
            extra.update(each.model for each in sent[1:])
            answered = self.answers.get(text)
            if answered is None:
                continue
            (winner,) = (each for each in sent if each.request_id == answered.reply.request_id)
            originals = [each for each in sent if not each.is_copy]
            back[winner.model] += winner.is_copy
            (earned if len(originals) == 1 else back)[winner.model] += 1
            assert answered.attempts == len(sent)
            assert answered.model_used == winner.model
        return extra, back, earned


@unmeasured
def evening_of(seed: int) -> Evening:
    """Run an evening and return it."""
    evening = Evening(seed)
    run(evening.run, seed=seed)
    return evening


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_goes_wrong_nothing_is_held_in_the_end_and_every_token_is_accounted_for(seed: int) -> None:
    evening_of(seed)


def test_an_evening_has_all_of_it() -> None:
    """So that what is proven of evenings is not proven of quiet ones."""
    evenings = list(map(evening_of, range(12)))
    sent = [each for evening in evenings for of_call in evening.wire.sent.values() for each in of_call]
    answers = [answer for evening in evenings for answer in evening.answers.values()]

    assert sum(each.is_copy for each in sent) > 20
    assert sum(answer.fell_back for answer in answers) > 20
    assert sum(answer.attempts > 1 for answer in answers) > 20
    assert len(answers) < 12 * CALLS - 100
