"""Grants side by side: the gap between two, and several at once where gaps are short."""

from __future__ import annotations

from actors.policies.cooldown.stagger import Stagger


def opened_at(stagger: Stagger, times: int, now: float = 0.0) -> list[float]:
    """Pass as early as possible, and return when."""
    instants: list[float] = []
    for _ in range(times):
        now = stagger.opens_at(now)
        stagger.pass_one(now)
        instants.append(now)
    return instants


def test_grants_pass_a_gap_apart() -> None:
    assert opened_at(Stagger(0.25), 4) == [0.0, 0.25, 0.5, 0.75]


def test_without_a_gap_all_pass_at_once() -> None:
    assert opened_at(Stagger(0.0), 4) == [0.0, 0.0, 0.0, 0.0]


def test_what_was_not_used_is_not_saved_up() -> None:
    stagger = Stagger(0.25)
    opened_at(stagger, 2)
    assert opened_at(stagger, 3, now=9.0) == [9.0, 9.25, 9.5]


def test_short_gaps_open_for_several_at_once_fifty_times_a_second() -> None:
    stagger = Stagger(2.0 / 4000)
    instants = opened_at(stagger, 4000)
    assert stagger.batch == 40
    assert len(set(instants)) == 100
    assert instants[:41] == [0.0] * 40 + [0.02]
    assert 1.97 < instants[-1] < 1.99


def test_a_batch_that_was_not_used_up_is_no_more_than_a_batch_later() -> None:
    stagger = Stagger(0.01)
    assert opened_at(stagger, 1) == [0.0]
    assert opened_at(stagger, 4, now=5.0) == [5.0, 5.0, 5.02, 5.02]


def test_a_gap_can_be_changed_at_any_time() -> None:
    stagger = Stagger(0.25)
    stagger.pass_one(0.0)
    stagger.gap = 1.0
    assert opened_at(stagger, 2, now=0.1) == [0.25, 1.25]
    stagger.gap = 0.0
    assert stagger.opens_at(1.3) == 1.3
