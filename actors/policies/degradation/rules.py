"""The levels of degradation, which services stand for which, and how long a state must last to be believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import attrs

from actors.policies.breaker.records import BreakerState
from actors.policies.degradation.burn_rate import DEFAULT_RULES as DEFAULT_BURN
from actors.policies.degradation.burn_rate import BurnRules
from actors.policies.instants import check_instant

LevelName = Literal["normal", "search_degraded", "memory_degraded", "state_degraded", "critical"]
"""What a level means. The higher one says more: who is without state is to expect to be without memory too."""

LEVEL_NAMES: tuple[LevelName, ...] = get_args(LevelName)
"""The name of each level, by its number."""

NORMAL = 0
CRITICAL = len(LEVEL_NAMES) - 1

DOWN_STATES: frozenset[BreakerState] = frozenset({"open", "half_open", "isolated"})
"""States of a breaker in which its service is down. Half-open is one: a probe that is out has proved nothing yet."""

LEVELS: Mapping[str, int] = MappingProxyType({"search": 1, "memory": 2, "stores": 3, "model": 4, "chat": 4})
"""Without a model or the chat there is nothing to say to anybody; without the others there is, and it is poorer."""

UP_AFTER = 5.0
"""Seconds. A breaker that opens has thought about it already; this outlives one that is reset by hand at once."""

DOWN_AFTER = 60.0
"""Seconds: as long as the longest first open time of the presets, so that a breaker that closes and opens again in the
same outage does not take everybody down and up with it."""

SEPARATOR = "/"
"""Stands between a service and one of its breakers: "model/claude-opus-4-8"."""

WHOLE = ""
"""The name of a breaker that stands for its service as a whole, and not for a part beside others."""


def _check_levels(_instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, object]) -> None:
    for service, level in value.items():
        _check_service(attribute.name, service)
        if type(level) is not int:
            raise TypeError(f"the level of {service!r} must be a whole number, got {level!r}")
        if not NORMAL < level <= CRITICAL:
            raise ValueError(f"the level of {service!r} must be >= 1 and <= {CRITICAL}, got {level}")


def _check_members(_instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, object]) -> None:
    for service, members in value.items():
        _check_service(attribute.name, service)
        if not isinstance(members, tuple):
            raise TypeError(f"the breakers of {service!r} must be a tuple, got {type(members).__name__}")
        if not all(isinstance(member, str) and member for member in cast("tuple[object, ...]", members)):
            raise TypeError(f"the breakers of {service!r} must be named by text")


def _check_service(name: str, service: object) -> None:
    if not isinstance(service, str):
        raise TypeError(f"{name} must be by the names of services, got {service!r}")
    if not service or SEPARATOR in service:
        raise ValueError(f"{name} must be by names of services without {SEPARATOR!r}, got {service!r}")


def _check_delay(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=0.0)


def _frozen(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"levels and members must be mappings by service, got {type(value).__name__}")
    return MappingProxyType(dict(cast("Mapping[str, object]", value)))


@attrs.frozen
class DegradationRules:
    """What each service stands for, and the hysteresis.

    Args:
        levels: the level that each service stands for when it is down, 1 to 4; one that is not named stands for none.
        members: breakers of services that have one for each part, such as a model, by the service. Such a service is
            down when all of them are; what is heard of others joins them. One of its own name stands for all of it.
        up_after: seconds that things must be as bad before the level rises, >= 0.
        down_after: seconds that they must be better before it falls, >= 0.
        burn: which burn of a service counts as down.

    Raises:
        TypeError, ValueError: a value is none of its kind, or out of its bounds.
    """

    levels: Mapping[str, int] = attrs.field(default=LEVELS, converter=_frozen, validator=_check_levels)
    members: Mapping[str, tuple[str, ...]] = attrs.field(
        factory=dict[str, tuple[str, ...]], converter=_frozen, validator=_check_members
    )
    up_after: float = attrs.field(default=UP_AFTER, validator=_check_delay)
    down_after: float = attrs.field(default=DOWN_AFTER, validator=_check_delay)
    burn: BurnRules = attrs.field(default=DEFAULT_BURN, validator=attrs.validators.instance_of(BurnRules))


DEFAULT_RULES = DegradationRules()
"""Five seconds to rise, a minute to fall."""


@attrs.frozen
class DegradationLevel:
    """How much of the whole is to be done without.

    Args:
        number: 0 for nothing, to 4 for nearly everything; larger is worse.
        name: what it means.
        since: instant at which it began; minus infinity for the one that everything starts with.
        why: what was down then, in one line each, by name of the service; empty where nothing was, at level 0 or on the
            way there.
    """

    number: int
    name: LevelName
    since: float
    why: tuple[str, ...] = ()


START = DegradationLevel(NORMAL, LEVEL_NAMES[NORMAL], -math.inf)
"""What everything starts with: nothing was heard of yet."""
