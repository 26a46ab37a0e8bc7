"""Whose turn it is: priorities, fair shares among tenants, retries in their old place, and nobody passed for ever."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from queue_askers import ask, grant, granted_by, serve, wait
from queue_world import WINDOW, PlainBook, pool_book

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import Granted, Place, Queued
from actors.policies.scope import POOL
from actors.policies.usage import Usage


def full_queue(amount: int = 1, **settings: Any) -> tuple[AdmissionQueue, PlainBook]:
    """A queue over a pool whose whole window is spent at 0."""
    book = pool_book(amount)
    queue = AdmissionQueue(book, **settings)
    book.settle(grant(queue, amount).reservation, 0.0, until=WINDOW)
    return queue, book


def test_the_larger_priority_goes_first() -> None:
    queue, _ = full_queue(amount=3)
    low, high, higher = wait(queue), wait(queue, priority=1), wait(queue, priority=2.5)

    assert granted_by(queue, now=10.0) == [higher, high, low]


def test_one_with_a_larger_priority_goes_at_once_where_a_smaller_one_waits_for_more_room() -> None:
    book = pool_book(3)
    queue = AdmissionQueue(book)
    grant(queue, 2)
    wait(queue, 2)

    assert isinstance(ask(queue), Queued)
    assert isinstance(ask(queue, priority=1), Granted)


def test_tenants_share_by_weight_as_long_as_both_wait() -> None:
    queue, book = full_queue(amount=4, max_waiting=2_000, weights={"b": 3.0})
    for _ in range(400):
        wait(queue, tenant="a")
    for _ in range(600):
        wait(queue, tenant="b")

    served = Counter(granted.claim.tenant for granted in serve(queue, book, 400))

    assert served == {"a": 100, "b": 300}


def test_tenants_of_one_weight_share_what_their_requests_take_and_not_how_many_they_are() -> None:
    queue, book = full_queue(amount=12, max_waiting=2_000)
    for _ in range(200):
        wait(queue, 2, tenant="large")
        wait(queue, 1, tenant="small")

    served = Counter(granted.claim.tenant for granted in serve(queue, book, 243))

    assert served == {"large": 81, "small": 162}


def test_a_tenant_that_floods_the_queue_does_not_delay_another_by_more_than_a_turn() -> None:
    queue, book = full_queue(amount=2)
    for _ in range(100):
        wait(queue, tenant="flood")
    serve(queue, book, 10)
    single = wait(queue, now=book.now, tenant="single")

    served = [granted.ticket for granted in serve(queue, book, 4, now=book.now)]

    assert single in served[:2]


def test_within_a_tenant_it_is_first_come_first_served() -> None:
    queue, book = full_queue(max_waiting=300, weights={"b": 2.0})
    tickets = {tenant: [wait(queue, tenant=tenant) for _ in range(40)] for tenant in "ab"}

    served = serve(queue, book, 80)

    for tenant in "ab":
        assert [each.ticket for each in served if each.claim.tenant == tenant] == tickets[tenant]


def test_one_tenant_of_one_priority_goes_in_the_order_it_came_whatever_its_size() -> None:
    queue, book = full_queue(amount=5)
    tickets = [wait(queue, size) for size in (1, 5, 1, 3, 2, 4, 1)]

    assert [granted.ticket for granted in serve(queue, book, 7)] == tickets


def test_requests_that_leave_unserved_cost_their_tenant_nothing() -> None:
    queue, book = full_queue(amount=1)
    for _ in range(50):
        queue.withdraw(wait(queue, tenant="a"), now=0.0)
    wait(queue, tenant="b")
    for _ in range(2):
        wait(queue, tenant="a")
        wait(queue, tenant="b")

    assert [granted.claim.tenant for granted in serve(queue, book, 4)] == ["b", "a", "b", "a"]


# ── retries ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_retry_goes_before_everybody_who_came_after_its_first_attempt() -> None:
    book = pool_book(1)
    queue = AdmissionQueue(book)
    first = grant(queue, tenant="a")
    later = [wait(queue, tenant="a"), wait(queue, tenant="b")]
    book.settle(first.reservation, 0.0, until=0.0)
    book.charge(POOL, 1, WINDOW)

    again = wait(queue, tenant="a", place=first.place)

    served = serve(queue, book, 3)
    assert [granted.ticket for granted in served] == [again, *later]
    assert served[0].place == first.place


def test_a_retry_takes_what_its_first_attempt_gave_back() -> None:
    book = pool_book(1)
    queue = AdmissionQueue(book)
    first = grant(queue)
    wait(queue)
    book.settle(first.reservation, 0.0, until=0.0)

    assert isinstance(ask(queue, place=first.place), Granted)


def test_retries_go_in_the_order_of_their_first_attempts() -> None:
    book = pool_book(2)
    queue = AdmissionQueue(book)
    places = [grant(queue).place, grant(queue).place]
    younger = wait(queue, place=places[1])
    older = wait(queue, place=places[0])

    assert [granted.ticket for granted in serve(queue, book, 2)] == [older, younger]


def test_a_retry_does_not_pass_a_larger_priority() -> None:
    queue, book = full_queue()
    retry = wait(queue, place=1)
    high = wait(queue, priority=1)

    assert [granted.ticket for granted in serve(queue, book, 2)] == [high, retry]


def test_a_retry_is_not_charged_to_its_tenant_again() -> None:
    queue, book = full_queue()
    for _ in range(3):
        wait(queue, tenant="a", place=1)
    wait(queue, tenant="a")
    wait(queue, tenant="b")

    assert [granted.claim.tenant for granted in serve(queue, book, 5)] == ["a", "a", "a", "a", "b"]


def test_a_retry_stands_in_line_even_if_that_is_full() -> None:
    queue, _ = full_queue(max_waiting=0)

    assert isinstance(ask(queue, place=1), Queued)


# ── bounded bypass ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    book = pool_book(4)
    queue = AdmissionQueue(book)
    held = [grant(queue).reservation for _ in range(4)]
    large = wait(queue, 4)
    small = [wait(queue) for _ in range(8)]
    for reservation in held:
        book.settle(reservation, 0.0, until=0.0)
        assert (granted_by(queue, now=0.0) == [large]) == (reservation == held[-1])

    assert [granted.ticket for granted in serve(queue, book, 8)] == small


def test_a_flood_of_a_larger_priority_lets_one_through_in_so_many() -> None:
    queue, book = full_queue(max_overtakes=3)
    low = [wait(queue) for _ in range(3)]
    for _ in range(9):
        wait(queue, priority=1)

    served = [granted.ticket for granted in serve(queue, book, 12)]

    assert [served.index(ticket) for ticket in low] == [3, 7, 11]


def test_who_was_served_is_not_overtaken_for_what_happened_before() -> None:
    queue, book = full_queue(max_overtakes=2)
    for _ in range(6):
        wait(queue)

    assert [granted.ticket for granted in serve(queue, book, 6)] == [2, 3, 4, 5, 6, 7]


def test_a_promoted_request_that_leaves_does_not_promote_the_next_one() -> None:
    queue, book = full_queue(max_overtakes=2)
    low = [wait(queue) for _ in range(2)]
    high = [wait(queue, priority=1) for _ in range(5)]
    serve(queue, book, 2)
    queue.withdraw(low[0], now=book.now)

    assert [granted.ticket for granted in serve(queue, book, 4, now=book.now)] == [
        *high[2:4],
        low[1],
        high[4],
    ]


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_the_bound_of_overtaking_is_a_positive_whole_number(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^max_overtakes must be "):
        AdmissionQueue(pool_book(1), max_overtakes=value)


# ── what is learned while somebody waits ────────────────────────────────────────────────────────────────────


def test_whoever_is_first_is_booked_by_what_is_known_then() -> None:
    book = pool_book(3)
    known = [3]

    def rebook(claim: Claim, booking: Booking, _now: float) -> Booking:
        assert booking == Booking.plain(claim.usage)
        return Booking.plain(Usage(known[0]))

    queue = AdmissionQueue(book, rebook=rebook)
    held = grant(queue, 1)
    ticket = wait(queue, 3)
    queue.advance(now=0.0)
    known[0] = 2
    book.freed.append(POOL)

    (granted,) = queue.advance(now=0.0)

    assert isinstance(granted, Granted)
    assert (granted.ticket, granted.booking) == (ticket, Booking.plain(Usage(2)))
    assert held.booking == Booking.plain(Usage(1))


# ── what can be seen ────────────────────────────────────────────────────────────────────────────────────────


def test_a_position_counts_priorities_then_retries_then_arrivals() -> None:
    queue, _ = full_queue()

    asked = [
        ask(queue),
        ask(queue, tenant="b"),
        ask(queue, priority=1),
        ask(queue, place=1),
        ask(queue),
    ]

    assert [queued.position for queued in asked if isinstance(queued, Queued)] == [1, 2, 1, 2, 5]
    places = [queue.inspect(queued.ticket, now=0.0) for queued in asked]
    assert [place.position for place in places if isinstance(place, Place)] == [3, 4, 1, 2, 5]


def test_grants_are_counted_by_tenant_for_the_last_thousand() -> None:
    queue = AdmissionQueue(pool_book(2_000))
    grant(queue, tenant="first")
    for number in range(1_000):
        grant(queue, tenant=str(number))
    grant(queue, tenant="0")

    by_tenant = queue.statistics(now=0.0).granted_by_tenant

    assert (len(by_tenant), by_tenant["0"], by_tenant["999"]) == (1_000, 2, 1)
    assert "first" not in by_tenant
    assert queue.statistics(now=0.0).granted == 1_002
