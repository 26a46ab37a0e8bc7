"""Tickets come back once, those that are lost are written off, and calls under way are watched by age."""

from __future__ import annotations

import math

from actors.policies.breaker.outcome_window import Counted
from actors.policies.breaker.records import Ticket
from actors.policies.breaker.tickets import FORGET_AFTER, CallAges, Tickets


def give(tickets: Tickets, now: float) -> Ticket:
    return tickets.give(7, now, is_probe=False)


def test_a_ticket_says_what_it_was_given_for() -> None:
    tickets = Tickets()
    assert tickets.give(7, 1.5, is_probe=True) == Ticket(1, 7, is_probe=True, admitted_at=1.5)
    assert tickets.give(8, 2.5, is_probe=False) == Ticket(2, 8, is_probe=False, admitted_at=2.5)


def test_a_ticket_comes_back_once() -> None:
    tickets = Tickets()
    ticket = give(tickets, 0.0)
    assert tickets.take_back(ticket)
    assert not tickets.take_back(ticket)
    assert (tickets.given, tickets.settled, tickets.out) == (1, 1, 0)


def test_a_ticket_of_another_breaker_with_the_same_number_is_not_taken_for_ours() -> None:
    tickets = Tickets()
    give(tickets, 0.0)
    assert not tickets.take_back(Ticket(1, 7, is_probe=False, admitted_at=-3.0))
    assert (tickets.settled, tickets.out) == (0, 1)


def test_a_ticket_is_lost_after_an_hour_and_not_before() -> None:
    tickets = Tickets()
    first, second = give(tickets, 0.0), give(tickets, 1.0)
    assert tickets.forget_lost(math.nextafter(FORGET_AFTER, 0.0)) == []
    assert tickets.forget_lost(FORGET_AFTER) == [first]
    assert not tickets.take_back(first)
    assert tickets.take_back(second)
    assert (tickets.given, tickets.settled, tickets.forgotten, tickets.out) == (2, 1, 1, 0)


def test_those_that_came_back_are_not_lost() -> None:
    tickets = Tickets()
    tickets.take_back(give(tickets, 0.0))
    late = give(tickets, 0.0)
    assert tickets.forget_lost(2 * FORGET_AFTER) == [late]
    assert tickets.forget_lost(3 * FORGET_AFTER) == []


def test_calls_become_slow_in_the_order_of_their_age() -> None:
    tickets, ages = Tickets(), CallAges(5.0)
    first, second = give(tickets, 1.0), give(tickets, 2.0)
    assert ages.next_slow_at == math.inf
    ages.watch(first)
    ages.watch(second)
    assert ages.next_slow_at == 6.0

    counted = Counted(60.0, is_failure=False, is_slow=True)
    ages.note_slow(counted)
    assert ages.next_slow_at == 7.0
    assert ages.leave(first) is counted
    assert ages.leave(first) is None
    assert ages.leave(second) is None
    assert ages.next_slow_at == math.inf


def test_no_call_becomes_slow_where_nobody_judges_it() -> None:
    ages = CallAges(None)
    ages.watch(give(Tickets(), 1.0))
    assert ages.next_slow_at == math.inf


def test_nothing_is_watched_any_more_when_it_is_cleared() -> None:
    tickets, ages = Tickets(), CallAges(5.0)
    first, second = give(tickets, 1.0), give(tickets, 2.0)
    ages.watch(first)
    ages.watch(second)
    ages.note_slow(Counted(60.0, is_failure=False, is_slow=True))
    ages.clear()
    assert ages.next_slow_at == math.inf
    assert ages.leave(first) is None
