"""What goes into a cooldown and what comes out of it: a refusal, a pause, a snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import attrs

from actors.policies.instants import check_instant
from actors.policies.usage import whole_number

TroubleKind = Literal["rate", "acceleration", "daily_quota", "spend_cap", "overloaded"]
"""What a refusal was about: see the module."""

TROUBLE_KINDS: tuple[TroubleKind, ...] = get_args(TroubleKind)


def _check_kind(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in TROUBLE_KINDS:
        raise ValueError(f"{attribute.name} must be one of {', '.join(TROUBLE_KINDS)}, got {value!r}")


def _check_time(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        check_instant(attribute.name, value, earliest=0.0)


def _check_instant(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        check_instant(attribute.name, value, earliest=-math.inf)


def _check_until(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=-math.inf)


def _check_word(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be text, got {type(value).__name__}")


@attrs.frozen
class Trouble:
    """One refusal.

    Args:
        kind: what it was about.
        retry_after: seconds the provider asked to wait, or None. 0 is as good as None.
        sent_at: instant at which the refused request went out, or None where nobody knows: just now.

    Raises:
        TypeError: a time is no number.
        ValueError: there is no such kind, or a time is negative or not finite.
    """

    kind: TroubleKind = attrs.field(validator=_check_kind)
    retry_after: float | None = attrs.field(default=None, validator=_check_time)
    sent_at: float | None = attrs.field(default=None, validator=_check_instant)


@attrs.frozen
class Pause:
    """Nobody calls until then.

    Args:
        until: instant on the Trio clock. One that is not in the future is no pause.
        level: how far it has escalated: 0 for a pause that has not, otherwise the step of its ladder, from 1.
        kind: what it is about: a `TroubleKind`, or "cleared" for the word that a pause was lifted by hand.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: `until` is not finite, or `level` is below 0.
    """

    until: float = attrs.field(validator=_check_until)
    level: int = attrs.field(validator=whole_number)
    kind: str = attrs.field(validator=_check_word)


@attrs.frozen
class CooldownStatistics:
    """A snapshot of one pool's cooldown.

    Args:
        pause: the pause that holds, or None when the pool is clear.
        remaining: seconds until it is clear; 0 when it is.
        incidents: incidents of rate and acceleration that count at present.
        overloads: the step that overloads in a row have reached.
        heard: how often each kind of trouble was heard, kinds that never were left out.
        repeated: how much of that was news of an incident that had been counted.
        pauses: how often a pause began or grew.
    """

    pause: Pause | None
    remaining: float
    incidents: int
    overloads: int
    heard: Mapping[str, int]
    repeated: int
    pauses: int
