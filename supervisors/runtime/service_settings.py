"""Settings of services: what guards each of them, what stands in for it, and how degraded the whole is without it.

    [services.search]               UNDERSTUDY_SERVICES__SEARCH__TIMEOUT=5
    timeout = 5.0                   UNDERSTUDY_SERVICES__SEARCH__FALLBACK=search_b,encyclopedia
    fallback = ["search_b"]         UNDERSTUDY_DEGRADATION__CRITICAL=model

    [services.search_b]             # a service of one's own begins with the defaults of any

A table names only what differs. Five services are there without one; `DEFAULT_SERVICES` says how they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, Literal, cast

import attrs

from actors.policies.degradation.burn_rate import least_objective, rows_of
from actors.policies.degradation.rules import LEVEL_NAMES
from supervisors.runtime.setting_fields import names, one_of, portion, seconds, shown, tables, whole
from supervisors.runtime.settings_structure import Contradiction

PRESET_NAMES = ("search", "stores", "model", "chat")
"""The sets of rules that a breaker may begin with."""

BREAKERS = (*PRESET_NAMES, "off")
"""What guards a service: one of them, or none."""

PRIORITIES = ("low", "medium", "high", "critical")

BREAKER = "search"
"""The most careful of the presets: 3 failures in a row open it, and it looks again after 30 s."""
FAILURES = None
"""As the preset has it: 3 of a search or a model, 5 of a store or a chat."""
COOLDOWN = None
"""As the preset has it: 30 s of a search or a chat, 60 s of a store or a model."""
MAX_RETRIES = 3
"""Three more: with waits of 1, 2 and 4 s at most, what passes within seconds is outlived."""
TIMEOUT = 30.0
"""Longer than a person waits without a word, and than anything but a model takes."""
FALLBACK = ()
"""Nothing stands in for another service unless somebody says that it can."""
PRIORITY = "medium"
"""In the middle: what asks for models through it neither waits for others nor goes before them."""
SLOW_AFTER = None
"""What is slow differs from service to service, and nobody else knows."""

SEARCH_DEGRADED = ("search",)
"""Answers without what a search adds are poorer, and answers still."""
MEMORY_DEGRADED = ("memory",)
"""Who is not remembered is a stranger, and is served."""
STATE_DEGRADED = ("stores",)
"""What is not stored is lost: whoever goes on has to say so."""
CRITICAL = ("model", "chat")
"""Without either there is nothing to say to anybody."""
UP_AFTER = 5.0
"""A breaker that opens has thought about it already; this outlives one that is reset by hand at once."""
DOWN_AFTER = 60.0
"""A breaker that closes and opens again in the same outage does not take everybody down and up with it."""
OBJECTIVE = 0.99
"""One call in a hundred may fail after its retries: about what providers of models keep, seen from outside."""
PERIOD = 86_400.0
"""A day: a month's windows would be hours, and a process that restarts daily would never fill them."""

LEAST_OBJECTIVE = round(least_objective(rows_of(PERIOD)), 4)
"""At an objective of 0.9286 all calls failing burn 14 times too fast; below, that would never be reached."""

MODEL_SERVICE = "model"
"""The service whose settings guard the models of the provider."""

MODELS_OWN: Mapping[str, str] = MappingProxyType(
    {"max_retries": "retry.max_retries", "timeout": "provider.attempt_timeout"}
)
"""What is set for calls of models elsewhere."""

_SERVICE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@attrs.frozen
class ServiceSettings:
    """What guards one service, and what stands in for it.

    Args:
        breaker: the preset of rules that its breaker begins with, or "off" for none.
        failures: failures in a row that open the breaker, instead of the preset's.
        cooldown: seconds it stays open the first time, instead of the preset's.
        max_retries: attempts after the first one.
        timeout: seconds one attempt may take.
        fallback: services that stand in for it, in order.
        priority: how urgent its calls are: those for models go before less urgent ones that wait for capacity.
        slow_after: seconds after which an answer counts as slow, which opens the breaker as well where nearly all are.
    """

    breaker: Literal["search", "stores", "model", "chat", "off"] = one_of(BREAKER, BREAKERS)
    failures: int | None = whole(FAILURES, at_least=1)
    cooldown: float | None = seconds(COOLDOWN, above=0)
    max_retries: int = whole(MAX_RETRIES, at_least=0)
    timeout: float = seconds(TIMEOUT, above=0)
    fallback: tuple[str, ...] = names(FALLBACK, at_least=0)
    priority: Literal["low", "medium", "high", "critical"] = one_of(PRIORITY, PRIORITIES)
    slow_after: float | None = seconds(SLOW_AFTER, above=0)


