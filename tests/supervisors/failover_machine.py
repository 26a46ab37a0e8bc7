"""A failover policy and a naive reading of the members' histories: the same one is active through any events."""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors.failover.policy import (
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

HEALTHY_FOR = 10.0
PAUSES = st.sampled_from([0.0, 0.1, 1 / 3, 2.0, 5.0, 9.9, 10.0, 30.0])

UPS = ("serves", "serves unwell")
BAD = ("serves unwell", "crash", "fall", "unwell", "bad probe", "lost the role")


@attrs.define
class History:
    """All that ever happened to one member, as (what, when); what is known of it is read from that anew each time."""

    events: list[tuple[str, float]] = attrs.field(factory=list[tuple[str, float]])

    def add(self, what: str, now: float) -> None:
        self.events.append((what, now))

    def last(self, *kinds: str) -> str:
        return next((what for what, _ in reversed(self.events) if what in kinds), "")

    @property
    def is_up(self) -> bool:
        return self.last(*UPS, "crash", "forgiven crash", "fall") in UPS

    @property
    def is_well(self) -> bool:
        return self.last(*UPS, "well", "unwell") in {"serves", "well"}

    @property
    def is_paused(self) -> bool:
        """Whether it is between two incarnations within its budget, and still has the role."""
        return self.last(*UPS, "forgiven crash", *BAD) == "forgiven crash"

    def since_bad(self) -> list[tuple[str, float]] | None:
        """Return the events after the last bad one, or None if there never was any."""
        bad = [place for place, (what, _) in enumerate(self.events) if what in BAD]
        return self.events[bad[-1] + 1 :] if bad else None

    def proof_began(self, *, is_probed: bool) -> float:
        kinds = {"good probe"} if is_probed else {"serves", "well"}
        return min((at for what, at in self.since_bad() or () if what in kinds), default=math.inf)

    def proof_ended(self, now: float, *, is_probed: bool) -> bool:
        last = max((at for what, at in self.since_bad() or () if what == "good probe"), default=-math.inf)
        return (last if is_probed else now) >= self.proof_began(is_probed=is_probed) + HEALTHY_FOR

    def standing(self, now: float, *, is_probed: bool) -> str:
        if not self.events:
            return "awaited"
        if self.is_paused:
            return "suspect"
        if self.since_bad() is None or self.proof_ended(now, is_probed=is_probed):
            return "fit"
        return "down" if math.isinf(self.proof_began(is_probed=is_probed)) else "proving"


class FailoverMachine(RuleBasedStateMachine):
    policy_type: ClassVar[type[FailoverPolicy]] = FailoverPolicy

    @initialize(size=st.sampled_from([2, 2, 3, 1, 4]), is_probed=st.booleans())
    def open(self, size: int, is_probed: bool) -> None:  # Hypothesis passes it by name
        self.now = 0.0
        self.is_probed = is_probed
        self.policy = self.policy_type(size, HEALTHY_FOR, is_probed)
        self.histories = [History() for _ in range(size)]
        self.active = 0
        self.switches = 0

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────

    def standings(self) -> list[str]:
        return [history.standing(self.now, is_probed=self.is_probed) for history in self.histories]

    def check(self, decision: Decision) -> None:
        """Settle the role as the essay says, and hold the decision against that."""
        standings, old = self.standings(), self.active
        fit = [rank for rank, standing in enumerate(standings) if standing == "fit"]
        proving = [rank for rank, standing in enumerate(standings) if standing == "proving"]
        expected: Decision = Stay()
        if standings[old] == "down":
            heirs = fit or proving
            expected = Promote(heirs[0], old) if heirs else KeepLast()
        elif fit and fit[0] < old:
            expected = FailBack(fit[0], old)
        assert decision == expected
        if isinstance(expected, Promote | FailBack):
            self.active = expected.member
            self.switches += 1
            if standings[old] == "suspect":
                self.histories[old].add("lost the role", self.now)
        if isinstance(decision, FailBack):
            history = self.histories[decision.member]
            began = history.proof_began(is_probed=self.is_probed)
            is_fresh = (
                history.since_bad() is None
            )  # its first start came after that of a worse one: it never was down
            assert is_fresh or self.now >= began + HEALTHY_FOR, (
                "the role went back before the member had proved itself"
            )

    def some(self, data: st.DataObject, *, up: bool) -> History | None:
        """Choose a member that serves, or one that does not."""
        ranks = [rank for rank, history in enumerate(self.histories) if history.is_up == up]
        if not ranks:
            return None
        self.rank = data.draw(st.sampled_from(ranks), label="member")
        return self.histories[self.rank]

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────

    @rule(pause=PAUSES)
    def let_time_pass(self, pause: float) -> None:
        self.now = min(self.now + pause, max(self.now, self.policy.next_deadline()))
        self.check(self.policy.advance(self.now))

    @rule(data=st.data(), is_well=st.sampled_from([True, True, True, False]))
    def serve(self, data: st.DataObject, is_well: bool) -> None:  # Hypothesis passes it by name
        if history := self.some(data, up=False):
            history.add("serves" if is_well else "serves unwell", self.now)
            self.check(self.policy.serves(self.rank, self.now, is_well=is_well))

    @rule(data=st.data(), up=st.booleans())
    def crash_within_budget(self, data: st.DataObject, up: bool) -> None:  # Hypothesis passes it by name
        if history := self.some(data, up=up):
            is_trusted = history.standing(self.now, is_probed=self.is_probed) in {"fit", "suspect"}
            kind = "forgiven crash" if is_trusted and self.rank == self.active else "crash"
            history.add(kind, self.now)
            self.check(self.policy.crashes(self.rank))

    @rule(data=st.data(), up=st.booleans(), cause=st.sampled_from(["budget spent", "not started"]))
    def fall(self, data: st.DataObject, up: bool, cause: str) -> None:  # Hypothesis passes it by name
        if history := self.some(data, up=up):
            history.add("fall", self.now)
            self.check(
                self.policy.falls(self.rank, "not started" if cause == "not started" else "budget spent")
            )

    @rule(data=st.data(), is_well=st.booleans())
    def say_how_it_is(self, data: st.DataObject, is_well: bool) -> None:  # Hypothesis passes it by name
        if history := self.some(data, up=True):
            if not (is_well and history.is_well):  # well again is news only to who was unwell
                history.add("well" if is_well else "unwell", self.now)
            self.check(self.policy.feels(self.rank, self.now, is_well=is_well))

    @precondition(lambda self: self.is_probed)
    @rule(data=st.data(), up=st.booleans(), is_good=st.sampled_from([True, True, True, False]))
    def probe(self, data: st.DataObject, up: bool, is_good: bool) -> None:  # Hypothesis passes it by name
        if history := self.some(data, up=up):
            if (
                history.is_up and history.is_well
            ):  # the answer of one that has fallen meanwhile counts for nothing
                history.add("good probe" if is_good else "bad probe", self.now)
            verb = self.policy.answers(self.rank, self.now) if is_good else self.policy.fails_probe(self.rank)
            self.check(verb)

    @precondition(lambda self: self.active > 0)
    @rule(data=st.data(), answers=st.lists(st.sampled_from([True, True, False]), max_size=5))
    def let_a_better_one_come_back(self, data: st.DataObject, answers: list[bool]) -> None:
        """Take one that lost the role all the way, and through a few answers: chance alone would seldom do it."""
        self.rank = data.draw(st.sampled_from(range(self.active)), label="member")
        history = self.histories[self.rank]
        if not history.is_up:
            history.add("serves", self.now)
            self.check(self.policy.serves(self.rank, self.now))
        for is_good in answers if self.is_probed and history.is_well else ():
            history.add("good probe" if is_good else "bad probe", self.now)
            verb = self.policy.answers(self.rank, self.now) if is_good else self.policy.fails_probe(self.rank)
            self.check(verb)
            self.now += HEALTHY_FOR / 2
        if not self.is_probed:
            self.let_time_pass(HEALTHY_FOR)

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def exactly_one_is_active(self) -> None:
        assert self.policy.active == self.active
        assert 0 <= self.policy.active < len(self.histories)

    @invariant()
    def nobody_who_is_down_is_active_while_somebody_is_not(self) -> None:
        standings = [self.policy.standing(rank) for rank in range(len(self.histories))]
        if isinstance(standings[self.policy.active], Down):
            assert not any(isinstance(standing, Fit | Proving) for standing in standings)

    @invariant()
    def nobody_fit_is_better_than_the_active_one(self) -> None:
        assert not any(isinstance(self.policy.standing(rank), Fit) for rank in range(self.policy.active))

    @invariant()
    def nobody_but_the_active_one_is_spared_for_a_crash(self) -> None:
        suspects = {r for r in range(len(self.histories)) if isinstance(self.policy.standing(r), Suspect)}
        assert suspects <= {self.policy.active}

    @invariant()
    def the_standings_are_those_that_the_histories_tell(self) -> None:
        told = [type(self.policy.standing(rank)).__name__.lower() for rank in range(len(self.histories))]
        assert told == self.standings()

    @invariant()
    def whoever_is_under_test_serves_and_is_not_trusted(self) -> None:
        for rank, (history, standing) in enumerate(zip(self.histories, self.standings(), strict=True)):
            is_suspicious = history.is_up and standing in {"down", "proving"}
            assert self.policy.is_under_test(rank) == (self.is_probed and is_suspicious)

    @invariant()
    def time_completes_the_oldest_proof(self) -> None:
        proofs = [
            history.proof_began(is_probed=False)
            for history, standing in zip(self.histories, self.standings(), strict=True)
            if standing == "proving" and not self.is_probed
        ]
        assert self.policy.next_deadline() == min(proofs, default=math.inf) + HEALTHY_FOR

    @invariant()
    def a_refused_event_changes_nothing(self) -> None:
        before = [(m.standing, m.is_up, m.is_well) for m in self.policy._members]
        for rank, history in enumerate(self.histories):
            try:
                if history.is_up:
                    self.policy.serves(rank, self.now)
                else:
                    self.policy.feels(rank, self.now, is_well=False)
            except ValueError:
                continue
            raise AssertionError("an event that cannot happen was taken")
        assert before == [(m.standing, m.is_up, m.is_well) for m in self.policy._members]
