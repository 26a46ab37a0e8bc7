"""The border to the network, against a scripted transport and against real sockets on the loopback."""

from __future__ import annotations

import gzip
import pickle
import socket
import ssl
import struct
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NoReturn

import httpx
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.errors import TransportFailed
from actors.transport import MAX_BODY, HttpxTransport
from actors.wire.faults import fault_of
from actors.wire.http import HttpRequest, HttpResponse, Transport

URL = "http://127.0.0.1:1/v1/messages"
HIDDEN = "sk-ant-hidden"
REQUEST = HttpRequest("POST", URL, {"x-api-key": HIDDEN}, b"hidden prompt")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def scripted(
    answer: Callable[[httpx.Request], httpx.Response], *, max_body: int = MAX_BODY
) -> HttpxTransport:
    return HttpxTransport(httpx.MockTransport(answer), max_body=max_body)


def raising(error: BaseException) -> HttpxTransport:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return scripted(answer)


async def failure(transport: HttpxTransport, request: HttpRequest = REQUEST) -> TransportFailed:
    async with transport:
        with pytest.raises(TransportFailed) as caught:
            await transport.send(request)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert "hidden" not in shown
    return caught.value


class TestSending:
    async def test_method_url_headers_and_body_arrive(self) -> None:
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200)

        async with scripted(answer) as transport:
            await transport.send(REQUEST)
        (request,) = seen
        assert (request.method, str(request.url), request.content) == ("POST", URL, b"hidden prompt")
        assert request.headers["x-api-key"] == HIDDEN
        assert request.headers["accept-encoding"] == "identity"

    async def test_status_headers_and_body_come_back_whatever_the_status(self) -> None:
        response = httpx.Response(529, headers={"Request-Id": "req_1"}, content=b"{}")
        async with scripted(lambda _: response) as transport:
            assert await transport.send(REQUEST) == HttpResponse(
                529, {"request-id": "req_1", "content-length": "2"}, b"{}"
            )

    async def test_it_tells_when_the_request_went_out_and_when_the_headers_were_in(
        self, autojump_clock: MockClock
    ) -> None:
        class Carrier(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                trace = request.extensions["trace"]
                for event, seconds in (
                    ("connection.connect_tcp.started", 1),
                    ("http11.send_request_headers.started", 2),
                    ("http11.send_request_headers.complete", 4),
                    ("http11.receive_response_headers.started", 8),
                    ("http11.receive_response_headers.complete", 16),
                    ("http11.receive_response_body.complete", 32),
                ):
                    await trio.sleep(seconds)
                    await trace(event, {})
                return httpx.Response(200)

        async with HttpxTransport(Carrier()) as transport:
            response = await transport.send(REQUEST)
        assert (response.sent_at, response.first_byte_at) == (3.0, 31.0)
        assert autojump_clock.current_time() == 63.0

    async def test_with_a_carrier_that_names_no_instants_neither_is_known(self) -> None:
        async with scripted(lambda _: httpx.Response(200)) as transport:
            response = await transport.send(REQUEST)
        assert (response.sent_at, response.first_byte_at) == (None, None)

    async def test_a_redirect_is_an_answer_and_is_not_followed(self) -> None:
        response = httpx.Response(307, headers={"location": "http://127.0.0.1:2/"})
        async with scripted(lambda _: response) as transport:
            assert (await transport.send(REQUEST)).status == 307

    async def test_no_cookie_is_kept_between_exchanges(self) -> None:
        cookies: list[str | None] = []

        def answer(request: httpx.Request) -> httpx.Response:
            cookies.append(request.headers.get("cookie"))
            return httpx.Response(200, headers={"set-cookie": "a=b"})

        async with scripted(answer) as transport:
            await transport.send(REQUEST)
            await transport.send(REQUEST)
        assert cookies == [None, None]

    async def test_it_fits_the_protocol_of_the_house(self) -> None:
        async with scripted(lambda _: httpx.Response(204)) as opened:
            transport: Transport = opened
            assert (await transport.send(REQUEST)).body == b""


class TestOpening:
    async def test_a_transport_that_is_not_open_refuses_to_send(self) -> None:
        transport = scripted(lambda _: httpx.Response(200))
        with pytest.raises(RuntimeError, match=r"^the transport is not open; use it in `async with`$"):
            await transport.send(REQUEST)

    async def test_it_cannot_be_opened_twice_at_once(self) -> None:
        async with scripted(lambda _: httpx.Response(200)) as transport:
            with pytest.raises(RuntimeError, match=r"^the transport is open already; open one per owner$"):
                await transport.__aenter__()
            assert (await transport.send(REQUEST)).status == 200

    async def test_it_can_be_opened_again_after_it_was_left(self) -> None:
        transport = scripted(lambda _: httpx.Response(200))
        for _ in range(2):
            async with transport:
                assert (await transport.send(REQUEST)).status == 200

    async def test_leaving_a_transport_that_was_never_entered_does_nothing(self) -> None:
        await scripted(lambda _: httpx.Response(200)).__aexit__(None, None, None)

    async def test_leaving_closes_the_carrier_even_when_cancelled(self) -> None:
        closed: list[bool] = []

        class Carrier(httpx.MockTransport):
            async def aclose(self) -> None:
                await trio.lowlevel.checkpoint()
                closed.append(True)

        with trio.CancelScope() as scope:
            async with HttpxTransport(Carrier(lambda _: httpx.Response(200))):
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert closed == [True]

    async def test_a_carrier_that_does_not_close_is_left_behind(self, autojump_clock: object) -> None:
        class Carrier(httpx.MockTransport):
            async def aclose(self) -> None:
                await trio.sleep_forever()

        assert autojump_clock is not None
        start = trio.current_time()
        async with HttpxTransport(Carrier(lambda _: httpx.Response(200))):
            pass
        assert trio.current_time() - start == 5.0

    @pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "max_body"])
    def test_a_bound_of_zero_is_refused(self, name: str) -> None:
        bounds: dict[str, Any] = {name: 0}
        with pytest.raises(ValueError, match=name):
            HttpxTransport(**bounds)


