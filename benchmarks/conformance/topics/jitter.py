"""Between which bounds a wait is drawn: a thousand throws lie between them, and some come near to either.

    given    policy, fault, attempt, load           for when = "wait", the wait before a retry
             rules, rounds (failed rounds of probes), well (seconds of being closed since)
                                                    for when = "open", the time that a breaker stays open
    then     least, most: seconds

A row about a wait is not about whether there is time for it: the number of retries and the time in all are unbounded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Final

from actors.policies.breaker.open_time import OpenTime
from actors.policies.breaker.rules import BreakerRules
from actors.policies.retry.retry import Retry
from conformance.comparing import out_of_bounds
from conformance.rows import Row, TableError, check_given
from conformance.topics.retrying import decide

THROWS: Final = 1000
UNBOUNDED: Final = {"max_retries": 1_000_000, "max_elapsed": math.inf}


def check(row: Row) -> list[str]:
    """Hold the bounds of a wait against a row."""
    if row.then.keys() != {"least", "most"}:
        raise TableError(f"then must have least and most, got {', '.join(sorted(row.then))}")
    match row.verb:
        case "wait":
            throws = [_wait(row, seed) for seed in range(THROWS)]
        case "open":
            throws = [_open_time(row.given, seed) for seed in range(THROWS)]
        case verb:
            raise TableError(f"when must be wait or open, got {verb!r}")
    return out_of_bounds(row.then["least"], row.then["most"], throws)


def _wait(row: Row, seed: int) -> float:
    decision = decide(row.given, seed, UNBOUNDED)
    if isinstance(decision, Retry):
        return decision.delay
    raise TableError(f"there is a wait only before a retry, got {decision}")


def _open_time(given: Mapping[str, Any], seed: int) -> float:
    check_given(given, frozenset({"rules", "rounds", "well"}))
    open_time = OpenTime(BreakerRules(**given.get("rules", {})), random.Random(seed))
    open_time.open(0.0)
    for _ in range(given.get("rounds", 0)):
        open_time.fail()
    open_time.close(0.0)
    return open_time.draw(given.get("well", 0.0))
