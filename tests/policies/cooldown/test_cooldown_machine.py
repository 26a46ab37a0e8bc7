"""A cooldown beside a naive model that keeps everything it has ever heard and computes everything anew."""

from __future__ import annotations

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.policies.cooldown.cooldown import CooldownPolicy
from actors.policies.cooldown.records import Pause, Trouble, TroubleKind
from actors.policies.cooldown.rules import CooldownRules

# Small numbers, and all of them halves, so that sums are exact and every ladder is climbed.
RULES = CooldownRules(
    short_pause=1.0, window=20.0, often=3, long_pauses=(4.0, 8.0, 16.0), overload_pauses=(0.5, 1.0, 2.0)
)
HALVES = st.integers(0, 30).map(lambda count: count / 2)


@attrs.frozen
class Stretch:
    """A time that one ladder has asked for."""

    begin: float
    end: float


@attrs.define(eq=False)
class Model:
    """The whole history; nothing is ever thrown away but by `clear`."""

    cleared_at: float = -1000.0
    rate: list[Stretch] = attrs.field(factory=list)
    incidents: list[float] = attrs.field(factory=list)
    overload: list[Stretch] = attrs.field(factory=list)
    row: int = 0
    other: list[Stretch] = attrs.field(factory=list)

    def end_of(self, stretches: list[Stretch]) -> float:
        return max((stretch.end for stretch in stretches), default=self.cleared_at)

    @property
    def until(self) -> float:
        return max(self.end_of(self.rate), self.end_of(self.overload), self.end_of(self.other))

    def open_time(self, begin: float, end: float) -> float:
        """Count the half seconds between two instants that lie in no pause for rate."""
        halves = range(int(begin * 2), int(end * 2))
        return sum(0.5 for half in halves if not any(each.begin <= half / 2 < each.end for each in self.rate))

    def counted(self, now: float) -> int:
        return sum(self.open_time(incident, now) < RULES.window for incident in self.incidents)

    def hear(self, trouble: Trouble, now: float) -> None:
        named = trouble.retry_after or 0.0
        sent_at = now if trouble.sent_at is None else trouble.sent_at
        match trouble.kind:
            case "spend_cap":
                return
            case "daily_quota":
                self.other.append(Stretch(now, now + (named or 16.0)))
            case "overloaded":
                if now >= self.end_of(self.overload) + RULES.window:
                    self.row = 0
                is_new = sent_at >= self.end_of(self.overload)
                self.row += is_new
                rung = [0.5, 1.0, 2.0][min(self.row, 3) - 1] if is_new else 0.0
                self._pause(self.overload, now, named or rung)
            case _:
                rung = 0.0
                if sent_at >= self.end_of(self.rate):
                    self.incidents.append(now)
                    frequency = self.counted(now)
                    rung = [0.0, 0.0, 0.0, 4.0, 8.0, 16.0][min(frequency, 5)]
                    rung = max(rung, named) or 1.0
                self._pause(self.rate, now, max(rung, named))

    def _pause(self, ladder: list[Stretch], now: float, seconds: float) -> None:
        """Note what a ladder asks for; what asks for nothing is the end of nothing."""
        if seconds:
            ladder.append(Stretch(now, now + seconds))


class CooldownMachine(RuleBasedStateMachine):
    policy_type: type[CooldownPolicy] = CooldownPolicy

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.policy = self.policy_type(RULES)
        self.model = Model()
        self.latest = -1000.0

    @rule(seconds=HALVES)
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def wait_until_clear(self) -> None:
        self.now = max(self.now, self.model.until)

    @rule(
        kind=st.sampled_from(
            ["rate", "rate", "rate", "acceleration", "overloaded", "overloaded", "daily_quota", "spend_cap"]
        ),
        named=st.sampled_from([None, None, None, 0.0, 0.5, 3.0, 6.0, 20.0]),
        age=st.one_of(st.none(), st.just(0.0), HALVES),
    )
    def hear(self, kind: TroubleKind, named: float | None, age: float | None) -> None:
        trouble = Trouble(kind, named, None if age is None else self.now - age)
        self.model.hear(trouble, self.now)
        pause = self.policy.hear(trouble, self.now)
        assert pause.until == max(self.model.until, self.now)

    @rule(age=st.one_of(st.none(), HALVES))
    def succeed(self, age: float | None) -> None:
        sent_at = None if age is None else self.now - age
        self.policy.succeeded(self.now, sent_at)
        if (self.now if sent_at is None else sent_at) >= self.model.end_of(self.model.overload):
            self.model.row = 0

    @rule()
    def clear(self) -> None:
        assert self.policy.clear(self.now) == Pause(self.now, 0, "cleared")
        self.model = Model(cleared_at=self.now)
        self.latest = -1000.0

    @invariant()
    def agrees_with_the_model(self) -> None:
        seen = self.policy.statistics(self.now)
        assert self.policy.is_clear(self.now) == (self.now >= self.model.until)
        assert seen.remaining == max(0.0, self.model.until - self.now)
        assert min(seen.incidents, 5) == min(self.model.counted(self.now), 5)

    @invariant()
    def never_shortens(self) -> None:
        pause = self.policy.pause
        if pause is not None:
            assert pause.until >= self.latest
            self.latest = pause.until


TestCooldown = CooldownMachine.TestCase
TestCooldown.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
