"""The numbers of every retry strategy, by profile: one table.

    strategy        for faults that ...                                  such as
    transient       pass by themselves within seconds                    a reset connection, a 500, a 529
    rate_limited    pass when a limit of ours is whole again             a 429
    critical        must not cost what cannot be made again              a store that is busy
    none            come again whenever the same thing is sent           a wrong key, a prompt that is too long

A profile says how much trouble an answer is worth: `aggressive` where somebody waits and will not come back, `standard`
otherwise, `conservative` where the service is weak, or somebody else tries again anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import attrs

StrategyName = Literal["transient", "rate_limited", "critical", "none"]
"""How faults of one sort are met."""

ProfileName = Literal["aggressive", "standard", "conservative"]
"""How much trouble an answer is worth."""

STRATEGY_NAMES: tuple[StrategyName, ...] = get_args(StrategyName)
PROFILE_NAMES: tuple[ProfileName, ...] = get_args(ProfileName)


@attrs.frozen
class RetryNumbers:
    """One cell of the table; what each number means is told by `RetryPolicy`."""

    max_retries: int
    initial: float
    cap: float
    max_elapsed: float


_NONE = RetryNumbers(0, 0.0, 0.0, 0.0)

RETRY_NUMBERS: Mapping[ProfileName, Mapping[StrategyName, RetryNumbers]] = MappingProxyType(
    {
        "aggressive": MappingProxyType(
            {
                "transient": RetryNumbers(5, 0.5, 15.0, 60.0),
                # Two windows of a minute, and several looks into each.
                "rate_limited": RetryNumbers(6, 1.0, 30.0, 120.0),
                "critical": RetryNumbers(8, 0.25, 15.0, 180.0),
                "none": _NONE,
            }
        ),
        "standard": MappingProxyType(
            {
                "transient": RetryNumbers(3, 1.0, 30.0, 60.0),
                # A limit by the minute is whole after a minute: the longest wait, and the time in all, reach over one.
                "rate_limited": RetryNumbers(4, 1.0, 60.0, 120.0),
                # A busy store is free again within tenths of a second, so looks are early and many.
                "critical": RetryNumbers(5, 0.5, 30.0, 120.0),
                "none": _NONE,
            }
        ),
        "conservative": MappingProxyType(
            {
                "transient": RetryNumbers(1, 2.0, 30.0, 30.0),
                "rate_limited": RetryNumbers(2, 2.0, 60.0, 90.0),
                "critical": RetryNumbers(3, 1.0, 30.0, 60.0),
                "none": _NONE,
            }
        ),
    }
)
"""The table."""
