"""Services of a runtime: each behind its guard, in chains, and heard by the degradation."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from structlog import make_filtering_bound_logger, wrap_logger
from structlog.testing import LogCapture
from trio.testing import MockClock

from actors.bound_ids import bind_ids
from actors.breaker.breaker import Breaker
from actors.call.terms import ORDINARY
from actors.degradation import Degradation
from actors.errors import BreakerOpen, NoneAnswered
from actors.fallback.records import constant
from actors.faults import Fault
from actors.guard import Guard
from actors.policies.breaker.records import BreakerChange
from actors.policies.degradation.rules import DegradationLevel
from actors.policies.retry.budget import DEFAULT_PRICE
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from actors.retry.budget import Budget
from actors.telemetry import silent_log
from supervisors import open_supervisor
from supervisors.breakers import Breakers, BreakerSupervisor
from supervisors.child_spec import ChildSpec
from supervisors.runtime.breaker_terms import TermsBySettings
from supervisors.runtime.service_settings import DegradationSettings, ServiceSettings
from supervisors.runtime.services import (
    Services,
    degradation_rules,
    hearing,
    order_of,
    start_degradation,
)
from supervisors.runtime.settings import ProviderSettings, RetrySettings, Settings

SEARCH = ServiceSettings(failures=2, cooldown=10.0, max_retries=0, timeout=3.0, fallback=("search_b",))
SETTINGS = Settings(
    provider=ProviderSettings(models=("opus", "haiku")),
    services={
        "search": SEARCH,
        "search_b": ServiceSettings(priority="low"),
        "model": ServiceSettings(breaker="model", fallback=("search",)),
        "chat": ServiceSettings(breaker="chat", priority="critical"),
        "bare": ServiceSettings(breaker="off"),
    },
    degradation=DegradationSettings(("search",), (), (), ("model", "chat")),
)


@asynccontextmanager
async def open_services(settings: Settings = SETTINGS, **options: Any) -> AsyncGenerator[Services]:
    async with open_supervisor() as tree:
        degradation = await start_degradation(tree, settings, silent_log())
        on_change = hearing(degradation, settings)
        terms = TermsBySettings(settings, {})
        spec = ChildSpec("breakers", lambda: BreakerSupervisor(terms, on_change=on_change))
        yield Services(settings, tree, Breakers(await tree.start_child(spec)), degradation, **options)


async def level(services: Services) -> DegradationLevel:
    return await services.degradation.ask(Degradation.level())


async def down() -> str:
    raise ConnectionRefusedError


async def up() -> str:
    return "up"


async def test_a_guard_is_made_as_the_settings_say(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        guard = await services.guard("search")
        assert (guard.name, guard.timeout) == ("search", 3.0)
        assert guard.retry == RetryPolicy(
            0, RetrySettings().initial, RetrySettings().cap, RetrySettings().max_elapsed
        )
        assert (await services.guard("chat")).timeout == 30.0
        assert (await services.guard("bare")).breaker is None
        assert list(await services.breakers.snapshot()) == ["search", "chat"]
    assert autojump_clock.current_time() == 0.0


async def test_a_service_has_one_guard_however_many_ask_at_once(autojump_clock: MockClock) -> None:
    guards: list[object] = []

    async def ask(services: Services) -> None:
        guards.append(await services.guard("search"))

    async with open_services() as services, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, services)
    assert len(guards) == 5
    assert len({id(guard) for guard in guards}) == 1
    assert autojump_clock.current_time() == 0.0


async def test_a_service_has_a_retry_budget_of_its_own_in_the_price_of_a_call(
    autojump_clock: MockClock,
) -> None:
    settings = attrs.evolve(SETTINGS, retry=RetrySettings(budget=2 * DEFAULT_PRICE))
    async with open_services(settings) as services:
        chat = await services.guard("chat")
        with pytest.raises(ConnectionRefusedError) as caught:
            await chat.call(down)
        assert getattr(caught.value, "is_out_of_budget", False)
        assert chat.statistics().attempts == 3  # two retries were paid for
        assert chat.budget is not None
        assert (await chat.budget.ask(Budget.statistics())).left == 0
        search_b = await services.guard("search_b")
        assert search_b.budget is not None
        assert (await search_b.budget.ask(Budget.statistics())).left == 2 * DEFAULT_PRICE
    assert autojump_clock.current_time() < 3.0


async def test_a_service_has_no_retry_budget_where_the_settings_say_none(autojump_clock: MockClock) -> None:
    async with open_services(attrs.evolve(SETTINGS, retry=RetrySettings(budget=0))) as services:
        assert (await services.guard("search")).budget is None
    assert autojump_clock.current_time() == 0.0


async def test_a_fallback_draws_on_the_budget_of_the_service_that_is_asked(autojump_clock: MockClock) -> None:
    async with open_services(attrs.evolve(SETTINGS, retry=RetrySettings(budget=DEFAULT_PRICE))) as services:
        chain = await services.chain("search", {"search": down, "search_b": up})
        first, second = await services.guard("search"), await services.guard("search_b")
        assert first.budget is not None
        assert second.budget is not None
        assert await first.budget.ask(Budget.withdraw(DEFAULT_PRICE))
        assert (await chain.call()).used == "search_b"
        assert (await second.budget.ask(Budget.statistics())).granted["fallback"] == 1
        assert await second.budget.ask(Budget.withdraw(DEFAULT_PRICE))
        with pytest.raises(ConnectionRefusedError) as caught:
            await chain.call()
        assert getattr(caught.value, "is_out_of_budget", False)
    assert autojump_clock.current_time() == 0.0


async def test_a_call_of_a_service_that_ends_without_an_answer_is_one_event_with_all_of_its_circumstances(
    autojump_clock: MockClock,
) -> None:
    cap = LogCapture()
    log = wrap_logger(None, [cap], wrapper_class=make_filtering_bound_logger(0))
    async with open_services(log=log) as services:
        guard = await services.guard("search")
        assert await guard.call(up) == "up"
        with bind_ids(session="s-1"), pytest.raises(ConnectionRefusedError):
            await guard.call(down)
    assert cap.entries == [
        {
            "event": "service.given_up",
            "log_level": "warning",
            "service": "search",
            "attempt": 1,
            "elapsed": 0.0,
            "breaker": "closed",
            "budget_left": 100_000,
            "session": "s-1",
            "error": "ConnectionRefusedError",
            "fault": "network_refused",
            "priority": "high",
            "alert": True,
            "retryable": True,
        }
    ]
    assert autojump_clock.current_time() == 0.0


async def test_the_retries_of_services_wait_longer_while_the_runtime_is_busy(
    autojump_clock: MockClock,
) -> None:
    waits: list[float] = []
    for load in (0.8, 0.9):
        began = trio.current_time()
        async with open_services(load=lambda load=load: load) as services:
            with pytest.raises(ConnectionRefusedError):
                await (await services.guard("chat")).call(down)
        waits.append(trio.current_time() - began)
    assert waits[1] == pytest.approx(2 * waits[0])
    assert autojump_clock.current_time() == pytest.approx(sum(waits))


async def test_a_profile_of_retries_is_that_of_services_too(autojump_clock: MockClock) -> None:
    settings = attrs.evolve(SETTINGS, retry=RetrySettings(profile="aggressive"))
    async with open_services(settings) as services:
        retry = (await services.guard("chat")).retry
        assert isinstance(retry, RetryPlan)
        assert retry.policy_for(Fault.of("database")) == RetryPolicy(3, 0.25, 15.0, 180.0)
    assert autojump_clock.current_time() == 0.0


async def test_slow_answers_open_the_breaker_of_a_service_that_says_what_slow_is(
    autojump_clock: MockClock,
) -> None:
    services_of = {**SETTINGS.services, "search": attrs.evolve(SEARCH, slow_after=1.0)}
    async with open_services(attrs.evolve(SETTINGS, services=services_of)) as services:
        guard = await services.guard("search")

        async def slow() -> None:
            await trio.sleep(1.5)

        for _ in range(16):  # all of so many, and no fewer, show beyond doubt that 0.8 of them are slow
            await guard.call(slow)
        with pytest.raises(BreakerOpen):
            await guard.call(slow)
    assert autojump_clock.current_time() == 24.0


async def test_a_chain_may_begin_with_the_models_which_are_guarded_elsewhere(
    autojump_clock: MockClock,
) -> None:
    async with open_services() as services:
        served = await (await services.chain("model", {"model": down, "search": up, "search_b": up})).call()
        assert (served.used, [each.name for each in served.passed_over]) == ("search", ["model"])
    assert autojump_clock.current_time() == 0.0


async def test_what_is_no_service_or_the_models_has_no_guard(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        with pytest.raises(
            LookupError, match=r"there is no service 'maps'; there are search, search_b, model, chat"
        ):
            await services.guard("maps")
        with pytest.raises(
            LookupError, match=r"^models are called by the runtime itself, which guards each of them$"
        ):
            await services.guard("model")
        with pytest.raises(LookupError, match=r"there is no service 'maps'"):
            await services.chain("maps", {"maps": up})
        with pytest.raises(LookupError, match=r"there is no service 'maps'"):
            services.terms("maps")
    assert autojump_clock.current_time() == 0.0


async def test_an_outage_opens_the_breaker_and_degrades_the_whole_until_it_is_over(
    autojump_clock: MockClock,
) -> None:
    told: list[tuple[float, int]] = []
    async with open_services() as services:
        await services.degradation.ask(
            Degradation.subscribe(lambda level: told.append((trio.current_time(), level.number)))
        )
        guard = await services.guard("search")
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await guard.call(down)
        with pytest.raises(BreakerOpen):
            await guard.call(up)
        await trio.sleep(9.0)
        assert (await level(services)).why == ("search: breaker open",)
        await trio.sleep(11.0)
        assert await guard.call(up) == "up"
        await trio.sleep(100.0)
        assert (await level(services)).number == 0
    assert told == [(0.0, 0), (5.0, 1), (80.0, 0)]
    assert autojump_clock.current_time() == 120.0


async def test_a_guard_tells_how_each_call_ended_also_one_that_was_refused(autojump_clock: MockClock) -> None:
    ends: list[Exception | None] = []
    async with open_services() as services:
        breaker = await services.breakers.of("search")
        guard = Guard("search", breaker, RetryPolicy(max_retries=0), on_end=ends.append)
        assert await guard.call(up) == "up"
        with pytest.raises(ConnectionRefusedError) as failed:
            await guard.call(down)
        await services.breakers.isolate("search")
        with pytest.raises(BreakerOpen) as refused:
            await guard.call(up)
    assert ends == [None, failed.value, refused.value]
    assert autojump_clock.current_time() == 0.0


async def test_errors_that_trip_no_breaker_degrade_too(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        guard = await services.guard("search")
        for number in range(80):
            if number % 4 == 0:
                with pytest.raises(ConnectionRefusedError):
                    await guard.call(down)
            else:
                await guard.call(up)
            await trio.sleep(1.0)
        assert (await services.breakers.snapshot())["search"].state == "closed"
        now = await level(services)
    assert (now.number, now.why) == (1, ("search: errors burn 7 times too fast",))
    assert autojump_clock.current_time() == 80.0


async def test_models_are_down_when_each_of_them_is_whatever_their_breakers_are_called(
    autojump_clock: MockClock,
) -> None:
    async with open_services() as services:
        tell = hearing(services.degradation, SETTINGS)
        opened = BreakerChange(0.0, "closed", "open", 1, "3 failures in a row", None)
        tell("simulated/opus", opened)
        await trio.sleep(10.0)
        assert (await level(services)).number == 0
        tell("simulated/haiku", opened)
        await trio.sleep(10.0)
        assert await level(services) == DegradationLevel(4, "critical", 15.0, ("model: breaker open",))
    assert autojump_clock.current_time() == 20.0


async def test_a_breaker_that_is_isolated_by_hand_counts_as_down(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        await services.breakers.isolate("chat")
        await trio.sleep(5.0)
        assert (await level(services)).name == "critical"
    assert autojump_clock.current_time() == 5.0


async def test_a_chain_falls_back_to_what_the_settings_name(autojump_clock: MockClock) -> None:
    async def search(question: str) -> str:
        raise ConnectionRefusedError(question)

    async def search_b(question: str) -> str:
        return question.upper()

    async with open_services() as services:
        chain = await services.chain("search", {"search": search, "search_b": search_b})
        served = await chain.call("where")
        assert (served.value, served.used, served.fell_back) == ("WHERE", "search_b", True)
        assert [each.name for each in served.passed_over] == ["search"]
        breaker: Any = (await services.guard("search")).breaker
        assert (await breaker.ask(Breaker.snapshot())).failures_in_row == 1
    assert autojump_clock.current_time() == 0.0


async def test_a_chain_may_end_in_a_polite_sentence(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        chain = await services.chain(
            "search", {"search": down, "search_b": down}, last=constant("sorry", "Sorry.")
        )
        served = await chain.call()
        assert (served.value, served.used, len(served.passed_over)) == ("Sorry.", "sorry", 2)
    assert autojump_clock.current_time() > 0.0  # the second one is retried


async def test_when_nobody_of_a_chain_answered_the_error_says_where_it_ended(
    autojump_clock: MockClock,
) -> None:
    async with open_services() as services:
        chain = await services.chain("search", {"search": down, "search_b": down})
        with pytest.raises(NoneAnswered) as caught:
            await chain.call()
        assert caught.value.context is not None
        assert (caught.value.context.service, caught.value.context.attempt) == ("search_b", 3)
        *_, last = caught.value.exceptions
        assert vars(last)["context"] == caught.value.context
    assert autojump_clock.current_time() > 0.0


async def test_a_chain_wants_to_know_how_each_is_called(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        with pytest.raises(LookupError, match=r"^calls must name 'search_b', of the chain of 'search'$"):
            await services.chain("search", {"search": up})
        with pytest.raises(LookupError, match=r"^there is no service 'serach'; there are search, "):
            await services.chain("search", {"search": up, "search_b": up, "serach": up})
        wrong: Any = 5
        with pytest.raises(TypeError, match=r"^calls\['search'\] must be callable, got int$"):
            await services.chain("search", {"search": wrong, "search_b": up})
        # What is of another chain may stand beside them: one table of ways serves for all chains.
        await services.chain("search", {"search": up, "search_b": up, "chat": up})
    assert autojump_clock.current_time() == 0.0


async def test_a_service_calls_models_as_urgently_as_it_is(autojump_clock: MockClock) -> None:
    async with open_services() as services:
        terms = [services.terms(name) for name in ("search", "search_b", "chat")]
    assert [(each.priority, each.kind) for each in terms] == [(0, "search"), (-1, "search_b"), (2, "chat")]
    assert ORDINARY.priority == 0
    assert autojump_clock.current_time() == 0.0


def test_the_order_of_a_chain_follows_the_fallbacks_of_fallbacks_and_names_none_twice() -> None:
    services = {
        "a": ServiceSettings(fallback=("b", "d")),
        "b": ServiceSettings(fallback=("c", "d")),
        "c": ServiceSettings(),
        "d": ServiceSettings(),
    }
    assert order_of(services, "a") == ("a", "b", "c", "d")
    assert order_of(services, "d") == ("d",)


def test_the_rules_of_degradation_are_those_of_the_settings() -> None:
    rules = degradation_rules(SETTINGS)
    assert dict(rules.levels) == {"search": 1, "model": 4, "chat": 4}
    assert dict(rules.members) == {"model": ("opus", "haiku")}
    assert (rules.up_after, rules.down_after, rules.burn.objective) == (5.0, 60.0, 0.99)
    nothing = Settings(degradation=DegradationSettings((), (), (), ()))
    assert degradation_rules(nothing).members == {}
