"""What a retry budget lets through.

    given    capacity, earns
    when     steps: "withdraw 40", "give back 40", "deposit 40"; "10 x deposit 1" for ten times
    then     granted: how often it gave; suppressed; left: tokens

Prices are whole numbers of tokens.
"""

from __future__ import annotations

import re
from typing import Final

from actors.policies.retry.budget import RetryBudget
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given

STEP: Final = re.compile(r"(?:(\d+) x )?(withdraw|give back|deposit) (\d+)")


def check(row: Row) -> list[str]:
    """Hold a budget against a row."""
    check_given(row.given, frozenset({"capacity", "earns"}))
    budget = RetryBudget(**row.given)
    verbs = {"withdraw": budget.withdraw, "give back": budget.give_back, "deposit": budget.deposit}
    for step in row.steps:
        found = STEP.fullmatch(step)
        if found is None:
            raise TableError(f"a step is withdraw, give back or deposit and a price, got {step!r}")
        for _ in range(int(found[1] or 1)):
            verbs[found[2]](int(found[3]))
    figures = budget.statistics()
    return differences(
        row.then, {"granted": figures.granted, "suppressed": figures.suppressed, "left": figures.left}
    )
