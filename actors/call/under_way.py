"""One call under way: whose turn it is, who is next, and whether an attempt is made again.

It decides by the rules of the path, the budget and the fault that was met; `call` performs what it decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import trio

from actors.breaker.breaking import check_breaker
from actors.call.path import CallPath, Line
from actors.call.steps import PassedOver, Shortened
from actors.call.tally import CallTally
from actors.call.terms import CallTerms
from actors.error_phrase import phrase
from actors.errors import BreakerOpen, CallFailed, Rejected
from actors.faults import Fault
from actors.policies.claim import Claim
from actors.policies.estimates.estimate import estimate_tokens
from actors.policies.fallback import falls_back
from actors.policies.model_chain import next_model
from actors.policies.retry.retry import HINT_SPREAD, GiveUp
from actors.policies.usage import Usage
from actors.retry.spending import Spending
from actors.wire.chat import ChatRequest
from actors.wire.faults import fault_of
from actors.wire.http import HttpRequest


@attrs.define(eq=False)
class Tries:
    """The attempts at one model: all of its turn, or those since it was last waited for because it was down.

    Attributes:
        made: how many went out.
        started: instant of the first of them, infinite before.
    """

    made: int = attrs.field(default=0, init=False)
    started: float = attrs.field(default=math.inf, init=False)

    def begin(self) -> None:
        """Note that one goes out."""
        self.made += 1
        self.started = min(self.started, trio.current_time())

    def forget(self) -> None:
        """Begin anew: an outage that was waited out is no reason to try less often, or for less long."""
        self.made, self.started = 0, math.inf


@attrs.frozen
class Turn:
    """The turn of one model.

    Args:
        line: the model and its guards.
        encoded: the question in the provider's words.
        claim: what an attempt reserves.
        spending: what attempts beyond the call's first one draw on the pool's budget.
        tries: the attempts that were made.
    """

    line: Line
    encoded: HttpRequest
    claim: Claim
    spending: Spending
    tries: Tries = attrs.field(factory=Tries)


@attrs.define(eq=False)
class CallUnderWay:
    """One call, from its question to its answer.

    Args:
        path: how it is made.
        request: the question; it may be shortened on the way.
        terms: for whom it is, how urgent, and whether it is tried again.

    Attributes:
        tally: what became of it so far.
    """

    path: CallPath
    request: ChatRequest
    terms: CallTerms
    tally: CallTally = attrs.field(init=False)
    _rest: Sequence[Line] = attrs.field(init=False)
    _is_shortened: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.tally = CallTally(self.path.dialect.name, self.terms.ids)
        self._rest = self.path.lines[1:]

    def first_turn(self) -> Turn:
        """Return the turn of the preferred model."""
        return self._turn(self.path.lines[0])

    async def next_turn(self, turn: Turn, error: CallFailed | Rejected) -> Turn | None:
        """Return whose turn it is after one that ended with `error`; None when the call ends with it."""
        self.tally.errors.append(error)
        line = self._next_line(turn.line, error)
        if line is None:
            return None
        following = self._turn(line)
        # A call of which nothing went out so far has drawn on nobody's patience yet.
        is_granted = await following.spending.withdraw("fallback") if self.tally.attempts else True
        if not is_granted:
            _end_for_want_of_budget(error, f"{line.model} was not asked", is_empty=is_granted is False)
            return None
        return following

    def gave_up(self, turn: Turn, following: Turn, error: CallFailed | Rejected) -> PassedOver | Shortened:
        """Return the step from one turn to the next."""
        if following.line is turn.line:
            return Shortened(turn.line.model, error)
        return self.tally.pass_over(turn.line.model, following.line.model, error)

    async def pause(self, turn: Turn, error: CallFailed) -> float | None:
        """Return the seconds after which the same model is asked again, or None when it is not.

        Args:
            turn: whose turn it is.
            error: what the last attempt failed of.
        """
        now = trio.current_time()
        fault = self.fault(error)
        named = None if fault.retry_after is None else now + fault.retry_after
        if not self.terms.retries:
            error.retry_at = named
            return None
        decision = self.path.retry.decide(
            fault,
            attempt=turn.tries.made,
            started=turn.tries.started,
            now=now,
            deadline=trio.current_effective_deadline(),
            rng=self.path.rng,
            load=self.path.load(),
        )
        if isinstance(decision, GiveUp):
            error.retry_at = decision.retry_at
            return None
        refused = await self._refused_until(turn, now + decision.delay)
        delay = decision.delay if refused is None else self.outlasting(turn, refused)
        if refused is not None and delay is None:
            error.retry_at = refused.retry_at
            error.add_note(f"not tried again: {phrase(refused)}")
            return None
        is_granted = await turn.spending.withdraw("retry")
        if not is_granted:
            # Whoever came back after our own short wait would be the retry that there is no budget for.
            error.retry_at = named
            _end_for_want_of_budget(error, "not tried again", is_empty=is_granted is False)
            return None
        return delay

    async def met(self, turn: Turn, error: CallFailed | Rejected, breaker: str | None) -> None:
        """Write on an error where it was met.

        Args:
            turn: whose turn it is.
            error: the error.
            breaker: the state in which the breaker let the attempt pass, or None where none was asked.
        """
        self.tally.met(error, model=turn.line.model, breaker=breaker, left=await turn.spending.left())

    def outlasting(self, turn: Turn, refused: Rejected) -> float | None:
        """Return the seconds that a patient call waits for a model that is down; None where it does not.

        It waits as long as it would for capacity, and only where no other model is left to be asked. Its tries begin
        anew then; what it draws on the budget does not, since what went out went out.
        """
        if not self.terms.is_patient or self._rest or not isinstance(refused, BreakerOpen):
            return None
        now = trio.current_time()
        if refused.retry_at is None:
            return None
        wait = max(0.0, refused.retry_at - now) * (1 + HINT_SPREAD * self.path.rng.random())
        until = min(trio.current_effective_deadline(), self.tally.began + self.path.max_wait)
        if now + wait >= until:
            return None
        turn.tries.forget()
        return wait

    def fault(self, error: CallFailed) -> Fault:
        """Return what `error` is by the taxonomy."""
        return fault_of(error, provider=self.path.dialect.name)

    def may_be_answered_by_an_old_reply(self) -> bool:
        """Whether an old answer is better than what ended the call: not where the question was at fault."""
        *_, last = self.tally.errors
        return self.path.serves_stale and (isinstance(last, Rejected) or falls_back(self.fault(last)))

    async def _refused_until(self, turn: Turn, at: float) -> Rejected | None:
        """Return why the model's breaker would refuse the next attempt too: to wait for that would be to no end."""
        try:
            await check_breaker(turn.line.breaker)
        except Rejected as refused:
            is_over = refused.retry_at is not None and refused.retry_at <= at
            return None if is_over else refused
        return None

    def _turn(self, line: Line) -> Turn:
        request = attrs.evolve(self.request, model=line.model)
        estimate = self.path.guess(request)
        # Nobody learns from a prompt that was counted by its letters: the estimator did not see what it is made of.
        tokens = sum(map(estimate_tokens, request.texts)) if estimate is None else estimate.at_most
        usage = Usage(1, tokens, request.max_tokens)
        claim = self.terms.claim(usage, model=line.model, estimate=estimate)
        price = max(1, usage.input_tokens + usage.output_tokens)
        return Turn(line, self.path.dialect.encode(request), claim, Spending(line.budget, price))

    def _next_line(self, line: Line, error: CallFailed | Rejected) -> Line | None:
        why = error if isinstance(error, Rejected) else self.fault(error)
        models = [each.model for each in self._rest]
        chosen = next_model(why, line.model, models)
        if chosen is not None:
            number = models.index(chosen)
            line, self._rest = self._rest[number], self._rest[number + 1 :]
            return line
        return line if isinstance(why, Fault) and why.fallback == "truncate" and self._shorten() else None

    def _shorten(self) -> bool:
        """Take a shorter question in the place of the one that no model has room for, once."""
        if self.path.truncate is None or self._is_shortened:
            return False
        shorter = self.path.truncate(self.request)
        if shorter is None:
            return False
        self.request, self._is_shortened = shorter, True
        return True


def _end_for_want_of_budget(error: CallFailed | Rejected, what: str, *, is_empty: bool) -> None:
    error.add_note(f"{what}: the retry budget {'has too little left' if is_empty else 'did not answer'}")
    if is_empty and isinstance(error, CallFailed):
        error.is_out_of_budget = True
