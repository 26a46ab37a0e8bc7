"""When a limit that was learned is looked at again, and what comes of it."""

from __future__ import annotations

import pytest

from actors.policies.learning.limit_detection import LimitDetector
from actors.policies.learning.track import LONGEST_UNSEEN, LOOKS_AFTER, Track


def fallen(known: int | None = 30_000, *, window: float = 60.0) -> Track:
    """A limit of 30,000 of which two responses have told 300, the second at 10.0."""
    track = Track("input_tokens", window, is_shared=False, detector=LimitDetector(known))
    for instant in (9.0, 10.0):
        track.hear(300, 0, instant)
    assert track.amount == 300
    return track


@pytest.mark.parametrize(("window", "after"), [(1.0, 2.0), (60.0, 120.0), (86_400.0, 600.0)])
def test_a_limit_is_looked_at_when_nobody_has_told_it_for_two_windows_or_ten_minutes(
    window: float, after: float
) -> None:
    assert (LOOKS_AFTER, LONGEST_UNSEEN) == (2.0, 600.0)
    track = fallen(window=window)

    assert not track.may_look(500, 10.0 + after - 0.01)
    assert track.may_look(500, 10.0 + after)


@pytest.mark.parametrize(("told", "is_news"), [(300, True), (200, True), (301, False)])
def test_whoever_tells_as_little_puts_the_look_off(told: int, *, is_news: bool) -> None:
    track = fallen()
    track.hear(told, 0, 100.0)

    assert track.may_look(500, 130.0) is not is_news


def test_nobody_looks_for_more_than_was_known_before() -> None:
    assert fallen().may_look(30_000, 500.0)
    assert not fallen().may_look(30_001, 500.0)
    assert fallen(None).may_look(10**15, 500.0)
    assert not fallen(None).may_look(10**15 + 1, 500.0)


def test_what_was_configured_is_never_looked_at() -> None:
    track = Track("input_tokens", 60.0, is_shared=False, detector=LimitDetector(300))
    track.hear(300, 0, 1.0)

    assert not track.may_look(301, 1e9)


def test_who_looks_is_allowed_as_much_as_it_asks_for_and_no_less_than_is_believed() -> None:
    track = fallen()
    track.look(500, 200.0)
    assert track.amount == 500

    track.look(100, 200.0)
    assert track.amount == 300

    track.look(500, 200.0)
    track.look_away()
    assert track.amount == 300


def test_an_answer_that_tells_the_limit_again_ends_the_look() -> None:
    track = fallen()
    track.look(500, 200.0)

    track.hear(300, 0, 205.0)

    assert not track.answered(200.0)
    assert track.amount == 300
    assert not track.may_look(500, 324.9)


@pytest.mark.parametrize("told", [None, 30_000, 4_000])
@pytest.mark.parametrize("known", [30_000, None])
def test_an_answer_that_does_not_tell_it_gives_back_what_was_known_before(
    told: int | None, known: int | None
) -> None:
    track = fallen(known)
    track.look(500, 200.0)

    if told is not None:
        track.hear(told, 0, 205.0)

    assert track.answered(200.0)
    assert track.amount == known
    assert not track.answered(200.0)


def test_an_answer_to_who_was_sent_before_says_nothing() -> None:
    track = fallen()
    assert not track.answered(50.0)
    track.look(500, 200.0)

    assert not track.answered(199.9)
    assert track.amount == 500


def test_a_refusal_ends_the_look_and_puts_off_the_next() -> None:
    track = fallen()
    track.look(500, 200.0)

    track.refused(205.0)

    assert track.amount == 300
    assert not track.may_look(500, 324.9)
    assert track.may_look(500, 325.0)


def test_a_refusal_of_somebody_else_changes_nothing() -> None:
    track = fallen()

    track.refused(100.0)

    assert track.may_look(500, 130.0)
