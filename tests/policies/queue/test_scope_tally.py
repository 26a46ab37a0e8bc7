"""Tally sheets of scopes: who waits, who was granted, who was refused and why."""

from __future__ import annotations

from actors.policies.queue.scope_tally import ScopeTallies, ScopeTraffic
from actors.policies.scope import Scope

A, B = Scope("key", "a"), Scope("key", "b")


def test_a_request_is_noted_in_all_its_scopes() -> None:
    tallies = ScopeTallies()
    tallies.joined((A, B), 1, 5.0)
    tallies.joined((A,), 2, 7.0)
    tallies.granted((A,))
    tallies.refused((B,), "never_fits")
    tallies.refused((B,), "never_fits")
    tallies.refused((B,), "timed_out")

    assert tallies.traffic(A, 10.0) == ScopeTraffic(2, 5.0, 1, {})
    assert tallies.traffic(B, 10.0) == ScopeTraffic(1, 5.0, 0, {"never_fits": 2, "timed_out": 1})


def test_the_oldest_wait_is_that_of_the_first_who_is_left() -> None:
    tallies = ScopeTallies()
    for ticket in (1, 2, 3):
        tallies.joined((A,), ticket, float(ticket))
    tallies.left((A,), 1)
    assert tallies.traffic(A, 9.0) == ScopeTraffic(2, 7.0, 0, {})
    tallies.left((A,), 3)
    tallies.left((A,), 2)
    tallies.left((A,), 2)

    assert tallies.traffic(A, 9.0) == ScopeTraffic(0, 0.0, 0, {})


def test_a_scope_nobody_asked_in_has_an_empty_sheet_and_none_is_kept_for_it() -> None:
    tallies = ScopeTallies()

    assert tallies.traffic(A, 9.0) == ScopeTraffic(0, 0.0, 0, {})
    assert len(tallies) == 0


def test_sheets_of_scopes_without_books_are_thrown_away_unless_somebody_waits_there() -> None:
    tallies = ScopeTallies()
    waiting = Scope("key", "c")
    tallies.granted((A, B))
    tallies.joined((waiting,), 1, 0.0)
    tallies.keep_only(frozenset({A}))

    assert len(tallies) == 2
    assert tallies.traffic(B, 0.0).granted == 0
    assert tallies.traffic(A, 0.0).granted == 1
    assert tallies.traffic(waiting, 4.0).oldest_wait == 4.0


def test_a_snapshot_does_not_change_with_what_comes_after() -> None:
    tallies = ScopeTallies()
    tallies.refused((A,), "timed_out")
    seen = tallies.traffic(A, 0.0)
    tallies.refused((A,), "timed_out")

    assert seen.refused == {"timed_out": 1}
