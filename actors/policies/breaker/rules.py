"""The numbers of a breaker, each with its reason, and the sets of them that services of a kind start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

import attrs

from actors.policies.instants import check_instant

Recovery = Literal["trial", "probes", "health"]
"""How an open breaker finds out that the service is well again: by one call of somebody's, by several at once, or by a
health check that uses the service as calls do."""

RECOVERIES: tuple[Recovery, ...] = get_args(Recovery)

CONSECUTIVE = 3
"""Failures in a row that trip it: one is an accident and two may be chance."""

COOLDOWN = 60.0
"""Seconds it stays open the first time: one window of the providers that count by the minute."""

FAILURE_RATE = 0.5
"""Share of failures, surely surpassed, that trips it: a service that fails every other call costs two calls each."""

WINDOW = 60.0
"""Seconds an outcome counts for the shares: what failed an hour ago says nothing of the present."""

SLOW_RATE = 0.8
"""Share of slow calls, surely surpassed, that trips it. Slow answers are answers still, so more of them are borne."""

MULTIPLIER = 2.0
"""Factor on the open time for each round of probes that failed."""

CAP = 600.0
"""Seconds; the open time grows no further. After ten minutes a look costs one call."""

JITTER = 0.1
"""Share of the open time by which it may be longer: processes that tripped together do not probe together."""

PROBE_LEASE = 60.0
"""Seconds after which a probe that has not come back has failed."""

HEALTH_EVERY = 30.0
"""Seconds between health checks of an open breaker."""

DECAY = 300.0
"""Seconds of being closed after which one failed round is forgotten: one who flaps is known for some minutes."""


def _check_length(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if check_instant(attribute.name, value, earliest=0.0) == 0:
        raise ValueError(f"{attribute.name} must be > 0, got {value}")


def _check_count(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{attribute.name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _ratio(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not -math.inf < value < math.inf:
        raise ValueError(f"{name} must be finite, got {value}")
    return value


def _check_share(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if (
        not 0 < _ratio(attribute.name, value) < 1
    ):  # no number of calls shows beyond doubt that all of them fail
        raise ValueError(f"{attribute.name} must be > 0 and < 1, got {value}")


def _or_none(check: Callable[[object, attrs.Attribute[Any], object], None]) -> Callable[..., None]:
    def check_unless_none(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None:
            check(instance, attribute, value)

    return check_unless_none


def _check_multiplier(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if _ratio(attribute.name, value) < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _check_jitter(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not 0 <= _ratio(attribute.name, value) <= 1:
        raise ValueError(f"{attribute.name} must be >= 0 and <= 1, got {value}")


def _check_cap(instance: BreakerRules, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=instance.cooldown)


def _check_needed(instance: BreakerRules, attribute: attrs.Attribute[Any], value: int) -> None:
    _check_count(instance, attribute, value)
    if value > instance.probes:
        raise ValueError(f"{attribute.name} must be <= {instance.probes}, the probes, got {value}")


def _check_recovery(instance: BreakerRules, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in RECOVERIES:
        raise ValueError(f"{attribute.name} must be one of {', '.join(RECOVERIES)}, got {value!r}")
    if value != "probes" and instance.probes != 1:
        raise ValueError(f'probes must be 1 where {attribute.name} is "{value}", got {instance.probes}')


def _check_flag(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, got {value!r}")


@attrs.frozen
class BreakerRules:
    """The numbers of a breaker; the constants above say why they are what they are. Times are in seconds.

    Args:
        consecutive: failures in a row that trip it, >= 1; None for no such rule.
        cooldown: how long it stays open the first time.
        failure_rate: share of failures in the window, > 0 and < 1, that trips it when the share is surely no less;
            None for no such rule.
        window: how long an outcome counts for the shares.
        slow_after: a call that takes so long or longer is slow; None where the breaker does not judge that.
        slow_rate: share of slow calls in the window that trips it, as with `failure_rate`.
        multiplier: factor on the open time for each round of probes that failed, >= 1.
        cap: the open time without jitter is never longer.
        jitter: share of the open time, 0 to 1, by which it is longer at most.
        probes: calls that a half-open breaker lets through, at once; 1 unless `recovery` is "probes".
        probes_needed: how many of them must succeed for it to close; all unless told otherwise.
        probe_lease: a probe that is not back by then has failed.
        recovery: how it finds out that the service is well again.
        health_every: time between two health checks, where that is how.
        is_adaptive: whether the last hundred outcomes move `consecutive`, between 2 and 10.
        decay: time of being closed after which one failed round is forgotten.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of its bounds, or two of them contradict each other.
    """

    consecutive: int | None = attrs.field(default=CONSECUTIVE, validator=_or_none(_check_count))
    cooldown: float = attrs.field(default=COOLDOWN, validator=_check_length)
    failure_rate: float | None = attrs.field(default=FAILURE_RATE, validator=_or_none(_check_share))
    window: float = attrs.field(default=WINDOW, validator=_check_length)
    slow_after: float | None = attrs.field(default=None, validator=_or_none(_check_length))
    slow_rate: float = attrs.field(default=SLOW_RATE, validator=_check_share)
    multiplier: float = attrs.field(default=MULTIPLIER, validator=_check_multiplier)
    cap: float = attrs.field(default=CAP, validator=_check_cap)
    jitter: float = attrs.field(default=JITTER, validator=_check_jitter)
    probes: int = attrs.field(default=1, validator=_check_count)
    probes_needed: int = attrs.field(
        default=attrs.Factory(lambda rules: rules.probes, takes_self=True), validator=_check_needed
    )
    probe_lease: float = attrs.field(default=PROBE_LEASE, validator=_check_length)
    recovery: Recovery = attrs.field(default="trial", validator=_check_recovery)
    health_every: float = attrs.field(default=HEALTH_EVERY, validator=_check_length)
    is_adaptive: bool = attrs.field(default=True, validator=_check_flag)
    decay: float = attrs.field(default=DECAY, validator=_check_length)


PRESETS: Mapping[str, BreakerRules] = MappingProxyType(
    {
        # Somebody waits for a search, and there are other engines: leave soon, come back soon.
        "search": BreakerRules(consecutive=3, cooldown=30.0),
        # A store has no stand-in that is as good, and a busy one fails now and then: bear more.
        "stores": BreakerRules(consecutive=5, cooldown=60.0),
        # Every failed call of a model has cost money and a minute.
        "model": BreakerRules(consecutive=3, cooldown=60.0),
        # A person waits at the other end: bear a little, and look again soon.
        "chat": BreakerRules(consecutive=5, cooldown=30.0),
    }
)
"""Rules for services of a kind, by name."""
