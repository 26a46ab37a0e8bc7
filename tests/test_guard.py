"""A guarded service: refused at once when it is down, tried again when that helps, cut off when it takes too long."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.bound_ids import bind_ids
from actors.breaker.breaker import Breaker
from actors.errors import (
    BreakerOpen,
    CallFailed,
    OutOfTime,
    QueueFull,
    Rejected,
    TransportFailed,
)
from actors.fallback.chain import FallbackChain, Step, constant
from actors.faults import ErrorContext, Fault, FaultKind
from actors.guard import DEFAULT_TIMEOUT, Guard
from actors.guarded_call import GuardStatistics
from actors.kernel import Ref, op, open_actor
from actors.policies.breaker.records import BreakerSnapshot
from actors.policies.breaker.rules import BreakerRules
from actors.policies.retry.retry import RetryPolicy
from actors.retry.budget import Budget, BudgetStatistics
from actors.retry.function import retry, suppress_retries
from actors.time_budget import time_budget
from actors.wire.faults import fault_of

ONCE = RetryPolicy(max_retries=0)


class Longest(random.Random):
    """Draws the longest wait there may be, so that waits are 1, 2, 4, ... seconds."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def failed(kind: FaultKind = "server_error") -> CallFailed:
    return CallFailed(f"failed: {kind}", fault=Fault.of(kind))


@attrs.define(eq=False)
class Service:
    """Fails with its errors, one after the other, and answers from then on; each takes `takes` seconds."""

    errors: list[Exception] = attrs.field(factory=list[Exception])
    takes: float = 0.0
    called: int = 0

    async def ask(self) -> str:
        self.called += 1
        await trio.sleep(self.takes)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


class Speechless(Budget):
    """A budget that does not say what it has left."""

    @op
    async def statistics(self) -> BudgetStatistics:  # type: ignore[override]  # it is asked all the same
        return await trio.sleep_forever()


@asynccontextmanager
async def open_breaker(consecutive: int = 3, cooldown: float = 30.0) -> AsyncGenerator[Ref[Breaker]]:
    rules = BreakerRules(consecutive=consecutive, cooldown=cooldown, jitter=0.0, is_adaptive=False)
    async with open_actor(lambda: Breaker(rules, service="search")) as breaker:
        yield breaker


async def snapshot_of(breaker: Ref[Breaker]) -> BreakerSnapshot:
    return await breaker.ask(Breaker.snapshot())


async def trip(breaker: Ref[Breaker], failures: int = 3) -> None:
    """Open a breaker."""
    guard = Guard("search", breaker, ONCE)
    for _ in range(failures):
        with pytest.raises(CallFailed):
            await guard.call(Service([failed()]).ask)


async def test_an_answer_comes_through_and_the_breaker_hears_of_it() -> None:
    async with open_breaker() as breaker:
        guard = Guard("search", breaker)
        assert await guard.call(Service().ask) == "answer"
        assert (await snapshot_of(breaker)).calls == 1
        assert guard.statistics() == GuardStatistics(calls=1, attempts=1, answered=1)


async def test_without_a_breaker_it_retries_and_times_out_all_the_same(autojump_clock: MockClock) -> None:
    service = Service([failed(), failed()])
    guard = Guard("search", rng=Longest())
    assert await guard.call(service.ask) == "answer"
    assert service.called == 3
    assert autojump_clock.current_time() == 1.0 + 2.0
    assert guard.statistics() == GuardStatistics(calls=1, attempts=3, answered=1)


async def test_an_attempt_that_takes_too_long_is_cut_off(autojump_clock: MockClock) -> None:
    async with open_breaker(consecutive=1) as breaker:
        guard = Guard("search", breaker, ONCE, timeout=5.0)
        with pytest.raises(TransportFailed, match=r"^search gave no answer within 5 s\n") as caught:
            await guard.call(Service(takes=60.0).ask)
        assert autojump_clock.current_time() == 5.0
        assert caught.value.kind == "timeout"
        assert fault_of(caught.value).kind == "network_timeout"
        assert (await snapshot_of(breaker)).state == "open"
        assert guard.statistics() == GuardStatistics(calls=1, attempts=1, timeouts=1)


async def test_the_timeout_is_for_each_attempt_and_30_s_unless_told_otherwise(
    autojump_clock: MockClock,
) -> None:
    assert DEFAULT_TIMEOUT == 30.0
    service = Service(takes=31.0)
    with pytest.raises(TransportFailed):
        await Guard("search", retry=RetryPolicy(max_retries=1), rng=Longest()).call(service.ask)
    assert service.called == 2
    assert autojump_clock.current_time() == 30.0 + 1.0 + 30.0