class TestFaults:
    @pytest.mark.parametrize(
        ("error", "kind", "charged"),
        [
            (httpx.ConnectError("x"), "connect", False),
            (httpx.ConnectTimeout("x"), "connect", False),
            (httpx.PoolTimeout("x"), "connect", False),
            (httpx.ProxyError("x"), "connect", False),
            (httpx.ReadTimeout("x"), "timeout", True),
            (httpx.WriteTimeout("x"), "timeout", True),
            (trio.TooSlowError(), "timeout", True),
            (httpx.ReadError("x"), "reset", True),
            (httpx.WriteError("x"), "reset", True),
            (httpx.CloseError("x"), "reset", True),
            (trio.BrokenResourceError(), "reset", True),
            (trio.ClosedResourceError(), "reset", True),
            (ConnectionResetError(), "reset", True),
            (httpx.RemoteProtocolError("x"), "protocol", True),
            (httpx.DecodingError("x"), "protocol", True),
            (httpx.TooManyRedirects("x"), "protocol", True),
            (httpx.HTTPError("of a later release"), "protocol", True),
            (httpx.StreamClosed(), "protocol", True),
            (httpx.CookieConflict("x"), "protocol", True),
        ],
    )
    async def test_every_error_of_the_library_has_its_row(
        self, error: Exception, kind: str, charged: bool
    ) -> None:
        failed = await failure(raising(error))
        assert (failed.kind, failed.charged, failed.retryable) == (kind, charged, True)
        assert failed.__cause__ is error
        assert str(failed).endswith(f": 127.0.0.1 ({type(error).__name__})")

    async def test_a_bug_is_not_a_failed_transport(self) -> None:
        async with raising(ZeroDivisionError()) as transport:
            with pytest.raises(ZeroDivisionError):
                await transport.send(REQUEST)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "messages",
            "http://",
            "ftp://127.0.0.1/",
            "http://127.0.0.1:hidden/",
            "http://a\nhidden/",
            "http://[::1",
        ],
    )
    async def test_an_invalid_url_is_not_worth_a_second_try(self, url: str) -> None:
        failed = await failure(HttpxTransport(trust_env=False), HttpRequest("POST", url))
        assert (failed.kind, failed.charged, failed.retryable) == ("protocol", False, False)
        assert str(failed).startswith("the url is not valid: ")
        assert failed.__context__ is None

    async def test_a_key_that_does_not_fit_a_header_is_not_shown(self) -> None:
        request = HttpRequest("POST", URL, {"x-api-key": "sk-ant-hidden-\u20ac"})
        failed = await failure(HttpxTransport(trust_env=False), request)
        assert (failed.kind, failed.retryable) == ("protocol", False)
        assert str(failed) == "the request is not legal http: 127.0.0.1 (UnicodeEncodeError)"
        assert failed.__context__ is None

    @settings(deadline=None)  # each example is a whole run of the loop
    @given(url=st.text() | st.text().map("http://{}".format))
    def test_any_url_is_a_transport_failed_or_is_sent(self, url: str) -> None:
        async def main() -> None:
            async with scripted(lambda _: httpx.Response(204)) as transport:
                try:
                    await transport.send(HttpRequest("GET", url))
                except TransportFailed as error:
                    assert error.charged is False  # noqa: PT017  # one of two good ends

        trio.run(main)


