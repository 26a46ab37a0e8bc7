"""A limiter that crashes where it is told to: at any of its points, in the ledger's verbs and in its own."""

from __future__ import annotations

import math
from typing import Any

import attrs

from actors.errors import Rejected
from actors.kernel import Deferred, op
from actors.limiter import Grant, Limiter, LimiterState
from actors.policies.admission import DEFAULT_MAX_WAITING, AdmissionQueue
from actors.policies.admission_records import Granted, Ticket, TimedOut
from actors.policies.ledger import ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import AlreadySettled, Settled, Shortfall
from actors.policies.limits import Limits
from actors.policies.meter import Meter
from actors.policies.usage import Usage


class BoomError(Exception):
    """The crash that was asked for."""


@attrs.define(eq=False)
class Saboteur:
    """Counts the points a limiter passes, over all its incarnations, and crashes it at some.

    Args:
        strikes: numbers of the points, from 1.
        where: names of points; every pass of one is a crash, as long as `left` lasts.
        left: crashes by name that are left.
    """

    strikes: frozenset[int] = frozenset()
    where: str = ""
    left: int = 0
    passed: int = 0
    struck: list[str] = attrs.field(factory=list[str])

    def point(self, where: str) -> None:
        """Pass a point, or crash at it."""
        self.passed += 1
        by_name = self.left > 0 and where == self.where
        self.left -= by_name
        if by_name or self.passed in self.strikes:
            self.struck.append(where)
            raise BoomError(where)


class FaultyMeter(Meter):
    """A meter in the middle of each change, so that a crash in it leaves a change half done."""

    saboteur: Saboteur

    def hold(self, amount: int) -> None:
        self.saboteur.point("within a reservation")
        super().hold(amount)

    def settle(self, held: int, actual: int, leaves_at: float, now: float) -> None:
        self.saboteur.point("within a settlement")
        super().settle(held, actual, leaves_at, now)


class FaultyLedger(SlidingWindowLedger):
    """A ledger with a point at the beginning and the end of each verb, and one in the middle."""

    saboteur: Saboteur

    @classmethod
    def made(cls, limits: Limits, slack: float, saboteur: Saboteur) -> FaultyLedger:
        ledger = cls(limits, slack)
        ledger.saboteur = saboteur
        meter = FaultyMeter("input_tokens", limits.input_tokens)
        meter.saboteur = saboteur
        ledger._input = meter
        return ledger

    def reserve(self, usage: Usage, now: float) -> ReservationId | Shortfall:
        self.saboteur.point("before a reservation")
        outcome = super().reserve(usage, now)
        self.saboteur.point("after a reservation")
        return outcome

    def report(self, reservation_id: ReservationId, now: float, **actual: Any) -> Settled | AlreadySettled:
        self.saboteur.point("before a report in the ledger")
        outcome = super().report(reservation_id, now, **actual)
        self.saboteur.point("after a report in the ledger")
        return outcome

    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        self.saboteur.point("before a cancellation in the ledger")
        outcome = super().cancel(reservation_id, now, charged=charged)
        self.saboteur.point("after a cancellation in the ledger")
        return outcome

    def charge(self, usage: Usage, now: float, **options: Any) -> Settled | AlreadySettled:
        self.saboteur.point("before a charge")
        outcome = super().charge(usage, now, **options)
        self.saboteur.point("after a charge")
        return outcome

    def expire(self, now: float) -> None:
        self.saboteur.point("before entries leave")
        super().expire(now)
        self.saboteur.point("after entries left")


class FaultyLimiter(Limiter):
    """A limiter with points all over. There is none behind its telling an asker in `acquire`, which returns then."""

    def __init__(
        self,
        limits: Limits,
        saboteur: Saboteur,
        *,
        slack: float = 0.5,
        max_waiting: int = DEFAULT_MAX_WAITING,
    ) -> None:
        super().__init__(limits, slack=slack, max_waiting=max_waiting)
        self._saboteur = saboteur
        self._ledger = FaultyLedger.made(limits, slack, saboteur)
        self._queue = AdmissionQueue(self._ledger, max_waiting)

    @op
    def crash(self) -> None:
        """Crash."""
        raise BoomError("crash")

    @op(idempotent=True)
    def misuse(self) -> None:
        """Crash if that is wanted."""
        self._saboteur.point("misuse")

    async def setup(self) -> None:
        self._saboteur.point("before setup")
        await super().setup()
        self._saboteur.point("after setup")

    def hand_over(self) -> LimiterState:
        self._saboteur.point("hand over")
        return super().hand_over()

    def take_over(self, state: object) -> None:
        self._saboteur.point("before the state is taken over")
        super().take_over(state)
        self._saboteur.point("after the state was taken over")

    def next_deadline(self) -> float:
        self._saboteur.point("next deadline")
        return super().next_deadline()

    def on_deadline(self) -> None:
        self._saboteur.point("before a deadline")
        super().on_deadline()
        self._saboteur.point("after a deadline")

    def _hand_back(self, grant: Grant) -> None:
        self._saboteur.point("before a grant is handed back")
        super()._hand_back(grant)
        self._saboteur.point("after a grant was handed back")

    @op(raises=(Rejected, TypeError, ValueError), undo=_hand_back, idempotent=True)
    def acquire(self, usage: Usage, deadline: float = math.inf, *, waits: bool = True) -> Deferred[Grant]:
        self._saboteur.point("before a request")
        return super().acquire(usage, deadline, waits=waits)

    def report(self, grant: Grant, **actual: Any) -> None:
        self._saboteur.point("before a report")
        super().report(grant, **actual)
        self._saboteur.point("after a report")

    def cancel(self, grant: Grant, *, charged: bool) -> None:
        self._saboteur.point("before a cancellation")
        super().cancel(grant, charged=charged)
        self._saboteur.point("after a cancellation")

    def _advance(self) -> None:
        self._saboteur.point("before the line moves")
        super()._advance()
        self._saboteur.point("after the line moved")

    def _tell(self, decision: Granted | TimedOut, asker: Deferred[Grant]) -> None:
        self._saboteur.point("before an asker is told")
        super()._tell(decision, asker)
        if asker.is_bound:
            self._saboteur.point("after an asker was told")

    def _grant(self, granted: Granted) -> Grant:
        self._saboteur.point("a grant is made")
        return super()._grant(granted)

    def _forget(self, ticket: Ticket) -> None:
        self._saboteur.point("before somebody leaves the line")
        super()._forget(ticket)
        self._saboteur.point("after somebody left the line")
