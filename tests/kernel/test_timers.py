"""Tests for the heap of timers."""

from __future__ import annotations

from actors.kernel.timers import SWEEP_FROM, Timer, Timers


def test_timers_that_are_always_cancelled_do_not_pile_up() -> None:
    timers = Timers()
    kept = [Timer(float(number), "kept") for number in range(10)]
    for timer in kept:
        timers.arm(timer)
    for number in range(10_000):
        timer = Timer(1000.0 + number, "cancelled")
        timers.arm(timer)
        timer.cancel()
    assert len(timers._heap) <= 2 * SWEEP_FROM + len(kept)
    assert [timers.pop_due(2000.0) for _ in kept] == kept
    assert timers.pop_due(2e9) is None


def test_cancelling_twice_or_after_the_firing_counts_once_or_not() -> None:
    timers = Timers()
    early, late = Timer(1.0, "early"), Timer(2.0, "late")
    timers.arm(early)
    timers.arm(late)
    assert timers.pop_due(1.0) is early
    early.cancel()
    late.cancel()
    late.cancel()
    assert timers._cancelled == 1
    assert timers.next_due() == float("inf")
    assert timers._cancelled == 0


def test_a_periodic_timer_can_still_be_cancelled_after_it_fired() -> None:
    timers = Timers()
    beat = Timer(1.0, "beat", interval=1.0)
    timers.arm(beat)
    assert timers.pop_due(1.0) is beat
    beat.cancel()
    assert timers.pop_due(5.0) is None