class TestCarriedFaults:
    @pytest.mark.parametrize(
        ("error", "kind", "charged"),
        [
            (httpx.ConnectTimeout("x"), "network_timeout", False),
            (httpx.PoolTimeout("x"), "network_timeout", False),
            (httpx.ConnectError("x"), "network_refused", False),
            (httpx.ProxyError("x"), "network_refused", False),
            (httpx.ReadTimeout("x"), "network_timeout", True),
            (httpx.WriteTimeout("x"), "network_timeout", True),
            (trio.TooSlowError(), "network_timeout", True),
            (httpx.ReadError("x"), "network_reset", True),
            (httpx.WriteError("x"), "network_reset", True),
            (trio.BrokenResourceError(), "network_reset", True),
            (trio.ClosedResourceError(), "network_reset", True),
            (OSError(), "network_reset", True),
            (httpx.RemoteProtocolError("x"), "stream_interrupted", True),
            (httpx.DecodingError("x"), "stream_interrupted", True),
            (httpx.StreamClosed(), "stream_interrupted", True),
        ],
    )
    async def test_a_failed_exchange_carries_its_fault_and_agrees_with_it(
        self, error: Exception, kind: str, charged: bool
    ) -> None:
        failed = await failure(raising(error))
        assert failed.fault is not None
        assert (failed.fault.kind, failed.fault.charged, failed.fault.retryable) == (kind, charged, True)
        assert (failed.charged, failed.retryable) == (charged, True)
        assert (failed.fault.message, failed.fault.raw) == (str(failed), None)
        assert fault_of(failed) is failed.fault

    @pytest.mark.parametrize(
        ("cause", "kind", "retryable"),
        [
            (socket.gaierror(socket.EAI_NONAME, "x"), "dns", True),
            (ssl.SSLCertVerificationError("x"), "network_refused", False),
            (TimeoutError("x"), "network_timeout", True),
            (ConnectionRefusedError("x"), "network_refused", True),
            (ExceptionGroup("", [OSError(), socket.gaierror(socket.EAI_AGAIN, "x")]), "dns", True),
        ],
    )
    async def test_why_no_connection_came_up_its_cause_tells(
        self, cause: Exception, kind: str, retryable: bool
    ) -> None:
        error = httpx.ConnectError("x")
        error.__cause__ = OSError("all attempts failed")
        error.__cause__.__cause__ = cause
        failed = await failure(raising(error))
        assert failed.fault is not None
        assert (failed.fault.kind, failed.fault.retryable, failed.fault.charged) == (kind, retryable, False)
        assert (failed.kind, failed.retryable, failed.charged) == ("connect", retryable, False)

    @pytest.mark.parametrize(
        "request_",
        [HttpRequest("POST", "http://"), HttpRequest("POST", URL, {"x-api-key": "sk-ant-hidden-\u20ac"})],
    )
    async def test_what_is_no_request_is_the_callers_mistake(self, request_: HttpRequest) -> None:
        failed = await failure(HttpxTransport(trust_env=False), request_)
        assert failed.fault is not None
        assert (failed.fault.kind, failed.fault.retryable) == ("invalid_request", False)
        assert failed.fault.charged is failed.charged

    @pytest.mark.parametrize("error", [httpx.ReadError("x"), trio.BrokenResourceError(), OSError()])
    async def test_an_answer_that_breaks_when_it_had_begun_is_an_interrupted_stream(
        self, error: Exception
    ) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"abc"
            raise error

        failed = await failure(scripted(lambda _: httpx.Response(200, content=body())))
        assert failed.fault is not None
        assert (failed.kind, failed.fault.kind) == ("reset", "stream_interrupted")

    async def test_a_silence_in_the_middle_of_an_answer_is_a_silence(self) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"abc"
            raise httpx.ReadTimeout("x")

        failed = await failure(scripted(lambda _: httpx.Response(200, content=body())))
        assert failed.fault is not None
        assert (failed.kind, failed.fault.kind) == ("timeout", "network_timeout")

    async def test_an_answer_that_is_too_large_or_too_short_is_interrupted(self) -> None:
        for response in (
            httpx.Response(200, content=b"x" * 9),
            httpx.Response(200, headers={"content-length": "7"}, content=b"abc"),
        ):
            failed = await failure(scripted(lambda _, answer=response: answer, max_body=8))  # type: ignore[misc]  # bound in its round
            assert failed.fault is not None
            assert (failed.fault.kind, failed.fault.retryable) == ("stream_interrupted", True)

    async def test_a_group_carries_the_fault_of_its_worst_part(self) -> None:
        group = ExceptionGroup("", [httpx.ConnectError("x"), httpx.RemoteProtocolError("y")])
        failed = await failure(raising(group))
        assert failed.fault is not None
        assert (failed.fault.kind, failed.fault.charged) == ("stream_interrupted", True)

    async def test_a_failed_exchange_can_be_pickled_with_its_fault(self) -> None:
        failed = await failure(raising(httpx.ReadError("x")))
        copied = pickle.loads(pickle.dumps(failed))  # noqa: S301  # our own bytes
        assert (copied.fault, copied.kind) == (failed.fault, "reset")


