"""A breaker beside its naive model, with results that are late, lost, doubled, cancelled or named an instant."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive_breaker import HOUR, NaiveBreaker

from actors.policies.breaker.breaker import Breaker
from actors.policies.breaker.records import BreakerChange, Outcome, Refused, Ticket
from actors.policies.breaker.rules import BreakerRules

# Small numbers, and all of them halves of halves, so that sums are exact and every bound is met to the instant.
TRIAL = BreakerRules(cooldown=4.0, window=8.0, cap=12.0, jitter=0.25, probe_lease=4.0, decay=16.0)
VOTE = BreakerRules(
    consecutive=None,
    cooldown=2.0,
    failure_rate=0.3,
    window=8.0,
    slow_after=2.0,
    slow_rate=0.3,
    cap=16.0,
    jitter=0.5,
    probes=3,
    probes_needed=2,
    probe_lease=3.0,
    recovery="probes",
    decay=8.0,
)
UNANIMOUS = BreakerRules(
    consecutive=5,
    cooldown=2.0,
    failure_rate=0.25,
    window=16.0,
    slow_after=6.0,
    slow_rate=0.3,
    cap=8.0,
    jitter=0.25,
    probes=3,
    probe_lease=4.0,
    recovery="probes",
    decay=8.0,
)
HEALTH = BreakerRules(
    consecutive=2, cooldown=4.0, failure_rate=None, window=4.0, health_every=2.0, recovery="health"
)

SECONDS = st.one_of(st.integers(0, 16).map(lambda count: count / 2), st.sampled_from([20.0, 40.0, HOUR]))
OUTCOMES = st.sampled_from(["success", "failure", "failure", "slow", "neutral"])
NAMED = st.sampled_from([None, None, None, None, None, -1.0, 0.0, 0.5, 3.0, 20.0])


class HighestDice(random.Random):
    """Dice that always show the highest, and of which a copy is as good as themselves."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b

    def __deepcopy__(self, memo: dict[int, Any]) -> HighestDice:
        return self


