"""The parts of a runtime: each a child of its tree, made of what the settings say of it.

What must not be forgotten keeps its state over a crash, and here it says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import attrs
from structlog.typing import FilteringBoundLogger

from actors.breaker.news import OnChange
from actors.call.path import CallPath, Line
from actors.cooldown import Cooldown
from actors.hedging.clock import HedgeClock
from actors.kernel import Ref
from actors.limiter.limiter import Limiter
from actors.policies.estimates.estimate import Estimator
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.reply_cache import ReplyCacheRules
from actors.reply_cache import ReplyCache
from actors.retry.budget import Budget
from actors.transport import HttpxTransport
from actors.transporter import Transporter
from actors.wire.http import Transport
from supervisors.breakers import Breakers, BreakerSupervisor
from supervisors.runtime.breaker_terms import ModelCheck, TermsBySettings
from supervisors.runtime.service_settings import MODEL_SERVICE
from supervisors.runtime.settings import Settings
from supervisors.runtime.specs import spec_of
from supervisors.tree import Tree


async def start_transporter(tree: Tree, settings: Settings, transport: Transport | None) -> Ref[Transporter]:
    """Start what carries the exchanges: the shared HTTP client, or `transport`, which is not closed with it."""
    make = partial(Transporter, _opener(settings, transport))
    return await tree.start_child(spec_of(settings.supervision, "transport", make))


async def start_cooldown(tree: Tree, settings: Settings) -> Ref[Cooldown]:
    """Start what shuts a pool for all its users."""
    # What led to a pause is known by the cooldown alone; forgetting it would send everybody out again.
    return await tree.start_child(spec_of(settings.supervision, "cooldown", Cooldown, keep_state=True))


async def start_lines(
    tree: Tree,
    settings: Settings,
    cooldown: Ref[Cooldown],
    *,
    kinds: Mapping[str, Limits] | None,
    weights: Mapping[str, float] | None,
    estimator: Callable[[], Estimator],
) -> list[Line]:
    """Start limiter and budget of each model of the chain, in its order; no line has a breaker yet."""
    return [
        Line(
            model,
            await _start_limiter(
                tree, settings, model, cooldown, kinds=kinds, weights=weights, estimator=estimator
            ),
            budget=await _start_budget(tree, settings, model),
        )
        for model in settings.provider.models
    ]


async def start_hedge_clock(tree: Tree, settings: Settings) -> Ref[HedgeClock] | None:
    """Start what learns how long first tokens take, where second copies are sent."""
    if not settings.provider.hedges:
        return None
    return await tree.start_child(spec_of(settings.supervision, "hedge_clock", HedgeClock, keep_state=True))


async def start_cache(tree: Tree, settings: Settings) -> Ref[ReplyCache] | None:
    """Start what keeps answers, where they are kept."""
    provider = settings.provider
    if not provider.cache_seconds:
        return None
    rules = ReplyCacheRules(time_to_live=provider.cache_seconds, stale_for=provider.stale_seconds)
    make = partial(ReplyCache, rules)
    return await tree.start_child(spec_of(settings.supervision, "reply_cache", make, keep_state=True))


async def start_breakers(
    tree: Tree,
    path: CallPath,
    settings: Settings,
    *,
    seed: int,
    log: FilteringBoundLogger,
    on_change: OnChange,
) -> Breakers:
    """Start what makes breakers on demand; a model is checked past its breaker, along the same path."""
    provider = settings.provider
    checks = {model: ModelCheck(path, model) for model in provider.models} if provider.health_checks else {}
    terms = TermsBySettings(settings, checks)
    make = partial(
        BreakerSupervisor, terms, share=provider.open_share, seed=seed, log=log, on_change=on_change
    )
    return Breakers(await tree.start_child(spec_of(settings.supervision, "breakers", make, keep_state=True)))


async def with_breakers(lines: Sequence[Line], breakers: Breakers, settings: Settings) -> Sequence[Line]:
    """Return the lines, each with the breaker of its model, unless models have none."""
    if settings.services[MODEL_SERVICE].breaker == "off":
        return lines
    name = settings.provider.name
    return [attrs.evolve(line, breaker=await breakers.of(name, line.model)) for line in lines]


def _opener(
    settings: Settings, transport: Transport | None
) -> Callable[[], AbstractAsyncContextManager[Transport]]:
    if transport is not None:
        return lambda: nullcontext(transport)
    # The settings bound an exchange as a whole; a read timeout below that would cut long answers twice. A simulated
    # provider that is served is on this machine, where a proxy for the way out does not reach.
    provider = settings.provider
    return lambda: HttpxTransport(
        read_timeout=provider.attempt_timeout, trust_env=provider.name != "simulated"
    )


async def _start_limiter(
    tree: Tree,
    settings: Settings,
    model: str,
    cooldown: Ref[Cooldown],
    *,
    kinds: Mapping[str, Limits] | None,
    weights: Mapping[str, float] | None,
    estimator: Callable[[], Estimator],
) -> Ref[Limiter]:
    limits = settings.limits

    def make() -> Limiter:
        return Limiter(
            limits.provider,
            slack=limits.slack,
            margin=limits.margin,
            algorithm=limits.algorithm,
            output=OutputPolicy(limits.output),
            learns=limits.learns,
            kinds=kinds,
            weights=weights,
            max_waiting=limits.max_queue,
            cooldown=cooldown,
            pool=model,
            estimator=estimator(),  # a limiter that begins cold must not find what the last one's had come to
        )

    # What was spent is known best by the limiter that crashed; a new one would have to wait for a whole window.
    return await tree.start_child(spec_of(settings.supervision, f"limiter/{model}", make, keep_state=True))


async def _start_budget(tree: Tree, settings: Settings, model: str) -> Ref[Budget] | None:
    if not settings.retry.budget:
        return None
    make = partial(Budget, settings.retry.budget)
    return await tree.start_child(spec_of(settings.supervision, f"budget/{model}", make, keep_state=True))