class TestGroups:
    async def test_a_group_is_as_bad_as_its_worst_part(self) -> None:
        group = ExceptionGroup(
            "", [httpx.ConnectError("x"), ExceptionGroup("", [httpx.ReadError("y"), OSError()])]
        )
        failed = await failure(raising(group))
        assert (failed.kind, failed.charged) == ("reset", True)
        assert isinstance(failed.__cause__, ExceptionGroup)
        assert str(failed) == "the connection broke: 127.0.0.1 (ExceptionGroup)"

    async def test_a_group_of_connections_that_never_came_up_was_not_counted(self) -> None:
        group = ExceptionGroup("", [httpx.ConnectError("x"), httpx.ConnectTimeout("y")])
        assert (await failure(raising(group))).charged is False

    async def test_a_group_that_quotes_the_request_is_not_chained(self) -> None:
        group = ExceptionGroup(
            "", [httpx.ReadError("x"), httpx.LocalProtocolError("Illegal header b'hidden'")]
        )
        assert (await failure(raising(group))).__context__ is None

    async def test_a_bug_in_a_group_goes_on_without_the_network(self) -> None:
        async with raising(ExceptionGroup("", [httpx.ReadError("x"), ZeroDivisionError()])) as transport:
            with pytest.RaisesGroup(ZeroDivisionError):
                await transport.send(REQUEST)

    async def test_a_cancellation_takes_the_broken_connections_with_it(self) -> None:
        class Carrier(httpx.AsyncBaseTransport):
            async def handle_async_request(self, _request: httpx.Request) -> NoReturn:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.break_when_cancelled)
                    await trio.sleep_forever()

            async def break_when_cancelled(self) -> None:
                try:
                    scope.cancel()
                    await trio.sleep_forever()
                finally:
                    raise httpx.ReadError("x")

        with trio.CancelScope() as scope:
            async with HttpxTransport(Carrier()) as transport:
                await transport.send(REQUEST)
        assert scope.cancelled_caught


