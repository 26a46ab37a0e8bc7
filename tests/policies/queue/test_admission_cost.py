"""What a decision costs, in questions to the book and turns looked at: a few, whatever the number of those who wait."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from queue_askers import ask, grant, granted_by, wait
from queue_world import WINDOW, PlainBook, pool_book
from unmeasured import unmeasured

from actors.policies.ledger.booking import Booking
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.records import ReservationId, Shortfall
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.lanes import Key, Lane
from actors.policies.scope import POOL, Scope

KEYS = tuple(Scope("key", str(number)) for number in range(1_000))
LIMIT = Limit("requests", 1, WINDOW)


@attrs.define(eq=False)
class SwitchBook:
    """Scopes that are full until an instant, or have room; it counts what it is asked."""

    full: dict[Scope, float]
    freed: list[Scope] = attrs.field(factory=list)
    asked: int = 0

    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        return self.shortfall(booking, scopes, now) or ReservationId(1)

    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        self.asked += 1
        short = [scope for scope in scopes if self.full.get(scope, now) > now]
        return Shortfall(short[-1], LIMIT, booking.needed.requests, self.full[short[-1]]) if short else None

    def earliest_if_refunded(self, _booking: Booking, _scopes: tuple[Scope, ...], now: float) -> float:
        return now

    def exceeded_by(self, _booking: Booking, _scopes: tuple[Scope, ...]) -> None:
        return None

    def limits_of(self, _scope: Scope) -> Limits:
        return Limits(requests=10)

    def take_freed(self) -> tuple[Scope, ...]:
        freed, self.freed = self.freed, []
        return tuple(freed)

    def expire(self, now: float) -> None:
        """Nothing is remembered."""


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often the turn of a lane is looked at."""
    counts: Counter[str] = Counter()
    turn_of = vars(Lane)["key"].fget

    def counted(lane: Lane) -> Key:
        counts["turns"] += 1
        turn: Key = turn_of(lane)
        return turn

    monkeypatch.setattr(Lane, "key", property(counted))
    return counts


def crowd(book: SwitchBook, waiting: int, scopes: int) -> AdmissionQueue:
    """A queue in which so many wait at so many full keys, of seven tenants in three priorities."""
    book.full = {key: WINDOW + number for number, key in enumerate(KEYS[:scopes])}
    queue = AdmissionQueue(book, max_waiting=waiting + 1)
    for number in range(waiting):
        wait(queue, 1, KEYS[number % scopes], tenant=str(number % 7), priority=number % 3)
    queue.advance(0.0)
    queue.next_deadline(0.0)
    return queue


def test_who_finds_nobody_waiting_costs_one_question() -> None:
    book = pool_book(10)

    grant(AdmissionQueue(book))

    assert book.asked == {"reserve": 1}


def test_who_finds_others_waiting_elsewhere_costs_one_question() -> None:
    key = Scope("key")
    book = PlainBook({POOL: 10, key: 1})
    queue = AdmissionQueue(book)
    grant(queue, 1, key)
    for _ in range(100):
        wait(queue, 1, key)
    book.asked.clear()

    grant(queue)

    assert book.asked == {"reserve": 1}


def test_who_joins_a_lane_costs_no_question() -> None:
    book = pool_book(1)
    queue = AdmissionQueue(book)
    grant(queue)
    wait(queue)
    book.asked.clear()

    wait(queue)

    assert book.asked == {}


@pytest.mark.parametrize(("waiting", "scopes"), [(100, 10), (10_000, 1_000)])
@pytest.mark.parametrize(
    "case", ["nothing", "a key is free", "one comes", "one leaves", "an instant has come"]
)
@unmeasured
def test_a_decision_touches_a_few_lanes_of_many(
    case: str, waiting: int, scopes: int, looked_at: Counter[str]
) -> None:
    book, now = SwitchBook({}), 0.0
    queue = crowd(book, waiting, scopes)
    freed = 0
    book.asked = 0
    looked_at.clear()
    match case:
        case "a key is free":
            book.full[KEYS[5]], freed = now, waiting // scopes
            book.freed.append(KEYS[5])
        case "an instant has come":
            now, freed = WINDOW, waiting // scopes
        case "one comes":
            ask(queue, 1, KEYS[5], tenant="new")
        case "one leaves":
            queue.withdraw(queue._room._lanes[(0, "0", (KEYS[0],), False)].head.ticket, now)

    granted = granted_by(queue, now)
    queue.next_deadline(now)

    assert len(granted) == freed
    assert book.asked <= 3 + 2 * freed
    assert looked_at["turns"] <= 4 + 8 * freed


@unmeasured
def test_all_that_wait_for_one_scope_go_at_a_constant_cost_each(looked_at: Counter[str]) -> None:
    book = SwitchBook({POOL: WINDOW})
    queue = AdmissionQueue(book, max_waiting=5_000)
    for number in range(5_000):
        wait(queue, 1, KEYS[number % 1_000], tenant=str(number % 7), priority=number % 3)
    book.asked = 0
    looked_at.clear()

    assert len(granted_by(queue, WINDOW)) == 5_000
    assert book.asked == 5_000
    assert looked_at["turns"] <= 8 * 5_000


def test_the_timer_costs_no_question_until_something_is_granted() -> None:
    book = SwitchBook({})
    queue = crowd(book, 100, 10)
    asked = book.asked

    assert [queue.next_deadline(now) for now in (0.0, 1.0, 2.0)] == [WINDOW] * 3
    assert book.asked == asked

    grant(queue)
    assert queue.next_deadline(2.0) == WINDOW
    assert book.asked == asked + 2  # the grant, and the first leader once more

    grant(queue)
    book.freed = [KEYS[0]]
    queue.advance(2.0)
    assert queue.next_deadline(2.0) == WINDOW
    assert book.asked == asked + 4  # the grant, and the first leader once, as its key is freed


def test_what_comes_back_while_nobody_waits_wakes_nobody_later() -> None:
    book = SwitchBook({})
    queue = AdmissionQueue(book)
    book.freed = [POOL]

    assert queue.advance(0.0) == ()
    assert book.freed == []
