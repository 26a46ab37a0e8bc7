"""A limiter that crashes where it is told to: at any of its points, in the ledger's verbs and in its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs

from actors.errors import Rejected
from actors.kernel import Deferred, op
from actors.limiter.grant import Grant
from actors.limiter.limiter import Asker, Limiter
from actors.limiter.memory import LimiterMemory
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Meter
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.ledger.records import AlreadySettled, Confirmed, ReservationId, Settled, Shortfall
from actors.policies.queue.admission import DEFAULT_MAX_WAITING
from actors.policies.queue.records import Granted, Order, Outgrown, Place, Ticket, TimedOut
from actors.policies.scope import Scope
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

    @classmethod
    def made(cls, meter: Meter, saboteur: Saboteur) -> FaultyMeter:
        faulty = cls(meter.limit, meter.algorithm)
        faulty.saboteur = saboteur
        return faulty

    def hold(self, amount: int) -> None:
        self.saboteur.point("within a reservation")
        super().hold(amount)

    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        self.saboteur.point("within a settlement")
        super().settle(held, actual, at, lag, now)

    def amend(self, before: int, after: int, at: float, lag: float, now: float) -> None:
        self.saboteur.point("within an amendment")
        super().amend(before, after, at, lag, now)


class FaultyLedger(Ledger):
    """A ledger with a point at the beginning and the end of each verb, and one in the middle."""

    saboteur: Saboteur

    @classmethod
    def made(cls, ledger: Ledger, saboteur: Saboteur) -> FaultyLedger:
        """Make one like `ledger`, which has no history."""
        faulty = cls(ledger.limits, ledger.slack, algorithm=ledger.algorithm, patience=ledger.patience)
        faulty.saboteur = saboteur
        pool = faulty._accounts.pool
        pool.meters = tuple(
            FaultyMeter.made(meter, saboteur) if meter.limit.quantity == "input_tokens" else meter
            for meter in pool.meters
        )
        return faulty

    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        self.saboteur.point("before a reservation")
        outcome = super().reserve(booking, scopes, now)
        self.saboteur.point("after a reservation")
        return outcome

    def confirm(
        self, reservation_id: ReservationId, now: float, *, started_at: float
    ) -> Confirmed | AlreadySettled:
        self.saboteur.point("before a confirmation in the ledger")
        outcome = super().confirm(reservation_id, now, started_at=started_at)
        self.saboteur.point("after a confirmation in the ledger")
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

    def detach(self, reservation_id: ReservationId, now: float) -> None:
        self.saboteur.point("before a reservation is watched")
        super().detach(reservation_id, now)
        self.saboteur.point("after a reservation is watched")

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
        margin: float = 1.0,
        output: OutputPolicy | None = None,
    ) -> None:
        output = output or OutputPolicy("max_tokens")
        super().__init__(limits, slack=slack, max_waiting=max_waiting, margin=margin, output=output)
        self._saboteur = saboteur
        self._memory.ledger = FaultyLedger.made(self._memory.ledger, saboteur)
        self._queue = self._new_queue()

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

    def hand_over(self) -> LimiterMemory:
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
    def acquire(
        self,
        claim: Claim | Usage,
        deadline: float = math.inf,
        *,
        waits: bool = True,
        place: Order | None = None,
        is_owned: bool = False,
        on_queued: Callable[[Place], object] | None = None,
    ) -> Deferred[Grant]:
        self._saboteur.point("before a request")
        return super().acquire(
            claim, deadline, waits=waits, place=place, is_owned=is_owned, on_queued=on_queued
        )

    def report(self, grant: Grant, **actual: Any) -> None:
        self._saboteur.point("before a report")
        super().report(grant, **actual)
        self._saboteur.point("after a report")

    def cancel(self, grant: Grant, **options: Any) -> None:
        self._saboteur.point("before a cancellation")
        super().cancel(grant, **options)
        self._saboteur.point("after a cancellation")

    def confirm(self, grant: Grant, *, started_at: float) -> None:
        self._saboteur.point("before a confirmation")
        super().confirm(grant, started_at=started_at)
        self._saboteur.point("after a confirmation")

    def release(self, grant: Grant) -> None:
        self._saboteur.point("before a release")
        super().release(grant)
        self._saboteur.point("after a release")

    def _advance(self) -> None:
        self._saboteur.point("before the line moves")
        super()._advance()
        self._saboteur.point("after the line moved")

    def _tell(self, decision: Granted | TimedOut | Outgrown, asker: Asker) -> None:
        self._saboteur.point("before an asker is told")
        super()._tell(decision, asker)
        if asker.deferred.is_bound:
            self._saboteur.point("after an asker was told")

    def _given(self, granted: Granted, claim: Claim) -> Grant:
        self._saboteur.point("a grant is made")
        return super()._given(granted, claim)

    def _forget(self, ticket: Ticket) -> None:
        self._saboteur.point("before somebody leaves the line")
        super()._forget(ticket)
        self._saboteur.point("after somebody left the line")
