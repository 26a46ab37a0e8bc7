"""A ramp beside a naive model that writes everything down; and whatever is settled, lost or doubled, it opens again."""

from __future__ import annotations

import copy
import math

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.policies.cooldown.patience import MOST_PATIENCE
from actors.policies.cooldown.ramp import (
    CALM_SIZE,
    GROWTH,
    HALT,
    QUIET_AFTER,
    STALE_AFTER,
    STALE_SIZE,
    WARY_FOR,
    Outcome,
    Ramp,
)

REQUESTS = 18
SPREAD = 0.6
GAP = SPREAD / REQUESTS
SECONDS = st.sampled_from([0.0, 0.01, 0.04, 0.1, 1 / 3, 0.5, 1.0, 2.0, 5.0, 30.0, 60.0, 600.0])
OUTCOMES = st.sampled_from(["success", "success", "other", "trouble"])


@attrs.define(eq=False)
class Probe:
    """A grant of the present ramp, and what has become of it: None as long as there is no news."""

    granted_at: float
    verdict: bool | None = None


class RampMachine(RuleBasedStateMachine):
    ramp_type: type[Ramp] = Ramp

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ramp = self.ramp_type(REQUESTS, spread=SPREAD)
        self.under_way: list[float] = []
        self.paused_until = self.halted_until = -math.inf
        self.probes: list[Probe] | None = None
        self.first_size = 1
        self.quiet_at = -math.inf
        self.successes: list[float] | None = None  # None: there never was one, nor trouble
        self.last_grant = -math.inf

    # ── the model ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def shut_until(self) -> float:
        return max(self.paused_until, self.halted_until)

    @property
    def is_wary(self) -> bool:
        return self.now < self.shut_until + WARY_FOR

    @property
    def guarded_size(self) -> int | None:
        """With how many it would begin now, if the last success is stale."""
        if self.successes is None or self.now <= max(self.successes, default=-math.inf) + STALE_AFTER:
            return None
        size = STALE_SIZE if self.is_wary else CALM_SIZE
        return size if size < REQUESTS else None

    @property
    def size(self) -> int | None:
        if self.probes is None:
            return self.guarded_size
        return self.first_size + GROWTH * sum(probe.verdict is True for probe in self.probes)

    @property
    def without_news(self) -> list[Probe]:
        return [probe for probe in self.probes or () if probe.verdict is None]

    @property
    def opens_at(self) -> float:
        if self.now < self.shut_until:
            return self.shut_until
        if self.size is None:
            return self.now
        if len(self.without_news) >= self.size:
            return self.without_news[0].granted_at + self.ramp.statistics(self.now).patience
        return max(self.now, self.last_grant + GAP) if self.is_wary else self.now

    def listen(self) -> None:
        """Take silence for good news, and end the ramp where it has grown or been quiet."""
        patience = self.ramp.statistics(self.now).patience
        for probe in self.without_news:
            if self.now >= probe.granted_at + patience:
                self.hear_good_of(probe, probe.granted_at + patience)
        if self.probes is not None and self.now >= max(self.quiet_at, self.shut_until + QUIET_AFTER):
            self.probes = None

    def hear_good_of(self, probe: Probe, at: float) -> None:
        probe.verdict = True
        if self.probes is not None and (self.size or 0) > REQUESTS:
            self.probes = None
            self.succeed(at)

    def succeed(self, at: float) -> None:
        self.successes = [*(self.successes or ()), at]

    def begin(self, size: int) -> None:
        self.probes, self.first_size = [], size

    def begin_anew(self) -> None:
        self.begin(1)
        self.successes = []

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=SECONDS)
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.listen()

    @rule()
    def wait_until_it_opens(self) -> None:
        self.now = max(self.now, self.ramp.opens_at(self.now))
        self.listen()

    @rule(most=st.integers(1, 20))
    def grant(self, most: int) -> None:
        for _ in range(most):
            if self.ramp.opens_at(self.now) > self.now:
                break
            self.ramp.pass_one(self.now)
            assert self.now >= self.shut_until, "a grant while it is shut"
            if self.probes is None and self.guarded_size is not None:
                self.begin(self.guarded_size)
                self.quiet_at = self.now + QUIET_AFTER
            if self.probes is not None:
                assert len(self.without_news) < (self.size or 0), "more grants without news than there may be"
                self.probes.append(Probe(self.now))
                if self.is_wary:
                    self.last_grant = self.now
            self.under_way.append(self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        granted_at = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.ramp.settled(outcome, granted_at=granted_at, now=self.now)
        if outcome == "success":
            self.succeed(self.now)
        if granted_at < self.shut_until:
            return
        if outcome == "trouble":
            self.halted_until = self.now + HALT
            self.begin_anew()
        for probe in self.without_news:
            if probe.granted_at == granted_at:
                probe.verdict = False
                if outcome == "success":
                    self.hear_good_of(probe, self.now)
                break
        self.listen()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(seconds=SECONDS)
    def pause(self, seconds: float) -> None:
        until = self.now + seconds
        self.ramp.pause(until, self.now)
        if until > self.paused_until:
            self.paused_until, self.halted_until = until, -math.inf
            self.begin_anew()

    @rule()
    def halt(self) -> None:
        self.ramp.halt(self.now)
        if self.now >= self.shut_until:
            self.halted_until = self.now + HALT
            self.begin_anew()

    @rule()
    def lift(self) -> None:
        self.ramp.lift(self.now)
        if self.now < self.shut_until:
            self.paused_until, self.halted_until = self.now, -math.inf
            self.begin_anew()

    # ── what holds ──────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def agrees_with_the_model(self) -> None:
        seen = self.ramp.statistics(self.now)
        assert seen.is_active == (self.size is not None)
        assert seen.size == self.size
        assert seen.without_news == len(self.without_news)
        assert seen.opens_at == self.opens_at

    @invariant()
    def looking_changes_nothing(self) -> None:
        assert self.ramp.statistics(self.now) == self.ramp.statistics(self.now)

    @invariant()
    def it_opens_again_if_nothing_ever_is_settled(self) -> None:
        """Grants and never settles: each of the next grants comes in bounded time, and then it is open."""
        ramp, now = copy.deepcopy(self.ramp), self.now
        bound = max(now, self.shut_until)
        for _ in range(REQUESTS):
            bound = max(bound, now) + MOST_PATIENCE
            for _ in range(3):
                now = max(now, ramp.opens_at(now))
            assert ramp.opens_at(now) <= now <= bound, "it stays shut"
            ramp.pass_one(now)
        later = max(now, self.shut_until) + QUIET_AFTER
        assert ramp.opens_at(later) <= later


TestRamp = RampMachine.TestCase
TestRamp.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
