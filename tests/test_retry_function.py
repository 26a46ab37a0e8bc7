"""Anything at all is tried again: how often, when, what it costs, and what the caller gets in the end."""

from __future__ import annotations

import inspect
import math
import random
from functools import partial
from typing import Any, NoReturn

import attrs
import pytest
import trio
from cast_setup import open_ended, open_restarting
from trio.testing import MockClock

from actors.errors import AskCycle, BreakerOpen, CallFailed, Interrupted, Rejected, TransportFailed
from actors.faults import Fault
from actors.kernel import Actor, Ref, op, open_actor
from actors.policies.retry.retry import Jitter, RetryPolicy
from actors.policies.retry.strategies import PROFILES
from actors.retry.budget import Budget, BudgetStatistics
from actors.retry.function import retry, retrying


def steady(max_retries: int = 3, **options: Any) -> RetryPolicy:
    """Wait 0.8 s, 1.6 s, 3.2 s and so on, with dice that show the least."""
    jitter: Jitter = "narrow"
    return RetryPolicy(max_retries, jitter=jitter, is_adaptive=False, **options)


class Lowest(random.Random):
    def random(self) -> float:
        return 0.0


class Highest(random.Random):
    def random(self) -> float:
        return math.nextafter(1.0, 0.0)


LOW = Lowest()


def passing(text: str = "busy", **options: Any) -> CallFailed:
    return CallFailed(text, retryable=True, **options)


@attrs.define(eq=False)
class Service:
    """Fails with each of its errors in turn, then answers; it remembers when it was called."""

    errors: list[BaseException]
    called_at: list[float] = attrs.field(factory=list)

    async def __call__(self) -> str:
        self.called_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def failing(*errors: BaseException) -> Service:
    return Service(list(errors))


# how often, and when


async def test_what_succeeds_is_called_once(autojump_clock: MockClock) -> None:
    service = failing()

    assert await retry(service) == "answer"
    assert service.called_at == [0.0]
    assert autojump_clock.current_time() == 0.0


async def test_a_fault_that_passes_is_tried_again_after_waits_that_double(autojump_clock: MockClock) -> None:
    service = failing(passing(), passing(), passing())

    assert await retry(service, steady(), rng=LOW) == "answer"
    assert service.called_at == pytest.approx([0.0, 0.8, 0.8 + 1.6, 0.8 + 1.6 + 3.2])
    assert autojump_clock.current_time() == service.called_at[-1]


async def test_the_last_error_itself_is_raised_and_says_how_often_it_was_tried(
    autojump_clock: MockClock,
) -> None:
    first, second, third = passing("one"), passing("two"), passing("three")
    service = failing(first, second, third)

    with pytest.raises(CallFailed) as caught:
        await retry(service, steady(2), rng=LOW)

    assert caught.value is third
    assert third.__notes__ == ["tried 3 times in 2.4 s: no retries left"]
    assert (third.__cause__, third.__context__, third.retry_at) == (None, None, None)
    assert not hasattr(first, "__notes__")
    assert autojump_clock.current_time() == pytest.approx(2.4)


async def test_what_cannot_pass_is_raised_at_once(autojump_clock: MockClock) -> None:
    error = CallFailed("no")
    service = failing(error)

    with pytest.raises(CallFailed) as caught:
        await retry(service)

    assert caught.value is error
    assert error.__notes__ == ["tried once in 0 s: not retryable"]
    assert len(service.called_at) == 1
    assert autojump_clock.current_time() == 0.0


async def test_an_error_of_the_system_is_classified_too(autojump_clock: MockClock) -> None:
    service = failing(ConnectionResetError("reset"), ConnectionRefusedError("refused"))

    assert await retry(service, steady(), rng=LOW) == "answer"
    assert len(service.called_at) == 3
    assert autojump_clock.current_time() == pytest.approx(2.4)


async def test_a_plan_picks_by_the_fault(autojump_clock: MockClock) -> None:
    busy = failing(*(CallFailed("x", retryable=True, fault=Fault.of("database")) for _ in range(5)))
    down = failing(*(passing(fault=Fault.of("server_error")) for _ in range(5)))

    assert await retry(busy, PROFILES["standard"], rng=LOW) == "answer"
    with pytest.raises(CallFailed):
        await retry(down, PROFILES["standard"], rng=LOW)

    assert (len(busy.called_at), len(down.called_at)) == (6, 4)
    assert autojump_clock.current_time() == 0.0


