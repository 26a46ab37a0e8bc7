"""What the stack costs a call that succeeds: as a ratio to the bare exchange, and layer by layer.

A bare exchange writes the question, sends it and reads the answer. On it the layers are put one by one: each path is
the one that it names beneath it and one layer more, and what the layer costs is the difference between the two.

    bare         the exchange alone
    limiter      a reservation around it, settled by what it used and by what the headers say
    path         `place_call`: the guess of the tokens, which learns, the attempt's timeout, and the steps
    breaker      asked twice and told once
    budget       told once
    ├─ cache     a question that it does not know, and an answer that it keeps
    ├─ hedge     the clock asked and told, and a nursery; no second copy, as nothing is slow
    └─ endpoint  an actor between the caller and the path
       runtime   `runtime.call`: the transport's actor as well, the level of degradation, supervision

The layers are measured over the canned answer, where nothing blurs them, and the whole over all three (`exchanges`).
Every round makes a few calls of each kind, in an order drawn anew, and differences and ratios are taken inside a round:
what the machine does to all of them cancels. Time is this process's processor time.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import cache, partial
from time import process_time

import attrs
import trio
from exchanges import INPUT_TOKENS, LIMITS, MAX_TOKENS, MODEL, Questions, Way, open_ways
from measure import Figure

from actors.breaker.breaker import Breaker
from actors.call.call import place_call
from actors.call.path import CallPath, Line
from actors.endpoint import Endpoint, answer
from actors.hedging.clock import HedgeClock
from actors.kernel import Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.breaker.rules import PRESETS
from actors.policies.ledger.limits import Limits
from actors.policies.usage import Usage
from actors.reply_cache import ReplyCache
from actors.retry.budget import Budget
from actors.wire.chat import ChatRequest
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.settings import LimitSettings, ProviderSettings, Settings

ROUNDS = 80

CALLS = 20
"""Calls of one kind in a round: few, so that neighbours are near in time."""

Call = Callable[[ChatRequest], Awaitable[object]]
"""One way to make a call."""

WAYS = ("canned", "simulated", "http")

LAYERS: Mapping[str, tuple[str, str]] = {
    "limiter": ("limiter", "bare.canned"),
    "path": ("path", "limiter"),
    "breaker": ("breaker", "path"),
    "budget": ("budget", "breaker"),
    "cache": ("cache", "budget"),
    "hedge": ("hedge", "budget"),
    "endpoint": ("endpoint", "budget"),
    "runtime": ("whole.canned", "endpoint"),
}
"""Which way has a layer on top, and which one is the same without it."""


async def reserved(limiter: Ref[Limiter], way: Way, request: ChatRequest) -> None:
    """Make a bare exchange under a reservation."""
    async with reserve(limiter, Usage(1, INPUT_TOKENS, MAX_TOKENS), confirms=True) as held:
        held.start()
        response = await way.transport.send(way.dialect.encode(request))
        held.observe(way.dialect.limits(response))
        counts = way.dialect.decode(response).counts
        held.report(input_tokens=counts.counted_input_tokens, output_tokens=counts.output_tokens)


async def placed(path: CallPath, request: ChatRequest) -> None:
    """Place a call along `path`, to the end."""
    async with aclosing(place_call(path, request)) as steps:
        async for _ in steps:
            pass


@asynccontextmanager
async def open_layers(way: Way) -> AsyncGenerator[Mapping[str, Call]]:
    """Open everything that a path can have, and give calls along paths over `way`, by their layer on top."""
    async with AsyncExitStack() as opened:
        limits = Limits(LIMITS.requests, LIMITS.input_tokens, LIMITS.output_tokens)
        limiter = await opened.enter_async_context(open_actor(lambda: Limiter(limits), name="limiter"))
        make_breaker = partial(Breaker, PRESETS["model"], service="anthropic")
        breaker = await opened.enter_async_context(open_actor(make_breaker, name="breaker"))
        budget = await opened.enter_async_context(open_actor(Budget, name="budget"))
        known = await opened.enter_async_context(open_actor(ReplyCache, name="cache"))
        clock = await opened.enter_async_context(open_actor(HedgeClock, name="clock"))
        alone = CallPath([Line(MODEL, limiter)], way.transport, way.dialect)
        guarded = attrs.evolve(alone, lines=[Line(MODEL, limiter, breaker)])
        budgeted = attrs.evolve(alone, lines=[Line(MODEL, limiter, breaker, budget)])
        endpoint = await opened.enter_async_context(open_actor(partial(Endpoint, budgeted), name="endpoint"))
        yield {
            "limiter": partial(reserved, limiter, way),
            "path": partial(placed, alone),
            "breaker": partial(placed, guarded),
            "budget": partial(placed, budgeted),
            "cache": partial(placed, attrs.evolve(budgeted, cache=known)),
            "hedge": partial(placed, attrs.evolve(budgeted, hedge_clock=clock)),
            "endpoint": partial(answer, endpoint),
        }


@asynccontextmanager
async def open_whole(way: Way) -> AsyncGenerator[Call]:
    """Run a runtime by its defaults, but for limits that are in nobody's way, and give its `call`."""
    settings = Settings(
        ProviderSettings(models=(MODEL,), base_url=way.base_url),
        LimitSettings(LIMITS.requests, LIMITS.input_tokens, LIMITS.output_tokens),
    )
    async with open_runtime(settings, transport=way.transport) as runtime:
        yield runtime.call


