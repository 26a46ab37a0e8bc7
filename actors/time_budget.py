"""One budget of time for a whole job: handed down, checked between stages, never reset.

It is an hourglass that stands beside the job, not one for each stage: a retry, a fallback and a stage of their own all
take from the same sand. It is Trio's deadline and nothing beside it, so it reaches through every ask to an actor, ends
whatever waits, and a budget within a budget can only be shorter.

    with time_budget(30) as budget:
        pages = await search(question)
        budget.check("summary", needs=5)     OutOfTime: not begun, since 5 s are not left
        return await summarize(pages)

A stage that is under way when the time ends is cancelled, and the block raises `trio.TooSlowError`: something was sent.
A stage that is not begun raises `OutOfTime`: nothing of it was. Clean-up that is shielded is beyond any budget.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio

from actors.errors import OutOfTime
from actors.policies.instants import check_number


@attrs.frozen
class TimeBudget:
    """The time a job has. Make one with `time_budget`.

    Args:
        deadline: instant at which it is used up.
    """

    deadline: float

    @property
    def left(self) -> float:
        """Seconds that are left, >= 0, of it or of whatever around the caller is shorter."""
        return min(max(0.0, self.deadline - trio.current_time()), time_left())

    def check(self, stage: str, *, needs: float = 0.0) -> None:
        """See that there is time for a stage; call it between two of them.

        Args:
            stage: what is to begin, for the error.
            needs: seconds below which it is not worth beginning.

        Raises:
            OutOfTime: no time is left, or less than it needs.
            TypeError, ValueError: `needs` is no finite number, or negative.
        """
        _check(self.left, stage, needs)


@contextmanager
def time_budget(seconds: float) -> Generator[TimeBudget]:
    """Give the block `seconds`, or what is left around it if that is less.

    Raises:
        trio.TooSlowError: the time ended while the block was at work.
        TypeError, ValueError: `seconds` is no number, or negative.
    """
    if check_number("seconds", seconds) < 0:
        raise ValueError(f"seconds must be >= 0, got {seconds}")
    length = min(seconds, time_left())
    with trio.CancelScope(deadline=trio.current_time() + length) as scope:
        yield TimeBudget(scope.deadline)
    if scope.cancelled_caught:
        raise trio.TooSlowError(f"the budget of {length:g} s is used up")


def time_left() -> float:
    """Return how many seconds are left before the nearest deadline around the caller, >= 0; infinite without one."""
    return max(0.0, trio.current_effective_deadline() - trio.current_time())


def check_time(stage: str, *, needs: float = 0.0) -> None:
    """See that there is time for a stage, whoever set the deadline; `TimeBudget.check` for those who hold no budget.

    Raises:
        OutOfTime: no time is left, or less than it needs.
        TypeError, ValueError: `needs` is no finite number, or negative.
    """
    _check(time_left(), stage, needs)


def _check(left: float, stage: str, needs: float) -> None:
    if not 0 <= check_number("needs", needs) < math.inf:
        raise ValueError(f"needs must be >= 0 and finite, got {needs}")
    if left <= 0:
        raise OutOfTime(f"no time is left for {stage}")
    if left < needs:
        raise OutOfTime(f"{stage} needs {needs:g} s, {left:g} s are left")
