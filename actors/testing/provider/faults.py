"""Everything that can go wrong with a provider, as data: what happens, and to which requests.

    provider.script(
        overload("opus", at=60, lasting=120),
        rate_limited(retry_after=171, nth=3),
        cut_off(system="You are Maya", nth=2),
        outage(at=600, lasting=30),
    )

Which requests: `model` and `system` are looked for as substrings of the model's id and of the system
prompt, `at` and `lasting` are seconds since the provider's start, `nth` picks one of the requests that
match all of that, counted from 1, and `chance` leaves it to dice of the fault's own, which `seed` decides.
Without any of them every request is hit.
"""

from __future__ import annotations

import math
from typing import Literal, TypedDict, Unpack

import attrs


def _share(_instance: object, _attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"share must be >= 0 and < 1, got {value}")


def _chance(_instance: object, _attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"chance must be from 0 to 1, got {value}")


def _factor(_instance: object, _attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"factor must be > 0 and finite, got {value}")


def _not_negative(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


def _counted_from_one(_instance: object, _attribute: attrs.Attribute[int | None], value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"nth must be >= 1, got {value}")


SPEND_LIMIT_REACHED = "enforced_spend_limit_reached"


@attrs.frozen
class Fail:
    """Answer with an error.

    Args:
        status: its HTTP status.
        message: its text.
        retry_after: whole seconds for the retry-after header, or None for no such header.
        error_code: what the error's details name, or None for no details.
        counts: whether the request counts against the limits before it fails.
    """

    status: int
    message: str
    retry_after: int | None = None
    error_code: str | None = None
    counts: bool = True


@attrs.frozen
class Refuse:
    """Refuse this one connection: nothing was heard of what it would have asked."""


@attrs.frozen
class Reset:
    """Break the connection before any byte of an answer."""


@attrs.frozen
class Hang:
    """Never answer."""


@attrs.frozen
class CutOff:
    """Announce the whole answer, send this share of its bytes, close."""

    share: float = attrs.field(default=0.5, validator=_share)


@attrs.frozen
class Garble:
    """Answer 200 with something else: as the whole body, or as the text of a proper answer."""

    text: str
    instead_of: Literal["body", "answer"]


@attrs.frozen
class Slow:
    """Take so many times as long as usual."""

    factor: float = attrs.field(validator=_factor)


@attrs.frozen
class CloseDoor:
    """Refuse every connection and drop the ones that stand."""


Effect = Fail | Refuse | Reset | Hang | CutOff | Garble | Slow | CloseDoor


class Which(TypedDict, total=False):
    """Which requests a fault hits; see the module."""

    model: str | None
    system: str | None
    at: float
    lasting: float
    nth: int | None
    chance: float
    seed: int


@attrs.frozen
class Fault:
    """One thing that goes wrong: a name for the log, an effect, and the requests it hits."""

    name: str
    effect: Effect
    model: str | None = None
    system: str | None = None
    at: float = attrs.field(default=0.0, validator=_not_negative)
    lasting: float = attrs.field(default=math.inf, validator=_not_negative)
    nth: int | None = attrs.field(default=None, validator=_counted_from_one)
    chance: float = attrs.field(default=1.0, validator=_chance)
    seed: int = 0

    def begins_at(self, started_at: float) -> float:
        """Return the instant it begins, for a provider that started at `started_at`."""
        return started_at + self.at

    def ends_at(self, started_at: float) -> float:
        """Return the first instant it is over, for a provider that started at `started_at`."""
        return started_at + (self.at + self.lasting)

    def is_on(self, started_at: float, now: float) -> bool:
        """Whether it is going on."""
        return self.begins_at(started_at) <= now < self.ends_at(started_at)

    def is_about(self, model: str, system: str) -> bool:
        """Whether it concerns a request for `model` with the system prompt `system`, `nth` aside."""
        return (self.model is None or self.model in model) and (self.system is None or self.system in system)


def overload(
    model: str | None = None,
    at: float = 0.0,
    lasting: float = 120.0,
    *,
    system: str | None = None,
    nth: int | None = None,
    chance: float = 1.0,
    seed: int = 0,
    retry_after: float | None = None,
) -> Fault:
    """529 overloaded_error. Counts against no limit."""
    effect = Fail(529, "Overloaded", retry_after=_whole_seconds(retry_after), counts=False)
    return Fault(
        "overload",
        effect,
        model=model,
        system=system,
        at=at,
        lasting=lasting,
        nth=nth,
        chance=chance,
        seed=seed,
    )


def rate_limited(*, retry_after: float | None = None, **which: Unpack[Which]) -> Fault:
    """429 rate_limit_error though the limits are kept: one that nobody knows of."""
    effect = Fail(
        429,
        "This request would exceed your account's rate limit. Please try again later.",
        retry_after=_whole_seconds(retry_after),
        counts=False,
    )
    return Fault("rate_limited", effect, **which)


def acceleration(*, retry_after: float | None = None, **which: Unpack[Which]) -> Fault:
    """429 rate_limit_error though the limits are kept: use rises faster than the provider likes."""
    effect = Fail(
        429,
        "This request would exceed your organization's maximum usage increase rate for input tokens per minute. "
        "Please scale up your input tokens usage more gradually to stay within the acceleration limit.",
        retry_after=_whole_seconds(retry_after),
        counts=False,
    )
    return Fault("acceleration", effect, **which)


def daily_quota(*, retry_after: float | None = None, **which: Unpack[Which]) -> Fault:
    """429 rate_limit_error of a limit per day; without `retry_after` it does not say when the day is over."""
    effect = Fail(
        429,
        "This request would exceed your organization's rate limit of 1,000 requests per day. "
        "Please try again later.",
        retry_after=_whole_seconds(retry_after),
        counts=False,
    )
    return Fault("daily_quota", effect, **which)


def spend_cap(**which: Unpack[Which]) -> Fault:
    """429 rate_limit_error that no waiting cures: the month's money is gone. It has no retry-after."""
    effect = Fail(
        429,
        "You have reached your organization's enforced spend limit.",
        error_code=SPEND_LIMIT_REACHED,
        counts=False,
    )
    return Fault("spend_cap", effect, **which)


def server_error(status: int = 500, **which: Unpack[Which]) -> Fault:
    """500 api_error, or another status of that kind. Its request and input count: it failed on the inside."""
    if not 500 <= status <= 599:  # noqa: PLR2004  # the bounds HTTP itself sets
        raise ValueError(f"status must be from 500 to 599, got {status}")
    return Fault("server_error", Fail(status, "Internal server error"), **which)


def outage(at: float = 0.0, lasting: float = 60.0) -> Fault:
    """Connection refused. It asks neither for model nor prompt: who finds the door shut is never heard."""
    return Fault("outage", CloseDoor(), at=at, lasting=lasting)


def refuse(**which: Unpack[Which]) -> Fault:
    """Connection refused, for the requests that it hits alone. Counts against no limit."""
    return Fault("refuse", Refuse(), **which)


def reset(**which: Unpack[Which]) -> Fault:
    """The connection breaks after the request was taken, before any answer. Request and input count."""
    return Fault("reset", Reset(), **which)


def hang(**which: Unpack[Which]) -> Fault:
    """No answer, ever. Request and input count; the client has to give up."""
    return Fault("hang", Hang(), **which)


def cut_off(*, share: float = 0.5, **which: Unpack[Which]) -> Fault:
    """The answer breaks off after `share` of its bytes. Everything counts, the output too."""
    return Fault("cut_off", CutOff(share), **which)


def malformed(
    text: str = '{"type": "message", "content": [{"typ',
    *,
    instead_of: Literal["body", "answer"] = "body",
    **which: Unpack[Which],
) -> Fault:
    """200 with `text` as the whole body, or as the answer in a proper one."""
    return Fault("malformed", Garble(text, instead_of), **which)


def slow(factor: float, **which: Unpack[Which]) -> Fault:
    """Every answer takes `factor` times as long. Several at once multiply."""
    return Fault("slow", Slow(factor), **which)


def _whole_seconds(retry_after: float | None) -> int | None:
    if retry_after is None:
        return None
    if not 0 <= retry_after < math.inf:
        raise ValueError(f"retry_after must be >= 0 and finite, got {retry_after}")
    return math.ceil(retry_after)
