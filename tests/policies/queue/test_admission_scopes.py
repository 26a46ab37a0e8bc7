"""Several scopes: who waits for one is in nobody's way at another, and nobody passes those who wait at its own."""

from __future__ import annotations

import math

import pytest
from queue_askers import ask, grant, granted_by, serve, wait
from queue_world import WINDOW, PlainBook, PlainGate

from actors.errors import NeverFits, QueueFull, WaitTooLong
from actors.policies.ledger.meter import Unknown
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.gate import OPEN
from actors.policies.queue.records import Granted, Outgrown, Place, Queued, Ticket, TimedOut
from actors.policies.scope import POOL, Scope

KEY, OTHER_KEY, TEAM = Scope("key", "1"), Scope("key", "2"), Scope("team")


def make_book(pool: int = 10, key: int = 1, other_key: int = 1, team: int = 10) -> PlainBook:
    return PlainBook({POOL: pool, KEY: key, OTHER_KEY: other_key, TEAM: team})


def test_a_full_key_does_not_hold_up_other_keys_of_the_pool() -> None:
    queue = AdmissionQueue(make_book())
    grant(queue, 1, KEY)
    wait(queue, 1, KEY)

    assert isinstance(ask(queue, 1, OTHER_KEY), Granted)
    assert isinstance(ask(queue), Granted)
    assert isinstance(ask(queue, 1, KEY), Queued)


def test_who_waits_for_the_pool_is_not_passed_by_a_free_key() -> None:
    queue = AdmissionQueue(make_book(pool=3))
    grant(queue, 2)
    large = wait(queue, 2)

    assert isinstance(ask(queue, 1, KEY), Queued)
    assert queue.inspect(large, now=0.0).position == 1  # type: ignore[union-attr]  # it waits


def test_a_request_that_is_short_elsewhere_by_now_waits_there() -> None:
    book = make_book(pool=2)
    queue = AdmissionQueue(book)
    grant(queue, 1)
    book.settle(grant(queue, 1, KEY).reservation, 0.0, until=5.0)
    keyed = wait(queue, 1, KEY)
    for_pool = wait(queue, 2)
    assert queue.next_deadline(0.0) == 5.0
    book.charge(POOL, 1, until=8.0)  # the pool is short now until 8

    assert queue.next_deadline(5.0) == 8.0
    assert granted_by(queue, now=8.0) == [keyed]
    assert isinstance(queue.inspect(for_pool, now=8.0), Place)


def test_a_lane_that_goes_makes_way_for_the_next_of_its_key_only() -> None:
    book = make_book(key=2)
    queue = AdmissionQueue(book)
    held = [grant(queue, 1, KEY).reservation for _ in range(2)]
    tickets = [wait(queue, 1, KEY, tenant=tenant) for tenant in "abc"]
    book.settle(held[0], 1.0, until=1.0)

    assert granted_by(queue, now=1.0) == tickets[:1]
    book.settle(held[1], 2.0, until=2.0)
    assert granted_by(queue, now=2.0) == tickets[1:2]


def test_a_request_needs_room_in_all_its_scopes() -> None:
    book = make_book(team=1)
    queue = AdmissionQueue(book)
    in_key, in_team = grant(queue, 1, KEY), grant(queue, 1, TEAM)
    both = wait(queue, 1, KEY, TEAM)
    book.settle(in_key.reservation, 1.0, until=1.0)
    assert queue.advance(now=1.0) == ()
    book.settle(in_team.reservation, 2.0, until=2.0)

    assert granted_by(queue, now=2.0) == [both]


def test_two_scopes_that_are_never_free_together_shut_nobody_out_for_ever() -> None:
    """One who needs both counters moves from the one to the other, until it stands at both."""
    book = make_book(team=1)
    queue = AdmissionQueue(book, max_overtakes=3)
    held = {KEY: grant(queue, 1, KEY), TEAM: grant(queue, 1, TEAM)}
    both = wait(queue, 1, KEY, TEAM)
    busy = {KEY: wait(queue, 1, KEY, now=0.0), TEAM: wait(queue, 1, TEAM, now=0.0)}
    rounds = 0
    while both not in {granted.ticket for granted in held.values()}:
        rounds += 1
        assert rounds < 12, "it was shut out"
        scope = (KEY, TEAM)[rounds % 2]
        now = float(rounds)
        book.settle(held[scope].reservation, now, until=now)
        for decision in queue.advance(now):
            assert isinstance(decision, Granted)
            if decision.ticket == both:
                held[scope] = decision
            else:
                held[scope] = decision
                busy[scope] = wait(queue, 1, scope, now=now)

    assert rounds >= 2


def facts_of(error: NeverFits) -> tuple[object, ...]:
    return error.quantity, error.asked, error.amount, error.window, error.scope


def test_the_limit_that_is_exceeded_is_named_with_its_scope() -> None:
    queue = AdmissionQueue(make_book())

    with pytest.raises(NeverFits, match=r"^requests must be <= 1 per 10 s in key/1, got 2$") as caught:
        ask(queue, 2, KEY)
    assert facts_of(caught.value) == ("requests", 2, 1, 10.0, "key/1")
    with pytest.raises(NeverFits, match=r"^requests must be <= 10 per 10 s, got 11$") as caught:
        ask(queue, 11, KEY)
    assert facts_of(caught.value) == ("requests", 11, 10, 10.0, "pool")


