"""The composition root: what runs in the tree, calls through it, its limits, and how it begins and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import attrs
import pytest
import trio
from analysis_setup import FIRST, SECOND, TWO_SECONDS, provider_for, settings_with

from actors.call.terms import CallTerms
from actors.endpoint import Endpoint
from actors.errors import (
    NeverFits,
    NoneAdmitted,
    NoneAnswered,
    ProviderFailed,
    RestartsExhausted,
    SettingsError,
    StartFailed,
    TransportFailed,
    WaitTooLong,
)
from actors.kernel import Ref
from actors.limiter.limiter import Limiter
from actors.policies.ledger.limits import Limits
from actors.policies.scope import Scope
from actors.retry.budget import Budget
from actors.testing.provider import (
    MODES,
    Mode,
    ProviderLimits,
    ServedModel,
    SimulatedProvider,
    hang,
    outage,
    overload,
    rate_limited,
    server_error,
    spend_cap,
)
from actors.testing.reader_model import reader_model
from actors.transporter import Transporter
from actors.wire.chat import ChatMessage, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.service_settings import ServiceSettings
from supervisors.runtime.settings import ProviderSettings, Settings

pytestmark = pytest.mark.usefixtures("autojump_clock")

REQUEST = ChatRequest("", (ChatMessage("user", "Is it any good?"),), max_tokens=100)

SERVED = "http://127.0.0.1:9"
"""Where a simulated provider is said to be, on this machine."""


def with_provider(**provider: Any) -> Settings:
    """Return the settings of the tests but for what is named of the provider's."""
    settings = settings_with()
    return attrs.evolve(settings, provider=attrs.evolve(settings.provider, **provider))


async def test_a_call_is_answered_by_the_preferred_model() -> None:
    settings = settings_with()
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        answered = await runtime.call(REQUEST)

    assert (answered.model_used, answered.fell_back, answered.attempts) == (FIRST, False, 1)
    assert answered.reply.model == FIRST
    assert "screenplays" in answered.reply.text
    assert trio.current_time() == 2.0


async def test_a_call_falls_back_when_the_preferred_model_stays_overloaded() -> None:
    settings = settings_with(retry={"max_retries": 2})
    provider = provider_for(settings, overload(model=FIRST))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        answered = await runtime.call(REQUEST)
        statistics = await runtime.endpoint.ask(Endpoint.statistics())

    assert (answered.model_used, answered.fell_back, answered.attempts) == (SECOND, True, 4)
    assert (statistics.failed_attempts, statistics.passed_over) == (3, 1)


async def test_the_tree_is_transport_and_cooldown_what_guards_each_model_and_the_endpoint() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        children = await runtime.tree.which_children()

    assert [(child.id, child.restart) for child in children] == [
        ("transport", "permanent"),
        ("cooldown", "permanent"),
        (f"limiter/{FIRST}", "permanent"),
        (f"budget/{FIRST}", "permanent"),
        (f"limiter/{SECOND}", "permanent"),
        (f"budget/{SECOND}", "permanent"),
        ("degradation", "permanent"),
        ("breakers", "permanent"),
        ("endpoint", "permanent"),
    ]


async def test_what_is_switched_on_by_settings_stands_before_what_uses_it() -> None:
    settings = with_provider(hedges=True, cache_seconds=60.0)
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        children = [child.id for child in await runtime.tree.which_children()]

    assert children[6:8] == ["hedge_clock", "reply_cache"]
    assert children[-1] == "endpoint"


@pytest.mark.parametrize(("hedges", "model", "took"), [(True, FIRST, 4.0), (False, SECOND, 122.0)])
async def test_where_hedging_is_on_a_slow_call_is_sent_twice(hedges: bool, model: str, took: float) -> None:
    settings = with_provider(hedges=hedges)
    provider = provider_for(settings, hang(nth=21))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        for _ in range(20):
            await runtime.call(REQUEST)
        began = trio.current_time()
        answered = await runtime.call(REQUEST)
        books = await (await runtime.tree.child(f"budget/{FIRST}")).ask(Budget.statistics())

    assert (answered.model_used, answered.attempts) == (model, 2)
    assert trio.current_time() - began == took  # sent again after two seconds, or given up after two minutes
    assert (books.granted["hedge"], books.left) == (int(hedges), books.purse.capacity)


