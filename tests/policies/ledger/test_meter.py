"""The books of one limit, by both algorithms."""

from __future__ import annotations

import math

import pytest

from actors.policies.ledger.limits import Limit
from actors.policies.ledger.meter import ALGORITHMS, Algorithm, Meter, Unknown

LIMIT = Limit("requests", 32, 64.0)


def meter(algorithm: Algorithm = "sliding_window") -> Meter:
    """A meter of 32 per 64 s: a bucket of it gets a token back in 2 s."""
    return Meter(LIMIT, algorithm)


def used(algorithm: Algorithm, amount: int, at: float, now: float) -> Meter:
    """A meter of which an amount was held and then counted at an instant."""
    made = meter(algorithm)
    made.hold(amount)
    made.settle(amount, amount, at, 0.5, now)
    return made


# ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_held_is_in_the_way_until_it_is_settled(algorithm: Algorithm) -> None:
    books = meter(algorithm)
    books.hold(30)

    assert [books.lacks(needed, 1.0) for needed in (0, 2, 3)] == [-2, 0, 1]
    assert [books.earliest(needed, 1.0) for needed in (2, 3)] == [1.0, Unknown.UNTIL_SETTLEMENT]
    assert books.earliest_if_refunded(32, 1.0) == 1.0
    assert books.share(1.0) == 30 / 32


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_not_used_is_free_at_once(algorithm: Algorithm) -> None:
    books = meter(algorithm)
    books.hold(30)
    books.settle(30, 0, 1.0, 0.5, 1.0)

    assert (books.held, books.in_use, books.lacks(32, 1.0), books.full_at) == (0, 0, 0, -math.inf)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_above_the_limit_never_fits(algorithm: Algorithm) -> None:
    assert meter(algorithm).earliest(33, 1.0) == math.inf
    assert meter(algorithm).earliest_if_refunded(33, 1.0) == math.inf


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_above_its_limit_not_even_nothing_fits(algorithm: Algorithm) -> None:
    books = used(algorithm, 32, at=0.0, now=0.5)
    assert books.lacks(0, 0.5) == 0
    books.settle(0, 4, 0.5, 0.0, 0.5)

    assert books.lacks(0, 0.5) == 4
    assert books.share(0.5) == 36 / 32
    assert books.earliest(0, 0.5) == {"sliding_window": 64.5, "token_bucket": 8.5}[algorithm]


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_at_the_earliest_instant_it_fits_and_a_float_before_it_does_not(algorithm: Algorithm) -> None:
    books = Meter(Limit("input_tokens", 7, 10.0), algorithm)
    books.settle(0, 5, 0.7, 0.1, 0.9)
    instant = books.earliest(6, 0.9)
    assert isinstance(instant, float)

    assert books.lacks(6, math.nextafter(instant, 0)) == {"sliding_window": 4, "token_bucket": 1}[algorithm]
    assert books.lacks(6, instant) <= 0


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_refunds_cannot_make_room_before_what_was_spent_is_back(algorithm: Algorithm) -> None:
    books = used(algorithm, 20, at=0.0, now=0.5)
    books.hold(12)

    assert books.earliest(21, 0.5) == Unknown.UNTIL_SETTLEMENT
    assert books.earliest_if_refunded(20, 0.5) == {"sliding_window": 64.5, "token_bucket": 16.5}[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_peak_is_the_most_that_was_held_and_spent_together(algorithm: Algorithm) -> None:
    books = used(algorithm, 20, at=0.0, now=0.5)
    books.hold(10)
    books.settle(10, 0, 0.5, 0.0, 0.5)
    books.expire(99.0)
    books.hold(3)

    assert (books.in_use, books.peak) == (3, 30)


# ── sliding window ──────────────────────────────────────────────────────────────────────────────────────────────


def test_in_a_window_all_of_an_amount_comes_back_one_window_after_it_was_counted() -> None:
    books = used("sliding_window", 30, at=10.0, now=11.0)

    assert books.lacks(3, math.nextafter(74.5, 0)) == 1
    assert books.lacks(32, 74.5) == 0
    assert books.share(74.5) == 0


def test_what_has_left_the_window_already_is_not_booked() -> None:
    assert used("sliding_window", 30, at=10.0, now=74.5).in_use == 0


def test_nothing_has_to_expire_before_a_question() -> None:
    books = used("sliding_window", 30, at=10.0, now=11.0)

    assert books.share(80.0) == 0


# ── token bucket ────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_a_bucket_an_amount_comes_back_all_the_time() -> None:
    books = used("token_bucket", 30, at=10.0, now=11.0)

    assert books.full_at == 70.5
    assert [books.lacks(3, now) for now in (10.5, 12.4, 12.5, 14.5)] == [1, 1, 0, -1]
    assert books.earliest(3, 11.0) == 12.5
    assert books.missing(30.5) == 20
    assert books.share(30.5) == 20 / 32


# ── what others use ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_others_have_used_leaves_the_window_at_an_instant_and_is_missing_in_the_bucket_from_now_on() -> (
    None
):
    books = meter()

    books.charge(10, 40.0, 11.0)

    assert (books.in_use, books.peak, books.full_at) == (10, 10, 31.0)
    assert books.earliest(23, 11.0) == 40.0


