"""Whether a failed call is tried again, why not, and from when on it could make sense.

    given    policy; or profile, of which the fault picks a strategy; or strategy, of the standard or another profile
             fault, attempt, started, now, deadline, load
    when     "decide", with many throws that must decide alike; "strategy" for the name of the strategy alone
    then     decision ("retry" or "give up"), reason, retry_at; least and most, the bounds of a retry_at that is drawn;
             strategy

Instants are seconds. Where a row gives no policy, no profile and no strategy, the default policy is meant.
"""

from __future__ import annotations

from typing import Final

from actors.policies.retry.retry import GiveUp, Retry
from actors.policies.retry.strategies import strategy_for
from conformance.comparing import differences, out_of_bounds
from conformance.rows import Row, TableError, check_given
from conformance.topics.retrying import decide

THROWS: Final = 300


def check(row: Row) -> list[str]:
    """Hold the decision against a row."""
    match row.verb:
        case "strategy":
            check_given(row.given, frozenset({"kind"}))
            return differences(row.then, {"strategy": strategy_for(row.given["kind"])})
        case "decide":
            decisions = [decide(row.given, seed) for seed in range(THROWS)]
        case verb:
            raise TableError(f"when must be decide or strategy, got {verb!r}")
    sorts = {(type(decision), getattr(decision, "reason", None)) for decision in decisions}
    if len(sorts) > 1:
        return [f"it depends on the dice: {', '.join(sorted(str(sort) for sort in sorts))}"]
    bounds = {name: row.then[name] for name in ("least", "most") if name in row.then}
    rest = {name: value for name, value in row.then.items() if name not in bounds}
    return differences(rest, _told(decisions[0])) + _drawn(bounds, decisions)


def _told(decision: Retry | GiveUp) -> dict[str, object]:
    if isinstance(decision, Retry):
        return {"decision": "retry", "reason": None, "retry_at": None}
    return {"decision": "give up", "reason": decision.reason, "retry_at": decision.retry_at}


def _drawn(bounds: dict[str, float], decisions: list[Retry | GiveUp]) -> list[str]:
    if not bounds:
        return []
    instants = [each.retry_at for each in decisions if isinstance(each, GiveUp) and each.retry_at is not None]
    if len(instants) < THROWS:
        return ["it names no instant"]
    return out_of_bounds(bounds["least"], bounds["most"], instants)
