"""What a fault says of the service it came from, for a breaker: one table, as data, with a reason for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from actors.faults import Fault, FaultKind
from actors.policies.breaker.records import Outcome
from actors.policies.instants import add_up


@attrs.frozen
class OutcomeRow:
    """What a kind of fault says of the service.

    Args:
        outcome: whether it is ill, or nothing is said of it.
        reason: why that is so.
        names_instant: whether a time to wait that comes with it means that no call will succeed before.
    """

    outcome: Outcome
    reason: str
    names_instant: bool = False


def _ill(reason: str, *, names_instant: bool = False) -> OutcomeRow:
    return OutcomeRow("failure", reason, names_instant)


def _neutral(reason: str, *, names_instant: bool = False) -> OutcomeRow:
    return OutcomeRow("neutral", reason, names_instant)


OUTCOME_ROWS: Mapping[FaultKind, OutcomeRow] = MappingProxyType(
    {
        "network_timeout": _ill("it did not answer in time"),
        "network_refused": _ill("nobody answers there"),
        "network_reset": _ill("it hung up"),
        "dns": _ill("its name is not known, so nobody reaches it"),
        "stream_interrupted": _ill("it broke off in the middle of an answer"),
        "overloaded": _ill(
            "it has more to do than it can, and more calls make that worse", names_instant=True
        ),
        "server_error": _ill("it says itself that it failed", names_instant=True),
        "database": _ill("the store is locked, full or broken"),
        "unknown": _ill("nobody can name it, and an outage of a new kind must not go unseen"),
        # It answers, quickly and correctly, and asks us to slow down: the limiter and the cooldown see to that.
        "rate_limited": _neutral("it is well, and we are too fast"),
        "acceleration_limited": _neutral("it is well, and we became faster too soon"),
        "quota_exhausted": _neutral("it is well, and our share of it is used up", names_instant=True),
        "spend_limited": _neutral("it is well, and our money is spent", names_instant=True),
        "auth_error": _neutral("it is well, and does not know us"),
        "permission_denied": _neutral("it is well, and does not let us"),
        "not_found": _neutral("it is well, and we asked for what is not there"),
        "invalid_request": _neutral("it is well, and the caller made a mistake"),
        "context_length": _neutral("it is well, and the caller sent too much"),
        "content_filtered": _neutral("it is well, and will not answer this"),
        "conflict": _neutral("it is well, and somebody else was quicker"),
        "validation": _neutral("it is well, and what was said is not in the form that was agreed"),
        "cache_miss": _neutral("it is well, and does not have it"),
        "internal": _neutral("the mistake is ours"),
    }
)
"""The row of each kind. A call that was cancelled is no fault, and neutral."""


def outcome_of(fault: Fault | None, took: float = 0.0, *, slow_after: float | None = None) -> Outcome:
    """Return what a call says of the service.

    A breaker sees by itself how long its calls take, as a whole; `took` is for who measures something else, such as the
    time to the first token.

    Args:
        fault: what went wrong, or None for nothing.
        took: seconds that the call took.
        slow_after: seconds from which on an answer is slow; None where nobody judges that.
    """
    if fault is not None:
        return OUTCOME_ROWS[fault.kind].outcome
    return "slow" if slow_after is not None and took >= slow_after else "success"


def open_until(fault: Fault | None, now: float) -> float | None:
    """Return the instant before which no call will succeed, where the service named one.

    A 429 names a time, too, but not for everybody: the limiter lets fewer calls through, and the cooldown none for a
    while. A breaker that opened as well would let one through at the end of it where a dozen would be welcome.
    """
    if fault is None or fault.retry_after is None or not OUTCOME_ROWS[fault.kind].names_instant:
        return None
    return add_up(now, fault.retry_after)
