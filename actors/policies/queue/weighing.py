"""Who is due: the leaders of the lines are put on the scales one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import attrs

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.records import Shortfall
from actors.policies.queue.book import Book
from actors.policies.queue.lanes import Waiting
from actors.policies.queue.waiting_lines import WaitingLines
from actors.policies.scope import Scope

Answer = TypeVar("Answer")

Rebook = Callable[[Claim, Booking, float], Booking]
"""From a claim, how it was booked when it was made, and the present, to how it would be booked now."""


def as_booked(_claim: Claim, booking: Booking, _now: float) -> Booking:
    """Leave a booking as it was made."""
    return booking


@attrs.define(eq=False)
class Weighing:
    """Brings a book and the waiting lines together: what has changed in the one wakes lines in the other.

    Only leaders of lines in which something has changed are weighed, and each that is short stays where it is short
    until something changes there: so a decision costs the same whoever else waits for whatever else.

    Args:
        book: knows amounts and instants.
        lines: know who waits.
        rebook: says how somebody who waits would be booked by what is known now.
    """

    book: Book
    lines: WaitingLines
    rebook: Rebook
    # The scopes whose leaders were weighed since anything was granted.
    _exact: set[Scope] = attrs.field(factory=set[Scope], init=False)

    def look_round(self, now: float) -> None:
        """Wake the lines in whose scope something came back, or an instant has come."""
        for scope in self.book.take_freed():
            self.lines.wake(scope)
        self.lines.wake_due(now)

    def next_due(
        self, now: float, ask: Callable[[Booking, tuple[Scope, ...], float], Answer | Shortfall]
    ) -> tuple[Waiting, Booking, Answer | Shortfall] | None:
        """Weigh leaders until one is not short any more, or is short for ever.

        Args:
            now: the present.
            ask: what to ask the book: `reserve`, or `shortfall` to only know.

        Returns:
            Who that is, the booking and the answer, which has to be told to the room; None when nobody is due.
        """
        while (lane := self.lines.next_to_weigh()) is not None:
            head = lane.head
            booking = self.rebook(head.claim, head.booking, now)
            answer = ask(booking, lane.scopes, now)
            if not isinstance(answer, Shortfall) or answer.available_at == math.inf:
                return head, booking, answer
            self.lines.expect(lane, answer.scope, answer.available_at)
            self._exact.add(answer.scope)
        return None

    def next_turn(self, now: float) -> float:
        """Return the first instant at which somebody is due, as things stand; infinity when no clock can tell.

        The instant is `now` when somebody is due already; nobody is granted anything here.
        """
        self.look_round(now)
        while (due := self.next_due(now, self.book.shortfall)) is None:
            turn = self.lines.next_turn
            if turn is None:
                return math.inf
            scope, at = turn
            if scope in self._exact and not self.lines.is_barred(scope):
                return at
            self._exact.add(scope)
            self.lines.wake(scope)
        self.lines.wake_line_of(due[0])
        return now

    def note_grant(self) -> None:
        """Note that something was granted: what leaders of other lines were told may come later, or not to them."""
        self._exact.clear()
