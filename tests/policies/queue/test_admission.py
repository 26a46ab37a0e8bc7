"""The queue is fair, refuses only what is certain, and grants nothing at or after a deadline."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.outlook import SOON
from actors.policies.queue.records import (
    AdmissionStatistics,
    Granted,
    NotWaiting,
    Order,
    Place,
    Queued,
    Ticket,
    TimedOut,
    UnknownTicket,
    Withdrawn,
)
from actors.policies.scope import POOL
from actors.policies.usage import NOTHING, Usage

ONE = Usage()


def make_queue(
    requests: int | None = 1, tokens: int | None = None, max_waiting: int = 1_000
) -> AdmissionQueue:
    limits = Limits(requests=requests, input_tokens=tokens, output_tokens=None)
    return AdmissionQueue(Ledger(limits), max_waiting)


def books(queue: AdmissionQueue) -> Ledger:
    assert isinstance(queue.book, Ledger)
    return queue.book


def ask(queue: AdmissionQueue, usage: Usage, now: float, *until: float, **more: Any) -> Granted | Queued:
    return queue.request(Claim(usage), Booking.plain(usage), now, *until, **more)


def ask_again(
    queue: AdmissionQueue, usage: Usage, now: float, deadline: float, since: float
) -> Granted | Queued | TimedOut:
    return queue.rejoin(Claim(usage), Booking.plain(usage), now, deadline, since)


def granted_to(ticket: int, reservation: int, usage: Usage, waited: float) -> Granted:
    return Granted(
        Ticket(ticket), ReservationId(reservation), Claim(usage), Booking.plain(usage), waited, Order(ticket)
    )


def spend(queue: AdmissionQueue, now: float, usage: Usage = ONE) -> None:
    """Be granted and answered in one instant, so that `usage` is back at now + 60."""
    granted = ask(queue, usage, now)
    assert isinstance(granted, Granted)
    books(queue).report(granted.reservation, now, input_tokens=None, output_tokens=None)


# ── first come, first served ────────────────────────────────────────────────────────────────────────────────


def test_what_fits_goes_at_once() -> None:
    queue = make_queue(requests=2)

    assert ask(queue, ONE, now=3.0) == granted_to(1, 1, ONE, waited=0.0)
    assert ask(queue, ONE, now=3.0) == granted_to(2, 2, ONE, waited=0.0)


def test_what_does_not_fit_waits_in_the_order_it_came() -> None:
    queue = make_queue()
    spend(queue, 0.0)

    assert ask(queue, ONE, now=1.0) == Queued(Ticket(2), position=1)
    assert ask(queue, ONE, now=2.0) == Queued(Ticket(3), position=2)
    assert queue.advance(now=60.0) == (granted_to(2, 2, ONE, waited=59.0),)


def test_a_small_request_does_not_pass_a_large_one() -> None:
    queue = make_queue(requests=None, tokens=10)
    spend(queue, 0.0, Usage(1, 5))
    ask(queue, Usage(1, 10), now=1.0)

    assert ask(queue, Usage(1, 1), now=1.0) == Queued(Ticket(3), position=2)
    assert queue.advance(now=1.0) == ()
    assert [decision.ticket for decision in queue.advance(now=60.0)] == [2]


def test_many_are_granted_at_one_instant_as_far_as_it_goes() -> None:
    queue = make_queue(requests=3)
    spend(queue, 0.0, Usage(requests=3))
    for _ in range(4):
        ask(queue, ONE, now=1.0)

    assert [decision.ticket for decision in queue.advance(now=60.0)] == [2, 3, 4]


def test_a_refund_lets_the_oldest_waiter_go() -> None:
    queue = make_queue()
    held = ask(queue, ONE, now=0.0)
    assert isinstance(held, Granted)
    ask(queue, ONE, now=1.0)
    ask(queue, ONE, now=1.0)
    books(queue).cancel(held.reservation, now=2.0, charged=False)

    assert queue.advance(now=2.0) == (granted_to(2, 2, ONE, waited=1.0),)


# ── deadlines ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deadline_wins_over_capacity_that_comes_at_the_same_instant() -> None:
    queue = make_queue()
    held = ask(queue, ONE, now=0.0)
    assert isinstance(held, Granted)
    ask(queue, ONE, now=0.0, deadline=60.0)
    books(queue).report(held.reservation, now=0.0, input_tokens=0, output_tokens=0)

    assert queue.next_deadline(now=0.0) == 60.0
    assert queue.advance(now=60.0) == (TimedOut(Ticket(2), waited=60.0, retry_at=60.0),)


def test_a_deadline_a_hair_after_the_capacity_is_met() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    ask(queue, ONE, now=0.0, deadline=math.nextafter(60.0, 61.0))

    assert queue.advance(now=60.0) == (granted_to(2, 2, ONE, waited=60.0),)


def test_a_late_advance_grants_nothing_after_its_deadline() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    ask(queue, ONE, now=0.0, deadline=65.0)
    ask(queue, ONE, now=0.0, deadline=75.0)

    assert queue.advance(now=70.0) == (
        TimedOut(Ticket(2), waited=70.0, retry_at=70.0),
        granted_to(3, 2, ONE, waited=70.0),
    )


def test_time_outs_come_by_deadline_and_then_by_arrival() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    for deadline in (9.0, 5.0, 9.0, 20.0):
        ask(queue, ONE, now=0.0, deadline=deadline)

    assert [decision.ticket for decision in queue.advance(now=10.0)] == [3, 2, 4]


def test_a_time_out_at_the_head_lets_the_next_one_go() -> None:
    queue = make_queue(requests=None, tokens=10)
    spend(queue, 0.0, Usage(1, 5))
    ask(queue, Usage(1, 10), now=0.0, deadline=61.0)
    ask(queue, Usage(1, 5), now=0.0)
    books(queue).reserve(Booking.plain(Usage(1, 5)), (POOL,), now=1.0)

    assert queue.advance(now=61.0) == (
        TimedOut(Ticket(2), waited=61.0, retry_at=62.0),
        granted_to(3, 3, Usage(1, 5), waited=61.0),
    )


@pytest.mark.parametrize("deadline", [0.0, 5.0])
def test_whoever_is_told_no_for_a_call_under_way_is_told_to_come_back_a_moment_later(deadline: float) -> None:
    queue = make_queue(requests=None, tokens=10)
    books(queue).reserve(Booking.plain(Usage(1, 10)), (POOL,), now=0.0)
    if deadline:
        ask(queue, Usage(1, 5), now=0.0, deadline=deadline)
        (told,) = queue.advance(now=deadline)
        assert isinstance(told, TimedOut)
        assert told.retry_at == deadline + SOON
    else:
        with pytest.raises(WaitTooLong) as told_at_once:
            ask(queue, Usage(1, 5), now=0.0, deadline=0.0)
        assert told_at_once.value.retry_at == SOON


def test_a_time_out_says_before_when_there_is_certainly_no_room() -> None:
    queue = make_queue(requests=None, tokens=10)
    held = ask(queue, Usage(1, 10), now=0.0)
    assert isinstance(held, Granted)
    ask(queue, Usage(1, 10), now=1.0, deadline=30.0)
    books(queue).report(held.reservation, now=2.0, input_tokens=10, output_tokens=0)

    assert queue.advance(now=30.0) == (TimedOut(Ticket(2), waited=29.0, retry_at=62.0),)


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_can_never_fit_is_refused_by_the_name_of_the_limit() -> None:
    queue = make_queue(tokens=100)

    with pytest.raises(NeverFits, match=r"^input_tokens must be <= 100 per 60 s, got 101$") as caught:
        ask(queue, Usage(1, 101), now=0.0)
    assert caught.value.retry_at is None


def test_what_certainly_misses_its_deadline_is_refused_at_once() -> None:
    queue = make_queue()
    spend(queue, 0.0)

    text = r"^deadline must be > 60\.0, the earliest instant with room, got 59\.0$"
    with pytest.raises(WaitTooLong, match=text) as caught:
        ask(queue, ONE, now=1.0, deadline=59.0)
    assert caught.value.retry_at == 60.0
    with pytest.raises(WaitTooLong):
        ask(queue, ONE, now=1.0, deadline=60.0)
    assert ask(queue, ONE, now=1.0, deadline=math.nextafter(60.0, 61.0)) == Queued(Ticket(2), position=1)


def test_what_a_refund_could_still_save_is_not_refused() -> None:
    queue = make_queue()
    held = ask(queue, ONE, now=0.0)
    assert isinstance(held, Granted)

    assert ask(queue, ONE, now=1.0, deadline=2.0) == Queued(Ticket(2), position=1)
    books(queue).cancel(held.reservation, now=1.5, charged=False)
    assert queue.advance(now=1.5) == (granted_to(2, 2, ONE, waited=0.5),)


def test_a_deadline_of_now_takes_what_is_free_and_waits_for_nothing() -> None:
    queue = make_queue()

    assert isinstance(ask(queue, ONE, now=5.0, deadline=5.0), Granted)
    with pytest.raises(WaitTooLong):
        ask(queue, ONE, now=5.0, deadline=5.0)


@pytest.mark.parametrize("deadline", [4.999, -math.inf])
def test_a_deadline_that_has_passed_is_refused_even_if_there_is_room(deadline: float) -> None:
    queue = make_queue()

    with pytest.raises(WaitTooLong) as caught:
        ask(queue, ONE, now=5.0, deadline=deadline)
    assert caught.value.retry_at == 5.0
    assert books(queue).statistics(now=5.0).reserved == NOTHING


def test_a_full_line_refuses_and_says_when_it_moves() -> None:
    queue = make_queue(max_waiting=2)
    spend(queue, 0.0)
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0)

    text = r"^waiting requests must be <= 2, and so many wait already$"
    with pytest.raises(QueueFull, match=text) as caught:
        ask(queue, ONE, now=1.0)
    assert caught.value.retry_at == 60.0


def test_a_full_line_that_waits_for_calls_under_way_cannot_say_when_it_moves() -> None:
    queue = make_queue(max_waiting=1)
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0)

    with pytest.raises(QueueFull) as caught:
        ask(queue, ONE, now=1.0)
    assert caught.value.retry_at is None


def test_without_a_line_a_request_goes_now_or_not_at_all() -> None:
    queue = make_queue(max_waiting=0)
    spend(queue, 0.0)

    with pytest.raises(QueueFull) as caught:
        ask(queue, ONE, now=1.0)
    assert caught.value.retry_at == 60.0
    assert isinstance(ask(queue, ONE, now=60.0), Granted)
    with pytest.raises(QueueFull) as caught:
        ask(queue, ONE, now=61.0)
    assert caught.value.retry_at is None


def test_the_line_holds_a_thousand_unless_told() -> None:
    queue = AdmissionQueue(Ledger(Limits(requests=1)))
    for _ in range(1_001):
        ask(queue, ONE, now=0.0)

    with pytest.raises(QueueFull):
        ask(queue, ONE, now=0.0)


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ticket_that_is_withdrawn_is_never_granted() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    ask(queue, ONE, now=1.0)
    ask(queue, ONE, now=1.0)

    assert queue.withdraw(Ticket(2), now=4.0) == Withdrawn(Ticket(2), waited=3.0)
    assert [decision.ticket for decision in queue.advance(now=60.0)] == [3]


def test_a_head_that_leaves_makes_way() -> None:
    queue = make_queue(requests=None, tokens=10)
    spend(queue, 0.0, Usage(1, 5))
    ask(queue, Usage(1, 10), now=1.0)
    ask(queue, Usage(1, 5), now=1.0)
    queue.withdraw(Ticket(2), now=2.0)

    assert queue.next_deadline(now=2.0) == 2.0
    assert queue.advance(now=2.0) == (granted_to(3, 2, Usage(1, 5), waited=1.0),)


def test_withdrawing_what_has_ended_changes_nothing() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0, deadline=1.0)
    ask(queue, ONE, now=0.0)
    queue.advance(now=1.0)
    queue.withdraw(Ticket(3), now=1.0)
    before = queue.statistics(now=1.0)

    assert [queue.withdraw(Ticket(number), now=1.0) for number in (1, 2, 3)] == [
        NotWaiting(Ticket(1)),
        NotWaiting(Ticket(2)),
        NotWaiting(Ticket(3)),
    ]
    assert queue.statistics(now=1.0) == before
    assert books(queue).statistics(now=1.0).in_flight == 1


def test_deadlines_of_those_who_left_take_no_room_for_long() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0, deadline=1.0)
    for _ in range(1_000):
        queued = ask(queue, ONE, now=0.0, deadline=99.0)
        queue.withdraw(queued.ticket, now=0.0)

    assert len(queue._room._deadlines._heap) <= 2 * 1 + 64
    assert queue.next_deadline(now=0.0) == 1.0


# ── the one timer ───────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_due_when_nobody_waits() -> None:
    queue = make_queue()
    spend(queue, 0.0)

    assert queue.next_deadline(now=1.0) == math.inf


def test_nothing_is_due_when_all_depends_on_calls_under_way() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0)

    assert queue.next_deadline(now=1.0) == math.inf


def test_the_turn_of_the_head_is_due_before_a_later_deadline() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    ask(queue, ONE, now=1.0, deadline=90.0)

    assert queue.next_deadline(now=1.0) == 60.0


def test_the_first_deadline_is_due_wherever_it_stands_in_line() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    for deadline in (90.0, 30.0, math.inf):
        ask(queue, ONE, now=0.0, deadline=deadline)

    assert queue.next_deadline(now=1.0) == 30.0
    queue.withdraw(Ticket(3), now=1.0)
    assert queue.next_deadline(now=1.0) == 90.0


def test_a_deadline_is_due_before_a_later_turn_of_the_head() -> None:
    queue = make_queue(requests=2)
    spend(queue, 0.0)
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=1.0, deadline=30.0)

    assert queue.next_deadline(now=1.0) == 30.0
    assert queue.advance(now=30.0) == (TimedOut(Ticket(3), waited=29.0, retry_at=31.0),)


def test_an_instant_that_has_come_stays_due_until_the_queue_is_advanced() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    ask(queue, ONE, now=0.0)

    assert queue.next_deadline(now=61.0) == 61.0
    queue.advance(now=61.0)
    assert queue.next_deadline(now=61.0) == math.inf


# ── what can be seen ────────────────────────────────────────────────────────────────────────────────────────


def test_a_ticket_sees_its_place_and_how_long_it_may_take() -> None:
    queue = make_queue(requests=2)
    spend(queue, 0.0)
    spend(queue, 10.0)
    for _ in range(3):
        ask(queue, ONE, now=20.0, deadline=500.0)

    places = [queue.inspect(Ticket(number), now=25.0) for number in (3, 4, 5)]

    assert places == [
        Place(Ticket(3), 1, Claim(ONE), 500.0, waited=5.0, expected_wait=35.0),
        Place(Ticket(4), 2, Claim(ONE), 500.0, waited=5.0, expected_wait=45.0),
        Place(Ticket(5), 3, Claim(ONE), 500.0, waited=5.0, expected_wait=Unknown.UNTIL_SETTLEMENT),
    ]


def test_a_turn_that_takes_a_settlement_is_seen_as_such() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=0.0)

    place = queue.inspect(Ticket(2), now=0.0)

    assert isinstance(place, Place)
    assert place.expected_wait is Unknown.UNTIL_SETTLEMENT


def test_a_ticket_that_has_ended_has_no_place() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)

    assert queue.inspect(Ticket(1), now=0.0) == NotWaiting(Ticket(1))


def test_statistics_count_every_fate_once() -> None:
    queue = make_queue(max_waiting=3)
    ask(queue, ONE, now=0.0)
    ask(queue, ONE, now=1.0, deadline=5.0)
    ask(queue, ONE, now=2.0)
    ask(queue, ONE, now=3.0)
    for usage, deadline in ((Usage(2), 99.0), (ONE, 1.0), (ONE, 99.0)):
        with pytest.raises(Rejected):
            ask(queue, usage, now=4.0, deadline=deadline)
    queue.withdraw(Ticket(4), now=4.0)
    queue.advance(now=6.0)

    assert queue.statistics(now=10.0) == AdmissionStatistics(
        waiting=1,
        oldest_wait=8.0,
        granted=1,
        timed_out=1,
        withdrawn=1,
        refused_never_fits=1,
        refused_wait_too_long=1,
        refused_queue_full=1,
        granted_by_tenant={"": 1},
    )


def test_an_empty_queue_has_waited_for_nothing() -> None:
    assert make_queue().statistics(now=3.0) == AdmissionStatistics(0, 0.0, 0, 0, 0, 0, 0, 0)


# ── misuse ──────────────────────────────────────────────────────────────────────────────────────────────────

CLAIMED = (Claim(ONE), Booking.plain(ONE))

ILLEGAL: dict[str, tuple[str, tuple[Any, ...]]] = {
    "request in the past": ("request", (*CLAIMED, 4.0)),
    "request the impossible in the past": ("request", (Claim(Usage(2)), Booking.plain(Usage(2)), 4.0)),
    "request no usage": ("request", (None, Booking.plain(ONE), 9.0)),
    "request until nan": ("request", (*CLAIMED, 9.0, math.nan)),
    "request until a word": ("request", (*CLAIMED, 9.0, "10")),
    "advance in the past": ("advance", (4.0,)),
    "advance to infinity": ("advance", (math.inf,)),
    "withdraw in the past": ("withdraw", (2, 4.0)),
    "withdraw an unknown ticket": ("withdraw", (4, 9.0)),
    "look for an unknown ticket": ("inspect", (0, 9.0)),
    "look in the past": ("inspect", (2, 4.0)),
    "the next deadline in the past": ("next_deadline", (4.0,)),
    "statistics in the past": ("statistics", (4.0,)),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_an_illegal_verb_of_the_queue_raises_and_changes_nothing(case: str) -> None:
    verb, arguments = ILLEGAL[case]
    queue = make_queue()
    for _ in range(3):
        ask(queue, ONE, now=3.0, deadline=8.0)
    before = queue.statistics(now=5.0)

    with pytest.raises((ValueError, TypeError, AttributeError)):
        getattr(queue, verb)(*arguments)

    assert queue.statistics(now=5.0) == before
    assert [decision.ticket for decision in queue.advance(now=8.0)] == [2, 3]


def test_an_unknown_ticket_is_refused_with_its_number() -> None:
    queue = make_queue()
    ask(queue, ONE, now=0.0)

    with pytest.raises(
        UnknownTicket, match=r"^ticket must be one of the 1 this queue gave, got 2$"
    ) as caught:
        queue.withdraw(Ticket(2), now=0.0)
    assert caught.value.ticket == 2


@pytest.mark.parametrize("max_waiting", [1.5, "3", True])
def test_the_length_of_the_line_is_a_whole_number(max_waiting: Any) -> None:
    with pytest.raises(TypeError, match=rf"^max_waiting must be a whole number, got {max_waiting!r}$"):
        make_queue(max_waiting=max_waiting)


def test_the_length_of_the_line_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"^max_waiting must be >= 0, got -1$"):
        make_queue(max_waiting=-1)


# ── over a restart ──────────────────────────────────────────────────────────────────────────────────────────


def successor(queue: AdmissionQueue, max_waiting: int = 1_000) -> AdmissionQueue:
    """Another queue over the same ledger."""
    return AdmissionQueue(books(queue), max_waiting)


def test_those_who_stood_in_line_stand_in_it_again_since_they_came() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    again = successor(queue)

    assert ask_again(again, ONE, now=9.0, deadline=math.inf, since=1.0) == Queued(Ticket(1), position=1)
    assert ask_again(again, ONE, now=9.0, deadline=math.inf, since=2.0) == Queued(Ticket(2), position=2)
    assert again.statistics(now=9.0).oldest_wait == 8.0
    assert again.advance(now=60.0) == (granted_to(1, 2, ONE, waited=59.0),)


def test_who_stood_in_line_is_granted_at_once_what_came_free_meanwhile() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    again = successor(queue)

    granted = ask_again(again, ONE, now=61.0, deadline=70.0, since=1.0)

    assert granted == granted_to(1, 2, ONE, waited=60.0)
    assert ask_again(again, ONE, now=61.0, deadline=70.0, since=2.0) == Queued(Ticket(2), position=1)


def test_nobody_passes_those_who_stand_again() -> None:
    queue = make_queue(requests=None, tokens=10)
    spend(queue, 0.0, Usage(1, 5))
    again = successor(queue)
    ask_again(again, Usage(1, 6), now=9.0, deadline=math.inf, since=1.0)

    assert ask_again(again, Usage(1, 1), now=9.0, deadline=math.inf, since=2.0) == Queued(
        Ticket(2), position=2
    )


@pytest.mark.parametrize("deadline", [60.0, 61.0])
def test_a_deadline_that_has_come_meanwhile_wins_over_what_came_free(deadline: float) -> None:
    queue = make_queue()
    spend(queue, 0.0)

    outcome = ask_again(successor(queue), ONE, now=61.0, deadline=deadline, since=1.0)

    assert outcome == TimedOut(Ticket(1), waited=60.0, retry_at=61.0)


def test_what_was_accepted_once_is_not_weighed_again() -> None:
    queue = make_queue()
    spend(queue, 5.0)

    outcome = ask_again(successor(queue), ONE, now=9.0, deadline=60.0, since=1.0)

    assert outcome == Queued(Ticket(1), position=1)  # in vain: it was not known to be so as it came


def test_who_would_hold_up_the_line_for_ever_does_not_stand_in_it_again() -> None:
    again = make_queue()

    with pytest.raises(NeverFits, match=r"^requests must be <= 1 per 60 s, got 2$"):
        ask_again(again, Usage(2), now=9.0, deadline=math.inf, since=1.0)
    assert again.statistics(now=9.0).refused_never_fits == 1


def test_nobody_stands_in_line_again_in_the_past() -> None:
    again = make_queue()
    books(again).expire(9.0)

    with pytest.raises(ValueError, match=r"^now must be >= 9\.0, got 8\.0$"):
        ask_again(again, Usage(2), now=8.0, deadline=math.inf, since=1.0)
    assert again.statistics(now=9.0).refused_never_fits == 0


def test_no_more_stand_in_line_again_than_may_wait() -> None:
    queue = make_queue()
    spend(queue, 0.0)
    again = successor(queue, max_waiting=1)
    ask_again(again, ONE, now=9.0, deadline=math.inf, since=1.0)

    with pytest.raises(QueueFull, match=r"^waiting requests must be <= 1, and so many wait already$"):
        ask_again(again, ONE, now=9.0, deadline=math.inf, since=2.0)


def test_a_request_that_was_made_earlier_has_waited_since_then() -> None:
    queue = make_queue()

    assert ask(queue, ONE, now=9.0, since=2.0) == granted_to(1, 1, ONE, waited=7.0)
    ask(queue, ONE, now=9.0, since=3.0)
    assert queue.statistics(now=9.0).oldest_wait == 6.0


def test_what_is_free_at_the_deadline_is_only_for_who_asks_at_that_instant() -> None:
    queue = make_queue(requests=2)

    assert isinstance(ask(queue, ONE, now=9.0, deadline=9.0, since=9.0), Granted)
    with pytest.raises(
        WaitTooLong, match=r"^deadline must be > 9\.0, the earliest instant with room, got 9\.0$"
    ):
        ask(queue, ONE, now=9.0, deadline=9.0, since=2.0)
