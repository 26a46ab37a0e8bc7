"""What is charged to other clients of the key, in exact numbers."""

from __future__ import annotations

from typing import Any

import pytest

from actors.policies.learning.learning import LimitLearner
from actors.policies.learning.others import RESET_TOO_SHORT, OthersWatch, rounding_of
from actors.policies.learning.records import NOTHING_LEARNED, Lesson, OthersUse, Seen
from actors.policies.ledger.limits import Limits, Quantity
from actors.policies.usage import Usage

CONFIGURED = Limits(requests=50, input_tokens=30_000, output_tokens=8_000)


def show(seen: Seen, ours: int | None, *, learner: LimitLearner | None = None, now: float = 10.0) -> Lesson:
    """What one response teaches when this much can be ours."""
    return (learner or LimitLearner(CONFIGURED)).observe(
        (seen,),
        sent_at=now - 1.0,
        received_at=now,
        books=lambda _quantity, _window: ours,
        used=Usage(1, 10, 10),
    )


def requests(**told: Any) -> Seen:
    return Seen(quantity="requests", window=60.0, **{"limit": 50, **told})


@pytest.mark.parametrize(
    ("remaining", "ours", "charged"), [(40, 10, 0), (39, 10, 1), (0, 10, 40), (45, 10, 0)]
)
def test_what_ours_cannot_explain_is_charged_to_others(remaining: int, ours: int, charged: int) -> None:
    lesson = show(requests(remaining=remaining), ours)

    assert sum(use.amount for use in lesson.others) == charged
    assert lesson.limits is None
    assert (lesson is NOTHING_LEARNED) == (charged == 0)


@pytest.mark.parametrize(("ours", "charged"), [(9_500, 0), (9_499, 1), (4_000, 5_500)])
def test_tokens_told_to_the_nearest_thousand_leave_half_of_it_in_doubt(ours: int, charged: int) -> None:
    seen = Seen("input_tokens", 60.0, limit=30_000, remaining=20_000, rounded_to=1_000)

    assert rounding_of(seen) == 500
    assert sum(use.amount for use in show(seen, ours).others) == charged


def test_exact_numbers_leave_no_doubt() -> None:
    assert rounding_of(requests(remaining=1)) == 0


@pytest.mark.parametrize(
    ("resets_in", "leaves_in"), [(None, 60.0), (61.0, 60.0), (59.0, 60.0), (20.0, 20.0 + RESET_TOO_SHORT)]
)
def test_a_charge_leaves_after_a_window_or_by_the_reset(resets_in: float | None, leaves_in: float) -> None:
    lesson = show(requests(remaining=30, resets_in=resets_in), 10)

    assert lesson.others == (OthersUse("requests", 60.0, 10, leaves_in),)


@pytest.mark.parametrize(
    "seen",
    [
        requests(remaining=None),
        requests(remaining=-1),
        requests(limit=None, remaining=3),
        requests(limit=0, remaining=0),
        Seen("requests", None, limit=50, remaining=0),
        requests(remaining=0, is_shared=True),
    ],
)
def test_what_is_not_known_is_charged_to_nobody(seen: Seen) -> None:
    assert show(seen, 0).others == ()


def test_nothing_is_charged_for_a_limit_that_the_books_do_not_have_or_cannot_tell() -> None:
    assert show(requests(remaining=0), None) is NOTHING_LEARNED


def test_the_books_are_asked_for_the_limit_at_hand() -> None:
    asked: list[tuple[Quantity, float]] = []

    def books(quantity: Quantity, window: float) -> int:
        asked.append((quantity, window))
        return 0

    seen = (requests(remaining=1), Seen("requests", 86_400.0, limit=1_000, remaining=900))
    LimitLearner(CONFIGURED).observe(seen, sent_at=0.0, received_at=1.0, books=books)

    assert asked == [("requests", 60.0), ("requests", 86_400.0)]


@pytest.mark.parametrize("now", [11.0, 70.8])
def test_for_a_window_after_a_limit_was_told_otherwise_nothing_is_charged(now: float) -> None:
    """A bucket that grows starts at its old level: what looks used has never been there."""
    learner = LimitLearner(CONFIGURED)
    show(requests(remaining=40), 10, learner=learner)
    show(requests(limit=100, remaining=40), 10, learner=learner, now=10.9)

    assert show(requests(limit=100, remaining=40), 10, learner=learner, now=now).others == ()


def test_a_window_after_the_change_charges_are_made_again() -> None:
    learner = LimitLearner(CONFIGURED)
    show(requests(remaining=40), 10, learner=learner)
    show(requests(limit=100, remaining=40), 10, learner=learner, now=11.0)

    lesson = show(requests(limit=100, remaining=40), 10, learner=learner, now=71.0)

    assert lesson.others == (OthersUse("requests", 60.0, 50, 60.0),)


def test_what_was_charged_is_added_up() -> None:
    learner = LimitLearner(CONFIGURED)
    show(requests(remaining=30), 15, learner=learner)
    show(requests(remaining=28), 20, learner=learner)

    (requests_limit,) = learner.statistics().limits
    assert requests_limit.charged_to_others == 5 + 2


def test_a_watch_that_was_never_shown_anything_has_charged_nothing() -> None:
    assert OthersWatch().charged == 0
