"""A booking says what is held, what has to be free and what ripens."""

from __future__ import annotations

from actors.policies.estimates.estimate import Estimate
from actors.policies.ledger.booking import Booking
from actors.policies.usage import Usage


def test_a_plain_booking_holds_all_of_it_from_the_grant_on() -> None:
    usage = Usage(1, 400, 1_024)
    assert Booking.plain(usage) == Booking(held=usage, needed=usage, ripens=0, at_most=1_024)


def test_another_amount_of_input_is_held_and_needed_and_nothing_else_changes() -> None:
    booking = Booking(Usage(1, 400, 0), Usage(1, 400, 160), ripens=160, at_most=1_024)
    estimate = Estimate(480, 500)

    assert booking.with_input(500, estimate) == Booking(
        Usage(1, 500, 0), Usage(1, 500, 160), ripens=160, at_most=1_024, estimate=estimate
    )
    assert booking.held.input_tokens == 400
