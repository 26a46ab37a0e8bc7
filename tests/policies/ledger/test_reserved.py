"""A reservation holds what it was promised until it begins, and its output until it is settled."""

from __future__ import annotations

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.reserved import Reserved
from actors.policies.scope import POOL
from actors.policies.usage import Usage


def reserved(booking: Booking, granted_at: float = 10.0) -> Reserved:
    return Reserved(booking, (POOL,), granted_at, booking.held)


def test_before_it_begins_it_counts_from_its_grant_and_holds_everything() -> None:
    mine = reserved(Booking.plain(Usage(1, 400, 100)))

    assert mine.counted_from == 10.0
    assert mine.held == mine.promised == mine.supposed == Usage(1, 400, 100)
    assert mine.begun == Usage(1, 400, 0)


def test_once_it_has_begun_it_holds_its_output_only_and_counts_from_its_start() -> None:
    mine = reserved(Booking.plain(Usage(1, 400, 100)))
    mine.begin(12.5)

    assert (mine.started_at, mine.counted_from) == (12.5, 12.5)
    assert mine.held == Usage(0, 0, 100)
    assert mine.promised == mine.supposed == Usage(1, 400, 100)


def test_a_start_at_the_beginning_of_time_is_a_start() -> None:
    mine = reserved(Booking.plain(Usage()))
    mine.begin(0.0)

    assert mine.counted_from == 0.0


def test_output_that_ripens_is_not_promised_but_supposed() -> None:
    mine = reserved(Booking(Usage(1, 400, 0), Usage(1, 400, 160), ripens=160, at_most=1_024))

    assert mine.promised == Usage(1, 400, 0)
    assert mine.supposed == Usage(1, 400, 160)


def test_of_what_is_held_and_what_was_expected_the_larger_is_supposed() -> None:
    mine = reserved(Booking(Usage(1, 400, 300), Usage(1, 400, 300), ripens=160))

    assert mine.supposed == Usage(1, 400, 300)


def test_output_that_has_ripened_is_promised() -> None:
    mine = reserved(Booking(Usage(1, 400, 0), Usage(1, 400, 160), ripens=160))
    mine.begin(11.0)
    mine.held = Usage(0, 0, 160)
    mine.is_ripe = True

    assert mine.promised == mine.supposed == Usage(1, 400, 160)
    assert mine.begun == Usage(1, 400, 0)
