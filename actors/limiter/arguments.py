"""What a limiter is handed from outside, checked before it changes anything: a wrong word is the caller's alone.

A limiter is one for many. What is no argument at all must be told to whoever gave it, as a TypeError or a ValueError,
and never come up later in the middle of a change, where it would end the limiter for everybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast, get_args

import attrs

from actors.kernel import Ref
from actors.policies.claim import Claim
from actors.policies.instants import check_instant, check_number, shown
from actors.policies.ledger.limits import QUANTITIES, Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.scope import POOL
from actors.policies.usage import MOST, Usage, check_count
from actors.wire.rate_limits import ObservedLimit, ObservedLimits, RateLimitDialect, parse_rate_limits

RATE_LIMIT_DIALECTS: tuple[RateLimitDialect, ...] = get_args(RateLimitDialect)

Headers = Mapping[str, str]
"""Of an answer: values under lower-case names."""

_ESTIMATOR_VERBS = ("estimate", "estimate_again", "correct", "statistics")


def check_flag(name: str, value: object) -> None:
    """Check that `value` is True or False, so that "no" is not taken for yes.

    Raises:
        TypeError: it is neither.
    """
    if value is not True and value is not False:
        raise TypeError(f"{name} must be True or False, got {shown(value)}")


def check_callable(name: str, value: object) -> None:
    """Check that `value` can be called, or is None.

    Raises:
        TypeError: it cannot be called.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable or None, got {type(value).__name__}")


def check_text(name: str, value: object) -> None:
    """Check that `value` is text.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")


def check_place(value: object) -> None:
    """Check a place in line: None, or what a grant has as its `place`.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is below 1, the first place there is.
    """
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"place must be that of a grant or None, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"place must be >= 1, got {shown(value)}")


def check_max_wait(value: object) -> None:
    """Check how long somebody is ready to wait.

    Raises:
        TypeError: it is no number of seconds.
        ValueError: it is negative, or no number that a float can hold.
    """
    if isinstance(value, int | float) and not value >= 0:
        raise ValueError(f"max_wait must be >= 0, got {shown(value)}")
    check_number("max_wait", value)


def check_told(*, input_tokens: object, output_tokens: object, prompt_tokens: object) -> None:
    """Check what a caller tells of an answered call: counts, or None where it does not know.

    Raises:
        TypeError: one is no whole number.
        ValueError: one is out of its bounds.
    """
    for name, value in (
        ("input_tokens", input_tokens),
        ("output_tokens", output_tokens),
        ("prompt_tokens", prompt_tokens),
    ):
        # The usual case is seen at one glance.
        if value is not None and not (type(value) is int and 0 <= value <= MOST):
            check_count(name, value)


def check_observed(name: str, value: object) -> None:
    """Check what a caller tells of the limits: headers, text by text, or what was parsed from them.

    Raises:
        TypeError: it is neither, or a value in it is of the wrong kind.
        ValueError: a value in what was parsed is out of its bounds.
    """
    if type(value) is ObservedLimits:
        for limit in value.limits:
            _check_limit(limit)
        return
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of text or ObservedLimits, got {type(value).__name__}")
    for each, text in cast("Mapping[object, object]", value).items():
        if not isinstance(each, str) or not isinstance(text, str):
            odd = text if isinstance(each, str) else each
            raise TypeError(f"{name} must be a mapping of text to text, got {type(odd).__name__} in it")


def _check_limit(seen: ObservedLimit) -> None:
    """Check what was seen of one limit, which anybody may have made: of what is no number nothing can be learned."""
    if _is_usual(seen):
        return
    if seen.quantity not in QUANTITIES:
        raise ValueError(f"quantity must be one of {', '.join(QUANTITIES)}, got {seen.quantity!r}")
    counts = (("limit", seen.limit, 1), ("remaining", seen.remaining, 0), ("rounded_to", seen.rounded_to, 1))
    for name, count, least in counts:
        if count is None and name != "rounded_to":
            continue
        check_count(name, count)
        if count == 0 < least:
            raise ValueError(f"{name} must be >= {least}, got {count}")
    if seen.window is not None and not check_instant("window", seen.window, earliest=0) > 0:
        raise ValueError(f"window must be > 0, got {seen.window}")
    if seen.resets_in is not None:
        check_instant("resets_in", seen.resets_in, earliest=0)
    check_flag("is_shared", seen.is_shared)


def _is_usual(seen: Any) -> bool:
    """Return whether it says all there is to say, of the very kinds: some come with each answer, so at one glance."""
    return (
        type(seen.limit) is type(seen.remaining) is type(seen.rounded_to) is int
        and type(seen.window) is type(seen.resets_in) is float
        and 1 <= seen.limit <= MOST
        and 0 <= seen.remaining <= MOST
        and 1 <= seen.rounded_to <= MOST
        and 0 < seen.window < math.inf
        and 0 <= seen.resets_in < math.inf
        and seen.quantity in QUANTITIES
        and type(seen.is_shared) is bool
    )


def observed_limits(
    headers: Headers | ObservedLimits, dialect: RateLimitDialect, name: str = "headers"
) -> ObservedLimits:
    """Return what headers say of the limits, or what was parsed from them as it is.

    Raises:
        TypeError, ValueError: they are neither, or hold what is none.
    """
    check_observed(name, headers)
    if isinstance(headers, ObservedLimits):
        return headers
    return parse_rate_limits(headers, dialect=dialect, now_wall=None)


def check_limiter(
    *, kinds: object, dialect: object, weights: object, cooldown: object, pool: object, estimator: object
) -> None:
    """Check what a limiter is made with beside its rules.

    Raises:
        TypeError: one is of the wrong kind.
        ValueError: there is no such dialect.
    """
    if dialect not in RATE_LIMIT_DIALECTS:
        raise ValueError(f"dialect must be one of {', '.join(RATE_LIMIT_DIALECTS)}, got {dialect!r}")
    if kinds is not None and not isinstance(kinds, Mapping):
        raise TypeError(f"kinds must be a mapping of Limits or None, got {type(kinds).__name__}")
    if weights is not None and not isinstance(weights, Mapping):
        raise TypeError(
            f"weights must be a mapping of numbers by tenant or None, got {type(weights).__name__}"
        )
    if cooldown is not None and not isinstance(cooldown, Ref):
        raise TypeError(f"cooldown must be a Ref[Cooldown] or None, got {type(cooldown).__name__}")
    if pool is not None:
        check_text("pool", pool)
    if estimator is not None:
        for verb in _ESTIMATOR_VERBS:
            if not callable(getattr(estimator, verb, None)):
                raise TypeError(f"estimator must be one that can {verb}, got {type(estimator).__name__}")


def limits_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate limits, as an attrs validator."""
    if not isinstance(value, Limits):
        raise TypeError(f"{attribute.name} must be Limits, got {type(value).__name__}")


