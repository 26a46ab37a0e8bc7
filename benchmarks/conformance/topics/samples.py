"""What few outcomes can prove: the lower bound of a share, and what a window of seconds still counts.

    given    part, whole                                for when = "share"
             seconds                                    for steps: "0 fail", "3 succeed", "3.5 slow", "60 look"
    then     surely: the bound, to four places; calls, failures, slow: what the window counts at the last instant

A step that only looks counts nothing.
"""

from __future__ import annotations

from actors.policies.breaker.outcome_window import OutcomeWindow, surely
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given


def check(row: Row) -> list[str]:
    """Hold the small-sample rule against a row."""
    if isinstance(row.when, str):
        if row.when != "share":
            raise TableError(f"when must be share or a list of steps, got {row.when!r}")
        check_given(row.given, frozenset({"part", "whole"}))
        bound = surely(row.given["part"], row.given["whole"])
        return differences(row.then, {"surely": round(bound, 4)})
    check_given(row.given, frozenset({"seconds"}))
    window = OutcomeWindow(row.given["seconds"])
    for step in row.steps:
        instant, _, verb = step.partition(" ")
        if verb not in ("succeed", "fail", "slow", "look"):
            raise TableError(f"a step is an instant and succeed, fail, slow or look, got {step!r}")
        window.expire(float(instant))
        if verb != "look":
            window.add(float(instant), is_failure=verb == "fail", is_slow=verb == "slow")
    return differences(row.then, {"calls": window.calls, "failures": window.failures, "slow": window.slow})
