"""Any exception at all comes to a fault: of ours, of the network, of a store, a group, and what nobody foresaw."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import inspect
import io
import json
import shutil
import socket
import sqlite3
import ssl
import sys
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import attrs
import h11
import httpcore
import httpx
import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from actors import errors
from actors.errors import (
    BreakerOpen,
    CallFailed,
    MailboxFull,
    NeverFits,
    NoneAdmitted,
    NoneAnswered,
    OutOfTime,
    ProviderFailed,
    QueueFull,
    Rejected,
    ReplyInvalid,
    RestartsExhausted,
    TransportFailed,
    UnderstudyError,
    WaitTooLong,
)
from actors.faults import FAULT_KINDS, FAULT_ROWS, Fault, FaultKind
from actors.wire.anthropic_errors import provider_failure
from actors.wire.cause_chain import MOST, causes, leaves, members, peek, stated_cause
from actors.wire.class_names import qualified_name
from actors.wire.faults import fault_of
from actors.wire.foreign_errors import FOREIGN, foreign_row
from actors.wire.http import HttpResponse
from actors.wire.own_errors import OWN

HIDDEN = "sk-ant-hidden"
REQUEST = httpx.Request("POST", f"http://127.0.0.1/{HIDDEN}", headers={"x-api-key": HIDDEN})


def told(error: BaseException, provider: str = "") -> tuple[FaultKind, bool, bool]:
    fault = fault_of(error, provider=provider)
    assert HIDDEN not in f"{fault!r} {fault.message} {fault.public_message}"
    assert fault == attrs.evolve(fault)  # every check of a fault holds
    return fault.kind, fault.retryable, fault.charged


def sqlite_error(name: str, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind(HIDDEN)
    error.sqlite_errorname = name
    return error


def caused(error: BaseException, *chain: BaseException) -> BaseException:
    """Return `error` with a cause, the cause of that, and so on."""
    for outer, inner in zip((error, *chain), chain, strict=False):
        outer.__cause__ = inner
    return error


def named(package: str, name: str, base: type[Exception] = Exception) -> type[Exception]:
    """Return a class as a library of that name would define it."""
    return type(name, (base,), {"__module__": f"{package}._exceptions"})


FOREIGNERS: list[tuple[FaultKind, bool, bool, BaseException]] = [
    ("network_timeout", True, False, httpx.ConnectTimeout(HIDDEN)),
    ("network_timeout", True, False, httpx.PoolTimeout(HIDDEN)),
    ("network_timeout", True, True, httpx.ReadTimeout(HIDDEN)),
    ("network_timeout", True, True, httpx.WriteTimeout(HIDDEN)),
    ("network_refused", True, False, httpx.ConnectError(HIDDEN)),
    ("network_refused", True, False, httpx.ProxyError(HIDDEN)),
    ("network_reset", True, True, httpx.ReadError(HIDDEN)),
    ("network_reset", True, True, httpx.WriteError(HIDDEN)),
    ("network_reset", True, True, httpx.CloseError(HIDDEN)),
    ("stream_interrupted", True, True, httpx.RemoteProtocolError(HIDDEN)),
    ("stream_interrupted", True, True, httpx.DecodingError(HIDDEN)),
    ("stream_interrupted", True, True, httpx.StreamClosed()),
    ("internal", False, True, httpx.StreamConsumed()),
    ("internal", False, True, httpx.ResponseNotRead()),
    ("not_found", False, True, httpx.TooManyRedirects(HIDDEN)),
    ("invalid_request", False, True, httpx.LocalProtocolError(HIDDEN)),
    ("invalid_request", False, False, httpx.UnsupportedProtocol(HIDDEN)),
    ("invalid_request", False, False, httpx.InvalidURL(HIDDEN)),
    ("network_timeout", True, False, httpcore.ConnectTimeout(HIDDEN)),
    ("network_timeout", True, True, httpcore.ReadTimeout(HIDDEN)),
    ("network_refused", True, False, httpcore.ConnectError(HIDDEN)),
    ("network_reset", True, True, httpcore.ReadError(HIDDEN)),
    ("stream_interrupted", True, True, httpcore.RemoteProtocolError(HIDDEN)),
    ("network_refused", True, False, named("httpx2", "ConnectError")(HIDDEN)),
    ("stream_interrupted", True, True, h11.RemoteProtocolError(HIDDEN)),
    ("invalid_request", False, True, h11.LocalProtocolError(HIDDEN)),
    ("network_refused", True, False, urllib.error.URLError(ConnectionRefusedError(HIDDEN))),
    ("network_timeout", True, True, trio.TooSlowError(HIDDEN)),
    ("network_reset", True, True, trio.BrokenResourceError(HIDDEN)),
    ("network_reset", True, True, trio.ClosedResourceError(HIDDEN)),
    ("network_reset", True, True, named("anyio", "BrokenResourceError")(HIDDEN)),
    ("stream_interrupted", True, True, trio.EndOfChannel(HIDDEN)),
    ("internal", False, True, trio.BusyResourceError(HIDDEN)),
    ("internal", False, True, trio.TrioInternalError(HIDDEN)),
    ("internal", False, True, trio.RunFinishedError(HIDDEN)),
    ("dns", True, False, socket.gaierror(socket.EAI_NONAME, HIDDEN)),
    ("dns", True, False, socket.herror(1, HIDDEN)),
    ("network_refused", False, False, ssl.SSLCertVerificationError(HIDDEN)),
    ("network_reset", True, True, ssl.SSLEOFError(8, HIDDEN)),
    ("network_reset", True, True, ssl.SSLError(1, HIDDEN)),
    ("network_timeout", True, True, TimeoutError(HIDDEN)),
    ("network_timeout", True, True, OSError(errno.ETIMEDOUT, HIDDEN)),
    ("network_refused", True, False, ConnectionRefusedError(errno.ECONNREFUSED, HIDDEN)),
    ("network_refused", True, False, OSError(errno.EHOSTUNREACH, HIDDEN)),
    ("network_refused", True, False, OSError(errno.ENETUNREACH, HIDDEN)),
    ("network_reset", True, True, ConnectionResetError(errno.ECONNRESET, HIDDEN)),
    ("network_reset", True, True, BrokenPipeError(errno.EPIPE, HIDDEN)),
    ("network_reset", True, True, ConnectionAbortedError(HIDDEN)),
    ("network_reset", True, True, OSError(errno.ENOTCONN, HIDDEN)),
    ("internal", False, True, OSError(errno.ENOSPC, HIDDEN)),
    ("internal", False, True, OSError(errno.EMFILE, HIDDEN)),
    ("internal", False, True, io.UnsupportedOperation(HIDDEN)),
    ("internal", False, True, shutil.SameFileError(HIDDEN)),
    ("unknown", False, True, OSError(HIDDEN)),
    ("unknown", False, True, OSError(404, HIDDEN)),
    ("unknown", False, True, named("somewhere", "CannotReach", OSError)(HIDDEN)),
    ("network_reset", True, True, OSError(errno.ESHUTDOWN, HIDDEN)),
    ("not_found", False, True, FileNotFoundError(errno.ENOENT, HIDDEN)),
    ("permission_denied", False, True, PermissionError(errno.EACCES, HIDDEN)),
    ("database", True, True, sqlite_error("SQLITE_BUSY")),
    ("database", True, True, sqlite_error("SQLITE_BUSY_SNAPSHOT")),
    ("database", True, True, sqlite_error("SQLITE_LOCKED_SHAREDCACHE")),
    ("database", True, True, sqlite3.OperationalError("database is locked")),
    ("database", True, True, sqlite3.OperationalError("database table is locked: x")),
    ("database", False, True, sqlite_error("SQLITE_FULL")),
    ("database", False, True, sqlite_error("SQLITE_IOERR_READ")),
    ("database", False, True, sqlite_error("SQLITE_READONLY")),
    ("database", False, True, sqlite_error("SQLITE_CANTOPEN")),
    ("database", False, True, sqlite_error("SQLITE_CORRUPT", sqlite3.DatabaseError)),
    ("database", False, True, sqlite_error("SQLITE_NOTADB", sqlite3.DatabaseError)),
    ("database", False, True, sqlite3.OperationalError("no such table: x")),
    ("database", False, True, sqlite3.OperationalError()),
    ("conflict", False, True, sqlite_error("SQLITE_CONSTRAINT_UNIQUE", sqlite3.IntegrityError)),
    ("internal", False, True, sqlite3.ProgrammingError(HIDDEN)),
    ("internal", False, True, sqlite3.InterfaceError(HIDDEN)),
    ("validation", False, True, sqlite3.DataError(HIDDEN)),
    ("validation", False, True, json.JSONDecodeError(HIDDEN, HIDDEN, 0)),
    ("validation", False, True, UnicodeDecodeError("utf-8", HIDDEN.encode(), 0, 1, HIDDEN)),
    ("stream_interrupted", True, True, EOFError(HIDDEN)),
    ("stream_interrupted", True, True, asyncio.IncompleteReadError(b"", 1)),
    *(
        ("internal", False, True, kind(HIDDEN))
        for kind in (
            TypeError,
            AssertionError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            ZeroDivisionError,
            RuntimeError,
            RecursionError,
            NotImplementedError,
            MemoryError,
            NameError,
            ImportError,
            SyntaxError,
            StopIteration,
            StopAsyncIteration,
            BufferError,
            SystemError,
            UserWarning,
        )
    ),
    *(
        ("unknown", False, True, kind(HIDDEN))
        for kind in (
            Exception,
            BaseException,
            KeyboardInterrupt,
            SystemExit,
            GeneratorExit,
            asyncio.CancelledError,
            concurrent.futures.CancelledError,
        )
    ),
]


class TestForeign:
    @pytest.mark.parametrize(
        ("kind", "retryable", "charged", "error"),
        FOREIGNERS,
        ids=[f"{type(row[3]).__name__} is {row[0]}" for row in FOREIGNERS],
    )
    def test_each_exception_of_others_has_its_fault(
        self, kind: FaultKind, retryable: bool, charged: bool, error: BaseException
    ) -> None:
        assert told(error) == (kind, retryable, charged)
        assert fault_of(error).raw is error

    async def test_a_cancellation_is_no_fault_anybody_knows(self) -> None:
        caught: list[Fault] = []
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                caught.append(fault_of(error))
                raise
        assert [(fault.kind, fault.retryable) for fault in caught] == [("unknown", False)]

    def test_an_heir_is_told_by_its_nearest_ancestor(self) -> None:
        class Late(httpx.ReadTimeout):
            pass

        assert told(Late(HIDDEN))[0] == "network_timeout"

    def test_a_class_of_the_same_name_elsewhere_is_another(self) -> None:
        assert told(named("somewhere", "ConnectTimeout")(HIDDEN))[0] == "unknown"

    def test_a_real_lock_of_sqlite_is_known(self, tmp_path: Path) -> None:
        path = str(tmp_path / "x.db")
        holder, other = sqlite3.connect(path), sqlite3.connect(path, timeout=0)
        holder.execute("create table t (x unique)")
        holder.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError) as busy:
            other.execute("select * from t")
        assert told(busy.value) == ("database", True, True)
        holder.execute("insert into t values (1)")
        with pytest.raises(sqlite3.IntegrityError) as twice:
            holder.execute("insert into t values (1)")
        assert told(twice.value) == ("conflict", False, True)
        holder.close()
        other.close()

    def test_every_name_in_the_table_that_can_be_looked_up_is_there(self) -> None:
        for name in FOREIGN:
            package, _, kind = name.partition(".")
            module = sys.modules.get(package)
            if (
                package in {"builtins", "trio", "socket", "ssl", "sqlite3", "json"}
                and name != "trio.EndOfStream"
            ):
                assert issubclass(getattr(module, kind), BaseException), name

    @pytest.mark.parametrize("module", [httpx, httpcore, trio, ssl, sqlite3, socket])
    def test_no_exception_of_a_library_is_left_out(self, module: Any) -> None:
        kinds = [
            kind
            for name, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, Exception) and not name.startswith("_")
        ]
        unknown = [kind.__name__ for kind in kinds if foreign_row(kind.__new__(kind)) is None]
        mute = {httpx: ["CookieConflict"], sqlite3: ["Warning"], socket: ["OSError"], ssl: ["OSError"]}
        assert unknown == mute.get(module, [])


class TestConnections:
    @pytest.mark.parametrize(
        ("kind", "retryable", "chain"),
        [
            ("dns", True, (httpcore.ConnectError(), socket.gaierror(-2, HIDDEN))),
            (
                "dns",
                True,
                (httpcore.ConnectError(), ExceptionGroup("", [OSError(), socket.gaierror(-2, "")])),
            ),
            ("network_refused", False, (httpcore.ConnectError(), ssl.SSLCertVerificationError(HIDDEN))),
            ("network_timeout", True, (httpcore.ConnectError(), OSError(errno.ETIMEDOUT, ""))),
            ("network_refused", True, (httpcore.ConnectError(), OSError(errno.EHOSTUNREACH, ""))),
            (
                "network_timeout",
                True,
                (ExceptionGroup("", [ConnectionRefusedError(), TimeoutError()]),),
            ),
            ("network_refused", True, (OSError(), KeyError(HIDDEN))),
            ("network_refused", True, ()),
        ],
    )
    def test_why_no_connection_came_up_its_causes_tell(
        self, kind: FaultKind, retryable: bool, chain: tuple[BaseException, ...]
    ) -> None:
        assert told(caused(httpx.ConnectError(HIDDEN), *chain)) == (kind, retryable, False)
        failed = TransportFailed("no connection", kind="connect", charged=False)
        assert told(caused(failed, *chain))[0] == kind

    def test_what_was_being_handled_at_the_time_is_no_cause(self) -> None:
        second = httpx.ConnectError(HIDDEN)
        second.__context__ = socket.gaierror(-2, "of the first attempt")
        assert told(second) == ("network_refused", True, False)

    def test_an_answer_that_broke_is_not_asked_for_its_causes(self) -> None:
        assert told(caused(httpx.ReadError(HIDDEN), socket.gaierror(-2, "")))[0] == "network_reset"


class TestClientLibraries:
    @pytest.mark.parametrize("package", ["anthropic", "openai", "groq"])
    def test_their_errors_are_known_by_name(self, package: str) -> None:
        timeout = named(package, "APITimeoutError")
        connection = named(package, "APIConnectionError")
        assert told(timeout(HIDDEN)) == ("network_timeout", True, True)
        assert told(connection(HIDDEN)) == ("network_reset", True, True)
        assert told(caused(connection(HIDDEN), httpx.ConnectError(""), socket.gaierror(-2, ""))) == (
            "dns",
            True,
            False,
        )
        assert told(caused(connection(HIDDEN), httpx.ConnectError(""))) == ("network_refused", True, False)
        assert told(named(package, "APIError")(HIDDEN)) == ("server_error", False, True)

    def test_an_answer_they_hold_is_read_by_the_table_of_its_provider(self) -> None:
        body = {"error": {"type": "invalid_request_error", "message": f"prompt is too long {HIDDEN}"}}
        error = named("anthropic", "BadRequestError")(HIDDEN)
        error.response = httpx.Response(400, headers={"Request-Id": "req_1"}, json=body)  # type: ignore[attr-defined]  # as the library sets it
        fault = fault_of(error, provider="openai")
        assert (fault.kind, fault.provider, fault.status) == ("context_length", "anthropic", 400)
        assert (fault.request_id, fault.raw) == ("req_1", error)
        assert HIDDEN not in repr(fault)

    def test_an_error_in_a_stream_is_read_from_the_event_they_keep(self) -> None:
        error = named("anthropic", "APIStatusError")(HIDDEN)
        stream = httpx.Response(200, stream=httpx.ByteStream(b"gone"))
        stream.close()
        error.response = stream  # type: ignore[attr-defined]  # as the library sets it
        error.body = {"type": "error", "error": {"type": "overloaded_error"}}  # type: ignore[attr-defined]  # as the library sets it
        assert told(error) == ("overloaded", True, True)
        error.body = None  # type: ignore[attr-defined]  # as the library sets it
        assert told(error) == ("unknown", False, True)

    def test_a_status_that_httpx_was_told_to_raise_is_read(self) -> None:
        for provider, charged in (("anthropic", False), ("", True)):
            response = httpx.Response(429, headers={"Retry-After": "7"}, request=REQUEST)
            with pytest.raises(httpx.HTTPStatusError) as caught:
                response.raise_for_status()
            fault = fault_of(caught.value, provider=provider)
            assert (fault.kind, fault.retry_after, fault.charged) == ("rate_limited", 7.0, charged)

    def test_headers_that_are_none_are_none(self) -> None:
        error = named("openai", "RateLimitError")(HIDDEN)
        error.response = type("Odd", (), {"status_code": 429, "headers": {1: 2, "Retry-After": "9"}})()  # type: ignore[attr-defined]  # as a fake sets it
        assert fault_of(error).retry_after == 9.0
        error.response = type("Odd", (), {"status_code": 429, "headers": "none"})()  # type: ignore[attr-defined]  # the same
        assert fault_of(error).kind == "rate_limited"


OURS: list[tuple[FaultKind, bool, bool, UnderstudyError]] = [
    ("network_refused", True, False, TransportFailed(HIDDEN, kind="connect", charged=False)),
    ("network_timeout", True, True, TransportFailed(HIDDEN, kind="timeout")),
    ("network_reset", True, True, TransportFailed(HIDDEN, kind="reset")),
    ("stream_interrupted", True, True, TransportFailed(HIDDEN, kind="protocol")),
    ("stream_interrupted", True, True, TransportFailed(HIDDEN, kind="carrier pigeon")),
    ("invalid_request", False, False, TransportFailed(HIDDEN, kind="protocol", charged=False, retryable=False)),
    ("validation", True, True, ReplyInvalid(HIDDEN)),
    ("validation", False, True, ReplyInvalid(HIDDEN, retryable=False)),
    ("unknown", True, True, CallFailed(HIDDEN, retryable=True)),
    ("unknown", False, False, CallFailed(HIDDEN, charged=False)),
    ("overloaded", True, False, ProviderFailed(HIDDEN, status=529, kind="x", retryable=True, charged=False)),
    ("overloaded", True, True, ProviderFailed(HIDDEN, status=200, kind="overloaded_error", retryable=True)),
    ("auth_error", False, True, ProviderFailed(HIDDEN, status=401, kind="x")),
    ("quota_exhausted", False, True, ProviderFailed(HIDDEN, status=429, kind="x", limit_kind="daily_quota")),
    ("spend_limited", False, True, ProviderFailed(HIDDEN, status=400, kind="x", limit_kind="spend_cap")),
    ("context_length", False, False, NeverFits(HIDDEN)),
    ("rate_limited", True, False, WaitTooLong(HIDDEN, retry_at=7.0)),
    ("rate_limited", True, False, QueueFull(HIDDEN)),
    ("server_error", False, False, BreakerOpen(HIDDEN, service="x", state="open", retry_at=7.0)),
    ("server_error", False, False, BreakerOpen(HIDDEN, service="x", state="isolated", retry_at=None)),
    ("network_timeout", False, False, OutOfTime(HIDDEN)),
    ("internal", False, False, Rejected(HIDDEN)),
    ("overloaded", True, False, MailboxFull(HIDDEN, message=HIDDEN, recipient="x")),
    ("internal", True, False, errors.ActorStopped(HIDDEN, message=HIDDEN, recipient="x")),
    ("internal", False, True, errors.Interrupted(HIDDEN, message=HIDDEN, recipient="x")),
    ("internal", False, True, errors.SettingsError((HIDDEN,))),
    ("cache_miss", False, False, errors.CacheMiss(HIDDEN)),
    ("validation", False, True, errors.InputError(HIDDEN)),
    ("internal", False, True, errors.StartFailed(HIDDEN, child="x")),
    ("internal", False, True, RestartsExhausted("x", [ReplyInvalid(HIDDEN)], child="x", restarts=3, period=5.0)),
]  # fmt: skip


class TestOwn:
    @pytest.mark.parametrize(
        ("kind", "retryable", "charged", "error"),
        OURS,
        ids=[f"{type(row[3]).__name__} is {row[0]}" for row in OURS],
    )
    def test_each_of_ours_has_its_fault_and_agrees_with_it(
        self, kind: FaultKind, retryable: bool, charged: bool, error: UnderstudyError
    ) -> None:
        assert told(error) == (kind, retryable, charged)
        assert fault_of(error).raw is error
        if isinstance(error, CallFailed):
            assert (error.retryable, error.charged) == (retryable, charged)

    def test_every_class_of_the_tree_has_a_row_of_its_own_or_an_ancestors(self) -> None:
        kinds = [
            kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)
        ]
        assert len(kinds) > 30
        bare = {kind for kind in kinds if not any(each in OWN for each in kind.__mro__)}
        assert bare == set()
        assert {kind for kind in OWN if kind.__module__ != "actors.errors"} == set()

    def test_what_an_error_carries_is_what_it_is(self) -> None:
        carried = Fault.of("dns", "no such host", provider="search")
        error = TransportFailed("x", kind="reset", fault=carried)
        assert fault_of(error) is carried
        assert fault_of(error, provider="anthropic") is carried
        nameless = TransportFailed("x", kind="reset", fault=Fault.of("dns"))
        assert fault_of(nameless, provider="anthropic") == Fault.of("dns", provider="anthropic")

    def test_a_wait_and_an_id_are_handed_on_and_nonsense_is_not(self) -> None:
        error = ProviderFailed("x", status=429, kind="rate_limit_error", request_id="req_1", retry_after=7.0)
        fault = fault_of(error, provider="anthropic")
        assert (fault.retry_after, fault.request_id, fault.status) == (7.0, "req_1", 429)
        assert fault.message == "anthropic answered 429 rate_limit_error"
        for wait in (0.0, -1.0, float("nan"), float("inf")):
            assert fault_of(CallFailed("x", retry_after=wait)).retry_after is None

    @pytest.mark.parametrize(
        "status", [200, 302, 400, 401, 402, 403, 404, 408, 409, 413, 418, 429, 500, 503, 529]
    )
    @pytest.mark.parametrize("should", ["", "true", "false"])
    def test_a_providers_error_carries_a_fault_that_agrees_with_it(self, status: int, should: str) -> None:
        headers = {"x-should-retry": should, "retry-after": "7", "request-id": "req_1"}
        error = provider_failure(HttpResponse(status, headers, b'{"error": {"type": "api_error"}}'))
        fault = fault_of(error)
        assert fault is error.fault
        assert (fault.retryable, fault.retry_after, fault.charged) == (error.retryable, 7.0, error.charged)
        assert (fault.status, fault.request_id, fault.provider) == (status, "req_1", "anthropic")


class TestGroups:
    @pytest.mark.parametrize(
        ("kind", "group"),
        [
            ("rate_limited", ExceptionGroup("", [QueueFull("x")])),
            (
                "auth_error",
                ExceptionGroup("", [httpx.ReadError(""), ProviderFailed("", status=401, kind="")]),
            ),
            (
                "network_reset",
                ExceptionGroup("", [QueueFull("x"), httpx.ReadError(""), httpx.ReadTimeout("")]),
            ),
            ("network_timeout", ExceptionGroup("", [httpx.ReadTimeout(""), httpx.ReadError("")])),
            ("validation", ExceptionGroup("", [QueueFull("x"), ReplyInvalid("x", retryable=False)])),
            ("internal", ExceptionGroup("", [ExceptionGroup("", [httpx.ReadError(""), KeyError(1)])])),
            ("unknown", BaseExceptionGroup("", [httpx.ReadError(""), KeyboardInterrupt()])),
            ("spend_limited", NoneAnswered("x", [QueueFull("x"), ProviderFailed("", status=402, kind="")])),
            ("context_length", NoneAdmitted("x", [QueueFull("x"), NeverFits("x")])),
        ],
    )
    def test_a_group_is_as_bad_as_the_most_telling_of_its_ends(
        self, kind: FaultKind, group: BaseException
    ) -> None:
        assert told(group)[0] == kind

    def test_a_group_that_is_known_by_its_class_is_not_opened(self) -> None:
        invalid = cast(
            "type[ExceptionGroup[Exception]]", named("cattrs", "BaseValidationError", ExceptionGroup)
        )
        assert told(invalid(HIDDEN, [KeyError(HIDDEN)]))[0] == "validation"

    def test_the_provider_is_handed_to_each_of_them(self) -> None:
        assert fault_of(ExceptionGroup("", [QueueFull("x")]), provider="groq").provider == "groq"

    def test_a_group_as_deep_as_anybodys_patience_is_told(self) -> None:
        group: Exception = httpx.ReadTimeout("")
        for _ in range(5_000):
            group = ExceptionGroup("", [group])
        assert told(group)[0] == "network_timeout"

    def test_a_group_of_many_is_told(self) -> None:
        group = ExceptionGroup(
            "", [*(httpx.ReadError("") for _ in range(2_000)), sqlite_error("SQLITE_FULL")]
        )
        assert told(group)[0] == "database"


class TestStrangers:
    def test_an_exception_nobody_knows_is_what_it_was_raised_from(self) -> None:
        class StoreFailed(Exception):
            pass

        assert told(caused(StoreFailed(HIDDEN), StoreFailed(), sqlite_error("SQLITE_BUSY")))[0] == "database"
        assert told(caused(StoreFailed(HIDDEN), ExceptionGroup("", [httpx.ReadTimeout("")])))[0] == (
            "network_timeout"
        )
        context = StoreFailed(HIDDEN)
        context.__context__ = httpx.ReadTimeout("")
        assert told(context)[0] == "unknown"

    def test_one_that_somebody_knows_is_not(self) -> None:
        assert told(caused(KeyError(HIDDEN), httpx.ReadTimeout("")))[0] == "internal"

    def test_causes_in_a_circle_come_to_an_end(self) -> None:
        first, second = Exception("a"), Exception("b")
        caused(first, second, first)
        assert told(first)[0] == "unknown"
        connecting = httpx.ConnectError("x")
        caused(connecting, OSError(), connecting)
        assert told(connecting)[0] == "network_refused"

    def test_groups_whose_members_come_of_the_group_come_to_an_end(self) -> None:
        parts = [Exception(number) for number in range(20)]
        group = ExceptionGroup("", parts)
        for part in parts:
            part.__cause__ = group
        assert told(group)[0] == "unknown"

    def test_a_chain_longer_than_anybody_reads_is_unknown(self) -> None:
        chain = [Exception(number) for number in range(5_000)]
        assert told(caused(chain[0], *chain[1:], httpx.ReadTimeout("")))[0] == "unknown"

    @pytest.mark.parametrize("name", ["two words", "sk-ant-hidden", "a" * 99, "", "x\n"])
    def test_a_class_whose_name_is_no_name_is_not_quoted(self, name: str) -> None:
        kind = type(name, (TypeError,), {"__module__": "builtins"})
        assert fault_of(kind()).message == "internal"
        assert fault_of(TypeError()).message == "internal: TypeError"
        assert fault_of(httpx.ReadTimeout("")).message == "network timeout: httpx.ReadTimeout"


def refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise RuntimeError(HIDDEN)


def leave(*_args: object, **_kwargs: object) -> NoReturn:
    raise SystemExit(HIDDEN)


HOSTILE = (
    "__str__",
    "__repr__",
    "__eq__",
    "__hash__",
    "__getattr__",
    "__getattribute__",
    "__bool__",
    "__len__",
    "__reduce__",
)
PROPERTIES = (
    "args",
    "__cause__",
    "__context__",
    "__suppress_context__",
    "__notes__",
    "__class__",
    "__dict__",
    "errno",
    "exceptions",
    "fault",
    "kind",
    "limit_kind",
    "response",
    "body",
    "retryable",
    "retry_after",
    "charged",
    "sqlite_errorname",
    "status",
)
ODD: tuple[Callable[[object], object], ...] = (
    refuse,
    leave,
    lambda _: None,
    lambda _: "\ud83d",
    lambda _: float("nan"),
    lambda _: 10**400,
    lambda _: (1, 2),
    lambda self: self,
    lambda self: (self, self),
    lambda _: Exception(HIDDEN),
    lambda _: type("Any", (), {"__getattr__": refuse, "status_code": 429})(),
)
BASES: tuple[type[BaseException], ...] = (
    Exception,
    BaseException,
    OSError,
    CallFailed,
    TransportFailed,
    ProviderFailed,
    Rejected,
    NoneAnswered,
    BreakerOpen,
    ExceptionGroup,
    BaseExceptionGroup,
    httpx.ConnectError,
    httpx.HTTPStatusError,
    sqlite3.OperationalError,
    socket.gaierror,
    UnicodeDecodeError,
)


@st.composite
def strangers(draw: st.DrawFn) -> BaseException:
    """An exception of a class that does as it likes."""
    base = draw(st.sampled_from(BASES))
    members: dict[str, object] = {
        name: property(draw(st.sampled_from(ODD)))
        for name in draw(st.sets(st.sampled_from(PROPERTIES), max_size=6))
    }
    way_out = draw(st.sampled_from([refuse, leave]))
    members |= dict.fromkeys(draw(st.sets(st.sampled_from(HOSTILE), max_size=4)), way_out)
    members["__module__"] = draw(st.sampled_from(["builtins", "httpx", "sqlite3", "anthropic", "", 7, "x.y"]))
    kind: Any = type(
        draw(st.sampled_from(["Odd", "APIStatusError", "ConnectError", "naïve", ""])), (base,), members
    )
    args = ("x", [ValueError()]) if issubclass(base, BaseExceptionGroup) else ()
    with suppress(Exception, SystemExit):  # some of them do not even let themselves be made
        return cast("BaseException", kind(*args))
    maker = BaseExceptionGroup if args else BaseException
    return cast("BaseException", maker.__new__(kind, *args))


def chained(inner: st.SearchStrategy[BaseException]) -> st.SearchStrategy[BaseException]:
    def grouped(parts: list[BaseException]) -> BaseException:
        with suppress(Exception, SystemExit):  # some of them do not let themselves be put into a group
            return BaseExceptionGroup("x", parts)
        return parts[0]

    def raised_from(pair: tuple[BaseException, BaseException]) -> BaseException:
        outer, cause = pair
        with suppress(Exception, SystemExit):  # some of them do not let themselves be given a cause
            outer.__cause__ = cause
        return outer

    return st.lists(inner, min_size=1, max_size=4).map(grouped) | st.tuples(strangers(), inner).map(
        raised_from
    )


KNOWN = st.sampled_from([row[3] for row in FOREIGNERS] + [row[3] for row in OURS])


@given(error=st.recursive(strangers() | KNOWN, chained, max_leaves=6), provider=st.text(max_size=8))
@example(error=caused(ExceptionGroup("", [Exception()]), Exception()), provider="")
def test_any_exception_at_all_is_a_fault(error: BaseException, provider: str) -> None:
    fault = fault_of(error, provider=provider)
    assert fault.kind in FAULT_KINDS
    assert fault == attrs.evolve(fault)
    assert HIDDEN not in f"{fault.message} {fault.public_message}"
    assert fault.public_message == FAULT_ROWS[fault.kind].public_message


class TestWalks:
    def test_a_peek_finds_what_is_there_and_nothing_else(self) -> None:
        odd = type("Odd", (Exception,), {"x": property(refuse)})()
        assert (peek(odd, "x"), peek(odd, "y"), peek(OSError(5, ""), "errno")) == (None, None, 5)

    def test_leaves_come_in_their_order_and_each_once(self) -> None:
        a, b, c = (Exception(name) for name in "abc")
        group = ExceptionGroup("", [a, ExceptionGroup("", [b, a]), c])
        assert list(leaves(group, lambda _: False)) == [a, b, c]
        assert list(leaves(a, lambda _: False)) == [a]

    def test_a_whole_group_is_a_leaf(self) -> None:
        inner = ExceptionGroup("", [Exception()])
        assert list(leaves(ExceptionGroup("", [inner]), lambda error: error is inner)) == [inner]

    def test_a_group_that_makes_its_members_up_is_what_it_really_holds(self) -> None:
        class Endless(ExceptionGroup[Exception]):
            @property
            def exceptions(self) -> tuple[Exception, ...]:
                return (Endless("", [Exception()]),)

        held = httpx.ReadTimeout("")
        assert list(leaves(Endless("", [held]), lambda _: False)) == [held]
        assert fault_of(Endless("", [held])).kind == "network_timeout"

    def test_a_group_of_more_than_anybody_reads_is_left_after_a_while(self) -> None:
        group = ExceptionGroup("", [Exception() for _ in range(MOST + 5)])
        assert len(list(leaves(group, lambda _: False))) == MOST - 1

    def test_causes_come_nearest_first_with_the_members_of_groups(self) -> None:
        root, a, b = Exception("root"), Exception("a"), OSError("b")
        group = ExceptionGroup("", [a, b])
        top = caused(Exception("top"), group, root)
        assert list(causes(top)) == [group, a, b, root]
        assert list(causes(root)) == []

    def test_what_an_error_was_made_of_is_a_cause_and_what_was_handled_is_not(self) -> None:
        inner, handled = OSError("x"), KeyError("x")
        wrapping = httpcore.ConnectError(inner)
        wrapping.__context__ = handled
        assert list(causes(wrapping)) == [inner]

    def test_what_is_no_exception_is_no_cause_and_no_member(self) -> None:
        odd = type("Odd", (ExceptionGroup,), {"__cause__": "x", "exceptions": ("x", 1)})("", [Exception()])
        assert (stated_cause(odd), len(members(odd))) == (None, 1)
        assert list(causes(type("Odd", (Exception,), {"reason": "x"})("x", 1))) == []
        assert members(Exception()) == ()

    def test_a_name_is_the_package_and_the_class(self) -> None:
        assert qualified_name(trio.TooSlowError()) == "trio.TooSlowError"
        assert qualified_name(json.JSONDecodeError("", "", 0)) == "json.JSONDecodeError"
        assert qualified_name(named("httpcore2", "ReadError")()) == "httpcore.ReadError"
