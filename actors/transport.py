"""The border to the network: the one module that knows httpx.

A request goes out and a complete response comes back, or `TransportFailed` does. Nothing of httpx passes the
border: its errors are sorted by one table, so a change of client library is a change of this file.

    what went wrong                                 kind        fault                 counted
    no connection: refused, unreachable, proxy      connect     network_refused       no
    no connection: the host has no address          connect     dns                   no
    no connection in time, no slot in the pool      connect     network_timeout       no
    no connection: its certificate does not hold    connect     network_refused       no      no second try
    the address is not one                          protocol    invalid_request       no      no second try
    the request is not legal HTTP                   protocol    invalid_request       yes     no second try
    connected, then silence                         timeout     network_timeout       yes
    connected, then cut off                         reset       network_reset         yes
    cut off when the answer had begun               reset       stream_interrupted    yes
    not HTTP, incomplete, compressed, too large     protocol    stream_interrupted    yes

Texts name the host and the library's class of error. The library's errors are chained, except those that are
about the request itself: their texts quote what they complain about, and that may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Literal, Self, cast

import attrs
import httpx
import trio

from actors.errors import TransportFailed
from actors.faults import Fault, FaultKind
from actors.wire.foreign_errors import foreign_row
from actors.wire.http import HttpRequest, HttpResponse

Kind = Literal["connect", "timeout", "reset", "protocol"]

CONNECT_TIMEOUT = 10.0
"""Seconds for name lookup, TCP and TLS together: three lost SYN packets, then it is not coming."""

READ_TIMEOUT = 600.0
"""Seconds of silence: the longest a non-streaming call may take; most deadlines are nearer."""

MAX_BODY = 32 * 1024 * 1024
"""Bytes: the largest request the Messages API takes, and far more than a model writes."""

CLOSE_GRACE = 5.0
"""Seconds the connections have to close when the transport is left."""

LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
"""As in Anthropic's own client: limiters decide what may be out at once, so the pool is no queue."""

_LENGTH = re.compile(r"[0-9]{1,15}")


@attrs.frozen
class _Row:
    kind: Kind
    fault: FaultKind
    says: str
    charged: bool = True
    is_retryable: bool = True
    is_quoting: bool = False


_NOT_CONNECTED = _Row("connect", "network_refused", "no connection", charged=False)
_NOT_IN_TIME = attrs.evolve(_NOT_CONNECTED, fault="network_timeout")
_NO_ADDRESS = _Row(
    "protocol", "invalid_request", "the url is not valid", charged=False, is_retryable=False, is_quoting=True
)
_NOT_HTTP = _Row(
    "protocol", "invalid_request", "the request is not legal http", is_retryable=False, is_quoting=True
)
_SILENT = _Row("timeout", "network_timeout", "no answer in time")
_CUT = _Row("reset", "network_reset", "the connection broke")
_GARBLED = _Row("protocol", "stream_interrupted", "the exchange broke the rules of http")

# The first row that fits decides, so the special stand above the general.
_ROWS: tuple[tuple[type[Exception], _Row], ...] = (
    (httpx.ConnectTimeout, _NOT_IN_TIME),
    (httpx.PoolTimeout, _NOT_IN_TIME),
    (httpx.ConnectError, _NOT_CONNECTED),
    (httpx.ProxyError, _NOT_CONNECTED),
    (httpx.InvalidURL, _NO_ADDRESS),
    (httpx.UnsupportedProtocol, _NO_ADDRESS),
    (httpx.LocalProtocolError, _NOT_HTTP),
    (UnicodeError, _NOT_HTTP),
    (httpx.TimeoutException, _SILENT),
    (trio.TooSlowError, _SILENT),
    (httpx.NetworkError, _CUT),
    (trio.BrokenResourceError, _CUT),
    (trio.ClosedResourceError, _CUT),
    (OSError, _CUT),
    (httpx.HTTPError, _GARBLED),
    (httpx.StreamError, _GARBLED),
    (httpx.CookieConflict, _GARBLED),
)
_KNOWN: tuple[type[Exception], ...] = tuple(error for error, _ in _ROWS)


