"""One call under a guard: its attempts, each through the breaker and within the timeout, and what an error is told."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

from actors.bound_ids import bound_ids
from actors.breaker.breaker import Breaker
from actors.breaker.breaking import Passing, check_breaker, pass_breaker
from actors.errors import BreakerOpen, CallFailed, Rejected, TransportFailed, UnderstudyError
from actors.faults import ErrorContext, Fault
from actors.kernel import Ref
from actors.policies.fallback import reason_of
from actors.retry.budget import Budget
from actors.retry.spending import Spending
from actors.time_budget import check_time

T = TypeVar("T")


@attrs.frozen
class GuardStatistics:
    """What a guard has seen since it was made.

    Args:
        calls: calls of it.
        attempts: how often the service was called for them.
        timeouts: attempts that ended without an answer in time.
        refused: attempts that were not made: the breaker was open, or there was no time.
        answered: calls that were answered.
    """

    calls: int = 0
    attempts: int = 0
    timeouts: int = 0
    refused: int = 0
    answered: int = 0


@attrs.define(eq=False)
class GuardTally:
    """The running counts behind `GuardStatistics`."""

    calls: int = 0
    attempts: int = 0
    timeouts: int = 0
    refused: int = 0
    answered: int = 0

    def statistics(self) -> GuardStatistics:
        """Return a snapshot."""
        return GuardStatistics(**attrs.asdict(self))


@attrs.define(eq=False)
class GuardedCall:
    """One call under a guard.

    Args:
        service: the name of what is called.
        breaker: lets attempts through or refuses them; None for none.
        timeout: seconds one attempt may take.
        classify: makes a fault of what was raised.
        spending: what pays for attempts beyond the first.
        tally: where attempts are counted.

    Attributes:
        made: attempts that went out.
    """

    service: str
    breaker: Ref[Breaker] | None
    timeout: float
    classify: Callable[[Exception], Fault]
    spending: Spending
    tally: GuardTally
    made: int = attrs.field(default=0, init=False)
    _begun: int = attrs.field(default=0, init=False)
    _began_at: float = attrs.field(factory=trio.current_time, init=False)
    _state: str | None = attrs.field(default=None, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    async def attempt(self, fn: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt.

        Raises:
            Rejected: it was not made, or it failed and there will be no other: the breaker is open now.
            Exception: what it failed of.
        """
        self._begun += 1
        try:
            check_time(self.service)
            async with pass_breaker(self.breaker) as passing:
                self._passes(passing)
                try:
                    value = await self._in_time(fn)
                except Exception as error:
                    if not isinstance(error, Rejected):
                        passing.failed(self.classify(error))
                    raise
                passing.succeeded()
                return value
        except Rejected:
            self.tally.refused += 1
            if self._begun > 1:
                self._give_back()
            raise
        except Exception as error:  # noqa: BLE001  # it is raised below, where it is nobody's context
            self._failure = failure = error
        await check_breaker(self.breaker)  # it may be this failure that opened it: nobody waits to be refused
        raise failure

    def _passes(self, passing: Passing) -> None:
        self.made += 1
        self.tally.attempts += 1
        self._state = passing.state

    def _give_back(self) -> None:
        """Give back what the retry had paid for an attempt that was not made."""
        if self.spending.budget is not None:
            self.spending.budget.tell_regardless(Budget.give_back(self.spending.price))

    async def _in_time(self, fn: Callable[[], Awaitable[T]]) -> T:
        with trio.move_on_after(self.timeout):
            return await fn()
        self.tally.timeouts += 1
        raise TransportFailed(f"{self.service} gave no answer within {self.timeout:g} s", kind="timeout")

    async def ended_by(self, rejected: Rejected) -> Exception | None:
        """Return the error of the last attempt, if one was made, and None where what was refused is all there is.

        That error says when trying again makes sense, as far as the refusal does.
        """
        error = self._failure or rejected
        if self._failure is not None:
            with contextlib.suppress(Exception):  # a stranger's exception may let nothing be added to it
                error.add_note(f"not tried again: {reason_of(rejected)}")
            if isinstance(error, CallFailed):
                error.retry_at = rejected.retry_at
        if isinstance(rejected, BreakerOpen):
            self._state = rejected.state
        await self.tell_circumstances(error)
        return self._failure

    async def tell_circumstances(self, error: Exception) -> None:
        """Write on an error where it was met, unless it was told further in, or keeps something else there."""
        if not _has_room(error):
            return
        context = ErrorContext(
            service=self.service,
            attempt=self.made,
            elapsed=trio.current_time() - self._began_at,
            breaker=self._state,
            budget_left=await self.spending.left(),
            ids=bound_ids(),
        )
        with contextlib.suppress(Exception):  # a stranger's exception may let nothing be added to it
            vars(error)["context"] = context


def _has_room(error: Exception) -> bool:
    """Whether nothing is kept as the `context` of an error: others have such an attribute too, for things of theirs."""
    try:
        kept = getattr(error, "context", None)
        return kept is None and (isinstance(error, UnderstudyError) or not hasattr(error, "context"))
    except Exception:  # noqa: BLE001  # a stranger's exception may raise whenever it is looked at
        return False
