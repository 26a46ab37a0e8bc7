"""What nobody reports in time is given up once, and remembered for a report that comes after all."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.policies.ledger import orphans as module
from actors.policies.ledger.orphans import DEFAULT_PATIENCE, Orphans
from actors.policies.ledger.records import ReservationId
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

ONE, TWO, THREE = ReservationId(1), ReservationId(2), ReservationId(3)
CHARGED = Usage(1, 400, 100)
HERE = (POOL, Scope("key", "a"))


def test_the_patience_is_five_minutes() -> None:
    assert DEFAULT_PATIENCE == 300.0


def test_where_nothing_is_watched_nothing_ends() -> None:
    assert Orphans(300.0).next_end == math.inf


def test_one_is_waited_for_from_its_handing_over() -> None:
    orphans = Orphans(300.0)
    orphans.watch(ONE, 10.0)
    orphans.watch(TWO, 5.0)

    assert (orphans.next_end, orphans.first) == (305.0, TWO)


def test_one_that_is_handed_over_again_gets_no_more_time() -> None:
    orphans = Orphans(300.0)
    orphans.watch(ONE, 10.0)
    orphans.watch(ONE, 100.0)

    assert orphans.next_end == 310.0
    orphans.forget(ONE)
    assert orphans.next_end == math.inf


def test_one_that_was_settled_is_waited_for_no_more() -> None:
    orphans = Orphans(300.0)
    for number, reservation in enumerate((ONE, TWO, THREE)):
        orphans.watch(reservation, float(number))

    orphans.forget(TWO)
    assert (orphans.next_end, orphans.first) == (300.0, ONE)
    orphans.forget(ONE)
    assert (orphans.next_end, orphans.first) == (302.0, THREE)


def test_one_that_was_never_watched_is_forgotten_without_a_word() -> None:
    orphans = Orphans(300.0)
    orphans.watch(ONE, 0.0)
    orphans.forget(TWO)

    assert orphans.first == ONE


def test_one_that_is_given_up_is_counted_and_remembered_with_what_it_was_charged() -> None:
    orphans = Orphans(300.0)
    orphans.watch(ONE, 0.0)
    orphans.forget(ONE)
    orphans.give_up(ONE, CHARGED, HERE)

    assert orphans.given_up == 1
    assert orphans.given_up_as(ONE) == (CHARGED, HERE)
    assert orphans.given_up_as(TWO) is None


def test_one_that_was_heard_of_after_all_is_forgotten_and_stays_counted() -> None:
    orphans = Orphans(300.0)
    orphans.give_up(ONE, CHARGED, HERE)
    orphans.forget_given_up(ONE)

    assert orphans.given_up_as(ONE) is None
    assert orphans.given_up == 1


def test_so_many_are_remembered_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    orphans = Orphans(300.0)
    for reservation in (ONE, TWO, THREE):
        orphans.give_up(reservation, CHARGED, HERE)

    assert [orphans.given_up_as(each) is None for each in (ONE, TWO, THREE)] == [True, False, False]
    assert orphans.given_up == 3


def entries(orphans: Orphans) -> int:
    return len(orphans._ends)  # how much is kept cannot be seen from outside


@pytest.mark.parametrize("order", [list[int], lambda numbers: list(reversed(numbers))])
def test_what_was_settled_does_not_pile_up(order: Callable[[range], list[int]]) -> None:
    orphans = Orphans(300.0)
    for number in range(1_000):
        orphans.watch(ReservationId(number), float(number))
    for number in order(range(1, 1_000)):
        orphans.forget(ReservationId(number))
        assert (orphans.next_end, orphans.first) == (300.0, ReservationId(0))

    assert entries(orphans) <= 2 + 64


class OrphansMachine(RuleBasedStateMachine):
    """Beside a dictionary that is searched; one that was settled is never watched again."""

    def __init__(self) -> None:
        super().__init__()
        self.orphans = Orphans(5.0)
        self.ends: dict[ReservationId, float] = {}
        self.settled: set[int] = set()
        self.now = 0.0

    @rule(number=st.integers(0, 19), seconds=st.sampled_from([0.0, 1.0, 3.0]))
    def watch(self, number: int, seconds: float) -> None:
        if number in self.settled:
            return
        self.now += seconds
        self.orphans.watch(ReservationId(number), self.now)
        self.ends.setdefault(ReservationId(number), self.now + 5.0)

    @rule(number=st.integers(0, 19))
    def settle(self, number: int) -> None:
        self.settled.add(number)
        self.orphans.forget(ReservationId(number))
        self.ends.pop(ReservationId(number), None)

    @invariant()
    def the_first_end_is_the_smallest(self) -> None:
        assert self.orphans.next_end == min(self.ends.values(), default=math.inf)
        if self.ends:
            first = min((end, reservation) for reservation, end in self.ends.items())
            assert self.orphans.first == first[1]


TestOrphans = OrphansMachine.TestCase
TestOrphans.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
