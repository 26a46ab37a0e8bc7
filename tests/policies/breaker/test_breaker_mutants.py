"""The breaker's machine is worth its name: each planted bug is caught."""

from __future__ import annotations

import math

import attrs
import pytest
from breaker_machine import BreakerMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from unmeasured import unmeasured

from actors.policies.breaker import breaker as breaker_module
from actors.policies.breaker import tripwire as tripwire_module
from actors.policies.breaker.adaptive_threshold import AdaptiveThreshold
from actors.policies.breaker.breaker import Breaker
from actors.policies.breaker.open_time import OpenTime
from actors.policies.breaker.outcome_window import Counted, OutcomeWindow
from actors.policies.breaker.probes import ProbeRound, Verdict
from actors.policies.breaker.records import BreakerChange, BreakerState, Outcome, Refused, Ticket
from actors.policies.breaker.tickets import CallAges, Tickets
from actors.policies.breaker.tripwire import Tripwire

# It ends with the first find. What it draws hangs on which modules were imported before, so there is room to spare.
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
    """Run the machine with a bug in it, which breaks the model's claims or one of the invariants."""
    with pytest.raises(AssertionError):
        unmeasured(run_state_machine_as_test)(BreakerMachine, settings=SEARCH)


# ── a breaker that ──────────────────────────────────────────────────────────────────────────────────────────


class ForgetsTheGeneration(Breaker):
    def settle(
        self, ticket: Ticket, outcome: Outcome, now: float, *, open_until: float | None = None
    ) -> BreakerChange | None:
        self.expire(now)
        if ticket in self._tickets._out.values():
            renewed = attrs.evolve(ticket, generation=self.generation, is_probe=self.state == "half_open")
            self._tickets._out[ticket.number] = renewed
            self._round._leases.setdefault(ticket.number, math.inf)
            ticket = renewed
        return super().settle(ticket, outcome, now, open_until=open_until)


class ClosesOnALateSuccess(Breaker):
    def settle(
        self, ticket: Ticket, outcome: Outcome, now: float, *, open_until: float | None = None
    ) -> BreakerChange | None:
        is_late = ticket.generation != self.generation
        change = super().settle(ticket, outcome, now, open_until=open_until)
        if is_late and outcome == "success" and self.state == "half_open":
            return self._close(now, "somebody succeeded")
        return change


