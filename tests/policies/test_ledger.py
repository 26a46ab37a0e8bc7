"""The ledger keeps every window within the limits, and gives back what is due and no more."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger import DEFAULT_SLACK, ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import (
    AlreadySettled,
    LedgerStatistics,
    Settled,
    Shortfall,
    UnknownReservation,
    Utilization,
)
from actors.policies.limits import Limits
from actors.policies.meter import Unknown
from actors.policies.usage import NOTHING, Usage

ONE_A_MINUTE = Limits(requests=1, input_tokens=None, output_tokens=None)
SMALL = Limits(requests=10, input_tokens=100, output_tokens=50)


def grant(ledger: SlidingWindowLedger, now: float, usage: Usage = Usage()) -> ReservationId:  # noqa: B008  # frozen
    """Reserve what is known to fit."""
    reserved = ledger.reserve(usage, now)
    assert not isinstance(reserved, Shortfall)
    return reserved


def spend(ledger: SlidingWindowLedger, now: float, usage: Usage) -> None:
    """Reserve and settle in one instant: an entry stamped `now`."""
    reservation = grant(ledger, now, usage)
    ledger.report(reservation, now, input_tokens=None, output_tokens=None)


# ── grants ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_grants_go_up_to_the_limit_and_no_further() -> None:
    ledger = SlidingWindowLedger(Limits(requests=3, input_tokens=None, output_tokens=None))

    outcomes = [ledger.reserve(Usage(), now=0.0) for _ in range(4)]

    assert outcomes == [1, 2, 3, Shortfall("requests", 1, 3, Unknown.UNTIL_SETTLEMENT)]


def test_a_grant_is_all_or_nothing_across_the_dimensions() -> None:
    ledger = SlidingWindowLedger(SMALL)
    grant(ledger, 0.0, Usage(1, 10, 50))

    assert ledger.reserve(Usage(1, 10, 1), now=0.0) == Shortfall(
        "output_tokens", 1, 50, Unknown.UNTIL_SETTLEMENT
    )
    assert ledger.statistics(now=0.0).reserved == Usage(1, 10, 50)


def test_a_shortfall_names_the_dimension_that_is_short_the_longest() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(10, 0, 0))
    spend(ledger, 1.0, Usage(0, 100, 0))

    assert ledger.reserve(Usage(1, 1, 1), now=2.0) == Shortfall("input_tokens", 1, 100, 61.0)


def test_a_shortfall_that_takes_a_settlement_outweighs_one_that_takes_time() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(10, 0, 0))
    grant(ledger, 0.0, Usage(0, 0, 50))

    shortfall = ledger.reserve(Usage(1, 0, 1), now=2.0)

    assert shortfall == Shortfall("output_tokens", 1, 50, Unknown.UNTIL_SETTLEMENT)


def test_a_shortfall_that_never_ends_outweighs_all() -> None:
    ledger = SlidingWindowLedger(SMALL)
    grant(ledger, 0.0, Usage(0, 0, 50))

    assert ledger.reserve(Usage(1, 101, 1), now=2.0) == Shortfall("input_tokens", 101, 100, math.inf)


def test_what_is_not_limited_is_counted_and_never_short() -> None:
    ledger = SlidingWindowLedger(Limits(requests=None, input_tokens=None, output_tokens=None))
    grant(ledger, 0.0, Usage(10**6, 10**9, 10**9))

    assert ledger.earliest(Usage(10**6, 10**9, 10**9), now=0.0) == 0.0
    assert ledger.statistics(now=0.0).reserved == Usage(10**6, 10**9, 10**9)
    assert ledger.statistics(now=0.0).utilization == Utilization(None, None, None)


# ── when entries leave ──────────────────────────────────────────────────────────────────────────────────────


def test_a_reservation_is_held_for_as_long_as_it_is_not_settled() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    grant(ledger, 0.0)

    assert ledger.earliest(Usage(), now=1e6) is Unknown.UNTIL_SETTLEMENT


def test_a_request_leaves_one_window_after_it_was_sent_and_the_slack() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=30.0, input_tokens=0, output_tokens=0, started_at=2.0)

    assert ledger.earliest(Usage(), now=30.0) == 62.5
    assert isinstance(ledger.reserve(Usage(), now=math.nextafter(62.5, 0)), Shortfall)
    assert ledger.reserve(Usage(), now=62.5) == 2


def test_an_answer_within_the_slack_bounds_the_instant_of_counting() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=0.25, input_tokens=0, output_tokens=0, started_at=0.0)

    assert ledger.earliest(Usage(), now=0.25) == 60.25


def test_a_request_sent_at_an_unknown_instant_counts_as_sent_when_it_was_answered() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    reservation = grant(ledger, 0.0)
    ledger.report(reservation, now=30.0, input_tokens=0, output_tokens=0)

    assert ledger.earliest(Usage(), now=30.0) == 90.0


def test_input_leaves_with_its_request_and_output_one_window_after_the_answer() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(10, 100, 50))
    ledger.report(reservation, now=30.0, input_tokens=100, output_tokens=50, started_at=0.0)

    assert ledger.earliest(Usage(1, 0, 0), now=30.0) == 60.5
    assert ledger.earliest(Usage(0, 1, 0), now=30.0) == 60.5
    assert ledger.earliest(Usage(0, 0, 1), now=30.0) == 90.0


def test_what_has_left_before_it_is_settled_is_gone_at_once() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(10, 100, 50))
    ledger.report(reservation, now=300.0, input_tokens=190, output_tokens=20, started_at=0.0)

    assert ledger.statistics(now=300.0).used == Usage(0, 0, 20)
    assert ledger.statistics(now=300.0).peak == Usage(10, 100, 50)


def test_a_late_answer_to_an_early_request_leaves_before_later_requests() -> None:
    ledger = SlidingWindowLedger(Limits(requests=3, input_tokens=None, output_tokens=None))
    slow, quick = grant(ledger, 0.0), grant(ledger, 10.0)
    ledger.report(quick, now=12.0, input_tokens=0, output_tokens=0, started_at=10.0)
    ledger.report(slow, now=40.0, input_tokens=0, output_tokens=0, started_at=0.0)
    grant(ledger, 40.0)

    assert [ledger.earliest(Usage(requests=n), now=40.0) for n in (1, 2)] == [60.5, 70.5]
    assert ledger.statistics(now=60.5).used == Usage(requests=1)


def test_a_charged_cancellation_counts_as_sent_now() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(10, 100, 50))

    outcome = ledger.cancel(reservation, now=7.0, charged=True)

    assert outcome == Settled(spent=Usage(10, 100, 50), refunded=NOTHING, charged=NOTHING)
    for usage in (Usage(1, 0, 0), Usage(0, 1, 0), Usage(0, 0, 1)):
        assert ledger.earliest(usage, now=7.0) == 7.0 + DEFAULT_SLACK + 60.0


def test_an_uncharged_cancellation_refunds_everything_at_once() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(10, 100, 50))

    outcome = ledger.cancel(reservation, now=7.0, charged=False)

    assert outcome == Settled(spent=NOTHING, refunded=Usage(10, 100, 50), charged=NOTHING)
    assert ledger.earliest(Usage(10, 100, 50), now=7.0) == 7.0


def test_a_large_usage_waits_until_enough_has_left() -> None:
    ledger = SlidingWindowLedger(SMALL)
    for instant in range(5):
        spend(ledger, float(instant), Usage(0, 20, 0))

    assert [ledger.earliest(Usage(0, n, 0), now=5.0) for n in (1, 20, 21, 100)] == [60.0, 60.0, 61.0, 64.0]


def test_an_entry_is_out_at_exactly_its_stamp_and_a_window() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    spend(ledger, 10.0, Usage())

    assert isinstance(ledger.reserve(Usage(), now=math.nextafter(70.0, 0)), Shortfall)
    assert ledger.reserve(Usage(), now=70.0) == 2


def test_a_rounding_never_lets_a_grant_through_early() -> None:
    """0.7 + 0.1 is 0.7999999999999999 in floats: at that instant not a whole window has passed."""
    ledger = SlidingWindowLedger(attrs.evolve(ONE_A_MINUTE, window=0.1))
    spend(ledger, 0.7, Usage())

    assert isinstance(ledger.reserve(Usage(), now=0.7 + 0.1), Shortfall)
    assert ledger.reserve(Usage(), now=0.8) == 2


@given(
    started_at=st.floats(0, 1e6),
    slack=st.floats(0, 10),
    window=st.floats(1e-3, 1e4),
    took=st.floats(0, 20),
)
def test_the_instant_of_return_is_the_first_float_that_is_not_early(
    started_at: float, slack: float, window: float, took: float
) -> None:
    ledger = SlidingWindowLedger(attrs.evolve(ONE_A_MINUTE, window=window), slack)
    reservation = grant(ledger, started_at)
    now = started_at + took
    ledger.report(reservation, now, input_tokens=0, output_tokens=0, started_at=started_at)

    available_at = ledger.earliest(Usage(), now)

    exact = min(Fraction(started_at) + Fraction(slack), Fraction(now)) + Fraction(window)
    assert isinstance(available_at, float)
    if exact <= now:
        assert available_at == now
    else:
        assert Fraction(math.nextafter(available_at, 0)) < exact <= Fraction(available_at)


# ── settlement ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_refunds_what_was_not_used() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(1, 60, 40))

    outcome = ledger.report(reservation, now=1.0, input_tokens=50, output_tokens=10)

    assert outcome == Settled(spent=Usage(1, 50, 10), refunded=Usage(0, 10, 30), charged=NOTHING)
    assert ledger.statistics(now=1.0).used == Usage(1, 50, 10)
    assert ledger.statistics(now=1.0).reserved == NOTHING


def test_a_report_charges_what_was_not_held_even_above_the_limit() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(1, 60, 40))

    outcome = ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=45)

    assert outcome == Settled(spent=Usage(1, 150, 45), refunded=NOTHING, charged=Usage(0, 90, 5))
    assert ledger.statistics(now=1.0).utilization == Utilization(0.1, 1.5, 0.9)


def test_nothing_is_granted_in_a_dimension_above_its_limit_until_enough_has_left() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(1, 60, 40))
    ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=0)

    assert ledger.reserve(Usage(1, 0, 0), now=2.0) == Shortfall("input_tokens", 0, 100, 61.0)


@pytest.mark.parametrize(
    ("inputs", "outputs", "spent"),
    [(None, None, Usage(1, 60, 40)), (None, 5, Usage(1, 60, 5)), (50, None, Usage(1, 50, 40))],
)
def test_unknown_usage_never_refunds(inputs: int | None, outputs: int | None, spent: Usage) -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(1, 60, 40))
    ledger.report(reservation, now=1.0, input_tokens=inputs, output_tokens=outputs)

    assert ledger.statistics(now=1.0).used == spent


def test_whatever_settles_first_counts_and_the_rest_changes_nothing() -> None:
    def settle(ledger: SlidingWindowLedger, reservation: ReservationId, how: int) -> Settled | AlreadySettled:
        if how == 0:
            return ledger.report(reservation, now=1.0, input_tokens=5, output_tokens=5)
        return ledger.cancel(reservation, now=1.0, charged=how == 1)

    for first in range(3):
        for second in range(3):
            ledger = SlidingWindowLedger(SMALL)
            grant(ledger, 0.0, Usage(1, 20, 20))
            reservation = grant(ledger, 0.0, Usage(1, 20, 20))
            assert isinstance(settle(ledger, reservation, first), Settled)
            before = ledger.statistics(now=1.0)

            assert settle(ledger, reservation, second) == AlreadySettled()
            assert ledger.statistics(now=1.0) == before


# ── what may come ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_earliest_instant_is_now_when_there_is_room() -> None:
    assert SlidingWindowLedger(SMALL).earliest(Usage(10, 100, 50), now=3.0) == 3.0


def test_the_earliest_instant_is_infinite_above_a_limit() -> None:
    ledger = SlidingWindowLedger(SMALL)

    assert ledger.earliest(Usage(11, 0, 0), now=3.0) == math.inf
    assert ledger.earliest_if_refunded(Usage(11, 0, 0), now=3.0) == math.inf


def test_time_alone_is_enough_when_what_is_spent_makes_the_room() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(0, 60, 0))
    grant(ledger, 1.0, Usage(0, 40, 0))

    assert ledger.earliest(Usage(0, 60, 0), now=2.0) == 60.0
    assert ledger.earliest(Usage(0, 61, 0), now=2.0) is Unknown.UNTIL_SETTLEMENT


def test_refunds_cannot_make_room_that_is_spent() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(0, 60, 0))
    grant(ledger, 1.0, Usage(0, 40, 0))

    assert ledger.earliest_if_refunded(Usage(0, 40, 0), now=2.0) == 2.0
    assert ledger.earliest_if_refunded(Usage(0, 41, 0), now=2.0) == 60.0


def test_asking_holds_nothing() -> None:
    ledger = SlidingWindowLedger(ONE_A_MINUTE)
    ledger.earliest(Usage(), now=0.0)
    ledger.shortfall(Usage(), now=0.0)
    ledger.earliest_if_refunded(Usage(), now=0.0)

    assert ledger.statistics(now=0.0).in_flight == 0


# ── books ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_statistics_are_a_frozen_snapshot() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(1, 20, 10))
    grant(ledger, 0.0, Usage(2, 30, 15))
    snapshot = ledger.statistics(now=0.0)
    grant(ledger, 0.0, Usage(1, 1, 1))

    assert snapshot == LedgerStatistics(
        in_flight=1,
        used=Usage(1, 20, 10),
        reserved=Usage(2, 30, 15),
        utilization=Utilization(0.3, 0.5, 0.5),
        peak=Usage(3, 50, 25),
    )


def test_the_peak_remembers_what_time_has_taken() -> None:
    ledger = SlidingWindowLedger(SMALL)
    spend(ledger, 0.0, Usage(4, 20, 10))
    grant(ledger, 1.0, Usage(1, 5, 1))

    assert ledger.statistics(now=100.0).used == NOTHING
    assert ledger.statistics(now=100.0).peak == Usage(5, 25, 11)


def test_the_peak_counts_what_was_charged_above_the_limit() -> None:
    ledger = SlidingWindowLedger(SMALL)
    reservation = grant(ledger, 0.0, Usage(1, 60, 40))
    ledger.report(reservation, now=1.0, input_tokens=150, output_tokens=0)

    assert ledger.statistics(now=1.0).peak == Usage(1, 150, 40)


# ── misuse ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("slack", [-0.1, math.inf, math.nan])
def test_a_slack_is_finite_and_not_negative(slack: float) -> None:
    with pytest.raises(ValueError, match=r"^slack must be "):
        SlidingWindowLedger(SMALL, slack)


def test_limits_and_slack_stay_what_they_were_made() -> None:
    ledger = SlidingWindowLedger(SMALL)

    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        ledger.slack = 0.0
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        ledger.limits = ONE_A_MINUTE


@pytest.mark.parametrize("foreign", [0, 2, -1])
def test_a_reservation_that_was_never_given_is_refused_with_its_number(foreign: int) -> None:
    ledger = SlidingWindowLedger(SMALL)
    grant(ledger, 0.0)

    text = rf"^reservation must be one of the 1 this ledger gave, got {foreign}$"
    with pytest.raises(UnknownReservation, match=text) as caught:
        ledger.report(ReservationId(foreign), now=1.0, input_tokens=0, output_tokens=0)
    assert caught.value.reservation_id == foreign
    with pytest.raises(UnknownReservation, match=text):
        ledger.cancel(ReservationId(foreign), now=1.0, charged=False)


ILLEGAL: dict[str, tuple[Any, ...]] = {
    "reserve in the past": ("reserve", (Usage(), 4.0), {}),
    "reserve at nan": ("reserve", (Usage(), math.nan), {}),
    "reserve at infinity": ("reserve", (Usage(), math.inf), {}),
    "reserve at a word": ("reserve", (Usage(), "9"), {}),
    "reserve no usage": ("reserve", ((1, 2, 3), 9.0), {}),
    "earliest in the past": ("earliest", (Usage(), 4.0), {}),
    "earliest of no usage": ("earliest_if_refunded", (None, 9.0), {}),
    "statistics in the past": ("statistics", (4.0,), {}),
    "report in the past": ("report", (1, 4.0), {"input_tokens": 1, "output_tokens": 1}),
    "report unknown": ("report", (7, 9.0), {"input_tokens": 1, "output_tokens": 1}),
    "report negative": ("report", (1, 9.0), {"input_tokens": -1, "output_tokens": 1}),
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
    "cancel in the past": ("cancel", (1, 4.0), {"charged": False}),
    "cancel unknown": ("cancel", (7, 9.0), {"charged": False}),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_an_illegal_verb_raises_and_changes_nothing(case: str) -> None:
    verb, arguments, options = ILLEGAL[case]
    ledger = SlidingWindowLedger(SMALL)
    grant(ledger, 3.0, Usage(2, 30, 15))
    before = ledger.statistics(now=5.0)

    with pytest.raises((ValueError, TypeError, AttributeError)):
        getattr(ledger, verb)(*arguments, **options)

    # Time has not moved either: the instant of the failed verb was 9.0, and 5.0 is still allowed.
    assert ledger.statistics(now=5.0) == before
    assert isinstance(ledger.cancel(ReservationId(1), now=5.0, charged=False), Settled)


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
    ledger = SlidingWindowLedger(limits, slack)
    under_way: list[tuple[float, float, ReservationId]] = []
    counted: list[tuple[Fraction, int]] = []
    now = 0.0
    for pause, tokens, delay, share, took in calls:
        now += pause
        for call in sorted(call for call in under_way if call[0] <= now):
            answered_at, started_at, reservation = call
            under_way.remove(call)
            ledger.report(reservation, answered_at, input_tokens=None, output_tokens=0, started_at=started_at)
        reserved = ledger.reserve(Usage(1, tokens), now)
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
