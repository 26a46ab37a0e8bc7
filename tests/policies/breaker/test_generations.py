"""Every state has a number, and every change is told once."""

from __future__ import annotations

from actors.policies.breaker.generations import CHANGES_KEPT, Generations
from actors.policies.breaker.records import BreakerChange


def test_a_breaker_begins_closed() -> None:
    generations = Generations()
    assert (generations.state, generations.number) == ("closed", 0)


def test_a_change_says_what_was_and_what_is() -> None:
    generations = Generations()
    change = generations.enter("open", 3.0, "3 failures in a row", 63.0)
    assert change == BreakerChange(3.0, "closed", "open", 1, "3 failures in a row", 63.0)
    assert (generations.state, generations.number) == ("open", 1)


def test_a_generation_may_begin_in_the_same_state_and_is_no_change() -> None:
    generations = Generations()
    generations.begin()
    assert (generations.state, generations.number, generations.take_changes()) == ("closed", 1, ())


def test_every_change_is_taken_once_and_in_order() -> None:
    generations = Generations()
    changes = (generations.enter("open", 1.0, "a", 2.0), generations.enter("closed", 2.0, "b", None))
    assert generations.take_changes() == changes
    assert generations.take_changes() == ()


def test_only_the_last_changes_are_kept_where_nobody_takes_them() -> None:
    generations = Generations()
    for count in range(CHANGES_KEPT + 5):
        generations.enter("open" if count % 2 == 0 else "closed", float(count), "again", None)
    taken = generations.take_changes()
    assert len(taken) == CHANGES_KEPT
    assert taken[0].at == 5.0