async def test_where_answers_are_kept_an_equal_question_is_asked_once_and_again_when_it_is_old() -> None:
    settings = with_provider(cache_seconds=60.0)
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        first, second = await runtime.call(REQUEST), await runtime.call(REQUEST)
        await trio.sleep(60.0)
        third = await runtime.call(REQUEST)

    assert (first.source, second.source, third.source) == ("model", "cache", "model")
    assert second.reply == first.reply
    assert provider.statistics().requests == 2


@pytest.mark.parametrize("stale", [0.0, 600.0])
async def test_an_old_answer_is_better_than_none_only_where_the_settings_say_so(stale: float) -> None:
    settings = with_provider(cache_seconds=60.0, stale_seconds=stale)
    provider = provider_for(settings, outage(at=60.0, lasting=600.0))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        known = await runtime.call(REQUEST)
        await trio.sleep(100.0)
        if stale:
            answered = await runtime.call(REQUEST)
            assert (answered.source, answered.reply) == ("stale_cache", known.reply)
        else:
            with pytest.raises(NoneAnswered):
                await runtime.call(REQUEST)


async def test_a_question_that_no_model_has_room_for_is_shortened_by_whoever_opened_the_runtime() -> None:
    settings = settings_with()
    limits = ProviderLimits(50, 30_000, 8_000)
    models = tuple(ServedModel(model, context_window=100) for model in (FIRST, SECOND))
    provider = SimulatedProvider(limits=limits, models=models, model=reader_model, latency=TWO_SECONDS)
    long = attrs.evolve(REQUEST, messages=(ChatMessage("user", "Is it any good? " * 100),))

    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(ProviderFailed, match="400 invalid_request_error"):
            await runtime.call(long)
    async with open_runtime(settings, transport=provider.transport, truncate=lambda _: REQUEST) as runtime:
        assert (await runtime.call(long)).model_used == FIRST


async def test_a_profile_of_retries_decides_how_often_a_call_is_tried_again() -> None:
    settings = settings_with(retry={"profile": "conservative"}, models=(FIRST,))
    provider = provider_for(settings, server_error())
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(ProviderFailed):
            await runtime.call(REQUEST)

    assert provider.statistics().requests == 2  # once more, as that profile has it for what passes by itself


async def test_a_runtime_without_breakers_and_budgets_asks_a_model_that_is_down_as_often_as_it_is_called() -> (
    None
):
    services = {**Settings().services, "model": ServiceSettings(breaker="off")}
    settings = attrs.evolve(
        settings_with(models=(FIRST,), retry={"budget": 0, "max_retries": 1}), services=services
    )
    provider = provider_for(settings, overload())
    async with open_runtime(settings, transport=provider.transport) as runtime:
        children = [child.id for child in await runtime.tree.which_children()]
        for _ in range(5):
            with pytest.raises(ProviderFailed):
                await runtime.call(REQUEST)
        with pytest.raises(LookupError, match=r"^the settings give 'model' no breaker$"):
            await runtime.breakers.of("model")
        assert dict(await runtime.breakers.snapshot()) == {}

    assert f"budget/{FIRST}" not in children
    assert provider.statistics().requests == 10


async def test_services_know_how_busy_the_runtime_is() -> None:
    settings = settings_with(limits={"max_queue": 4})
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        load = (await runtime.service("search")).load
        assert load is not None
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(runtime.call, REQUEST)
            await trio.sleep(1.0)
            busy = load()
        idle = load()

    assert (busy, idle, load()) == (0.75, 0.0, 0.0)  # the last one after the end


