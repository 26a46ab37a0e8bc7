"""The watch over stuck workers against a model that looks at everybody all the time.

Time stands in whole seconds here, so that many things happen in the same instant.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from supervisors.pool.stuckness import Sight, StuckWatch

WORKERS = ("a", "b", "c")
STUCK_AFTER = 5.0

worker_names = st.sampled_from(WORKERS)


class WatchMachine(RuleBasedStateMachine):
    """Workers take messages, work and rest as they like; the model knows since when each op is at work."""

    make: Callable[[], StuckWatch] = staticmethod(lambda: StuckWatch(STUCK_AFTER))

    def __init__(self) -> None:
        super().__init__()
        self.watch = self.make()
        self.now = 0.0
        self.ops: dict[str, list[float]] = {worker: [] for worker in WORKERS}
        self.waiting = dict.fromkeys(WORKERS, 0)
        self.quiet_since = dict.fromkeys(WORKERS, 0.0)
        self.gone: set[str] = set()
        self.found: list[tuple[str, float]] = []

    def sight(self, worker: str) -> Sight:
        return Sight(min(self.ops[worker], default=None), self.waiting[worker])

    def look(self, worker: str) -> None:
        was_gone = worker in self.gone
        is_stuck = any(since + STUCK_AFTER <= self.now for since in self.ops[worker])
        assert self.watch.look(worker, self.sight(worker), self.now) == (is_stuck and not was_gone)
        if is_stuck and not was_gone:
            self.found.append((worker, self.now))
            self.gone.add(worker)

    @rule(worker=worker_names)
    def give(self, worker: str) -> None:
        """Give a worker a message, and look at it where the watch wants it."""
        self.waiting[worker] += 1
        if self.watch.is_resting(worker):
            self.look(worker)

    @rule(worker=worker_names)
    def look_once_more(self, worker: str) -> None:
        """Look although nobody has to: several messages of one instant may each ask for a look."""
        self.look(worker)

    @rule(worker=worker_names)
    def begin(self, worker: str) -> None:
        if self.waiting[worker] and worker not in self.gone:
            self.waiting[worker] -= 1
            self.ops[worker].append(self.now)

    @rule(worker=worker_names, index=st.integers(0, 3))
    def end(self, worker: str, index: int) -> None:
        if index < len(self.ops[worker]):
            del self.ops[worker][index]

    @rule(worker=worker_names)
    def replace(self, worker: str) -> None:
        """Let a stuck worker be replaced; what waited still does."""
        if worker in self.gone:
            self.gone.discard(worker)
            self.ops[worker] = []
            self.watch.resume(worker)
            self.look(worker)

    @rule(worker=worker_names)
    def crash(self, worker: str) -> None:
        """Let a worker be away until it is back."""
        if worker not in self.gone:
            self.gone.add(worker)
            self.ops[worker] = []
            self.watch.suspend(worker)

    @rule(seconds=st.integers(0, 12))
    def pass_time(self, seconds: int) -> None:
        """Let time pass, from look to look: at each the watch must move on, and to a later one."""
        until = self.now + seconds
        while self.watch.next_look() <= until:
            self.now = self.watch.next_look()
            self.note_quiet()
            for worker in self.watch.due(self.now):
                self.look(worker)
            assert self.watch.next_look() > self.now
        self.now = until

    @invariant()
    def nobody_is_overlooked(self) -> None:
        for worker in set(WORKERS) - self.gone:
            assert all(self.now - since < STUCK_AFTER for since in self.ops[worker])

    @invariant()
    def nobody_looks_at_who_is_away_or_has_been_idle_for_long(self) -> None:
        self.note_quiet()
        long = [worker for worker in WORKERS if self.now - self.quiet_since[worker] > STUCK_AFTER]
        assert all(self.watch.is_resting(worker) for worker in long if worker not in self.gone)
        if set(long) | self.gone == set(WORKERS):
            assert self.watch.next_look() == math.inf

    def note_quiet(self) -> None:
        for worker in WORKERS:
            if self.ops[worker] or self.waiting[worker] or worker in self.gone:
                self.quiet_since[worker] = self.now

    def teardown(self) -> None:
        assert len(self.found) == len(set(self.found))
