"""Attempts never multiply: whatever runs inside a retried call is called once, and only for as long as that lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.errors import CallFailed
from actors.kernel import open_actor
from actors.policies.retry.retry import RetryPolicy
from actors.retry import scope as retry_scope
from actors.retry.budget import Budget
from actors.retry.function import is_retrying, retry, retrying, suppress_retries

AT_ONCE = RetryPolicy(3, initial=0.0)
"""Four attempts, one right after the other."""


@attrs.define(eq=False)
class Provider:
    """Never answers; counts how often it was called."""

    calls: int = 0

    async def call(self) -> None:
        self.calls += 1
        await trio.lowlevel.checkpoint()
        raise CallFailed("busy", retryable=True)


Nest = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


async def by_function(inner: Callable[[], Awaitable[None]]) -> None:
    await retry(inner, AT_ONCE)


async def by_decorator(inner: Callable[[], Awaitable[None]]) -> None:
    @retrying(AT_ONCE)
    async def call() -> None:
        await inner()

    await call()


async def by_a_task(inner: Callable[[], Awaitable[None]]) -> None:
    """Retry in a task of a nursery, and let its error out of the group."""

    async def task() -> None:
        await retry(inner, AT_ONCE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)


async def by_a_started_task(inner: Callable[[], Awaitable[None]]) -> None:
    async def task(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await retry(inner, AT_ONCE)

    async with trio.open_nursery() as nursery:
        await nursery.start(task)


async def by_a_thread(inner: Callable[[], Awaitable[None]]) -> None:
    await trio.to_thread.run_sync(trio.from_thread.run, lambda: retry(inner, AT_ONCE))


NESTS = [by_function, by_decorator, by_a_task, by_a_started_task, by_a_thread]


@pytest.mark.parametrize("outer", NESTS)
@pytest.mark.parametrize("inner", NESTS)
async def test_two_levels_make_no_more_attempts_than_one(outer: Nest, inner: Nest) -> None:
    provider = Provider()

    with pytest.raises((CallFailed, ExceptionGroup)):
        await outer(lambda: inner(provider.call))

    assert provider.calls == 4


@pytest.mark.parametrize("nests", [NESTS[:3], NESTS[2:], NESTS])
async def test_any_number_of_levels_makes_no_more_attempts_than_one(nests: list[Nest]) -> None:
    provider = Provider()
    call: Callable[[], Awaitable[None]] = provider.call
    for nest in nests:
        call = _nested(nest, call)

    with pytest.raises((CallFailed, ExceptionGroup)):
        await call()

    assert provider.calls == 4


def _nested(nest: Nest, inner: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    return lambda: nest(inner)


async def test_several_tasks_of_one_attempt_are_each_called_once_per_attempt() -> None:
    provider = Provider()

    async def three() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(by_function, patient)

    async def patient() -> None:
        with trio.CancelScope(shield=True):
            await provider.call()

    with pytest.raises(ExceptionGroup):
        await retry(three, AT_ONCE)

    assert provider.calls == 12


async def test_the_inner_retry_says_nothing_waits_for_nothing_and_pays_for_nothing(
    autojump_clock: MockClock,
) -> None:
    provider, told = Provider(), list[int]()

    async with open_actor(lambda: Budget(100)) as budget:

        async def inner() -> None:
            await retry(
                provider.call,
                RetryPolicy(9),
                budget=budget,
                on_retry=lambda attempt, _fault, _delay: told.append(attempt),
            )

        with pytest.raises(CallFailed) as caught:
            await retry(inner, AT_ONCE)
        assert (await budget.ask(Budget.statistics())).left == 100

    assert caught.value.__notes__ == ["tried 4 times in 0 s: no retries left"]
    assert (told, autojump_clock.current_time()) == ([], 0.0)


async def test_an_inner_success_earns_nothing_for_the_budget() -> None:
    async def answer() -> int:
        return 3

    async with open_actor(lambda: Budget(100, earns=1.0)) as budget:
        await budget.ask(Budget.withdraw(100, "retry"))
        assert await retry(lambda: retry(answer, budget=budget, price=40)) == 3
        assert (await budget.ask(Budget.statistics())).left == 0


async def test_it_can_be_asked_whether_a_call_is_retried() -> None:
    async def ask() -> bool:
        return is_retrying()

    assert not is_retrying()
    assert await retry(ask)
    assert await retry(ask, RetryPolicy(0))
    assert not is_retrying()


async def test_callbacks_and_waits_stand_outside_of_the_retried_call() -> None:
    told: list[bool] = []

    with pytest.raises(CallFailed):
        await retry(Provider().call, AT_ONCE, on_retry=lambda *_: told.append(is_retrying()))

    assert told == [False] * 3


async def test_after_a_retried_call_the_next_one_retries_again() -> None:
    provider = Provider()

    for _ in range(2):
        with pytest.raises(CallFailed):
            await retry(provider.call, AT_ONCE)

    assert provider.calls == 8


async def test_within_a_block_that_suppresses_retries_everything_is_called_once() -> None:
    provider = Provider()

    with suppress_retries(), suppress_retries():
        assert is_retrying()
        with pytest.raises(CallFailed) as caught:
            await retry(provider.call, AT_ONCE)

    assert provider.calls == 1
    assert not hasattr(caught.value, "__notes__")
    assert not is_retrying()


async def test_a_block_that_ends_by_an_error_suppresses_no_more() -> None:
    with pytest.raises(LookupError), suppress_retries():
        raise LookupError

    assert not is_retrying()


async def test_an_inner_block_that_ends_leaves_the_outer_one() -> None:
    with suppress_retries():
        with suppress_retries():
            pass
        assert is_retrying()


async def test_a_task_that_outlives_the_retried_call_it_was_started_in_retries_again(
    autojump_clock: MockClock,
) -> None:
    provider, seen = Provider(), list[bool]()

    async def background() -> None:
        seen.append(is_retrying())
        await trio.sleep(5)
        seen.append(is_retrying())
        with pytest.raises(CallFailed):
            await retry(provider.call, AT_ONCE)

    async with trio.open_nursery() as nursery:

        async def start() -> None:
            nursery.start_soon(background)
            await trio.sleep(1)

        await retry(start)

    assert seen == [True, False]
    assert (provider.calls, autojump_clock.current_time()) == (4, 5.0)


async def test_a_task_whose_inner_call_has_ended_is_still_inside_the_outer_one(
    autojump_clock: MockClock,
) -> None:
    seen: list[bool] = []

    async def background() -> None:
        await trio.sleep(5)
        seen.append(is_retrying())
        await trio.sleep(5)
        seen.append(is_retrying())

    async with trio.open_nursery() as nursery:

        async def outer() -> None:
            with suppress_retries():
                nursery.start_soon(background)
                await trio.sleep(1)
            await trio.sleep(7)

        await retry(outer)

    assert seen == [True, False]
    assert autojump_clock.current_time() == 10.0


async def test_scopes_that_have_ended_are_let_go() -> None:
    with suppress_retries():
        pass
    retry_scope._current.set(retry_scope._Scope(None, is_open=False))
    with suppress_retries():
        scope = retry_scope._current.get()
        assert scope is not None
        assert scope.outer is None


async def test_a_generator_that_ends_in_another_context_is_no_error(autojump_clock: MockClock) -> None:
    async def lines() -> AsyncGenerator[int]:
        with suppress_retries():
            yield 1
            yield 2

    async def close(generator: AsyncGenerator[int]) -> None:
        await generator.aclose()

    generator = lines()
    assert await anext(generator) == 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(close, generator)

    assert not is_retrying()
    assert autojump_clock.current_time() == 0.0


async def test_two_calls_side_by_side_do_not_suppress_each_other() -> None:
    providers = [Provider(), Provider()]

    async with trio.open_nursery() as nursery:

        async def call(provider: Provider) -> None:
            with pytest.raises(CallFailed):
                await retry(provider.call, AT_ONCE)

        for provider in providers:
            nursery.start_soon(call, provider)

    assert [provider.calls for provider in providers] == [4, 4]


# planted bugs


async def test_without_the_mark_attempts_would_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can see: with a mark that nobody finds, two levels of four make sixteen calls."""
    monkeypatch.setattr("actors.retry.function.is_retrying", lambda: False)
    provider = Provider()

    with pytest.raises(CallFailed):
        await retry(lambda: retry(provider.call, AT_ONCE), AT_ONCE)

    assert provider.calls == 16


async def test_a_mark_whose_end_nobody_looks_at_would_suppress_what_comes_later(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(retry_scope, "_open_scope", retry_scope._current.get)

    with pytest.raises(AssertionError):
        await test_a_task_that_outlives_the_retried_call_it_was_started_in_retries_again(autojump_clock)