async def test_a_service_that_is_known_to_be_down_is_refused_at_once(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await trip(breaker)
        service = Service()
        guard = Guard("search", breaker)
        with pytest.raises(BreakerOpen) as caught:
            await guard.call(service.ask)
        assert service.called == 0
        assert autojump_clock.current_time() == 0.0
        assert caught.value.retry_at == 30.0
        assert not hasattr(caught.value, "__notes__")  # it was not tried, and trying again will make sense
        assert guard.statistics() == GuardStatistics(calls=1, refused=1)


class Validation(Exception):
    """A stranger's error that has a context of its own."""

    context: object = "mine"


class Empty(Exception):
    """A stranger's error that has a context of its own, and nothing in it yet."""

    context = None


class Prickly(Exception):
    """A stranger's error that raises when it is looked at."""

    @property
    def context(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", [Validation, Empty])
async def test_what_a_stranger_keeps_as_context_stays(kind: type[Exception]) -> None:
    error = kind("no")
    with pytest.raises(kind) as caught:
        await Guard("search", retry=ONCE).call(Service([error]).ask)
    assert caught.value is error
    assert "context" not in vars(error)


async def test_an_error_that_cannot_be_looked_at_comes_out_itself() -> None:
    with pytest.raises(Prickly):
        await Guard("search", retry=ONCE).call(Service([Prickly("no")]).ask)


async def test_a_stranger_without_a_context_is_given_one() -> None:
    with pytest.raises(KeyError) as caught:
        await Guard("search", retry=ONCE).call(Service([KeyError("no")]).ask)
    assert vars(caught.value)["context"].service == "search"


async def test_each_retry_asks_the_breaker_again_and_none_waits_to_be_refused(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker(consecutive=2) as breaker:
        service = Service([failed(), failed(), failed()])
        guard = Guard("search", breaker, RetryPolicy(max_retries=5), rng=Longest())
        with pytest.raises(CallFailed) as caught:
            await guard.call(service.ask)
        assert service.called == 2
        assert autojump_clock.current_time() == 1.0  # one wait; after the second failure the breaker is open
        assert caught.value.retry_at == 31.0
        assert caught.value.__notes__ == ["not tried again: breaker open"]
        assert isinstance(caught.value.__cause__, BreakerOpen)
        assert guard.statistics() == GuardStatistics(calls=1, attempts=2)


async def test_a_breaker_that_opens_while_a_call_waits_ends_it_with_its_own_fault(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker, open_actor(lambda: Budget(100)) as budget:
        service = Service([ConnectionResetError("broke")])
        guard = Guard("search", breaker, budget=budget, price=60, rng=Longest())

        async def others() -> None:
            await trio.sleep(0.5)
            await trip(breaker, failures=2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            with pytest.raises(ConnectionResetError) as caught:
                await guard.call(service.ask)
        assert service.called == 1
        assert autojump_clock.current_time() == 1.0
        assert caught.value.__notes__ == ["not tried again: breaker open"]
        # It was paid for, and never made.
        assert (await budget.ask(Budget.statistics())).left == 100
        assert guard.statistics() == GuardStatistics(calls=1, attempts=1, refused=1)


async def test_without_a_budget_a_retry_that_is_refused_has_cost_nothing(autojump_clock: MockClock) -> None:
    service = Service([failed(), QueueFull("full", retry_at=9.0)])
    with pytest.raises(CallFailed) as caught:
        await Guard("search", rng=Longest()).call(service.ask)
    assert service.called == 2
    assert caught.value.retry_at == 9.0
    assert caught.value.__notes__ == ["not tried again: no capacity in time"]
    assert autojump_clock.current_time() == 1.0


async def test_one_that_was_isolated_by_hand_says_so() -> None:
    async with open_breaker() as breaker:
        await breaker.ask(Breaker.isolate())
        with pytest.raises(BreakerOpen) as caught:
            await Guard("search", breaker).call(Service().ask)
        assert caught.value.retry_at is None
        assert caught.value.context is not None
        assert caught.value.context.breaker == "isolated"


async def test_a_trial_call_that_answers_closes_the_breaker(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await trip(breaker)
        await trio.sleep(30.0)
        assert await Guard("search", breaker).call(Service().ask) == "answer"
        assert (await snapshot_of(breaker)).state == "closed"
        assert autojump_clock.current_time() == 30.0


async def test_a_trial_call_that_fails_is_not_tried_again(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await trip(breaker)
        await trio.sleep(30.0)
        service = Service([failed(), failed()])
        with pytest.raises(CallFailed) as caught:
            await Guard("search", breaker).call(service.ask)
        assert service.called == 1
        assert autojump_clock.current_time() == 30.0
        assert caught.value.retry_at == 30.0 + 60.0


@pytest.mark.parametrize("kind", ["invalid_request", "auth_error", "validation", "context_length"])
async def test_a_callers_mistake_is_told_at_once_and_says_nothing_of_the_service(kind: FaultKind) -> None:
    async with open_breaker(consecutive=1) as breaker:
        service, error = Service(), failed(kind)
        service.errors.append(error)
        with pytest.raises(CallFailed) as caught:
            await Guard("search", breaker).call(service.ask)
        assert caught.value is error
        assert service.called == 1
        assert (await snapshot_of(breaker)).state == "closed"


@pytest.mark.parametrize(
    "rejected",
    [
        QueueFull("full", retry_at=1.0),
        BreakerOpen("open", service="store", state="open", retry_at=1.0),
    ],
    ids=repr,
)
async def test_what_the_service_did_not_send_is_not_tried_again_and_says_nothing_of_it(
    rejected: Rejected,
) -> None:
    async with open_breaker(consecutive=1) as breaker:
        service = Service([rejected])
        with pytest.raises(type(rejected)):
            await Guard("search", breaker).call(service.ask)
        assert service.called == 1
        assert (await snapshot_of(breaker)).state == "closed"


async def test_cancellation_is_no_failure_and_is_not_tried_again(autojump_clock: MockClock) -> None:
    async with open_breaker(consecutive=1) as breaker:
        service = Service(takes=60.0)
        guard = Guard("search", breaker)
        with trio.move_on_after(5) as scope:
            await guard.call(service.ask)
        assert scope.cancelled_caught
        assert autojump_clock.current_time() == 5.0
        assert service.called == 1
        snapshot = await snapshot_of(breaker)
        assert (snapshot.state, snapshot.in_flight) == ("closed", 0)


class TestTime:
    """The time of the job bounds all attempts."""

    async def test_retries_take_from_the_time_of_the_job(self, autojump_clock: MockClock) -> None:
        guard = Guard("search", retry=RetryPolicy(max_retries=9), timeout=4.0, rng=Longest())
        service = Service(takes=60.0)
        with pytest.raises(TransportFailed) as caught, time_budget(10):
            await guard.call(service.ask)
        # 4 s, a wait of 1 s, 4 s; a wait of 2 s would end past the budget and is not begun.
        assert autojump_clock.current_time() == 9.0
        assert service.called == 2
        assert caught.value.retry_at == 11.0

    async def test_an_attempt_is_cut_off_by_the_time_of_the_job(self, autojump_clock: MockClock) -> None:
        with pytest.raises(trio.TooSlowError), time_budget(3):
            await Guard("search").call(Service(takes=60.0).ask)
        assert autojump_clock.current_time() == 3.0

    async def test_without_any_time_nothing_is_begun(self) -> None:
        service = Service()
        with pytest.raises(OutOfTime, match=r"^no time is left for search$"), time_budget(0):
            await Guard("search").call(service.ask)
        assert service.called == 0


class TestAttempts:
    """Attempts never multiply."""

    async def test_a_guard_within_a_retried_call_makes_one_attempt(self, autojump_clock: MockClock) -> None:
        service = Service([failed() for _ in range(9)])
        guard = Guard("search", rng=Longest())
        with pytest.raises(CallFailed):
            await retry(lambda: guard.call(service.ask), RetryPolicy(max_retries=2), rng=Longest())
        assert service.called == 3
        assert autojump_clock.current_time() == 3.0

    async def test_a_guard_within_a_guard_makes_one_attempt(self) -> None:
        service = Service([failed() for _ in range(9)])
        inner = Guard("inner")
        outer = Guard("outer", retry=RetryPolicy(max_retries=1, initial=0.0))
        with pytest.raises(CallFailed) as caught:
            await outer.call(lambda: inner.call(service.ask))
        assert service.called == 2
        assert caught.value.context is not None
        assert caught.value.context.service == "inner"

    async def test_who_retries_for_itself_can_say_so(self) -> None:
        service = Service([failed()])
        with pytest.raises(CallFailed), suppress_retries():
            await Guard("search").call(service.ask)
        assert service.called == 1

    async def test_an_empty_budget_gives_the_fault_itself_at_once(self, autojump_clock: MockClock) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            assert await budget.ask(Budget.withdraw(90))
            service, error = Service(), failed()
            service.errors.append(error)
            with pytest.raises(CallFailed) as caught:
                await Guard("search", budget=budget, price=20).call(service.ask)
            assert caught.value is error
            assert error.is_out_of_budget
            assert error.context is not None
            assert error.context.budget_left == 10
            assert autojump_clock.current_time() == 0.0

    async def test_a_first_attempt_that_is_refused_brings_nothing_in(self) -> None:
        async with open_breaker() as breaker, open_actor(lambda: Budget(100)) as budget:
            await trip(breaker)
            assert await budget.ask(Budget.withdraw(60))
            with pytest.raises(BreakerOpen):
                await Guard("search", breaker, budget=budget, price=20).call(Service().ask)
            assert (await budget.ask(Budget.statistics())).left == 40

    async def test_whoever_asks_is_told_of_each_retry(self, autojump_clock: MockClock) -> None:
        told: list[tuple[int, str, float, float]] = []
        guard = Guard(
            "search",
            rng=Longest(),
            load=lambda: 0.9,
            on_retry=lambda attempt, fault, delay: told.append(
                (attempt, fault.kind, delay, autojump_clock.current_time())
            ),
        )
        assert await guard.call(Service([failed(), failed("overloaded")]).ask) == "answer"
        assert told == [(1, "server_error", 2.0, 0.0), (2, "overloaded", 8.0, 2.0)]


class TestCircumstances:
    """Every error says where it was met."""

    async def test_an_error_has_all_its_circumstances(self, autojump_clock: MockClock) -> None:
        async with open_breaker() as breaker, open_actor(lambda: Budget(100)) as budget:
            policy = RetryPolicy(max_retries=1)
            guard = Guard("search", breaker, policy, budget=budget, price=30, rng=Longest())
            with pytest.raises(CallFailed) as caught, bind_ids(session="s1", request="r1"):
                await guard.call(Service([failed(), failed()], takes=2.0).ask)
            assert caught.value.context == ErrorContext(
                service="search",
                attempt=2,
                elapsed=2.0 + 1.0 + 2.0,
                breaker="closed",
                budget_left=70,
                ids={"session": "s1", "request": "r1"},
            )
            assert autojump_clock.current_time() == 5.0

    async def test_a_strangers_error_has_them_too(self, autojump_clock: MockClock) -> None:
        with pytest.raises(KeyError) as caught:
            await Guard("store").call(Service([KeyError("x")], takes=2.0).ask)
        told = ErrorContext(service="store", attempt=1, elapsed=autojump_clock.current_time())
        assert vars(caught.value)["context"] == told
        assert told.elapsed == 2.0

    async def test_what_was_refused_has_them_and_counts_no_attempt(self, autojump_clock: MockClock) -> None:
        async with open_breaker() as breaker:
            await trip(breaker)
            with pytest.raises(BreakerOpen) as caught:
                await Guard("search", breaker).call(Service().ask)
            assert caught.value.context == ErrorContext(service="search", breaker="open")
            assert autojump_clock.current_time() == 0.0

    async def test_an_error_of_a_trial_call_says_that_it_was_one(self, autojump_clock: MockClock) -> None:
        async with open_breaker() as breaker:
            await trip(breaker)
            await trio.sleep(30.0)
            assert autojump_clock.current_time() == 30.0
            with pytest.raises(CallFailed) as caught:
                await Guard("search", breaker, ONCE).call(Service([failed("invalid_request")]).ask)
            assert caught.value.context is not None
            assert caught.value.context.breaker == "half_open"

    async def test_what_was_told_further_in_stays(self) -> None:
        error = failed()
        error.context = ErrorContext(service="inside")
        with pytest.raises(CallFailed):
            await Guard("search", retry=ONCE).call(Service([error]).ask)
        assert error.context.service == "inside"

    async def test_an_error_to_which_nothing_can_be_added_comes_out_all_the_same(self) -> None:
        class Sealed(Exception):
            @property
            def __dict__(self) -> dict[str, object]:  # type: ignore[override]  # a stranger's whim
                raise RuntimeError("sealed")

            def add_note(self, _note: str) -> None:
                raise RuntimeError("sealed")

        async with open_breaker(consecutive=1) as breaker:
            guard = Guard("search", breaker, classify=lambda _error: Fault.of("server_error"))
            with pytest.raises(Sealed):
                await guard.call(Service([Sealed()]).ask)

    @pytest.mark.parametrize(("seconds", "waited"), [(60.0, 1.0), (1.0, 0.5)])
    async def test_a_budget_that_does_not_answer_is_waited_for_a_second_and_half_of_what_is_left(
        self, autojump_clock: MockClock, seconds: float, waited: float
    ) -> None:
        async with open_actor(Speechless) as budget:
            with pytest.raises(CallFailed) as caught, time_budget(seconds):
                await Guard("search", retry=ONCE, budget=budget).call(Service([failed()]).ask)
            assert caught.value.context is not None
            assert caught.value.context.budget_left is None
            assert autojump_clock.current_time() == waited

    async def test_a_budget_that_has_ended_is_not_waited_for(self, autojump_clock: MockClock) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            pass
        with pytest.raises(CallFailed) as caught:
            await Guard("search", retry=ONCE, budget=budget).call(Service([failed()]).ask)
        assert caught.value.context is not None
        assert caught.value.context.budget_left is None
        assert autojump_clock.current_time() == 0.0


async def test_what_counts_as_which_fault_can_be_said(autojump_clock: MockClock) -> None:
    class Busy(Exception):
        pass

    def patient(_error: Exception) -> Fault:
        return Fault.of("overloaded")

    def careless(_error: Exception) -> Fault:
        return Fault.of("invalid_request")

    async with open_breaker(consecutive=2) as breaker:
        for _ in range(3):
            with pytest.raises(Busy):
                await Guard("search", breaker, classify=careless).call(Service([Busy()]).ask)
        assert (await snapshot_of(breaker)).state == "closed"
        service = Service([Busy(), Busy()])
        with pytest.raises(Busy):
            await Guard("search", breaker, classify=patient, rng=Longest()).call(service.ask)
        assert (await snapshot_of(breaker)).state == "open"
        assert service.called == autojump_clock.current_time() == 2.0


async def test_a_function_under_guard_is_called_as_before() -> None:
    async def search(question: str, *, limit: int) -> str:
        """Search."""
        return f"{question} {limit}"

    guarded = Guard("search").around(search)
    assert await guarded("why", limit=3) == "why 3"
    assert guarded.__name__ == "search"
    assert guarded.__doc__ == "Search."


async def test_a_chain_over_guards_stops_asking_who_is_down(autojump_clock: MockClock) -> None:
    down = Service([failed("network_refused") for _ in range(99)])
    slow = Service(takes=60.0)
    async with open_breaker() as breaker:
        chain = FallbackChain[[], str](
            [
                Step("a", Guard("a", breaker, ONCE).around(down.ask)),
                Step("b", Guard("b", retry=ONCE, timeout=5.0).around(slow.ask)),
                constant("sentence", "sorry"),
            ]
        )
        served = [await chain.call() for _ in range(5)]
        assert [each.used for each in served] == ["sentence"] * 5
        assert [each.passed_over[0].text for each in served] == ["network refused"] * 3 + ["breaker open"] * 2
        assert {each.passed_over[1].text for each in served} == {"network timeout"}
        assert down.called == 3
        assert autojump_clock.current_time() == 25.0


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        Guard("search", timeout=timeout)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"name": ""}, ValueError, "name must be printable text on one line, got ''"),
        ({"name": "a\nb"}, ValueError, r"name must be printable text on one line, got 'a\nb'"),
        ({"name": 5}, TypeError, "name must be text, got int"),
        ({"breaker": 5}, TypeError, "breaker must be a Ref or None, got int"),
        ({"retry": 5}, TypeError, "retry must be a RetryPolicy or a RetryPlan, got int"),
        ({"budget": 5}, TypeError, "budget must be a Ref or None, got int"),
        ({"price": 0}, ValueError, "price must be >= 1, got 0"),
        ({"price": "x"}, TypeError, "price must be a whole number of tokens, got 'x'"),
        ({"rng": 5}, TypeError, "rng must be a random.Random or None, got int"),
        ({"load": 5}, TypeError, "load must be a plain function, got int"),
        ({"classify": None}, TypeError, "classify must be a plain function, got NoneType"),
        ({"on_retry": trio.sleep}, TypeError, "on_retry must be a plain function, got an async function"),
        ({"on_end": trio.sleep}, TypeError, "on_end must be a plain function, got an async function"),
    ],
)
def test_a_guard_that_makes_no_sense_is_refused_when_it_is_made(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Guard(**{"name": "search", **options})
    assert str(caught.value) == text