class TakesACancelledProbeForASuccess(Breaker):
    def _settle_probe(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_probe(ticket, "success" if outcome == "neutral" else outcome, named, now)


class TakesACancelledProbeForAFailure(Breaker):
    def _settle_probe(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_probe(ticket, "failure" if outcome == "neutral" else outcome, named, now)


class TakesASlowProbeForASuccess(Breaker):
    def _settle_probe(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_probe(ticket, "success" if outcome == "slow" else outcome, named, now)


class CountsNeutralAsFailure(Breaker):
    def _settle_call(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_call(ticket, "failure" if outcome == "neutral" else outcome, named, now)


class OpensAFloatLate(Breaker):
    def _refusal(self, now: float, deadline: float) -> Refused | None:
        return super()._refusal(math.nextafter(now, -math.inf), deadline)


class LetsAWholeCrowdProbe(Breaker):
    def _refusal(self, now: float, deadline: float) -> Refused | None:
        refused = super()._refusal(now, deadline)
        return None if refused is not None and refused.state == "half_open" else refused


class ProbesForWhoHasNoTime(Breaker):
    def _refusal(self, now: float, deadline: float) -> Refused | None:
        del deadline
        return super()._refusal(now, math.inf)


class ForgetsTheInstantThatWasNamed(Breaker):
    def _open(self, now: float, reason: str, until: float | None) -> BreakerChange:
        del until
        return super()._open(now, reason, None)


class OpensUntilAnInstantThatHasPassed(Breaker):
    def _settle_call(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_call(ticket, outcome, now if named is None else named, now)


class OpensWithoutLeave(Breaker):
    def _trip(self, now: float, reason: str, until: float | None = None) -> BreakerChange | None:
        self._asks_to_open = False
        return super()._trip(now, reason, until)


class WantsOnlyOnce(Breaker):
    def deny_open(self, now: float) -> None:
        super().deny_open(now)
        self._asks_to_open = False


class ResetsWhatWasIsolated(Breaker):
    def reset(self, now: float) -> BreakerChange | None:
        return super().reset(now) or (self._close(now, "reset") if self.state == "isolated" else None)


class IsOverruledByADisable(Breaker):
    def disable(self, now: float) -> BreakerChange | None:
        self.release(now)
        return super().disable(now)


class CountsWhileItIsDisabled(Breaker):
    def _counts(self, ticket: Ticket) -> bool:
        return self.state == "disabled" or super()._counts(ticket)


class OpensThoughItOnlyObserves(Breaker):
    def _trip(self, now: float, reason: str, until: float | None = None) -> BreakerChange | None:
        return self._open(now, reason, until)


class ObservesWhatItWouldHaveRefused(Breaker):
    def _counts(self, ticket: Ticket) -> bool:
        return super()._counts(ticket) or self.state == "observe_only"


class StaysHalfOpenWhenNobodyAsks(Breaker):
    def next_deadline(self, now: float) -> float:
        return math.inf if self.state == "half_open" and not self._round.out else super().next_deadline(now)


class ForgetsTheRoundWhenItIsAdjourned(Breaker):
    def _enter(
        self, state: BreakerState, now: float, reason: str, until: float | None = None
    ) -> BreakerChange:
        if state == "open":
            self._round.clear()
        return super()._enter(state, now, reason, until)


class FallsDueWhenItIsLookedAt(Breaker):
    def _fall_due(self, due: float, now: float) -> BreakerChange | None:
        return super()._fall_due(due if self.state == "open" else now, now)


class BelievesAnOldHealthCheck(Breaker):
    def health(self, ok: bool, now: float, *, generation: int | None = None) -> BreakerChange | None:
        del generation
        return super().health(ok, now)


class ChecksHealthOnce(Breaker):
    def _fall_due(self, due: float, now: float) -> BreakerChange | None:
        change = super()._fall_due(due, now)
        if self.state == "open" and change is None:
            self._until = math.inf
        return change


BREAKERS = (
    ForgetsTheGeneration,
    ClosesOnALateSuccess,
    TakesACancelledProbeForASuccess,
    TakesACancelledProbeForAFailure,
    TakesASlowProbeForASuccess,
    CountsNeutralAsFailure,
    OpensAFloatLate,
    LetsAWholeCrowdProbe,
    ProbesForWhoHasNoTime,
    ForgetsTheInstantThatWasNamed,
    OpensUntilAnInstantThatHasPassed,
    OpensWithoutLeave,
    WantsOnlyOnce,
    ResetsWhatWasIsolated,
    IsOverruledByADisable,
    CountsWhileItIsDisabled,
    OpensThoughItOnlyObserves,
    ObservesWhatItWouldHaveRefused,
    StaysHalfOpenWhenNobodyAsks,
    ForgetsTheRoundWhenItIsAdjourned,
    FallsDueWhenItIsLookedAt,
    BelievesAnOldHealthCheck,
    ChecksHealthOnce,
)


@pytest.mark.parametrize("mutant", BREAKERS)
def test_the_machine_catches_a_breaker_that(mutant: type[Breaker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BreakerMachine, "breaker_type", mutant)

    assert_caught()


# ── a part of it that ───────────────────────────────────────────────────────────────────────────────────────


class KeepsTheProbeOfWhoSaysNothing(ProbeRound):
    def give_back(self, ticket: Ticket, now: float, *, is_success: bool | None) -> bool:
        if is_success is None and ticket.number in self._leases:
            return True
        return super().give_back(ticket, now, is_success=is_success)


class NeverEndsALease(ProbeRound):
    @property
    def next_end(self) -> float:
        """Never while one is out."""
        return math.inf if self._leases else super().next_end


class ForgivesWhoIsOverdue(ProbeRound):
    def _speak(self, is_success: bool | None, now: float) -> None:
        overdue = self.overdue
        super()._speak(None if overdue != self._forgiven else is_success, now)
        self._forgiven = overdue

    _forgiven = 0


class EndsALeaseAFloatLate(ProbeRound):
    def give(self, ticket: Ticket, deadline: float, now: float) -> None:
        super().give(ticket, deadline, now)
        self._leases[ticket.number] = math.nextafter(self._leases[ticket.number], math.inf)


class LeasesBeyondTheDeadline(ProbeRound):
    def give(self, ticket: Ticket, deadline: float, now: float) -> None:
        del deadline
        super().give(ticket, math.inf, now)


class GivesSlowProbesTime(ProbeRound):
    def give(self, ticket: Ticket, deadline: float, now: float) -> None:
        self._leases[ticket.number] = min(deadline, now + self._rules.probe_lease)


class ClosesAtTheFirstSuccess(ProbeRound):
    @property
    def verdict(self) -> Verdict | None:
        """Well at once."""
        return "well" if self.successes else super().verdict


class OpensAtTheFirstFailure(ProbeRound):
    @property
    def verdict(self) -> Verdict | None:
        """Ill at once."""
        return "ill" if self.failures else super().verdict


class HearsOutEveryProbe(ProbeRound):
    @property
    def verdict(self) -> Verdict | None:
        """Nothing before the last."""
        return super().verdict if self.successes + self.failures == self._rules.probes else None


class GivesOneTooMany(ProbeRound):
    @property
    def free(self) -> int:
        """One more than there are."""
        return super().free + 1


class ForgetsNothing(OpenTime):
    def failed(self, now: float) -> float:
        del now
        return self._failed


class ForgetsAtOnce(OpenTime):
    def close(self, now: float) -> None:
        super().close(now)
        self._failed = 0.0


class ForgetsWhileItIsOpen(OpenTime):
    def open(self, now: float) -> None:
        super().open(now)
        self._well_since = now


class JittersDownwards(OpenTime):
    def draw(self, now: float) -> float:
        return super().draw(now) / (1 + self._rules.jitter) * (1 - self._rules.jitter)


class NeverGrows(OpenTime):
    def fail(self) -> None:
        """Remember nothing."""


class GrowsBeyondTheCap(OpenTime):
    def draw(self, now: float) -> float:
        grown = self._rules.cooldown * math.pow(self._rules.multiplier, self.failed(now))
        return grown * (1 + self._rules.jitter)


class CountsSlowTwice(CallAges):
    def leave(self, ticket: Ticket) -> Counted | None:
        super().leave(ticket)
        return None


class ForgetsWhoIsSlowAlready(CallAges):
    @property
    def next_slow_at(self) -> float:
        """Never."""
        return math.inf


class IsSlowAFloatLate(CallAges):
    def watch(self, ticket: Ticket) -> None:
        super().watch(ticket)
        if self._quick:
            self._quick[ticket.number] = math.nextafter(self._quick[ticket.number], math.inf)


class NeverForgets(OutcomeWindow):
    def expire(self, now: float) -> None:
        """Keep all."""


class ForgetsAFloatLate(OutcomeWindow):
    def expire(self, now: float) -> None:
        super().expire(math.nextafter(now, -math.inf))


class CountsTheSlowThatFailedTwice(OutcomeWindow):
    def withdraw(self, counted: Counted) -> None:
        if self._counted and counted in self._counted:
            return
        super().withdraw(counted)


class LetsSlowCallsEndTheRow(Tripwire):
    def settle(self, ticket: Ticket, outcome: Outcome, now: float) -> str | None:
        reason = super().settle(ticket, outcome, now)
        self.row = 0 if outcome == "slow" else self.row
        return reason


class LetsNeutralEndTheRow(Tripwire):
    def settle(self, ticket: Ticket, outcome: Outcome, now: float) -> str | None:
        reason = super().settle(ticket, outcome, now)
        self.row = 0 if outcome == "neutral" else self.row
        return reason


class LearnsNothingFromProbes(Tripwire):
    def learn(self, *, is_success: bool) -> None:
        if is_success:
            super().learn(is_success=True)


class CarriesTheRowOver(Tripwire):
    def clear(self) -> None:
        row = self.row
        super().clear()
        self.row = row


class LosesNoTicket(Tickets):
    def forget_lost(self, now: float) -> list[Ticket]:
        del now
        return []


class GivesBackTwice(Tickets):
    def take_back(self, ticket: Ticket) -> bool:
        was_out = super().take_back(ticket)
        if was_out:
            self._out[ticket.number] = ticket
            self._out.move_to_end(ticket.number, last=False)
        return was_out


class TakesWhatIsNotIts(Tickets):
    def take_back(self, ticket: Ticket) -> bool:
        return super().take_back(self._out.get(ticket.number, ticket))


class JudgesTooSoon(AdaptiveThreshold):
    def _judge(self) -> None:
        if len(self._outcomes) >= 50:
            self._outcomes.extend([True] * 50)
            super()._judge()
            for _ in range(50):
                self._outcomes.pop()


class NeverRises(AdaptiveThreshold):
    def _judge(self) -> None:
        value = self.value
        super()._judge()
        self.value = min(value, self.value)


@pytest.mark.parametrize(
    ("module", "name", "mutant"),
    [
        (breaker_module, "ProbeRound", KeepsTheProbeOfWhoSaysNothing),
        (breaker_module, "ProbeRound", NeverEndsALease),
        (breaker_module, "ProbeRound", ForgivesWhoIsOverdue),
        (breaker_module, "ProbeRound", EndsALeaseAFloatLate),
        (breaker_module, "ProbeRound", LeasesBeyondTheDeadline),
        (breaker_module, "ProbeRound", GivesSlowProbesTime),
        (breaker_module, "ProbeRound", ClosesAtTheFirstSuccess),
        (breaker_module, "ProbeRound", OpensAtTheFirstFailure),
        (breaker_module, "ProbeRound", HearsOutEveryProbe),
        (breaker_module, "ProbeRound", GivesOneTooMany),
        (breaker_module, "OpenTime", ForgetsNothing),
        (breaker_module, "OpenTime", ForgetsAtOnce),
        (breaker_module, "OpenTime", ForgetsWhileItIsOpen),
        (breaker_module, "OpenTime", JittersDownwards),
        (breaker_module, "OpenTime", NeverGrows),
        (breaker_module, "OpenTime", GrowsBeyondTheCap),
        (breaker_module, "Tripwire", LetsSlowCallsEndTheRow),
        (breaker_module, "Tripwire", LetsNeutralEndTheRow),
        (breaker_module, "Tripwire", CarriesTheRowOver),
        (breaker_module, "Tripwire", LearnsNothingFromProbes),
        (tripwire_module, "CallAges", CountsSlowTwice),
        (tripwire_module, "CallAges", ForgetsWhoIsSlowAlready),
        (tripwire_module, "CallAges", IsSlowAFloatLate),
        (tripwire_module, "OutcomeWindow", NeverForgets),
        (tripwire_module, "OutcomeWindow", ForgetsAFloatLate),
        (tripwire_module, "OutcomeWindow", CountsTheSlowThatFailedTwice),
        (tripwire_module, "AdaptiveThreshold", JudgesTooSoon),
        (tripwire_module, "AdaptiveThreshold", NeverRises),
    ],
)
def test_the_machine_catches_a_part_that(
    module: object, name: str, mutant: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, mutant)

    assert_caught()


@pytest.mark.parametrize("mutant", [LosesNoTicket, GivesBackTwice, TakesWhatIsNotIts])
def test_the_machine_catches_tickets_of_which_it(
    mutant: type[Tickets], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Planted(Breaker):
        def __attrs_post_init__(self) -> None:
            super().__attrs_post_init__()
            self._tickets = mutant()

    monkeypatch.setattr(BreakerMachine, "breaker_type", Planted)

    assert_caught()


def test_the_machine_catches_a_share_that_is_taken_for_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two failures of two calls are all of them, and show nothing."""
    monkeypatch.setattr(tripwire_module, "surely", lambda part, whole: part / whole if whole else 0.0)

    assert_caught()


def test_the_machine_finds_nothing_where_nothing_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subclass that changes nothing, searched longer than any bug needs: the machine's own mistakes catch nobody."""
    monkeypatch.setattr(BreakerMachine, "breaker_type", type("Faithful", (Breaker,), {}))

    unmeasured(run_state_machine_as_test)(BreakerMachine, settings=settings(SEARCH, max_examples=1_000))
