"""Tell what happens to the children of one supervisor, to whoever wants to know."""

from __future__ import annotations

import attrs
import trio

from actors.kernel.heritage import Heritage
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
)
from supervisors.restart import Escalate
from supervisors.scope import Scope


@attrs.frozen
class Reporter:
    """Makes the events of one supervisor and hands them over, in the order in which things happen.

    Args:
        scope: where the supervisor stands in its tree, and who is told.
    """

    scope: Scope

    @property
    def supervisor(self) -> str:
        """The supervisor's path."""
        return self.scope.path

    def started(self, child: Child, state: Heritage) -> None:
        """Tell that a child serves."""
        self.scope.tell(ChildStarted(*self._about(child), state, trio.current_time()))

    def ended(self, child: Child, exit_: Exit) -> None:
        """Tell how an incarnation ended."""
        went_well = exit_.error is None or exit_.reason == "declined"
        error = "" if went_well else type(exit_.error).__name__
        now = trio.current_time()
        if exit_.reason == "crashed":
            self.scope.tell(ChildCrashed(*self._about(child), error, now))
        else:
            self.scope.tell(ChildStopped(*self._about(child), exit_.reason, error, now))

    def restarting(self, child: Child, delay: float) -> None:
        """Tell that a child waits for its next incarnation."""
        self.scope.tell(ChildRestarting(*self._about(child), delay, trio.current_time()))

    def overdue(self, child: Child) -> None:
        """Tell that a child is left behind."""
        self.scope.tell(ChildOverdue(*self._about(child), child.grace, trio.current_time()))

    def given_up(self, child: Child, decision: Escalate) -> None:
        """Tell that a budget is spent."""
        now, spent = trio.current_time(), decision.intensity
        self.scope.tell(ChildGivenUp(*self._about(child), decision.budget, spent.restarts, spent.period, now))

    def escalated(self, child: Child) -> None:
        """Tell that the supervisor ends with an error."""
        self.scope.tell(Escalated(self.supervisor, child.id, trio.current_time()))

    def auto_shutdown(self, child: Child) -> None:
        """Tell that the supervisor ends because its significant children have."""
        self.scope.tell(AutoShutDown(self.supervisor, child.id, trio.current_time()))

    def _about(self, child: Child) -> tuple[str, str, int]:
        return self.supervisor, child.id, child.slot.incarnation
