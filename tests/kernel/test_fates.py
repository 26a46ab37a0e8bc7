"""Tests for the books of fates."""

from __future__ import annotations

import pytest

from actors.kernel import Books, DeadLetter, Fate, current_books, open_books
from actors.kernel.envelope import Envelope
from actors.kernel.fates import DEAD_LETTERS_KEPT
from actors.kernel.mailbox import Mailbox


def mailbox(books: Books) -> Mailbox:
    return Mailbox("m", 4, "wait", books)


def test_open_is_what_has_no_fate_yet() -> None:
    books = Books()
    tally = books.open_tally()
    tally.sent = 3
    tally.counts[Fate.HANDLED] = 1
    assert tally.open == 2
    assert books.totals().open == 2
    assert books.totals().fates == {Fate.HANDLED: 1}


def test_books_with_an_open_message_do_not_balance_and_say_so() -> None:
    books = Books()
    mailbox(books).post(Envelope("x", mailbox(books)))
    with pytest.raises(AssertionError, match=r"^the books do not balance: 1 sent, 1 without a fate; \{\}$"):
        books.check_balanced()


def test_a_loss_in_one_actor_does_not_make_up_for_a_double_count_in_another() -> None:
    books = Books()
    lossy, doubling = books.open_tally(), books.open_tally()
    lossy.sent = 1
    doubling.counts[Fate.HANDLED] = 1
    assert books.totals().open == 0
    with pytest.raises(AssertionError, match="the books do not balance"):
        books.check_balanced()


def test_a_closed_tally_is_carried_over_and_an_open_one_stays_to_be_seen() -> None:
    books = Books()
    done, pending = books.open_tally(), books.open_tally()
    done.sent, pending.sent = 2, 1
    done.counts[Fate.FAILED] = 2
    books.close_tally(done)
    books.close_tally(pending)
    assert books.totals().sent == 3
    assert books._live == {pending}


def test_a_message_to_an_ended_actor_is_counted_all_the_same() -> None:
    books = Books()
    box = mailbox(books)
    box.close()
    books.close_tally(box.tally)
    box.post(Envelope("x", box))
    assert books.totals().sent == 1
    assert books.totals().fates == {Fate.UNDELIVERED: 1}
    assert box.tally.snapshot() == books.totals()
    books.check_balanced()


def test_an_envelope_has_one_fate_only() -> None:
    books = Books()
    box = mailbox(books)
    envelope = Envelope(3, box)
    box.post(envelope)
    envelope.settle(Fate.HANDLED)
    with pytest.raises(RuntimeError, match="3 has its fate already: handled, not FAILED"):
        envelope.settle(Fate.FAILED)
    with pytest.raises(RuntimeError, match="3 has its fate already: handled, not HANDLED"):
        envelope.handled()
    books.check_balanced()


def test_dead_letters_are_passed_on_and_only_the_last_are_kept() -> None:
    seen: list[DeadLetter] = []
    books = Books(on_dead_letter=seen.append)
    for number in range(DEAD_LETTERS_KEPT + 5):
        books.record(DeadLetter(number, "m", Fate.DROPPED, "full"))
    assert len(seen) == DEAD_LETTERS_KEPT + 5
    assert [letter.message for letter in books.dead_letters] == list(range(5, DEAD_LETTERS_KEPT + 5))


def test_given_books_become_the_ambient_ones_and_the_old_ones_come_back() -> None:
    mine = Books()
    with open_books() as before:
        with open_books(mine) as opened:
            assert opened is mine
            assert current_books() is mine
        assert current_books() is before
    assert current_books() is not before