class TestSize:
    @pytest.mark.parametrize("size", [0, 1, 8])
    async def test_a_body_up_to_the_bound_passes(self, size: int) -> None:
        async with scripted(lambda _: httpx.Response(200, content=b"x" * size), max_body=8) as transport:
            assert (await transport.send(REQUEST)).body == b"x" * size

    async def test_a_body_that_announces_too_much_is_not_read(self) -> None:
        read: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            read.append(b"x")
            yield b"x"

        response = httpx.Response(200, headers={"content-length": "9"}, content=body())
        failed = await failure(scripted(lambda _: response, max_body=8))
        assert str(failed) == "the exchange broke the rules of http: 127.0.0.1 (more than 8 bytes)"
        assert (failed.kind, failed.charged, read) == ("protocol", True, [])

    async def test_a_body_that_grows_too_much_is_cut(self) -> None:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(4):
                yield b"xxx"

        failed = await failure(scripted(lambda _: httpx.Response(200, content=body()), max_body=8))
        assert str(failed) == "the exchange broke the rules of http: 127.0.0.1 (more than 8 bytes)"

    async def test_a_compressed_body_is_refused_for_its_size_is_unknown(self) -> None:
        headers = {"content-encoding": "gzip"}
        response = httpx.Response(200, headers=headers, content=gzip.compress(b"x" * 100_000))
        failed = await failure(scripted(lambda _: response))
        assert str(failed).endswith("(compressed, though not asked to be)")

    async def test_a_body_shorter_than_announced_is_incomplete(self) -> None:
        response = httpx.Response(200, headers={"content-length": "10"}, content=b"abc")
        failed = await failure(scripted(lambda _: response))
        assert str(failed) == "the exchange broke the rules of http: 127.0.0.1 (3 of 10 bytes came)"

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
    async def test_an_answer_without_a_body_may_announce_one(self, method: str, status: int) -> None:
        response = httpx.Response(status, headers={"content-length": "10"})
        async with scripted(lambda _: response) as transport:
            assert (await transport.send(HttpRequest(method, URL))).body == b""


Server = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[tuple[HttpxTransport, HttpRequest]]:
    """Serve each connection on the loopback with `server`; hand out an open transport and a request to it."""
    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(
            partial(trio.serve_tcp, server, 0, host="127.0.0.1")
        )
        port = listeners[0].socket.getsockname()[1]
        async with HttpxTransport(trust_env=False) as transport:
            yield transport, HttpRequest("POST", f"http://127.0.0.1:{port}/", REQUEST.headers, REQUEST.body)
        nursery.cancel_scope.cancel()


async def failure_of(server: Server) -> TransportFailed:
    async with serving(server) as (transport, request):
        with trio.fail_after(10), pytest.raises(TransportFailed) as caught:
            await transport.send(request)
    return caught.value


async def hear(stream: trio.SocketStream) -> bool:
    """Read one request; False when the client has gone."""
    heard = b""
    while not heard.endswith(REQUEST.body):
        if not (part := await stream.receive_some()):
            return False
        heard += part
    return True


