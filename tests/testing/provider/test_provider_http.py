"""The HTTP front over real sockets on the loopback: the same answers, and honest accidents."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.testing.provider import (
    INSTANT,
    Latency,
    ProviderLimits,
    SimulatedProvider,
    cut_off,
    hang,
    malformed,
    message_request,
    outage,
    overload,
    reset,
    serve,
)
from actors.testing.provider.connection import MAX_HEAD
from actors.testing.provider.question import MAX_BODY
from actors.wire.http import HttpRequest


def make_provider(**settings: Any) -> SimulatedProvider:
    return SimulatedProvider(latency=INSTANT, **settings)


PATIENCE = 60.0
"""Seconds a client waits; longer than anything here lasts."""


async def send(client: httpx.AsyncClient, request: HttpRequest) -> httpx.Response:
    path = httpx.URL(request.url).raw_path.decode()
    return await client.request(request.method, path, headers=dict(request.headers), content=request.body)


async def connect(base_url: str) -> trio.SocketStream:
    url = httpx.URL(base_url)
    assert url.port is not None
    return await trio.open_tcp_stream(url.host, url.port)


async def raw(base_url: str, sent: bytes) -> bytes:
    """Everything the server says to `sent` until it closes."""
    async with await connect(base_url) as stream:
        await stream.send_all(sent)
        return b"".join([chunk async for chunk in stream])


async def test_both_fronts_give_the_same_answer_to_the_same_request() -> None:
    requests = [
        message_request("one"),
        message_request("two"),
        message_request(max_tokens=0),
        message_request("三"),
    ]
    limits = ProviderLimits(requests=2)
    inside, outside = make_provider(seed=3, limits=limits), make_provider(seed=3, limits=limits)
    expected = [await inside.transport.send(request) for request in requests]
    async with serve(outside) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        got = [await send(client, request) for request in requests]
    assert [response.status_code for response in got] == [200, 200, 400, 429]
    assert [response.status_code for response in got] == [response.status for response in expected]
    assert [response.content for response in got] == [response.body for response in expected]
    assert all(
        set(answer.headers) <= set(response.headers) for answer, response in zip(expected, got, strict=True)
    )
    assert [record.status for record in outside.log] == [record.status for record in inside.log]


async def test_a_connection_outlives_errors() -> None:
    provider = make_provider()
    provider.script(overload(nth=1))
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        streams = set[object]()
        statuses = list[int]()
        for request in (message_request(), message_request(model="nobody"), message_request()):
            response = await send(client, request)
            statuses.append(response.status_code)
            streams.add(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert statuses == [529, 404, 200]
    assert len(streams) == 1


async def test_529_has_a_reason_phrase_though_it_is_no_standard_status() -> None:
    provider = make_provider()
    provider.script(overload())
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        assert (await send(client, message_request())).reason_phrase == "Overloaded"


async def test_a_cut_off_answer_is_announced_whole_and_sent_in_part() -> None:
    provider = make_provider()
    provider.script(cut_off(nth=1))
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            await send(client, message_request())
        assert (await send(client, message_request())).status_code == 200
    assert [record.fault for record in provider.log] == ["cut_off", None]


async def test_what_was_sent_of_a_cut_off_answer_is_its_beginning() -> None:
    provider = make_provider()
    provider.script(cut_off(share=0.5))
    request = message_request()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    length = f"host: p\r\ncontent-length: {len(request.body)}\r\n\r\n"
    async with serve(provider) as base_url:
        answer = await raw(base_url, f"POST /v1/messages HTTP/1.1\r\n{head}{length}".encode() + request.body)
    said, _, body = answer.partition(b"\r\n\r\n")
    announced = int(said.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == announced // 2
    assert body.startswith(b'{"id": "msg_')


async def test_a_reset_breaks_the_connection_before_any_answer() -> None:
    provider = make_provider()
    provider.script(reset())
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        with pytest.raises(httpx.ReadError):
            await send(client, message_request())


async def test_a_malformed_answer_arrives_as_it_is() -> None:
    provider = make_provider()
    provider.script(malformed("{oops"))
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        assert (await send(client, message_request())).content == b"{oops"


async def test_during_an_outage_the_operating_system_refuses_the_connection() -> None:
    provider = make_provider()
    provider.script(outage(at=0.0, lasting=math.inf))
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        with pytest.raises(httpx.ConnectError):
            await send(client, message_request())
    assert provider.log == ()


async def test_an_outage_drops_standing_connections_and_ends(autojump_clock: trio.testing.MockClock) -> None:
    provider = make_provider()
    provider.script(hang(nth=2), outage(at=10.0, lasting=5.0))
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client:
        assert (await send(client, message_request())).status_code == 200
        with pytest.raises(httpx.TransportError):
            await send(client, message_request())
        assert autojump_clock.current_time() == 10.0
        with pytest.raises(httpx.ConnectError):
            await send(client, message_request())
        await trio.sleep_until(15.0)
        await wait_all_tasks_blocked()
        assert (await send(client, message_request())).status_code == 200
    assert [(record.status, record.fault) for record in provider.log] == [
        (200, None),
        (None, "outage"),
        (200, None),
    ]


async def test_a_client_that_goes_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    latency = Latency(median=0.0, sigma=0.0, per_output_token=1.0)
    provider = SimulatedProvider(latency=latency, model=lambda _body: "x" * 40)
    async with serve(provider) as base_url, httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client:
        with trio.move_on_after(4.0):
            await send(client, message_request())
        await wait_all_tasks_blocked()
        (record,) = provider.log
    assert (record.ended_at, record.status, record.output_tokens) == (4.0, None, 4)
    assert autojump_clock.current_time() == 4.0


async def test_leaving_the_block_drops_what_is_in_flight(autojump_clock: trio.testing.MockClock) -> None:
    provider = make_provider()
    provider.script(hang())
    async with trio.open_nursery() as nursery, serve(provider) as base_url:
        nursery.start_soon(ask_forever, base_url)
        await trio.sleep(1.0)
    assert autojump_clock.current_time() == 1.0
    assert provider.statistics().in_flight == 0


async def ask_forever(base_url: str) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client:
        with pytest.raises(httpx.TransportError):
            await send(client, message_request())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: p\r\nx: " + b"x" * (MAX_HEAD + 1), b"431"),
        (b"CONNECT p:1 HTTP/1.1\r\nhost: p\r\nconnection: close\r\n\r\n", b"404"),
    ],
)
async def test_what_is_no_request_gets_an_error_and_the_connection_ends(sent: bytes, status: bytes) -> None:
    async with serve(make_provider()) as base_url:
        answer = await raw(base_url, sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert json.loads(body)["type"] == "error"


async def test_a_head_request_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    async with serve(make_provider()) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        response = await client.head("/v1/messages")
        after = await send(client, message_request())
    assert (response.status_code, response.headers["allow"], response.content) == (405, "POST", b"")
    assert after.status_code == 200


async def test_a_body_over_32_mib_is_refused_without_reading_on() -> None:
    announced = b"POST /v1/messages HTTP/1.1\r\nhost: p\r\nx-api-key: k\r\nanthropic-version: v\r\n"
    async with serve(make_provider()) as base_url, await connect(base_url) as stream:
        await stream.send_all(announced + b"content-length: 99999999999\r\n\r\n" + b" " * (MAX_BODY + 1))
        with trio.fail_after(PATIENCE):
            head, _, body = (await stream.receive_some()).partition(b"\r\n\r\n")
            await stream.send_eof()
            rest = b"".join([chunk async for chunk in stream])
    assert head.startswith(b"HTTP/1.1 413 ")
    assert head.lower().count(b"connection: close") == 1
    assert json.loads(body + rest)["error"]["type"] == "request_too_large"


async def test_a_client_that_sends_too_much_still_gets_its_answer() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield b" " * 1024 * 1024

    request = message_request()
    async with (
        serve(make_provider()) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=PATIENCE) as client,
    ):
        response = await client.post("/v1/messages", headers=dict(request.headers), content=endless())
        assert response.status_code == 413
        assert (await send(client, request)).status_code == 200


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    request = message_request()
    async with serve(make_provider()) as base_url, await connect(base_url) as stream:
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        more = f"host: p\r\nexpect: 100-continue\r\ncontent-length: {len(request.body)}\r\n\r\n"
        await stream.send_all(f"POST /v1/messages HTTP/1.1\r\n{head}{more}".encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        await stream.send_all(request.body)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")


async def test_a_request_sent_ahead_is_answered_in_its_turn(autojump_clock: trio.testing.MockClock) -> None:
    provider = SimulatedProvider(latency=Latency(median=1.0, sigma=0.0, per_output_token=0.0, refusal=1.0))
    request = b"GET /%d HTTP/1.1\r\nhost: p\r\n%s\r\n"
    async with serve(provider) as base_url, await connect(base_url) as stream:
        await stream.send_all(request % (1, b""))
        await trio.sleep(0.5)
        await stream.send_all(request % (2, b"connection: close\r\n"))
        answers = b"".join([chunk async for chunk in stream])
    assert answers.count(b"HTTP/1.1 404 ") == 2
    assert [record.ended_at for record in provider.log] == [1.0, 2.0]
    assert autojump_clock.current_time() >= 2.0


async def test_a_client_that_goes_in_mid_request_counts_nowhere() -> None:
    provider = make_provider()
    async with serve(provider) as base_url:
        async with await connect(base_url) as stream:
            await stream.send_all(b"POST /v1/messages HTTP/1.1\r\nhost: p\r\ncontent-length: 5\r\n\r\nab")
        await wait_all_tasks_blocked()
        async with httpx.AsyncClient(base_url=base_url) as client:
            assert (await send(client, message_request())).status_code == 200
    assert provider.statistics().peak.requests == 1


async def test_a_fixed_port_and_ipv6_are_named_in_the_address() -> None:
    async with serve(make_provider(), host="::1") as base_url:
        assert base_url.startswith("http://[::1]:")
        async with httpx.AsyncClient(base_url=base_url) as client:
            assert (await send(client, message_request())).status_code == 200