async def test_each_model_has_capacity_of_its_own() -> None:
    settings = settings_with(limits={"requests": 1, "max_wait": 1.0})
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        used = [(await runtime.call(REQUEST)).model_used for _ in range(2)]
        with pytest.raises(NoneAdmitted) as caught:
            await runtime.call(REQUEST)

    assert [type(error) for error in caught.value.exceptions] == [WaitTooLong, WaitTooLong]
    assert used == [FIRST, SECOND]
    assert provider.statistics().requests == 2


@pytest.mark.parametrize("mode", MODES)
async def test_many_calls_at_once_never_pass_the_limits_of_the_provider(mode: Mode) -> None:
    settings = settings_with(
        limits={"requests": 7, "input_tokens": 400, "output_tokens": 1100}, readers={"section_tokens": 100}
    )
    provider = provider_for(settings, mode=mode)
    async with (
        open_runtime(settings, transport=provider.transport) as runtime,
        trio.open_nursery() as nursery,
    ):
        for _ in range(40):
            nursery.start_soon(runtime.call, REQUEST)

    statistics = provider.statistics()
    assert (statistics.completed, statistics.over_limit, statistics.output_overshoot) == (40, 0, 0)
    assert 240 <= trio.current_time() <= 420  # seven a minute, two pools at most


async def test_an_error_names_each_model_that_failed() -> None:
    settings = settings_with(retry={"max_retries": 0})
    provider = provider_for(settings, overload(model=FIRST), server_error(503, model=SECOND))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(NoneAnswered) as caught:
            await runtime.call(REQUEST)

    assert str(caught.value) == f"no model answered: {FIRST}: overloaded (529); {SECOND}: api (503)"


async def test_a_spent_budget_ends_a_call_at_once() -> None:
    settings = settings_with()
    provider = provider_for(settings, spend_cap())
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(ProviderFailed, match="429 rate_limit_error"):
            await runtime.call(REQUEST)

    assert provider.statistics().requests == 1


@pytest.mark.parametrize(("margin", "most"), [(1.0, 8000), (0.97, 7760), (0.5, 4000)])
async def test_a_call_beyond_a_whole_window_is_refused_unsent(margin: float, most: int) -> None:
    settings = settings_with(limits={"output": "max_tokens", "margin": margin})
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(NoneAdmitted) as caught:
            await runtime.call(attrs.evolve(REQUEST, max_tokens=most + 1))

    for error in caught.value.exceptions:
        assert isinstance(error, NeverFits)
        assert f"output_tokens must be <= {most} " in str(error)
        assert (error.quantity, error.asked, error.amount) == ("output_tokens", most + 1, most)
        assert (error.window, error.scope) == (60.0, "pool")
    assert provider.statistics().requests == 0


async def test_the_terms_of_a_call_reach_the_line_of_its_model() -> None:
    order: list[str] = []
    settings = settings_with(models=(FIRST,), limits={"requests": 2, "margin": 0.5})
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:

        async def call(name: str, terms: CallTerms) -> None:
            await runtime.call(REQUEST, terms)
            order.append(name)

        async with trio.open_nursery() as nursery:
            for name, priority in (("first", 0), ("second", 0), ("urgent", 1)):
                nursery.start_soon(call, name, CallTerms(tenant=name, priority=priority))
                await trio.sleep(0.1)
        limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{FIRST}")
        books = await limiter.ask(Limiter.statistics())

    assert order == ["first", "urgent", "second"]
    assert books.queue.granted_by_tenant == {"first": 1, "second": 1, "urgent": 1}


async def test_a_refusal_of_one_model_pauses_the_calls_of_that_model_and_no_others() -> None:
    settings = settings_with(limits={"max_wait": 5.0}, retry={"max_retries": 0})
    provider = provider_for(settings, rate_limited(model=FIRST, retry_after=60, nth=1))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        used = [(await runtime.call(REQUEST)).model_used for _ in range(3)]
        await trio.sleep(60)
        used.append((await runtime.call(REQUEST)).model_used)

    assert used == [SECOND, SECOND, SECOND, FIRST]
    assert provider.statistics().rate_limited == 1


