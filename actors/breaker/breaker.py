"""The breaker of one endpoint: an actor that lets calls through while the service is well, and refuses them while not.

It runs a `policies.breaker.Breaker`, which decides; here are the clock, the health check, the role's board and whoever
wants to hear of changes. It is the porter of a house, not its doctor: it turns callers away while the house is shut,
lets a few in to see whether it is open again, and knows no more of the house than they come back with.

    admit ──> Ticket ──> settle(success | failure | slow | neutral)
      └──> BreakerOpen, at once, with the instant from which asking again makes sense: the end of the open time, or
           when a trial call that is out is expected back

A caller that leaves between its question and the answer never held the ticket: it is taken back, as neutral. One that
vanishes later loses its permit when the lease ends, so that no breaker stays half-open. `breaking.pass_breaker` sees to
all of it.

**Health checks.** Where the rules say so, an open breaker asks nobody's call to try: every `rules.health_every` seconds
it runs `check`, beside its messages, and closes when one returns. A check is a call of the kind that is guarded, to the
end: one that only knocks at the door closes a breaker whose calls still fail. One that takes longer than the time to
the next, or than a probe's lease, is cut and has failed.

**A role's board** (`board`) is asked before it opens, by a message; calls go on until the answer comes. Silence
for a second counts as a refusal, and a board that has ended for good is not asked any more.

**By hand.** `isolate`, `disable` and `observe` hold until `release`, whatever calls and checks come back with.

**Over a crash.** Where its slot keeps state, or where it was given its `memory`, everything goes on: state, generation,
window, open time and what was set by hand. Tickets stay good: a probe that was out before decides after. A health check
that was under way is made again when the next is due. Where nothing is kept it begins closed, and a ticket of another
life changes nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable

import attrs
import trio
from structlog.typing import FilteringBoundLogger

from actors.breaker.arguments import check_arguments
from actors.breaker.board import BreakerBoard
from actors.breaker.memory import BreakerMemory
from actors.breaker.news import BreakerNews, OnChange
from actors.errors import BreakerOpen
from actors.kernel import Actor, Delivery, Ref, op
from actors.policies.breaker.outcomes import outcome_of
from actors.policies.breaker.records import BreakerSnapshot, Outcome, Refused, Ticket
from actors.policies.breaker.rules import BreakerRules
from actors.policies.instants import check_instant, check_number
from actors.telemetry import silent_log

ASK_AGAIN = 1.0
"""Seconds after which a board that has not answered is taken to have refused. It answers at once; only one that lost
its messages in a crash does not."""

HealthCheck = Callable[[], Awaitable[object]]
"""Uses the service as a call does, and raises if that fails. What it returns is not looked at."""


class Breaker(Actor):
    """Lets calls to one endpoint through, or refuses them at once because they would fail.

    Give its `ChildSpec` `keep_state=True`, and a crash costs nothing but the restart; `supervisors.breakers` does, and
    makes one for each endpoint.

    Args:
        rules: when it opens, and how it closes again.
        service: its name in errors and logs, such as "anthropic/claude-opus-4-8".
        seed: decides the jitter of open times, together with the name.
        log: is told of all changes; None for silence.
        on_change: called with the name and each change; one that raises is logged, and told again the next time.
        board: is asked before it opens; None to open whenever the rules say so.
        role: what the endpoint can stand in for, for the board.
        check: uses the service as a call does; for rules that recover by health checks, and only for those.
        memory: what an incarnation of it knew before; None to begin anew.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: `service` is empty or would not print on one line, or rules and check do not go together.
    """

    def __init__(
        self,
        rules: BreakerRules,
        *,
        service: str,
        seed: object = 0,
        log: FilteringBoundLogger | None = None,
        on_change: OnChange | None = None,
        board: Ref[BreakerBoard] | None = None,
        role: str = "",
        check: HealthCheck | None = None,
        memory: BreakerMemory | None = None,
    ) -> None:
        check_arguments(rules, service, board, role, on_change=on_change, check=check)
        if memory is not None and type(memory) is not BreakerMemory:
            raise TypeError(f"memory must be a BreakerMemory or None, got {type(memory).__name__}")
        self._rules, self._service, self._seed = rules, service, seed
        self._news = BreakerNews(service, silent_log() if log is None else log, on_change)
        self._board, self._role = board, role
        self._check = check
        self._is_checking = False
        self._memory = BreakerMemory() if memory is None else memory

    async def setup(self) -> None:
        """Begin, or go on, and tell the board of it."""
        self._policy = self._memory.policy_by(
            self._rules,
            lambda: random.Random(f"{self._seed}/breaker/{self._service}"),
            asks_to_open=self._board is not None,
            now=self.now(),
        )
        self._memory.asked_at = None  # the answer may have been lost
        self._tell_board()
        self._carry_out()

    def hand_over(self) -> BreakerMemory:
        """Hand on all that is known."""
        return self._memory

    def take_over(self, state: object) -> None:
        """Go on with what the last incarnation knew; under other rules only with what was set by hand.

        Raises:
            TypeError: `state` is no `BreakerMemory`.
        """
        if type(state) is not BreakerMemory:
            raise TypeError(f"state must be a BreakerMemory, got {type(state).__name__}")
        self._memory = state

    def next_deadline(self) -> float:
        """Return when a lease ends, a call becomes slow, or a health check is due."""
        return self._policy.next_deadline(self.now())

    def on_deadline(self) -> None:
        """Let fall due what is."""
        self._policy.expire(self.now())
        self._carry_out()

    # calls

    def _take_back(self, ticket: Ticket) -> None:
        """Undo an admission whose asker had gone: no call was made."""
        self._policy.settle(ticket, "neutral", self.now())
        self._carry_out()

    @op(raises=(BreakerOpen, TypeError, ValueError), undo=_take_back, idempotent=True)
    def admit(self, deadline: float = math.inf) -> Ticket:
        """Let one call through. Whoever gets a ticket settles it, whatever becomes of the call.

        Args:
            deadline: instant on the Trio clock by which a trial call is back or has failed.

        Raises:
            BreakerOpen: it lets none through now.
            TypeError, ValueError: `deadline` is no instant.
        """
        check_number("deadline", deadline)
        now = self.now()
        decision = self._policy.admit(now, deadline=deadline)
        self._carry_out()
        if isinstance(decision, Refused):
            raise self._news.refusal(decision, now)
        return decision

    @op(raises=(BreakerOpen,), idempotent=True)
    def check(self) -> None:
        """Return if a call would be let through now. Nothing is held, so `admit` may refuse a moment later.

        Raises:
            BreakerOpen: none would.
        """
        now = self.now()
        refused = self._policy.check(now)
        self._carry_out()
        if refused is not None:
            raise self._news.refusal(refused, now)

    @op(raises=(TypeError, ValueError), idempotent=True)
    def settle(
        self, ticket: Ticket, outcome: Outcome, *, open_until: float | None = None, took: float | None = None
    ) -> None:
        """Take in how a call went. Settling twice, or with a ticket that is not out, changes nothing.

        Args:
            ticket: what `admit` gave.
            outcome: what the call says of the service.
            open_until: instant before which no call will succeed, where the service named one: it opens until then.
            took: seconds the call took, where that is known better than by the ticket: a success that took as long as
                the rules call slow is slow.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind or out of its bounds.
        """
        if type(ticket) is not Ticket:
            raise TypeError(f"ticket must be a Ticket, got {type(ticket).__name__}")
        if took is not None:
            check_instant("took", took, earliest=0.0)
            if outcome == "success":
                outcome = outcome_of(None, took, slow_after=self._rules.slow_after)
        self._policy.settle(ticket, outcome, self.now(), open_until=open_until)
        self._carry_out()

    # by hand

    @op(idempotent=True)
    def isolate(self) -> None:
        """Let nobody through until `release`. It holds over crashes wherever state is kept."""
        self._policy.isolate(self.now())
        self._carry_out()

    @op(idempotent=True)
    def disable(self) -> None:
        """Let everybody through and count nothing, until `release`; an isolated one stays isolated."""
        self._policy.disable(self.now())
        self._carry_out()

    @op(idempotent=True)
    def observe(self) -> None:
        """Let everybody through and count when it would have opened, until `release`; not if it is isolated."""
        self._policy.observe(self.now())
        self._carry_out()

    @op(idempotent=True)
    def release(self) -> None:
        """Lift what was set by hand, and begin closed. One that opened by itself stays open: that is for `reset`."""
        self._policy.release(self.now())
        self._carry_out()

    @op(idempotent=True)
    def reset(self) -> None:
        """Forget what was counted and close, unless it was set otherwise by hand; tickets that are out come late."""
        self._policy.reset(self.now())
        self._carry_out()

    @op(idempotent=True)
    def snapshot(self) -> BreakerSnapshot:
        """Return where it stands."""
        snapshot = self._policy.snapshot(self.now())
        self._carry_out()
        return snapshot

    # what others have found out

    @op(idempotent=True)
    def hear_board(self, is_allowed: bool) -> None:
        """Take in whether it may open. Leave that it does not want any more it gives back."""
        self._memory.asked_at = None
        if not is_allowed:
            if self._policy.wants_to_open:
                self._news.denied(self._role)
            self._policy.deny_open(self.now())
        elif self._policy.allow_open(self.now()) is None:
            self._tell_board()
        self._carry_out()

    @op(idempotent=True)
    def hear_check(self, is_well: bool, generation: int) -> None:
        """Take in what a health check found; one that began before the last change changes nothing."""
        self._policy.health(is_well, self.now(), generation=generation)
        self._carry_out()

    # what follows

    def _carry_out(self) -> None:
        """Do what the policy has decided since the last time: tell of changes, ask for leave, begin a check."""
        for change in self._policy.take_changes():
            self._tell_board()
            self._news.tell(change)
        if self._policy.wants_to_open:
            self._ask_to_open()
        # One that cannot be cut is not run twice at a time; what is due meanwhile is due still when it has ended.
        if self._check is not None and not self._is_checking and self._policy.health_due(self.now()):
            self._is_checking = True
            self.start_soon(self._run_check, self._check, self._policy.generation)

    def _tell_board(self) -> None:
        if self._board is not None:
            note = BreakerBoard.note(self._role, self._service, self.ref, self._policy.state)
            self._board.tell_regardless(note)

    def _ask_to_open(self) -> None:
        """Ask the board for leave, once; it goes without where there is no board any more."""
        now, asked_at = self.now(), self._memory.asked_at
        if asked_at is None and self._board is not None:
            self._memory.asked_at = now
            answer = LeaveTeller(self.ref)
            question = BreakerBoard.may_open(self._role, self._service, self.ref, answer)
            if self._board.tell_regardless(question) is Delivery.UNDELIVERED:
                answer(True)
        elif asked_at is not None and now - asked_at >= ASK_AGAIN:
            self._memory.asked_at = None
            self._policy.deny_open(now)

    async def _run_check(self, check: HealthCheck, generation: int) -> None:
        error: Exception | None = None
        with trio.move_on_after(min(self._rules.health_every, self._rules.probe_lease)) as scope:
            try:
                await check()
            except Exception as raised:  # noqa: BLE001  # whatever it raises, the service is not well
                error = raised
        self._is_checking = False
        is_well = error is None and not scope.cancelled_caught
        if not is_well:
            self._news.check_failed(error)
        self.after(0, Breaker.hear_check(is_well, generation))


@attrs.frozen
class LeaveTeller:
    """Passes the board's word on to a breaker."""

    breaker: Ref[Breaker]

    def __call__(self, is_allowed: bool) -> None:
        """Tell it."""
        self.breaker.tell_regardless(Breaker.hear_board(is_allowed))
