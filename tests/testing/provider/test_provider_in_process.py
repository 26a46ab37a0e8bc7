"""The in-process transport: virtual time, and faults as the errors of a real border."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

from actors.errors import TransportFailed
from actors.testing.provider import (
    Fault,
    Latency,
    ProviderLimits,
    SimulatedProvider,
    cut_off,
    hang,
    message_request,
    outage,
    overload,
    reset,
    slow,
)
from actors.wire.http import Transport

LATENCY = Latency(median=2.0, sigma=0.0, per_output_token=1.0, refusal=0.25)


def make_provider(*faults: Fault) -> SimulatedProvider:
    provider = SimulatedProvider(latency=LATENCY, model=lambda _body: "x" * 40)
    provider.script(*faults)
    return provider


async def fails(provider: SimulatedProvider) -> TransportFailed:
    with pytest.raises(TransportFailed) as caught:
        await provider.transport.send(message_request())
    return caught.value


async def test_an_answer_takes_its_time(autojump_clock: MockClock) -> None:
    provider = make_provider()
    transport: Transport = provider.transport
    response = await transport.send(message_request())
    assert autojump_clock.current_time() == 12.0
    assert json.loads(response.body)["content"][0]["text"] == "x" * 40


async def test_what_is_not_streamed_begins_to_arrive_when_it_is_whole(autojump_clock: MockClock) -> None:
    await trio.sleep(5.0)
    response = await make_provider().transport.send(message_request())
    assert (response.sent_at, response.first_byte_at) == (5.0, 17.0)
    assert autojump_clock.current_time() == 17.0


async def test_a_refusal_comes_quickly(autojump_clock: MockClock) -> None:
    response = await make_provider(overload()).transport.send(message_request())
    assert response.status == 529
    assert autojump_clock.current_time() == 0.25


async def test_an_outage_is_a_refused_connection_that_cost_nothing(autojump_clock: MockClock) -> None:
    failure = await fails(make_provider(outage()))
    assert (failure.kind, failure.charged, failure.retryable) == ("connect", False, True)
    assert autojump_clock.current_time() == 0.0


async def test_an_outage_breaks_the_answer_it_falls_on(autojump_clock: MockClock) -> None:
    failure = await fails(make_provider(outage(at=5.0)))
    assert (failure.kind, failure.charged) == ("reset", True)
    assert autojump_clock.current_time() == 5.0


async def test_a_reset_is_told_as_one(autojump_clock: MockClock) -> None:
    failure = await fails(make_provider(reset()))
    assert str(failure) == "the connection was reset before an answer came"
    assert (failure.kind, failure.charged) == ("reset", True)
    assert autojump_clock.current_time() == 0.25


async def test_a_cut_off_answer_is_a_broken_protocol(autojump_clock: MockClock) -> None:
    provider = make_provider(cut_off(share=0.0))
    failure = await fails(provider)
    assert failure.kind == "protocol"
    assert str(failure).startswith("the answer broke off after 0 of ")
    assert provider.log[0].output_tokens == 10
    assert autojump_clock.current_time() == 12.0


async def test_a_hung_request_ends_with_the_clients_patience(autojump_clock: MockClock) -> None:
    provider = make_provider(hang())
    failure = await fails(provider)
    assert str(failure) == "no answer within 600 s"
    assert failure.kind == "timeout"
    assert autojump_clock.current_time() == 600.0
    assert provider.log[0].status is None


async def test_an_answer_slower_than_the_clients_patience_is_a_timeout(autojump_clock: MockClock) -> None:
    provider = make_provider(slow(100.0))
    assert (await fails(provider)).kind == "timeout"
    assert provider.log[0].output_tokens == 5
    assert autojump_clock.current_time() == 600.0


async def test_a_cancelled_send_is_over_at_once(autojump_clock: MockClock) -> None:
    provider = make_provider()
    with trio.move_on_after(6.0) as scope:
        await provider.transport.send(message_request())
    assert scope.cancelled_caught
    assert autojump_clock.current_time() == 6.0
    assert provider.statistics().in_flight == 0
    assert provider.log[0].output_tokens == 5


async def test_who_waits_for_retry_after_is_served(autojump_clock: MockClock) -> None:
    provider = SimulatedProvider(limits=ProviderLimits(requests=1), latency=LATENCY)
    await provider.transport.send(message_request())
    refused = await provider.transport.send(message_request())
    await trio.sleep(float(refused.headers["retry-after"]))
    served = await provider.transport.send(message_request())
    assert (refused.status, served.status) == (429, 200)
    assert autojump_clock.current_time() > 60.0


async def test_the_providers_time_begins_when_it_is_made(autojump_clock: MockClock) -> None:
    await trio.sleep(100.0)
    provider = make_provider(overload(at=10.0))
    await trio.sleep(10.0)
    response = await provider.transport.send(message_request())
    assert response.status == 529
    assert response.headers["anthropic-ratelimit-requests-reset"] == "2026-01-01T00:00:11Z"
    assert autojump_clock.current_time() == 110.25


def test_made_outside_a_run_its_time_begins_with_the_first_request() -> None:
    provider = make_provider(overload(at=10.0))

    async def main() -> int:
        await trio.sleep(100.0)
        return (await provider.transport.send(message_request())).status

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == 200


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> object:
        provider = SimulatedProvider(seed=7, limits=ProviderLimits(requests=3))

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(provider.transport.send, message_request(str(number)))
                    await trio.sleep(0.5)

        trio.run(main, clock=MockClock(autojump_threshold=0))
        return provider.log

    assert run() == run()


async def test_waiting_for_the_door_hears_of_faults_scripted_meanwhile(autojump_clock: MockClock) -> None:
    provider = make_provider()
    await provider.door_becomes(is_open=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: provider.door_becomes(is_open=False))
        await trio.sleep(3.0)
        provider.script(outage(at=5.0, lasting=2.0))
    assert autojump_clock.current_time() == 5.0
    await provider.door_becomes(is_open=True)
    assert autojump_clock.current_time() == 7.0
