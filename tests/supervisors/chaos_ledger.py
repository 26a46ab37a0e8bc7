"""What a chaos run writes down by itself: each message as its sender and its handlers saw it, and each life on stage.

The ledger is the witness that the kernel's books are held against. It never asks the kernel what happened; it is told
by the senders what they got and by the actors what they did.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import attrs
import trio

from actors.kernel import DeadLetter, Fate
from actors.kernel.message import OpSpec
from supervisors import (
    ChildCrashed,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    LifecycleEvent,
)

Verb = Literal["ask", "tell", "stream"]
Outcome = Literal[
    "gone",  # the sender went away before it knew; every message begins like this
    "answered",
    "declared",  # an error the op declares
    "interrupted",
    "quarantined",
    "stopped",  # turned away by an actor that has ended
    "full",  # turned away by a full mailbox
    "queued",  # a tell that was taken in
    "unsent",  # refused before it was sent: it would have waited for itself
]

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

PROBLEMS_KEPT = 20
"""Problems told of; a broken run breaks the same claim thousands of times."""


@attrs.define(eq=False)
class Letter:
    """One message of a sender.

    Args:
        key: its number over all senders, in the order of sending.
        sender: who sent it.
        verb: how.
        spec: the op it asks for; None for what is asked of a supervisor.
        begun: how often an op began to handle it.
        done: how often one came to its end.
        failed: how often one raised its declared error.
        undone: how often its value was handed back, as its asker had gone.
        outcome: what the sender got to know.
        dead: its fate as a dead letter, or None.
    """

    key: int
    sender: str
    verb: Verb
    spec: OpSpec | None
    begun: int = 0
    done: int = 0
    failed: int = 0
    undone: int = 0
    outcome: Outcome = "gone"
    dead: Fate | None = None

    def __str__(self) -> str:
        op = "a supervisor" if self.spec is None else self.spec.name
        return (
            f"message {self.key} ({self.verb} {op} of {self.sender}: {self.outcome}, begun {self.begun},"
            f" done {self.done}, failed {self.failed}, dead {self.dead})"
        )


@attrs.define(eq=False)
class Life:
    """One incarnation of one actor that got as far as its `setup`."""

    path: str
    slot: object
    incarnation: int
    is_heir: bool = False
    state: Literal["setting up", "failed", "up", "tearing down", "down"] = "setting up"


@attrs.define(eq=False)
class Ledger:
    """Everything that was seen.

    Args:
        letters: the messages of the senders.
        errands: what was asked of supervisors.
        lives: the incarnations that got as far as `setup`.
        problems: the claims that were seen to break, while it happened.
        timers: messages of timers that began, ended, and died by fate.
        playing: the roles that are up, as their supervisors tell it.
        recalled: the roles that must end before any of their group is set up again, and since when.
        dismissed: the roles that are being stopped by hand: no group waits for them.
    """

    letters: list[Letter] = attrs.field(factory=list[Letter])
    errands: list[Letter] = attrs.field(factory=list[Letter])
    lives: list[Life] = attrs.field(factory=list[Life])
    problems: list[str] = attrs.field(factory=list[str])
    timers: Counter[str | Fate] = attrs.field(factory=Counter[str | Fate])
    playing: dict[str, None] = attrs.field(factory=dict[str, None])
    recalled: dict[str, float] = attrs.field(factory=dict[str, float])
    dismissed: set[str] = attrs.field(factory=set[str])
    _milestone: int = -1
    _is_reached: trio.Event = attrs.field(factory=trio.Event)
    _fallen: str = ""
    _fell: dict[str, float] = attrs.field(factory=dict[str, float])
    _estates: dict[object, object] = attrs.field(factory=dict[object, object])
    _owed: set[object] = attrs.field(factory=set[object])
    _on_stage: dict[str, Life] = attrs.field(factory=dict[str, Life])
    _latest: dict[tuple[object, str], int] = attrs.field(factory=dict[tuple[object, str], int])

    def problem(self, text: str) -> None:
        """Note that a claim broke."""
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)

    # messages

    def write(self, sender: str, verb: Verb) -> Letter:
        """Enter a message that is about to be sent."""
        letter = Letter(len(self.letters), sender, verb, None)
        self.letters.append(letter)
        if letter.key == self._milestone:
            self._is_reached.set()
        return letter

    async def reached(self, count: int) -> None:
        """Wait until `count` messages are sent; one waits at a time."""
        self._milestone, self._is_reached = count - 1, trio.Event()
        if len(self.letters) < count:
            await self._is_reached.wait()

    def errand(self) -> Letter:
        """Enter something that is about to be asked of a supervisor."""
        letter = Letter(len(self.errands), "the hands", "ask", None)
        self.errands.append(letter)
        return letter

    def begin(self, key: int, slot: object) -> Letter:
        """Enter that an op begins to handle a message; those of one sender come in order, over all incarnations."""
        letter = self.letters[key]
        letter.begun += 1
        spec = letter.spec
        if letter.begun == 1 and spec is not None and spec.kind != "stream" and not spec.concurrent:
            before = self._latest.get((slot, letter.sender), -1)
            if before > key:
                self.problem(f"{letter} was handled after message {before} of the same sender")
            self._latest[slot, letter.sender] = key
        return letter

    def bury(self, dead: DeadLetter) -> None:
        """Enter a dead letter of the kernel's books."""
        key: Any = getattr(dead.message, "key", None)
        if key is None:
            self.timers[dead.fate] += 1
            return
        letter = self.letters[key]
        if letter.dead is not None:
            self.problem(f"{letter} died a second time, {dead.fate.name.lower()}")
        letter.dead = dead.fate

    # lives

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
        self.lives.append(life)
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
