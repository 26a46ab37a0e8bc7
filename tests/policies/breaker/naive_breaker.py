"""A breaker that throws nothing away: it writes down all that happens and reads it from the beginning when asked."""

from __future__ import annotations

import math
from typing import Any

import attrs

from actors.policies.breaker.records import BreakerSnapshot, Outcome, Ticket
from actors.policies.breaker.rules import BreakerRules

HOUR = 3600.0


def wilson(part: int, whole: int) -> float:
    """Return the lower bound as textbooks have it."""
    if whole == 0:
        return 0.0
    share, z = part / whole, 1.96
    centre = share + z * z / (2 * whole)
    spread = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return (centre - spread) / (1 + z * z / whole)


@attrs.define(eq=False)
class Call:
    """One that was let through, and all that became of it."""

    ticket: Ticket
    lease: float
    is_leased: bool = False
    is_watched: bool = False
    entry: Entry | None = None


@attrs.define(eq=False)
class Entry:
    """An outcome that was counted."""

    at: float
    is_failure: bool = False
    is_slow: bool = False


@attrs.define(eq=False)
class NaiveBreaker:
    """The model; its open time is the longest that jitter allows, as with dice that always show the highest."""

    rules: BreakerRules
    asks: bool
    state: str = "closed"
    generation: int = 0
    until: float = -math.inf
    calls: list[Call] = attrs.field(factory=list)  # under way
    admitted: int = 0
    settled: int = 0
    forgotten: int = 0
    threshold: int | None = attrs.field(
        default=attrs.Factory(lambda self: self.rules.consecutive, takes_self=True)
    )
    entries: list[Entry] = attrs.field(factory=list)
    row: int = 0
    learned: list[bool] = attrs.field(factory=list)
    took: list[float] = attrs.field(factory=list)
    probe_given_at: float = -math.inf
    votes: list[bool] = attrs.field(factory=list)
    quiet_at: float = math.inf
    memory: list[tuple[float, str]] = attrs.field(factory=list)
    wish: tuple[float | None] | None = None
    is_health_due: bool = False
    checking_since: float | None = None
    refused: int = 0
    late: int = 0
    opened: int = 0
    would_have_opened: int = 0
    overdue: int = 0
    changes: list[tuple[Any, ...]] = attrs.field(factory=list)

    # ── what is read from the beginning ─────────────────────────────────────────────────────────────────────

    def learn(self, *, is_success: bool) -> None:
        self.learned.append(is_success)
        first = self.rules.consecutive
        if first is None or self.threshold is None or len(self.learned) < 100 or len(self.learned) % 10:
            return
        successes = sum(self.learned[-100:])
        if successes < 70:
            self.threshold = max(min(first, 2), self.threshold - 1)
        elif successes > 95:
            self.threshold = min(max(first, 10), self.threshold + 1)

    def failed_rounds(self, now: float) -> float:
        rules, level, well_since = self.rules, 0.0, None
        steps = math.log(rules.cap / rules.cooldown, rules.multiplier)
        for at, event in [*self.memory, (now, "now")]:
            if well_since is not None:
                level = max(0.0, level - (at - well_since) / rules.decay)
                well_since = at
            match event:
                case "fail":
                    level = min(level + 1, math.ceil(steps))
                case "close":
                    well_since = at
                case "leave":
                    well_since = None
                case "forget":
                    level = 0.0
                case _:
                    pass
        return level

    def open_seconds(self, now: float) -> float:
        rules = self.rules
        grown = rules.cooldown * math.pow(rules.multiplier, self.failed_rounds(now))
        return min(rules.cap, grown) * (1 + rules.jitter)

    def window(self, now: float) -> list[Entry]:
        return [entry for entry in self.entries if now < entry.at + self.rules.window]

    @property
    def usual(self) -> float:
        usual = 0.0
        for number, took in enumerate(self.took):
            usual = took if number == 0 else usual + (took - usual) / 8
        return usual

    @property
    def leased(self) -> list[Call]:
        return [call for call in self.calls if call.is_leased]

    @property
    def free(self) -> int:
        return self.rules.probes - len(self.leased) - len(self.votes)

    def refusal(self, now: float, deadline: float = math.inf) -> tuple[str, float | None] | None:
        match self.state:
            case "isolated":
                return "isolated", None
            case "open" if now < self.until:
                if self.checking_since is None:
                    return "open", self.until
                return "open", min(self.until, max(now + 1.0, self.checking_since + self.usual))
            case "half_open" if self.free == 0:
                return "half_open", min(self.due, max(now + 1.0, self.probe_given_at + self.usual))
            case "open" | "half_open" if deadline <= now:
                return self.state, now
            case _:
                return None

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def watched(self) -> list[Call]:
        return [call for call in self.calls if call.is_watched]

    @property
    def due(self) -> float:
        match self.state:
            case "half_open":
                return min((call.lease for call in self.leased), default=self.quiet_at)
            case "open" if self.rules.recovery == "health":
                return self.until
            case "closed" | "observe_only" if self.rules.slow_after is not None:
                return min(
                    (call.ticket.admitted_at + self.rules.slow_after for call in self.watched),
                    default=math.inf,
                )
            case _:
                return math.inf

    def advance(self, now: float) -> None:
        while self.due <= now:
            self.fall_due(self.due)
        young = [call for call in self.calls if now - call.ticket.admitted_at < HOUR]
        self.forgotten += len(self.calls) - len(young)
        self.calls = young

    def fall_due(self, due: float) -> None:
        if self.state == "open":
            self.is_health_due = True
            self.until = due + self.rules.health_every
        elif self.state == "half_open" and not self.leased:
            self.enter("open", due, due)
        elif self.state == "half_open":
            late = min(self.leased, key=lambda call: call.lease)
            late.is_leased = False
            self.overdue += 1
            self.learn(is_success=False)
            self.vote(due, is_success=False)
        else:
            call = min(self.watched, key=lambda call: call.ticket.admitted_at)
            call.is_watched = False
            call.entry = self.count_slow(due)
            self.judge_slow(due)

    # ── states ──────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        self.generation += 1
        self.wish, self.is_health_due, self.checking_since = None, False, None
        for call in self.calls:
            call.is_watched = call.is_leased = False

    def enter(self, state: str, now: float, until: float | None = None) -> None:
        self.begin()
        self.changes.append((now, self.state, state, self.generation, until))
        self.state = state
        self.until = -math.inf if until is None else until
        self.memory.append((now, "close" if state == "closed" else "leave"))
        if state not in ("open", "half_open"):
            self.votes, self.entries, self.row = [], [], 0

    def open(self, now: float, until: float | None) -> None:
        if until is None:
            seconds = self.rules.health_every if self.rules.recovery == "health" else self.open_seconds(now)
            until = now + seconds
        self.opened += 1
        self.votes = []
        self.enter("open", now, until)

    def trip(self, now: float, until: float | None) -> None:
        if self.state == "observe_only":
            self.would_have_opened += 1
            self.until = now + self.open_seconds(now) if until is None else until
            self.entries, self.row = [], 0
            for call in self.calls:
                call.is_watched = False
        elif self.asks:
            named = self.wish[0] if self.wish is not None and until is None else until
            self.wish = (named,)
        else:
            self.open(now, until)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, ticket: Ticket, now: float, deadline: float) -> None:
        rules = self.rules
        if self.state == "open":
            self.enter("half_open", now)
        longest = rules.probe_lease if rules.slow_after is None else min(rules.probe_lease, rules.slow_after)
        call = Call(ticket, min(deadline, now + longest))
        call.is_leased = self.state == "half_open"
        if call.is_leased:
            self.probe_given_at = now
        call.is_watched = rules.slow_after is not None and self.counts(now)
        self.calls.append(call)
        self.admitted += 1

    def counts(self, admitted_at: float) -> bool:
        return self.state == "closed" or (self.state == "observe_only" and admitted_at >= self.until)

    def settle(self, ticket: Ticket, outcome: Outcome, now: float, open_until: float | None) -> None:
        call = next((call for call in self.calls if call.ticket == ticket), None)
        if call is None:
            return
        was_leased = call.is_leased
        self.calls.remove(call)
        self.settled += 1
        named = open_until if open_until is not None and open_until > now else None
        if ticket.generation != self.generation or (ticket.is_probe and not was_leased):
            self.late += 1
            return
        if outcome == "success" and (ticket.is_probe or self.counts(ticket.admitted_at)):
            self.took.append(now - ticket.admitted_at)
        if ticket.is_probe:
            self.settle_probe(outcome, now, named)
        elif self.counts(ticket.admitted_at):
            self.settle_call(call, outcome, now, named)

    def settle_call(self, call: Call, outcome: Outcome, now: float, named: float | None) -> None:
        if outcome == "failure":
            self.row += 1
            if call.entry is None:
                self.learn(is_success=False)
            else:
                self.entries = [entry for entry in self.entries if entry is not call.entry]
            self.entries.append(Entry(now, is_failure=True, is_slow=call.entry is not None))
            if named is None:
                self.judge_failure(now)
        elif call.entry is None and outcome == "slow":
            self.count_slow(now)
            if named is None:
                self.judge_slow(now)
        elif call.entry is None and outcome == "success":
            self.row = 0
            self.learn(is_success=True)
            self.entries.append(Entry(now))
        if named is not None:
            self.trip(now, named)

    def settle_probe(self, outcome: Outcome, now: float, named: float | None) -> None:
        if outcome != "neutral":
            self.learn(is_success=outcome == "success")
        if named is not None:
            if outcome in ("failure", "slow"):
                self.memory.append((now, "fail"))
            self.open(now, named)
        elif outcome == "neutral":
            self.quiet_at = now + self.rules.probe_lease
        else:
            self.vote(now, is_success=outcome == "success")

    def vote(self, now: float, *, is_success: bool) -> None:
        self.votes.append(is_success)
        self.quiet_at = now + self.rules.probe_lease
        if sum(self.votes) >= self.rules.probes_needed:
            self.enter("closed", now)
        elif self.votes.count(False) > self.rules.probes - self.rules.probes_needed:
            self.memory.append((now, "fail"))
            self.open(now, None)

    def count_slow(self, now: float) -> Entry:
        self.learn(is_success=False)
        entry = Entry(now, is_slow=True)
        self.entries.append(entry)
        return entry

    def judge_failure(self, now: float) -> None:
        window = self.window(now)
        failures = sum(entry.is_failure for entry in window)
        if self.threshold is not None and self.row >= self.threshold:
            self.trip(now, None)
        elif self.threshold is not None and self.row >= len(window):
            pass
        elif self.rules.failure_rate is not None and wilson(failures, len(window)) >= self.rules.failure_rate:
            self.trip(now, None)

    def judge_slow(self, now: float) -> None:
        window = self.window(now)
        if wilson(sum(entry.is_slow for entry in window), len(window)) >= self.rules.slow_rate:
            self.trip(now, None)

    # ── by hand, and figures ────────────────────────────────────────────────────────────────────────────────

    def wish_for(self, state: str, now: float) -> None:
        if self.state not in ("isolated", state):
            self.enter(state, now)

    def release(self, now: float) -> None:
        if self.state in ("isolated", "disabled", "observe_only"):
            self.enter("closed", now)

    def reset(self, now: float) -> None:
        self.entries, self.row, self.learned, self.threshold = [], 0, [], self.rules.consecutive
        self.took = []
        self.memory.append((now, "forget"))
        if self.state in ("open", "half_open"):
            self.enter("closed", now)
        else:
            self.begin()
            self.until = -math.inf

    def allow(self, now: float) -> None:
        wish, self.wish = self.wish, None
        if wish is not None and (wish[0] is None or wish[0] > now):
            self.open(now, wish[0])

    def deny(self) -> None:
        self.would_have_opened += self.wish is not None
        self.wish = None

    def health(self, *, ok: bool, now: float, generation: int | None) -> None:
        if (
            self.state != "open"
            or self.rules.recovery != "health"
            or generation not in (None, self.generation)
        ):
            self.late += 1
            return
        self.checking_since = None
        if ok:
            self.enter("closed", now)

    def snapshot(self, now: float) -> BreakerSnapshot:
        window, refusal = self.window(now), self.refusal(now)
        count = len(window)
        return BreakerSnapshot(
            state=self.state,  # type: ignore[arg-type]  # the model knows its states as text
            generation=self.generation,
            retry_at=None if refusal is None else refusal[1],
            failures_in_row=self.row,
            threshold=self.threshold,
            calls=count,
            failure_rate=sum(entry.is_failure for entry in window) / count if count else 0.0,
            slow_rate=sum(entry.is_slow for entry in window) / count if count else 0.0,
            in_flight=len(self.calls),
            probes=len(self.leased),
            failed_probes=self.failed_rounds(now),
            admitted=self.admitted,
            refused=self.refused,
            late=self.late,
            opened=self.opened,
            would_have_opened=self.would_have_opened,
            settled=self.settled,
            forgotten=self.forgotten,
            overdue=self.overdue,
        )