def share_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate a share above 0 and up to 1, as an attrs validator."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number, got {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{attribute.name} must be > 0 and <= 1, got {shown(value)}")


def seconds_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate a number of seconds, as an attrs validator; its bounds are the ledger's to know."""
    check_number(attribute.name, value)


def flag_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate True or False, as an attrs validator."""
    check_flag(attribute.name, value)


def output_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate how output is reserved, as an attrs validator."""
    if isinstance(value, str):
        raise TypeError(
            f"{attribute.name} must be an OutputPolicy such as OutputPolicy('max_tokens'), got {value!r}"
        )
    if not isinstance(value, OutputPolicy):
        raise TypeError(f"{attribute.name} must be an OutputPolicy, got {type(value).__name__}")


def kinds_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate limits by kind of scope, as an attrs validator."""
    for kind, limits in cast("Mapping[object, object]", value).items():
        if not isinstance(kind, str):
            raise TypeError(f"{attribute.name} must be by text, got {type(kind).__name__} among them")
        if not isinstance(limits, Limits):
            raise TypeError(
                f"{attribute.name} must be Limits by kind, got {type(limits).__name__} for {kind!r}"
            )
        if kind == POOL.kind:
            raise ValueError(
                f"{attribute.name} must not hold {kind!r}, whose limits are those of the limiter"
            )


def claim_of(claim: Claim | Usage) -> Claim:
    """Return a claim, of a plain usage one for nobody in particular.

    Raises:
        TypeError: it is neither.
    """
    if type(claim) is Claim:
        return claim
    if type(claim) is not Usage:
        raise TypeError(f"claim must be a Claim or a Usage, got {type(claim).__name__}")
    return Claim(claim)
