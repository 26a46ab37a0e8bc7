"""The ledger's machine is worth its name: each planted bug is caught."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_machine import LedgerMachine
from unmeasured import unmeasured

from actors.policies.ledger import account as account_module
from actors.policies.ledger import accounts as accounts_module
from actors.policies.ledger import ledger as ledger_module
from actors.policies.ledger import meter as meter_module
from actors.policies.ledger.account import Account, Counted
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limits, Quantity
from actors.policies.ledger.meter import Algorithm, Meter
from actors.policies.ledger.orphans import Orphans
from actors.policies.ledger.records import (
    AlreadySettled,
    Confirmed,
    CorruptLedger,
    ReservationId,
    Settled,
    Shortfall,
)
from actors.policies.ledger.reserved import Reserved
from actors.policies.ledger.ripening import Ripening
from actors.policies.ledger.unseen_answers import UnseenAnswers
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

SEARCH = settings(
    max_examples=4_000,
    stateful_step_count=40,
    database=None,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def assert_caught() -> None:
    """Run the machine with a bug in it. A bug may break the model's claims, the values' own bounds, or the books."""
    with pytest.raises((AssertionError, ValueError, CorruptLedger)):
        unmeasured(run_state_machine_as_test)(LedgerMachine, settings=SEARCH)


# ── a ledger that ───────────────────────────────────────────────────────────────────────────────────────────


class RefundsTwice(Ledger):
    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        outcome = super().cancel(reservation_id, now, charged=charged)
        if isinstance(outcome, AlreadySettled) and not charged:
            self._accounts.pool.meters[0].held -= 1
        return outcome


class SettlesTwice(Ledger):
    def report(self, reservation_id: ReservationId, now: float, **actual: Any) -> Settled | AlreadySettled:
        held = self._held.get(reservation_id)
        outcome = super().report(reservation_id, now, **actual)
        if held is not None:
            self._held[reservation_id] = held
        return outcome


class ForgetsTheSlack(Ledger):
    def __init__(
        self,
        limits: Limits,
        _slack: float,
        kinds: Mapping[str, Limits],
        algorithm: Algorithm,
        patience: float,
    ) -> None:
        super().__init__(limits, 0.0, kinds, algorithm, patience)


class HoldsInThePoolAlthoughAScopeIsFull(Ledger):
    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        outcome = super().reserve(booking, scopes, now)
        if isinstance(outcome, Shortfall) and outcome.scope != POOL:
            self._accounts.pool.hold(booking.held)
        return outcome


class HoldsWhatFitsAlthoughSomethingElseIsShort(Ledger):
    def reserve(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> ReservationId | Shortfall:
        outcome = super().reserve(booking, scopes, now)
        requests = self._accounts.pool.meters[0]
        if isinstance(outcome, Shortfall) and requests.lacks(booking.needed.requests, now) <= 0:
            requests.hold(booking.held.requests)
        return outcome


class LooksAtThePoolAlone(Ledger):
    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        short = super().shortfall(booking, scopes, now)
        return None if short is not None and short.scope != POOL else short


class LooksAtTheInputAlone(Ledger):
    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        short = super().shortfall(booking, scopes, now)
        return None if short is not None and short.limit.quantity == "output_tokens" else short


class AsksForWhatIsHeldAlone(Ledger):
    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        return super().shortfall(Booking.plain(booking.held), scopes, now)


class NamesTheFirstThatIsShort(Ledger):
    def shortfall(self, booking: Booking, scopes: tuple[Scope, ...], now: float) -> Shortfall | None:
        for end in range(1, len(scopes) + 1):
            short = super().shortfall(booking, scopes[:end], now)
            if short is not None:
                return short
        return None


class CreditsTheUnknown(Ledger):
    def report(
        self, reservation_id: ReservationId, now: float, *, output_tokens: int | None, **rest: Any
    ) -> Settled | AlreadySettled:
        return super().report(reservation_id, now, output_tokens=output_tokens or 0, **rest)


class ChargesNoMoreThanWasHeld(Ledger):
    def _settle(self, reservation_id: ReservationId, actual: Usage, *rest: Any) -> Settled:
        held = self._held[reservation_id].promised
        capped = Usage(
            actual.requests,
            min(held.input_tokens, actual.input_tokens),
            min(held.output_tokens, actual.output_tokens),
        )
        return super()._settle(reservation_id, capped, *rest)


class StampsOutputAtTheStart(Ledger):
    def _settle(
        self, reservation_id: ReservationId, actual: Usage, now: float, sent: Counted, produced: Counted
    ) -> Settled:
        del produced
        return super()._settle(reservation_id, actual, now, sent, sent)


class StampsInputAtTheEnd(Ledger):
    def _settle(
        self, reservation_id: ReservationId, actual: Usage, now: float, sent: Counted, produced: Counted
    ) -> Settled:
        del sent
        return super()._settle(reservation_id, actual, now, produced, produced)


class StampsOneWindowFromTheGrant(Ledger):
    def report(self, reservation_id: ReservationId, now: float, **actual: Any) -> Settled | AlreadySettled:
        held = self._held.get(reservation_id)
        if held is not None:
            actual["started_at"] = held.granted_at
        return super().report(reservation_id, now, **actual)


class ForgetsOldReservations(Ledger):
    def expire(self, now: float) -> None:
        super().expire(now)
        requests = self._accounts.pool.meters[0]
        for reserved in self._held.values():
            if now - reserved.granted_at >= self.limits.window:
                requests.held = max(0, requests.held - reserved.held.requests)


class ForgetsWhoHasBegun(Ledger):
    def confirm(
        self, reservation_id: ReservationId, now: float, *, started_at: float
    ) -> Confirmed | AlreadySettled:
        super().confirm(reservation_id, now, started_at=started_at)
        return AlreadySettled()


class CountsWhatHasBegunAgain(Ledger):
    def _settle(self, reservation_id: ReservationId, actual: Usage, now: float, *stamps: Any) -> Settled:
        reserved = self._held[reservation_id]
        if reserved.started_at is not None:
            for account in self._accounts.of(reserved.scopes):
                arrived = Usage(actual.requests, actual.input_tokens)
                account.settle(NOTHING, arrived, Counted(now), Counted(now), now)
        return super()._settle(reservation_id, actual, now, *stamps)


class RefundsWhatHasBegun(Ledger):
    def release(self, reservation_id: ReservationId, now: float) -> Settled | AlreadySettled:
        return self.cancel(reservation_id, now, charged=False)


class IsDeafToHeaders(Ledger):
    def report(
        self, reservation_id: ReservationId, now: float, *, heard_at: float | None = None, **actual: Any
    ) -> Settled | AlreadySettled:
        del heard_at
        return super().report(reservation_id, now, **actual)


class ForgetsItsOrphans(Ledger):
    def detach(self, reservation_id: ReservationId, now: float) -> None:
        self._held_at(reservation_id, now)


class RefundsItsOrphans(Ledger):
    def _settle_orphans(self, now: float) -> None:
        while self._orphans.next_end <= now:
            self._settle(self._orphans.first, NOTHING, now, Counted(now), Counted(now))
            self._orphans.given_up += 1


class ChargesALateReportOnTop(Ledger):
    def report(
        self,
        reservation_id: ReservationId,
        now: float,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        started_at: float | None = None,
        heard_at: float | None = None,
    ) -> Settled | AlreadySettled:
        outcome = super().report(
            reservation_id,
            now,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            started_at=started_at,
            heard_at=heard_at,
        )
        if isinstance(outcome, AlreadySettled):
            self.charge(Usage(0, input_tokens or 0, output_tokens or 0), now)
        return outcome


class ChargesTheSameCallAgain(Ledger):
    def charge(self, usage: Usage, now: float, **known: Any) -> Settled | AlreadySettled:
        known.pop("reference", None)
        return super().charge(usage, now, **known)


class ForgetsTheOthers(Ledger):
    def charge_others(
        self, quantity: Quantity, window: float, amount: int, now: float, *, leaves_at: float
    ) -> None:
        super().charge_others(quantity, window, amount // 2, now, leaves_at=leaves_at)


class BeginsAnewUnderOtherLimits(Ledger):
    def change_limits(self, limits: Limits, now: float) -> None:
        super().change_limits(Limits(requests=1, input_tokens=None, output_tokens=None), now)
        super().change_limits(limits, now)


class TellsNobodyOfARefund(Ledger):
    def cancel(self, reservation_id: ReservationId, now: float, *, charged: bool) -> Settled | AlreadySettled:
        freed = dict(self._freed)
        outcome = super().cancel(reservation_id, now, charged=charged)
        self._freed = freed
        return outcome


class TellsNobodyOfAStart(Ledger):
    def confirm(
        self, reservation_id: ReservationId, now: float, *, started_at: float
    ) -> Confirmed | AlreadySettled:
        freed = dict(self._freed)
        outcome = super().confirm(reservation_id, now, started_at=started_at)
        self._freed = freed
        return outcome


LEDGERS = (
    RefundsTwice,
    SettlesTwice,
    ForgetsTheSlack,
    HoldsInThePoolAlthoughAScopeIsFull,
    HoldsWhatFitsAlthoughSomethingElseIsShort,
    LooksAtThePoolAlone,
    LooksAtTheInputAlone,
    AsksForWhatIsHeldAlone,
    NamesTheFirstThatIsShort,
    CreditsTheUnknown,
    ChargesNoMoreThanWasHeld,
    StampsOutputAtTheStart,
    StampsInputAtTheEnd,
    StampsOneWindowFromTheGrant,
    ForgetsOldReservations,
    ForgetsWhoHasBegun,
    CountsWhatHasBegunAgain,
    RefundsWhatHasBegun,
    IsDeafToHeaders,
    ForgetsItsOrphans,
    RefundsItsOrphans,
    ChargesALateReportOnTop,
    ChargesTheSameCallAgain,
    ForgetsTheOthers,
    BeginsAnewUnderOtherLimits,
    TellsNobodyOfARefund,
    TellsNobodyOfAStart,
)


@pytest.mark.parametrize("mutant", LEDGERS)
def test_the_machine_catches_a_ledger_that(mutant: type[Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LedgerMachine, "ledger_type", mutant)

    assert_caught()


# ── a part of it that ───────────────────────────────────────────────────────────────────────────────────────


class ExpiresAFloatEarly(Meter):
    def expire(self, now: float) -> None:
        super().expire(math.nextafter(now, math.inf))


class GivesWayAFloatLate(Meter):
    def lacks(self, needed: int, now: float) -> int:
        return super().lacks(needed, math.nextafter(now, -math.inf))


class KeepsOneBookOnly(Meter):
    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        bucket = self._bucket._full_until, self._bucket._taken
        super().settle(held, actual, at, lag, now)
        if self.algorithm == "sliding_window":
            self._bucket._full_until, self._bucket._taken = bucket


class DropsWhatStillCounts(Account):
    def is_idle(self, now: float) -> bool:
        del now
        return self.in_flight == 0


class NeverRipens(Ripening):
    def put(self, reservation_id: ReservationId, granted_at: float) -> None:
        """Lose it."""


class RipensAtOnce(Ripening):
    @property
    def certain(self) -> float:
        """Nothing is."""
        return 0.0


class RipensLate(Ripening):
    @property
    def certain(self) -> float:
        """What was seen, without the ways there and back."""
        return 0.0 if self._quickest == math.inf else self._quickest


class AwaitsWhoHasBeenAnswered(UnseenAnswers):
    def forget(self, reservation_id: ReservationId) -> None:
        """Go on waiting."""


class CallsNobodyLate(UnseenAnswers):
    def put(self, reservation_id: ReservationId, granted_at: float, expected: int, foreseen: int) -> None:
        """Lose it."""


class CountsLateAnswersBeyondWhatIsForeseen(UnseenAnswers):
    def put(self, reservation_id: ReservationId, granted_at: float, expected: int, foreseen: int) -> None:
        super().put(reservation_id, granted_at, expected, 9 * foreseen)


class AwaitsTheDead(UnseenAnswers):
    def give_up(self, now: float) -> bool:
        """Wait on."""
        del now
        return False


class WantsRoomInOtherScopesToo(Account):
    def shortfall(self, needed: Usage, now: float, unseen: int = 0) -> Shortfall | None:
        return super().shortfall(needed, now, unseen if self.scope == POOL else 1)


class WantsRoomOfWhatIsHeld(Account):
    def shortfall(self, needed: Usage, now: float, unseen: int = 0) -> Shortfall | None:
        return super().shortfall(needed + Usage(0, 0, unseen), now)


class HoldsNothingElsewhere(Reserved):
    def held_in(self, scope: Scope) -> Usage:
        del scope
        return self.held


class GivesMoreTimeEachTime(Orphans):
    def watch(self, reservation_id: ReservationId, now: float) -> None:
        self.forget(reservation_id)
        super().watch(reservation_id, now)


class LosesPatienceEarly(Orphans):
    def watch(self, reservation_id: ReservationId, now: float) -> None:
        super().watch(reservation_id, math.nextafter(now, -math.inf))


@pytest.mark.parametrize(
    ("module", "name", "mutant"),
    [
        (account_module, "Meter", ExpiresAFloatEarly),
        (account_module, "Meter", GivesWayAFloatLate),
        (account_module, "Meter", KeepsOneBookOnly),
        (accounts_module, "Account", DropsWhatStillCounts),
        (ledger_module, "Ripening", NeverRipens),
        (ledger_module, "Ripening", RipensAtOnce),
        (ledger_module, "Ripening", RipensLate),
        (ledger_module, "UnseenAnswers", AwaitsWhoHasBeenAnswered),
        (ledger_module, "UnseenAnswers", CallsNobodyLate),
        (ledger_module, "UnseenAnswers", CountsLateAnswersBeyondWhatIsForeseen),
        (ledger_module, "UnseenAnswers", AwaitsTheDead),
        (ledger_module, "Reserved", HoldsNothingElsewhere),
        (accounts_module, "Account", WantsRoomInOtherScopesToo),
        (accounts_module, "Account", WantsRoomOfWhatIsHeld),
        (ledger_module, "Orphans", GivesMoreTimeEachTime),
        (ledger_module, "Orphans", LosesPatienceEarly),
    ],
)
def test_the_machine_catches_a_part_that(
    module: object, name: str, mutant: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, mutant)

    assert_caught()


def test_the_machine_catches_sums_that_are_rounded_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "add_up", lambda *seconds: math.fsum(seconds))

    assert_caught()


def test_the_machine_finds_nothing_where_nothing_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subclass that changes nothing, so that being a subclass is not what the machine catches."""
    monkeypatch.setattr(LedgerMachine, "ledger_type", type("Faithful", (Ledger,), {}))

    unmeasured(run_state_machine_as_test)(LedgerMachine, settings=settings(SEARCH, max_examples=50))