class BreakerMachine(RuleBasedStateMachine):
    breaker_type: type[Breaker] = Breaker

    @initialize(
        rules=st.sampled_from([TRIAL, VOTE, UNANIMOUS, HEALTH]), asks=st.sampled_from([False, False, True])
    )
    def begin(self, rules: BreakerRules, asks: bool) -> None:
        self.now = 0.0
        self.breaker = self.breaker_type(rules, HighestDice(), asks_to_open=asks)
        self.model = NaiveBreaker(rules, asks)
        self.tickets: list[Ticket] = []
        self.settled: list[Ticket] = []

    def agree_on_changes(self) -> None:
        seen = [(each.at, each.before, each.after, each.generation, each.retry_at) for each in self.changes()]
        assert seen == self.model.changes
        self.model.changes = []

    def changes(self) -> tuple[BreakerChange, ...]:
        return self.breaker.take_changes()

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=SECONDS)
    def let_time_pass(self, seconds: float) -> None:
        """Nobody looks at the breaker meanwhile."""
        self.now += seconds
        self.model.advance(self.now)

    @rule()
    def expire(self) -> None:
        changes = self.breaker.expire(self.now)
        assert self.breaker.next_deadline(self.now) > self.now
        taken = self.changes()
        assert changes == taken
        seen = [(each.at, each.before, each.after, each.generation, each.retry_at) for each in taken]
        assert seen == self.model.changes
        self.model.changes = []

    @precondition(lambda self: self.model.due < math.inf)
    @rule()
    def wait_until_something_is_due(self) -> None:
        self.now = max(self.now, self.model.due)
        self.model.advance(self.now)

    @precondition(lambda self: self.model.state == "open" and self.model.until > self.now)
    @rule()
    def wait_until_it_may_be_asked(self) -> None:
        self.now = self.model.until
        self.model.advance(self.now)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────

    @rule(patience=st.sampled_from([math.inf, math.inf, 0.0, 0.5, 1.5, 3.0]))
    def admit(self, patience: float) -> None:
        self.let_in(self.now + patience)

    @rule(count=st.sampled_from([4, 20]))
    def admit_a_crowd(self, count: int) -> None:
        for _ in range(count):
            self.let_in(math.inf)

    @rule(
        stray=st.sampled_from([0, 2]),
        named=st.sampled_from([None, None, 20.0]),
        patience=st.sampled_from([math.inf, math.inf, 1.5, 0.0]),
        late=st.none() | OUTCOMES,
        end=st.none() | OUTCOMES,
    )
    def break_down(
        self, stray: int, named: float | None, patience: float, late: Outcome | None, end: Outcome | None
    ) -> None:
        """Calls fail until it opens; when it is probed, one that was sent before may come back, and the probe end."""
        place = len(self.tickets)
        for _ in range(stray):
            self.let_in(math.inf)
        for _ in range(6):
            if self.model.state not in ("closed", "observe_only"):
                break
            self.let_in(math.inf)
            self.bring_back(len(self.tickets) - 1, "failure", named)
        if self.model.state != "open":
            return
        if self.model.rules.recovery == "health":
            if late is not None:
                self.tell_of_health(late == "success", 1)
        else:
            self.now = max(self.now, self.model.until)
            self.let_in(self.now + patience)
            if late is not None and place < len(self.tickets):
                self.bring_back(place, late, None)
            if end is not None and self.tickets:
                self.bring_back(len(self.tickets) - 1, end, None)

    def let_in(self, deadline: float) -> None:
        refusal = self.model.refusal(self.now, deadline)
        answer = self.breaker.admit(self.now, deadline=deadline)
        if isinstance(answer, Refused):
            assert (answer.state, answer.retry_at) == refusal
            assert (answer.retry_at is None) == (answer.state == "isolated")
            self.model.refused += 1
        else:
            assert refusal is None
            self.model.admit(answer, self.now, deadline)
            assert (answer.generation, answer.admitted_at) == (self.model.generation, self.now)
            assert answer.is_probe == (self.model.state == "half_open")
            self.tickets.append(answer)
        self.agree_on_changes()

    @rule()
    def check(self) -> None:
        refusal = self.model.refusal(self.now)
        answer = self.breaker.check(self.now)
        assert (None if answer is None else (answer.state, answer.retry_at)) == refusal
        self.model.refused += answer is not None
        self.agree_on_changes()

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), outcome=OUTCOMES, named=NAMED)
    def settle(self, data: st.DataObject, outcome: Outcome, named: float | None) -> None:
        self.bring_back(data.draw(st.integers(0, len(self.tickets) - 1)), outcome, named)

    @precondition(lambda self: self.tickets)
    @rule(outcome=OUTCOMES)
    def settle_the_last(self, outcome: Outcome) -> None:
        self.bring_back(len(self.tickets) - 1, outcome, None)

    @precondition(lambda self: self.tickets)
    @rule(outcome=OUTCOMES, count=st.sampled_from([3, 20]))
    def settle_many(self, outcome: Outcome, count: int) -> None:
        for _ in range(min(count, len(self.tickets))):
            self.bring_back(0, outcome, None)

    @rule(outcome=st.sampled_from(["success", "success", "failure"]), count=st.sampled_from([1, 5, 30]))
    def serve(self, outcome: Outcome, count: int) -> None:
        """Calls come and go in no time."""
        for _ in range(count):
            before = len(self.tickets)
            self.let_in(math.inf)
            if len(self.tickets) > before:
                self.bring_back(before, outcome, None)

    def bring_back(self, place: int, outcome: Outcome, named: float | None) -> None:
        ticket = self.tickets.pop(place)
        self.settled.append(ticket)
        open_until = None if named is None else self.now + named
        generation = self.model.generation
        change = self.breaker.settle(ticket, outcome, self.now, open_until=open_until)
        self.model.settle(ticket, outcome, self.now, open_until)
        assert (change is not None) == (self.model.generation != generation)
        self.agree_on_changes()

    @precondition(lambda self: self.tickets)
    @rule()
    def lose(self) -> None:
        """Whoever held it will never be heard of."""
        self.tickets.pop(0)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle_twice(self, data: st.DataObject, outcome: Outcome) -> None:
        ticket = data.draw(st.sampled_from(self.settled[-5:]))
        assert self.breaker.settle(ticket, outcome, self.now, open_until=self.now + 5.0) is None
        self.agree_on_changes()

    @rule(outcome=OUTCOMES)
    def settle_what_is_not_ours(self, outcome: Outcome) -> None:
        number = self.tickets[-1].number if self.tickets else 7
        foreign = Ticket(number, self.model.generation, is_probe=True, admitted_at=self.now + 0.125)
        assert self.breaker.settle(foreign, outcome, self.now) is None
        self.agree_on_changes()

    # ── by hand, with leave, and by health checks ───────────────────────────────────────────────────────────

    @rule(verb=st.sampled_from(["isolate", "disable", "observe", "release", "reset", "release", "reset"]))
    def act_by_hand(self, verb: str) -> None:
        getattr(self.breaker, verb)(self.now)
        match verb:
            case "isolate":
                self.model.wish_for("isolated", self.now)
            case "disable":
                self.model.wish_for("disabled", self.now)
            case "observe":
                self.model.wish_for("observe_only", self.now)
            case "release":
                self.model.release(self.now)
            case _:
                self.model.reset(self.now)
        self.agree_on_changes()

    @rule(verb=st.sampled_from(["disable", "observe", "isolate"]), outcome=OUTCOMES)
    def serve_in_other_hands(self, verb: str, outcome: Outcome) -> None:
        """Calls come and go, and an older one comes back, before it is let go again."""
        self.act_by_hand(verb)
        self.serve(outcome, 5)
        if self.tickets:
            self.bring_back(0, outcome, None)
        self.act_by_hand("release")

    @precondition(lambda self: self.model.state in ("isolated", "disabled"))
    @rule()
    def release(self) -> None:
        self.act_by_hand("release")

    @precondition(lambda self: self.model.asks)
    @rule(is_allowed=st.booleans())
    def answer_the_wish(self, is_allowed: bool) -> None:
        if is_allowed:
            self.breaker.allow_open(self.now)
            self.model.allow(self.now)
        else:
            self.breaker.deny_open(self.now)
            self.model.deny()
        self.agree_on_changes()

    @rule()
    def begin_a_health_check(self) -> None:
        is_due = self.breaker.health_due(self.now)
        assert is_due == self.model.is_health_due
        if is_due:
            self.model.checking_since = self.now
        self.model.is_health_due = False
        self.agree_on_changes()

    @rule(ok=st.booleans(), age=st.sampled_from([None, 0, 0, 1]))
    def tell_of_health(self, ok: bool, age: int | None) -> None:
        self.begin_a_health_check()
        generation = None if age is None else self.model.generation - age
        self.breaker.health(ok, self.now, generation=generation)
        self.model.health(ok=ok, now=self.now, generation=generation)
        self.agree_on_changes()

    # ── what holds at every instant ─────────────────────────────────────────────────────────────────────────

    @invariant()
    def agrees_with_the_model(self) -> None:
        is_pending = self.breaker.next_deadline(self.now) <= self.now
        looked_at = copy.deepcopy(self.breaker) if is_pending else self.breaker
        seen, wanted = looked_at.snapshot(self.now), self.model.snapshot(self.now)
        assert math.isclose(seen.failed_probes, wanted.failed_probes, abs_tol=1e-9)
        assert attrs.evolve(seen, failed_probes=0.0) == attrs.evolve(wanted, failed_probes=0.0)
        assert looked_at.wants_to_open == (self.model.wish is not None)
        # Tickets and probes are conserved, and whoever is refused is told when to come again.
        assert seen.admitted == seen.settled + seen.forgotten + seen.in_flight
        assert 0 <= seen.probes <= self.model.rules.probes
        assert seen.probes == 0 or seen.state == "half_open"
        assert seen.retry_at is None or seen.retry_at > self.now

    @invariant()
    def it_never_stays_half_open(self) -> None:
        """With no input at all, time leads out."""
        if self.breaker.state != "half_open":
            return
        left_alone = copy.deepcopy(self.breaker)
        left_alone.expire(self.now)
        for _ in range(self.model.rules.probes + 1):
            if left_alone.state != "half_open":
                break
            due = left_alone.next_deadline(self.now)
            assert self.now < due <= self.now + 2 * self.model.rules.probe_lease
            left_alone.expire(due)
        assert left_alone.state != "half_open"