async def test_each_call_draws_its_own_jitter_within_the_bounds(autojump_clock: MockClock) -> None:
    service = failing(*(passing() for _ in range(3)))

    await retry(service, RetryPolicy(is_adaptive=False))

    waits = [after - before for before, after in zip(service.called_at, service.called_at[1:], strict=False)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, [1, 2, 4], strict=True))
    assert autojump_clock.current_time() == sum(waits)


async def test_under_load_the_waits_are_twice_as_long(autojump_clock: MockClock) -> None:
    service = failing(passing(), passing())
    loads = iter([0.8, 0.9])
    policy = RetryPolicy(jitter="narrow")

    await retry(service, policy, rng=LOW, load=lambda: next(loads))

    assert service.called_at == pytest.approx([0.0, 0.8, 0.8 + 3.2])
    assert autojump_clock.current_time() == service.called_at[-1]


# time


async def test_a_wait_that_would_end_past_the_deadline_is_not_begun(autojump_clock: MockClock) -> None:
    error = passing(retry_after=10.0)
    with trio.fail_after(10.0), pytest.raises(CallFailed) as caught:
        await retry(failing(error), rng=LOW)

    assert caught.value is error
    assert autojump_clock.current_time() == 0.0
    assert error.retry_at == 10.0
    assert error.__notes__ == ["tried once in 0 s: no time left for a wait of 10 s"]


async def test_a_wait_that_ends_before_the_deadline_is_made(autojump_clock: MockClock) -> None:
    service = failing(passing(retry_after=10.0))

    with trio.fail_after(10.5):
        assert await retry(service, rng=LOW) == "answer"
    assert service.called_at == [0.0, 10.0]
    assert autojump_clock.current_time() == 10.0


async def test_a_wait_past_max_elapsed_is_not_begun_and_the_instant_is_named(
    autojump_clock: MockClock,
) -> None:
    service = failing(passing(retry_after=30.0), passing(retry_after=30.0))

    with pytest.raises(CallFailed) as caught:
        await retry(service, RetryPolicy(max_elapsed=60.0), rng=LOW)

    assert service.called_at == [0.0, 30.0]
    assert caught.value.retry_at == 60.0
    assert autojump_clock.current_time() == 30.0


async def test_an_attempt_is_not_cut_by_max_elapsed(autojump_clock: MockClock) -> None:
    async def slow() -> str:
        await trio.sleep(100)
        return "answer"

    assert await retry(slow, RetryPolicy(max_elapsed=1.0)) == "answer"
    assert autojump_clock.current_time() == 100.0


async def test_a_timeout_per_attempt_is_a_scope_in_the_function(autojump_clock: MockClock) -> None:
    tries: list[float] = []

    async def hangs() -> None:
        tries.append(trio.current_time())
        with trio.fail_after(5):
            await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError) as caught:
        await retry(hangs, steady(1), rng=LOW)

    assert tries == [0.0, 5.8]
    assert caught.value.__notes__ == ["tried 2 times in 10.8 s: no retries left"]
    assert autojump_clock.current_time() == 10.8


async def test_a_wait_that_was_named_is_never_cut_short(autojump_clock: MockClock) -> None:
    for rng in (LOW, Highest()):
        service = failing(passing(retry_after=7.0))
        await retry(service, RetryPolicy(cap=0.1), rng=rng)
        wait = service.called_at[1] - service.called_at[0]
        assert 7.0 <= wait <= 8.4 + 1e-9
    assert autojump_clock.current_time() == pytest.approx(7.0 + 8.4)


async def test_an_open_breaker_is_waited_for_until_the_instant_it_names(autojump_clock: MockClock) -> None:
    await trio.sleep(0.1)
    service = failing(BreakerOpen("open", service="search", state="open", retry_at=7.3))

    assert await retry(service, rng=LOW, should_retry=always) == "answer"
    assert service.called_at == [0.1, 7.3]
    assert autojump_clock.current_time() == 7.3


