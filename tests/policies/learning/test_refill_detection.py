"""What is taken for a refilling bucket and what is not, one response at a time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from actors.policies.learning.records import Seen
from actors.policies.learning.refill_detection import AGREEING_NEEDED, MOST_NEEDED, RefillDetector
from actors.policies.ledger.limits import Quantity
from actors.policies.usage import NOTHING, Usage

ONE = Usage(1, 100, 50)


def bucket(used: int, *, limit: int = 50, quantity: Quantity = "requests", error: float = 0.0) -> Seen:
    """A bucket of which this much is missing; its reset may be off by `error`."""
    return Seen(quantity, 60.0, limit=limit, remaining=limit - used, resets_in=used * 60.0 / limit + error)


def state(detector: RefillDetector) -> bool:
    """What is decided; a function, for it changes between two looks."""
    return detector.is_bucket


def shown(
    seen: Iterable[Seen],
    *,
    detector: RefillDetector | None = None,
    used: Usage | None = ONE,
    elapsed: float = 1.0,
) -> RefillDetector:
    """A detector that was shown one response after the other."""
    detector = detector or RefillDetector(60.0)
    for each in seen:
        detector.observe((each,), used=used, elapsed=elapsed)
    return detector


def test_eight_in_a_row_that_are_far_enough_apart_show_a_bucket() -> None:
    assert AGREEING_NEEDED == 8
    assert not shown(bucket(used) for used in range(1, 8)).is_bucket
    assert shown(bucket(used) for used in range(1, 9)).is_bucket


def test_the_response_that_decides_is_told_as_a_change_and_no_other() -> None:
    detector = RefillDetector(60.0)

    changes = [detector.observe((bucket(used),), used=ONE, elapsed=1.0) for used in range(1, 11)]

    assert changes == [False] * 7 + [True] + [False] * 2


def test_resets_rounded_to_seconds_fit_a_bucket() -> None:
    assert shown(
        bucket(used, error=error)
        for used, error in zip(range(1, 9), [0.0, 1.99, -1.0, 2.49] * 2, strict=True)
    ).is_bucket


@pytest.mark.parametrize("count", [100, 1_000])
def test_responses_at_one_level_do_not_show_a_bucket_however_many(count: int) -> None:
    """A reset that is always the same would look like that too."""
    detector = shown(bucket(10) for _ in range(count))

    assert (detector.is_bucket, detector.agreeing) == (False, count)


def test_levels_have_to_differ_by_more_than_what_is_tolerated() -> None:
    # 50 requests in 60 s: one is 1.2 s, so 1.2 + 1 + 2 + 2 * 0.5 seconds are 4.33 requests.
    assert not shown(bucket(used) for used in [10, 14] * 20).is_bucket
    assert shown(bucket(used) for used in [10, 15] * 20).is_bucket


def test_tokens_have_to_differ_by_more_than_their_rounding_too() -> None:
    # 30,000 tokens in 60 s, to the nearest thousand: 2 * 1 + 1 + 2 + 2 * 0.5 seconds are 3,000 tokens and a hair.
    def tokens(used: int) -> Seen:
        return Seen(
            "input_tokens",
            60.0,
            limit=30_000,
            remaining=30_000 - used,
            resets_in=used / 500,
            rounded_to=1_000,
        )

    assert not shown(tokens(used) for used in [2_000, 5_000] * 20).is_bucket
    assert shown(tokens(used) for used in [2_000, 6_000] * 20).is_bucket


@pytest.mark.parametrize("elapsed", [0.0, 1.0, 5.0, 40.0, 57.9])
@pytest.mark.parametrize("used", [1, 10, 25, 40, 49])
def test_a_window_that_cannot_be_whole_before_this_request_has_left_it_never_agrees(
    used: int, elapsed: float
) -> None:
    seen = Seen("requests", 60.0, limit=50, remaining=50 - used, resets_in=60.0 - elapsed)

    assert shown([seen] * 50, elapsed=elapsed).agreeing == 0


@pytest.mark.parametrize(("elapsed", "agreeing"), [(0.0, 1), (46.9, 1), (47.0, 0), (60.0, 0)])
def test_a_response_that_took_long_says_less(elapsed: float, agreeing: int) -> None:
    """12 s until it is whole, 1 s of rounding: sent less than 47 s ago, no window could be whole by then."""
    assert shown([bucket(10)], elapsed=elapsed).agreeing == agreeing


@pytest.mark.parametrize(
    "seen",
    [
        bucket(10, quantity="output_tokens"),
        Seen("requests", 60.0, limit=50, remaining=40),
        Seen("requests", 60.0, remaining=40, resets_in=12.0),
        Seen("requests", 60.0, limit=50, resets_in=12.0),
        Seen("requests", 60.0, limit=50, remaining=0, resets_in=60.0),
        Seen("requests", 60.0, limit=50, remaining=51, resets_in=0.0),
        Seen("requests", 60.0, limit=50, remaining=0, resets_in=99.0),
        Seen("requests", 86_400.0, limit=50, remaining=40, resets_in=17_280.0),
        Seen("requests", None, limit=50, remaining=40, resets_in=12.0),
        Seen("total_tokens", 60.0, limit=50, remaining=40, resets_in=12.0, is_shared=True),
    ],
)
def test_what_says_nothing_neither_agrees_nor_breaks(seen: Seen) -> None:
    detector = shown([bucket(10), seen, bucket(10)])

    assert detector.agreeing == 2


@pytest.mark.parametrize("used", [None, NOTHING])
def test_a_refused_or_unknown_call_does_not_speak_for_a_bucket(used: Usage | None) -> None:
    """It is not in the window, which may be whole soon."""
    assert shown([bucket(10)], used=used).agreeing == 0


def test_input_speaks_only_when_this_call_had_some() -> None:
    seen = bucket(10_000, limit=30_000, quantity="input_tokens")

    assert shown([seen], used=Usage(1, 0, 50)).agreeing == 0
    assert shown([seen], used=Usage(1, 1, 50)).agreeing == 1


@pytest.mark.parametrize(("resets_in", "is_broken"), [(16.6, True), (16.4, False), (7.2, True), (7.4, False)])
def test_a_reset_out_of_all_tolerance_starts_the_row_anew(resets_in: float, is_broken: bool) -> None:
    """10 of 50 are 12 s: from 12 - 1.2 - 1 - 0.5 - 2 to 12 + 2 + 0.5 + 2 after 2 s on the way."""
    off = Seen("requests", 60.0, limit=50, remaining=40, resets_in=resets_in)
    detector = shown([bucket(used) for used in range(1, 8)])

    shown([off], detector=detector, elapsed=2.0)

    assert (detector.agreeing == 0) == is_broken


def test_a_row_that_starts_anew_forgets_how_far_apart_the_levels_were() -> None:
    detector = shown([bucket(1), bucket(40), bucket(10, error=20.0), *[bucket(10)] * 30])

    assert (detector.is_bucket, detector.agreeing) == (False, 30)


def test_one_limit_that_breaks_the_bucket_outweighs_one_that_fits() -> None:
    detector = RefillDetector(60.0)
    for used in range(1, 30):
        detector.observe(
            (bucket(used), bucket(used * 600, limit=30_000, quantity="input_tokens", error=30.0)),
            used=ONE,
            elapsed=0.1,
        )

    assert (detector.is_bucket, detector.agreeing) == (False, 0)


def test_after_a_contradiction_it_takes_twice_as_many_up_to_a_bound() -> None:
    detector = shown(bucket(used) for used in range(1, 9))
    assert state(detector)

    assert detector.observe((bucket(10, error=30.0),), used=ONE, elapsed=1.0)
    assert (state(detector), detector.needed, detector.contradictions) == (False, 16, 1)

    shown((bucket(1 + used % 40) for used in range(15)), detector=detector)
    assert not state(detector)
    shown([bucket(1)], detector=detector)
    assert state(detector)

    for _ in range(10):
        detector.take_back()
        shown((bucket(1 + used % 40) for used in range(MOST_NEEDED)), detector=detector)
        assert state(detector)
    assert detector.needed == MOST_NEEDED == 256


def test_taking_back_what_was_not_decided_costs_only_the_row() -> None:
    detector = shown(bucket(used) for used in range(1, 5))

    assert not detector.take_back()
    assert (detector.agreeing, detector.needed, detector.contradictions) == (0, AGREEING_NEEDED, 0)
