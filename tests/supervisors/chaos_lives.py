"""Who was on stage in a chaos run, when, and with whose state: as actors lived it and as supervisors told it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs
import trio

from supervisors import (
    ChildCrashed,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    LifecycleEvent,
)

NEEDS = {"web/breaker": ("web/limiter",), "web/caller": ("web/limiter", "web/breaker")}
"""Which roles of the tree need which others."""

KEEPERS = ("web/limiter", "bag/stays")
"""Which roles keep their state over restarts."""

RESTARTED_WITH = {
    "trio/first": ("trio/second", "trio/third"),
    "trio/second": ("trio/first", "trio/third"),
    "trio/third": ("trio/first", "trio/second"),
    "web/limiter": ("web/breaker", "web/caller"),
    "web/breaker": ("web/caller",),
}
"""Which roles end and start again when one fails, where neither places in the row nor stops by hand change that."""


@attrs.define(eq=False)
class Life:
    """One incarnation of one actor that got as far as its `setup`."""

    path: str
    slot: object
    incarnation: int
    is_heir: bool = False
    state: Literal["setting up", "failed", "up", "tearing down", "down"] = "setting up"


@attrs.define(eq=False)
class Lives:
    """All incarnations of a run, and what of them breaks a claim.

    Args:
        problem: told of each claim that breaks.
        seen: the incarnations that got as far as `setup`.
        playing: the roles that are up, as their supervisors tell it.
        recalled: the roles that must end before any of their group is set up again, and since when.
        dismissed: the roles that are being stopped by hand: no group waits for them.
    """

    problem: Callable[[str], object]
    seen: list[Life] = attrs.field(factory=list[Life])
    playing: dict[str, None] = attrs.field(factory=dict[str, None])
    recalled: dict[str, float] = attrs.field(factory=dict[str, float])
    dismissed: set[str] = attrs.field(factory=set[str])
    _on_stage: dict[str, Life] = attrs.field(factory=dict[str, Life])
    _fallen: str = ""
    _fell: dict[str, float] = attrs.field(factory=dict[str, float])
    _estates: dict[object, object] = attrs.field(factory=dict[object, object])
    _owed: set[object] = attrs.field(factory=set[object])

    def enter(self, path: str, slot: object, incarnation: int, *, is_wanted: bool, is_heir: bool) -> Life:
        """Enter that a `setup` begins.

        The last life of the same role must be over, what the role needs be up, and a group that restarts be down; one
        that was asked to stop while it started does not count. It begins with the state of the last one, if there is.
        """
        life = Life(path, slot, incarnation, is_heir)
        before = self._on_stage.get(path)
        if before is not None:
            self.problem(
                f"incarnation {incarnation} of {path} was set up at {trio.current_time():g} while incarnation"
                f" {before.incarnation} was {before.state}"
            )
        if is_wanted:
            self._check_company(path, incarnation)
        if slot in self._owed:
            self.problem(
                f"incarnation {incarnation} of {path} began, and the last one was not asked for its state"
            )
        if slot in self._estates and not is_heir:
            self.problem(f"incarnation {incarnation} of {path} began without the state of the last")
        self._on_stage[path] = life
        self.seen.append(life)
        return life

    def _check_company(self, path: str, incarnation: int) -> None:
        """Hold a start against what its supervisor knew; what it learned in this very instant may have come too late.

        A first incarnation can be one that is started by hand beside a group that restarts.
        """
        now, group = trio.current_time(), path.partition("/")[0]
        for need in NEEDS.get(path, ()):
            if need not in self.playing and self._fell.get(need, 0.0) < now:
                self.problem(f"{path} was set up at {now:g} without {need}, which it needs")
        for other, since in self.recalled.items():
            if incarnation > 1 and other.startswith(group + "/") and since < now:
                self.problem(f"{path} was set up again at {now:g} while {other} of its group had not ended")

    def bequeath(self, slot: object, state: object) -> None:
        """Enter what a life hands over; None if that failed."""
        self._owed.discard(slot)
        if state is not None:
            self._estates[slot] = state

    def inherit(self, path: str, slot: object, state: object) -> None:
        """Enter that a life is offered the state of the last one, whatever it makes of it."""
        left = self._estates.pop(slot, None)
        if left != state:
            self.problem(f"{path} was offered the state {state}, and {left} was handed over")

    def leave(self, life: Life, state: Literal["failed", "down"]) -> None:
        """Enter that a life is over."""
        life.state = state
        if state == "down" and life.path in KEEPERS:
            self._owed.add(life.slot)
        if self._on_stage.get(life.path) is life:
            del self._on_stage[life.path]

    def begin_teardown(self, life: Life) -> None:
        """Enter that a `teardown` begins."""
        if life.state != "up":
            self.problem(f"incarnation {life.incarnation} of {life.path} was torn down while {life.state}")
        life.state = "tearing down"

    # what the supervisors tell

    def observe(self, event: LifecycleEvent) -> None:
        """Enter what a supervisor tells of a child."""
        group = event.supervisor.rpartition("/")[2]
        path = f"{group}/{event.child}"
        match event:
            case ChildStarted(state=heritage):
                if path in self.playing:
                    self.problem(f"{path} was started twice")
                self.playing[path] = None
                if event.incarnation == 1:  # one that was starting when it was dismissed may get so far
                    self.dismissed.discard(path)
                life = self._on_stage.get(path)
                if life is not None and (heritage == "kept") != life.is_heir:
                    self.problem(f"{path} started {heritage}, and its state says otherwise")
            case ChildCrashed() | ChildStopped() | ChildOverdue():
                self._fallen = path if path in self.playing else ""
                self._fell[path] = event.at
                self.playing.pop(path, None)
                self.recalled.pop(path, None)
            case ChildRestarting() if path == self._fallen:  # a start that failed takes nobody down
                for other in RESTARTED_WITH.get(path, ()):
                    if other in self.playing and other not in self.dismissed:
                        self.recalled.setdefault(other, event.at)
            case _:
                pass
