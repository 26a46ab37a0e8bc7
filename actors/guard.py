"""A guard for any service: what stands between a caller and a function that may be down, slow or busy.

    breaker      is it known to be down? then not at all
    retry        what passes is tried again, within budget and time; each attempt asks the breaker anew
    timeout      each attempt ends after so many seconds, 30 unless told otherwise
    fn           the service

    guard = Guard("search", breaker=await breakers.of("search"), timeout=5.0)
    hits = await guard.call(lambda: search(question))

It is a doorman for one address, and no limiter and no chain: who else to ask is for a `FallbackChain`, whose steps it
guards. The retries are those of `actors.retry`, with its decisions and its rule that attempts never multiply: a guard
within a retried call makes one attempt.

    what ends a call                                 what is raised
    a breaker that is open, or no time left          `Rejected`, at once: nothing was sent
    the same after an attempt that failed            that attempt's error, with `retry_at`; no wait is begun for it
    what `fn` raises, when it is not tried again     itself
    no answer within the timeout                     `TransportFailed`

Every error that leaves it has its circumstances in `context`, unless it was told others further in, or is not one of
ours and has a `context` of its own, which stays as it is.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

import attrs

from actors.arguments import check_dice, check_line, check_plain, check_ref, checked_by
from actors.breaker.breaker import Breaker
from actors.errors import Rejected
from actors.faults import Fault
from actors.guarded_call import GuardedCall, GuardStatistics, GuardTally
from actors.kernel import Ref
from actors.policies.instants import check_instant
from actors.policies.retry.budget import DEFAULT_PRICE, check_price
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from actors.retry.attempts import OnRetry, check_policy
from actors.retry.budget import Budget
from actors.retry.function import retry
from actors.retry.spending import Spending
from actors.wire.faults import fault_of

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds for one attempt: longer than any answer that somebody still waits for at a screen."""


def _check_timeout(name: str, value: object) -> None:
    if check_instant(name, value, earliest=0.0) == 0:
        raise ValueError(f"{name} must be > 0, got {value}")


@attrs.define(eq=False)
class Guard:
    """Guards one service.

    Args:
        name: the service, for errors and logs.
        breaker: lets calls through or refuses them; None for none.
        retry: how often and how long a call is tried again; a plan picks by the fault.
        timeout: seconds one attempt may take.
        budget: pays for retries; None is no limit.
        price: what one attempt costs of it, from 1 on.
        rng: source of the jitter; None for one of its own.
        load: the runtime's load.
        classify: makes a fault of what `fn` raised, for the breaker and for the retries.
        on_retry: is told before each wait.
        on_end: is told how each call ended, by its error or None, unless it was cancelled; it must not wait or raise.

    Raises:
        TypeError: an argument is of the wrong kind; `load`, `classify`, `on_retry` and `on_end` are plain functions.
        ValueError: `name` is empty or would not print on one line, `timeout` is not above 0, or `price` less than 1.
    """

    name: str = attrs.field(validator=checked_by(check_line))
    breaker: Ref[Breaker] | None = attrs.field(default=None, validator=checked_by(check_ref, or_none=True))
    retry: RetryPolicy | RetryPlan = attrs.field(factory=RetryPolicy, validator=checked_by(check_policy))
    timeout: float = attrs.field(default=DEFAULT_TIMEOUT, validator=checked_by(_check_timeout))
    budget: Ref[Budget] | None = attrs.field(default=None, validator=checked_by(check_ref, or_none=True))
    price: int = attrs.field(default=DEFAULT_PRICE, kw_only=True, validator=checked_by(check_price))
    rng: random.Random | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_dice, or_none=True)
    )
    load: Callable[[], float] | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_plain, or_none=True)
    )
    classify: Callable[[Exception], Fault] = attrs.field(
        default=fault_of, kw_only=True, validator=checked_by(check_plain)
    )
    on_retry: OnRetry | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_plain, or_none=True)
    )
    on_end: Callable[[Exception | None], object] | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_plain, or_none=True)
    )
    _tally: GuardTally = attrs.field(factory=GuardTally, init=False)

    async def call(self, fn: Callable[[], Awaitable[T]]) -> T:
        """Call the service, again where that helps.

        Args:
            fn: what is called, without arguments; each call makes a new awaitable.

        Returns:
            What `fn` returned.

        Raises:
            BreakerOpen: the service is known to be down.
            OutOfTime: there is no time left for it.
            TransportFailed: it gave no answer within the timeout.
            Exception: what `fn` raised the last time, itself.
        """
        self._tally.calls += 1
        call = GuardedCall(
            self.name,
            self.breaker,
            self.timeout,
            self.classify,
            Spending(self.budget, self.price),
            self._tally,
        )
        try:
            value = await retry(
                lambda: call.attempt(fn),
                self.retry,
                on_retry=self.on_retry,
                should_retry=_may_pass,
                budget=self.budget,
                price=self.price,
                rng=self.rng,
                load=self.load,
                classify=self.classify,
            )
        except Rejected as rejected:
            failure = await call.ended_by(rejected)
            self._tell_end(failure or rejected)
            if failure is None:
                raise
            raise failure from rejected
        except Exception as error:
            await call.tell_circumstances(error)
            self._tell_end(error)
            raise
        self._tally.answered += 1
        self._tell_end(None)
        return value

    def around(self, fn: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return `fn` under this guard: for a step of a chain, say, which is asked with arguments."""

        @functools.wraps(fn)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self.call(lambda: fn(*args, **kwargs))

        return guarded

    def statistics(self) -> GuardStatistics:
        """Return what it has seen so far."""
        return self._tally.statistics()

    def _tell_end(self, error: Exception | None) -> None:
        if self.on_end is not None:
            self.on_end(error)


def _may_pass(fault: Fault, error: Exception) -> bool:
    """Whether another attempt could help: whoever refuses before anything is sent has said when to come back."""
    return fault.retryable and not isinstance(error, Rejected)
