"""What a chaos run writes down by itself: each message as its sender and its handlers saw it.

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

PROBLEMS_KEPT = 20
"""Problems told of; a broken run breaks the same claim thousands of times."""


def step() -> int:
    """Return how often the present task has yielded."""
    return trio.lowlevel.current_task()._schedule_points


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
        sent_at: when it was sent, or will be in this instant.
        sent_in: the step of its sender's task in which it was sent.
        is_brief: whether its sender went away in that very instant.
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
    sent_at: float = attrs.field(factory=trio.current_time)
    sent_in: int = attrs.field(factory=step)
    is_brief: bool = False
    outcome: Outcome = "gone"
    dead: Fate | None = None

    def __str__(self) -> str:
        op = "a supervisor" if self.spec is None else self.spec.name
        return (
            f"message {self.key} ({self.verb} {op} of {self.sender}: {self.outcome}, begun {self.begun},"
            f" done {self.done}, failed {self.failed}, dead {self.dead})"
        )


@attrs.define(eq=False)
class Ledger:
    """Everything that was seen.

    Args:
        letters: the messages of the senders.
        errands: what was asked of supervisors.
        problems: the claims that were seen to break, while it happened.
        timers: messages of timers that began, ended, and died by fate.
    """

    letters: list[Letter] = attrs.field(factory=list[Letter])
    errands: list[Letter] = attrs.field(factory=list[Letter])
    problems: list[str] = attrs.field(factory=list[str])
    timers: Counter[str | Fate] = attrs.field(factory=Counter[str | Fate])
    _milestone: int = -1
    _is_reached: trio.Event = attrs.field(factory=trio.Event)
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
