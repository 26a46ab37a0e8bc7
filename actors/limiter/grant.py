"""What a limiter gives and tells: the right to make one call, and the books of all it gave."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.policies.claim import Claim
from actors.policies.cooldown.ramp import RampStatistics
from actors.policies.estimates.estimate import Estimate, EstimateStatistics
from actors.policies.learning.records import LearningStatistics
from actors.policies.ledger.records import LedgerStatistics, ReservationId, ScopeStatistics
from actors.policies.queue.records import AdmissionStatistics, Order
from actors.policies.queue.scope_tally import ScopeTraffic
from actors.policies.usage import Usage


@attrs.frozen
class Grant:
    """The right to make one call.

    Args:
        reservation: what it is settled by.
        limiter: the name of the limiter that gave it; another one refuses it.
        incarnation: of that limiter; a later one that does not have its ledger charges what it came to.
        claim: what it was asked for with.
        supposed: what the call is taken to have used as long as nobody tells.
        granted_at: the instant of the grant.
        waited: seconds from the request to the grant, restarts of the limiter included.
        place: its place in line. A retry of the same call that asks with it goes before everybody who came after.
        estimate: how its input was guessed at the grant, or None where it was certain.
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

    @property
    def usage(self) -> Usage:
        """The most it may use."""
        return self.claim.usage


@attrs.frozen
class LimiterStatistics:
    """A snapshot of a limiter.

    Attributes:
        ledger: what is used and reserved, and the peaks, in the pool and over all scopes.
        queue: who waits, and what became of all requests since the limiter's last start.
        gate: whether a pause holds, or a ramp after one.
        learned: what the provider's answers have taught.
        estimates: how well prompts were estimated, by model.
    """

    ledger: LedgerStatistics
    queue: AdmissionStatistics
    gate: RampStatistics
    learned: LearningStatistics
    estimates: Mapping[str, EstimateStatistics]


@attrs.frozen
class ScopeReport:
    """A snapshot of one scope: its books, and who asked in it since they were opened."""

    books: ScopeStatistics
    traffic: ScopeTraffic
