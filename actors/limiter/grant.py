"""What a limiter gives and tells: the right to make one call, and the books of all it gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from actors.policies.claim import Claim
from actors.policies.cooldown.ramp import RampStatistics
from actors.policies.estimates.estimate import Estimate, EstimateStatistics
from actors.policies.estimates.guarded_estimator import EstimatorFailures
from actors.policies.instants import check_instant, shown
from actors.policies.learning.records import LearningStatistics
from actors.policies.ledger.records import LedgerStatistics, ReservationId, ScopeStatistics
from actors.policies.queue.records import AdmissionStatistics, Order
from actors.policies.queue.scope_tally import ScopeTraffic
from actors.policies.usage import Usage


@attrs.frozen
class Grant:
    """The right to make one call. It is a value: it may be kept, pickled, and settled by whoever has it.

    Args:
        reservation: what it is settled by.
        limiter: the name of the limiter that gave it.
        incarnation: of that limiter; a later one that does not have its ledger charges what it came to.
        claim: what it was asked for with.
        supposed: what the call is taken to have used as long as nobody tells.
        granted_at: the instant of the grant.
        waited: seconds from the request to the grant, restarts of the limiter included.
        place: its place in line. A retry of the same call that asks with it goes before everybody who came after.
        estimate: how its input was guessed at the grant, or None where it was certain.
        seal: of the slot of the limiter that gave it; any other limiter refuses it, also one of the same name. It is
            neither shown nor compared, so that two runs of one seed have the same grants.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a value is out of its bounds.
    """

    reservation: ReservationId
    limiter: str
    incarnation: int
    claim: Claim
    supposed: Usage
    granted_at: float
    waited: float
    place: Order
    estimate: Estimate | None = attrs.field(default=None, repr=False)
    seal: str = attrs.field(default="", repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Check every value once more: it may have come a long way, and not through here.

        Raises:
            TypeError: a value is missing or of the wrong kind.
            ValueError: a value is out of its bounds.
        """
        try:
            estimate: Any = self.estimate
            # One is made and one settled for each call: the usual case is seen at one glance.
            is_usual = (
                type(self.reservation) is type(self.incarnation) is type(self.place) is int
                and type(self.granted_at) is type(self.waited) is float
                and type(self.limiter) is type(self.seal) is str
                and type(self.claim) is Claim
                and type(self.supposed) is Usage
                and (estimate is None or isinstance(estimate, Estimate))
                and self.incarnation >= 1
                and self.place >= 1
                and -math.inf < self.granted_at < math.inf
                and 0 <= self.waited < math.inf
            )
        except AttributeError as error:
            raise TypeError(f"grant must be whole, got one without {error.name}") from None
        if not is_usual:
            self._check_each()

    def _check_each(self) -> None:
        kinds: tuple[tuple[str, Any, type], ...] = (
            ("reservation", self.reservation, int),
            ("incarnation", self.incarnation, int),
            ("place", self.place, int),
            ("limiter", self.limiter, str),
            ("seal", self.seal, str),
            ("claim", self.claim, Claim),
            ("supposed", self.supposed, Usage),
        )
        for name, value, kind in kinds:
            if type(value) is not kind:
                raise TypeError(f"{name} of a grant must be {kind.__name__}, got {type(value).__name__}")
        estimate: Any = self.estimate
        if estimate is not None and not isinstance(estimate, Estimate):
            raise TypeError(f"estimate of a grant must be Estimate or None, got {type(estimate).__name__}")
        for name, number in (("incarnation", self.incarnation), ("place", self.place)):
            if number < 1:
                raise ValueError(f"{name} of a grant must be >= 1, got {shown(number)}")
        check_instant("granted_at", self.granted_at, earliest=-math.inf)
        check_instant("waited", self.waited, earliest=0)

    @property
    def usage(self) -> Usage:
        """The most it may use."""
        return self.claim.usage


def check_grant(grant: object, *, limiter: str, seal: str, incarnation: int, now: float) -> None:
    """Check that somebody hands in a grant, and one that this limiter can have given.

    Raises:
        TypeError: it is no grant, or one with what no grant has.
        ValueError: it is one of another limiter, or one that this limiter cannot have given.
    """
    if type(grant) is not Grant:
        raise TypeError(f"grant must be a Grant, got {type(grant).__name__}")
    grant.check()
    if grant.seal != seal or grant.limiter != limiter:
        other = "another of that name" if grant.limiter == limiter else repr(grant.limiter)
        raise ValueError(f"grant must be one of limiter {limiter!r}, got one of {other}")
    if grant.incarnation > incarnation:
        raise ValueError(f"incarnation of a grant must be <= {incarnation}, got {shown(grant.incarnation)}")
    check_instant("granted_at", grant.granted_at, earliest=-math.inf, latest=now)


@attrs.frozen
class LimiterStatistics:
    """A snapshot of a limiter.

    Attributes:
        ledger: what is used and reserved, and the peaks, in the pool and over all scopes.
        queue: who waits, and what became of all requests since the limiter's last start.
        gate: whether a pause holds, or a ramp after one.
        learned: what the provider's answers have taught.
        estimates: how well prompts were estimated, by model.
        estimator: how often the estimator failed.
    """

    ledger: LedgerStatistics
    queue: AdmissionStatistics
    gate: RampStatistics
    learned: LearningStatistics
    estimates: Mapping[str, EstimateStatistics]
    estimator: EstimatorFailures


@attrs.frozen
class ScopeReport:
    """A snapshot of one scope: its books, and who asked in it since they were opened."""

    books: ScopeStatistics
    traffic: ScopeTraffic
