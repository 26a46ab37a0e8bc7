"""Tell an observer what happens to the children of one supervisor."""

from __future__ import annotations

import attrs
import trio

from actors.kernel.slot import Exit
from supervisors.child import Child
from supervisors.events import (
    AutoShutDown,
    ChildCrashed,
    ChildGivenUp,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    Escalated,
    Heritage,
    OnEvent,
)
from supervisors.restart import Escalate


@attrs.frozen
class Reporter:
    """Makes the events of one supervisor and hands them over, in the order in which things happen.

    Args:
        supervisor: the supervisor's name.
        on_event: who is told.
    """

    supervisor: str
    on_event: OnEvent

    def started(self, child: Child, state: Heritage) -> None:
        """Tell that a child serves."""
        self.on_event(ChildStarted(*self._about(child), state, trio.current_time()))

    def ended(self, child: Child, exit_: Exit) -> None:
        """Tell how an incarnation ended."""
        error = "" if exit_.error is None else type(exit_.error).__name__
        now = trio.current_time()
        if exit_.reason == "crashed":
            self.on_event(ChildCrashed(*self._about(child), error, now))
        else:
            self.on_event(ChildStopped(*self._about(child), exit_.reason, error, now))

    def restarting(self, child: Child, delay: float) -> None:
        """Tell that a child waits for its next incarnation."""
        self.on_event(ChildRestarting(*self._about(child), delay, trio.current_time()))

    def overdue(self, child: Child) -> None:
        """Tell that a child is left behind."""
        self.on_event(ChildOverdue(*self._about(child), child.grace, trio.current_time()))

    def given_up(self, child: Child, decision: Escalate) -> None:
        """Tell that a budget is spent."""
        now, spent = trio.current_time(), decision.intensity
        self.on_event(ChildGivenUp(*self._about(child), decision.budget, spent.restarts, spent.period, now))

    def escalated(self, child: Child) -> None:
        """Tell that the supervisor ends with an error."""
        self.on_event(Escalated(self.supervisor, child.id, trio.current_time()))

    def auto_shutdown(self, child: Child) -> None:
        """Tell that the supervisor ends because its significant children have."""
        self.on_event(AutoShutDown(self.supervisor, child.id, trio.current_time()))

    def _about(self, child: Child) -> tuple[str, str, int]:
        return self.supervisor, child.id, child.slot.incarnation
