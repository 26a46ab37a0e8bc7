"""The ledger keeps every window within the limits of every scope, and gives back what is due and no more."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import DEFAULT_SLACK, Ledger
from actors.policies.ledger.limits import NO_LIMITS, Limit, Limits
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import (
    AlreadySettled,
    Confirmed,
    LedgerStatistics,
    LimitStatistics,
    ReservationId,
    ScopeStatistics,
    Settled,
    Shortfall,
    UnknownReservation,
    UnknownScope,
)
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

ONE_A_MINUTE = Limits(requests=1, input_tokens=None, output_tokens=None)
SMALL = Limits(requests=10, input_tokens=100, output_tokens=50)
HERE = (POOL,)
KEY, OTHER_KEY, TEAM = Scope("key", "3f9a"), Scope("key", "77b0"), Scope("team", "blue")
KINDS = {
    "key": Limits(requests=2, input_tokens=None, output_tokens=None),
    "team": Limits(requests=None, input_tokens=40, output_tokens=None, window=10.0),
}


def plain(*amounts: int) -> Booking:
    """Requests, input and output, all of it held from the grant on; one request if nothing is said."""
    return Booking.plain(Usage(*amounts))


def short(quantity: str, asked: int, available_at: float | Unknown) -> Shortfall:
    """What is short in a pool of the limits `SMALL`."""
    limit = next(limit for limit in SMALL.each if limit.quantity == quantity)
    return Shortfall(POOL, limit, asked, available_at)


def grant(ledger: Ledger, now: float, *amounts: int, scopes: tuple[Scope, ...] = HERE) -> ReservationId:
    """Reserve what is known to fit."""
    return grant_booking(ledger, now, plain(*amounts), scopes)


def grant_booking(
    ledger: Ledger, now: float, booking: Booking, scopes: tuple[Scope, ...] = HERE
) -> ReservationId:
    """Reserve what is known to fit."""
    reserved = ledger.reserve(booking, scopes, now)
    assert not isinstance(reserved, Shortfall)
    return reserved


def spend(ledger: Ledger, now: float, *amounts: int, scopes: tuple[Scope, ...] = HERE) -> None:
    """Reserve and settle in one instant: an entry stamped `now`."""
    reservation = grant(ledger, now, *amounts, scopes=scopes)
    ledger.report(reservation, now, input_tokens=None, output_tokens=None)


# ── grants ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_grants_go_up_to_the_limit_and_no_further() -> None:
    ledger = Ledger(Limits(requests=3, input_tokens=None, output_tokens=None))

    outcomes = [ledger.reserve(plain(), HERE, now=0.0) for _ in range(4)]

    assert outcomes == [1, 2, 3, Shortfall(POOL, Limit("requests", 3), 1, Unknown.UNTIL_SETTLEMENT)]


def test_a_grant_is_all_or_nothing_across_the_dimensions() -> None:
    ledger = Ledger(SMALL)
    grant(ledger, 0.0, 1, 10, 50)

    assert ledger.reserve(plain(1, 10, 1), HERE, now=0.0) == short(
        "output_tokens", 1, Unknown.UNTIL_SETTLEMENT
    )
    assert ledger.statistics(now=0.0).reserved == Usage(1, 10, 50)


def test_a_shortfall_names_the_dimension_that_is_short_the_longest() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 10, 0, 0)
    spend(ledger, 1.0, 0, 100, 0)

    assert ledger.reserve(plain(1, 1, 1), HERE, now=2.0) == short("input_tokens", 1, 61.0)


def test_a_shortfall_that_takes_a_settlement_outweighs_one_that_takes_time() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 10, 0, 0)
    grant(ledger, 0.0, 0, 0, 50)

    shortfall = ledger.reserve(plain(1, 0, 1), HERE, now=2.0)

    assert shortfall == short("output_tokens", 1, Unknown.UNTIL_SETTLEMENT)


def test_a_shortfall_that_never_ends_outweighs_all() -> None:
    ledger = Ledger(SMALL)
    grant(ledger, 0.0, 0, 0, 50)

    assert ledger.reserve(plain(1, 101, 1), HERE, now=2.0) == short("input_tokens", 101, math.inf)


def test_what_is_not_limited_is_never_short() -> None:
    ledger = Ledger(NO_LIMITS)
    grant(ledger, 0.0, 10**6, 10**9, 10**9)

    assert ledger.earliest(plain(10**6, 10**9, 10**9), HERE, now=0.0) == 0.0
    assert ledger.statistics(now=0.0).reserved == NOTHING
    assert ledger.statistics(now=0.0).in_flight == 1


def test_what_has_to_be_free_and_what_is_held_may_differ() -> None:
    """Output that is counted when it is produced: some room must be left, none is taken."""
    ledger = Ledger(SMALL)
    booking = Booking(held=Usage(1, 10, 0), needed=Usage(1, 10, 30))
    grant_booking(ledger, 0.0, booking)
    grant_booking(ledger, 0.0, booking)

    assert ledger.statistics(now=0.0).reserved == Usage(2, 20, 0)
    spend(ledger, 0.0, 0, 0, 21)
    assert ledger.reserve(booking, HERE, now=0.0) == short("output_tokens", 30, 60.0)


# ── when entries leave ──────────────────────────────────────────────────────────────────────────────────────


def test_a_reservation_is_held_for_as_long_as_it_is_not_settled() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    grant(ledger, 0.0)

    assert ledger.earliest(plain(), HERE, now=1e6) is Unknown.UNTIL_SETTLEMENT


def test_a_request_leaves_one_window_after_it_was_sent_and_the_slack() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=30.0, input_tokens=0, output_tokens=0, started_at=2.0)

    assert ledger.earliest(plain(), HERE, now=30.0) == 62.5
    assert isinstance(ledger.reserve(plain(), HERE, now=math.nextafter(62.5, 0)), Shortfall)
    assert ledger.reserve(plain(), HERE, now=62.5) == 2


def test_an_answer_within_the_slack_bounds_the_instant_of_counting() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=0.25, input_tokens=0, output_tokens=0, started_at=0.0)

    assert ledger.earliest(plain(), HERE, now=0.25) == 60.25


def test_a_request_sent_at_an_unknown_instant_counts_as_sent_when_it_was_answered() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=30.0, input_tokens=0, output_tokens=0)

    assert ledger.earliest(plain(), HERE, now=30.0) == 90.0


def test_input_leaves_with_its_request_and_output_one_window_after_the_answer() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 10, 100, 50)
    ledger.report(reservation, now=30.0, input_tokens=100, output_tokens=50, started_at=0.0)

    assert ledger.earliest(plain(1, 0, 0), HERE, now=30.0) == 60.5
    assert ledger.earliest(plain(0, 1, 0), HERE, now=30.0) == 60.5
    assert ledger.earliest(plain(0, 0, 1), HERE, now=30.0) == 90.0


def test_what_has_left_before_it_is_settled_is_gone_at_once() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 10, 100, 50)
    ledger.report(reservation, now=300.0, input_tokens=190, output_tokens=20, started_at=0.0)

    assert ledger.statistics(now=300.0).used == Usage(0, 0, 20)
    assert ledger.statistics(now=300.0).peak == Usage(10, 100, 50)


def test_a_late_answer_to_an_early_request_leaves_before_later_requests() -> None:
    ledger = Ledger(Limits(requests=3, input_tokens=None, output_tokens=None))
    slow, quick = grant(ledger, 0.0), grant(ledger, 10.0)
    ledger.report(quick, now=12.0, input_tokens=0, output_tokens=0, started_at=10.0)
    ledger.report(slow, now=40.0, input_tokens=0, output_tokens=0, started_at=0.0)
    grant(ledger, 40.0)

    assert [ledger.earliest(plain(n), HERE, now=40.0) for n in (1, 2)] == [60.5, 70.5]
    assert ledger.statistics(now=60.5).used == Usage(requests=1)


def test_a_charged_cancellation_counts_as_sent_now() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 10, 100, 50)

    outcome = ledger.cancel(reservation, now=7.0, charged=True)

    assert outcome == Settled(spent=Usage(10, 100, 50), refunded=NOTHING, charged=NOTHING)
    for amounts in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert ledger.earliest(plain(*amounts), HERE, now=7.0) == 7.0 + DEFAULT_SLACK + 60.0


def test_an_uncharged_cancellation_refunds_everything_at_once() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 10, 100, 50)

    outcome = ledger.cancel(reservation, now=7.0, charged=False)

    assert outcome == Settled(spent=NOTHING, refunded=Usage(10, 100, 50), charged=NOTHING)
    assert ledger.earliest(plain(10, 100, 50), HERE, now=7.0) == 7.0


def test_a_large_usage_waits_until_enough_has_left() -> None:
    ledger = Ledger(SMALL)
    for instant in range(5):
        spend(ledger, float(instant), 0, 20, 0)

    assert [ledger.earliest(plain(0, n, 0), HERE, now=5.0) for n in (1, 20, 21, 100)] == [
        60.0,
        60.0,
        61.0,
        64.0,
    ]


def test_an_entry_is_out_at_exactly_its_stamp_and_a_window() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    spend(ledger, 10.0)

    assert isinstance(ledger.reserve(plain(), HERE, now=math.nextafter(70.0, 0)), Shortfall)
    assert ledger.reserve(plain(), HERE, now=70.0) == 2


def test_a_rounding_never_lets_a_grant_through_early() -> None:
    """0.7 + 0.1 is 0.7999999999999999 in floats: at that instant not a whole window has passed."""
    ledger = Ledger(attrs.evolve(ONE_A_MINUTE, window=0.1))
    spend(ledger, 0.7)

    assert isinstance(ledger.reserve(plain(), HERE, now=0.7 + 0.1), Shortfall)
    assert ledger.reserve(plain(), HERE, now=0.8) == 2


@given(
    started_at=st.floats(0, 1e6),
    slack=st.floats(0, 10),
    window=st.floats(1e-3, 1e4),
    took=st.floats(0, 20),
)
def test_the_instant_of_return_is_the_first_float_that_is_not_early(
    started_at: float, slack: float, window: float, took: float
) -> None:
    ledger = Ledger(attrs.evolve(ONE_A_MINUTE, window=window), slack)
    reservation = grant(ledger, started_at)
    now = started_at + took
    ledger.report(reservation, now, input_tokens=0, output_tokens=0, started_at=started_at)

    available_at = ledger.earliest(plain(), HERE, now)

    exact = min(Fraction(started_at) + Fraction(slack), Fraction(now)) + Fraction(window)
    assert isinstance(available_at, float)
    if exact <= now:
        assert available_at == now
    else:
        assert Fraction(math.nextafter(available_at, 0)) < exact <= Fraction(available_at)


# ── settlement ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_refunds_what_was_not_used() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)

    outcome = ledger.report(reservation, now=1.0, input_tokens=50, output_tokens=10)

    assert outcome == Settled(spent=Usage(1, 50, 10), refunded=Usage(0, 10, 30), charged=NOTHING)
    assert ledger.statistics(now=1.0).used == Usage(1, 50, 10)
    assert ledger.statistics(now=1.0).reserved == NOTHING


def test_a_report_charges_what_was_not_held_even_above_the_limit() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)

    outcome = ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=45)

    assert outcome == Settled(spent=Usage(1, 150, 45), refunded=NOTHING, charged=Usage(0, 90, 5))
    assert [each.utilization for each in ledger.statistics(now=1.0).pool.each] == [0.1, 1.5, 0.9]


def test_nothing_is_granted_in_a_dimension_above_its_limit_until_enough_has_left() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=0)

    assert ledger.reserve(plain(1, 0, 0), HERE, now=2.0) == short("input_tokens", 0, 61.0)


@pytest.mark.parametrize(
    ("inputs", "outputs", "spent"),
    [(None, None, Usage(1, 60, 40)), (None, 5, Usage(1, 60, 5)), (50, None, Usage(1, 50, 40))],
)
def test_unknown_usage_never_refunds(inputs: int | None, outputs: int | None, spent: Usage) -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.report(reservation, now=1.0, input_tokens=inputs, output_tokens=outputs)

    assert ledger.statistics(now=1.0).used == spent


def test_whatever_settles_first_counts_and_the_rest_changes_nothing() -> None:
    def settle(ledger: Ledger, reservation: ReservationId, how: int) -> Settled | AlreadySettled:
        if how == 0:
            return ledger.report(reservation, now=1.0, input_tokens=5, output_tokens=5)
        return ledger.cancel(reservation, now=1.0, charged=how == 1)

    for first in range(3):
        for second in range(3):
            ledger = Ledger(SMALL)
            grant(ledger, 0.0, 1, 20, 20)
            reservation = grant(ledger, 0.0, 1, 20, 20)
            assert isinstance(settle(ledger, reservation, first), Settled)
            before = ledger.statistics(now=1.0)

            assert settle(ledger, reservation, second) == AlreadySettled()
            assert ledger.statistics(now=1.0) == before


# ── what may come ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_earliest_instant_is_now_when_there_is_room() -> None:
    assert Ledger(SMALL).earliest(plain(10, 100, 50), HERE, now=3.0) == 3.0


def test_the_earliest_instant_is_infinite_above_a_limit() -> None:
    ledger = Ledger(SMALL)

    assert ledger.earliest(plain(11, 0, 0), HERE, now=3.0) == math.inf
    assert ledger.earliest_if_refunded(plain(11, 0, 0), HERE, now=3.0) == math.inf


def test_time_alone_is_enough_when_what_is_spent_makes_the_room() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 0, 60, 0)
    grant(ledger, 1.0, 0, 40, 0)

    assert ledger.earliest(plain(0, 60, 0), HERE, now=2.0) == 60.0
    assert ledger.earliest(plain(0, 61, 0), HERE, now=2.0) is Unknown.UNTIL_SETTLEMENT


def test_refunds_cannot_make_room_that_is_spent() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 0, 60, 0)
    grant(ledger, 1.0, 0, 40, 0)

    assert ledger.earliest_if_refunded(plain(0, 40, 0), HERE, now=2.0) == 2.0
    assert ledger.earliest_if_refunded(plain(0, 41, 0), HERE, now=2.0) == 60.0


def test_asking_holds_nothing() -> None:
    ledger = Ledger(ONE_A_MINUTE)
    ledger.earliest(plain(), HERE, now=0.0)
    ledger.shortfall(plain(), HERE, now=0.0)
    ledger.earliest_if_refunded(plain(), HERE, now=0.0)

    assert ledger.statistics(now=0.0).in_flight == 0


# ── books ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_statistics_are_a_frozen_snapshot() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    spend(ledger, 0.0, 1, 20, 10)
    grant(ledger, 0.0, 2, 30, 15, scopes=(POOL, KEY))
    snapshot = ledger.statistics(now=0.0)
    grant(ledger, 0.0, 1, 1, 1)

    requests, inputs, outputs = SMALL.each
    assert snapshot == LedgerStatistics(
        in_flight=1,
        scopes=2,
        expired=0,
        pool=ScopeStatistics(
            POOL,
            "sliding_window",
            in_flight=1,
            each=(
                LimitStatistics(requests, used=1, reserved=2, peak=3, utilization=0.3),
                LimitStatistics(inputs, used=20, reserved=30, peak=50, utilization=0.5),
                LimitStatistics(outputs, used=10, reserved=15, peak=25, utilization=0.5),
            ),
        ),
    )
    assert (snapshot.used, snapshot.reserved) == (Usage(1, 20, 10), Usage(2, 30, 15))
    assert snapshot.peak == Usage(3, 50, 25)


def test_the_peak_remembers_what_time_has_taken() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 4, 20, 10)
    grant(ledger, 1.0, 1, 5, 1)

    assert ledger.statistics(now=100.0).used == NOTHING
    assert ledger.statistics(now=100.0).peak == Usage(5, 25, 11)


def test_the_peak_counts_what_was_charged_above_the_limit() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=0)

    assert ledger.statistics(now=1.0).peak == Usage(1, 150, 40)


# ── two phases ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_that_has_begun_gives_back_its_request_one_window_after_its_start_however_long_it_takes() -> (
    None
):
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 10, 100, 50)
    assert ledger.earliest(plain(), HERE, now=1.0) is Unknown.UNTIL_SETTLEMENT

    assert ledger.confirm(reservation, now=2.0, started_at=1.0) == Confirmed(leaves_at=61.5)

    assert ledger.statistics(now=2.0).used == Usage(10, 100, 0)
    assert ledger.statistics(now=2.0).reserved == Usage(0, 0, 50)
    assert ledger.earliest(plain(10, 100, 0), HERE, now=2.0) == 61.5
    assert ledger.earliest(plain(0, 0, 1), HERE, now=2.0) is Unknown.UNTIL_SETTLEMENT


def test_a_confirmed_call_is_settled_by_what_it_used_where_it_stands() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.confirm(reservation, now=2.0, started_at=1.0)

    outcome = ledger.report(reservation, now=30.0, input_tokens=70, output_tokens=10, started_at=20.0)

    assert outcome == Settled(spent=Usage(1, 70, 10), refunded=Usage(0, 0, 30), charged=Usage(0, 10, 0))
    assert ledger.statistics(now=30.0).used == Usage(1, 70, 10)
    assert ledger.earliest(plain(1, 31, 0), HERE, now=30.0) == 61.5
    assert ledger.earliest(plain(1, 0, 41), HERE, now=30.0) == 90.0


def test_confirming_again_changes_nothing_and_a_settled_call_cannot_begin() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    first = ledger.confirm(reservation, now=2.0, started_at=1.0)

    assert ledger.confirm(reservation, now=3.0, started_at=2.5) == first
    ledger.report(reservation, now=4.0, input_tokens=None, output_tokens=None)
    assert ledger.confirm(reservation, now=4.0, started_at=2.5) == AlreadySettled()
    assert ledger.statistics(now=4.0).used == Usage(1, 60, 40)


def test_a_release_before_the_start_refunds_all() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)

    outcome = ledger.release(reservation, now=2.0)

    assert outcome == Settled(spent=NOTHING, refunded=Usage(1, 60, 40), charged=NOTHING)
    assert ledger.statistics(now=2.0).used == NOTHING


def test_a_release_after_the_start_keeps_what_may_have_been_spent() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.confirm(reservation, now=2.0, started_at=1.0)

    outcome = ledger.release(reservation, now=2.0)

    assert outcome == Settled(spent=Usage(1, 60, 40), refunded=NOTHING, charged=NOTHING)
    assert ledger.release(reservation, now=2.0) == AlreadySettled()


def test_a_call_that_had_begun_and_was_not_charged_is_refunded() -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.0, 1, 60, 40)
    ledger.confirm(reservation, now=2.0, started_at=1.0)

    outcome = ledger.cancel(reservation, now=2.0, charged=False)

    assert outcome == Settled(spent=NOTHING, refunded=Usage(1, 60, 40), charged=NOTHING)
    assert ledger.statistics(now=2.0).used == ledger.statistics(now=2.0).reserved == NOTHING


# ── output that is held later ───────────────────────────────────────────────────────────────────────────────

RIPENING = Booking(held=Usage(1, 10, 0), needed=Usage(1, 10, 20), ripens=20)


def answer_after(ledger: Ledger, seconds: float, now: float) -> None:
    """Let a call be answered, so that the ledger knows how quick answers are."""
    reservation = grant(ledger, now, 0, 0, 0)
    ledger.report(reservation, now + seconds, input_tokens=0, output_tokens=0, started_at=now)


def test_expected_output_is_held_at_once_when_nobody_knows_how_quick_an_answer_is() -> None:
    ledger = Ledger(SMALL)
    grant_booking(ledger, 0.0, RIPENING)

    assert ledger.statistics(now=0.0).reserved == Usage(1, 10, 0)
    assert ledger.statistics(now=math.nextafter(0.0, 1)).reserved == Usage(1, 10, 20)


def test_expected_output_is_held_once_the_quickest_answer_seen_may_have_been_produced() -> None:
    """10 s were seen; three ways of 0.5 s lie between that and what is certain."""
    ledger = Ledger(SMALL)
    answer_after(ledger, 12.0, now=0.0)
    answer_after(ledger, 10.0, now=12.0)
    grant_booking(ledger, 30.0, RIPENING)

    assert ledger.statistics(now=38.5).reserved == Usage(1, 10, 0)
    assert ledger.statistics(now=math.nextafter(38.5, 99)).reserved == Usage(1, 10, 20)


def test_an_answer_that_was_quicker_ripens_what_is_under_way() -> None:
    ledger = Ledger(SMALL)
    answer_after(ledger, 60.0, now=0.0)
    grant_booking(ledger, 60.0, RIPENING)
    assert ledger.statistics(now=62.0).reserved == Usage(1, 10, 0)

    answer_after(ledger, 1.0, now=62.0)

    assert ledger.statistics(now=63.0).reserved == Usage(1, 10, 20)


def test_those_whose_output_may_be_ripe_are_in_doubt_until_they_are_settled() -> None:
    ledger = Ledger(SMALL)
    first, second = grant_booking(ledger, 0.0, RIPENING), grant_booking(ledger, 0.0, RIPENING)
    assert ledger.in_doubt == 0

    ledger.expire(1.0)
    assert ledger.in_doubt == 2
    ledger.report(first, 1.0, input_tokens=None, output_tokens=None)
    ledger.cancel(second, 1.0, charged=False)
    assert ledger.in_doubt == 0


FORESEEN = attrs.evolve(RIPENING, foreseen=100)


def taught(pace: float) -> Ledger:
    """Return a ledger, at the instant 2, that knows how many tokens a second the quickest answer has brought."""
    ledger = Ledger(SMALL)
    teacher = grant(ledger, 0.0, 0, 0, 0)
    ledger.report(teacher, 2.0, input_tokens=0, output_tokens=int(2 * pace), started_at=0.0)
    return ledger


def test_an_answer_that_is_late_is_overdue_by_what_it_may_have_brought_until_it_is_lost() -> None:
    ledger = taught(pace=10.0)
    late = grant_booking(ledger, 2.0, FORESEEN)
    assert ledger.overdue(2.0) == 0
    assert (ledger.overdue(4.0), ledger.next_lost) == (0, 22.0)
    assert [ledger.overdue(now) for now in (6.0, 12.0, 21.9)] == [20, 80, 80]
    ledger.take_freed()

    ledger.expire(22.0)
    assert (ledger.overdue(22.0), ledger.in_doubt, ledger.next_lost) == (0, 0, math.inf)
    assert ledger.take_freed() == (POOL,)
    assert ledger.statistics(22.0).reserved.output_tokens == 20
    ledger.report(late, 22.0, input_tokens=None, output_tokens=90)
    ledger.verify()


def test_what_was_heard_at_this_instant_may_mean_that_an_answer_is_lost() -> None:
    ledger = taught(pace=10.0)
    quick = grant(ledger, 2.0, 0, 0, 0)
    grant_booking(ledger, 2.0, FORESEEN)
    ledger.expire(12.0)
    assert ledger.in_doubt == 1

    ledger.report(quick, 12.0, input_tokens=0, output_tokens=200, started_at=2.0)
    ledger.expire(12.0)
    assert ledger.in_doubt == 0


@pytest.mark.parametrize(
    ("started_at", "heard_at", "leaves_at"),
    [
        (1.0, None, 61.5),
        (1.0, 3.0, 61.5),
        (1.0, 1.2, 61.2),
        (None, 1.2, 61.2),
        (None, None, 64.0),
        (3.9, None, 64.0),
    ],
)
def test_a_request_leaves_a_window_after_its_headers_were_in_if_that_is_before_its_slack_is_over(
    started_at: float | None, heard_at: float | None, leaves_at: float
) -> None:
    ledger = Ledger(attrs.evolve(NO_LIMITS, requests=1))
    reservation = grant(ledger, 0.5)
    ledger.report(reservation, 4.0, input_tokens=0, output_tokens=0, started_at=started_at, heard_at=heard_at)
    assert ledger.earliest(plain(), HERE, 4.0) == leaves_at


@pytest.mark.parametrize("heard_at", [0.4, 4.1, math.nan])
def test_headers_that_came_before_the_grant_or_are_ahead_change_nothing(heard_at: float) -> None:
    ledger = Ledger(SMALL)
    reservation = grant(ledger, 0.5)
    with pytest.raises(ValueError, match=r"^heard_at must be"):
        ledger.report(reservation, 4.0, input_tokens=0, output_tokens=0, heard_at=heard_at)
    assert ledger.in_flight == (reservation,)


@pytest.mark.parametrize(("pace", "is_quick"), [(21.0, True), (20.0, False)])
def test_answers_that_take_less_than_two_ways_are_held_in_the_instant_of_their_grants(
    pace: float, is_quick: bool
) -> None:
    ledger = Ledger(Limits(requests=10, input_tokens=100, output_tokens=100))
    teacher = grant(ledger, 0.0, 0, 0, 0)
    ledger.report(teacher, 1.0, input_tokens=0, output_tokens=int(pace), started_at=0.0)
    for _ in range(3):
        grant_booking(ledger, 1.0, RIPENING)
    assert (ledger.statistics(1.0).reserved.output_tokens, ledger.in_doubt) == (
        (60, 3) if is_quick else (0, 0)
    )
    fourth = ledger.reserve(RIPENING, HERE, 1.0)
    assert isinstance(fourth, Shortfall) == is_quick
    ledger.verify()


def test_a_quick_answer_that_was_short_holds_nothing_of_long_ones() -> None:
    ledger = Ledger(SMALL)
    teacher = grant(ledger, 0.0, 0, 0, 0)
    ledger.report(teacher, 0.2, input_tokens=0, output_tokens=1, started_at=0.0)
    grant_booking(ledger, 1.0, RIPENING)
    assert ledger.in_doubt == 0


def test_the_start_that_was_confirmed_tells_how_quick_an_answer_was() -> None:
    ledger = Ledger(SMALL)
    teacher = grant(ledger, 0.0, 0, 0, 0)
    ledger.confirm(teacher, 1.0, started_at=1.0)
    ledger.report(teacher, 3.0, input_tokens=0, output_tokens=20)
    grant_booking(ledger, 3.0, FORESEEN)
    assert ledger.overdue(7.0) == 20


def test_an_answer_of_unknown_length_or_sending_tells_nothing_of_the_pace() -> None:
    for output_tokens, started_at in ((None, 0.0), (20, None)):
        ledger = Ledger(SMALL)
        teacher = grant(ledger, 0.0, 0, 0, 0)
        ledger.report(teacher, 2.0, input_tokens=0, output_tokens=output_tokens, started_at=started_at)
        grant_booking(ledger, 2.0, FORESEEN)

        assert (ledger.overdue(50.0), ledger.next_lost) == (0, math.inf)


def test_room_for_what_is_unseen_is_wanted_of_what_was_spent_and_not_of_what_is_held() -> None:
    ledger = Ledger(attrs.evolve(NO_LIMITS, output_tokens=100))
    spend(ledger, 0.0, 0, 0, 30)
    holder = grant(ledger, 0.0, 0, 0, 40)
    plain = Booking.plain(Usage(0, 0, 20))
    wary = attrs.evolve(plain, unseen=11)

    assert ledger.shortfall(plain, HERE, 0.0) is None
    short = ledger.shortfall(wary, HERE, 0.0)
    assert short is not None
    assert (short.asked, short.available_at) == (31, 60.0)
    assert ledger.earliest_if_refunded(wary, HERE, 0.0) == 0.0
    assert ledger.exceeded_by(attrs.evolve(plain, unseen=10**6), HERE) is None

    much = attrs.evolve(plain, unseen=10**6)
    assert (
        ledger.earliest(much, HERE, 0.0) == 60.0
    )  # what is held does not stand in its way, however long that is
    assert ledger.shortfall(much, HERE, 60.0) is None
    ledger.cancel(holder, 60.0, charged=False)


def test_a_scope_of_our_own_holds_what_is_expected_from_the_grant_on() -> None:
    key = Scope("key", "a")
    ledger = Ledger(SMALL, kinds={"key": attrs.evolve(NO_LIMITS, output_tokens=50)})
    scopes = (POOL, key)
    first = grant_booking(ledger, 0.0, RIPENING, scopes)
    assert ledger.scope_statistics(key, 0.0).reserved.output_tokens == 20
    assert ledger.scope_statistics(POOL, 0.0).reserved.output_tokens == 0
    grant_booking(ledger, 0.0, RIPENING, scopes)
    short = ledger.reserve(RIPENING, scopes, 0.0)
    assert isinstance(short, Shortfall)
    assert short.scope == key

    ledger.expire(1.0)
    ledger.verify()
    assert ledger.scope_statistics(key, 1.0).reserved.output_tokens == 40
    ledger.confirm(first, 1.0, started_at=0.5)
    ledger.verify()
    ledger.report(first, 2.0, input_tokens=3, output_tokens=45, started_at=0.5)
    ledger.verify()
    assert ledger.scope_statistics(key, 2.0).used.output_tokens == 45


def test_room_for_what_is_unseen_is_wanted_in_the_pool_alone() -> None:
    key = Scope("key", "a")
    ledger = Ledger(SMALL, kinds={"key": attrs.evolve(NO_LIMITS, output_tokens=20)})
    spend(ledger, 0.0, 0, 0, 5, scopes=(POOL, key))
    assert ledger.shortfall(attrs.evolve(Booking.plain(Usage(0, 0, 10)), unseen=15), (POOL, key), 0.0) is None


@pytest.mark.parametrize("now", [0.0, 50.0])
def test_unknown_output_counts_as_expected_whether_it_was_ripe_or_not(now: float) -> None:
    ledger = Ledger(SMALL)
    reservation = grant_booking(ledger, 0.0, RIPENING)
    assert ledger.supposed(reservation) == Usage(1, 10, 20)

    ledger.report(reservation, now, input_tokens=None, output_tokens=None)

    assert ledger.statistics(now).used == Usage(1, 10, 20)


# ── what was handed on ──────────────────────────────────────────────────────────────────────────────────────


def test_a_reservation_that_was_handed_on_and_not_heard_of_is_settled_as_charged() -> None:
    ledger = Ledger(SMALL, patience=300.0)
    grant(ledger, 0.0, 1, 60, 40)
    ledger.detach(ReservationId(1), 10.0)
    assert ledger.next_expiry == 310.0

    assert ledger.statistics(math.nextafter(310.0, 0)).in_flight == 1
    ledger.expire(310.0)

    assert ledger.next_expiry == math.inf
    assert ledger.in_flight == ()
    assert ledger.statistics(310.0).expired == 1
    assert ledger.statistics(310.0).used == Usage(1, 60, 40)
    assert ledger.earliest(plain(10, 100, 50), HERE, 310.0) == 370.5


def test_a_reservation_that_was_not_handed_on_never_expires() -> None:
    ledger = Ledger(SMALL)
    grant(ledger, 0.0)

    assert ledger.next_expiry == math.inf
    assert ledger.statistics(1e6).in_flight == 1


def test_handing_on_again_gives_no_more_time() -> None:
    ledger = Ledger(SMALL, patience=300.0)
    grant(ledger, 0.0)
    ledger.detach(ReservationId(1), 10.0)
    ledger.detach(ReservationId(1), 200.0)

    assert ledger.next_expiry == 310.0


def test_one_that_was_heard_of_in_time_does_not_expire() -> None:
    ledger = Ledger(SMALL, patience=300.0)
    first, second = grant(ledger, 0.0), grant(ledger, 0.0)
    ledger.detach(first, 10.0)
    ledger.detach(second, 20.0)
    ledger.report(first, 30.0, input_tokens=0, output_tokens=0)
    ledger.detach(first, 40.0)

    assert ledger.next_expiry == 320.0
    assert ledger.statistics(310.0).expired == 0


def test_what_was_heard_of_takes_no_room_beside_what_was_handed_on() -> None:
    ledger = Ledger(NO_LIMITS, patience=300.0)
    ledger.detach(grant(ledger, 0.0), 0.0)
    for _ in range(1_000):
        reservation = grant(ledger, 1.0)
        ledger.detach(reservation, 1.0)
        ledger.report(reservation, 1.0, input_tokens=0, output_tokens=0)

    assert len(ledger._orphans._ends) <= 66
    assert ledger.next_expiry == 300.0


def expired(now: float) -> Ledger:
    """A ledger whose reservation 1, of 1, 60, 40, was charged at 300 s."""
    ledger = Ledger(SMALL, patience=300.0)
    grant(ledger, 0.0, 1, 60, 40)
    ledger.detach(ReservationId(1), 0.0)
    ledger.expire(300.0)
    ledger.expire(now)
    return ledger


def test_a_report_that_comes_too_late_charges_what_is_missing_and_credits_nothing() -> None:
    ledger = expired(310.0)

    outcome = ledger.report(ReservationId(1), 310.0, input_tokens=75, output_tokens=3)

    assert outcome == Settled(spent=Usage(1, 75, 40), refunded=NOTHING, charged=Usage(0, 15, 0))
    assert ledger.statistics(310.0).used == Usage(1, 75, 40)


@pytest.mark.parametrize("inputs", [None, 5, 75])
def test_a_second_late_report_changes_nothing(inputs: int | None) -> None:
    ledger = expired(310.0)
    ledger.report(ReservationId(1), 310.0, input_tokens=inputs, output_tokens=None)
    before = ledger.statistics(310.0)

    outcome = ledger.report(ReservationId(1), 310.0, input_tokens=99, output_tokens=99)

    assert outcome == AlreadySettled()
    assert ledger.statistics(310.0) == before


def test_a_late_cancellation_or_start_changes_nothing() -> None:
    ledger = expired(310.0)
    before = ledger.statistics(310.0)

    assert ledger.cancel(ReservationId(1), 310.0, charged=False) == AlreadySettled()
    assert ledger.release(ReservationId(1), 310.0) == AlreadySettled()
    assert ledger.confirm(ReservationId(1), 310.0, started_at=1.0) == AlreadySettled()
    assert ledger.statistics(310.0) == before


@pytest.mark.parametrize("verb", ["report", "cancel", "release", "confirm", "detach"])
def test_at_the_instant_at_which_it_expires_it_is_too_late(verb: str) -> None:
    """The first that is heard at that instant may be from the late one itself."""
    ledger = Ledger(SMALL, patience=300.0)
    grant(ledger, 0.0, 1, 60, 40)
    ledger.detach(ReservationId(1), 0.0)
    options: dict[str, dict[str, Any]] = {
        "report": {"input_tokens": 60, "output_tokens": 41, "started_at": 1.0},
        "cancel": {"charged": False},
        "confirm": {"started_at": 1.0},
    }

    outcome = getattr(ledger, verb)(ReservationId(1), 300.0, **options.get(verb, {}))

    late = Settled(spent=Usage(1, 60, 41), refunded=NOTHING, charged=Usage(0, 0, 1))
    assert outcome == {"report": late, "detach": None}.get(verb, AlreadySettled())
    assert ledger.statistics(300.0).expired == 1
    assert ledger.statistics(300.0).used == Usage(1, 60, 41 if verb == "report" else 40)
    ledger.verify()


def test_of_those_that_expired_only_so_many_are_remembered() -> None:
    ledger = Ledger(NO_LIMITS, patience=1.0)
    for _ in range(10_001):
        ledger.detach(grant(ledger, 0.0), 0.0)
    ledger.expire(1.0)

    told = [ledger.report(ReservationId(number), 1.0, input_tokens=1, output_tokens=1) for number in (1, 2)]

    assert told[0] == AlreadySettled()
    assert isinstance(told[1], Settled)


# ── scopes ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_books_in_all_its_scopes_or_in_none() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    grant(ledger, 0.0, 2, 30, 0, scopes=(POOL, KEY, TEAM))

    refused = ledger.reserve(plain(1, 5, 0), (POOL, KEY, TEAM), 0.0)

    assert refused == Shortfall(KEY, Limit("requests", 2), 1, Unknown.UNTIL_SETTLEMENT)
    for scope, reserved in ((POOL, Usage(2, 30)), (KEY, Usage(2)), (TEAM, Usage(0, 30))):
        assert ledger.scope_statistics(scope, 0.0).reserved == reserved
        assert ledger.scope_statistics(scope, 0.0).in_flight == 1
    assert ledger.scope_statistics(OTHER_KEY, 0.0).in_flight == 0


def test_one_key_that_is_full_is_not_in_the_way_of_another() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    grant(ledger, 0.0, 2, scopes=(POOL, KEY))

    assert isinstance(ledger.reserve(plain(), (POOL, KEY), 0.0), Shortfall)
    assert grant(ledger, 0.0, 2, scopes=(POOL, OTHER_KEY)) == 2


def test_the_scope_that_is_short_the_longest_is_named() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    spend(ledger, 0.0, 2, 40, 0, scopes=(POOL, KEY, TEAM))

    assert ledger.reserve(plain(1, 1, 0), (POOL, KEY, TEAM), 1.0) == Shortfall(
        KEY, Limit("requests", 2), 1, 60.0
    )
    assert ledger.reserve(plain(0, 1, 0), (POOL, KEY, TEAM), 1.0) == Shortfall(
        TEAM, Limit("input_tokens", 40, 10.0), 1, 10.0
    )


def test_a_booking_that_never_fits_names_the_scope_and_the_limit() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)

    assert ledger.exceeded_by(plain(2, 40, 50), (POOL, KEY, TEAM)) is None
    assert ledger.exceeded_by(plain(3, 41, 50), (POOL, KEY, TEAM)) == (KEY, Limit("requests", 2))
    assert ledger.exceeded_by(plain(1, 41, 50), (POOL, TEAM)) == (TEAM, Limit("input_tokens", 40, 10.0))
    assert ledger.exceeded_by(plain(1, 41, 51), (POOL, TEAM)) == (POOL, Limit("output_tokens", 50))


def test_one_scope_can_be_asked_about_alone() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    for _ in range(2):
        grant(ledger, 0.0, scopes=(POOL, KEY))
    assert ledger.shortfall(plain(), (POOL,), 1.0) is None
    limit = Limit("requests", 2, 60.0)
    assert ledger.shortfall(plain(), (KEY,), 1.0) == Shortfall(KEY, limit, 1, Unknown.UNTIL_SETTLEMENT)
    assert ledger.shortfall(plain(), (OTHER_KEY,), 1.0) is None
    with pytest.raises(UnknownScope):
        ledger.shortfall(plain(), (Scope("planet"),), 1.0)


def test_the_books_of_a_scope_are_dropped_when_nothing_counts_in_them_any_more() -> None:
    ledger = Ledger(NO_LIMITS, kinds=KINDS)
    for number in range(1_000):
        spend(ledger, number / 10, 1, scopes=(POOL, Scope("key", str(number))))
    assert len(ledger.scopes) == ledger.scope_count == ledger.statistics(99.9).scopes
    assert 600 <= ledger.scope_count <= 1.5 * 600

    for number in range(1_000, 1_400):
        spend(ledger, 300.0, 1, scopes=(POOL, Scope("key", str(number))))

    assert ledger.scope_count <= 1.5 * 400
    assert ledger.scope_statistics(Scope("key", "1"), 300.0).peak == NOTHING


def test_the_books_of_a_scope_stay_as_long_as_a_call_is_under_way() -> None:
    ledger = Ledger(NO_LIMITS, kinds=KINDS)
    grant(ledger, 0.0, 2, scopes=(POOL, KEY))
    for number in range(100):
        spend(ledger, 1000.0 + 100 * number, 1, scopes=(POOL, OTHER_KEY))
        spend(ledger, 1000.0 + 100 * number, 1, scopes=(POOL, Scope("key", "third")))

    assert ledger.scope_statistics(KEY, 11_000.0).reserved == Usage(2)


def test_the_limits_of_a_scope_are_those_of_its_kind() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)

    assert ledger.limits_of(POOL) == ledger.limits == SMALL
    assert ledger.limits_of(KEY) == KINDS["key"]


# ── limits of other windows ─────────────────────────────────────────────────────────────────────────────────


def test_limits_per_second_per_minute_and_per_day_and_on_tokens_in_all_are_kept_at_once() -> None:
    further = (Limit("requests", 2, 1.0), Limit("requests", 30, 86_400.0), Limit("total_tokens", 90))
    ledger = Ledger(attrs.evolve(SMALL, further=further))
    spend(ledger, 0.0, 2, 20, 20)

    assert ledger.earliest(plain(1, 0, 0), HERE, 0.0) == 1.0
    assert ledger.earliest(plain(1, 30, 20), HERE, 1.0) == 1.0
    assert ledger.reserve(plain(1, 31, 20), HERE, 1.0) == Shortfall(POOL, further[2], 51, 60.0)
    for minute in range(1, 4):
        for second in range(4):
            spend(ledger, minute * 60.0 + second, 2)
    spend(ledger, 300.0, 2)
    spend(ledger, 301.0, 2)
    assert ledger.reserve(plain(1, 0, 0), HERE, 1000.0) == Shortfall(POOL, further[1], 1, 86_400.0)


# ── the other algorithm ─────────────────────────────────────────────────────────────────────────────────────


def test_in_a_bucket_room_comes_back_all_the_time() -> None:
    ledger = Ledger(SMALL, algorithm="token_bucket")
    reservation = grant(ledger, 0.0, 10, 100, 50)
    ledger.report(reservation, 30.0, input_tokens=100, output_tokens=50, started_at=1.5)

    assert ledger.earliest(plain(1, 0, 0), HERE, 30.0) == 30.0
    assert ledger.earliest(plain(5, 0, 0), HERE, 30.0) == 32.0
    assert ledger.earliest(plain(0, 0, 5), HERE, 30.0) == 36.0


def test_the_algorithm_can_be_changed_at_any_instant() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    spend(ledger, 0.0, 10, scopes=HERE)
    spend(ledger, 0.0, 0, 40, 0, scopes=(POOL, TEAM))
    ledger.take_freed()

    ledger.change_algorithm("token_bucket", 6.0)
    assert ledger.algorithm == ledger.statistics(6.0).pool.algorithm == "token_bucket"
    assert ledger.take_freed() == (POOL,)
    assert ledger.earliest(plain(), HERE, 6.0) == 6.0
    assert (
        ledger.earliest(plain(0, 4, 0), (POOL, TEAM), 6.0) == 10.0
    )  # a limit of our own is kept over any window

    ledger.change_algorithm("sliding_window", 6.0)
    assert ledger.earliest(plain(), HERE, 6.0) == 60.0


# ── limits that change ──────────────────────────────────────────────────────────────────────────────────────


def test_under_other_limits_what_was_held_and_spent_stays() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 4, 40, 0)
    grant(ledger, 1.0, 4, 0, 40)

    ledger.change_limits(Limits(requests=9, input_tokens=30, output_tokens=None), 2.0)

    assert ledger.limits == Limits(requests=9, input_tokens=30, output_tokens=None)
    assert ledger.earliest(plain(1), HERE, 2.0) == 60.0
    assert ledger.earliest(plain(0, 0, 10**6), HERE, 2.0) == 60.0
    ledger.change_limits(Limits(requests=9, input_tokens=40), 2.0)
    assert ledger.earliest(plain(1), HERE, 2.0) == 2.0
    assert ledger.earliest(plain(2), HERE, 2.0) == 60.0
    ledger.verify()


def test_a_limit_that_is_new_knows_of_the_calls_under_way() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 4, 40, 0)
    held, begun = grant(ledger, 1.0, 1, 10, 0), grant(ledger, 1.0, 1, 20, 0)
    ledger.confirm(begun, 2.0, started_at=1.5)
    a_day = Limit("input_tokens", 1000, 86_400.0)

    ledger.change_limits(attrs.evolve(SMALL, further=(a_day,)), 2.0)

    *_, books = ledger.statistics(2.0).pool.each
    assert (books.limit, books.used, books.reserved) == (a_day, 20, 10)
    ledger.report(begun, 3.0, input_tokens=25, output_tokens=0)
    ledger.report(held, 3.0, input_tokens=5, output_tokens=0)
    *_, books = ledger.statistics(3.0).pool.each
    assert (books.used, books.reserved) == (30, 0)
    ledger.verify()


def test_books_of_one_quantity_are_told_apart_by_their_windows() -> None:
    limits = attrs.evolve(SMALL, further=(Limit("requests", 4, 30.0),))
    ledger = Ledger(limits)
    spend(ledger, 0.0, 3)

    ledger.change_limits(limits, 31.0)
    spend(ledger, 31.0, 1)

    ledger.verify()
    assert [books.used for books in ledger.statistics(31.0).pool.each] == [4, 0, 0, 1]


# ── what others do ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_others_have_used_of_a_limit_counts_until_it_leaves() -> None:
    ledger = Ledger(SMALL)

    ledger.charge_others("requests", 60.0, 8, now=10.0, leaves_at=40.0)

    assert ledger.statistics(10.0).used == Usage(8)
    assert ledger.earliest(plain(3), HERE, 10.0) == 40.0
    ledger.verify()


def test_what_others_have_used_leaves_within_a_window() -> None:
    ledger = Ledger(SMALL)

    ledger.charge_others("requests", 60.0, 8, now=10.0, leaves_at=400.0)

    assert ledger.earliest(plain(3), HERE, 10.0) == 70.0


def test_what_others_have_used_of_a_limit_that_is_none_is_nothing() -> None:
    ledger = Ledger(SMALL)

    ledger.charge_others("requests", 1.0, 8, now=10.0, leaves_at=11.0)

    assert ledger.statistics(10.0).used == NOTHING


def test_the_most_that_may_be_counted_holds_the_most_that_calls_under_way_may_bring() -> None:
    ledger = Ledger(SMALL)
    spend(ledger, 0.0, 2, 20, 10)
    booking = Booking(held=Usage(1, 10, 0), needed=Usage(1, 10, 5), ripens=5, at_most=30)
    reservation = grant_booking(ledger, 1.0, booking)

    assert ledger.at_most_counted("requests", 60.0, since=1.0, now=1.0) == 3
    assert ledger.at_most_counted("output_tokens", 60.0, since=1.0, now=1.0) == 40
    assert ledger.at_most_counted("requests", 1.0, since=1.0, now=1.0) is None
    ledger.cancel(reservation, 1.0, charged=False)
    assert ledger.at_most_counted("output_tokens", 60.0, since=1.0, now=1.0) == 10


# ── whom it concerns ────────────────────────────────────────────────────────────────────────────────────────


def test_the_scopes_in_which_something_came_back_are_told_once() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    first = grant(ledger, 0.0, 1, 1, 1, scopes=(POOL, KEY))
    second = grant(ledger, 0.0, 1, 1, 1, scopes=(POOL, TEAM))
    assert ledger.take_freed() == ()

    ledger.report(first, 1.0, input_tokens=0, output_tokens=0)
    assert ledger.take_freed() == (POOL, KEY)
    assert ledger.take_freed() == ()
    ledger.cancel(second, 1.0, charged=False)
    ledger.cancel(second, 1.0, charged=False)
    assert ledger.take_freed() == (POOL, TEAM)


def test_a_start_is_told_because_it_sets_an_instant_for_what_had_none() -> None:
    ledger = Ledger(SMALL, kinds=KINDS)
    reservation = grant(ledger, 0.0, 1, 1, 1, scopes=(POOL, KEY))

    ledger.confirm(reservation, 1.0, started_at=0.5)

    assert ledger.take_freed() == (POOL, KEY)


def test_a_change_of_limits_is_told() -> None:
    ledger = Ledger(SMALL)

    ledger.change_limits(ONE_A_MINUTE, 1.0)

    assert ledger.take_freed() == (POOL,)


# ── misuse ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("slack", [-0.1, math.inf, math.nan])
def test_a_slack_is_finite_and_not_negative(slack: float) -> None:
    with pytest.raises(ValueError, match=r"^slack must be "):
        Ledger(SMALL, slack)


@pytest.mark.parametrize("patience", [-0.1, math.inf, math.nan])
def test_patience_is_finite_and_not_negative(patience: float) -> None:
    with pytest.raises(ValueError, match=r"^patience must be "):
        Ledger(SMALL, patience=patience)


def test_slack_and_patience_stay_what_they_were_made() -> None:
    ledger = Ledger(SMALL)

    with pytest.raises(AttributeError):
        ledger.slack = 0.0  # type: ignore[misc]  # the mistake under test
    with pytest.raises(AttributeError):
        ledger.patience = 0.0  # type: ignore[misc]  # the mistake under test


@pytest.mark.parametrize("foreign", [0, 2, -1])
def test_a_reservation_that_was_never_given_is_refused_with_its_number(foreign: int) -> None:
    ledger = Ledger(SMALL)
    grant(ledger, 0.0)

    text = rf"^reservation must be one of the 1 this ledger gave, got {foreign}$"
    with pytest.raises(UnknownReservation, match=text) as caught:
        ledger.report(ReservationId(foreign), now=1.0, input_tokens=0, output_tokens=0)
    assert caught.value.reservation_id == foreign
    with pytest.raises(UnknownReservation, match=text):
        ledger.cancel(ReservationId(foreign), now=1.0, charged=False)


ILLEGAL: dict[str, tuple[Any, ...]] = {
    "reserve in the past": ("reserve", (plain(), HERE, 4.0), {}),
    "reserve at nan": ("reserve", (plain(), HERE, math.nan), {}),
    "reserve at infinity": ("reserve", (plain(), HERE, math.inf), {}),
    "reserve at a word": ("reserve", (plain(), HERE, "9"), {}),
    "reserve no booking": ("reserve", ((1, 2, 3), HERE, 9.0), {}),
    "reserve in an unknown scope": ("reserve", (plain(), (POOL, KEY, Scope("planet")), 9.0), {}),
    "earliest in the past": ("earliest", (plain(), HERE, 4.0), {}),
    "earliest in an unknown scope": ("earliest", (plain(), (POOL, Scope("planet")), 9.0), {}),
    "earliest of no booking": ("earliest_if_refunded", (None, HERE, 9.0), {}),
    "statistics in the past": ("statistics", (4.0,), {}),
    "report in the past": ("report", (1, 4.0), {"input_tokens": 1, "output_tokens": 1}),
    "report unknown": ("report", (7, 9.0), {"input_tokens": 1, "output_tokens": 1}),
    "report negative": ("report", (1, 9.0), {"input_tokens": -1, "output_tokens": 1, "started_at": 8.0}),
    "report half a token": ("report", (1, 9.0), {"input_tokens": 1, "output_tokens": 0.5}),
    "report sent before its grant": (
        "report",
        (1, 9.0),
        {"input_tokens": 1, "output_tokens": 1, "started_at": 2.9},
    ),
    "report sent after the answer": (
        "report",
        (1, 9.0),
        {"input_tokens": 1, "output_tokens": 1, "started_at": 9.1},
    ),
    "report a late one negative": ("report", (2, 9.0), {"input_tokens": 1, "output_tokens": -1}),
    "confirm in the past": ("confirm", (1, 4.0), {"started_at": 3.0}),
    "confirm unknown": ("confirm", (7, 9.0), {"started_at": 3.0}),
    "confirm before its grant": ("confirm", (1, 9.0), {"started_at": 2.9}),
    "confirm sent in the future": ("confirm", (1, 9.0), {"started_at": 9.1}),
    "cancel in the past": ("cancel", (1, 4.0), {"charged": False}),
    "cancel unknown": ("cancel", (7, 9.0), {"charged": False}),
    "release unknown": ("release", (7, 9.0), {}),
    "detach in the past": ("detach", (1, 4.0), {}),
    "detach unknown": ("detach", (7, 9.0), {}),
    "charge in an unknown scope": ("charge", (Usage(), 9.0), {"scopes": (POOL, Scope("planet"))}),
    "charge sent in the future": ("charge", (Usage(), 9.0), {"started_at": 9.1}),
    "charge sent at no instant": ("charge", (Usage(), 9.0), {"started_at": -math.inf}),
    "change limits in the past": ("change_limits", (ONE_A_MINUTE, 4.0), {}),
    "change the algorithm in the past": ("change_algorithm", ("token_bucket", 4.0), {}),
    "change to no algorithm": ("change_algorithm", ("leaky", 5.0), {}),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_an_illegal_verb_raises_and_changes_nothing(case: str) -> None:
    verb, arguments, options = ILLEGAL[case]
    ledger = Ledger(SMALL, kinds=KINDS, patience=2.0)
    grant(ledger, 3.0, 2, 30, 15)
    grant_booking(ledger, 3.0, Booking(held=Usage(1, 5, 0), needed=Usage(1, 5, 0), ripens=4))
    ledger.detach(ReservationId(2), 3.0)
    before = ledger.statistics(now=5.0)

    with pytest.raises((ValueError, TypeError, AttributeError)):
        getattr(ledger, verb)(*arguments, **options)

    # Time has not moved either: the instant of the failed verb was 9.0, and 5.0 is still allowed.
    assert ledger.statistics(now=5.0) == before
    assert ledger.scopes == (POOL,)
    assert ledger._ripening.certain == 0
    ledger.verify()
    late = ledger.report(ReservationId(2), now=5.0, input_tokens=6, output_tokens=None)
    assert late == Settled(spent=Usage(1, 6, 4), refunded=NOTHING, charged=Usage(0, 1, 0))
    assert isinstance(ledger.cancel(ReservationId(1), now=5.0, charged=False), Settled)


def test_what_is_wrong_with_a_scope_is_said_with_what_would_be_right() -> None:
    text = r"^kind of scope must be one that limits are set for \('key', 'team'\), got 'planet'$"
    with pytest.raises(UnknownScope, match=text) as caught:
        Ledger(SMALL, kinds=KINDS).reserve(plain(), (POOL, Scope("planet", "mars")), now=0.0)
    assert caught.value.scope == Scope("planet", "mars")


# ── the provider's side ─────────────────────────────────────────────────────────────────────────────────────

CALLS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.3, 1.0, 4.0]),  # pause before the call
        st.integers(0, 6),  # input tokens
        st.floats(0, 0.4),  # from the grant until it is sent
        st.floats(0, 1),  # where in its bounds the provider counts it
        st.floats(0, 12),  # from sending to the answer
    ),
    max_size=40,
)


@given(calls=CALLS)
def test_no_window_of_the_provider_holds_more_than_the_limits(
    calls: list[tuple[float, int, float, float, float]],
) -> None:
    window, slack, limits = 10.0, 0.5, Limits(requests=3, input_tokens=9, output_tokens=None, window=10.0)
    ledger = Ledger(limits, slack)
    under_way: list[tuple[float, float, ReservationId]] = []
    counted: list[tuple[Fraction, int]] = []
    now = 0.0
    for pause, tokens, delay, share, took in calls:
        now += pause
        for call in sorted(call for call in under_way if call[0] <= now):
            answered_at, started_at, reservation = call
            under_way.remove(call)
            ledger.report(reservation, answered_at, input_tokens=None, output_tokens=0, started_at=started_at)
        reserved = ledger.reserve(plain(1, tokens), HERE, now)
        if isinstance(reserved, Shortfall):
            continue
        started_at = now + delay
        answered_at = started_at + took
        under_way.append((answered_at, started_at, reserved))
        latest = min(Fraction(started_at) + Fraction(slack), Fraction(answered_at))
        counted.append((Fraction(started_at) + Fraction(share) * (latest - Fraction(started_at)), tokens))

    for end, _ in counted:
        inside = [tokens for instant, tokens in counted if end - Fraction(window) < instant <= end]
        assert len(inside) <= 3
        assert sum(inside) <= 9
