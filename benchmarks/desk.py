"""What a limiter decides with, without its actor: so that its cost is seen by itself, at any instant one likes."""

from __future__ import annotations

import attrs

from actors.limiter.grant import LimiterStatistics
from actors.limiter.memory import LimiterMemory, LimiterRules
from actors.policies.claim import Claim
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.learning.learning import DEFAULT_MARGIN
from actors.policies.ledger.ledger import DEFAULT_SLACK
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.orphans import DEFAULT_PATIENCE
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import Granted, Queued

MAX_WAITING = 20_000

USED_INPUT, USED_OUTPUT = 900, 300
"""Tokens that an answered call has used."""


@attrs.define(eq=False)
class Desk:
    """The box office without its window: the books and the line of a limiter, led as its ops lead them.

    Attributes:
        memory: the books, and what was learned.
        queue: who waits.
    """

    memory: LimiterMemory
    queue: AdmissionQueue

    @classmethod
    def under(cls, limits: Limits, **kinds: Limits) -> Desk:
        """Open one with the usual rules, of the pool and of further kinds of scope."""
        rules = LimiterRules(
            limits=limits,
            slack=DEFAULT_SLACK,
            margin=DEFAULT_MARGIN,
            algorithm="auto",
            output=OutputPolicy(),
            kinds=kinds,
            learns=True,
            patience=DEFAULT_PATIENCE,
        )
        memory = LimiterMemory.new(rules, LearningEstimator())
        return cls(memory, AdmissionQueue(memory.ledger, MAX_WAITING, gate=memory.ramp, rebook=memory.rebook))

    def acquire(self, claim: Claim, now: float) -> Granted | Queued:
        """Do what the op does: whoever is due goes first."""
        self.advance(now)
        return self.queue.request(claim, self.memory.book(claim, now), now)

    def report(self, reservation: ReservationId, claim: Claim, now: float) -> list[Granted]:
        """Do what the op does, and return whom that lets through."""
        memory = self.memory
        memory.ledger.report(
            reservation, now, input_tokens=USED_INPUT, output_tokens=USED_OUTPUT, started_at=now
        )
        memory.learn_sizes(claim, None, None, USED_OUTPUT)
        memory.ramp.settled("success", granted_at=now, now=now)
        return self.advance(now)

    def advance(self, now: float) -> list[Granted]:
        """Grant as far as it goes."""
        granted: list[Granted] = []
        while decisions := self.queue.advance(now):
            granted += [decision for decision in decisions if isinstance(decision, Granted)]
        return granted

    def due(self, now: float) -> float:
        """Return the instant of the next timer, which the actor asks for after each message while anybody waits."""
        return self.queue.next_deadline(now)

    def statistics(self, now: float) -> LimiterStatistics:
        """Take the snapshot."""
        return self.memory.statistics(self.queue.statistics(now), now)
