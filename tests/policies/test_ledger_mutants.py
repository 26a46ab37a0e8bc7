"""The machines are worth their name: each planted bug is caught."""

from __future__ import annotations

import math
from typing import Any

import pytest
from admission_machine import AdmissionMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from ledger_machine import LedgerMachine

from actors.errors import WaitTooLong
from actors.policies import ledger as ledger_module
from actors.policies.admission import AdmissionQueue
from actors.policies.admission_records import Granted, NotWaiting, Queued, Ticket, TimedOut, Withdrawn
from actors.policies.ledger import ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import AlreadySettled, CorruptLedger, Settled, Shortfall
from actors.policies.limits import Limits
from actors.policies.usage import Usage

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
    """Run a machine with a bug in it. A bug may break the model's claims, the values' own bounds, or the books."""
    with pytest.raises((AssertionError, ValueError, CorruptLedger)):
        run_state_machine_as_test(machine, settings=SEARCH)


class RefundsTwice(SlidingWindowLedger):
    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        outcome = super().cancel(reservation_id, now, charged=charged)
        if isinstance(outcome, AlreadySettled) and not charged:
            self._requests.held -= 1
        return outcome


class SettlesTwice(SlidingWindowLedger):
    def report(self, reservation_id: ReservationId, now: float, **actual: Any) -> Settled | AlreadySettled:
        held = self._held.get(reservation_id)
        outcome = super().report(reservation_id, now, **actual)
        if held is not None:
            self._held[reservation_id] = held
        return outcome


class ForgetsTheSlack(SlidingWindowLedger):
    def __init__(self, limits: Limits, _slack: float) -> None:
        super().__init__(limits, 0.0)


class ExpiresATickEarly(SlidingWindowLedger):
    def expire(self, now: float) -> None:
        super().expire(now)
        for meter in (self._requests, self._input, self._output):
            meter.spent.expire(math.nextafter(now, math.inf))


class ExpiresATickLate(SlidingWindowLedger):
    def expire(self, now: float) -> None:
        self._check_now(now)
        self._now = now
        for meter in (self._requests, self._input, self._output):
            meter.spent.expire(math.nextafter(now, -math.inf))


class HoldsInParts(SlidingWindowLedger):
    def reserve(self, usage: Usage, now: float) -> ReservationId | Shortfall:
        outcome = super().reserve(usage, now)
        if isinstance(outcome, Shortfall) and self._requests.lacks(usage.requests) <= 0:
            self._requests.hold(usage.requests)
        return outcome


class LooksAtOneDimension(SlidingWindowLedger):
    def shortfall(self, usage: Usage, now: float) -> Shortfall | None:
        shortfall = super().shortfall(usage, now)
        return None if shortfall is not None and shortfall.dimension == "output_tokens" else shortfall


class RefundsTheUnknown(SlidingWindowLedger):
    def report(
        self, reservation_id: ReservationId, now: float, *, output_tokens: int | None, **rest: Any
    ) -> Settled | AlreadySettled:
        return super().report(reservation_id, now, output_tokens=output_tokens or 0, **rest)


class ChargesNoMoreThanWasHeld(SlidingWindowLedger):
    def _settle(self, reservation_id: ReservationId, actual: Usage, *rest: Any) -> Settled:
        held = self._held[reservation_id].usage
        capped = Usage(
            actual.requests,
            min(held.input_tokens, actual.input_tokens),
            min(held.output_tokens, actual.output_tokens),
        )
        return super()._settle(reservation_id, capped, *rest)


class StampsOutputWhenItsRequestWasSent(SlidingWindowLedger):
    def _settle(
        self, reservation_id: ReservationId, actual: Usage, now: float, sent: float, produced: float
    ) -> Settled:
        return super()._settle(reservation_id, actual, now, sent, min(sent, produced))


class ForgetsOldReservations(SlidingWindowLedger):
    def expire(self, now: float) -> None:
        super().expire(now)
        for reservation in self._held.values():
            if now - reservation.granted_at >= self.limits.window:
                self._requests.held = max(0, self._requests.held - reservation.usage.requests)


class StampsOneWindowFromTheGrant(SlidingWindowLedger):
    def report(self, reservation_id: ReservationId, now: float, **actual: Any) -> Settled | AlreadySettled:
        held = self._held.get(reservation_id)
        if held is not None:
            actual["started_at"] = held.granted_at
        return super().report(reservation_id, now, **actual)


