"""The services of the settings, each behind its guard, and the degradation that hears of all of them.

    breakers   ── every change ──> degradation <── how each call ended ──   guards and the endpoint

A guard is made when its service is first asked for, with the breaker, the retries and the timeout that its table names,
and with a retry budget, which its retries share with the fallbacks to it. Whoever has a service called by several
names, one standing in for the other, asks for its chain.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import ParamSpec, TypeVar

import attrs
from structlog.typing import FilteringBoundLogger

from actors.arguments import check_callable
from actors.breaker.news import OnChange
from actors.call.terms import CallTerms
from actors.degradation import Degradation, OnEnd, telling
from actors.error_facts import circumstances, fault_facts
from actors.errors import ChildExists
from actors.fallback.chain import FallbackChain
from actors.fallback.records import Step
from actors.guard import Guard
from actors.kernel import Ref
from actors.policies.breaker.records import BreakerChange
from actors.policies.degradation.burn_rate import BurnRules, rows_of
from actors.policies.degradation.rules import DegradationRules
from actors.retry.budget import Budget
from actors.telemetry import SERVICE_GIVEN_UP, silent_log
from supervisors.breakers import Breakers, name_of
from supervisors.runtime.service_settings import MODEL_SERVICE, PRIORITIES, ServiceSettings
from supervisors.runtime.settings import Settings
from supervisors.runtime.specs import spec_of
from supervisors.tree import Tree

P = ParamSpec("P")
T = TypeVar("T")

ORDINARY_PRIORITY = PRIORITIES.index("medium")
"""What is as urgent as calls are that say nothing of it."""


@attrs.define(eq=False)
class Services:
    """The services of a runtime: a switchboard, which knows every line and what to plug in when one is dead.

    Args:
        settings: of the runtime.
        tree: where each service has its retry budget started.
        breakers: where each service has its breaker made.
        degradation: is told how calls end.
        seed: decides all jitter.
        log: is told of calls that end without an answer.
        load: how busy the runtime is, 0 to 1: above 0.8 retries wait twice as long.
    """

    settings: Settings
    tree: Tree
    breakers: Breakers
    degradation: Ref[Degradation]
    seed: int = 0
    log: FilteringBoundLogger = attrs.field(factory=silent_log)
    load: Callable[[], float] | None = None
    _guards: dict[str, Guard] = attrs.field(factory=dict[str, Guard], init=False)

    async def guard(self, name: str) -> Guard:
        """Return the guard of a service, always the same one.

        Raises:
            LookupError: the settings have no such service, or it is the models'.
        """
        service = self._known(name)
        if name == MODEL_SERVICE:  # each model has a breaker of its own, and calls of them their own stack
            raise LookupError("models are called by the runtime itself, which guards each of them")
        breaker = None if service.breaker == "off" else await self.breakers.of(name)
        budget = await self._budget(name)
        # Another task may have made it meanwhile, and guards count what they see.
        return self._guards.setdefault(
            name,
            Guard(
                name,
                breaker,
                self.settings.retry.policy(service.max_retries),
                service.timeout,
                budget,
                rng=random.Random(f"{self.seed}/service/{name}"),
                load=self.load,
                on_end=self._told_of(name),
            ),
        )

    async def chain(
        self, name: str, calls: Mapping[str, Callable[P, Awaitable[T]]], *, last: Step[P, T] | None = None
    ) -> FallbackChain[P, T]:
        """Return a chain over a service and those that stand in for it, each behind its guard.

        A fallback draws on the budget of the service that is asked, as its retries do.

        Args:
            name: the service.
            calls: how each of them is called, by name; all with the same arguments. That of the models goes by
                `Runtime.call`, which guards each of them.
            last: what answers when none of them does, such as `constant("sorry", ...)`.

        Raises:
            LookupError: the settings have no such service, `calls` has no way to call one of them, or it has one for
                what is no service.
            TypeError: what is to be called cannot be.
        """
        for each, call in calls.items():
            check_callable(f"calls[{self._checked(each)!r}]", call)
        steps: list[Step[P, T]] = []
        for each in order_of(self.settings.services, self._checked(name)):
            if each not in calls:
                raise LookupError(f"calls must name {each!r}, of the chain of {name!r}")
            steps.append(await self._step(each, calls[each]))
        return FallbackChain(steps if last is None else [*steps, last])

    def terms(self, name: str) -> CallTerms:
        """Return the terms on which a service calls models: as urgent as its settings say.

        Raises:
            LookupError: the settings have no such service.
        """
        urgency = PRIORITIES.index(self._known(name).priority) - ORDINARY_PRIORITY
        return CallTerms(priority=urgency, kind=name)

    def _known(self, name: str) -> ServiceSettings:
        return self.settings.services[self._checked(name)]

    def _checked(self, name: str) -> str:
        if name not in self.settings.services:
            raise LookupError(f"there is no service {name!r}; there are {', '.join(self.settings.services)}")
        return name

    def _told_of(self, name: str) -> OnEnd:
        """Return what tells the degradation and the log how the calls of a service end."""
        tell = telling(self.degradation, name)

        def ended(error: Exception | None) -> None:
            tell(error)
            if error is not None:
                facts = {**circumstances(error), **fault_facts(error), "service": name}
                self.log.warning(SERVICE_GIVEN_UP, **facts)

        return ended

    async def _step(self, name: str, call: Callable[P, Awaitable[T]]) -> Step[P, T]:
        if name == MODEL_SERVICE:
            return Step(name, call)
        guard = await self.guard(name)
        return Step(name, guard.around(call), budget=guard.budget)

    async def _budget(self, name: str) -> Ref[Budget] | None:
        """Return the retry budget of a service, started if nobody has asked for it yet."""
        capacity = self.settings.retry.budget
        if not capacity:
            return None
        spec = spec_of(
            self.settings.supervision, f"service_budget/{name}", partial(Budget, capacity), keep_state=True
        )
        try:
            return await self.tree.start_child(spec)
        except ChildExists:
            return await self.tree.child(spec.id)


def order_of(services: Mapping[str, ServiceSettings], name: str) -> tuple[str, ...]:
    """Return a service and all that stand in for it, each followed by those that do so for it, none of them twice."""

    def walk(each: str) -> Iterator[str]:
        yield each
        for other in services[each].fallback:
            yield from walk(other)

    return tuple(dict.fromkeys(walk(name)))


def degradation_rules(settings: Settings) -> DegradationRules:
    """Return what the services of the settings stand for; the models are down when every one of them is."""
    degradation = settings.degradation
    return DegradationRules(
        degradation.levels,
        {MODEL_SERVICE: settings.provider.models} if MODEL_SERVICE in degradation.levels else {},
        degradation.up_after,
        degradation.down_after,
        BurnRules(degradation.objective, rows_of(degradation.period)),
    )


async def start_degradation(tree: Tree, settings: Settings, log: FilteringBoundLogger) -> Ref[Degradation]:
    """Start what keeps the level of degradation; what it has heard outlives a crash."""
    make = partial(Degradation, degradation_rules(settings), log=log)
    return await tree.start_child(spec_of(settings.supervision, "degradation", make, keep_state=True))


def hearing(degradation: Ref[Degradation], settings: Settings) -> OnChange:
    """Return what tells a degradation of every change of a breaker: the `on_change` of breakers.

    A breaker of the provider's is heard as one of the models.
    """
    names = {
        name_of(settings.provider.name, model): name_of(MODEL_SERVICE, model)
        for model in settings.provider.models
    }

    def tell(name: str, change: BreakerChange) -> None:
        degradation.tell_regardless(Degradation.hear(names.get(name, name), change))

    return tell
