"""Tests that a stuck worker is found in the very instant, that no idle one is looked at, and that nobody polls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from stuckness_machine import STUCK_AFTER, WatchMachine
from unmeasured import unmeasured

from supervisors.pool.stuckness import Sight, StuckWatch

QUICK = settings(max_examples=300, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
"""For planted bugs: that one is seen is enough, nobody needs the shortest way to it."""

IDLE = Sight(None, 0)
WAITING = Sight(None, 1)


def working(since: float) -> Sight:
    return Sight(since, 0)


def test_the_watch_agrees_with_a_model_that_always_looks() -> None:
    run_state_machine_as_test(WatchMachine, settings=settings(max_examples=150, deadline=None))


def test_nobody_is_watched_at_first() -> None:
    watch = StuckWatch(5.0)
    assert watch.is_resting("a")
    assert watch.next_look() == math.inf
    assert watch.due(1e9) == ()


def test_a_worker_that_was_given_a_message_is_looked_at_after_stuck_after() -> None:
    watch = StuckWatch(5.0)
    assert not watch.look("a", WAITING, 100.0)
    assert not watch.is_resting("a")
    assert watch.next_look() == 105.0
    assert watch.due(104.9) == ()
    assert watch.due(105.0) == ("a",)


def test_an_op_that_began_later_is_found_in_the_instant_in_which_it_is_stuck() -> None:
    watch = StuckWatch(5.0)
    watch.look("a", WAITING, 100.0)
    assert not watch.look("a", working(103.0), 105.0)
    assert watch.next_look() == 108.0
    assert watch.look("a", working(103.0), 108.0)


def test_a_stuck_worker_is_named_once_and_not_looked_at_until_it_is_replaced() -> None:
    watch = StuckWatch(5.0)
    watch.look("a", working(0.0), 0.0)
    assert watch.look("a", working(0.0), 5.0)
    assert not watch.look("a", working(0.0), 6.0)
    assert not watch.is_resting("a")
    assert watch.next_look() == math.inf
    watch.resume("a")
    assert watch.is_resting("a")


def test_a_worker_that_became_idle_rests_after_one_look() -> None:
    watch = StuckWatch(5.0)
    watch.look("a", WAITING, 0.0)
    assert not watch.look("a", IDLE, 5.0)
    assert watch.is_resting("a")
    assert watch.next_look() == math.inf


def test_an_op_that_nobody_was_told_of_is_found_with_the_next_message() -> None:
    watch = StuckWatch(5.0)
    assert watch.look("a", Sight(0.0, 1), 60.0)


def test_the_workers_due_together_come_in_the_order_in_which_they_were_given_work() -> None:
    watch = StuckWatch(5.0)
    for worker in ("b", "a", "c"):
        watch.look(worker, WAITING, 1.0)
    watch.suspend("a")
    assert watch.due(6.0) == ("b", "c")


@pytest.mark.parametrize("stuck_after", [0, -1.0, math.inf, math.nan])
def test_a_time_that_is_not_positive_and_finite_is_refused(stuck_after: float) -> None:
    with pytest.raises(ValueError, match=rf"^stuck_after must be > 0 and finite, got {stuck_after}$"):
        StuckWatch(stuck_after)


@pytest.mark.parametrize("stuck_after", ["5", True, None])
def test_a_time_that_is_no_number_is_refused(stuck_after: Any) -> None:
    with pytest.raises(TypeError, match=rf"^stuck_after must be a number of seconds, got {stuck_after!r}$"):
        StuckWatch(stuck_after)


# planted bugs


class LooksLate(StuckWatch):
    """Takes the time from the look, not from the beginning of the op."""

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        is_stuck = super().look(worker, sight, now)
        if not is_stuck and sight.since is not None:
            self._looks[worker] = now + self.stuck_after
        return is_stuck


class LooksAwayWhenNoneIsAtWork(StuckWatch):
    """Forgets a worker whose messages only wait."""

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        return super().look(worker, Sight(sight.since, 0), now)


class PollsForEver(StuckWatch):
    """Looks at idle workers again and again."""

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        return super().look(worker, Sight(sight.since, 1), now)


class SaysItTwice(StuckWatch):
    """Does not remember whom it has found."""

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        self.resume(worker)
        return super().look(worker, sight, now)


class FindsOneInstantTooLate(StuckWatch):
    """Holds an op for stuck only when it has been at work for longer."""

    def look(self, worker: str, sight: Sight, now: float) -> bool:
        since = None if sight.since is None else sight.since + 1.0
        return super().look(worker, Sight(since, sight.waiting), now)


@pytest.mark.parametrize(
    "plant", [LooksLate, LooksAwayWhenNoneIsAtWork, PollsForEver, SaysItTwice, FindsOneInstantTooLate]
)
def test_a_planted_bug_is_seen(plant: Callable[[float], StuckWatch]) -> None:
    class Planted(WatchMachine):
        make = staticmethod(lambda: plant(STUCK_AFTER))

    with pytest.raises((AssertionError, ExceptionGroup)):
        unmeasured(run_state_machine_as_test)(Planted, settings=QUICK)
