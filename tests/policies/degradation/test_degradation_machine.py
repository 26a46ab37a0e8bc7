"""Degradation beside a naive model that keeps the whole history and computes everything anew."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from unmeasured import unmeasured

from actors.policies.breaker.records import BREAKER_STATES, BreakerState
from actors.policies.degradation import degradation as module
from actors.policies.degradation.burn_rate import BurnRow, BurnRules
from actors.policies.degradation.debounce import Debounce
from actors.policies.degradation.degradation import Degradation
from actors.policies.degradation.rules import DOWN_STATES, DegradationLevel, DegradationRules

# Small numbers, and all of them halves: every instant has its own cell, and the model can walk from half to half.
LONG, SHORT, RATIO, FEWEST = 8.0, 3.0, 0.6, 2
RULES = DegradationRules(
    {"a": 1, "b": 2, "c": 3, "d": 4},
    members={"d": ("x", "y")},
    up_after=2.0,
    down_after=5.0,
    burn=BurnRules(0.5, (BurnRow(1.2, LONG, SHORT),)),
)
STEP = 0.5


@attrs.define(eq=False)
class Part:
    """One service with all that was ever heard of it."""

    level: int
    breakers: dict[str, BreakerState]
    outcomes: list[tuple[float, bool]] = attrs.field(factory=list)
    is_burning: bool = False

    def ratio(self, window: float, now: float) -> float:
        present = [ok for at, ok in self.outcomes if at + window > now]
        return present.count(False) / len(present) if present else 0.0

    def is_above(self, now: float) -> bool:
        return self.ratio(LONG, now) >= RATIO and self.ratio(SHORT, now) >= RATIO

    def add(self, ok: bool, now: float) -> None:
        self.outcomes.append((now, ok))
        n, k = sum(at + LONG > now for at, _ in self.outcomes), self.ratio(LONG, now)
        is_proven = k > RATIO and (k - RATIO) ** 2 > 1.96**2 * RATIO * (1 - RATIO) / n
        has_begun = not ok and n >= FEWEST and is_proven
        self.is_burning = self.is_above(now) and (self.is_burning or has_begun)

    @property
    def is_down(self) -> bool:
        passing = {"closed", "disabled", "observe_only"}
        parts = {state for member, state in self.breakers.items() if member}
        is_shut = bool(parts) and not passing & parts
        is_unanswered = bool(parts - passing) and [ok for _, ok in self.outcomes[-3:]] == [False] * 3
        is_out = self.breakers.get("", "closed") not in passing
        return is_shut or is_unanswered or is_out or self.is_burning


@attrs.define(eq=False)
class Model:
    """Every value the truth ever had, with the instant from which on it had it."""

    now: float = 0.0
    parts: dict[str, Part] = attrs.field(factory=dict)
    truths: list[tuple[float, int]] = attrs.field(factory=lambda: [(-1000.0, 0)])

    def note(self) -> None:
        self.truths.append(
            (self.now, max((each.level for each in self.parts.values() if each.is_down), default=0))
        )

    def walk(self, until: float) -> None:
        while self.now < until:
            self.now += STEP
            for part in self.parts.values():
                part.is_burning = part.is_burning and part.is_above(self.now)
            self.note()

    def switches(self, level: int) -> list[tuple[float, bool]]:
        """Return when "at least this level" went on and off: each run of the truth that lasted long enough."""
        runs: list[tuple[float, bool]] = []
        for at, truth in self.truths:
            if not runs or runs[-1][1] != (truth >= level):
                runs.append((at, truth >= level))
        ends = [*(at for at, _ in runs[1:]), self.now]
        flips = [(-1000.0, False)]
        for (begin, signal), end in zip(runs, ends, strict=True):
            due = begin + (RULES.up_after if signal else RULES.down_after)
            if due <= end and signal != flips[-1][1]:
                flips.append((due, signal))
        return flips

    @property
    def level(self) -> int:
        return sum(self.switches(level)[-1][1] for level in (1, 2, 3, 4))

    @property
    def since(self) -> float:
        return max(self.switches(level)[-1][0] for level in (1, 2, 3, 4))


class DegradationMachine(RuleBasedStateMachine):
    policy_type: ClassVar[Callable[[DegradationRules], Degradation]] = Degradation

    def __init__(self) -> None:
        super().__init__()
        self.policy = type(self).policy_type(RULES)
        self.model = Model()
        for name, level in RULES.levels.items():
            members = RULES.members.get(name, ())
            self.model.parts[name] = Part(level, dict.fromkeys(members, "closed"))
        self.told: list[DegradationLevel] = []

    @rule(halves=st.integers(0, 14), looks=st.booleans())
    def let_time_pass(self, halves: int, looks: bool) -> None:
        self.model.walk(self.model.now + halves * STEP)
        if looks:
            self.told += self.policy.expire(self.model.now)

    @rule(
        service=st.sampled_from(["a", "b", "c", "d", "d/x", "d/y", "d/z", "e"]),
        state=st.sampled_from(BREAKER_STATES),
    )
    def hear(self, service: str, state: BreakerState) -> None:
        name, _, member = service.partition("/")
        if name in self.model.parts:
            self.model.parts[name].breakers[member] = state
            self.model.note()
        self.told += self.policy.hear(service, state, self.model.now)

    @rule(service=st.sampled_from(["a", "d", "d/x"]), count=st.integers(1, 8), ok=st.booleans())
    def have_outcomes(self, service: str, count: int, ok: bool) -> None:
        for _ in range(count):
            self.model.parts[service[0]].add(ok, self.model.now)
            self.model.note()
            self.told += self.policy.outcome(service, ok=ok, now=self.model.now)

    @invariant()
    def it_is_as_the_history_says(self) -> None:
        self.told += self.policy.expire(self.model.now)
        level = self.policy.level
        assert level.number == self.model.level
        assert self.policy.truth == self.model.truths[-1][1]
        assert level.since == (self.model.since if self.told else -float("inf"))
        assert self.policy.next_deadline() > self.model.now

    @invariant()
    def it_never_flaps(self) -> None:
        numbers = [0, *(level.number for level in self.told)]
        assert all(before != after for before, after in pairwise(numbers))
        for k in (1, 2, 3, 4):
            flips = [(-1000.0, False)]
            flips += [(each.since, each.number >= k) for each in self.told]
            changes = [flip for before, flip in pairwise(flips) if flip[1] != before[1]]
            for (before_at, _), (after_at, is_on) in pairwise(changes):
                assert after_at - before_at >= (RULES.up_after if is_on else RULES.down_after)


TestDegradation = DegradationMachine.TestCase
TestDegradation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Impatient(Debounce):
    """Planted bug: falls as fast as it rises."""

    def next_deadline(self) -> float:
        if self._signal == self.is_on:
            return float("inf")
        return self._since + self.up_after


class Resetting(Debounce):
    """Planted bug: hearing the same again begins the wait anew."""

    def see(self, signal: bool, now: float) -> None:
        self.advance(now)
        self._signal, self._since = signal, now
        self.advance(now)


class AnyBreaker(module._Service):
    """Planted bug: one open breaker of several takes the service down."""

    @property
    def is_shut(self) -> bool:
        return bool(DOWN_STATES.intersection(self.breakers.values()))


class Trusting(module._Service):
    """Planted bug: parts that are not given up count as well, whatever calls say."""

    @property
    def is_shut(self) -> bool:
        parts = [state for member, state in self.breakers.items() if member]
        return self.breakers.get("") in DOWN_STATES or (bool(parts) and DOWN_STATES.issuperset(parts))


class Deaf(module._Service):
    """Planted bug: burns are not heard."""

    @property
    def is_down(self) -> bool:
        return self.is_shut


class Blurred(Degradation):
    """Planted bug: everything that was due happens at the instant of the look."""

    def expire(self, now: float) -> tuple[DegradationLevel, ...]:
        for service in self._services.values():
            service.burn.expire(now)
        return self._look(now)


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("Debounce", Impatient),
        ("Debounce", Resetting),
        ("_Service", AnyBreaker),
        ("_Service", Trusting),
        ("_Service", Deaf),
        ("Degradation", Blurred),
    ],
)
def test_a_planted_bug_is_found(name: str, planted: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, planted)

    class Planted(DegradationMachine):
        policy_type = module.Degradation

    with pytest.raises(AssertionError):
        unmeasured(run_state_machine_as_test)(
            Planted,
            settings=settings(
                max_examples=300,
                phases=[Phase.generate],
                deadline=None,
                database=None,
                derandomize=True,
                print_blob=False,
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