def test_what_others_used_and_has_left_is_missing_in_the_bucket_alone() -> None:
    books = meter()

    books.charge(10, 11.0, 11.0)

    assert (books.in_use, books.full_at) == (0, 31.0)


# ── what is changed ─────────────────────────────────────────────────────────────────────────────────────────────


def test_both_books_are_kept_so_that_either_can_decide_at_any_instant() -> None:
    books = used("sliding_window", 30, at=10.0, now=11.0)
    assert books.earliest(12, 40.5) == 74.5

    books.algorithm = "token_bucket"
    assert books.earliest(12, 40.5) == 40.5
    books.algorithm = "sliding_window"
    assert books.lacks(12, 40.5) == 10


def test_either_is_the_window_until_more_was_counted_than_the_limit() -> None:
    either, window = used("either", 32, at=0.0, now=0.5), used("sliding_window", 32, at=0.0, now=0.5)

    for books in (either, window):
        assert (books.lacks(1, 0.5), books.lacks(32, 63.9)) == (1, 32)
        assert books.earliest(1, 0.5) == 64.5
        assert books.lacks(32, 64.5) == 0


def test_either_waits_for_a_bucket_that_stands_below_empty_when_the_window_has_forgotten_why() -> None:
    either, window = (used(algorithm, 32, at=0.0, now=0.5) for algorithm in ("either", "sliding_window"))
    for books in (either, window):
        books.settle(0, 32, 0.5, 0.0, 0.5)

    assert window.lacks(32, 64.5) == 0
    assert either.lacks(32, 64.5) == 32
    assert either.earliest(1, 64.5) == 66.5
    assert either.earliest(32, 64.5) == either.earliest_if_refunded(32, 64.5) == 128.5
    assert either.lacks(32, 128.5) == 0


def test_there_is_no_fourth_algorithm() -> None:
    text = r"^algorithm must be one of sliding_window, token_bucket, either, got 'leaky'$"
    with pytest.raises(ValueError, match=text):
        Meter(LIMIT, "leaky")  # type: ignore[arg-type]  # the mistake under test
    books = meter()
    with pytest.raises(ValueError, match=text):
        books.algorithm = "leaky"  # type: ignore[assignment]  # the mistake under test
    assert books.algorithm == "sliding_window"


def test_an_amount_that_is_corrected_leaves_when_it_would_have_left() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)

    books.amend(10, 16, 10.0, 0.5, 20.0)

    assert (books.in_use, books.peak, books.earliest(32, 20.0)) == (16, 16, 74.5)
    assert books.full_at == 42.5
    books.amend(16, 0, 10.0, 0.5, 20.0)
    assert (books.in_use, books.peak) == (0, 16)


def test_a_bucket_takes_what_is_more_and_gives_nothing_back() -> None:
    books = used("token_bucket", 10, at=10.0, now=11.0)

    books.amend(10, 4, 10.0, 0.5, 20.0)
    assert books.full_at == 30.5
    books.amend(4, 5, 10.0, 0.5, 20.0)
    assert books.full_at == 32.5


def test_what_has_left_the_window_is_corrected_in_the_bucket_alone() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)

    books.amend(10, 60, 10.0, 0.5, 74.5)

    assert (books.in_use, books.full_at) == (0, 130.5)


def test_what_was_never_settled_is_not_corrected() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)

    with pytest.raises(ValueError, match=r"^before must be >= 0 and <= 0, which leaves at 75\.5, got 10$"):
        books.amend(10, 60, 11.0, 0.5, 20.0)
    assert (books.in_use, books.full_at) == (10, 30.5)


