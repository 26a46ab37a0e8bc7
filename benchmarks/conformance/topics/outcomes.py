"""What a call says of the service it went to, for a breaker.

    given    fault: its kind, and retry_after where the service named a time; nothing for a call that went well
             took, slow_after: seconds; now
    when     "outcome" for what it says, "instant" for the instant before which no call will succeed
    then     outcome; open_until

Instants are seconds.
"""

from __future__ import annotations

from actors.policies.breaker.outcomes import open_until, outcome_of
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given
from conformance.topics.retrying import fault_of_row

GIVEN = frozenset({"fault", "took", "slow_after", "now"})


def check(row: Row) -> list[str]:
    """Hold the table of outcomes against a row."""
    check_given(row.given, GIVEN)
    fault = fault_of_row(row.given["fault"]) if "fault" in row.given else None
    match row.verb:
        case "outcome":
            took, slow_after = row.given.get("took", 0.0), row.given.get("slow_after")
            return differences(row.then, {"outcome": outcome_of(fault, took, slow_after=slow_after)})
        case "instant":
            return differences(row.then, {"open_until": open_until(fault, row.given.get("now", 0.0))})
        case verb:
            raise TableError(f"when must be outcome or instant, got {verb!r}")