async def test_the_headers_of_answers_correct_the_limits_of_the_settings() -> None:
    settings = settings_with(limits={"requests": 50})
    provider = provider_for(attrs.evolve(settings, limits=attrs.evolve(settings.limits, requests=30)))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        await runtime.call(REQUEST)
        limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{FIRST}")
        first = (await limiter.ask(Limiter.statistics())).ledger.pool.each[0]

    assert first.limit.amount == 29


async def test_limits_of_the_settings_stay_where_nothing_is_to_be_learned() -> None:
    settings = settings_with(limits={"requests": 50, "learns": False, "margin": 1.0})
    provider = provider_for(attrs.evolve(settings, limits=attrs.evolve(settings.limits, requests=30)))
    async with open_runtime(settings, transport=provider.transport) as runtime:
        await runtime.call(REQUEST)
        limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{FIRST}")
        first = (await limiter.ask(Limiter.statistics())).ledger.pool.each[0]

    assert first.limit.amount == 50


async def test_where_output_counts_as_it_is_produced_a_long_answer_may_be_allowed() -> None:
    settings = settings_with()
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        answered = await runtime.call(attrs.evolve(REQUEST, max_tokens=8001))

    assert answered.attempts == 1


async def test_an_answer_that_never_comes_is_given_up_after_attempt_timeout() -> None:
    settings = settings_with(models=(FIRST,), attempt_timeout=9.0, retry={"max_retries": 0})
    provider = provider_for(settings, hang())
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(TransportFailed, match="no answer within attempt_timeout 9 s") as caught:
            await runtime.call(REQUEST)

    assert caught.value.kind == "timeout"
    assert trio.current_time() == 9.0


@attrs.define(eq=False)
class Wire:
    """A transport that notes when it is opened and closed, and crashes as often as it is told.

    Args:
        within: what really carries the exchanges.
        crashes: how many sends end with an error nobody declared.
        opens: whether it can be opened.
    """

    within: Transport
    crashes: int = 0
    opens: bool = True
    notes: list[str] = attrs.field(factory=list)

    async def __aenter__(self) -> Self:
        if not self.opens:
            raise OSError("no wire")
        self.notes.append("opened")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.notes.append("closed")

    async def send(self, request: HttpRequest) -> HttpResponse:
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("the wire came loose")
        return await self.within.send(request)


MakeWire = Callable[..., Wire]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> MakeWire:
    """Let a runtime that is given no transport open this one, where it would have opened a client of its own."""

    def make(**facts: Any) -> Wire:
        made = Wire(provider_for(settings_with()).transport, **facts)

        def opened(**options: object) -> Wire:
            made.notes.append(f"made with {options}")
            return made

        monkeypatch.setattr("supervisors.runtime.parts.HttpxTransport", opened)
        return made

    return make


async def test_the_transport_is_open_as_long_as_the_block(wire: MakeWire) -> None:
    line = wire()
    async with open_runtime(settings_with(attempt_timeout=50.0, base_url=SERVED)) as runtime:
        await runtime.call(REQUEST)
        assert line.notes == ["made with {'read_timeout': 50.0, 'trust_env': False}", "opened"]

    assert line.notes[2:] == ["closed"]


async def test_only_a_provider_out_in_the_world_is_reached_through_the_proxies_of_the_environment(
    wire: MakeWire,
) -> None:
    line = wire()
    async with open_runtime(Settings(provider=ProviderSettings(name="anthropic", api_key="key"))):
        assert line.notes[0] == "made with {'read_timeout': 30.0, 'trust_env': True}"


