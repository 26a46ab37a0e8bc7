"""The policy agrees with a naive reading of the histories through any events, and planted bugs are caught."""

from __future__ import annotations

import pytest
from failover_machine import FailoverMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from unmeasured import unmeasured

from supervisors.failover.policy import (
    Cause,
    Decision,
    Down,
    FailBack,
    FailoverPolicy,
    Fit,
    KeepLast,
    Promote,
    Proving,
    Stay,
    Suspect,
)

TestFailoverAgreesWithItsModel = FailoverMachine.TestCase
TestFailoverAgreesWithItsModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

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


class GoesBackAtOnce(FailoverPolicy):
    """Trusts whoever serves again."""

    def _is_complete(self, since: float, now: float) -> bool:
        return now >= since


class GoesBackTooLate(FailoverPolicy):
    """Asks for more than `healthy_for`."""

    def _is_complete(self, since: float, now: float) -> bool:
        return now > since + self.healthy_for


class ForgivesABadProbe(FailoverPolicy):
    """Lets a proof go on over an interruption."""

    def fails_probe(self, rank: int) -> Decision:
        return Stay() if isinstance(self.standing(rank), Proving) else super().fails_probe(rank)


class TakesTheLastOneOut(FailoverPolicy):
    """Gives the role to the next in line, whoever that is."""

    def _settle(self) -> Decision:
        decision = super()._settle()
        if isinstance(decision, KeepLast) and self.size > 1:
            demoted, self.active = self.active, (self.active + 1) % self.size
            return Promote(self.active, demoted)
        return decision


class PromotesTheWorst(FailoverPolicy):
    """Takes the last fit one instead of the first."""

    def _best(self, standing: type[Fit | Proving]) -> int | None:
        ranks = [rank for rank in range(self.size) if isinstance(self.standing(rank), standing)]
        return ranks[-1] if ranks else None


class NeverGoesBack(FailoverPolicy):
    def _settle(self) -> Decision:
        before = self.active
        decision = super()._settle()
        if isinstance(decision, FailBack):
            self.active = before
            return Stay()
        return decision


class SparesEverybody(FailoverPolicy):
    """Takes a crash within the budget lightly, of standbys too."""

    def crashes(self, rank: int) -> Decision:
        self._members[rank].is_up = False
        if isinstance(self.standing(rank), Fit | Suspect):
            self._members[rank].standing = Suspect()
            return self._settle()
        return super().crashes(rank)


class BelievesTheUnwell(FailoverPolicy):
    """Counts probes of a member that says itself that it is unwell."""

    def answers(self, rank: int, now: float) -> Decision:
        self._members[rank].is_well = True
        return super().answers(rank, now)


class CountsLateAnswers(FailoverPolicy):
    """Lets the answer of an incarnation that has ended speak for the next one."""

    def answers(self, rank: int, now: float) -> Decision:
        if isinstance(self.standing(rank), Down):
            self._members[rank].standing = Proving(now)
        return super().answers(rank, now)


class ForgetsThatItFell(FailoverPolicy):
    def falls(self, rank: int, cause: Cause) -> Decision:
        decision = super().falls(rank, cause)
        if rank != self.active:
            self._members[rank].standing = Fit()
        return decision


class SavesTheDemoted(FailoverPolicy):
    """Leaves one that lost the role while it was suspect as it is: it would be fit as soon as it serves."""

    def _hand_over_to(self, rank: int) -> int:
        demoted, self.active = self.active, rank
        return demoted


class LeavesTheProvingOut(FailoverPolicy):
    """Keeps a member that is down although one that is proving serves."""

    def _best(self, standing: type[Fit | Proving]) -> int | None:
        return None if standing is Proving else super()._best(standing)


class TakesWhatCannotHappen(FailoverPolicy):
    def serves(self, rank: int, now: float, *, is_well: bool = True) -> Decision:
        self._members[rank].is_up = False
        return super().serves(rank, now, is_well=is_well)


@pytest.mark.parametrize(
    "policy",
    [
        GoesBackAtOnce,
        GoesBackTooLate,
        ForgivesABadProbe,
        TakesTheLastOneOut,
        PromotesTheWorst,
        NeverGoesBack,
        SparesEverybody,
        BelievesTheUnwell,
        CountsLateAnswers,
        ForgetsThatItFell,
        SavesTheDemoted,
        LeavesTheProvingOut,
        TakesWhatCannotHappen,
    ],
)
def test_a_planted_bug_is_caught(policy: type[FailoverPolicy]) -> None:
    class Machine(FailoverMachine):
        policy_type = policy

    with pytest.raises(AssertionError):
        unmeasured(run_state_machine_as_test)(Machine, settings=SEARCH)
