"""The border to the network: the one module that knows httpx.

A request goes out and a complete response comes back, or `TransportFailed` does. Nothing of httpx passes the
border: its errors are sorted by one table, so a change of client library is a change of this file.

    what went wrong                                 kind        counted
    no connection: refused, unknown host, TLS,
      proxy, no slot in the pool                    connect     no
    the address is not one                          protocol    no      not worth a second try
    the request is not legal HTTP                   protocol    yes     not worth a second try
    connected, then silence                         timeout     yes
    connected, then cut off                         reset       yes
    not HTTP, incomplete, compressed, too large     protocol    yes

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
class _Fault:
    kind: Kind
    says: str
    charged: bool = True
    is_retryable: bool = True
    is_quoting: bool = False


_NOT_CONNECTED = _Fault("connect", "no connection", charged=False)
_NO_ADDRESS = _Fault("protocol", "the url is not valid", charged=False, is_retryable=False, is_quoting=True)
_NOT_HTTP = _Fault("protocol", "the request is not legal http", is_retryable=False, is_quoting=True)
_SILENT = _Fault("timeout", "no answer in time")
_CUT = _Fault("reset", "the connection broke")
_GARBLED = _Fault("protocol", "the exchange broke the rules of http")

# The first row that fits decides, so the special stand above the general.
_FAULTS: tuple[tuple[type[Exception], _Fault], ...] = (
    (httpx.ConnectTimeout, _NOT_CONNECTED),
    (httpx.PoolTimeout, _NOT_CONNECTED),
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
_KNOWN: tuple[type[Exception], ...] = tuple(error for error, _ in _FAULTS)


_GOES_OUT = "send_request_headers.started"
"""The event httpcore names when the connection is open and the request begins to leave, after its protocol's name."""

_COMES_BACK = "receive_response_headers.complete"
"""The event it names when status and headers of the answer are in."""


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
        try:
            return await self._exchange(self._client, request)
        except _KNOWN as error:
            cause: Exception = error
        except BaseExceptionGroup as group:
            known, rest = group.split(_KNOWN)
            if rest is not None:
                # A cancellation or a bug decides; the connections that broke beside it are its consequence.
                raise rest from rest.__cause__
            cause = cast("ExceptionGroup[Exception]", known)  # with nothing left over, all of it is known
        # Raised out here: inside, a cause that quotes the request would stay with the error as its context.
        faults = [_fault_of(leaf) for leaf in _leaves(cause)]
        worst = max(faults, key=lambda fault: fault.charged)
        is_quoting = any(fault.is_quoting for fault in faults)
        raise _failure(request, worst, type(cause).__name__) from (None if is_quoting else cause)

    async def _exchange(self, client: httpx.AsyncClient, request: HttpRequest) -> HttpResponse:
        sent_at: float | None = None
        first_byte_at: float | None = None

        async def note(event: str, _facts: object) -> None:
            # A proxy is spoken to first; the last of each is the provider's.
            nonlocal sent_at, first_byte_at
            if event.endswith(_GOES_OUT):
                sent_at = trio.current_time()
            elif event.endswith(_COMES_BACK):
                first_byte_at = trio.current_time()

        async with client.stream(
            request.method,
            _address(request.url),
            headers=dict(request.headers),
            content=request.body,
            extensions={"trace": note},
        ) as response:
            body = await self._body(request, response)
        headers = dict(response.headers.items())
        return HttpResponse(response.status_code, headers, body, sent_at, first_byte_at)

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


def _failure(request: HttpRequest, fault: _Fault, detail: str) -> TransportFailed:
    return TransportFailed(
        f"{fault.says}: {_host(request.url)} ({detail})",
        kind=fault.kind,
        charged=fault.charged,
        retryable=fault.is_retryable,
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


def _fault_of(error: Exception) -> _Fault:
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))
