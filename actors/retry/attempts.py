"""The attempts of one retried call: what follows each failure, what it costs, and what is said in the end."""

from __future__ import annotations

import contextlib
import inspect
import math
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager

import attrs
import trio

from actors.arguments import check_dice, check_plain, check_ref, checked_by
from actors.errors import AskCycle, CallFailed, DeliveryError, Rejected, UnderstudyError
from actors.faults import Fault
from actors.kernel import Ref
from actors.policies.retry.budget import DEFAULT_PRICE, check_price
from actors.policies.retry.retry import GiveUp, RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from actors.retry.budget import Budget
from actors.wire.faults import fault_of

OnRetry = Callable[[int, Fault, float], object]
"""Told before each wait: how many attempts were made, what the last one failed of, and the seconds to wait."""

ShouldRetry = Callable[[Fault, Exception], bool]
"""Says whether a fault can pass, in the place of `fault.retryable`."""

BUDGET_PATIENCE = 1.0
"""Seconds to wait for the word of a retry budget. It answers at once; only one that is being restarted cannot."""


def check_policy(name: str, value: object) -> None:
    """Return if `value` says how often and how long something is tried.

    Raises:
        TypeError: it is no `RetryPolicy` and no `RetryPlan`.
    """
    if not isinstance(value, RetryPolicy | RetryPlan):
        hint = "; write @retrying()" if inspect.isfunction(value) else ""
        raise TypeError(f"{name} must be a RetryPolicy or a RetryPlan, got {type(value).__name__}{hint}")


@attrs.frozen
class RetryTerms:
    """The arguments of `retry`, checked; it says what each of them means.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: `price` is less than 1.
    """

    policy: RetryPolicy | RetryPlan = attrs.field(validator=checked_by(check_policy))
    on_retry: OnRetry | None = attrs.field(default=None, validator=checked_by(check_plain, or_none=True))
    should_retry: ShouldRetry | None = attrs.field(
        default=None, validator=checked_by(check_plain, or_none=True)
    )
    budget: Ref[Budget] | None = attrs.field(default=None, validator=checked_by(check_ref, or_none=True))
    price: int = attrs.field(default=DEFAULT_PRICE, validator=checked_by(check_price))
    rng: random.Random | None = attrs.field(default=None, validator=checked_by(check_dice, or_none=True))
    load: Callable[[], float] | None = attrs.field(
        default=None, validator=checked_by(check_plain, or_none=True)
    )
    classify: Callable[[Exception], Fault] = attrs.field(default=fault_of, validator=checked_by(check_plain))

    def fault_of(self, error: Exception, now: float) -> Fault:
        """Return what an attempt failed of; an exception that names an instant asks to wait until then."""
        fault = self.classify(error)
        if not isinstance(fault, Fault):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"classify must return a Fault, got {type(fault).__name__}")
        if isinstance(error, CallFailed | Rejected) and fault.retry_after is None:
            fault = attrs.evolve(fault, retry_after=_wait_until(error.retry_at, now))
        if self.should_retry is None:
            return fault
        can_pass = self.should_retry(fault, error)
        if type(can_pass) is not bool:
            raise TypeError(f"should_retry must return True or False, got {can_pass!r}")
        return attrs.evolve(fault, retryable=can_pass)

    def load_now(self) -> float:
        """Return the runtime's load.

        Raises:
            TypeError, ValueError: `load` does not return a number.
        """
        load = 0.0 if self.load is None else self.load()
        if isinstance(load, bool) or not isinstance(load, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"load must return a number, got {type(load).__name__}")
        if math.isnan(load):
            raise ValueError("load must return a number, got nan")
        return load


@attrs.define(eq=False)
class Attempts:
    """The attempts of one call.

    Args:
        terms: how it is called.
        started: instant of the first one.
        made: how many were begun.
    """

    terms: RetryTerms
    started: float
    made: int = 0

    async def next_at(self, error: Exception) -> float | None:
        """Return the instant of the next attempt, which is paid for; None where there is none, as `error` says now."""
        terms, now, deadline = self.terms, trio.current_time(), trio.current_effective_deadline()
        fault = terms.fault_of(error, now)
        decision = terms.policy.decide(
            fault,
            attempt=self.made,
            started=self.started,
            now=now,
            deadline=deadline,
            rng=terms.rng or random.Random(),
            load=terms.load_now(),
        )
        if isinstance(decision, GiveUp):
            self._give_up(error, _words(decision, now), decision.retry_at)
            return None
        next_at = now + decision.delay
        is_granted = await self._withdraw(patience=min(BUDGET_PATIENCE, (deadline - now) / 2))
        if not is_granted:
            reason = "the retry budget did not answer" if is_granted is None else "the retry budget is empty"
            # Whoever came back after our own short wait would be the retry that there is no budget for.
            named = None if fault.retry_after is None else now + fault.retry_after
            self._give_up(error, reason, named)
            if is_granted is False:
                _tag(error, is_out_of_budget=True)
            return None
        if terms.on_retry is not None:
            with self._refunded():
                terms.on_retry(self.made, fault, decision.delay)
        return next_at

    async def wait(self, until: float) -> None:
        """Wait for the next attempt; if it is not made after all, nothing was spent."""
        with self._refunded():
            await trio.sleep_until(until)

    def succeeded(self) -> None:
        """Tell the budget: a first success fills it, a later one was worth its price."""
        if self.terms.budget is not None:
            earned = Budget.deposit if self.made == 1 else Budget.give_back
            self.terms.budget.tell_regardless(earned(self.terms.price))

    async def _withdraw(self, patience: float) -> bool | None:
        """Ask the budget; None when it does not answer in time, which is before the caller's deadline."""
        if self.terms.budget is None:
            return True
        with trio.move_on_after(patience):
            try:
                return await self.terms.budget.ask(Budget.withdraw(self.terms.price, "retry"))
            except AskCycle:
                raise
            except DeliveryError:
                return None
        return None

    @contextmanager
    def _refunded(self) -> Generator[None]:
        """Give back what was withdrawn for the next attempt, if the block does not come to its end."""
        try:
            yield
        except BaseException:
            if self.terms.budget is not None:
                self.terms.budget.tell_regardless(Budget.give_back(self.terms.price))
            raise

    def _give_up(self, error: Exception, reason: str, retry_at: float | None) -> None:
        is_refusal = isinstance(error, Rejected) and reason == "not retryable"
        if (
            not is_refusal
        ):  # whoever refuses before anything is sent has said itself why, and when to come back
            self._note(error, reason)
        if isinstance(error, UnderstudyError) and retry_at is not None:
            _tag(error, retry_at=retry_at)

    def _note(self, error: Exception, reason: str) -> None:
        times = "once" if self.made == 1 else f"{self.made} times"
        took = trio.current_time() - self.started
        with contextlib.suppress(Exception):  # a stranger's exception may let nothing be added to it
            error.add_note(f"tried {times} in {round(took, 2):g} s: {reason}")


def _words(decision: GiveUp, now: float) -> str:
    if decision.reason != "no time left" or decision.retry_at is None:
        return decision.reason
    return f"no time left for a wait of {decision.retry_at - now:g} s"


def _wait_until(instant: float | None, now: float) -> float | None:
    """Return the seconds from `now` to an instant ahead, and not a rounding less; None for any other one."""
    if instant is None or not now < instant < math.inf:
        return None
    wait = instant - now
    return wait if now + wait >= instant else math.nextafter(wait, math.inf)


def _tag(error: Exception, **facts: object) -> None:
    for name, value in facts.items():
        with contextlib.suppress(Exception):  # a stranger's exception may let nothing be added to it
            setattr(error, name, value)