def test_who_is_above_a_limit_that_shrank_ends_and_lets_the_next_one_go() -> None:
    book = make_book()
    queue = AdmissionQueue(book)
    held = grant(queue, 9)
    large, small = wait(queue, 5), wait(queue, 3)
    book.change_limit(POOL, 4)
    book.settle(held.reservation, 1.0, until=1.0)

    assert queue.next_deadline(1.0) == 1.0
    outgrown, granted = queue.advance(now=1.0)

    assert isinstance(outgrown, Outgrown)
    assert (outgrown.ticket, outgrown.waited) == (large, 1.0)
    assert str(outgrown.error) == "requests must be <= 4 per 10 s, got 5"
    assert facts_of(outgrown.error) == ("requests", 5, 4, 10.0, "pool")
    assert granted.ticket == small
    assert queue.statistics(1.0).refused_never_fits == 1


def test_an_expected_wait_counts_in_each_scope_only_those_who_use_it() -> None:
    book = make_book(pool=3, key=2)
    queue = AdmissionQueue(book)
    book.settle(grant(queue, 2, KEY).reservation, 0.0, until=4.0)
    book.settle(grant(queue, 1).reservation, 0.0, until=7.0)
    tickets = [wait(queue), wait(queue, 1, KEY), wait(queue)]
    places = [queue.inspect(ticket, now=1.0) for ticket in tickets]
    assert [place.expected_wait for place in places if isinstance(place, Place)] == [3.0, 3.0, 6.0]

    book.change_limit(POOL, 2)

    last = queue.inspect(tickets[2], now=1.0)
    assert isinstance(last, Place)
    assert last.expected_wait is Unknown.UNTIL_SETTLEMENT


# ── the gate ────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_is_granted_anything_while_the_gate_is_shut() -> None:
    gate = PlainGate(open_from=5.0)
    queue = AdmissionQueue(make_book(), gate=gate)
    tickets = [wait(queue), wait(queue, priority=1)]

    assert queue.next_deadline(0.0) == 5.0
    assert queue.advance(math.nextafter(5.0, 0.0)) == ()
    assert granted_by(queue, now=5.0) == tickets[::-1]


def test_a_gate_that_lets_one_through_lets_the_first_in_turn_through_whatever_scope_it_waits_for() -> None:
    gate = PlainGate(left=0)
    book = make_book()
    queue = AdmissionQueue(book, gate=gate)
    tickets = [wait(queue, 1, KEY), wait(queue, 1, OTHER_KEY, priority=2), wait(queue, priority=1)]
    assert queue.next_deadline(0.0) == math.inf

    order: list[Ticket] = []
    for now in (1.0, 2.0, 3.0):
        gate.left = 1
        order += granted_by(queue, now=now)

    assert order == [tickets[1], tickets[2], tickets[0]]


def test_what_has_no_room_does_not_wake_with_the_gate() -> None:
    book = make_book(pool=1)
    gate = PlainGate()
    queue = AdmissionQueue(book, gate=gate)
    book.settle(grant(queue).reservation, 0.0, until=7.0)
    gate.open_from = 5.0
    wait(queue)

    assert queue.next_deadline(0.0) == 7.0
    gate.open_from = 9.0
    assert queue.next_deadline(0.0) == 9.0


def test_a_deadline_is_kept_behind_a_gate() -> None:
    gate = PlainGate(left=0)
    queue = AdmissionQueue(make_book(), gate=gate)
    ticket = wait(queue, deadline=3.0)
    gate.open_from, gate.left = 8.0, None

    assert queue.next_deadline(0.0) == 3.0
    assert queue.advance(3.0) == (TimedOut(ticket, waited=3.0, retry_at=8.0),)


def test_what_cannot_go_before_the_gate_opens_is_refused_at_once() -> None:
    queue = AdmissionQueue(make_book(), gate=PlainGate(open_from=8.0))

    with pytest.raises(WaitTooLong) as caught:
        ask(queue, deadline=8.0)
    assert caught.value.retry_at == 8.0
    assert isinstance(ask(queue, deadline=8.1), Queued)


def test_a_full_line_behind_a_gate_says_when_that_opens() -> None:
    queue = AdmissionQueue(make_book(), 0, gate=PlainGate(open_from=8.0))

    with pytest.raises(QueueFull) as caught:
        ask(queue)
    assert caught.value.retry_at == 8.0


def test_an_expected_wait_counts_the_gate() -> None:
    gate = PlainGate(open_from=8.0)
    queue = AdmissionQueue(make_book(), gate=gate)
    ticket = wait(queue)
    place = queue.inspect(ticket, now=2.0)
    assert isinstance(place, Place)
    assert place.expected_wait == 6.0

    gate.left = 0

    place = queue.inspect(ticket, now=2.0)
    assert isinstance(place, Place)
    assert place.expected_wait is Unknown.UNTIL_SETTLEMENT


def test_no_gate_is_always_open() -> None:
    OPEN.pass_one(3.0)

    assert (OPEN.opens_at(3.0), OPEN.shut_until(3.0)) == (3.0, 3.0)


def test_grants_of_one_gate_never_exceed_what_it_lets_through() -> None:
    gate = PlainGate(left=2)
    book = make_book()
    queue = AdmissionQueue(book, gate=gate)
    outcomes = [ask(queue) for _ in range(4)]

    assert [type(outcome) for outcome in outcomes] == [Granted, Granted, Queued, Queued]
    gate.left = None
    assert len(serve(queue, book, 2)) == 2
    assert WINDOW == 10.0
