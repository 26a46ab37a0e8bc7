"""How what was found is held against what a row says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from conformance.rows import TableError

APPROACHED = 0.02
"""Share of a span within which both of its ends have to be met: a thousand throws all miss it once in 10^9 times."""

ROUNDING = 1e-9
"""Share by which a float may differ: what two orders of the same sums differ by."""


def differences(then: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """Return in what ways `found` is not what `then` says; nothing where it is.

    Args:
        then: what a row says; it need not speak of everything that was found.
        found: what came of it.

    Raises:
        TableError: the row speaks of what its topic does not tell.
    """
    unknown = then.keys() - found.keys()
    if unknown:
        raise TableError(f"then may speak of {', '.join(sorted(found))}, got {', '.join(sorted(unknown))}")
    return [
        f"{name} is {found[name]!r}, not {value!r}"
        for name, value in then.items()
        if not is_same(value, found[name])
    ]


def is_same(said: object, found: object) -> bool:
    """Return whether both are the same: "none" is None, and floats may differ by their rounding."""
    if found is None:
        return said == "none"
    if isinstance(said, bool) or isinstance(found, bool):
        return said is found
    if isinstance(said, int | float) and isinstance(found, int | float):
        return said == found or math.isclose(said, found, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if isinstance(said, list) and isinstance(found, list | tuple):
        left, right = cast("list[object]", said), cast("list[object]", list(found))
        return len(left) == len(right) and all(map(is_same, left, right))
    return said == found


def out_of_bounds(least: float, most: float, throws: list[float]) -> list[str]:
    """Return in what ways many throws of one die do not lie between two bounds and come near to both.

    Args:
        least: seconds, the lower bound, which may be met.
        most: seconds, the upper bound, which may be met.
        throws: what was thrown.
    """
    low, high, near = min(throws), max(throws), APPROACHED * (most - least)
    rounding = ROUNDING * max(1.0, most)
    complaints: list[str] = []
    if low < least - rounding:
        complaints.append(f"{low} is less than {least}")
    if high > most + rounding:
        complaints.append(f"{high} is more than {most}")
    if low > least + near + rounding:
        complaints.append(f"the least of {len(throws)} is {low}, far from {least}")
    if high < most - near - rounding:
        complaints.append(f"the most of {len(throws)} is {high}, far from {most}")
    return complaints