@pytest.mark.parametrize("now", [0.1, 0.7, 1 / 3, 8.9, 1e5 + 0.1])
@pytest.mark.parametrize("instant", [1.1, 7.3, 29.7, 1e5 + 0.7, 1e5 / 3])
async def test_no_rounding_makes_a_named_instant_come_early(
    now: float, instant: float, autojump_clock: MockClock
) -> None:
    autojump_clock.jump(now)
    at = max(now, instant)  # 8.9 + (29.7 - 8.9) is less than 29.7
    service = failing(Rejected("later", retry_at=at))

    await retry(service, RetryPolicy(initial=0.0, max_elapsed=math.inf), rng=LOW, should_retry=always)

    assert at <= service.called_at[-1] <= at + 1e-9


async def test_an_instant_that_has_passed_or_never_comes_is_not_waited_for(autojump_clock: MockClock) -> None:
    autojump_clock.jump(5.0)
    for instant in (4.0, 5.0, math.inf, math.nan, None):
        service = failing(Rejected("later", retry_at=instant))
        await retry(service, steady(initial=0.0), should_retry=always)
    assert autojump_clock.current_time() == 5.0


# what is not tried again


async def test_cancellation_is_never_caught(autojump_clock: MockClock) -> None:
    tries = 0

    async def hangs() -> None:
        nonlocal tries
        tries += 1
        await trio.sleep_forever()

    with trio.move_on_after(3) as scope:
        await retry(hangs)

    assert scope.cancelled_caught
    assert (tries, autojump_clock.current_time()) == (1, 3.0)


async def test_cancellation_ends_a_wait(autojump_clock: MockClock) -> None:
    service = failing(passing(retry_after=20.0))
    scope = trio.CancelScope()

    async def cancel() -> None:
        await trio.sleep(3)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        with scope:
            await retry(service)

    assert scope.cancelled_caught
    assert (len(service.called_at), autojump_clock.current_time()) == (1, 3.0)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_what_is_no_exception_goes_through(kind: type[BaseException]) -> None:
    service = failing(kind())

    with pytest.raises(kind) as caught:
        await retry(service, should_retry=always)

    assert len(service.called_at) == 1
    assert not hasattr(caught.value, "__notes__")


async def test_a_group_that_holds_an_interrupt_goes_through() -> None:
    service = failing(BaseExceptionGroup("both", [passing(), KeyboardInterrupt()]))

    with pytest.raises(BaseExceptionGroup) as caught:
        await retry(service)

    assert len(service.called_at) == 1
    assert [type(error) for error in caught.value.exceptions] == [CallFailed, KeyboardInterrupt]


async def test_a_group_out_of_a_nursery_is_tried_again_by_what_it_holds(autojump_clock: MockClock) -> None:
    service = failing(passing(), passing())

    async def both() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service)
        return "answer"

    assert await retry(both, steady(), rng=LOW) == "answer"
    assert len(service.called_at) == 3
    assert autojump_clock.current_time() == pytest.approx(2.4)


async def test_a_group_with_one_error_that_cannot_pass_is_not_tried_again() -> None:
    service = failing(ExceptionGroup("both", [passing(), CallFailed("no", fault=Fault.of("auth_error"))]))

    with pytest.raises(ExceptionGroup) as caught:
        await retry(service)

    assert len(service.called_at) == 1
    assert caught.value.__notes__ == ["tried once in 0 s: not retryable"]


async def test_a_function_that_returns_nothing_to_await_fails_at_once() -> None:
    not_async: Any = int
    with pytest.raises(TypeError, match="await") as caught:
        await retry(not_async)
    assert caught.value.__notes__ == ["tried once in 0 s: not retryable"]


# what callers are told and asked


def always(_fault: Fault, _error: Exception) -> bool:
    return True


