"""Which faults somebody else may answer better: decided from the fault's row, as data.

A fallback is worth it when the fault lies with the service that was asked, and not when the call itself is at fault: a
bad request, a wrong key or a prompt that breaks the rules fails everywhere alike.

    what became of the call                                 falls back
    its row names a stand-in: a smaller model, another      yes: overloads, timeouts, broken connections, rates and
      provider, an old answer                                 quotas, server's faults, a store that is down
    an answer of no use, an actor that has ended, a fault   yes: another may do better
      that nobody knows, if it is said that it may pass
    not made: no capacity, a breaker that is open           yes: the next one has limits and a breaker of its own
    not made: the time for the whole job is used up         no: the next one has no more of it
    too large for the context window                        only to a larger window, or with less to read
    anything else                                           no: the caller's mistake, or ours

Not found is among the last although a model may be the cause: a chain with a model that does not exist is a setting to
mend, not a fault to survive. So is a conflict: what changed meanwhile has changed for everybody.
"""

from __future__ import annotations

from typing import Final

from actors.errors import BreakerOpen, NeverFits, NoneAdmitted, OutOfTime, Rejected
from actors.faults import FallbackStrategy, Fault, FaultKind

STANDS_IN: Final[frozenset[FallbackStrategy]] = frozenset({"smaller_model", "other_provider", "stale_cache"})
"""Strategies that another service carries out; the others need another call, or nothing helps."""

PASSING: Final[frozenset[FaultKind]] = frozenset({"validation", "unknown", "internal"})
"""Kinds without a stand-in that have one where the fault says of itself that it may pass: then it was the answer that
was not valid and not the question, or somebody knows better than we do, or it is an actor that has ended."""

ACCOUNTS: Final[frozenset[FaultKind]] = frozenset({"spend_limited"})
"""Kinds that lie with the account: the money is spent, and no model of that account has any."""


def falls_back(fault: Fault, *, same_account: bool = False) -> bool:
    """Return whether the next of a chain should be tried after `fault`.

    Args:
        fault: what became of the call.
        same_account: whether the next one is paid from the same account, as another model of one provider is.
    """
    if same_account and fault.kind in ACCOUNTS:
        return False
    return fault.fallback in STANDS_IN or (fault.retryable and fault.kind in PASSING)


def falls_back_from(rejected: Rejected) -> bool:
    """Return whether the next of a chain should be tried after a call that was not made."""
    return not isinstance(rejected, OutOfTime)


def reason_of(why: Fault | Rejected) -> str:
    """Return why one was passed over, in a few words that name no host, key or text."""
    match why:
        case Fault(kind=kind, status=status):
            return kind.replace("_", " ") + (f" ({status})" if status is not None else "")
        case BreakerOpen(state=state):
            return f"breaker {state.replace('_', ' ')}"
        case OutOfTime():
            return "out of time"
        case NeverFits():
            return "too large for its limits"
        case NoneAdmitted():
            return "nobody of its chain could be asked"
        case _:
            return "no capacity in time"