_GOES_OUT = "send_request_headers.started"
"""The event httpcore names when the connection is open and the request begins to leave, after its protocol's name."""

_COMES_BACK = "receive_response_headers.complete"
"""The event it names when status and headers of the answer are in."""


@attrs.define(eq=False)
class _Progress:
    """How far one exchange has come, as httpcore's events tell it.

    Args:
        sent_at: instant at which the request went out on an open connection.
        first_byte_at: instant at which status and headers of the answer were in.
        has_begun: whether an answer has begun, also where whatever carries the exchange tells no events.
    """

    sent_at: float | None = None
    first_byte_at: float | None = None
    has_begun: bool = False

    async def note(self, event: str, _facts: object) -> None:
        """Take in an event. A proxy is spoken to first; the last of each is the provider's."""
        if event.endswith(_GOES_OUT):
            self.sent_at = trio.current_time()
        elif event.endswith(_COMES_BACK):
            self.first_byte_at = trio.current_time()


@attrs.define(eq=False)
class HttpxTransport:
    """One shared HTTP client: a telephone exchange whose lines stay up between calls.

    Use it as an async context manager; leaving it closes every connection. It follows no redirect, keeps no
    cookie, tries nothing twice, and asks for uncompressed answers, so that `max_body` is what a response
    really takes of memory. Cancelling `send` closes that one connection and leaves the pool fit for use.

    Args:
        transport: what carries the requests instead of the network, for tests; leaving closes it too.
        connect_timeout: seconds a connection may take to come up, > 0.
        read_timeout: seconds of silence in the middle of an exchange, > 0. The whole is bounded by the cancel
            scopes of the caller alone.
        max_body: the most bytes of a response, > 0.
        trust_env: whether HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and their kin decide the way out. They are
            the operator's word on how a machine reaches the world, so yes. A `transport` ignores them.
    """

    transport: httpx.AsyncBaseTransport | None = None
    connect_timeout: float = attrs.field(
        default=CONNECT_TIMEOUT, kw_only=True, validator=attrs.validators.gt(0)
    )
    read_timeout: float = attrs.field(default=READ_TIMEOUT, kw_only=True, validator=attrs.validators.gt(0))
    max_body: int = attrs.field(default=MAX_BODY, kw_only=True, validator=attrs.validators.gt(0))
    trust_env: bool = attrs.field(default=True, kw_only=True)
    _client: httpx.AsyncClient | None = attrs.field(default=None, init=False)

    async def __aenter__(self) -> Self:
        if self._client is not None:
            raise RuntimeError("the transport is open already; open one per owner")
        self._client = httpx.AsyncClient(
            transport=self.transport,
            # No limit on the wait for a slot in the pool: that wait is the caller's, and so is its deadline.
            timeout=httpx.Timeout(self.read_timeout, connect=self.connect_timeout, pool=None),
            limits=LIMITS,
            headers={"accept-encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            follow_redirects=False,  # a redirect would carry key and prompt to a place nobody chose
            trust_env=self.trust_env,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            with trio.move_on_after(CLOSE_GRACE, shield=True):
                await client.aclose()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request` and return the complete response, whatever its status.

        Cancelling it closes the exchange; whether the provider counted the attempt is then unknown.

        Raises:
            TransportFailed: no complete response came back.
            RuntimeError: the transport is not open.
        """
        if self._client is None:
            raise RuntimeError("the transport is not open; use it in `async with`")
        progress = _Progress()
        try:
            return await self._exchange(self._client, request, progress)
        except _KNOWN as error:
            cause: Exception = error
        except BaseExceptionGroup as group:
            known, rest = group.split(_KNOWN)
            if rest is not None:
                # A cancellation or a bug decides; the connections that broke beside it are its consequence.
                raise rest from rest.__cause__
            cause = cast("ExceptionGroup[Exception]", known)  # with nothing left over, all of it is known
        # Raised out here: inside, a cause that quotes the request would stay with the error as its context.
        rows = [_row_of(leaf, progress) for leaf in _leaves(cause)]
        worst = max(rows, key=lambda row: row.charged)
        is_quoting = any(row.is_quoting for row in rows)
        raise _failure(request, worst, type(cause).__name__) from (None if is_quoting else cause)

    async def _exchange(
        self, client: httpx.AsyncClient, request: HttpRequest, progress: _Progress
    ) -> HttpResponse:
        async with client.stream(
            request.method,
            _address(request.url),
            headers=dict(request.headers),
            content=request.body,
            extensions={"trace": progress.note},
        ) as response:
            progress.has_begun = True
            body = await self._body(request, response)
        headers = dict(response.headers.items())
        return HttpResponse(response.status_code, headers, body, progress.sent_at, progress.first_byte_at)

    async def _body(self, request: HttpRequest, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _failure(request, _GARBLED, "compressed, though not asked to be")
        declared = _declared_length(response)
        too_large = f"more than {self.max_body} bytes"
        if declared is not None and declared > self.max_body:
            raise _failure(request, _GARBLED, too_large)
        body = bytearray()
        # A break would leave half-read generators all the way down to the socket for the garbage collector to
        # complain of. A cancellation starts at the bottom and unwinds each of them, as a deadline does.
        with trio.CancelScope() as rest:
            async for part in response.aiter_bytes():
                if len(body) + len(part) > self.max_body:
                    rest.cancel()
                if not rest.cancel_called:
                    body += part
        if rest.cancel_called:
            raise _failure(request, _GARBLED, too_large)
        if declared is not None and declared != len(body):
            raise _failure(request, _GARBLED, f"{len(body)} of {declared} bytes came")
        return bytes(body)


def _address(url: str) -> httpx.URL:
    address = httpx.URL(url)
    if address.scheme not in {"http", "https"} or not address.host:
        # httpx leaves this to whatever carries the request, and not every carrier looks.
        raise httpx.UnsupportedProtocol("the url must be absolute, http or https")
    return address


def _declared_length(response: httpx.Response) -> int | None:
    """Return the length the body must have, or None where none is declared or none is due."""
    declared = response.headers.get("content-length", "")
    is_bodiless = response.request.method == "HEAD" or response.status_code == HTTPStatus.NOT_MODIFIED
    return None if is_bodiless or not _LENGTH.fullmatch(declared) else int(declared)


def _failure(request: HttpRequest, row: _Row, detail: str) -> TransportFailed:
    text = f"{row.says}: {_host(request.url)} ({detail})"
    return TransportFailed(
        text,
        kind=row.kind,
        charged=row.charged,
        retryable=row.is_retryable,
        fault=Fault.of(row.fault, text, retryable=row.is_retryable, charged=row.charged),
    )


def _host(url: str) -> str:
    """Return the host alone: the rest of a URL may hold a password or a key."""
    try:
        return httpx.URL(url).host or "no host"
    except (httpx.InvalidURL, UnicodeError):
        return "no host"


def _leaves(error: Exception) -> Iterator[Exception]:
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for part in cast("ExceptionGroup[Exception]", error).exceptions:
        yield from _leaves(part)


def _row_of(error: Exception, progress: _Progress) -> _Row:
    row = next(row for kind, row in _ROWS if isinstance(error, kind))
    if row is _CUT and progress.has_begun:
        return attrs.evolve(row, fault="stream_interrupted")
    told = foreign_row(error) if row is _NOT_CONNECTED else None
    if told is None:
        return row
    return attrs.evolve(row, fault=told.kind, is_retryable=told.retryable is not False)
