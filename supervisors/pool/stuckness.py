"""When a worker is stuck, and when to look: pure decisions.

Theory of operation. A worker is stuck when an op of it has been at work for `stuck_after` seconds. To find that out in
the very instant, and to leave idle workers alone, each worker is in one of three states:

    resting     nobody looks at it; the next message that is given to it has somebody look
    watched     somebody looks at it at one instant, which is never later than the first at which it could be stuck
    suspended   it is not to be looked at: it was found stuck and is being replaced, or is not there

and a look, at the instant `now`, moves it:

    what is seen                                              becomes
    an op at work since s, and s + stuck_after <= now         stuck, and suspended
    an op at work since s, the oldest of several              watched until s + stuck_after
    none at work, but messages waiting                        watched until now + stuck_after
    nothing                                                   resting

An op that begins after a look cannot be stuck before `now + stuck_after`, so no look comes too late, whatever began
meanwhile. And nothing is polled: a worker costs at most one look per `stuck_after` while it works, one more when it has
become idle, and then none.
"""

from __future__ import annotations

import math

import attrs


@attrs.frozen
class Sight:
    """What a look at a worker shows.

    Args:
        since: instant at which its oldest running op began, seconds, or None when none is at work.
        waiting: messages that wait for it.
    """

    since: float | None
    waiting: int


@attrs.define(eq=False)
class StuckWatch:
    """Knows when to look at which worker.

    Args:
        stuck_after: seconds after which an op at work is stuck.

    Raises:
        TypeError: `stuck_after` is no number.
        ValueError: `stuck_after` is not positive and finite.
    """

    stuck_after: float
    _looks: dict[str, float] = attrs.field(factory=dict[str, float], init=False)

    def __attrs_post_init__(self) -> None:
        if type(self.stuck_after) not in (int, float):
            raise TypeError(f"stuck_after must be a number of seconds, got {self.stuck_after!r}")
        if not 0 < self.stuck_after < math.inf:
            raise ValueError(f"stuck_after must be > 0 and finite, got {self.stuck_after}")

    def is_resting(self, worker: str) -> bool:
        """Whether a message given to `worker` now has to be followed by a look."""
        return worker not in self._looks

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        """Note what is seen of `worker` at `now`; return whether it is stuck, which is said once."""
        if self._looks.get(worker) == math.inf:
            return False
        if sight.since is not None:
            due = sight.since + self.stuck_after
            self._looks[worker] = due if due > now else math.inf
            return due <= now
        if sight.waiting:
            self._looks[worker] = now + self.stuck_after
        else:
            self._looks.pop(worker, None)
        return False

    def suspend(self, worker: str) -> None:
        """Do not look at `worker` until it is resumed: it is being replaced, or not there."""
        self._looks[worker] = math.inf

    def resume(self, worker: str) -> None:
        """Let `worker` rest: it is there (again), or gone for good. A look is due if it has something to do."""
        self._looks.pop(worker, None)

    def next_look(self) -> float:
        """Return the instant of the next look, or infinity. Linear in the workers that are not resting."""
        return min(self._looks.values(), default=math.inf)

    def due(self, now: float) -> tuple[str, ...]:
        """Return the workers that are to be looked at by `now`, in the order in which they were given work."""
        return tuple(worker for worker, at in self._looks.items() if at <= now)
