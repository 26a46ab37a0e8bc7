"""What goes into a breaker and what comes out of it: tickets, outcomes, refusals, changes, a snapshot."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

BreakerState = Literal["closed", "open", "half_open", "isolated", "disabled", "observe_only"]
"""closed: all pass. open: none pass, until an instant. half_open: probes pass. isolated: none pass, until somebody
lifts it by hand. disabled: all pass and nothing is counted. observe_only: all pass, and it tells when it would have
opened."""

BREAKER_STATES: tuple[BreakerState, ...] = get_args(BreakerState)

Outcome = Literal["success", "failure", "slow", "neutral"]
"""What a call says of the service: it is well; it is not; it answers, but too late; nothing (a 429, a caller that went
away, a caller's own mistake)."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@attrs.frozen
class Ticket:
    """Leave to make one call, and the name under which its outcome is told.

    Args:
        number: what tells it from every other ticket of its breaker.
        generation: the breaker's generation when it was given; a result of an older generation changes nothing.
        is_probe: whether it is one of the trial calls of a half-open breaker.
        admitted_at: instant at which it was given.
    """

    number: int
    generation: int
    is_probe: bool
    admitted_at: float


@attrs.frozen
class Refused:
    """The call must not be made.

    Args:
        state: why: "open", "half_open" (its probes are out) or "isolated".
        retry_at: instant from which asking again makes sense, or None for never by itself (isolated). While probes are
            out it is a guess: when they are expected back.
    """

    state: BreakerState
    retry_at: float | None


@attrs.frozen
class BreakerChange:
    """A breaker went from one state to another.

    Args:
        at: when.
        before: the state it left.
        after: the state it is in.
        generation: the generation that began with it.
        reason: in a few words that name no host, key or text, such as "3 failures in a row".
        retry_at: instant until which nobody passes, or None.
    """

    at: float
    before: BreakerState
    after: BreakerState
    generation: int
    reason: str
    retry_at: float | None


@attrs.frozen
class BreakerSnapshot:
    """Where a breaker stands.

    Args:
        state: the state.
        generation: how many states it has gone through.
        retry_at: instant from which asking again makes sense, or None when calls pass or never will by themselves.
        failures_in_row: failures since the last success.
        threshold: how many of them in a row trip it at present; None when they do not.
        calls: outcomes in the window that count.
        failure_rate: share of failures among them, 0 to 1; 0 when there are none.
        slow_rate: share of slow ones.
        in_flight: tickets that are out.
        probes: probes that are out.
        failed_probes: rounds of probes that failed, less what has decayed: what the open time grows with.
        admitted: tickets given since the start.
        refused: calls refused since the start.
        late: results that came for an older generation and changed nothing.
        opened: times it opened.
        would_have_opened: times it would have in observe_only, or had its role let it.
        settled: tickets that have come back; `admitted == settled + forgotten + in_flight`.
        forgotten: tickets that were given up after an hour.
        overdue: probes that were not back in time.
    """

    state: BreakerState
    generation: int
    retry_at: float | None
    failures_in_row: int
    threshold: int | None
    calls: int
    failure_rate: float
    slow_rate: float
    in_flight: int
    probes: int
    failed_probes: float
    admitted: int
    refused: int
    late: int
    opened: int
    would_have_opened: int
    settled: int = 0
    forgotten: int = 0
    overdue: int = 0