@pytest.mark.parametrize(
    "mutant",
    [
        RefundsTwice,
        SettlesTwice,
        ForgetsTheSlack,
        ExpiresATickEarly,
        ExpiresATickLate,
        HoldsInParts,
        LooksAtOneDimension,
        RefundsTheUnknown,
        ChargesNoMoreThanWasHeld,
        StampsOutputWhenItsRequestWasSent,
        ForgetsOldReservations,
        StampsOneWindowFromTheGrant,
    ],
)
def test_the_machine_catches_a_ledger_that(
    mutant: type[SlidingWindowLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LedgerMachine, "ledger_type", mutant)

    assert_caught(LedgerMachine)


def test_the_machine_catches_sums_that_are_rounded_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "add_up", lambda *seconds: math.fsum(seconds))

    assert_caught(LedgerMachine)


class GrantsPastADeadline(AdmissionQueue):
    def advance(self, now: float) -> tuple[TimedOut | Granted, ...]:
        self.ledger.expire(now)
        granted = tuple(self._grant_from_the_head(now))
        return (*self._time_out(now), *granted)


class GrantsAtADeadline(AdmissionQueue):
    def _time_out(self, now: float) -> list[TimedOut]:
        return super()._time_out(math.nextafter(now, -math.inf))


class TakesAPastDeadline(AdmissionQueue):
    def request(
        self, usage: Usage, now: float, deadline: float = math.inf, *, since: float | None = None
    ) -> Granted | Queued:
        return super().request(usage, now, max(deadline, math.nextafter(now, math.inf)), since=since)


class LetsTheSmallPass(AdmissionQueue):
    def request(
        self, usage: Usage, now: float, deadline: float = math.inf, *, since: float | None = None
    ) -> Granted | Queued:
        outcome = super().request(usage, now, deadline, since=since)
        if isinstance(outcome, Granted):
            return outcome
        reserved = self.ledger.reserve(usage, now)
        if isinstance(reserved, Shortfall):
            return outcome
        self._line.leave(outcome.ticket)
        return self._grant(outcome.ticket, reserved, usage, waited=0.0)


class RefusesTheUnlikely(AdmissionQueue):
    def request(
        self, usage: Usage, now: float, deadline: float = math.inf, *, since: float | None = None
    ) -> Granted | Queued:
        likely_at = self.ledger.earliest(usage, now)
        if isinstance(likely_at, float) and now < deadline <= likely_at < math.inf:
            self._fates["wait_too_long"] += 1
            raise WaitTooLong("it looks too late", retry_at=likely_at)
        return super().request(usage, now, deadline, since=since)


class LosesThoseWhoLeave(AdmissionQueue):
    def withdraw(self, ticket: Ticket, now: float) -> Withdrawn | NotWaiting:
        outcome = super().withdraw(ticket, now)
        if isinstance(outcome, Withdrawn):
            self._fates["withdrawn"] -= 1
        return outcome


class GrantsThoseWhoLeft(AdmissionQueue):
    def withdraw(self, ticket: Ticket, now: float) -> Withdrawn | NotWaiting:
        waiting = self._line.find(ticket)
        outcome = super().withdraw(ticket, now)
        if waiting is not None:
            self._line.join(waiting)
        return outcome


class SleepsThroughDeadlines(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        head = self._line.head
        turn = math.inf if head is None else self.ledger.earliest(head.usage, now)
        return turn if isinstance(turn, float) else math.inf


class WakesForNothing(AdmissionQueue):
    def next_deadline(self, now: float) -> float:
        return min(super().next_deadline(now), now + 1.0)


class GrantsOneAtATime(AdmissionQueue):
    def advance(self, now: float) -> tuple[TimedOut | Granted, ...]:
        self.ledger.expire(now)
        first = next(self._grant_from_the_head(now), None) if not (due := self._time_out(now)) else None
        return (*due,) if first is None else (*due, first)


@pytest.mark.parametrize(
    "mutant",
    [
        GrantsPastADeadline,
        GrantsAtADeadline,
        TakesAPastDeadline,
        LetsTheSmallPass,
        RefusesTheUnlikely,
        LosesThoseWhoLeave,
        GrantsThoseWhoLeft,
        SleepsThroughDeadlines,
        WakesForNothing,
        GrantsOneAtATime,
    ],
)
def test_the_machine_catches_a_queue_that(
    mutant: type[AdmissionQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdmissionMachine, "queue_type", mutant)

    assert_caught(AdmissionMachine)


@pytest.mark.parametrize("machine", [LedgerMachine, AdmissionMachine])
def test_the_machines_find_nothing_where_nothing_is_planted(
    machine: type[LedgerMachine | AdmissionMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass that changes nothing, so that being a subclass is not what the machines catch."""
    monkeypatch.setattr(machine, "ledger_type", type("Faithful", (SlidingWindowLedger,), {}))

    run_state_machine_as_test(machine, settings=settings(SEARCH, max_examples=50))
