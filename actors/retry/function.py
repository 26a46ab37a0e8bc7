"""Try anything again that is worth it: an async function, a policy, and one outermost loop.

    reply = await retry(lambda: client.get(url), RetryPolicy(max_retries=5))

    @retrying(PROFILES["aggressive"])
    async def look_up(word: str) -> Entry: ...

It is a patient caller with a watch: it tells a bad line from a wrong number, waits as long as it was asked to, and
hangs up when there is no time left, saying when to call again. It is not a supervisor: it restarts no actor, and what
it calls may be called more than once.

    an attempt fails                       what follows
    nobody should try again                the exception itself, with a note that says how often it was tried; one that
                                           refused before anything was sent speaks for itself
    no retries, or no time, left           the same, at once: no wait is begun that would end past the deadline
    the retry budget is empty              the same, with `is_out_of_budget`
    otherwise                              `on_retry`, the wait, the next attempt

**Attempts never multiply.** A `retry` inside a retried call calls its function once and does nothing else: see
`actors.retry.scope`.

**Only exceptions are tried again.** Cancellation, `KeyboardInterrupt` and groups that hold one of them go through. An
`ExceptionGroup` is as bad as the most telling of its exceptions.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine
from types import BuiltinFunctionType
from typing import Any, ParamSpec, TypeVar

import trio

from actors.faults import Fault
from actors.kernel import Ref
from actors.policies.retry.budget import DEFAULT_PRICE
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from actors.retry.attempts import Attempts, OnRetry, RetryTerms, ShouldRetry
from actors.retry.budget import Budget
from actors.retry.scope import is_retrying, suppress_retries
from actors.wire.faults import fault_of

__all__ = ["is_retrying", "retry", "retrying", "suppress_retries"]

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_POLICY = RetryPolicy()


async def retry(
    fn: Callable[[], Awaitable[T]],
    policy: RetryPolicy | RetryPlan = DEFAULT_POLICY,
    *,
    on_retry: OnRetry | None = None,
    should_retry: ShouldRetry | None = None,
    budget: Ref[Budget] | None = None,
    price: int = DEFAULT_PRICE,
    rng: random.Random | None = None,
    load: Callable[[], float] | None = None,
    classify: Callable[[Exception], Fault] = fault_of,
) -> T:
    """Call `fn` until it returns, as often and as long as `policy` allows.

    The deadline is that of the cancel scopes around; `policy.max_elapsed` counts from the first attempt and cuts none
    short: a timeout per attempt is a `trio.fail_after` in `fn`. Cancellation while waiting ends the call and gives back
    what was withdrawn from the budget.

    `on_retry`, `should_retry`, `load` and `classify` are plain functions that must not wait. What one of them raises is
    a mistake in the program and ends the call: it goes to the caller as it is, with the exception of the attempt as its
    context, and nothing is withdrawn.

    Args:
        fn: what is called, without arguments; each call makes a new awaitable.
        policy: how often and how long; a plan picks a policy by the fault.
        on_retry: is told before each wait.
        should_retry: says whether a fault can pass, in the place of `fault.retryable`; the number of retries and the
            time hold all the same. Begin it with `fault.retryable and` to be stricter only.
        budget: is asked before each retry, told of the first successes, and gives nobody a second try when empty. One
            that cannot answer counts as a no, without the tag.
        price: tokens that one attempt may use.
        rng: source of the jitter; None for one of its own.
        load: the runtime's load, asked after each failure: above 0.8 waits are twice as long.
        classify: from an exception to a fault.

    Returns:
        What `fn` returned.

    Raises:
        Exception: what the last attempt raised, itself. It has a note on how often it was tried and why no more; one
            of ours has `retry_at`, where that is known; and where the budget was empty, any has `is_out_of_budget`.
        TypeError, ValueError: an argument is of the wrong kind, or `price` is less than 1; nothing was called.
    """
    terms = RetryTerms(policy, on_retry, should_retry, budget, price, rng, load, classify)
    if not callable(fn):
        raise TypeError(f"fn must be callable, got {type(fn).__name__}")
    return await _call(fn, terms)


def retrying(
    policy: RetryPolicy | RetryPlan = DEFAULT_POLICY,
    *,
    on_retry: OnRetry | None = None,
    should_retry: ShouldRetry | None = None,
    budget: Ref[Budget] | None = None,
    price: int = DEFAULT_PRICE,
    rng: random.Random | None = None,
    load: Callable[[], float] | None = None,
    classify: Callable[[Exception], Fault] = fault_of,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Return a decorator for async functions and methods that are to be called by `retry`, with these arguments.

    Each call has attempts and time of its own; `rng`, where one is given, is shared by all of them.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, or what is decorated is no function to await.
    """
    terms = RetryTerms(policy, on_retry, should_retry, budget, price, rng, load, classify)

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        _check_function(function)

        @functools.wraps(function)
        async def retried(*args: P.args, **kwargs: P.kwargs) -> T:
            return await _call(lambda: function(*args, **kwargs), terms)

        return retried

    return decorate


def _check_function(function: Any) -> None:
    """Refuse what cannot be awaited when it is called, as far as that can be seen beforehand."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        what = f"the generator {function.__name__!r}"
    elif not callable(function):
        what = type(function).__name__
    elif inspect.isclass(function) or type(function) is BuiltinFunctionType:
        what = repr(function.__name__)
    else:
        return
    raise TypeError(f"retrying must decorate an async function, got {what}")


async def _call(fn: Callable[[], Awaitable[T]], terms: RetryTerms) -> T:
    if is_retrying():
        return await fn()
    attempts = Attempts(terms, trio.current_time())
    while True:
        attempts.made += 1
        try:
            with suppress_retries():
                value = await fn()
        except Exception as error:
            next_at = await attempts.next_at(error)
            if next_at is None:
                raise
        else:
            attempts.succeeded()
            return value
        await attempts.wait(next_at)
