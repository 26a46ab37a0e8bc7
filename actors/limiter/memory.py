"""What a limiter knows, and hands on to its next incarnation: its ledger, and what the provider has taught it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from actors.limiter.arguments import (
    flag_validator,
    kinds_validator,
    limits_validator,
    output_validator,
    seconds_validator,
    share_validator,
)
from actors.limiter.grant import LimiterStatistics, ScopeReport
from actors.policies.claim import Claim
from actors.policies.cooldown.cooldown import CooldownPolicy
from actors.policies.cooldown.ramp import Ramp
from actors.policies.estimates.estimate import Estimate, Estimator
from actors.policies.estimates.guarded_estimator import GuardedEstimator
from actors.policies.learning.learning import AlgorithmSetting, LimitLearner
from actors.policies.learning.records import NOTHING_LEARNED, Lesson, Seen
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limits, Quantity
from actors.policies.ledger.output_policy import OutputLearner, OutputPolicy
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.records import AdmissionStatistics
from actors.policies.queue.scope_tally import ScopeTallies
from actors.policies.scope import Scope
from actors.policies.usage import Usage
from actors.wire.rate_limits import ObservedLimit, ObservedLimits

LONGEST_ASSUMED = 60.0
"""Seconds. A limiter that has lost its books takes windows up to this one for full. A day's it cannot: the pool would
stand still until tomorrow for a crash; the headers of the next answers tell what remains of it."""

# What is over is kept until there is this much more of it than of what is not: tally sheets of scopes without books,
# and grants that were given up.
_STALE = 256


@attrs.frozen
class LimiterRules:
    """What a limiter was made with and its knowledge depends on: knowledge of other rules is of no use to it.

    Raises:
        TypeError: a rule is of the wrong kind.
        ValueError: a rule is out of its bounds.
    """

    limits: Limits = attrs.field(validator=limits_validator)
    slack: float = attrs.field(validator=seconds_validator)
    margin: float = attrs.field(validator=share_validator)
    algorithm: AlgorithmSetting
    output: OutputPolicy = attrs.field(validator=output_validator)
    kinds: Mapping[str, Limits] = attrs.field(validator=kinds_validator)
    learns: bool = attrs.field(validator=flag_validator)
    patience: float = attrs.field(validator=seconds_validator)


@attrs.define(eq=False)
class LimiterMemory:
    """The notebook of a limiter: one incarnation writes it at a time.

    Attributes:
        rules: what it was begun with.
        ledger: what was promised and spent.
        learner: what the provider's headers taught.
        outputs: what output came to, by kind of task.
        estimator: guesses how many tokens a prompt is; whoever's it is, it cannot end the limiter.
        ramp: the gate: pauses, and the slow start after them.
        cooldown: the pauses of a limiter that shares its cooldown with nobody.
        tallies: who asked in which scope.
        began_in: number of the incarnation that began the ledger; later ones took it over. 0 before the first.
        delivered: the reservations whose grants have reached an asker and are not settled.
    """

    rules: LimiterRules
    ledger: Ledger
    learner: LimitLearner
    outputs: OutputLearner
    estimator: GuardedEstimator
    ramp: Ramp
    cooldown: CooldownPolicy = attrs.field(factory=CooldownPolicy)
    tallies: ScopeTallies = attrs.field(factory=ScopeTallies)
    began_in: int = 0
    delivered: set[ReservationId] = attrs.field(factory=set[ReservationId])
    # How many were delivered and not settled when that was looked at last.
    _kept: int = attrs.field(default=0, init=False)

    @classmethod
    def new(cls, rules: LimiterRules, estimator: Estimator) -> LimiterMemory:
        """Begin one that knows nothing but the rules.

        Raises:
            TypeError, ValueError: a rule is out of its bounds.
        """
        learner = LimitLearner(rules.limits, rules.margin, rules.algorithm)
        ledger = Ledger(
            learner.limits,
            rules.slack,
            kinds={kind: kept.scaled(rules.margin) for kind, kept in rules.kinds.items()},
            algorithm=learner.algorithm,
            patience=rules.patience,
        )
        outputs, guarded = OutputLearner(rules.output), GuardedEstimator(estimator)
        return cls(rules, ledger, learner, outputs, guarded, Ramp(learner.limits.requests))

    def book(self, claim: Claim, now: float) -> Booking:
        """Return how a claim stands in the books, by what its kind of output has come to."""
        limits = [self.ledger.limits_of(scope) for scope in claim.all_scopes]
        least = _least(kept.output_tokens for kept in limits)
        overdue = self.ledger.overdue(now)
        booking = self.outputs.book(claim, limit=least, in_doubt=self.ledger.in_doubt, overdue=overdue)
        if claim.estimate is None:
            return booking
        estimate = self.estimator.estimate_again(claim.model, claim.estimate)
        # What is added for caution must not make a call impossible that is not.
        most = max(estimate.expected, _least(kept.input_tokens for kept in limits))
        return booking.with_input(int(min(estimate.at_most, most)), estimate)

    def book_newcomer(self, claim: Claim, now: float) -> Booking:
        """Return how a claim stands in the books that asks for the first time.

        Before it is refused for a limit that was learned and of which nothing was heard since, it is let out to look.
        """
        booking = self.book(claim, now)
        if not self.rules.learns:
            return booking
        lesson = self.learner.look(booking.needed, now)
        if lesson is NOTHING_LEARNED:
            return booking
        self._apply(lesson, now)
        return self.book(claim, now)

    def rebook(self, claim: Claim, _booking: Booking, now: float) -> Booking:
        """Return how a claim that waits stands in the books by now: all that was learned meanwhile counts."""
        return self.book(claim, now)

    def learn_sizes(
        self, claim: Claim, estimate: Estimate | None, prompt_tokens: int | None, output_tokens: int | None
    ) -> None:
        """Learn from an answered call how long prompts and answers are; None where that is unknown.

        Args:
            claim: what the call was asked for with.
            estimate: how its prompt was guessed when it was granted.
            prompt_tokens: what its prompt was.
            output_tokens: what its answer was.
        """
        if output_tokens is not None:
            self.outputs.learn(claim.kind, output_tokens)
        if estimate is not None and prompt_tokens is not None:
            self.estimator.correct(claim.model, estimate, prompt_tokens)

    def taken_over(self, rules: LimiterRules, now: float) -> LimiterMemory:
        """Check that it may be used further, and give back what was reserved and told nobody: nothing was sent.

        Raises:
            ValueError: it is for other rules.
            CorruptLedger: its books are not right.
        """
        if self.rules != rules:
            raise ValueError(f"the state must be of a limiter with {rules}, got one with {self.rules}")
        self.ledger.verify()
        self.tallies.forget_waiting()
        for reservation in self.ledger.in_flight:
            if reservation not in self.delivered:
                self.ledger.cancel(reservation, now, charged=False)
        self.delivered.intersection_update(self.ledger.in_flight)
        return self

    def assume_full(self, now: float) -> None:
        """Take every window for full that is not too long for that: nobody knows what was spent."""
        amounts: dict[Quantity, int] = {}
        for limit in reversed(self.ledger.limits.each):
            if limit.window <= LONGEST_ASSUMED:
                amounts[limit.quantity] = limit.amount
        tokens = amounts.pop("total_tokens", 0)
        usage = Usage(**{"requests": 0, "input_tokens": tokens, **amounts})
        self.ledger.charge(usage, now)

    def learn(
        self, observed: ObservedLimits | None, *, sent_at: float, used: Usage | None, now: float
    ) -> None:
        """Take in what an answer said of the limits, and act on it.

        Args:
            observed: what its headers said; None where there were none.
            sent_at: when its request went out, or any instant before.
            used: what the provider counted for it when it let it in; None when that is not known.
            now: the present.
        """
        if not self.rules.learns:
            return

        def counted(quantity: Quantity, window: float) -> int | None:
            return self.ledger.at_most_counted(quantity, window, sent_at, now)

        seen = () if observed is None else tuple(map(_seen, observed.limits))
        self._apply(
            self.learner.observe(seen, sent_at=sent_at, received_at=now, books=counted, used=used), now
        )

    def unlearn(self, now: float) -> None:
        """Take in that the provider refused a call for its own limits: what its headers suggested is doubtful."""
        self._apply(self.learner.refused(now), now)

    def _apply(self, lesson: Lesson, now: float) -> None:
        if lesson is NOTHING_LEARNED:
            return
        if lesson.limits is not None:
            self.ledger.change_limits(lesson.limits, now)
            self.ramp.requests = lesson.limits.requests
        if lesson.algorithm is not None:
            self.ledger.change_algorithm(lesson.algorithm, now)
        for use in lesson.others:
            self.ledger.charge_others(
                use.quantity, use.window, use.amount, now, leaves_at=now + use.leaves_in
            )

    def statistics(self, queue: AdmissionStatistics, now: float) -> LimiterStatistics:
        """Return a snapshot, beside that of the queue."""
        return LimiterStatistics(
            self.ledger.statistics(now),
            queue,
            self.ramp.statistics(now),
            self.learner.statistics(),
            self.estimator.statistics(),
            self.estimator.failures(),
        )

    def report_on(self, scope: Scope, now: float) -> ScopeReport:
        """Return a snapshot of one scope."""
        return ScopeReport(self.ledger.scope_statistics(scope, now), self.tallies.traffic(scope, now))

    def tidy(self) -> None:
        """Forget the tally sheets of scopes without books, and grants that were given up; O(1) spread over all."""
        if len(self.tallies) > 2 * self.ledger.scope_count + _STALE:
            self.tallies.keep_only(frozenset(self.ledger.scopes))
        if len(self.delivered) > 2 * self._kept + _STALE:
            self.delivered.intersection_update(self.ledger.in_flight)
            self._kept = len(self.delivered)


def _least(limits: Iterable[int | None]) -> float:
    return min((limit for limit in limits if limit is not None), default=math.inf)


def _seen(observed: ObservedLimit) -> Seen:
    return Seen(
        observed.quantity,
        observed.window,
        observed.limit,
        observed.remaining,
        observed.resets_in,
        observed.rounded_to,
        observed.is_shared,
    )
