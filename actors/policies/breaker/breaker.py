"""When calls to a service are let through, and when they are refused at once because they would fail.

Theory of operation. A breaker sees every call twice: when it asks to be let through, and when it is over. From what it
sees it concludes whether the service is well, and while it is not, it refuses, so that callers lose no time and the
service is left in peace.

    closed ──tripped, or an instant was named──> open ──its time is over and somebody asks──> half_open
      ^                                           ^                                             │  │
      │                                           └───── ill, or adjourned, or named again ─────┘  │
      ├──────────────────────────────── well ──────────────────────────────────────────────────────┘
      └──── open, where a health check says "well" ────

    any ──isolate──> isolated         any but isolated ──disable──> disabled, ──observe──> observe_only
    isolated, disabled, observe_only ──release──> closed               open, half_open ──reset──> closed

*States.* `closed`: all pass and are counted (`tripwire`). `open`: nobody passes before an instant. `half_open`: probes
pass (`probes`). `isolated`: nobody passes until somebody lifts it by hand. `disabled`: all pass, nothing is counted.
`observe_only`: all pass and are counted, and it counts how often it would have opened. The last three are wishes of
people, so nothing but `release` ends them: a `reset` forgets the figures and leaves the wish, and who isolated a
service is not overruled by somebody who disables all breakers.

*Tickets and generations.* Whoever passes holds a ticket until the call is over. Every state is a generation, and so is
what begins with a `reset`. A result with a ticket of an older generation is late: it is counted as late and changes
nothing. A success that was sent before the outage does not close, and a timeout of the outage does not open again.

*Outcomes.* `success`, `failure`, `slow`, and `neutral` for what tells nothing of the service: a 429, a caller that went
away or made a mistake. Neutral counts nowhere and gives a probe back. A slow probe is no success, so it failed.

*Time.* What falls due (a lease, a call that becomes slow, a health check) falls due at its own instant. Every verb
first makes up for what has fallen due since the last, in order, so that a breaker that is looked at seldom does not
differ from one that is looked at often; `expire` at `next_deadline` does nothing else. A call that has taken
`slow_after` seconds is counted as slow there and then, and not again when it ends; if it ends as a failure it is one
call still, slow and failed.

*Opening* asks for nobody's leave, unless the breaker `asks_to_open`: then it only wants to, and stays closed until
`allow_open`, or `deny_open`, after which it wants again at the next failure. It is for a guard who sees to it that not
all services of a role are out at once. A breaker that is half-open has had its leave.

*What cannot happen.*
- It never stays half-open. It becomes half-open only when a probe is given; every probe has a lease; the end of a lease
  is a failure; and a round in which nothing happens is adjourned after one more lease: the breaker is open again, its
  time is over, and the next who asks is a probe of the same round. So there is always a deadline, and no input at all,
  but for the passing of time, leads out.
- There are never more probes out than the rules say, however many ask at the same instant.
- It never refuses without an instant from which asking again makes sense, unless it is isolated. While its probes are
  out, or a health check is, that is when they are expected back, by what calls usually take, and not the end of their
  leases or the next check: whoever comes then may be told to come once more, but nobody stays away for a minute from a
  service that is well after a second.
- No ticket counts twice; `admitted == settled + forgotten + in_flight` at every instant.
"""

from __future__ import annotations

import math
import random
from typing import Final, assert_never

import attrs

from actors.policies.breaker.generations import Generations
from actors.policies.breaker.open_time import OpenTime
from actors.policies.breaker.probes import SOON, ProbeRound
from actors.policies.breaker.records import (
    OUTCOMES,
    BreakerChange,
    BreakerSnapshot,
    BreakerState,
    Outcome,
    Refused,
    Ticket,
)
from actors.policies.breaker.rules import BreakerRules
from actors.policies.breaker.tickets import Tickets
from actors.policies.breaker.tripwire import Tripwire
from actors.policies.breaker.usual_time import UsualTime
from actors.policies.instants import check_instant

BY_HAND: Final[frozenset[BreakerState]] = frozenset({"isolated", "disabled", "observe_only"})
"""States that people wish for, and that nothing but `release` ends."""


@attrs.frozen
class _Wish:
    """What a breaker that asks for leave would do: why, and until when where somebody named an instant."""

    reason: str
    until: float | None


