"""One client's connection to the simulated provider: requests in, answers or accidents out.

A conversation is a row of exchanges on one connection (keep-alive):

    receive   read one request; bytes that are no HTTP get a 400 and the connection ends
    wait      as long as the exchange takes, with an ear on the client: if it goes, the work is abandoned
    end       answered: the whole response, then the next request
              cut_off: a part of the body, then the connection ends, although more was announced
              reset: the connection ends with a reset, without any answer
              hung: nothing, until the client goes

A client that closes its sending side is taken to have gone, as most servers do.
"""

from __future__ import annotations

import socket
import struct
from http import HTTPStatus

import attrs
import h11
import trio

from actors.testing.provider.core import ProviderCore
from actors.testing.provider.exchange import Exchange
from actors.testing.provider.question import MAX_BODY
from actors.wire.http import HttpRequest, HttpResponse

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; more is answered with 431."""

LINGER = 2.0
"""Seconds to go on reading after the last answer: closing on unread bytes would reset the answer away."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@attrs.define(eq=False)
class Connection:
    """Speaks HTTP/1.1 with one client.

    Args:
        stream: the client's socket.
        core: the provider.
        base_url: what request targets are relative to.
    """

    stream: trio.SocketStream
    core: ProviderCore
    base_url: str
    _http: h11.Connection = attrs.field(
        factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD), init=False
    )

    async def converse(self) -> None:
        """Serve one exchange after the other until either side ends it; closing the stream is the caller's."""
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The client has gone: there is nobody left to tell.

    async def _serve_one(self) -> bool:
        """Serve one request and return whether the connection may carry another."""
        try:
            request = await self._receive()
        except h11.RemoteProtocolError as bad:
            await self._answer_unreadable(bad)
            return False
        if request is None:
            return False
        exchange = self.core.arrive(request, trio.current_time())
        try:
            if not await self._client_stays_until(exchange.ends_at):
                return False
            return await self._end(exchange, request.method)
        finally:
            self.core.abandon(exchange, trio.current_time())

    async def _receive(self) -> HttpRequest | None:
        """Return the next request, its body cut short beyond what the core accepts, or None at the end."""
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while len(body) <= MAX_BODY and isinstance(event := await self._next_event(), h11.Data):
            body += event.data
        return HttpRequest(
            method=head.method.decode("ascii"),
            url=self.base_url + head.target.decode("ascii"),
            headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
            body=bytes(body),
        )

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self.stream.receive_some())
        return event

    async def _client_stays_until(self, instant: float) -> bool:
        with trio.move_on_at(instant):
            while received := await self.stream.receive_some():
                # The next request, sent ahead of its time: kept for its turn.
                self._http.receive_data(received)
            return False
        return True

    async def _end(self, exchange: Exchange, method: str) -> bool:
        if exchange.status is None:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            return False
        response = self.core.finish(exchange, trio.current_time())
        await self._send_head(response)
        if method != "HEAD":
            await self._send(h11.Data(data=response.body[: exchange.sent]))
        if exchange.ending == "cut_off":
            return False
        await self._send(h11.EndOfMessage())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    async def _answer_unreadable(self, bad: h11.RemoteProtocolError) -> None:
        exchange = self.core.arrive_unreadable(bad.error_status_hint, "Bad HTTP request", trio.current_time())
        try:
            await self._end(exchange, "GET")
        finally:
            self.core.abandon(exchange, trio.current_time())

    async def _send_head(self, response: HttpResponse) -> None:
        headers = list(response.headers.items())
        if self._http.their_state is not h11.DONE:
            headers.append(("connection", "close"))  # The rest of this request will not be read.
        await self._send(
            h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status))
        )

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self.stream.send_all(data)

    async def _linger(self) -> None:
        await self.stream.send_eof()
        with trio.move_on_after(LINGER):
            while await self.stream.receive_some():
                pass


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b"Overloaded"  # 529 is no standard status