async def test_on_retry_is_told_of_each_wait_before_it_begins(autojump_clock: MockClock) -> None:
    told: list[tuple[int, str, float, float]] = []

    def note(attempt: int, fault: Fault, delay: float) -> None:
        told.append((attempt, fault.kind, delay, trio.current_time()))

    reset = TransportFailed("reset", kind="reset", fault=Fault.of("network_reset"))
    await retry(failing(reset, passing(retry_after=4.0)), steady(), on_retry=note, rng=LOW)

    assert [(attempt, kind) for attempt, kind, _, _ in told] == [(1, "network_reset"), (2, "unknown")]
    assert [delay for _, _, delay, _ in told] == pytest.approx([0.8, 4.0])
    assert [at for _, _, _, at in told] == pytest.approx([0.0, 0.8])
    assert autojump_clock.current_time() == pytest.approx(4.8)


async def test_on_retry_is_not_told_of_the_last_failure() -> None:
    told: list[int] = []

    with pytest.raises(CallFailed):
        await retry(
            failing(*(passing() for _ in range(9))),
            RetryPolicy(2, initial=0.0),
            on_retry=lambda attempt, _fault, _delay: told.append(attempt),
        )

    assert told == [1, 2]


async def test_should_retry_decides_in_the_place_of_the_fault(autojump_clock: MockClock) -> None:
    never = failing(passing())
    with pytest.raises(CallFailed):
        await retry(never, should_retry=lambda _fault, _error: False)

    odd = failing(LookupError("not there yet"))
    assert await retry(odd, steady(), should_retry=always, rng=LOW) == "answer"
    assert (len(never.called_at), len(odd.called_at)) == (1, 2)
    assert autojump_clock.current_time() == pytest.approx(0.8)


async def test_should_retry_can_be_stricter_only(autojump_clock: MockClock) -> None:
    def is_read(fault: Fault, error: Exception) -> bool:
        return fault.retryable and "write" not in str(error)

    read, write, denied = failing(passing("read")), failing(passing("write")), failing(CallFailed("denied"))
    assert await retry(read, steady(), should_retry=is_read, rng=LOW) == "answer"
    for service in (write, denied):
        with pytest.raises(CallFailed):
            await retry(service, steady(), should_retry=is_read, rng=LOW)
    assert [len(service.called_at) for service in (read, write, denied)] == [2, 1, 1]
    assert autojump_clock.current_time() == pytest.approx(0.8)


async def test_should_retry_lifts_neither_the_number_nor_the_time() -> None:
    service = failing(*(LookupError() for _ in range(9)))
    with pytest.raises(LookupError):
        await retry(service, RetryPolicy(2, initial=0.0), should_retry=always)
    assert len(service.called_at) == 3


def broken(*_arguments: object) -> NoReturn:
    raise ZeroDivisionError("a mistake in the program")


@pytest.mark.parametrize("name", ["on_retry", "should_retry", "load", "classify"])
async def test_what_a_callback_raises_ends_the_call_and_costs_nothing(name: str) -> None:
    error = passing()
    service = failing(error)
    options: dict[str, Any] = {name: broken}
    async with open_actor(lambda: Budget(100)) as budget:
        with pytest.raises(ZeroDivisionError) as caught:
            await retry(service, budget=budget, price=60, **options)
        assert (await told_by(budget)).left == 100

    assert caught.value.__context__ is error
    assert len(service.called_at) == 1


async def test_an_answer_of_should_retry_that_is_neither_yes_nor_no_is_refused() -> None:
    def lazy(*_arguments: object) -> Any:
        return "yes"

    with pytest.raises(TypeError, match=r"^should_retry must return True or False, got 'yes'$"):
        await retry(failing(passing()), should_retry=lazy)


async def test_an_exception_can_be_classified_in_ones_own_way(autojump_clock: MockClock) -> None:
    service = failing(LookupError())

    def as_limit(error: Exception) -> Fault:
        return Fault.of("rate_limited", retry_after=9.0, raw=error)

    assert await retry(service, classify=as_limit, rng=LOW) == "answer"
    assert autojump_clock.current_time() == 9.0


