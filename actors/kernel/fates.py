"""What becomes of every message: eight fates, counted, and books that must balance.

Every message that someone tried to send ends in exactly one fate:

    handled       its op ran and its answer, if one was wanted, was received
    failed        its op answered with one of its declared errors
    interrupted   its op had started when the actor ended: the outcome is unknown
    bounced       an ask or stream that was never handled; the asker has the message back
    undelivered   a tell that was never handled
    dropped       turned away by a full mailbox that is set to refuse or to drop
    expired       its deadline passed first
    cancelled     its asker went away first; an answer that came too late was handed to the op's `undo`

`sent == sum of fates + still open`, at any moment. At the end of a run nothing may be open.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import attrs

DEAD_LETTERS_KEPT = 1000
"""Dead letters the books keep for inspection; older ones are only counted."""


class Fate(enum.IntEnum):
    """How a message ended. The values index a tally."""

    HANDLED = 0
    FAILED = 1
    INTERRUPTED = 2
    BOUNCED = 3
    UNDELIVERED = 4
    DROPPED = 5
    EXPIRED = 6
    CANCELLED = 7


@attrs.frozen
class DeadLetter:
    """A message whose sender may never learn what became of it.

    Args:
        message: the message, whole; its repr shows no text it carries.
        recipient: the name of the actor it was addressed to.
        fate: how it ended.
        reason: why, in a few words.
        error: the exception involved, or None.
    """

    message: object
    recipient: str
    fate: Fate
    reason: str
    error: BaseException | None = None


@attrs.define(eq=False, weakref_slot=False)  # there is one for each actor
class Tally:
    """The count of one actor's messages by fate. `open` is what is still on its way."""

    sent: int = 0
    counts: list[int] = attrs.field(factory=lambda: [0] * len(Fate))

    @property
    def open(self) -> int:
        """Messages that have no fate yet."""
        return self.sent - sum(self.counts)

    def snapshot(self) -> FateCounts:
        """Return the counts as a frozen value."""
        return FateCounts(
            self.sent, {fate: count for fate, count in zip(Fate, self.counts, strict=True) if count}
        )


@attrs.frozen
class FateCounts:
    """Messages sent and how they ended; fates that did not occur are left out."""

    sent: int
    fates: Mapping[Fate, int]

    @property
    def open(self) -> int:
        """Messages that have no fate yet."""
        return self.sent - sum(self.fates.values())


@attrs.define(eq=False)
class Books:
    """The accounts of all actors of a run: every tally, and the dead letters.

    They are what an auditor asks for at closing time. They are not a log: only counts and the last dead letters are
    kept. Books are made by whoever opens the outermost actor or tree, and found by those inside through a context
    variable, so that there is no global state.

    Args:
        on_dead_letter: called with each dead letter, in the task that made it; it must not raise.
    """

    on_dead_letter: Callable[[DeadLetter], object] | None = None
    dead_letters: deque[DeadLetter] = attrs.field(factory=lambda: deque(maxlen=DEAD_LETTERS_KEPT), init=False)
    _live: set[Tally] = attrs.field(factory=set[Tally], init=False)
    _closed: Tally = attrs.field(factory=Tally, init=False)

    def open_tally(self) -> Tally:
        """Return a new tally that counts into these books."""
        tally = Tally()
        self._live.add(tally)
        return tally

    def close_tally(self, tally: Tally) -> None:
        """Carry over a tally whose actor has ended and has no open message."""
        if tally.open:
            return  # stays live, so that the imbalance shows
        self._live.discard(tally)
        self._closed.sent += tally.sent
        self._closed.counts = [a + b for a, b in zip(self._closed.counts, tally.counts, strict=True)]

    def count_late(self, tally: Tally, fate: Fate) -> None:
        """Count a message to an actor that has ended: its own tally was carried over already."""
        if tally not in self._live:
            self._closed.sent += 1
            self._closed.counts[fate] += 1

    def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter and pass it on."""
        self.dead_letters.append(letter)
        if self.on_dead_letter is not None:
            self.on_dead_letter(letter)

    def totals(self) -> FateCounts:
        """Return the counts over all actors, ended ones included."""
        total = Tally()
        for tally in (self._closed, *self._live):
            total.sent += tally.sent
            total.counts = [a + b for a, b in zip(total.counts, tally.counts, strict=True)]
        return total.snapshot()

    def check_balanced(self) -> None:
        """Check that every message has its fate.

        Raises:
            AssertionError: some message is still open, or was counted twice.
        """
        totals = self.totals()
        if any(tally.open for tally in self._live):  # each by itself, lest a loss make up for a double count
            raise AssertionError(
                f"the books do not balance: {totals.sent} sent, {totals.open} without a fate; {totals.fates}"
            )


_ambient: ContextVar[Books | None] = ContextVar("understudy_books", default=None)


@contextmanager
def open_books(books: Books | None = None) -> Generator[Books]:
    """Make `books` (or new ones) the ambient books of the block: actors opened inside count into them."""
    books = Books() if books is None else books
    token = _ambient.set(books)
    try:
        yield books
    finally:
        _ambient.reset(token)


def current_books() -> Books:
    """Return the ambient books, or new ones where there are none."""
    return _ambient.get() or Books()
