"""The meter agrees with its naive models through any history, and the machines are worth their names."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from meter_machine import MeterMachine
from promise_machine import BucketAtABucket, PromiseMachine, WindowAtAWindow
from unmeasured import unmeasured

from actors.policies.ledger import meter as meter_module
from actors.policies.ledger.limits import Limit
from actors.policies.ledger.meter import Meter
from actors.policies.ledger.token_bucket import TokenBucket

TestMeterAgreesWithItsModels = MeterMachine.TestCase
TestMeterAgreesWithItsModels.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)

# It ends with the first find; the rarest took a few hundred examples.
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


def is_caught(machine: type[RuleBasedStateMachine]) -> bool:
    """Run a machine with a bug in it."""
    try:
        unmeasured(run_state_machine_as_test)(machine, settings=SEARCH)
    except (AssertionError, ValueError):
        return True
    return False


class ForgetsTheLag(Meter):
    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        del lag
        super().settle(held, actual, at, 0.0, now)


class CountsFromNowOn(Meter):
    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        super().settle(held, actual, max(at, now), lag, now)


class ExpiresATickEarly(Meter):
    def lacks(self, needed: int, now: float) -> int:
        self.expire(math.nextafter(now, math.inf))
        return super().lacks(needed, now)


class FreesWhatIsHeldTwice(Meter):
    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        super().settle(held, actual, at, lag, now)
        self.held = max(0, self.held - held)


class ForgetsWhatIsHeldInABucket(Meter):
    def lacks(self, needed: int, now: float) -> int:
        return super().lacks(needed, now) - (self.held if self.algorithm == "token_bucket" else 0)


class GivesBackToTheBucket(Meter):
    def amend(self, before: int, after: int, at: float, lag: float, now: float) -> None:
        super().amend(before, after, at, lag, now)
        self._bucket._taken = max(0, self._bucket._taken - max(0, before - after))


class WakesEarly(Meter):
    def _back_at(self, gone: int, now: float) -> float:
        instant = super()._back_at(gone, now)
        return instant if math.isinf(instant) else max(now, math.nextafter(instant, -math.inf))


class KeepsOneBookOnly(Meter):
    def settle(self, held: int, actual: int, at: float, lag: float, now: float) -> None:
        bucket = self._bucket._full_until, self._bucket._taken
        super().settle(held, actual, at, lag, now)
        if self.algorithm == "sliding_window":
            self._bucket._full_until, self._bucket._taken = bucket


class EmptiesTheBucketAtEveryChange(Meter):
    def change_limit(self, limit: Limit, now: float) -> None:
        super().change_limit(limit, now)
        self._bucket = TokenBucket(limit.amount, limit.window)


METERS = (
    ForgetsTheLag,
    CountsFromNowOn,
    ExpiresATickEarly,
    FreesWhatIsHeldTwice,
    ForgetsWhatIsHeldInABucket,
    GivesBackToTheBucket,
    WakesEarly,
    KeepsOneBookOnly,
    EmptiesTheBucketAtEveryChange,
)


@pytest.mark.parametrize("mutant", METERS)
def test_the_machine_catches_a_meter_that(mutant: type[Meter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeterMachine, "meter_type", mutant)

    assert is_caught(MeterMachine)


class StartsAtTheLatest(TokenBucket):
    """Forgets the tokens that were taken before, when some are taken later."""

    def take(self, tokens: int, counted_by: float) -> None:
        if counted_by > self._full_until:
            self._full_until, self._taken, self._counted_by = counted_by, tokens, counted_by
        else:
            super().take(tokens, counted_by)


class RoundsDown(TokenBucket):
    def missing_whole(self, now: float) -> int:
        return max(0, math.floor(self.missing(now)))


class RefillsAheadOfTheCount(TokenBucket):
    def resize(self, amount: int, now: float) -> TokenBucket:
        """As many tokens are missing, whenever they are taken."""
        resized = RefillsAheadOfTheCount(amount, self._window)
        missing = math.ceil(self.missing(now))
        if missing:
            resized.take(missing, now - (missing - self.missing(now)) * self._window / amount)
        return resized


class OwesForACutForEver(TokenBucket):
    def _most_kept(self, amount: int, now: Fraction) -> Fraction:
        """All that is missing, at the pace of the slower tap."""
        del amount
        return self._missing_at(now)


class ForgivesAllDebtsAtACut(TokenBucket):
    def _most_kept(self, amount: int, now: Fraction) -> Fraction:
        ahead = max(Fraction(0), Fraction(self._counted_by) - now)
        return amount + ahead * amount / Fraction(self._window)


class RefillsACutBucketAheadOfTheCount(TokenBucket):
    def _most_kept(self, amount: int, now: Fraction) -> Fraction:
        return super()._most_kept(amount, max(now, Fraction(self._counted_by)))


BUCKETS = (
    StartsAtTheLatest,
    RoundsDown,
    RefillsAheadOfTheCount,
    OwesForACutForEver,
    ForgivesAllDebtsAtACut,
    RefillsACutBucketAheadOfTheCount,
)


@pytest.mark.parametrize("mutant", BUCKETS)
def test_the_machine_catches_a_bucket_that(
    mutant: type[TokenBucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_module, "TokenBucket", mutant)

    assert is_caught(MeterMachine)


@pytest.mark.parametrize(
    ("machine", "mutant"),
    [
        (WindowAtAWindow, ForgetsTheLag),
        (WindowAtAWindow, FreesWhatIsHeldTwice),
        (BucketAtABucket, ForgetsWhatIsHeldInABucket),
    ],
)
def test_a_provider_refuses_what_is_granted_by_a_meter_that(
    machine: type[PromiseMachine], mutant: type[Meter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PromiseMachine, "meter_type", mutant)

    assert is_caught(machine)


@pytest.mark.parametrize("mutant", [StartsAtTheLatest, RoundsDown])
def test_a_provider_refuses_what_is_granted_with_a_bucket_that(
    mutant: type[TokenBucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_module, "TokenBucket", mutant)

    assert is_caught(BucketAtABucket)
