"""What the exceptions of others mean: of httpx and httpcore, of Trio, of the system, of SQLite, of Python.

They are known by the names of their classes, nearest ancestor first, so nothing has to be installed or imported for
it: "httpx.ConnectError" is `ConnectError` of anything inside the package httpx. Two know more than their class does:
an OSError by its errno, an error of SQLite by SQLite's own name for it.

"No connection" is what all the ways to fail to connect have in common. Which of them it was, its causes tell: a name
that nobody knows, a certificate that does not hold, a silence, or in truth a refusal.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

import attrs

from actors.faults import FaultKind
from actors.wire.cause_chain import causes, peek


@attrs.frozen
class ErrorRow:
    """What a class of exceptions means.

    Args:
        kind: the fault it is.
        retryable: whether the same call can succeed later, where that is known better than the kind's row says.
        charged: False where nothing had left the house.
        is_connecting: whether its causes may tell more: it is about a connection that did not come up.
    """

    kind: FaultKind
    retryable: bool | None = None
    charged: bool = True
    is_connecting: bool = False


ALIASES: Mapping[str, str] = MappingProxyType(
    {"anyio": "trio", "httpcore2": "httpcore", "httpx2": "httpx", "_socket": "socket", "_ssl": "ssl"}
)
"""Packages that are another one under a new name, as far as their exceptions go."""

_NO_CONNECTION = ErrorRow("network_refused", charged=False, is_connecting=True)
_CONNECT_TIMEOUT = ErrorRow("network_timeout", charged=False)
_NO_ADDRESS = ErrorRow("invalid_request", charged=False)
_SILENT = ErrorRow("network_timeout")
_CUT = ErrorRow("network_reset")
_GARBLED = ErrorRow("stream_interrupted")
_NO_NAME = ErrorRow("dns", charged=False)
_NO_TRUST = ErrorRow("network_refused", retryable=False, charged=False)
_BUG = ErrorRow("internal")
_INPUT = ErrorRow("validation")
_STOPPED = ErrorRow("unknown")

_HTTP_CLIENT: Mapping[str, ErrorRow] = {
    "ConnectTimeout": _CONNECT_TIMEOUT,
    "PoolTimeout": _CONNECT_TIMEOUT,
    "ConnectError": _NO_CONNECTION,
    "ConnectionNotAvailable": _NO_CONNECTION,
    "ProxyError": _NO_CONNECTION,
    "InvalidURL": _NO_ADDRESS,
    "UnsupportedProtocol": _NO_ADDRESS,
    "LocalProtocolError": ErrorRow("invalid_request"),
    "TimeoutException": _SILENT,
    "NetworkError": _CUT,
    "ProtocolError": _GARBLED,
    "RequestError": _GARBLED,
    "HTTPError": _GARBLED,
    "TooManyRedirects": ErrorRow("not_found"),  # as a redirect is that nobody follows
    "StreamClosed": _GARBLED,
    "StreamError": _BUG,  # a stream that was read twice, or not at all: httpx calls it the developer's error
}

_MODEL_CLIENT: Mapping[str, ErrorRow] = {
    "APITimeoutError": _SILENT,
    "APIConnectionError": ErrorRow("network_reset", is_connecting=True),
    "APIResponseValidationError": ErrorRow("validation", retryable=True),
    "APIError": ErrorRow("server_error", retryable=False),
}

FOREIGN: Mapping[str, ErrorRow] = MappingProxyType(
    {
        **{
            f"{package}.{name}": row
            for package in ("httpx", "httpcore")
            for name, row in _HTTP_CLIENT.items()
        },
        **{
            f"{package}.{name}": row
            for package in ("anthropic", "openai", "groq")
            for name, row in _MODEL_CLIENT.items()
        },
        "h11.LocalProtocolError": ErrorRow("invalid_request"),
        "h11.RemoteProtocolError": _GARBLED,
        "trio.TooSlowError": _SILENT,
        "trio.BrokenResourceError": _CUT,
        "trio.ClosedResourceError": _CUT,
        "trio.EndOfChannel": _GARBLED,
        "trio.EndOfStream": _GARBLED,
        "trio.BusyResourceError": _BUG,
        "trio.NeedHandshakeError": _BUG,
        "trio.TrioInternalError": _BUG,
        "trio.WouldBlock": _BUG,
        "trio.Cancelled": _STOPPED,
        "asyncio.CancelledError": _STOPPED,
        "concurrent.CancelledError": _STOPPED,
        "socket.gaierror": _NO_NAME,
        "socket.herror": _NO_NAME,
        "ssl.SSLCertVerificationError": _NO_TRUST,
        "ssl.SSLEOFError": _CUT,
        "ssl.SSLZeroReturnError": _CUT,
        "ssl.SSLError": _CUT,
        "sqlite3.IntegrityError": ErrorRow("conflict", retryable=False),
        "sqlite3.ProgrammingError": _BUG,
        "sqlite3.InterfaceError": _BUG,
        "sqlite3.NotSupportedError": _BUG,
        "sqlite3.DataError": _INPUT,
        "sqlite3.Error": ErrorRow("database", retryable=False),
        "json.JSONDecodeError": _INPUT,
        "builtins.UnicodeError": _INPUT,
        "cattrs.BaseValidationError": _INPUT,
        "pydantic_core.ValidationError": _INPUT,
        "builtins.TimeoutError": _SILENT,
        "builtins.ConnectionRefusedError": ErrorRow("network_refused", charged=False),
        "builtins.ConnectionError": _CUT,
        "builtins.FileNotFoundError": ErrorRow("not_found"),
        "builtins.PermissionError": ErrorRow("permission_denied"),
        "builtins.OSError": _BUG,
        "builtins.EOFError": _GARBLED,
        "builtins.KeyboardInterrupt": _STOPPED,
        "builtins.SystemExit": _STOPPED,
        "builtins.GeneratorExit": _STOPPED,
        **{
            f"builtins.{name}": _BUG
            for name in (
                "ArithmeticError",
                "AssertionError",
                "AttributeError",
                "BufferError",
                "ImportError",
                "LookupError",
                "MemoryError",
                "NameError",
                "RuntimeError",
                "StopAsyncIteration",
                "StopIteration",
                "SyntaxError",
                "SystemError",
                "TypeError",
                "ValueError",
                "Warning",
            )
        },
    }
)
"""What each class means that is known by name; a class that is not here is told by its ancestors."""

_UNREACHED = ErrorRow("network_refused", charged=False)

ERRNOS: Mapping[int, ErrorRow] = MappingProxyType(
    {
        errno.ECONNREFUSED: _UNREACHED,
        errno.EHOSTDOWN: _UNREACHED,
        errno.EHOSTUNREACH: _UNREACHED,
        errno.ENETDOWN: _UNREACHED,
        errno.ENETUNREACH: _UNREACHED,
        errno.EADDRNOTAVAIL: _UNREACHED,
        errno.ETIMEDOUT: _SILENT,
        errno.ECONNABORTED: _CUT,
        errno.ECONNRESET: _CUT,
        errno.ENETRESET: _CUT,
        errno.ENOTCONN: _CUT,
        errno.EPIPE: _CUT,
    }
)
"""What an OSError means that its class alone does not tell."""

_BUSY_NAMES = ("SQLITE_BUSY", "SQLITE_LOCKED")
_BUSY_WORDS = re.compile(r"\bis locked\b")
_BUSY = ErrorRow("database", retryable=True)


def foreign_row(error: BaseException) -> ErrorRow | None:
    """Return what an exception of others means, or None where no ancestor of its class is known by name."""
    row = _row_alone(error)
    return connection_row(error, row) if row is not None and row.is_connecting else row


def connection_row(error: BaseException, row: ErrorRow) -> ErrorRow:
    """Return why a connection did not come up, as the causes of `error` tell it; `row` where they tell nothing.

    A name that nobody knows and a certificate that does not hold come before silence, and that before a refusal: with
    several addresses tried at once, they say what the others have in common.
    """
    told = [found for cause in causes(error) if (found := _row_alone(cause)) is not None]
    for kind, retryable in (
        ("dns", None),
        ("network_refused", False),
        ("network_timeout", None),
        ("network_refused", None),
    ):
        for found in told:
            if (found.kind, found.retryable) == (kind, retryable):
                return attrs.evolve(found, charged=found.charged and row.charged)
    return row


def qualified_name(error: BaseException) -> str:
    """Return the name of an exception's class with its package, such as "httpx.ReadTimeout"."""
    return next(_names(error), "")