@attrs.define(eq=False)
class Breaker:
    """A fuse that mends itself: it blows when the current is dangerous, and tries with a trickle whether it still is.

    It is told what happens and says what is to be done. It calls nobody, knows no service, and limits no rate.
    All instants are seconds on one clock that never runs backwards.

    Args:
        rules: the numbers.
        rng: the dice for the open time.
        asks_to_open: whether it opens only with leave.
    """

    rules: BreakerRules
    _rng: random.Random
    _asks_to_open: bool = attrs.field(default=False, kw_only=True, alias="asks_to_open")
    _generations: Generations = attrs.field(factory=Generations, init=False)
    # Open: until then, or until the next health check. Observing: calls before it would have been refused.
    _until: float = attrs.field(default=-math.inf, init=False)
    _wish: _Wish | None = attrs.field(default=None, init=False)
    _is_health_due: bool = attrs.field(default=False, init=False)
    _checking_since: float | None = attrs.field(default=None, init=False)
    _tickets: Tickets = attrs.field(factory=Tickets, init=False)
    _tripwire: Tripwire = attrs.field(init=False)
    _round: ProbeRound = attrs.field(init=False)
    _open_time: OpenTime = attrs.field(init=False)
    _usual: UsualTime = attrs.field(factory=UsualTime, init=False)
    _refused: int = attrs.field(default=0, init=False)
    _late: int = attrs.field(default=0, init=False)
    _opened: int = attrs.field(default=0, init=False)
    _would_have_opened: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._tripwire = Tripwire(self.rules)
        self._round = ProbeRound(self.rules)
        self._open_time = OpenTime(self.rules, self._rng)

    @property
    def state(self) -> BreakerState:
        """The state it is in."""
        return self._generations.state

    @property
    def generation(self) -> int:
        """How many states it has gone through."""
        return self._generations.number

    # ── calls ───────────────────────────────────────────────────────────────────────────────────────────────

    def check(self, now: float) -> Refused | None:
        """Return why a call would be refused, or None; nothing is taken, so `admit` may refuse a moment later."""
        self._advance(now)
        refused = self._refusal(now, math.inf)
        self._refused += refused is not None
        return refused

    def admit(self, now: float, *, deadline: float = math.inf) -> Ticket | Refused:
        """Let a call through, or refuse it.

        Args:
            now: the present.
            deadline: instant at which the caller gives up. A probe that is not back by then has failed; a caller who
                has no time left gets none.

        Returns:
            A ticket, which is to be settled once, whatever becomes of the call; or why not.
        """
        self._advance(now)
        refused = self._refusal(now, deadline)
        if refused is not None:
            self._refused += 1
            return refused
        if self.state == "open":
            self._enter("half_open", now, "its time is over")
        is_probe = self.state == "half_open"
        ticket = self._tickets.give(self.generation, now, is_probe=is_probe)
        if is_probe:
            self._round.give(ticket, deadline, now)
        elif self._counts(ticket):
            self._tripwire.watch(ticket)
        return ticket

    def settle(
        self, ticket: Ticket, outcome: Outcome, now: float, *, open_until: float | None = None
    ) -> BreakerChange | None:
        """Take in what became of a call. A ticket that was settled before, or is not ours, changes nothing.

        Args:
            ticket: the call's.
            outcome: what it says of the service. A success that took `slow_after` seconds or longer is slow.
            now: the present.
            open_until: instant before which no call will succeed, where the service named one: the breaker opens until
                then, whatever the outcome and without the rule on how many. One that has passed says nothing.

        Returns:
            The change that it led to, or None.

        Raises:
            TypeError, ValueError: there is no such outcome, or `open_until` is no finite instant; nothing is changed.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
        if open_until is not None:
            check_instant("open_until", open_until, earliest=-math.inf)
        self._advance(now)
        if not self._tickets.take_back(ticket):
            return None
        if ticket.generation != self.generation:
            self._late += 1
            return None
        named = open_until if open_until is not None and open_until > now else None
        if ticket.is_probe:
            return self._settle_probe(ticket, outcome, named, now)
        return self._settle_call(ticket, outcome, named, now)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    def expire(self, now: float) -> tuple[BreakerChange, ...]:
        """Let what is due fall due, and return the changes that it led to, oldest first."""
        return tuple(self._advance(now))

    def next_deadline(self, now: float) -> float:
        """The first instant at which something falls due; infinity where nothing will by itself.

        After `expire(now)` it lies ahead of `now`.
        """
        del now
        match self.state:
            case "half_open":
                return self._round.next_end
            case "open" if self.rules.recovery == "health":
                return self._until
            case "closed" | "observe_only":
                return self._tripwire.next_slow_at
            case "open" | "isolated" | "disabled":
                return math.inf
            case _:
                assert_never(self.state)

    def take_changes(self) -> tuple[BreakerChange, ...]:
        """Return every change since it was asked last, oldest first: those that verbs have returned, and the others.

        To become half-open, for one, is a change that no verb returns. Whoever runs a breaker takes the changes after
        each verb and nowhere else, and so learns each of them once and in order.
        """
        return self._generations.take_changes()

    # ── health checks ───────────────────────────────────────────────────────────────────────────────────────

    def health_due(self, now: float) -> bool:
        """Whether a health check is to be made now; once for each that is due, so that nobody makes it twice."""
        self._advance(now)
        is_due, self._is_health_due = self._is_health_due, False
        if is_due:
            self._checking_since = now
        return is_due

    def health(self, ok: bool, now: float, *, generation: int | None = None) -> BreakerChange | None:
        """Take in a health check, which should go the way that calls go: closed it is if that was well.

        Args:
            ok: whether it was.
            now: the present.
            generation: the breaker's when the check began; one of an older generation is late and changes nothing.
        """
        self._advance(now)
        is_ours = self.state == "open" and self.rules.recovery == "health"
        if not is_ours or generation not in (None, self.generation):
            self._late += 1
            return None
        self._checking_since = None
        return self._close(now, "a health check succeeded") if ok else None

    # ── leave to open ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def wants_to_open(self) -> bool:
        """Whether it waits for leave to open."""
        return self._wish is not None

    def allow_open(self, now: float) -> BreakerChange | None:
        """Open, if it still wants to."""
        self._advance(now)
        wish, self._wish = self._wish, None
        if wish is None or (wish.until is not None and wish.until <= now):
            return None
        return self._open(now, wish.reason, wish.until)

    def deny_open(self, now: float) -> None:
        """Stay closed, if it wanted to open; it will want to again at the next failure."""
        self._advance(now)
        self._would_have_opened += self._wish is not None
        self._wish = None

    # ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────

    def isolate(self, now: float) -> BreakerChange | None:
        """Let nobody through until `release`."""
        self._advance(now)
        return None if self.state == "isolated" else self._enter("isolated", now, "isolated by hand")

    def disable(self, now: float) -> BreakerChange | None:
        """Let everybody through and count nothing until `release`; nothing happens while it is isolated."""
        self._advance(now)
        is_moot = self.state in ("isolated", "disabled")
        return None if is_moot else self._enter("disabled", now, "disabled by hand")

    def observe(self, now: float) -> BreakerChange | None:
        """Let everybody through and count when it would open, until `release`; nothing happens while it is isolated."""
        self._advance(now)
        is_moot = self.state in ("isolated", "observe_only")
        return None if is_moot else self._enter("observe_only", now, "only observing, by hand")

    def release(self, now: float) -> BreakerChange | None:
        """Close what was isolated, disabled or only observing; a breaker that opened by itself is for `reset`."""
        self._advance(now)
        return self._close(now, "released by hand") if self.state in BY_HAND else None

    def reset(self, now: float) -> BreakerChange | None:
        """Forget everything but a wish of people: results that are to come, too. What is open or half-open closes."""
        self._advance(now)
        self._tripwire.reset()
        self._usual.clear()
        self._open_time.clear()
        if self.state in ("open", "half_open"):
            return self._close(now, "reset by hand")
        self._until = -math.inf
        self._generations.begin()
        self._drop_what_is_pending()
        return None

    # ── figures ─────────────────────────────────────────────────────────────────────────────────────────────

    def snapshot(self, now: float) -> BreakerSnapshot:
        """Return where it stands."""
        self._advance(now)
        window = self._tripwire.window
        window.expire(now)
        refused = self._refusal(now, math.inf)
        return BreakerSnapshot(
            state=self.state,
            generation=self.generation,
            retry_at=None if refused is None else refused.retry_at,
            failures_in_row=self._tripwire.row,
            threshold=self._tripwire.threshold,
            calls=window.calls,
            failure_rate=window.failure_rate,
            slow_rate=window.slow_rate,
            in_flight=self._tickets.out,
            probes=self._round.out,
            failed_probes=self._open_time.failed(now),
            admitted=self._tickets.given,
            refused=self._refused,
            late=self._late,
            opened=self._opened,
            would_have_opened=self._would_have_opened,
            settled=self._tickets.settled,
            forgotten=self._tickets.forgotten,
            overdue=self._round.overdue,
        )

    # ── what follows from what ──────────────────────────────────────────────────────────────────────────────

    def _refusal(self, now: float, deadline: float) -> Refused | None:
        if self.state == "isolated":
            return Refused("isolated", None)
        if self.state == "open" and now < self._until:
            return Refused("open", self._open_until(now))
        if self.state == "half_open" and self._round.free == 0:
            return Refused("half_open", self._round.expected_back(now, self._usual.seconds))
        is_hopeless = self.state in ("open", "half_open") and not deadline > now
        return Refused(self.state, now) if is_hopeless else None

    def _open_until(self, now: float) -> float:
        """Return when asking again makes sense: when a check that is out is expected back, or at the next."""
        if self._checking_since is None:
            return self._until
        return min(self._until, max(now + SOON, self._checking_since + self._usual.seconds))

    def _counts(self, ticket: Ticket) -> bool:
        match self.state:
            case "closed":
                return True
            case "observe_only":
                return ticket.admitted_at >= self._until
            case _:
                return False

    def _settle_call(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        if not self._counts(ticket):
            return None
        self._learn_time(ticket, outcome, now)
        reason = self._tripwire.settle(ticket, outcome, now)
        if named is not None:
            return self._trip(now, "the service named an instant", named)
        return None if reason is None else self._trip(now, reason)

    def _settle_probe(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        is_success = None if outcome == "neutral" else outcome == "success"
        if not self._round.give_back(ticket, now, is_success=is_success):
            self._late += 1
            return None
        self._learn_time(ticket, outcome, now)
        if is_success is not None:
            self._tripwire.learn(is_success=is_success)
        if named is not None:
            return self._fail_round(
                now, "the service named an instant", named, is_failure=is_success is False
            )
        return self._judge(now, "a probe failed")

    def _learn_time(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        if outcome == "success":
            self._usual.learn(now - ticket.admitted_at)

    def _judge(self, now: float, failure: str) -> BreakerChange | None:
        match self._round.verdict:
            case "well":
                return self._close(now, f"{self._round.successes} of {self.rules.probes} probes succeeded")
            case "ill":
                return self._fail_round(now, failure)
            case None:
                return None
            case _:
                assert_never(self._round.verdict)

    def _fail_round(
        self, now: float, reason: str, until: float | None = None, *, is_failure: bool = True
    ) -> BreakerChange:
        if is_failure:
            self._open_time.fail()
        return self._open(now, reason, until)

    def _trip(self, now: float, reason: str, until: float | None = None) -> BreakerChange | None:
        if self.state == "observe_only":
            self._would_have_opened += 1
            self._until = now + self._open_time.draw(now) if until is None else until
            self._tripwire.clear()
            return None
        if self._asks_to_open:
            named = self._wish.until if self._wish is not None and until is None else until
            self._wish = _Wish(reason, named)
            return None
        return self._open(now, reason, until)

    def _open(self, now: float, reason: str, until: float | None) -> BreakerChange:
        if until is None:
            is_checked = self.rules.recovery == "health"
            until = now + (self.rules.health_every if is_checked else self._open_time.draw(now))
        self._opened += 1
        self._round.clear()
        return self._enter("open", now, reason, until)

    def _close(self, now: float, reason: str) -> BreakerChange:
        change = self._enter("closed", now, reason)
        self._open_time.close(now)
        return change

    def _enter(
        self, state: BreakerState, now: float, reason: str, until: float | None = None
    ) -> BreakerChange:
        change = self._generations.enter(state, now, reason, until)
        self._drop_what_is_pending()
        self._until = -math.inf if until is None else until
        self._open_time.open(now)
        if state not in ("open", "half_open"):
            self._round.clear()
            self._tripwire.clear()
        return change

    def _drop_what_is_pending(self) -> None:
        self._tripwire.turn_away()
        self._wish, self._is_health_due, self._checking_since = None, False, None

    # ── what falls due ──────────────────────────────────────────────────────────────────────────────────────

    def _advance(self, now: float) -> list[BreakerChange]:
        changes: list[BreakerChange] = []
        while (due := self.next_deadline(now)) <= now:
            change = self._fall_due(due, now)
            if change is not None:
                changes.append(change)
        for lost in self._tickets.forget_lost(now):
            self._tripwire.give_up(lost)
        return changes

    def _fall_due(self, due: float, now: float) -> BreakerChange | None:
        if self.state == "open":
            self._is_health_due = True
            rounds = math.floor((now - due) / self.rules.health_every) + 1
            self._until = max(due + rounds * self.rules.health_every, math.nextafter(now, math.inf))
            return None
        if self.state != "half_open":
            reason = self._tripwire.slow_down(due)
            return None if reason is None else self._trip(due, reason)
        if not self._round.out:
            return self._enter("open", due, "its probes told too little", due)
        self._round.end_lease(due)
        self._tripwire.learn(is_success=False)
        return self._judge(due, "a probe was not back in time")
