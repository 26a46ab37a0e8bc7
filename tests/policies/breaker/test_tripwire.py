"""A breaker trips for failures in a row, for a share of failures and for a share of slow calls, and says for which."""

from __future__ import annotations

from typing import Any

import pytest

from actors.policies.breaker.records import Outcome, Ticket
from actors.policies.breaker.rules import BreakerRules
from actors.policies.breaker.tripwire import Tripwire


class Watched:
    """A tripwire, with numbers for its calls."""

    def __init__(self, **rules: Any) -> None:
        self.wire = Tripwire(BreakerRules(**rules))
        self.number = 0

    def call(self, at: float) -> Ticket:
        self.number += 1
        ticket = Ticket(self.number, 0, is_probe=False, admitted_at=at)
        self.wire.watch(ticket)
        return ticket

    def see(self, outcomes: str, now: float = 0.0) -> list[str]:
        """Settle calls by their letters, and return why it should have opened, each time that it should."""
        names: dict[str, Outcome] = {"s": "success", "f": "failure", "l": "slow", "n": "neutral"}
        reasons = [self.wire.settle(self.call(now), names[letter], now) for letter in outcomes]
        return [reason for reason in reasons if reason is not None]


def test_the_third_failure_in_a_row_trips_it() -> None:
    assert Watched(failure_rate=None).see("fff") == ["3 failures in a row"]


def test_a_success_begins_the_row_anew() -> None:
    assert Watched(failure_rate=None).see("ffsff") == []


def test_neutral_and_slow_calls_leave_the_row_as_it_is() -> None:
    watched = Watched(failure_rate=None)
    assert watched.see("fnflf") == ["3 failures in a row"]
    assert watched.wire.row == 3


def test_neutral_counts_nowhere() -> None:
    watched = Watched()
    watched.see("nnnn")
    assert (watched.wire.window.calls, watched.wire.row) == (0, 0)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ("fff", []),  # 0.44
        ("ffff", ["4 of 4 calls failed"]),  # 0.51
        ("sfffff", []),  # 0.44
        ("sffffff", []),  # 0.49
        ("sfffffff", ["7 of 8 calls failed"]),  # 0.53
    ],
)
def test_a_share_of_failures_must_be_surely_surpassed(outcomes: str, reason: list[str]) -> None:
    assert Watched(consecutive=None).see(outcomes) == reason


def test_while_all_that_is_known_is_the_row_the_row_alone_decides() -> None:
    """Four of four are surely more than a half, but who bears five in a row bears four."""
    assert Watched(consecutive=5).see("fffff") == ["5 failures in a row"]


def test_where_more_is_known_than_the_row_the_share_decides_too() -> None:
    assert Watched(consecutive=10).see("sfffffff") == ["7 of 8 calls failed"]


def test_a_row_may_be_longer_than_the_window() -> None:
    watched = Watched(window=10.0)
    assert watched.see("f", 0.0) + watched.see("f", 50.0) + watched.see("f", 100.0) == ["3 failures in a row"]


def test_old_failures_leave_the_share() -> None:
    watched = Watched(consecutive=None, window=10.0)
    assert watched.see("fff", 0.0) + watched.see("f", 10.0) == []


def test_a_share_of_slow_calls_trips_it() -> None:
    assert Watched().see("l" * 16) == ["16 of 16 calls were slow"]


def test_a_call_under_way_is_slow_before_it_ends() -> None:
    watched = Watched(slow_after=5.0)
    watched.call(0.0)
    assert watched.wire.next_slow_at == 5.0
    assert watched.wire.slow_down(5.0) is None
    assert (watched.wire.window.calls, watched.wire.window.slow) == (1, 1)


@pytest.mark.parametrize("outcome", ["success", "slow", "neutral"])
def test_what_was_counted_as_slow_is_not_counted_when_it_ends(outcome: Outcome) -> None:
    watched = Watched(slow_after=5.0)
    watched.see("f")
    call = watched.call(0.0)
    watched.wire.slow_down(5.0)
    watched.wire.settle(call, outcome, 6.0)
    window = watched.wire.window
    assert (window.calls, window.failures, window.slow, watched.wire.row) == (2, 1, 1, 1)


def test_what_was_slow_and_fails_is_one_call_that_was_both() -> None:
    watched = Watched(slow_after=5.0)
    call = watched.call(0.0)
    watched.wire.slow_down(5.0)
    watched.wire.settle(call, "failure", 6.0)
    window = watched.wire.window
    assert (window.calls, window.failures, window.slow, watched.wire.row) == (1, 1, 1, 1)


def test_calls_that_have_become_slow_trip_it_before_any_ends() -> None:
    watched = Watched(slow_after=5.0)
    for _ in range(16):
        watched.call(0.0)
    assert [watched.wire.slow_down(5.0) for _ in range(16)] == [None] * 15 + ["16 of 16 calls were slow"]


def test_a_call_that_was_given_up_never_becomes_slow() -> None:
    watched = Watched(slow_after=5.0)
    watched.wire.give_up(watched.call(0.0))
    assert watched.wire.next_slow_at == float("inf")


def test_calls_that_were_turned_away_are_not_watched_and_what_was_counted_stays() -> None:
    watched = Watched(slow_after=5.0)
    watched.see("f")
    watched.call(0.0)
    watched.wire.turn_away()
    assert watched.wire.next_slow_at == float("inf")
    assert watched.wire.row == 1


def test_a_clear_leaves_the_threshold_and_a_reset_does_not() -> None:
    watched = Watched()
    watched.see("s" * 100 + "f")
    assert watched.wire.threshold == 4
    watched.wire.clear()
    assert (watched.wire.threshold, watched.wire.row, watched.wire.window.calls) == (4, 0, 0)
    watched.wire.reset()
    assert watched.wire.threshold == 3


def test_the_threshold_stays_where_it_is_told_to() -> None:
    watched = Watched(is_adaptive=False)
    watched.see("s" * 200)
    assert watched.wire.threshold == 3


def test_there_is_no_threshold_where_the_row_does_not_matter() -> None:
    watched = Watched(consecutive=None)
    watched.see("s" * 200)
    watched.wire.reset()
    assert watched.wire.threshold is None
