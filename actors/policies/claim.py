"""What a caller asks a limiter for: how much, for whom, how urgently."""

from __future__ import annotations

import math
from typing import Any, cast

import attrs

from actors.policies.estimates.estimate import Estimate
from actors.policies.instants import shown
from actors.policies.scope import POOL, POOL_ALONE, Scope
from actors.policies.usage import Usage, whole_number


def _usage(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if type(value) is not Usage:
        raise TypeError(f"{attribute.name} must be a Usage, got {type(value).__name__}")


def _optional_count(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        whole_number(instance, attribute, value)


def _text(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be text, got {type(value).__name__}")


def _scopes(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"{attribute.name} must be a tuple of Scope, got {type(value).__name__}")
    scopes = cast("tuple[object, ...]", value)
    for scope in scopes:
        if not isinstance(scope, Scope):
            raise TypeError(f"{attribute.name} must be a tuple of Scope, got {type(scope).__name__} in it")
    if POOL in scopes:
        raise ValueError(f"{attribute.name} must not hold {POOL}, which every call falls under anyway")
    if len(set(scopes)) != len(scopes):
        raise ValueError(f"{attribute.name} must be different from one another")


def _estimate(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Estimate):
        raise TypeError(f"{attribute.name} must be an Estimate or None, got {type(value).__name__}")


def _priority(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number, got {type(value).__name__}")
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        is_finite = False
    if not is_finite:
        raise ValueError(f"{attribute.name} must be finite, got {shown(value)}")


@attrs.frozen
class Claim:
    """A caller's order: what it may use, and under which flag it stands in line.

    Args:
        usage: requests, input tokens, and the most output tokens the answer may have (`max_tokens`).
        expected_output: output tokens the caller expects, which count until a few of its kind were answered; None for
            those of `usage` until then.
        kind: label of the task, "coverage" or "summary": what output of its kind came to is learned under it.
        scopes: what it falls under beside the pool of the limiter.
        tenant: whom the capacity is for; those of one priority share it by weight.
        priority: the larger goes first, whoever's it is: only whom you trust should choose it.
        model: which model it is for, where the input is estimated.
        estimate: how `usage.input_tokens` was guessed; None for a number that is certain. The limiter guesses again by
            what it has learned, when it is the turn of the claim.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a value is out of its bounds.
    """

    usage: Usage = attrs.field(validator=_usage)
    expected_output: int | None = attrs.field(default=None, validator=_optional_count)
    kind: str = attrs.field(default="", validator=_text)
    scopes: tuple[Scope, ...] = attrs.field(default=(), validator=_scopes)
    tenant: str = attrs.field(default="", validator=_text)
    priority: float = attrs.field(default=0, validator=_priority)
    model: str = attrs.field(default="", validator=_text)
    estimate: Estimate | None = attrs.field(default=None, validator=_estimate, repr=False)

    @property
    def all_scopes(self) -> tuple[Scope, ...]:
        """The pool first, then the others in their order."""
        return (POOL, *self.scopes) if self.scopes else POOL_ALONE