async def test_the_defaults_are_answered_in_process_and_nothing_leaves_the_machine(wire: MakeWire) -> None:
    line = wire()
    async with open_runtime(Settings(), seed=3) as runtime:
        answered = await runtime.call(REQUEST)

    assert line.notes == []
    assert (answered.model_used, answered.attempts) == (FIRST, 1)
    assert "screenplays" in answered.reply.text
    assert trio.current_time() > 0.0


async def test_the_same_seed_takes_the_simulated_provider_the_same_time(wire: MakeWire) -> None:
    wire()  # should it be asked for after all, nothing leaves this machine
    times: list[float] = []
    for seed in (3, 3, 4):
        began = trio.current_time()
        async with open_runtime(Settings(), seed=seed) as runtime:
            await runtime.call(REQUEST)
        times.append(round(trio.current_time() - began, 6))

    assert times[0] == times[1] != times[2]


async def test_the_simulated_provider_in_process_outlives_its_transport(wire: MakeWire) -> None:
    line = wire()
    settings = settings_with(models=(FIRST,), limits={"requests": 1, "max_wait": 600.0})
    async with open_runtime(settings) as runtime:
        await runtime.call(REQUEST)
        transport: Ref[Transporter] = await runtime.tree.child("transport")
        await transport.stop()
        answered = await runtime.call(REQUEST)

    assert line.notes == []
    assert answered.attempts == 1
    assert trio.current_time() >= 60.0


@pytest.mark.parametrize(
    "base_url",
    [SERVED, "http://127.8.9.1", "http://[::1]:9/v1", "https://localhost:8443", "http://LOCALHOST/"],
)
async def test_a_simulated_provider_may_be_served_on_this_machine(wire: MakeWire, base_url: str) -> None:
    line = wire()
    async with open_runtime(settings_with(base_url=base_url)):
        assert line.notes[1:] == ["opened"]


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.anthropic.com/",
        "http://128.0.0.1",
        "http://0.0.0.0:80",
        "http://[::2]",
        "http://10.0.0.1:8080/v1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
    ],
)
async def test_a_simulated_provider_on_another_machine_is_refused_before_anything_starts(
    wire: MakeWire, base_url: str
) -> None:
    line = wire()
    began = trio.lowlevel.current_statistics().tasks_living

    with pytest.raises(SettingsError) as caught:
        async with open_runtime(settings_with(base_url=base_url)):
            pytest.fail("it must not come up")

    (problem,) = caught.value.problems
    assert problem == (
        "provider.base_url must be a loopback address (127.0.0.0/8, ::1 or localhost) for provider.name 'simulated',"
        f" got {base_url!r}"
    )
    assert line.notes == []
    assert trio.lowlevel.current_statistics().tasks_living == began


async def test_a_transport_that_is_given_goes_before_any_address() -> None:
    settings = settings_with(base_url="http://simulated.provider")
    async with open_runtime(settings, transport=provider_for(settings).transport) as runtime:
        assert (await runtime.call(REQUEST)).model_used == FIRST


async def test_a_real_key_that_is_set_never_reaches_the_simulated_provider() -> None:
    keys: list[str] = []

    class Eavesdropper:
        async def send(self, request: HttpRequest) -> HttpResponse:
            keys.append(request.headers["x-api-key"])
            return await provider.transport.send(request)

    for name in ("simulated", "anthropic"):
        settings = Settings(provider=ProviderSettings(name=name, api_key="secret"))
        provider = provider_for(settings)
        async with open_runtime(settings, transport=Eavesdropper()) as runtime:
            await runtime.call(REQUEST)

    assert keys == ["simulated", "secret"]


