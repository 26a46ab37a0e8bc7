"""What the exceptions of others mean: of clients, of Trio, of the system, of SQLite, of Python.

They are known by the names of their classes, nearest ancestor first, so nothing has to be installed or imported for
it: "httpx.ConnectError" is `ConnectError` of anything inside the package httpx. Some know more than their class does:
an OSError by its errno, an error of SQLite by SQLite's own name for it. An OSError without an errno, and an heir of it
that nobody knows, says nothing: it is what it was raised from.

"No connection" is what all the ways to fail to connect have in common. Which of them it was, its causes tell: a name
that nobody knows, a certificate that does not hold, a silence, or in truth a refusal.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

import attrs

from actors.wire.cause_chain import causes, peek
from actors.wire.class_names import qualified_names
from actors.wire.client_errors import CLIENT_ERRORS
from actors.wire.error_row import (
    BUG,
    CUT,
    GARBLED,
    INPUT,
    NO_ADDRESS,
    NO_NAME,
    NO_TRUST,
    SILENT,
    STOPPED,
    ErrorRow,
)
from actors.wire.fault_rules import kind_of_status

FOREIGN: Mapping[str, ErrorRow] = MappingProxyType(
    {
        **CLIENT_ERRORS,
        "trio.TooSlowError": SILENT,
        "trio.BrokenResourceError": CUT,
        "trio.ClosedResourceError": CUT,
        "trio.EndOfChannel": GARBLED,
        "trio.EndOfStream": GARBLED,
        "trio.BusyResourceError": BUG,
        "trio.NeedHandshakeError": BUG,
        "trio.TrioInternalError": BUG,
        "trio.WouldBlock": BUG,
        "trio.Cancelled": STOPPED,
        "asyncio.CancelledError": STOPPED,
        "concurrent.CancelledError": STOPPED,
        "socket.gaierror": NO_NAME,
        "socket.herror": NO_NAME,
        "ssl.SSLCertVerificationError": NO_TRUST,
        "ssl.SSLEOFError": CUT,
        "ssl.SSLZeroReturnError": CUT,
        "ssl.SSLError": CUT,
        "sqlite3.IntegrityError": ErrorRow("conflict", retryable=False),
        "sqlite3.ProgrammingError": BUG,
        "sqlite3.InterfaceError": BUG,
        "sqlite3.NotSupportedError": BUG,
        "sqlite3.DataError": INPUT,
        "sqlite3.Error": ErrorRow("database", retryable=False),
        "json.JSONDecodeError": INPUT,
        "builtins.UnicodeError": INPUT,
        "cattrs.BaseValidationError": INPUT,
        "pydantic_core.ValidationError": INPUT,
        "builtins.TimeoutError": SILENT,
        "builtins.ConnectionRefusedError": ErrorRow("network_refused", charged=False),
        "builtins.ConnectionError": CUT,
        "builtins.FileNotFoundError": ErrorRow("not_found"),
        "builtins.PermissionError": ErrorRow("permission_denied"),
        "builtins.BlockingIOError": BUG,
        "builtins.ChildProcessError": BUG,
        "builtins.FileExistsError": BUG,
        "builtins.InterruptedError": BUG,
        "builtins.IsADirectoryError": BUG,
        "builtins.NotADirectoryError": BUG,
        "builtins.ProcessLookupError": BUG,
        "io.UnsupportedOperation": BUG,
        "shutil.Error": BUG,
        "shutil.SpecialFileError": BUG,
        "gzip.BadGzipFile": GARBLED,
        "zlib.error": GARBLED,
        "builtins.EOFError": GARBLED,
        "builtins.KeyboardInterrupt": STOPPED,
        "builtins.SystemExit": STOPPED,
        "builtins.GeneratorExit": STOPPED,
        **{
            f"builtins.{name}": BUG
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
        errno.ETIMEDOUT: SILENT,
        errno.ECONNABORTED: CUT,
        errno.ECONNRESET: CUT,
        errno.ENETRESET: CUT,
        errno.ENOTCONN: CUT,
        errno.EPIPE: CUT,
        errno.ESHUTDOWN: CUT,
    }
)
"""What an OSError means that its class alone does not tell; any other errno is a mistake here, such as a full disk."""

_BUSY_NAMES = ("SQLITE_BUSY", "SQLITE_LOCKED")
_BUSY_WORDS = re.compile(r"\bis locked\b")
_BUSY = ErrorRow("database", retryable=True)
_NO_URL = re.compile(r"no host given|unknown url type|file not on local host")
_TOO_MANY = re.compile(r"too many ([1-5][0-9]{2}) error responses")


def foreign_row(error: BaseException) -> ErrorRow | None:
    """Return what an exception of others means, or None where no ancestor of its class is known by name."""
    row = _row_alone(error)
    if row is not None and row.is_wrapping:
        return _wrapped_row(error) or row
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


def _wrapped_row(error: BaseException) -> ErrorRow | None:
    """Return what the nearest cause means that is known, but for a bug; None where there is none."""
    for cause in causes(error):
        row = _row_alone(cause)
        if row is not None and not row.is_wrapping and row.kind != "internal":
            return connection_row(cause, row) if row.is_connecting else row
    return None


def _row_alone(error: BaseException) -> ErrorRow | None:
    """Return what the class and the facts of one exception mean, whatever caused it."""
    for name in qualified_names(error):
        if name in _TELLING:
            return _TELLING[name](error) or FOREIGN.get(name)
        if name in FOREIGN:
            return FOREIGN[name]
    return None


def _os_row(error: BaseException) -> ErrorRow | None:
    """Return what an error of the system means by its errno; None where it has none, for then it says nothing.

    A library that makes its errors heirs of OSError speaks of the network, as Trio does with a plain one: that is not
    to be taken for a mistake of ours, which says nothing of the service.
    """
    number = peek(error, "errno")
    known = type(number) is int and number in errno.errorcode
    return ERRNOS.get(cast("int", number), BUG) if known else None


def _address_row(error: BaseException) -> ErrorRow | None:
    """Return that there was nothing to call, where urllib says so."""
    return NO_ADDRESS if any(_NO_URL.match(word) for word in _words(error)) else None


def _counted_row(error: BaseException) -> ErrorRow | None:
    """Return what the status means that urllib3 was told to try again, and met too often."""
    for word in _words(error):
        if word == "too many redirects":
            return ErrorRow("not_found")
        if found := _TOO_MANY.fullmatch(word):
            return ErrorRow(kind_of_status(int(found[1])))
    return None


def _sqlite_row(error: BaseException) -> ErrorRow | None:
    """Return that somebody else holds the database, or None."""
    return _BUSY if _is_busy(error) else None


def _is_busy(error: BaseException) -> bool:
    """Return whether somebody else holds the database, by SQLite's name for it or else by its words."""
    name = peek(error, "sqlite_errorname")
    if type(name) is str:
        return name.startswith(_BUSY_NAMES)
    return any(_BUSY_WORDS.search(word) for word in _words(error))


def _words(error: BaseException) -> Iterator[str]:
    """Yield the texts that an exception was made of."""
    made_of = peek(error, "args")
    for word in cast("tuple[object, ...]", made_of) if type(made_of) is tuple else ():
        if type(word) is str:
            yield word


_TELLING: Mapping[str, Callable[[BaseException], ErrorRow | None]] = MappingProxyType(
    {
        "builtins.OSError": _os_row,
        "sqlite3.Error": _sqlite_row,
        "urllib.URLError": _address_row,
        "urllib3.ResponseError": _counted_row,
    }
)
"""Classes whose exceptions may know more than their row says."""
