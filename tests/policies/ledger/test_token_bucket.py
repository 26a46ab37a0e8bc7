"""A bucket that refills all the time, to the last float."""

from __future__ import annotations

import math

import pytest

from actors.policies.ledger.token_bucket import TokenBucket


def bucket(*taken: tuple[int, float], amount: int = 32, window: float = 64.0) -> TokenBucket:
    """A bucket of which (tokens, instant) were taken; a token comes back in 2 s."""
    made = TokenBucket(amount, window)
    for tokens, counted_by in taken:
        made.take(tokens, counted_by)
    return made


def test_a_bucket_is_full_at_the_beginning() -> None:
    assert bucket().missing(0.0) == 0
    assert bucket().missing_whole(-1e9) == 0
    assert bucket().full_at == bucket().back_at(0) == -math.inf


def test_a_token_comes_back_in_its_share_of_the_window() -> None:
    tapped = bucket((2, 10.0))

    assert tapped.full_at == 14.0
    assert [tapped.missing_whole(now) for now in (10.0, 11.9, 12.0, 13.9, 14.0, 99.0)] == [2, 2, 1, 1, 0, 0]
    assert tapped.missing(11.5) == 1.25
    assert tapped.missing(99.0) == 0


def test_tokens_that_are_taken_one_by_one_come_back_as_if_they_had_been_taken_at_once() -> None:
    one_by_one = bucket(*((1, 0.1) for _ in range(50)), amount=50, window=60.0)

    assert one_by_one.full_at == 60.1
    assert one_by_one.missing_whole(0.1) == 50


def test_a_token_is_back_at_the_first_float_that_is_not_too_early() -> None:
    tapped = bucket((3, 0.1), amount=7, window=10.0)
    back = tapped.back_at(2)

    assert tapped.missing_whole(back) == 2
    assert tapped.missing_whole(math.nextafter(back, 0)) == 3


def test_a_token_taken_after_a_rest_gains_nothing_from_it() -> None:
    assert bucket((1, 0.0), (1, 30.0)).full_at == 32.0


def test_a_token_that_is_told_late_is_taken_as_well() -> None:
    assert bucket((25, 30.0), (1, 0.0)).full_at == 82.0


def test_before_a_token_can_have_been_taken_it_is_missing_too_and_its_refill_has_not_begun() -> None:
    ahead = bucket((1, 10.0))

    assert ahead.missing(7.0) == 2.5
    assert ahead.missing_whole(7.0) == 3
    assert ahead.back_at(3) == 6.0


def test_no_token_is_no_event() -> None:
    assert bucket((0, 10.0)).full_at == -math.inf


def test_a_bucket_may_stand_below_empty() -> None:
    tapped = bucket((40, 0.0))

    assert tapped.missing_whole(0.0) == 40
    assert tapped.back_at(32) == 16.0


# another size


@pytest.mark.parametrize("amount", [20, 24, 64])
def test_as_many_tokens_are_missing_in_a_bucket_of_another_size_that_has_room_for_them(amount: int) -> None:
    resized = bucket((30, 0.0)).resize(amount, 20.0)

    assert resized.missing_whole(20.0) == 20
    assert resized.full_at == 20.0 + 20 * 64 / amount


@pytest.mark.parametrize("amount", [19, 8, 1])
def test_a_bucket_that_is_cut_is_empty_at_worst_and_full_a_window_later(amount: int) -> None:
    shrunk = bucket((30, 0.0)).resize(amount, 20.0)

    assert shrunk.missing_whole(20.0) == amount
    assert shrunk.full_at == 20.0 + 64.0


@pytest.mark.parametrize(("missing", "left"), [(33, 9), (36, 12), (40, 16), (41, 16), (320, 16)])
def test_a_bucket_that_is_cut_while_it_stands_below_empty_keeps_at_most_its_own_size_of_that(
    missing: int, left: int
) -> None:
    shrunk = bucket((missing, 0.0)).resize(8, 0.0)

    assert shrunk.missing_whole(0.0) == left
    assert shrunk.full_at == left * 8


def test_a_bucket_that_is_cut_again_and_again_is_full_a_window_after_the_last_time() -> None:
    cut = bucket((320, 0.0)).resize(16, 0.0).resize(8, 1.0).resize(4, 2.0).resize(2, 3.0).resize(1, 4.0)

    assert cut.full_at == 4.0 + 128.0
    assert bucket((32, 0.0)).resize(16, 0.0).resize(1, 4.0).full_at == 4.0 + 64.0


def test_the_same_size_changes_nothing_even_below_empty() -> None:
    assert bucket((320, 0.0)).resize(32, 20.0).full_at == 640.0


def test_a_bucket_that_is_cut_is_not_full_before_all_has_been_taken_and_a_window_has_passed() -> None:
    """Some of it is taken by 10.0 at the latest: until then the smaller bucket may be full, and empty then."""
    assert bucket((30, 10.0)).resize(8, 4.0).full_at == 10.0 + 64.0


def test_a_part_of_a_token_stays_a_part() -> None:
    grown = bucket((2, 0.0)).resize(64, 1.5)

    assert grown.missing(1.5) == 1.25
    assert grown.full_at == 1.5 + 1.25 * 1


def test_a_full_bucket_is_full_at_another_size() -> None:
    assert bucket((2, 0.0)).resize(64, 4.0).missing_whole(4.0) == 0
    assert bucket().resize(64, 4.0).full_at == -math.inf


def test_what_may_be_taken_ahead_does_not_come_back_before_it_by_a_faster_tap() -> None:
    """One token is taken by 10.0 at the latest; until then the provider's larger bucket may be full."""
    assert bucket((1, 10.0)).resize(64, 5.0).full_at == 11.0
    assert bucket((1, 10.0)).resize(16, 5.0).full_at == 5.0 + (2.5 + 1) * 4


def test_what_was_taken_under_the_slower_tap_and_told_later_does_not_come_back_at_the_faster_one() -> None:
    grown = bucket().resize(64, 30.0)
    grown.take(10, 25.0)

    assert grown.full_at == 40.0
    assert grown.resize(32, 35.0).full_at == 45.0


def test_what_was_taken_long_ago_and_told_later_follows_what_was_taken_before_the_change() -> None:
    shrunk = bucket((10, 0.0)).resize(16, 30.0)
    shrunk.take(5, 1.0)

    assert shrunk.full_at == 20.0 + 5 * 4


def test_what_was_taken_under_a_faster_tap_needs_no_such_care() -> None:
    shrunk = bucket().resize(16, 30.0)
    shrunk.take(10, 25.0)

    assert shrunk.full_at == 25.0 + 10 * 4


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("_taken", -1, "-1 tokens cannot be missing since 3.0"),
        ("_full_until", -math.inf, "2 tokens cannot be missing since -inf"),
        ("_full_until", math.nan, "2 tokens cannot be missing since nan"),
        ("_full_until", 3.5, "tokens must be taken by 4.0, got 3.5 and 3.0"),
        ("_counted_by", 4.5, "tokens must be taken by 4.0, got 3.0 and 4.5"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_named(field: str, value: float, text: str) -> None:
    tapped = bucket((2, 3.0))
    assert list(tapped.faults(4.0)) == []

    setattr(tapped, field, value)

    assert next(tapped.faults(4.0)) == text