def test_under_another_limit_what_is_held_spent_and_missing_stays_what_it_was() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)
    books.hold(4)

    books.change_limit(Limit("requests", 16, 64.0), 20.5)

    assert books.limit == Limit("requests", 16, 64.0)
    assert (books.lacks(2, 20.5), books.share(20.5), books.missing(20.5)) == (0, 14 / 16, 5)
    assert books.full_at == 40.5


@pytest.mark.parametrize("to", [30, 10, 3, 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_after_a_limit_was_cut_nobody_waits_longer_than_a_window(algorithm: Algorithm, to: int) -> None:
    books = used(algorithm, 32, at=10.0, now=10.5)

    books.change_limit(Limit("requests", to, 64.0), 10.5)

    assert books.earliest(to, 10.5) == 10.5 + 64.0
    assert books.lacks(to, 74.5) == 0


@pytest.mark.parametrize(
    ("algorithm", "windows"), [("sliding_window", 1), ("token_bucket", 2), ("either", 2)]
)
def test_after_a_limit_was_cut_that_was_overdrawn_nobody_waits_longer_than_two(
    algorithm: Algorithm, windows: int
) -> None:
    books = used(algorithm, 320, at=10.0, now=10.5)

    books.change_limit(Limit("requests", 3, 64.0), 10.5)

    assert books.earliest(3, 10.5) == 10.5 + windows * 64.0


@pytest.mark.parametrize(("algorithm", "lacks"), [("sliding_window", 0), ("either", 5), ("token_bucket", 5)])
def test_a_window_forgets_sooner_than_a_bucket_that_was_cut(algorithm: Algorithm, lacks: int) -> None:
    """Half of what was taken is missing at the cut, and half of that once the window has forgotten all."""
    books = used(algorithm, 32, at=0.0, now=0.5)
    books.change_limit(Limit("requests", 10, 64.0), 32.5)

    assert books.lacks(10, 64.5) == lacks


@pytest.mark.parametrize("other", [Limit("requests", 16, 1.0), Limit("input_tokens", 16, 64.0)])
def test_the_books_of_one_limit_are_not_those_of_another(other: Limit) -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)

    with pytest.raises(ValueError, match=f"^limit must be of requests per 64 s, got {other}$"):
        books.change_limit(other, 20.0)
    assert books.limit == LIMIT


# ── what a provider may have counted ────────────────────────────────────────────────────────────────────────────


def test_a_provider_has_counted_no_more_than_was_booked_at_any_instant_since() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)
    books.settle(0, 3, 30.0, 0.5, 31.0)
    books.hold(2)

    assert books.at_most_counted(31.0, 31.0) == 15
    assert books.at_most_counted(74.0, 80.0) == 15
    assert books.at_most_counted(74.5, 80.0) == 5
    assert books.at_most_counted(94.0, 95.0) == 5
    assert books.at_most_counted(94.5, 95.0) == 3  # half a second ago half a token may have been missing


def test_what_had_left_before_it_was_settled_may_have_been_counted_since() -> None:
    """A call that took longer than the window: the answer tells what was left of the limit at its beginning."""
    books = meter()
    books.hold(10)
    books.settle(10, 10, 0.0, 0.5, 100.0)

    assert books.in_use == 0
    assert books.at_most_counted(64.0, 100.0) == 18
    assert books.at_most_counted(0.0, 100.0) == 50


def test_a_bucket_below_empty_shows_what_a_window_has_let_go() -> None:
    books = used("sliding_window", 60, at=0.0, now=0.5)

    assert books.at_most_counted(70.5, 70.5) == 25


def test_books_that_do_not_reach_back_that_far_say_so() -> None:
    books = meter()
    for instant in range(300):
        books.settle(0, 1, float(instant), 0.0, float(instant))

    assert books.at_most_counted(0.0, 300.0) is None
    assert books.at_most_counted(299.0, 299.0) is not None


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_wrong_with_the_books_is_named() -> None:
    books = used("sliding_window", 10, at=10.0, now=11.0)
    books.hold(4)
    assert list(books.faults(4, 11.0, 75.5)) == []
    assert list(meter().faults(0, -math.inf, -math.inf)) == []

    assert list(books.faults(3, 11.0, 75.5)) == [
        "requests held must be 3, the sum of the reservations, got 4"
    ]
    assert list(books.faults(4, 11.0, 74.0)) == [
        "requests spent: parts must leave after 11.0 and by 74.0, got 74.5 to 74.5",
        "requests bucket: tokens must be taken by 10.000000000000014, got 10.5 and 10.5",
    ]
    books.peak = 13
    assert list(books.faults(4, 11.0, 75.5)) == ["requests peak must be >= 14, which is in use, got 13"]
