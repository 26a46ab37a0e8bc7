"""A chain of services of any kind: who answers, who was passed over and why, and what is raised when nobody does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.errors import (
    BreakerOpen,
    CallFailed,
    NoneAdmitted,
    NoneAnswered,
    OutOfTime,
    ProviderFailed,
    QueueFull,
    Rejected,
    TransportFailed,
)
from actors.fallback.chain import FallbackChain, FallbackStatistics, PassedOver, Served, Step, constant
from actors.faults import FAULT_KINDS, Fault, FaultKind
from actors.kernel import open_actor
from actors.policies.fallback import falls_back
from actors.retry.budget import Budget
from actors.time_budget import check_time, time_budget

SORRY = "search is down; ask me again later"


def failed(kind: FaultKind, **facts: Any) -> CallFailed:
    """Return an error that knows its fault."""
    return CallFailed(f"failed: {kind}", fault=Fault.of(kind, **facts))


def breaker_open(retry_at: float | None = 30.0) -> BreakerOpen:
    return BreakerOpen("open", service="search", state="open", retry_at=retry_at)


@attrs.define(eq=False)
class Service:
    """Answers with its name and the question, or fails with its error, after `takes` seconds."""

    name: str
    error: Exception | None = None
    takes: float = 0.0
    asked: list[str] = attrs.field(factory=list[str])

    async def ask(self, question: str) -> str:
        self.asked.append(question)
        await trio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return f"{self.name}: {question}"

    def step(self, **options: Any) -> Step[[str], str]:
        return Step(self.name, self.ask, **options)


def chain(*services: Service | Step[..., str], **options: Any) -> FallbackChain[[str], str]:
    return FallbackChain([each.step() if isinstance(each, Service) else each for each in services], **options)


async def test_the_first_that_answers_does_and_nobody_else_is_asked() -> None:
    first, second = Service("a"), Service("b")
    served = await chain(first, second).call("why")
    assert served == Served("a: why", "a")
    assert not served.fell_back
    assert second.asked == []


async def test_the_next_is_asked_with_the_same_question_and_the_result_says_why() -> None:
    first, second, third = (
        Service("a", failed("overloaded", status=529)),
        Service("b", breaker_open()),
        Service("c"),
    )
    served = await chain(first, second, third).call("why")
    assert served.value == "c: why"
    assert served.used == "c"
    assert served.fell_back
    overloaded, refused = served.passed_over
    assert overloaded == PassedOver("a", Fault.of("overloaded", status=529), "overloaded (529)")
    assert str(overloaded) == "a was passed over: overloaded (529)"
    assert (refused.name, refused.why, refused.text) == ("b", second.error, "breaker open")


async def test_a_polite_sentence_ends_a_chain_that_cannot_fail() -> None:
    services = Service("a", failed("dns")), Service("b", failed("network_timeout"))
    served = await chain(*services, constant("sentence", SORRY)).call("why")
    assert (served.value, served.used) == (SORRY, "sentence")
    assert [each.text for each in served.passed_over] == ["dns", "network timeout"]


async def test_a_store_falls_back_to_its_cache_and_then_to_an_empty_session() -> None:
    async def store(_session: str) -> dict[str, str]:
        raise failed("database")

    async def cache(_session: str) -> dict[str, str]:
        raise failed("cache_miss")

    async def empty(_session: str) -> dict[str, str]:
        return {}

    sessions = FallbackChain([Step("store", store), Step("cache", cache), Step("empty", empty, is_free=True)])
    first, second = await sessions.call("s1"), await sessions.call("s1")
    assert first.used == second.used == "empty"
    assert first.value == {}
    assert first.value is not second.value


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if not falls_back(Fault.of(kind))])
async def test_a_callers_mistake_is_raised_as_it_is_and_nobody_else_is_asked(kind: FaultKind) -> None:
    error = failed(kind)
    second = Service("b")
    with pytest.raises(CallFailed) as caught:
        await chain(Service("a", error), second, constant("sentence", SORRY)).call("why")
    assert caught.value is error
    assert second.asked == []


async def test_a_bug_in_a_step_is_no_reason_to_fall_back() -> None:
    with pytest.raises(TypeError, match=r"^no$"):
        await chain(Service("a", TypeError("no")), constant("sentence", SORRY)).call("why")


async def test_an_error_that_ends_the_chain_has_a_note_for_each_that_was_passed_over() -> None:
    error = failed("invalid_request")
    with pytest.raises(CallFailed) as caught:
        await chain(
            Service("a", failed("overloaded")),
            Service("b", breaker_open()),
            Service("c", error),
            Service("d"),
        ).call("why")
    assert caught.value is error
    assert error.__notes__ == ["a was passed over: overloaded", "b was passed over: breaker open"]


async def test_when_all_fail_a_group_names_each_in_order() -> None:
    errors = [failed("overloaded"), breaker_open(retry_at=9.0), failed("network_timeout")]
    services = [Service(name, error) for name, error in zip("abc", errors, strict=True)]
    with pytest.raises(NoneAnswered) as caught:
        await chain(*services).call("why")
    assert list(caught.value.exceptions) == errors
    assert caught.value.message == "nobody answered: a: overloaded; b: breaker open; c: network timeout"
    assert caught.value.retry_at == 9.0


async def test_when_none_was_asked_the_group_says_that_nothing_was_sent() -> None:
    errors = [QueueFull("full"), breaker_open(retry_at=9.0)]
    with pytest.raises(NoneAdmitted) as caught:
        await chain(*(Service(name, error) for name, error in zip("ab", errors, strict=True))).call("why")
    assert list(caught.value.exceptions) == errors
    assert caught.value.message == "nobody could be asked: a: no capacity in time; b: breaker open"
    assert caught.value.retry_at == 9.0


@pytest.mark.parametrize("error", [failed("overloaded"), breaker_open()], ids=repr)
async def test_a_chain_of_one_raises_its_error_itself(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await chain(Service("a", error)).call("why")
    assert caught.value is error
    assert not hasattr(error, "__notes__")


async def test_a_chain_within_a_chain_falls_back_as_one() -> None:
    inner = chain(Service("a", failed("overloaded")), Service("b", failed("dns")))

    async def either(question: str) -> str:
        return (await inner.call(question)).value

    served = await chain(Step("either", either), Service("c")).call("why")
    assert served.used == "c"
    (passed_over,) = served.passed_over
    assert passed_over.text == "dns"  # the more urgent of the two


async def test_strangers_errors_are_classified() -> None:
    served = await chain(
        Service("a", ConnectionRefusedError("no")),
        Service("b", trio.TooSlowError()),
        Service("c", ExceptionGroup("two", [ConnectionResetError("no")])),
        Service("d"),
    ).call("why")
    assert [each.text for each in served.passed_over] == [
        "network refused",
        "network timeout",
        "network reset",
    ]


async def test_what_counts_as_which_fault_can_be_said() -> None:
    class Busy(Exception):
        pass

    served = await chain(
        Service("a", Busy()), Service("b"), classify=lambda _error: Fault.of("overloaded")
    ).call("why")
    assert served.used == "b"


class TestTime:
    """One budget of time for the chain, whoever is asked."""

    async def test_a_fallback_does_not_reset_the_time_of_the_job(self, autojump_clock: MockClock) -> None:
        slow = [Service(name, failed("network_timeout"), takes=4.0) for name in "abc"]
        with pytest.raises(trio.TooSlowError), time_budget(10):
            await chain(*slow).call("why")
        assert autojump_clock.current_time() == 10.0
        assert [len(each.asked) for each in slow] == [1, 1, 1]

    async def test_a_step_is_not_begun_when_the_time_is_up(self, autojump_clock: MockClock) -> None:
        first, second, third = Service("a"), Service("b"), Service("c")
        error = failed("network_timeout")

        async def blocking(question: str) -> str:
            first.asked.append(question)
            autojump_clock.jump(10.0)  # as a thread or a long computation would
            raise error

        with pytest.raises(NoneAnswered) as caught, time_budget(10):
            await chain(Step("a", blocking), second, third).call("why")
        assert second.asked == third.asked == []
        told, *not_begun = caught.value.exceptions
        assert told is error
        assert [str(each) for each in not_begun] == ["no time is left for b", "no time is left for c"]
        assert all(isinstance(each, OutOfTime) for each in not_begun)

    async def test_a_sentence_at_hand_needs_no_time(self, autojump_clock: MockClock) -> None:
        async def blocking(_question: str) -> str:
            autojump_clock.jump(10.0)
            raise failed("network_timeout")

        with time_budget(10):
            served = await chain(Step("a", blocking), Service("b"), constant("sentence", SORRY)).call("why")
        assert served.used == "sentence"
        assert [each.text for each in served.passed_over] == ["network timeout", "out of time"]

    async def test_without_any_time_nobody_is_asked_and_the_error_is_no_group(self) -> None:
        first, second = Service("a"), Service("b")
        with pytest.raises(OutOfTime, match=r"^no time is left for a\n") as caught, time_budget(0):
            await chain(first, second).call("why")
        assert first.asked == second.asked == []
        assert caught.value.__notes__ == ["b was passed over: out of time"]

    async def test_a_budget_of_a_steps_own_that_is_used_up_falls_back(
        self, autojump_clock: MockClock
    ) -> None:
        async def in_two_stages(question: str) -> str:
            with time_budget(3) as budget:
                await trio.sleep(2)
                budget.check("second stage", needs=2)
                return question

        with time_budget(10):
            served = await chain(Step("a", in_two_stages), Service("b")).call("why")
        assert served.used == "b"
        assert served.passed_over[0].text == "out of time"
        assert autojump_clock.current_time() == 2.0

    async def test_the_jobs_budget_that_is_used_up_in_a_step_leaves_a_sentence(
        self, autojump_clock: MockClock
    ) -> None:
        async def in_two_stages(question: str) -> str:
            autojump_clock.jump(10.0)
            check_time("second stage")
            return question

        second = Service("b")
        with time_budget(10):
            served = await chain(Step("a", in_two_stages), second, constant("sentence", SORRY)).call("why")
        assert [str(each.why) for each in served.passed_over] == [
            "no time is left for second stage",
            "no time is left for b",
        ]
        assert second.asked == []

    async def test_cancellation_is_no_reason_to_ask_the_next(self, autojump_clock: MockClock) -> None:
        second = Service("b")
        steps = chain(Service("a", takes=60.0), second)
        with trio.move_on_after(5) as scope:
            await steps.call("why")
        assert scope.cancelled_caught
        assert autojump_clock.current_time() == 5.0
        assert second.asked == []


class TestTooLong:
    """A text that is too long goes only to those who make do with less of it."""

    async def test_it_goes_to_the_step_that_shortens_it(self) -> None:
        second, third = Service("b"), Service("c")
        served = await chain(Service("a", failed("context_length")), second, third.step(shortens=True)).call(
            "why"
        )
        assert served.used == "c"
        assert second.asked == []
        assert [(each.name, each.text) for each in served.passed_over] == [
            ("a", "context length"),
            ("b", "context length"),
        ]

    async def test_without_such_a_step_it_is_the_callers_to_know(self) -> None:
        error = failed("context_length")
        with pytest.raises(CallFailed) as caught:
            await chain(Service("a", error), Service("b"), constant("sentence", SORRY)).call("why")
        assert caught.value is error

    async def test_a_step_before_it_does_not_count(self) -> None:
        error = failed("context_length")
        with pytest.raises(CallFailed) as caught:
            await chain(Service("a", failed("dns")).step(shortens=True), Service("b", error)).call("why")
        assert caught.value is error

    async def test_if_that_one_is_down_a_sentence_can_still_stand_in(self) -> None:
        served = await chain(
            Service("a", failed("context_length")),
            Service("b", failed("overloaded")).step(shortens=True),
            constant("sentence", SORRY),
        ).call("why")
        assert [each.text for each in served.passed_over] == ["context length", "overloaded"]

    async def test_if_that_one_is_down_and_nobody_else_left_both_are_named(self) -> None:
        with pytest.raises(NoneAnswered) as caught:
            await chain(
                Service("a", failed("context_length")),
                Service("b", failed("overloaded")).step(shortens=True),
                Service("c"),
            ).call("why")
        assert caught.value.message == "nobody answered: a: context length; b: overloaded; c: context length"
        assert len(caught.value.exceptions) == 2


class TestBudget:
    """Fallbacks are paid from the budget they share with retries and hedges."""

    async def test_a_fallback_is_paid_and_given_back_when_it_answers(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            steps = chain(Service("a", failed("overloaded")), Service("b"), budget=budget, price=60)
            assert (await steps.call("why")).used == "b"
            books = await budget.ask(Budget.statistics())
            assert books.left == 100
            assert (books.granted["fallback"], books.suppressed["fallback"]) == (1, 0)

    async def test_a_fallback_that_fails_has_spent_its_price(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            with pytest.raises(NoneAnswered):
                await chain(
                    Service("a", failed("overloaded")), Service("b", failed("dns")), budget=budget, price=60
                ).call("why")
            assert (await budget.ask(Budget.statistics())).left == 40

    async def test_what_a_failed_one_has_spent_a_sentence_does_not_bring_back(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            services = Service("a", failed("overloaded")), Service("b", failed("dns"))
            served = await chain(*services, constant("sentence", SORRY), budget=budget, price=60).call("why")
            assert served.used == "sentence"
            assert (await budget.ask(Budget.statistics())).left == 40

    async def test_one_that_was_not_made_has_not(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            with pytest.raises(NoneAnswered):
                await chain(
                    Service("a", failed("overloaded")), Service("b", breaker_open()), budget=budget, price=60
                ).call("why")
            assert (await budget.ask(Budget.statistics())).left == 100

    async def test_an_empty_budget_raises_the_fault_itself_and_says_so(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            assert await budget.ask(Budget.withdraw(90))
            error, second, third = failed("overloaded"), Service("b"), Service("c")
            with pytest.raises(CallFailed) as caught:
                await chain(Service("a", error), second, third, budget=budget, price=20).call("why")
            assert caught.value is error
            assert error.is_out_of_budget
            assert error.__notes__ == [
                "not passed on: the retry budget is empty",
                "b was passed over: retry budget empty",
                "c was passed over: retry budget empty",
            ]
            assert second.asked == third.asked == []
            assert (await budget.ask(Budget.statistics())).suppressed["fallback"] == 1

    async def test_an_empty_budget_tags_the_group_of_those_that_were_paid(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            with pytest.raises(NoneAnswered) as caught:
                await chain(
                    Service("a", failed("overloaded")),
                    Service("b", ConnectionRefusedError("no")),
                    Service("c"),
                    budget=budget,
                    price=60,
                ).call("why")
            assert len(caught.value.exceptions) == 2
            last = caught.value.exceptions[-1]
            assert getattr(last, "is_out_of_budget", False) is True
            assert last.__notes__ == ["not passed on: the retry budget is empty"]

    async def test_a_step_with_a_budget_of_its_own_is_paid_from_it(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget, open_actor(lambda: Budget(100)) as own:
            assert await budget.ask(Budget.withdraw(100))
            steps = chain(
                Service("a", failed("overloaded")),
                Service("b"),
                Step("c", Service("c").ask, budget=own),
                budget=budget,
                price=60,
            )
            assert (await steps.call("why")).used == "c"
            books = await own.ask(Budget.statistics())
            assert (books.left, books.granted["fallback"]) == (100, 1)
            assert (await budget.ask(Budget.statistics())).suppressed["fallback"] == 1

    async def test_a_sentence_at_hand_costs_nothing(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            assert await budget.ask(Budget.withdraw(100))
            served = await chain(
                Service("a", failed("overloaded")), Service("b"), constant("sentence", SORRY), budget=budget
            ).call("why")
            assert [each.text for each in served.passed_over] == ["overloaded", "retry budget empty"]

    async def test_where_no_call_was_made_the_next_one_is_the_first_and_costs_nothing(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            assert await budget.ask(Budget.withdraw(100))
            served = await chain(Service("a", breaker_open()), Service("b"), budget=budget).call("why")
            assert served.used == "b"

    async def test_a_budget_that_has_ended_pays_for_nothing(self) -> None:
        async with open_actor(lambda: Budget(100)) as budget:
            pass
        error = failed("overloaded")
        with pytest.raises(CallFailed) as caught:
            await chain(Service("a", error), Service("b"), budget=budget).call("why")
        assert caught.value is error
        assert not error.is_out_of_budget  # which is for one that has nothing left, as with retries


async def test_each_that_is_passed_over_is_told_at_once() -> None:
    told: list[tuple[str, int]] = []
    second = Service("b", failed("dns"))
    await chain(
        Service("a", failed("overloaded")),
        second,
        constant("sentence", SORRY),
        on_passed_over=lambda each: told.append((each.name, len(second.asked))),
    ).call("why")
    assert told == [("a", 0), ("b", 1)]


async def test_statistics_count_who_answered_and_who_was_passed_over() -> None:
    first, second = Service("a", failed("overloaded")), Service("b")
    steps = chain(first, second)
    await steps.call("why")
    first.error = None
    await steps.call("why")
    second.error = first.error = failed("dns")
    with pytest.raises(NoneAnswered):
        await steps.call("why")
    first.error = failed("auth_error")
    with pytest.raises(CallFailed):
        await steps.call("why")
    assert steps.statistics() == FallbackStatistics({"b": 1, "a": 1}, {"a": 2, "b": 1}, 2)


async def test_a_chain_can_be_asked_by_many_at_once(autojump_clock: MockClock) -> None:
    steps = chain(Service("a", failed("overloaded"), takes=1.0), Service("b", takes=1.0))
    served: list[str] = []

    async def ask(number: int) -> None:
        served.append((await steps.call(str(number))).value)

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(ask, number)
    assert sorted(served) == sorted(f"b: {number}" for number in range(50))
    assert autojump_clock.current_time() == 2.0
    assert steps.statistics().passed_over == {"a": 50}


async def test_a_chain_that_reaches_itself_is_refused_there_and_asks_nobody_twice() -> None:
    down = Service("down", failed("overloaded"))
    asked: list[FallbackChain[[str], str]] = []

    async def again(question: str) -> str:
        return (await asked[0].call(question)).value

    asked.append(FallbackChain([Step("down", down.ask), Step("again", again)]))
    with pytest.raises(
        RuntimeError, match=r"^the chain of down, again must not be asked from one of its own steps\n"
    ) as caught:
        await asked[0].call("why?")
    assert caught.value.__notes__ == ["down was passed over: overloaded"]
    assert len(down.asked) == 1
    assert asked[0].statistics().failed == 1


async def test_what_a_step_leaves_running_may_ask_the_chain_when_its_call_has_ended(
    autojump_clock: MockClock,
) -> None:
    chain_of_one: list[FallbackChain[[], str]] = []
    later: list[str] = []

    async with trio.open_nursery() as nursery:

        async def ask_later() -> None:
            await trio.sleep(1)
            later.append((await chain_of_one[0].call()).value)

        async def leave() -> str:
            if not later and not nursery.child_tasks:
                nursery.start_soon(ask_later)
            return SORRY

        chain_of_one.append(FallbackChain([Step("leave", leave)]))
        await chain_of_one[0].call()
        await chain_of_one[0].call()  # one after the other is no circle
    assert later == [SORRY]
    assert autojump_clock.current_time() == 1.0


async def test_a_budget_that_has_ended_is_not_said_to_be_empty() -> None:
    async with open_actor(lambda: Budget(100)) as budget:
        pass
    asked = chain(Service("a", failed("overloaded")), Service("b"), Service("c"), budget=budget)
    with pytest.raises(CallFailed) as caught:
        await asked.call("why?")
    assert caught.value.__notes__ == [
        "not passed on: the retry budget did not answer",
        "b was passed over: retry budget did not answer",
        "c was passed over: retry budget did not answer",
    ]
    assert caught.value.is_out_of_budget is False


def test_a_chain_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^steps must be at least one$"):
        FallbackChain[[], str]([])


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^steps must have names of their own, got 'a' twice$"):
        chain(Service("a"), Service("b"), Service("a"))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"name": ""}, ValueError, "name must be printable text on one line, got ''"),
        ({"name": 5}, TypeError, "name must be text, got int"),
        ({"fn": None}, TypeError, "fn must be callable, got NoneType"),
        ({"is_free": "no"}, TypeError, "is_free must be True or False, got 'no'"),
        ({"shortens": 1}, TypeError, "shortens must be True or False, got 1"),
        ({"budget": 5}, TypeError, "budget must be a Ref or None, got int"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused_when_it_is_made(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Step(**{"name": "a", "fn": Service("a").ask, **options})
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"steps": 5}, TypeError, "'int' object is not iterable"),
        ({"steps": "ab"}, TypeError, "steps must be a sequence of Step, got str in it"),
        ({"steps": [trio.sleep]}, TypeError, "steps must be a sequence of Step, got function in it"),
        ({"price": 0}, ValueError, "price must be >= 1, got 0"),
        ({"budget": 5}, TypeError, "budget must be a Ref or None, got int"),
        ({"classify": 5}, TypeError, "classify must be a plain function, got int"),
        ({"on_passed_over": 5}, TypeError, "on_passed_over must be a plain function, got int"),
        (
            {"on_passed_over": trio.sleep},
            TypeError,
            "on_passed_over must be a plain function, got an async function",
        ),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused_when_it_is_made(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        FallbackChain(**{"steps": [constant("sorry", SORRY)], **options})
    assert str(caught.value) == text


ERRORS: tuple[Callable[[], Exception], ...] = (
    *(lambda kind=kind: failed(kind) for kind in FAULT_KINDS),
    lambda: QueueFull("full"),
    breaker_open,
    lambda: ConnectionRefusedError("no"),
    lambda: TransportFailed("broke", kind="reset"),
    lambda: ProviderFailed("refused", status=529, kind="overloaded_error", retryable=True),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.none() | st.sampled_from(ERRORS), min_size=1, max_size=6))
def test_every_earlier_one_is_told_with_its_reason_in_order_and_a_group_names_each(
    plan: list[Callable[[], Exception] | None],
) -> None:
    services = [Service(f"s{number}", None if make is None else make()) for number, make in enumerate(plan)]
    asked, expected = model_of(services)
    outcome = trio.run(outcome_of, chain(*services).call)
    assert [each.name for each in services if each.asked] == asked
    errors = [each.error for each in services[: len(asked)]]
    match outcome:
        case Served(used=used, passed_over=passed_over):
            assert expected == "answer"
            assert used == asked[-1]
            assert [each.name for each in passed_over] == asked[:-1]
            assert all(each.text and isinstance(each.why, Fault | Rejected) for each in passed_over)
        case NoneAnswered() | NoneAdmitted():
            assert expected == "group"
            assert list(outcome.exceptions) == errors
            assert isinstance(outcome, NoneAdmitted) == all(isinstance(each, Rejected) for each in errors)
            assert all(f"{name}: " in outcome.message for name in asked)
        case _:
            assert expected == "error"
            assert outcome is errors[-1]
            notes = [note.split(" ")[0] for note in getattr(outcome, "__notes__", [])]
            assert notes == asked[:-1]


def model_of(services: list[Service]) -> tuple[list[str], str]:
    """Say naively who is asked and what comes of it."""
    asked: list[str] = []
    for each in services:
        asked.append(each.name)
        if each.error is None:
            return asked, "answer"
        passes = isinstance(each.error, Rejected | OSError | TransportFailed | ProviderFailed)
        fault = each.error.fault if isinstance(each.error, CallFailed) else None
        if not passes and (fault is None or not falls_back(fault)):
            return asked, "error"
    return asked, "group" if len(asked) > 1 else "error"


async def outcome_of(call: Callable[[str], Awaitable[Served[str]]]) -> Served[str] | Exception:
    try:
        return await call("why")
    except Exception as error:  # noqa: BLE001  # the outcome is what is looked at
        return error