class Closed(Exception):
    """Lets nothing be added to it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in {"__notes__", "is_out_of_budget"}:
            raise AttributeError(name)
        super().__setattr__(name, value)


async def test_an_exception_that_lets_nothing_be_added_is_raised_as_it_is() -> None:
    async with open_actor(lambda: Budget(1)) as budget:
        await budget.ask(Budget.withdraw(1, "retry"))
        error = Closed()
        with pytest.raises(Closed) as caught:
            await retry(failing(error), budget=budget, should_retry=always)
    assert caught.value is error


# the budget


async def told_by(budget: Ref[Budget]) -> BudgetStatistics:
    return await budget.ask(Budget.statistics())


async def test_a_first_success_fills_the_budget_and_a_later_one_gives_back_its_price(
    autojump_clock: MockClock,
) -> None:
    async with open_actor(lambda: Budget(1_000, earns=0.5)) as budget:
        await budget.ask(Budget.withdraw(1_000, "fallback"))
        await retry(failing(), budget=budget, price=400)
        assert (await told_by(budget)).left == 200
        await retry(failing(passing()), steady(), budget=budget, price=150, rng=LOW)
        statistics = await told_by(budget)

    assert statistics.left == 200
    assert (statistics.granted["retry"], statistics.purse.given_back) == (1, 150)
    assert autojump_clock.current_time() == pytest.approx(0.8)


async def test_a_failure_gives_nothing_back_and_the_last_retry_alone_is_paid_back(
    autojump_clock: MockClock,
) -> None:
    async with open_actor(lambda: Budget(1_000)) as budget:
        with pytest.raises(CallFailed):
            await retry(failing(*(passing() for _ in range(3))), steady(2), budget=budget, price=100)
        assert (await told_by(budget)).left == 800
        await retry(failing(passing(), passing()), steady(), budget=budget, price=100)
        assert (await told_by(budget)).left == 700
    assert autojump_clock.current_time() > 0


async def test_an_empty_budget_raises_the_original_fault_at_once_tagged(autojump_clock: MockClock) -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        await budget.ask(Budget.withdraw(50, "hedge"))
        error, service = passing(retry_after=5.0), failing(passing(retry_after=5.0))
        service.errors = [error]
        with pytest.raises(CallFailed) as caught:
            await retry(service, budget=budget, price=60, rng=LOW)
        statistics = await told_by(budget)

    assert caught.value is error
    assert error.is_out_of_budget
    assert error.retry_at == 5.0
    assert error.__notes__ == ["tried once in 0 s: the retry budget is empty"]
    assert (len(service.called_at), statistics.suppressed["retry"], statistics.left) == (1, 1, 50)
    assert autojump_clock.current_time() == 0.0


async def test_an_exception_of_others_is_tagged_as_well() -> None:
    async with open_actor(lambda: Budget(1)) as budget:
        await budget.ask(Budget.withdraw(1, "retry"))
        error: Any = ConnectionResetError("reset")
        with pytest.raises(ConnectionResetError):
            await retry(failing(error), budget=budget)

    assert error.is_out_of_budget is True
    assert not hasattr(error, "retry_at")
    assert error.__notes__ == ["tried once in 0 s: the retry budget is empty"]


async def test_a_fault_that_is_not_tried_again_asks_no_budget() -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        with pytest.raises(CallFailed) as caught:
            await retry(failing(CallFailed("no")), budget=budget)
        statistics = await told_by(budget)

    assert (statistics.left, statistics.granted["retry"], statistics.suppressed["retry"]) == (100, 0, 0)
    assert not caught.value.is_out_of_budget


async def test_a_wait_that_is_cancelled_gives_back_what_was_withdrawn(autojump_clock: MockClock) -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        with trio.CancelScope() as scope:
            scope.deadline = math.inf

            async def cancel() -> None:
                await trio.sleep(3)
                assert (await told_by(budget)).left == 30
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel)
                await retry(failing(passing(retry_after=20.0)), budget=budget, price=70)
        assert (await told_by(budget)).left == 100
    assert autojump_clock.current_time() == 3.0


async def test_an_attempt_that_is_cancelled_keeps_what_it_was_paid(autojump_clock: MockClock) -> None:
    tries = 0

    async def fails_then_hangs() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise passing(retry_after=1.0)
        await trio.sleep_forever()

    async with open_actor(lambda: Budget(100)) as budget:
        with trio.move_on_after(10):
            await retry(fails_then_hangs, budget=budget, price=70)
        assert (await told_by(budget)).left == 30
    assert autojump_clock.current_time() == 10.0


async def test_a_budget_that_has_ended_lets_nobody_try_again() -> None:
    error = passing()
    async with open_ended(lambda: Budget(100)) as budget:
        assert await retry(failing(), budget=budget) == "answer"
        with pytest.raises(CallFailed) as caught:
            await retry(failing(error), budget=budget)

    assert caught.value is error
    assert not error.is_out_of_budget
    assert error.__notes__ == ["tried once in 0 s: the retry budget did not answer"]


class Fragile(Budget):
    """A budget that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


