"""Instants on the Trio clock: checked where they come in, and summed so that rounding never makes one early.

All times are seconds as float. A sum such as `0.1 + 0.2` may round down or up; an instant at which
something becomes allowed must not be a hair too soon, so such sums are rounded up here, always.
"""

from __future__ import annotations

import math

_MOST_SHOWN_BITS = 64
"""A whole number that needs more is named by its length: nobody reads four hundred digits."""


def shown(value: object) -> str:
    """Return how an error shows what it got: as it is, or a whole number of very many digits by its length."""
    if isinstance(value, int) and value.bit_length() > _MOST_SHOWN_BITS:
        return f"a whole number of {value.bit_length()} bits"
    return repr(value)


def add_up(*seconds: float) -> float:
    """Sum instants and durations, rounded up: the smallest float that is not below the exact sum.

    `fsum` gives the float nearest to the exact sum, and the residue tells, exactly, on which side of it
    that float lies. So `now >= add_up(stamp, window)` holds precisely when `now - stamp >= window` holds in
    exact arithmetic: `add_up(0.7, 0.1)` is 0.8 where `0.7 + 0.1` is 0.7999999999999999.

    Args:
        seconds: finite numbers.
    """
    nearest = math.fsum(seconds)
    is_early = math.fsum((*seconds, -nearest)) > 0
    return math.nextafter(nearest, math.inf) if is_early else nearest


def check_number(name: str, value: object) -> float:
    """Return `value` if it is a number, infinities included.

    Raises:
        TypeError: it is no number of seconds.
        ValueError: it is not-a-number, or a whole number that no float can hold.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    try:
        is_nan = math.isnan(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number of seconds, got {shown(value)}") from None
    if is_nan:
        raise ValueError(f"{name} must be a number of seconds, got nan")
    return value


def check_instant(name: str, value: object, *, earliest: float, latest: float = math.inf) -> float:
    """Return `value` if it is a finite instant from `earliest` to `latest`, both included.

    Raises:
        TypeError: it is no number of seconds.
        ValueError: it is not finite, or out of the bounds.
    """
    if type(value) is float and earliest <= value <= latest and math.isfinite(value):
        return value
    instant = check_number(name, value)
    if math.isinf(instant):
        raise ValueError(f"{name} must be finite, got {instant}")
    if instant < earliest:
        raise ValueError(f"{name} must be >= {earliest}, got {shown(instant)}")
    if instant > latest:
        raise ValueError(f"{name} must be <= {latest}, got {shown(instant)}")
    return instant