class TestSockets:
    async def test_one_connection_serves_call_after_call(self) -> None:
        connections: list[trio.SocketStream] = []

        async def server(stream: trio.SocketStream) -> None:
            connections.append(stream)
            while await hear(stream):
                await stream.send_all(OK)

        async with serving(server) as (transport, request):
            for _ in range(3):
                assert (await transport.send(request)).body == b"ok"
        assert len(connections) == 1

    async def test_the_first_byte_is_in_before_the_body(self) -> None:
        instants: list[float] = []

        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            instants.append(trio.current_time())
            head, body = OK.split(b"ok")[0], b"ok"
            await stream.send_all(head)
            await trio.testing.wait_all_tasks_blocked(0.02)  # as long as the client takes to read the head
            instants.append(trio.current_time())
            await stream.send_all(body)

        async with serving(server) as (transport, request):
            response = await transport.send(request)
        heard_at, body_at = instants
        assert response.sent_at is not None
        assert response.first_byte_at is not None
        assert response.sent_at <= heard_at <= response.first_byte_at <= body_at

    @pytest.mark.parametrize("trust_env", [True, False])
    async def test_the_proxy_of_the_environment_is_used_where_it_is_trusted(
        self, trust_env: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            await stream.send_all(OK)

        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
            async with serving(server) as (_, to_proxy):
                monkeypatch.setenv("HTTP_PROXY", to_proxy.url)
                async with HttpxTransport(trust_env=trust_env) as transport:
                    if trust_env:
                        assert (
                            await transport.send(HttpRequest("POST", url, {}, REQUEST.body))
                        ).body == b"ok"
                    else:
                        with pytest.raises(TransportFailed, match="no connection"):
                            await transport.send(HttpRequest("POST", url, {}, REQUEST.body))

    async def test_a_refused_connection_was_never_made(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port, nobody answers
            request = HttpRequest("POST", f"http://127.0.0.1:{taken.getsockname()[1]}/", REQUEST.headers)
            failed = await failure(HttpxTransport(trust_env=False), request)
        assert (failed.kind, failed.charged, failed.retryable) == ("connect", False, True)
        assert str(failed) == "no connection: 127.0.0.1 (ConnectError)"
        assert failed.fault is not None
        assert failed.fault.kind == "network_refused"

    async def test_a_host_that_nobody_knows_is_a_fault_of_names(self) -> None:
        class Nowhere(trio.abc.HostnameResolver):
            async def getaddrinfo(self, *_args: object, **_kwargs: object) -> NoReturn:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

            async def getnameinfo(self, *_args: object) -> NoReturn:
                raise NotImplementedError

        trio.socket.set_custom_hostname_resolver(Nowhere())
        request = HttpRequest("POST", "http://nowhere.invalid/")
        failed = await failure(HttpxTransport(trust_env=False), request)
        assert failed.fault is not None
        assert (failed.kind, failed.fault.kind, failed.fault.charged) == ("connect", "dns", False)

    async def test_a_reset_in_the_middle_of_the_body(self) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close resets

        failed = await failure_of(server)
        assert (failed.kind, failed.charged, failed.retryable) == ("reset", True, True)
        assert failed.fault is not None
        assert failed.fault.kind == "stream_interrupted"

    async def test_a_body_cut_short(self) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

        failed = await failure_of(server)
        assert (failed.kind, failed.charged) == ("protocol", True)
        assert str(failed).endswith("(RemoteProtocolError)")

    @pytest.mark.parametrize(
        "noise", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", b""]
    )
    async def test_garbage_instead_of_http(self, noise: bytes) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            await stream.send_all(noise)

        failed = await failure_of(server)
        assert (failed.kind, failed.charged) == ("protocol", True)

    async def test_a_key_with_a_line_break_is_not_shown(self) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)

        async with serving(server) as (transport, request):
            with pytest.raises(TransportFailed) as caught:
                await transport.send(HttpRequest("POST", request.url, {"x-api-key": "hidden\n"}))
        assert str(caught.value) == "the request is not legal http: 127.0.0.1 (LocalProtocolError)"
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    async def test_silence_is_a_timeout(self) -> None:
        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            await trio.sleep_forever()

        async with serving(server) as (_, request):
            with trio.fail_after(5):
                failed = await failure(HttpxTransport(read_timeout=0.1, trust_env=False), request)
        assert (failed.kind, failed.charged) == ("timeout", True)
        assert str(failed) == "no answer in time: 127.0.0.1 (ReadTimeout)"

    async def test_a_deadline_cuts_a_slow_body_and_the_pool_goes_on(self) -> None:
        slow, hung_up = trio.CancelScope(), trio.Event()

        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            if slow.cancel_called:
                await stream.send_all(OK)
                return
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            slow.deadline = trio.current_time()
            if not await stream.receive_some():
                hung_up.set()

        async with serving(server) as (transport, request):
            with trio.fail_after(10):
                with slow:
                    await transport.send(request)
                assert slow.cancelled_caught
                await hung_up.wait()
                assert (await transport.send(request)).body == b"ok"

    async def test_a_body_without_end_is_cut_and_the_pool_goes_on(self) -> None:
        is_endless = True

        async def server(stream: trio.SocketStream) -> None:
            await hear(stream)
            if not is_endless:
                await stream.send_all(OK)
                return
            await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(trio.BrokenResourceError):  # the client has hung up: the only way out
                while True:
                    await stream.send_all(b"400\r\n" + b"x" * 1024 + b"\r\n")

        async with (
            serving(server) as (_, request),
            HttpxTransport(trust_env=False, max_body=4096) as transport,
        ):
            with trio.fail_after(10):
                with pytest.raises(TransportFailed, match="more than 4096 bytes"):
                    await transport.send(request)
                is_endless = False
                assert (await transport.send(request)).body == b"ok"