@pytest.mark.parametrize(("pause", "tries"), [(0.5, 2), (10.0, 1)])
async def test_a_budget_that_is_restarted_is_waited_for_a_second(
    pause: float, tries: int, autojump_clock: MockClock
) -> None:
    service = failing(passing())
    async with open_restarting(lambda: Fragile(100), "budget", pause=pause, keeps_state=True) as budget:
        with pytest.raises(Interrupted):
            await budget.ask(Fragile.crash())
        if tries == 1:
            with pytest.raises(CallFailed):
                await retry(service, steady(), budget=budget, rng=LOW)
            assert autojump_clock.current_time() == 1.0
        else:
            await retry(service, steady(), budget=budget, rng=LOW)
            assert autojump_clock.current_time() == 0.8
    assert len(service.called_at) == tries


async def test_a_budget_that_does_not_answer_keeps_nobody_past_the_deadline(
    autojump_clock: MockClock,
) -> None:
    error = passing()
    async with open_restarting(lambda: Fragile(100), "budget", pause=60.0, keeps_state=True) as budget:
        with pytest.raises(Interrupted):
            await budget.ask(Fragile.crash())
        with trio.fail_after(0.9), pytest.raises(CallFailed) as caught:
            await retry(failing(error), RetryPolicy(initial=0.1), budget=budget)
        assert caught.value is error
        assert autojump_clock.current_time() == 0.45


async def test_a_budget_that_would_have_to_wait_for_itself_says_so() -> None:
    class Selfish(Budget):
        @op(raises=(CallFailed,))
        async def work(self) -> str:
            return await retry(failing(passing()), budget=self.ref)

    async with open_actor(lambda: Selfish(100)) as budget:
        with pytest.raises(AskCycle):
            await budget.ask(Selfish.work())


async def test_in_an_outage_a_shared_budget_ends_the_retries_of_all(autojump_clock: MockClock) -> None:
    reached = 0

    async def down() -> None:
        nonlocal reached
        reached += 1
        await trio.lowlevel.checkpoint()
        raise passing()

    async def call(budget: Ref[Budget]) -> None:
        with pytest.raises(CallFailed):
            await retry(down, steady(), budget=budget, price=100)

    async with open_actor(lambda: Budget(1_000)) as budget, trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(call, budget)

    assert reached == 200 + 10  # and not 800
    assert autojump_clock.current_time() < 15


# the decorator


async def test_a_decorated_function_is_tried_again_with_its_arguments(autojump_clock: MockClock) -> None:
    seen: list[tuple[int, str]] = []

    @retrying(steady(), rng=LOW)
    async def look_up(number: int, *, word: str = "none") -> str:
        """Look something up."""
        seen.append((number, word))
        if len(seen) < 3:
            raise passing()
        return word * number

    assert await look_up(2, word="ab") == "abab"
    assert seen == [(2, "ab")] * 3
    assert (look_up.__name__, look_up.__doc__) == ("look_up", "Look something up.")
    assert inspect.iscoroutinefunction(look_up)
    assert list(inspect.signature(look_up).parameters) == ["number", "word"]
    assert autojump_clock.current_time() == pytest.approx(2.4)


async def test_each_call_of_a_decorated_function_has_attempts_and_time_of_its_own(
    autojump_clock: MockClock,
) -> None:
    service = failing(*(passing() for _ in range(6)))
    call = retrying(steady(3, max_elapsed=6.0), rng=LOW)(service)

    with pytest.raises(CallFailed):
        await call()
    assert len(service.called_at) == 4
    assert await call() == "answer"
    assert len(service.called_at) == 7
    assert autojump_clock.current_time() == pytest.approx(5.6 + 2.4)


