"""The envelope: a message on its way, and what becomes of it.

It is settled once, and only through the methods here: that is what makes the books balance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import attrs
import trio

from actors.kernel.activity import Activity
from actors.kernel.fates import Books, DeadLetter, Fate, Tally
from actors.kernel.reply import Reply
from actors.kernel.stream import Feed


class Addressee(Protocol):
    """What an envelope knows of the mailbox it is addressed to."""

    @property
    def name(self) -> str:
        """The actor's name."""
        ...

    @property
    def tally(self) -> Tally:
        """Where its fate is counted."""
        ...

    @property
    def books(self) -> Books:
        """Where it becomes a dead letter."""
        ...

    @property
    def holder(self) -> Activity | None:
        """The activity that holds the mailbox, or None."""
        ...

    def withdraw(self, envelope: Envelope, fate: Fate) -> None:
        """Settle an envelope whose sender left before it was served."""
        ...


@attrs.define(eq=False)
class Envelope:
    """A message on its way: with the cell for its answer, its deadline and, in the end, its fate.

    Args:
        message: what is asked.
        mailbox: where it is addressed to.
        reply: the cell for the answer, or None for a tell.
        feed: where a stream's items go, or None.
        deadline: instant on the Trio clock after which nobody wants the answer; infinite where the op has no use
            for it: a plain op that answers at once.
        crashes: None as long as its op has not started; once it went back to the mailbox, the errors with which it
            has crashed incarnations, oldest first, none if it was cut short by the end of one.
        deferred_at: instant at which its answer was first deferred, if its op is idempotent and has done so.
    """

    message: Any
    mailbox: Addressee
    reply: Reply[Any] | None = None
    feed: Feed[Any] | None = None
    deadline: float = math.inf
    fate: Fate | None = None
    serving: Activity | None = None
    is_parked: bool = False
    on_abandon: Callable[[], object] | None = None
    crashes: tuple[Exception, ...] | None = None
    deferred_at: float | None = None

    @property
    def has_started(self) -> bool:
        """Whether it lies in a mailbox although its op has run before, so that its outcome is unknown."""
        return self.crashes is not None

    @property
    def blocker(self) -> Activity | None:
        """The activity this envelope waits for, or None when that is not known."""
        if self.fate is not None:
            return None
        return self.serving if self.is_parked else self.serving or self.mailbox.holder

    @property
    def label(self) -> str | None:
        """How what it waits for is shown: the op in its way, or its own where nobody works; None when it is settled."""
        if self.fate is not None:
            return None
        blocker = self.blocker
        return f"{self.mailbox.name}.{self.message.__op__.name}" if blocker is None else blocker.label

    @property
    def is_tell(self) -> bool:
        """Whether nobody waits for an answer."""
        return self.reply is None and self.feed is None

    @property
    def is_abandoned(self) -> bool:
        """Whether there was an asker or a consumer, and it has gone."""
        if self.reply is not None:
            return self.reply.is_abandoned
        return self.feed is not None and self.feed.is_left

    def abandon(self) -> None:
        """Note that the asker has gone: at once if it is still queued, through the actor if it is being served."""
        if self.fate is not None:
            return
        if self.on_abandon is not None:
            self.on_abandon()
        else:
            self.mailbox.withdraw(self, self.departure())

    def departure(self) -> Fate:
        """Return the fate of a message whose asker went away."""
        if self.reply is not None and self.reply.is_abandoned:
            return Fate.EXPIRED if self.reply.is_past_deadline else Fate.CANCELLED
        return Fate.EXPIRED if trio.current_time() >= self.deadline else Fate.CANCELLED

    def is_served_by(self, activity: Activity | None) -> bool:
        """Whether `activity` works for it; not any more once the incarnation around that was left behind."""
        return self.serving is activity

    def go_back(self) -> None:
        """Make it a queued one again, after its op had started: if its asker leaves now it is withdrawn at once."""
        self.serving, self.is_parked, self.on_abandon = None, False, None
        self.crashes = self.crashes or ()

    def handled(self) -> None:
        """Settle it as handled: the common case, on the shortest way."""
        if self.fate is not None:
            self.settle(Fate.HANDLED)
        self.fate = Fate.HANDLED
        self.mailbox.tally.counts[0] += 1

    def settle(self, fate: Fate, reason: str = "", error: BaseException | None = None) -> None:
        """Give it its one fate; one that its sender cannot see becomes a dead letter."""
        if self.fate is not None:
            raise RuntimeError(
                f"{self.message!r} has its fate already: {self.fate.name.lower()}, not {fate.name}"
            )
        self.fate = fate
        self.mailbox.tally.counts[fate] += 1
        if reason:
            self.mailbox.books.record(DeadLetter(self.message, self.mailbox.name, fate, reason, error))

    def refuse(self, error: Exception, fate: Fate, reason: str = "") -> None:
        """Settle it and answer whoever waits for it with `error`."""
        self.settle(fate, reason, error)
        self.answer_with(error)

    def answer_with(self, error: Exception) -> None:
        """Answer whoever waits for it with `error`."""
        if self.reply is not None:
            self.reply.fail(error)
        if self.feed is not None:
            self.feed.end(error)
