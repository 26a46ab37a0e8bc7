"""How many failures in a row are borne, by how well the last hundred calls went.

    given    first: the threshold to begin with
    when     steps: "95 good", "5 bad", or "clear"
    then     threshold

Good and bad are outcomes as the breaker counts them.
"""

from __future__ import annotations

import re
from typing import Final

from actors.policies.breaker.adaptive_threshold import AdaptiveThreshold
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given

STEP: Final = re.compile(r"(\d+) (good|bad)")


def check(row: Row) -> list[str]:
    """Hold the adaptive threshold against a row."""
    check_given(row.given, frozenset({"first"}))
    threshold = AdaptiveThreshold(row.given["first"])
    for step in row.steps:
        found = STEP.fullmatch(step)
        if step == "clear":
            threshold.clear()
        elif found is None:
            raise TableError(f"a step is a number of good or bad calls, or clear, got {step!r}")
        else:
            for _ in range(int(found[1])):
                threshold.learn(is_success=found[2] == "good")
    return differences(row.then, {"threshold": threshold.value})