async def test_a_method_and_an_op_can_be_decorated(autojump_clock: MockClock) -> None:
    class Shelf(Actor):
        def __init__(self) -> None:
            self.tries = 0

        @op(raises=(CallFailed,))
        @retrying(steady(), rng=LOW)
        async def fetch(self, name: str) -> str:
            self.tries += 1
            if self.tries == 1:
                raise passing()
            return f"{name} after {self.tries}"

    async with open_actor(Shelf) as shelf:
        assert await shelf.ask(Shelf.fetch("book")) == "book after 2"
    assert autojump_clock.current_time() == pytest.approx(0.8)


async def test_the_deadline_of_whoever_asks_an_op_holds_for_its_retries(autojump_clock: MockClock) -> None:
    class Shelf(Actor):
        @op(raises=(CallFailed,))
        @retrying()
        async def fetch(self) -> None:
            raise passing(retry_after=20.0)

    async with open_actor(Shelf) as shelf:
        with trio.fail_after(10), pytest.raises(CallFailed) as caught:
            await shelf.ask(Shelf.fetch())
    assert caught.value.retry_at == 20.0
    assert autojump_clock.current_time() == 0.0


# wrong arguments


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"policy": 3}, TypeError, "policy must be a RetryPolicy or a RetryPlan, got int"),
    ({"on_retry": 3}, TypeError, "on_retry must be a plain function, got int"),
    ({"on_retry": failing().__call__}, TypeError, "on_retry must be a plain function, got an async function"),
    ({"should_retry": failing().__call__}, TypeError, "should_retry must be a plain function, got an async"),
    ({"load": 0.5}, TypeError, "load must be a plain function, got float"),
    ({"budget": 7}, TypeError, "budget must be a Ref or None, got int"),
    ({"rng": 3}, TypeError, "rng must be a random.Random or None, got int"),
    ({"classify": None}, TypeError, "classify must be a plain function, got NoneType"),
    ({"price": 0}, ValueError, "price must be >= 1, got 0"),
    ({"price": 1.5}, TypeError, r"price must be a whole number of tokens, got 1\.5"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), WRONG)
async def test_a_wrong_argument_is_refused_before_anything_is_called(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    service = failing()
    with pytest.raises(kind, match=f"^{message}"):
        await retry(service, **arguments)
    with pytest.raises(kind, match=f"^{message}"):
        retrying(**arguments)
    assert service.called_at == []


async def test_what_is_called_must_be_callable() -> None:
    awaited: Any = 3
    with pytest.raises(TypeError, match=r"^fn must be callable, got int$"):
        await retry(awaited)


def test_a_decorator_without_its_parentheses_is_told_from_a_policy() -> None:
    async def look_up() -> None: ...

    untyped: Any = retrying
    with pytest.raises(
        TypeError, match=r"^policy must be a RetryPolicy or a RetryPlan, got function; write @retrying\(\)$"
    ):
        untyped(look_up)


def test_a_stream_cannot_be_tried_again() -> None:
    async def lines() -> Any:
        yield 1

    untyped: Any = lines
    with pytest.raises(
        TypeError, match=r"^retrying must decorate an async function, got the generator 'lines'$"
    ):
        retrying()(untyped)


def test_what_cannot_be_awaited_is_not_decorated() -> None:
    def words() -> Any:
        yield "one"

    for wrong, named in (
        (5, "int"),
        (RetryPolicy, "'RetryPolicy'"),
        (max, "'max'"),
        (words, "the generator 'words'"),
    ):
        untyped: Any = wrong
        with pytest.raises(TypeError, match=f"^retrying must decorate an async function, got {named}$"):
            retrying()(untyped)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classify": lambda _error: None}, "classify must return a Fault, got NoneType"),
        ({"load": lambda: "high"}, "load must return a number, got str"),
        ({"load": lambda: math.nan}, "load must return a number, got nan"),
    ],
)
async def test_what_a_callback_returns_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        await retry(failing(passing()), **options)


async def test_arguments_can_be_bound_with_partial(autojump_clock: MockClock) -> None:
    async def add(one: int, two: int) -> int:
        return one + two

    assert await retry(partial(add, 1, two=2)) == 3
    assert autojump_clock.current_time() == 0.0