async def measured(rounds: int = ROUNDS, calls: int = CALLS) -> Mapping[str, Sequence[float]]:
    """Return seconds per call, round by round, of every way to make one.

    Args:
        rounds: that count; one before them warms up.
        calls: of each kind in a round.
    """
    async with AsyncExitStack() as opened:
        ways = await opened.enter_async_context(open_ways())
        kinds: dict[str, Call] = {f"bare.{way.name}": way.bare for way in ways}
        kinds |= await opened.enter_async_context(open_layers(ways[0]))
        for way in ways:
            kinds[f"whole.{way.name}"] = await opened.enter_async_context(open_whole(way))
        return await in_turn(kinds, rounds, calls)


async def in_turn(kinds: Mapping[str, Call], rounds: int, calls: int) -> Mapping[str, Sequence[float]]:
    """Make calls of each kind, round by round in an order drawn anew, and return what one took in each round."""
    questions, rng = Questions(), random.Random(0)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name in rng.sample(list(kinds), len(kinds)):
            requests = [questions.next() for _ in range(calls)]
            start = process_time()
            for request in requests:
                await kinds[name](request)
            if number:
                taken[name].append((process_time() - start) / calls)
    return taken


@cache
def taken() -> Mapping[str, Sequence[float]]:
    """Measure once, whatever is asked for: what is to be held against each other is of one run."""
    return trio.run(measured)


def bare() -> Generator[Figure]:
    """The bare exchange over each of the three."""
    for way in WAYS:
        yield Figure(f"stack.bare.{way}", _us(taken()[f"bare.{way}"]), "us per call")


def layer() -> Generator[Figure]:
    """What each layer adds; the ratio is that of a call with it, and with all beneath it, to the bare exchange."""
    rounds = taken()
    for name, (above, beneath) in LAYERS.items():
        added = [ours - theirs for ours, theirs in zip(rounds[above], rounds[beneath], strict=True)]
        ratio = _ratio(rounds[above], rounds["bare.canned"])
        yield Figure(f"stack.layer.{name}", _us(added), "us added per call", ratio)


def whole() -> Generator[Figure]:
    """A call through the whole stack against the bare exchange, over each of the three; real HTTP comes last."""
    for way in WAYS:
        ours, floor = taken()[f"whole.{way}"], taken()[f"bare.{way}"]
        name = "stack.whole" if way == "http" else f"stack.whole.{way}"
        yield Figure(name, _us(ours), "us per call", _ratio(ours, floor))


def _us(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1e6


def _ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, floor, strict=True))


FIGURES: Mapping[str, Callable[[], Generator[Figure]]] = {
    "stack.bare": bare,
    "stack.layer": layer,
    "stack.whole": whole,
}
"""What can be measured, by the name of the figure; each brings a line for each way, or for each layer."""