DEFAULT_SERVICES: Mapping[str, ServiceSettings] = MappingProxyType(
    {
        "search": ServiceSettings(),
        "memory": ServiceSettings(breaker="stores"),
        "stores": ServiceSettings(breaker="stores", priority="high"),
        "model": ServiceSettings(breaker="model", priority="high"),
        "chat": ServiceSettings(breaker="chat", priority="critical"),
    }
)
"""The services that are there unless a table says otherwise: one at least for each level of degradation."""


@attrs.frozen
class DegradationSettings:
    """Which services stand for which level of degradation, and how long it must last.

    Args:
        search_degraded: services without which the level is 1.
        memory_degraded: services without which it is 2.
        state_degraded: services without which it is 3.
        critical: services without which it is 4.
        up_after: seconds that things must be as bad before the level rises.
        down_after: seconds that they must be better before it falls.
        objective: share of a service's calls that are to succeed: errors that burn what it leaves too fast count as
            an outage.
        period: seconds for which the objective is meant; errors are looked at over parts of it.
    """

    search_degraded: tuple[str, ...] = names(SEARCH_DEGRADED, at_least=0)
    memory_degraded: tuple[str, ...] = names(MEMORY_DEGRADED, at_least=0)
    state_degraded: tuple[str, ...] = names(STATE_DEGRADED, at_least=0)
    critical: tuple[str, ...] = names(CRITICAL, at_least=0)
    up_after: float = seconds(UP_AFTER, at_least=0)
    down_after: float = seconds(DOWN_AFTER, at_least=0)
    objective: float = portion(OBJECTIVE, above=LEAST_OBJECTIVE, below=1)
    period: float = seconds(PERIOD, above=0)

    @property
    def levels(self) -> Mapping[str, int]:
        """The level that each service stands for."""
        listed = enumerate(LEVEL_NAMES[1:], start=1)
        return {service: level for level, name in listed for service in getattr(self, name)}


def services() -> Any:
    """Make the field that holds the settings of all services, by name."""
    return tables(ServiceSettings, DEFAULT_SERVICES, is_name=_is_service_name)


def _is_service_name(name: str) -> bool:
    return _SERVICE.fullmatch(name) is not None


def service_contradictions(
    services: Mapping[str, ServiceSettings], degradation: DegradationSettings
) -> Iterator[Contradiction]:
    """Yield what is wrong between services, and between them and the levels of degradation."""
    for name, service in services.items():
        key = f"services.{name}.fallback"
        for other in service.fallback:
            if other == name:
                yield Contradiction((key,), f"{key} must name other services, got {shown(other)} itself")
            elif other not in services:
                yield Contradiction((key,), f"{key} must name services, got {shown(other)}, which is none")
    yield from _models_own(services)
    yield from _cycles(services)
    yield from _misplaced(services, degradation)


def _models_own(services: Mapping[str, ServiceSettings]) -> Iterator[Contradiction]:
    """Yield what is set of the models as of any service, and would have no effect there."""
    model = services.get(MODEL_SERVICE)
    for name, own in MODELS_OWN.items():
        value = getattr(model, name, None)
        if model is not None and value != attrs.fields_dict(ServiceSettings)[name].default:
            key = f"services.{MODEL_SERVICE}.{name}"
            yield Contradiction(
                (key,), f"{key} must be left out; {own} is that of models, got {shown(value)}"
            )


def _cycles(services: Mapping[str, ServiceSettings]) -> Iterator[Contradiction]:
    """Yield rings of fallbacks: each service that is in any is in one of them."""
    graph = {name: [other for other in each.fallback if other != name] for name, each in services.items()}
    while ring := _ring(graph):
        first = ring.index(next(name for name in graph if name in ring))
        ring = [*ring[first:], *ring[:first]]
        keys = tuple(f"services.{name}.fallback" for name in ring)
        way = " -> ".join((*ring, ring[0]))
        yield Contradiction(keys, f"{keys[0]} must not lead back to itself, got {way}")
        graph |= {name: [] for name in ring}


def _ring(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """Return services of which each falls back to the next, and the last to the first; none if there is no such row."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # The sorter's edges lead from what is needed to what needs it, and it names the first one twice.
        return cast("list[str]", error.args[1])[:0:-1]
    return []


def _misplaced(
    services: Mapping[str, ServiceSettings], degradation: DegradationSettings
) -> Iterator[Contradiction]:
    placed: dict[str, str] = {}
    for level in LEVEL_NAMES[1:]:
        key = f"degradation.{level}"
        for name in cast("tuple[str, ...]", getattr(degradation, level)):
            if name not in services:
                yield Contradiction((key,), f"{key} must name services, got {shown(name)}, which is none")
            elif name in placed:
                text = f"{key} must name services that no other level does, got {shown(name)} as in {placed[name]}"
                yield Contradiction((placed[name], key), text)
            placed.setdefault(name, key)
