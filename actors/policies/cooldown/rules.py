"""The numbers of a cooldown, each with its reason."""

from __future__ import annotations

from typing import Any

import attrs

from actors.policies.instants import check_instant

SHORT_PAUSE = 5.0
"""Seconds after a 429 that names no time. Providers that limit by the minute give a twelfth of it back in that time."""

FREQUENCY_WINDOW = 300.0
"""Seconds in which incidents are counted: five of the usual windows, so that it takes more than one bad minute."""

OFTEN = 3
"""The incident from which on pauses grow. Two may be chance; three say that the limits we know are not the
true ones."""

LONG_PAUSES = (60.0, 120.0, 240.0, 480.0)
"""Seconds: whole windows of a provider that limits by the minute. After eight minutes a look costs one call."""

OVERLOAD_PAUSES = (1.0, 4.0, 12.0)
"""Seconds. Overloads pass within seconds or within a minute, and nobody says when: a blip costs a second, a storm of
45 s five looks, and the last step is what is lost at its end at most."""


def _check_length(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if check_instant(attribute.name, value, earliest=0.0) == 0:
        raise ValueError(f"{attribute.name} must be > 0, got {value}")


def _check_often(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{attribute.name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _check_ladder(_instance: object, attribute: attrs.Attribute[Any], steps: tuple[float, ...]) -> None:
    if not steps:
        raise ValueError(f"{attribute.name} must have a step, got none")
    least = 0.0
    for step in steps:
        least = check_instant(f"each of {attribute.name}", step, earliest=least)
    if not steps[0] > 0:
        raise ValueError(f"each of {attribute.name} must be > 0, got {steps[0]}")


@attrs.frozen
class CooldownRules:
    """The numbers of a cooldown; the constants above say why they are what they are.

    Args:
        short_pause: seconds after a 429 that names no time, while it is not frequent.
        window: seconds in which incidents are counted, pauses aside.
        often: the incident from which on pauses grow, at least 1.
        long_pauses: seconds, for that incident and those after it; the last one is the cap.
        overload_pauses: seconds, for overloads in a row; the last one is the cap.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of its bounds, or a ladder is empty or descends.
    """

    short_pause: float = attrs.field(default=SHORT_PAUSE, validator=_check_length)
    window: float = attrs.field(default=FREQUENCY_WINDOW, validator=_check_length)
    often: int = attrs.field(default=OFTEN, validator=_check_often)
    long_pauses: tuple[float, ...] = attrs.field(default=LONG_PAUSES, validator=_check_ladder)
    overload_pauses: tuple[float, ...] = attrs.field(default=OVERLOAD_PAUSES, validator=_check_ladder)


DEFAULT_RULES = CooldownRules()
"""A third 429 within five minutes pauses for a minute; an overload for a second."""