async def test_a_transport_that_does_not_open_leaves_nothing(wire: MakeWire) -> None:
    line = wire(opens=False)
    tasks = trio.lowlevel.current_statistics().tasks_living

    with pytest.raises(StartFailed, match="child 'transport' did not start") as caught:
        async with open_runtime(settings_with(base_url=SERVED)):
            pytest.fail("it must not come up")

    assert isinstance(caught.value.__cause__, OSError)
    assert line.notes[1:] == []
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_a_part_that_does_not_start_takes_those_before_it_down_again(
    wire: MakeWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = wire()

    def broken(_path: object) -> Endpoint:
        raise RuntimeError("no endpoint")

    monkeypatch.setattr("supervisors.runtime.runtime.Endpoint", broken)
    tasks = trio.lowlevel.current_statistics().tasks_living

    with pytest.raises(StartFailed, match="child 'endpoint' did not start"):
        async with open_runtime(settings_with(base_url=SERVED)):
            pytest.fail("it must not come up")

    assert line.notes[1:] == ["opened", "closed"]
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_a_transport_that_crashes_is_opened_anew_and_the_call_goes_on(wire: MakeWire) -> None:
    line = wire(crashes=1)
    async with open_runtime(settings_with(base_url=SERVED)) as runtime:
        answered = await runtime.call(REQUEST)
        (transport, *others) = await runtime.tree.which_children()

    assert (answered.model_used, answered.attempts) == (FIRST, 2)
    assert transport.incarnation == 2
    assert {child.incarnation for child in others} == {1}
    assert line.notes[1:3] == ["opened", "closed"]


async def test_a_transport_that_crashes_beyond_its_budget_ends_the_runtime(wire: MakeWire) -> None:
    line = wire(crashes=4)
    settings = settings_with(base_url=SERVED, retry={"initial": 0.01, "cap": 0.01})
    with pytest.raises(RestartsExhausted) as caught:
        async with open_runtime(settings) as runtime:
            await runtime.call(REQUEST)

    assert (caught.value.child, caught.value.restarts) == ("transport", 3)
    assert line.notes.count("opened") == line.notes.count("closed") == 4


async def test_a_limiter_that_is_started_again_is_so_alone_and_has_forgotten_nothing() -> None:
    settings = settings_with()
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{FIRST}")
        await runtime.call(REQUEST)
        await limiter.stop()  # a permanent child comes back
        answered = await runtime.call(REQUEST)
        books = await limiter.ask(Limiter.statistics())
        restarted = [child.id for child in await runtime.tree.which_children() if child.incarnation > 1]

    assert answered.model_used == FIRST
    assert restarted == [f"limiter/{FIRST}"]
    assert trio.current_time() < 10.0
    assert books.ledger.used.requests == 2


async def test_an_error_of_the_block_comes_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_runtime(settings_with(), transport=provider_for(settings_with()).transport):
            raise KeyError("mine")


async def test_a_block_that_is_cancelled_takes_its_calls_with_it() -> None:
    settings = settings_with()
    provider = provider_for(settings)
    with trio.move_on_after(1.0) as scope:
        async with open_runtime(settings, transport=provider.transport) as runtime:
            await runtime.call(REQUEST)

    assert scope.cancelled_caught
    assert trio.current_time() == 1.0
    assert provider.statistics().in_flight == 0


async def test_a_full_key_waits_alone_where_the_runtime_has_limits_for_keys() -> None:
    settings = settings_with()
    transport = provider_for(settings).transport
    waited: dict[str, float] = {}

    async def call(name: str, key: str) -> None:
        question = ChatRequest("", (ChatMessage("user", "hello"),), max_tokens=50)
        await runtime.call(question, CallTerms(scopes=(Scope("key", key),)))
        waited[name] = trio.current_time()

    kinds = {"key": Limits(requests=1, input_tokens=None, output_tokens=None)}
    async with (
        open_runtime(settings, transport=transport, kinds=kinds) as runtime,
        trio.open_nursery() as nursery,
    ):
        await call("first of a", "a")
        nursery.start_soon(call, "second of a", "a")
        await trio.sleep(0.0)
        nursery.start_soon(call, "first of b", "b")
    assert waited["first of b"] < 30.0
    assert waited["second of a"] > 60.0
