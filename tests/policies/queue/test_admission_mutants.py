"""The machines of the queue are worth their name: each planted bug is caught."""

from __future__ import annotations

import math
from typing import Any

import pytest
from admission_machine import AdmissionMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from lanes_machine import LanesMachine
from unmeasured import unmeasured

from actors.errors import WaitTooLong
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.fairness import FairShares
from actors.policies.queue.lanes import Lane
from actors.policies.queue.outlook import Outlook
from actors.policies.queue.records import Granted, Order, Outgrown, Queued, Ticket, TimedOut, Withdrawn
from actors.policies.queue.standing import Standing
from actors.policies.queue.waiting_line import WaitingLine
from actors.policies.queue.waiting_lines import WaitingLines
from actors.policies.queue.weighing import Weighing
from actors.policies.scope import POOL

SEARCH = settings(
    max_examples=400,
    stateful_step_count=40,
    database=None,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def assert_caught(machine: type[RuleBasedStateMachine]) -> None:
    """Run a machine with a bug in it. A bug may break the model's claims, or contradict itself first."""
    with pytest.raises((AssertionError, ValueError, LookupError)):
        unmeasured(run_state_machine_as_test)(machine, settings=SEARCH)


class GrantsBeforeItTimesOut(AdmissionQueue):
    def advance(self, now: float) -> tuple[TimedOut | Granted | Outgrown, ...]:
        self.book.expire(now)
        grants = tuple(self._grants(now))
        return (*(self._time_out(waiting, now) for waiting in self._room.leave_by(now)), *grants)


class GrantsAtADeadline(AdmissionQueue):
    def advance(self, now: float) -> tuple[TimedOut | Granted | Outgrown, ...]:
        self.book.expire(now)
        late = self._room.leave_by(math.nextafter(now, -math.inf))
        return (*(self._time_out(waiting, now) for waiting in late), *self._grants(now))


class TakesAPastDeadline(AdmissionQueue):
    def request(
        self, claim: Claim, booking: Booking, now: float, deadline: float = math.inf, **more: Any
    ) -> Granted | Queued:
        return super().request(claim, booking, now, max(deadline, math.nextafter(now, math.inf)), **more)


class RefusesTheUnlikely(AdmissionQueue):
    def request(
        self, claim: Claim, booking: Booking, now: float, deadline: float = math.inf, **more: Any
    ) -> Granted | Queued:
        short = self.book.shortfall(booking, claim.all_scopes, now)
        if short is not None and isinstance(short.available_at, float) and deadline <= short.available_at:
            self._tally.count("wait_too_long")
            raise WaitTooLong("it looks too late", retry_at=now)
        return super().request(claim, booking, now, deadline, **more)


class MiscountsThoseWhoLeave(AdmissionQueue):
    def withdraw(self, ticket: Ticket, now: float) -> Any:
        outcome = super().withdraw(ticket, now)
        if isinstance(outcome, Withdrawn):
            self._tally.count("timed_out")
        return outcome


class SleepsThroughDeadlines(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        self.book.expire(now)
        return max(self._weighing.next_turn(now), self._outlook.opens_at(now))


class WakesForNothing(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        return min(super().next_deadline(now), now + 1.0)


class OversleepsByAHair(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        return math.nextafter(super().next_deadline(now), math.inf)


class GrantsOneAtATime(AdmissionQueue):
    def advance(self, now: float) -> tuple[TimedOut | Granted | Outgrown, ...]:
        self.book.expire(now)
        due = [self._time_out(waiting, now) for waiting in self._room.leave_by(now)]
        first = None if due else next(self._grants(now), None)
        return (*due,) if first is None else (*due, first)


class WakesAtAGateThatIsShut(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        self.book.expire(now)
        return min(self._weighing.next_turn(now), self._room.first_deadline)


class TakesARetryForANewRequest(AdmissionQueue):
    def request(self, *asked: Any, **more: Any) -> Granted | Queued:
        return super().request(*asked, **{**more, "place": None})


@pytest.mark.parametrize(
    "mutant",
    [
        GrantsBeforeItTimesOut,
        GrantsAtADeadline,
        TakesAPastDeadline,
        RefusesTheUnlikely,
        MiscountsThoseWhoLeave,
        SleepsThroughDeadlines,
        WakesForNothing,
        OversleepsByAHair,
        GrantsOneAtATime,
        WakesAtAGateThatIsShut,
        TakesARetryForANewRequest,
    ],
)
def test_the_machine_catches_a_queue_that(
    mutant: type[AdmissionQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdmissionMachine, "queue_type", mutant)

    assert_caught(AdmissionMachine)


def forgets_what_was_freed(weighing: Weighing, now: float) -> None:
    weighing.lines.wake_due(now)


def takes_no_notice_of_the_gate(_outlook: Outlook, now: float) -> float:
    return now


def forgets_instants(weighing: Weighing, _now: float) -> None:
    for scope in weighing.book.take_freed():
        weighing.lines.wake(scope)


def lets_everybody_pass(*_: object) -> None:
    """Nobody stands in anybody's way."""


def charges_nobody(*_: object, **__: object) -> None:
    """All tags stay where they are."""


def keeps_the_virtual_time(shares: FairShares, *charge: Any, **_: bool) -> None:
    CHARGE(shares, *charge, in_turn=False)


def shares_without_weights(shares: FairShares, *charge: Any, in_turn: bool = True) -> None:
    shares.weights = {}
    CHARGE(shares, *charge, in_turn=in_turn)


def knows_no_priorities(lane: Lane) -> tuple[float, ...]:
    head = lane.head
    return (0.0, 0, lane.flow.start, head.order, head.ticket)


def counts_no_overtaking(*_: object) -> list[Lane]:
    return []


def counts_every_grant(line: WaitingLine, _order: Order, own_flow: Any) -> list[Lane]:
    return NOTE_GRANT(line, Order(10**9), own_flow)


def keeps_its_leader(line: WaitingLine, lane: Lane) -> bool:
    leader, key = line._leader, line._leader_key
    ENTER(line, lane)
    if leader is not None:
        line._leader, line._leader_key = leader, key
    return False


def leads_by_turns_of_old(line: WaitingLine) -> Any:
    if line._leader is None or line._leader_key is None:
        line._leader = line._lanes[line._flows.head].head
        line._leader_key = line._flows.best
    return line._leader, line._leader_key


def stays_promoted(lane: Lane) -> None:
    lane.moves = 0


def sleeps_as_its_leader_leaves(lines: WaitingLines, lane: Lane) -> None:
    woken = {scope: lines._awake.rank(scope) for scope in lines._awake}
    UNFILE(lines, lane)
    for scope in list(lines._awake):
        if scope not in woken:
            lines._awake.drop(scope)


def stands_in_the_first_scope(lines: WaitingLines, lane: Lane, _gate: Any, at: Any) -> None:
    EXPECT(lines, lane, POOL, at)


def miscounts_by_one(standing: Standing, spot: Any) -> int:
    return COUNT_BEFORE(standing, spot) + (1 if len(standing) > 3 else 0)


CHARGE = FairShares.charge
NOTE_GRANT = WaitingLine.note_grant
ENTER = WaitingLine.enter
UNFILE = WaitingLines.unfile
EXPECT = WaitingLines.expect
COUNT_BEFORE = Standing.count_before

PLANTED: list[tuple[type[RuleBasedStateMachine], type, str, Any]] = [
    (AdmissionMachine, Weighing, "look_round", forgets_what_was_freed),
    (AdmissionMachine, Weighing, "look_round", forgets_instants),
    (LanesMachine, Weighing, "look_round", forgets_what_was_freed),
    (LanesMachine, Weighing, "look_round", forgets_instants),
    (AdmissionMachine, Outlook, "opens_at", takes_no_notice_of_the_gate),
    (LanesMachine, Outlook, "opens_at", takes_no_notice_of_the_gate),
    (AdmissionMachine, WaitingLines, "gate_before", lets_everybody_pass),
    (LanesMachine, WaitingLines, "gate_before", lets_everybody_pass),
    (AdmissionMachine, FairShares, "charge", charges_nobody),
    (AdmissionMachine, FairShares, "charge", keeps_the_virtual_time),
    (AdmissionMachine, FairShares, "charge", shares_without_weights),
    (AdmissionMachine, Lane, "key", property(knows_no_priorities)),
    (AdmissionMachine, WaitingLine, "note_grant", counts_no_overtaking),
    (LanesMachine, WaitingLine, "note_grant", counts_no_overtaking),
    (AdmissionMachine, WaitingLine, "note_grant", counts_every_grant),
    (LanesMachine, WaitingLine, "enter", keeps_its_leader),
    (LanesMachine, WaitingLine, "_lead", leads_by_turns_of_old),
    (AdmissionMachine, Lane, "start_over", stays_promoted),
    (LanesMachine, WaitingLines, "unfile", sleeps_as_its_leader_leaves),
    (LanesMachine, WaitingLines, "expect", stands_in_the_first_scope),
    (AdmissionMachine, Standing, "count_before", miscounts_by_one),
]


@pytest.mark.parametrize(
    ("machine", "owner", "name", "bug"),
    PLANTED,
    ids=[f"{getattr(bug, 'fget', bug).__name__}-{machine.__name__}" for machine, _, _, bug in PLANTED],
)
def test_the_machine_catches_a_part_that(
    machine: type[RuleBasedStateMachine],
    owner: type,
    name: str,
    bug: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, bug)

    assert_caught(machine)


@pytest.mark.parametrize("machine", [AdmissionMachine, LanesMachine])
def test_the_machines_find_nothing_where_nothing_is_planted(
    machine: type[AdmissionMachine | LanesMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass that changes nothing, so that being a subclass is not what the machines catch."""
    monkeypatch.setattr(machine, "queue_type", type("Faithful", (AdmissionQueue,), {}))

    unmeasured(run_state_machine_as_test)(machine, settings=settings(SEARCH, max_examples=50))
