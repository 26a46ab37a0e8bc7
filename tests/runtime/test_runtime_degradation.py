"""The runtime's level of degradation: what its models, its services and a hand make of it."""

from __future__ import annotations

import contextlib

import pytest
import trio
from analysis_setup import FIRST, SECOND, provider_for, settings_with

from actors.degradation import Degradation
from actors.errors import CallFailed, Rejected
from actors.kernel import Ref
from actors.policies.degradation.rules import START
from actors.testing.provider import overload
from actors.wire.chat import ChatMessage, ChatRequest
from supervisors.runtime.runtime import Runtime, open_runtime

pytestmark = pytest.mark.usefixtures("autojump_clock")

REQUEST = ChatRequest("", (ChatMessage("user", "Is it any good?"),), max_tokens=100)


async def call_until(runtime: Runtime, end: float) -> None:
    while trio.current_time() < end:
        with contextlib.suppress(CallFailed, Rejected):
            await runtime.call(REQUEST)
        await trio.sleep(5.0)


async def told(runtime: Runtime) -> list[tuple[float, int]]:
    changes: list[tuple[float, int]] = []
    await runtime.degradation.ask(
        Degradation.subscribe(lambda level: changes.append((trio.current_time(), level.number)))
    )
    return changes


async def test_while_models_answer_all_is_normal() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        await call_until(runtime, 120.0)
        told = await runtime.degradation.ask(Degradation.statistics())
    assert told.policy.level == START
    assert told.policy.services["model"].burn[0].events > 0
    assert dict(told.policy.services["model"].breakers) == {FIRST: "closed", SECOND: "closed"}


async def test_one_model_down_is_no_degradation_while_the_next_answers() -> None:
    settings = settings_with(retry={"max_retries": 0})
    provider = provider_for(settings, overload(model=FIRST, lasting=600.0))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        changes = await told(runtime)
        await call_until(runtime, 300.0)
        standing = (await runtime.degradation.ask(Degradation.statistics())).policy.services["model"]
    assert changes == [(0.0, 0)]
    assert standing.breakers[FIRST] != "closed"
    assert standing.breakers[SECOND] == "closed"


async def test_a_provider_that_is_down_is_critical_and_normal_again_when_it_is_back() -> None:
    settings = settings_with(retry={"max_retries": 0})
    provider = provider_for(settings, overload(at=60.0, lasting=300.0))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        changes = await told(runtime)
        await call_until(runtime, 1200.0)
    assert [number for _, number in changes] == [0, 4, 0]
    _, (risen_at, _), (fallen_at, _) = changes
    # Three calls trip the first model's breaker, and they have found the second one no better, which stays closed: five
    # seconds for the level to rise are all that follows.
    assert 60.0 < risen_at < 90.0
    assert 360.0 < fallen_at < 600.0


async def test_a_service_beside_the_models_degrades_the_whole_by_its_breaker() -> None:
    async def down() -> None:
        raise ConnectionRefusedError

    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        search = await runtime.service("search")
        assert search is await runtime.service("search")
        with pytest.raises(ConnectionRefusedError):
            await search.call(down)
        assert search.statistics().attempts == 3  # the third failure opens the breaker
        await trio.sleep(5.0)
        assert (await runtime.degradation.ask(Degradation.level())).name == "search_degraded"


async def test_a_service_taken_out_by_hand_is_missed_too() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        await runtime.breakers.isolate("stores")
        await trio.sleep(5.0)
        assert (await runtime.degradation.ask(Degradation.level())).name == "state_degraded"
        await runtime.breakers.release("stores")
        await trio.sleep(60.0)
        assert (await runtime.degradation.ask(Degradation.level())).name == "normal"


async def test_what_was_heard_outlives_a_restart() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        await runtime.breakers.isolate("chat")
        degradation: Ref[Degradation] = await runtime.tree.child("degradation")
        await trio.sleep(1.0)
        await degradation.stop()  # a permanent child comes back
        await trio.sleep(4.0)
        assert (await runtime.degradation.ask(Degradation.level())).since == 5.0


async def test_what_is_no_service_has_no_guard() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        with pytest.raises(LookupError, match="there is no service 'maps'"):
            await runtime.service("maps")
