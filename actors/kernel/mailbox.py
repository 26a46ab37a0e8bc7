"""The bounded mailbox that envelopes travel through.

The mailbox is a Trio memory channel with accounts: it knows how full it is, keeps the tally of its actor's messages
and gives every envelope its fate. It belongs to the actor's slot, not to an incarnation, so what lies in it survives
a restart in order.

The system lane is not in here on purpose. `wake` hands the sleeping reader nothing but a nudge, which needs no room,
so stop, watch and inspection can neither be blocked nor evicted by user messages.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Any, Literal

import attrs
import trio

from actors.errors import ActorStopped, MailboxFull, NotDelivered
from actors.kernel import endings
from actors.kernel.activity import Activity, Awaited, awaited_by
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Books, Fate, Tally
from actors.kernel.reply import Reply

DEFAULT_CAPACITY = 64
"""Messages a mailbox holds before senders wait: enough to ride out a burst, small enough to feel back-pressure."""

Overflow = Literal["wait", "refuse", "drop_oldest", "drop_newest"]
"""What a full mailbox does with one more message."""


class Delivery(enum.Enum):
    """What became of a `tell` at the mailbox."""

    QUEUED = "queued"
    REFUSED = "refused"
    DROPPED = "dropped"
    UNDELIVERED = "undelivered"


@attrs.define(eq=False)
class Mailbox:
    """A bounded queue of envelopes in order of arrival, with accounts.

    Args:
        name: the actor's name.
        capacity: envelopes it holds.
        overflow: what a full mailbox does: "wait" lets senders wait, "refuse" turns the new message away,
            "drop_newest" does too but as an accepted loss, "drop_oldest" makes room.
        books: where dead letters go.
    """

    name: str
    capacity: int
    overflow: Overflow
    books: Books
    tally: Tally = attrs.field(init=False)
    holder: Activity | None = attrs.field(default=None, init=False)
    depth: int = attrs.field(default=0, init=False)
    is_closed: bool = attrs.field(default=False, init=False)
    _thread: int = attrs.field(factory=get_ident, init=False)
    _returned: deque[Envelope] | None = attrs.field(default=None, init=False)
    _line: OrderedDict[Envelope, Reply[None] | None] | None = attrs.field(default=None, init=False)
    _send: trio.MemorySendChannel[Envelope | None] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[Envelope | None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if type(self.capacity) is not int:
            raise TypeError(f"capacity must be a whole number, got {self.capacity!r}")
        if self.capacity < 1:
            raise ValueError(f"capacity must be >= 1, got {self.capacity}")
        if self.overflow not in {"wait", "refuse", "drop_oldest", "drop_newest"}:
            raise ValueError(
                f"overflow must be wait, refuse, drop_oldest or drop_newest, got {self.overflow!r}"
            )
        self.tally = self.books.open_tally()
        self._send, self._receive = trio.open_memory_channel[Envelope | None](self.capacity)

    def post(self, envelope: Envelope) -> Delivery | None:
        """Put `envelope` in, or say why not; None means that there is no room (see `line_up`).

        Whatever is returned but None is final: an envelope that was not queued has its fate.

        Raises:
            RuntimeError: this is not the actor's thread. Waking it from here would break its Trio run.
        """
        if get_ident() != self._thread:
            raise RuntimeError(
                f"actor {self.name!r} runs in another thread; reach it through trio.from_thread"
            )
        self.tally.sent += 1
        if self.is_closed:
            return self.turn_away(envelope)
        if self.depth >= self.capacity:
            if self.overflow == "wait":
                return None
            if self.overflow != "drop_oldest":
                return self.reject(envelope)
            self._drop_oldest()
            if self.depth >= self.capacity:  # more had been put back, or moved here, than there is room for
                self.line_up(envelope)
                return Delivery.QUEUED
        self._send.send_nowait(envelope)
        self.depth += 1
        return Delivery.QUEUED

    def line_up(self, envelope: Envelope, room: Reply[None] | None = None) -> None:
        """Let `envelope` wait outside until there is room, first come first served.

        An asker waits once, for room and answer together. A teller passes `room`, which is answered when its
        envelope is in, or has its fate. One whose sender leaves gives up its place (see `withdraw`).
        """
        if self._line is None:
            self._line = OrderedDict()
        self._line[envelope] = room

    def withdraw(self, envelope: Envelope, fate: Fate) -> None:
        """Settle an envelope whose sender has gone before it was read; what waits outside is kept no longer."""
        envelope.settle(fate)
        if self._line:
            self._line.pop(envelope, None)

    @property
    def waiting(self) -> int:
        """How many envelopes wait outside for room."""
        return 0 if self._line is None else len(self._line)

    def arrival(self) -> Awaitable[Envelope | None]:
        """Return what to await for the next envelope, None being a nudge; what comes is to be given to `taken`.

        It is the channel's own `receive`, so that an idle actor holds no frame of this class.
        """
        return self._return() if self._returned else self._receive.receive()

    async def _return(self) -> Envelope | None:
        await trio.lowlevel.checkpoint()
        # a sender may have pushed it out meanwhile
        return self._returned.popleft() if self._returned else None

    def get_nowait(self) -> Envelope | None:
        """Return the next envelope, or None when there is none."""
        if self._returned:
            return self.taken(self._returned.popleft())
        try:
            envelope = self._receive.receive_nowait()
        except trio.WouldBlock:
            return None
        if (
            envelope is not None
        ):  # as in `taken`, without a further call: every message of a batch passes here
            self.depth -= 1
            if self._line:
                self._admit(self._line)
        return envelope

    def taken(self, envelope: Envelope | None) -> Envelope | None:
        """Enter that `envelope` has left the mailbox, and return it."""
        if envelope is not None:
            self.depth -= 1
            if self._line:
                self._admit(self._line)
        return envelope

    def _admit(self, line: OrderedDict[Envelope, Reply[None] | None]) -> None:
        while line and self.depth < self.capacity:
            envelope, room = line.popitem(last=False)
            self._send.send_nowait(envelope)
            self.depth += 1
            if room is not None:
                room.answer(None)

    def put_back(self, *envelopes: Envelope) -> None:
        """Put envelopes at the head again, in order: their reader ended before it was done with them."""
        if not envelopes:
            return
        if self._returned is None:
            self._returned = deque()
        self._returned.extendleft(reversed(envelopes))
        self.depth += len(envelopes)

    def move_to(self, other: Mailbox) -> None:
        """Hand over all that lies here or waits outside to the mailbox of another actor, in order; see `pass_on`.

        Everything stays here if `other` is closed.
        """
        if not other.is_closed and other is not self:
            self.pass_on(lambda _message: other)

    def pass_on(self, choose: Callable[[Any], Mailbox]) -> None:
        """Hand over each message that lies here or waits outside to the mailbox chosen for it, in order.

        It comes after what lies there; what finds no room waits outside there, whatever that mailbox does with new
        messages. Nobody is asked to send again, and the moved messages count as sent to the other alone. What the
        other actor itself waits for stays here, as it would wait there for itself, and so does what is given to a
        mailbox that is closed, or to this one.

        Args:
            choose: returns the mailbox for a message; asked one after the other, when all before are in their places.
        """
        line, self._line = self._line or OrderedDict[Envelope, Reply[None] | None](), None
        moving: list[tuple[Envelope, Reply[None] | None]] = []
        while (envelope := self.get_nowait()) is not None:
            moving.append((envelope, None))
        moving += line.items()
        awaited: dict[Mailbox, set[Awaited]] = {}
        staying: list[Envelope] = []
        for envelope, room in moving:
            if envelope.fate is not None:
                continue
            other = choose(envelope.message)
            if other not in awaited:
                awaited[other] = awaited_by(other.holder)
            if other is self or other.is_closed or envelope in awaited[other]:
                staying.append(envelope)
                if room is not None:
                    room.answer(None)
            else:
                envelope.mailbox = other
                self.tally.sent -= 1
                other.tally.sent += 1
                other.admit(envelope, room)
        self.put_back(*staying)

    def admit(self, envelope: Envelope, room: Reply[None] | None) -> None:
        """Take in an envelope that is counted already; it waits outside if there is no room."""
        self.line_up(envelope, room)
        if self._line:
            self._admit(self._line)

    def wake(self) -> None:
        """Nudge the reader if it waits for an arrival."""
        if self._receive.statistics().tasks_waiting_receive:
            self._send.send_nowait(None)

    def refuse_new(self) -> None:
        """Take nothing more in; what lies here or waits outside can still be read."""
        self.is_closed = True

    def take_new(self) -> None:
        """Take messages in again, for the next incarnation."""
        self.is_closed = False

    def close(self, cause: BaseException | None = None) -> None:
        """Take nothing more in and turn away all that lies here or waits outside.

        Args:
            cause: what ended the actor; whoever waits for a message that had started is told.
        """
        self.is_closed = True
        while (envelope := self.get_nowait()) is not None:
            if envelope.fate is None:
                if envelope.has_started:
                    endings.interrupted(envelope, cause)
                else:
                    self.turn_away(envelope)
        self._send.close()
        self._receive.close()

    def turn_away(self, envelope: Envelope) -> Delivery:
        """Settle an envelope that finds its actor ended."""
        error = ActorStopped(
            f"{envelope.message!r} was not delivered: actor {self.name!r} has stopped",
            message=envelope.message,
            recipient=self.name,
        )
        fate = Fate.UNDELIVERED if envelope.is_tell else Fate.BOUNCED
        envelope.refuse(error, fate, "actor has stopped" if envelope.is_tell else "")
        self.books.count_late(self.tally, fate)
        return Delivery.UNDELIVERED

    def reject(self, envelope: Envelope) -> Delivery:
        """Settle an envelope that finds no room."""
        envelope.refuse(self._full(envelope), Fate.DROPPED, "mailbox is full")
        return Delivery.DROPPED if self.overflow == "drop_newest" else Delivery.REFUSED

    def _drop_oldest(self) -> None:
        oldest = self.get_nowait()
        if oldest is None or oldest.fate is not None:
            return
        if oldest.has_started:
            endings.interrupted(oldest, None)
        else:
            oldest.refuse(self._full(oldest), Fate.DROPPED, "made room for a newer message")

    def _full(self, envelope: Envelope) -> NotDelivered:
        return MailboxFull(
            f"{envelope.message!r} was not delivered: the mailbox of {self.name!r} holds its {self.capacity}",
            message=envelope.message,
            recipient=self.name,
        )
