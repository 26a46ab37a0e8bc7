"""Tests for the mailbox by itself, without an actor that reads it."""

from __future__ import annotations

from actors.kernel import Books, Delivery, Fate
from actors.kernel.envelope import Envelope
from actors.kernel.mailbox import Mailbox


def filled(capacity: int, count: int) -> tuple[Mailbox, list[Envelope]]:
    """Make a mailbox and post `count` tells, those that find no room lining up outside."""
    box = Mailbox("m", capacity, "wait", Books())
    envelopes = [Envelope(number, box) for number in range(count)]
    for envelope in envelopes:
        if box.post(envelope) is None:
            box.line_up(envelope)
    return box, envelopes


def read(box: Mailbox) -> list[int]:
    """Return the messages that can be read now, in order."""
    taken: list[int] = []
    while (envelope := box.get_nowait()) is not None:
        envelope.settle(Fate.HANDLED)
        taken.append(envelope.message)
    return taken


def test_messages_leave_in_the_order_they_came_those_outside_last() -> None:
    box, _ = filled(2, 5)
    assert (box.depth, box.waiting) == (2, 3)
    assert read(box) == [0, 1, 2, 3, 4]
    assert (box.depth, box.waiting) == (0, 0)
    box.books.check_balanced()


def test_an_envelope_that_was_put_back_is_read_first() -> None:
    box, _ = filled(2, 3)
    first = box.get_nowait()
    assert first is not None
    box.put_back(first)
    assert read(box) == [0, 1, 2]
    assert box.depth == 0


def test_who_leaves_the_line_outside_is_kept_no_longer() -> None:
    box, envelopes = filled(1, 1000)
    for envelope in envelopes[1:]:
        box.withdraw(envelope, Fate.CANCELLED)
    assert (box.depth, box.waiting) == (1, 0)
    assert read(box) == [0]
    box.books.check_balanced()


def test_closing_turns_away_what_was_put_back_what_lies_here_and_what_waits_outside() -> None:
    box, _ = filled(2, 5)
    first = box.get_nowait()
    assert first is not None
    box.put_back(first)
    box.close()
    assert [letter.message for letter in box.books.dead_letters] == [0, 1, 2, 3, 4]
    assert box.post(Envelope(5, box)) is Delivery.UNDELIVERED
    box.books.check_balanced()


def test_a_nudge_needs_a_reader_and_leaves_nothing_behind() -> None:
    box, _ = filled(1, 0)
    box.wake()
    assert box.get_nowait() is None