def _row_alone(error: BaseException) -> ErrorRow | None:
    """Return what the class and the facts of one exception mean, whatever caused it."""
    name = next((name for name in _names(error) if name in FOREIGN), None)
    if name == "builtins.OSError":
        return ERRNOS.get(_errno(error), FOREIGN[name])
    if name == "sqlite3.Error" and _is_busy(error):
        return _BUSY
    return None if name is None else FOREIGN[name]


def _names(error: BaseException) -> Iterator[str]:
    """Yield the names of a class and its ancestors, nearest first, each with the package it is of."""
    for each in type(error).__mro__:
        module, name = peek(each, "__module__"), peek(each, "__name__")
        if isinstance(module, str) and isinstance(name, str):
            package = module.partition(".")[0]
            yield f"{ALIASES.get(package, package)}.{name}"


def _errno(error: BaseException) -> int:
    number = peek(error, "errno")
    return number if isinstance(number, int) else 0


def _is_busy(error: BaseException) -> bool:
    """Return whether somebody else holds the database, by SQLite's name for it or else by its words."""
    name = peek(error, "sqlite_errorname")
    if isinstance(name, str):
        return name.startswith(_BUSY_NAMES)
    words = peek(error, "args")
    said = cast("tuple[object, ...]", words) if isinstance(words, tuple) else ()
    return any(isinstance(word, str) and _BUSY_WORDS.search(word) for word in said)
