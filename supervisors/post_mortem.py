"""What is said of the incarnations that failed, when a budget is spent: each by its error and notes on it."""

from __future__ import annotations

from actors.errors import EndedUnasked, RestartsExhausted
from actors.kernel.slot import Exit
from supervisors.child import Child
from supervisors.failures import Failures
from supervisors.restart import Escalate, Restart


def what_ended(child: Child, exit_: Exit, ran_for: float, decision: Restart | Escalate) -> Exception:
    """Return what ended an incarnation that costs a restart, with a note of which it was and what followed.

    Args:
        child: whose incarnation it was.
        exit_: how it ended.
        ran_for: seconds it had been serving.
        decision: what was decided then.
    """
    error = exit_.error
    if not isinstance(error, Exception):
        error = EndedUnasked(f"child {child.id!r} ended although it is permanent: {exit_.reason}")
    then = f"restarted after {decision.delay:g} s" if isinstance(decision, Restart) else "not restarted"
    error.add_note(f"incarnation {child.slot.incarnation} of {child.id!r}, which ran {ran_for:g} s; {then}")
    return error


def post_mortem(child: Child, spent: Escalate, failures: Failures, supervisor: str) -> RestartsExhausted:
    """Return the error of a supervisor that ends because a budget is spent.

    Args:
        child: the child that failed last.
        spent: the budget.
        failures: what was paid for out of it.
        supervisor: the path of the supervisor.
    """
    restarts, period = spent.intensity.restarts, spent.intensity.period
    whose = "its" if spent.budget == "child" else "its supervisor's"
    text = (
        f"child {child.id!r} of {supervisor!r} failed, and {whose} budget of {restarts} restarts"
        f" in {period:g} s is spent"
    )
    return failures.post_mortem(text, child=child.id, restarts=restarts, period=period)
