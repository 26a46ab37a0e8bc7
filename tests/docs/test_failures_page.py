"""The page on failures shows the table of kinds that the code has, and faults that the code finds."""

from __future__ import annotations

import errno
import json
import re
import socket
import sqlite3
import ssl
import urllib.error
from collections.abc import Callable, Mapping
from email.message import Message

import httpx
import pytest
from hooks_loading import ROOT

from actors.faults import FAULT_ROWS, Fault
from actors.policies.breaker.outcomes import OUTCOME_ROWS
from actors.wire.client_errors import CLIENT_ERRORS
from actors.wire.faults import fault_of, fault_of_event, fault_of_response
from actors.wire.foreign_errors import FOREIGN

PAGE = (ROOT / "docs" / "explanation" / "failures.md").read_text("utf-8")


def table(head: str) -> list[list[str]]:
    """Return the rows of the table whose head begins so."""
    lines = PAGE.split(f"\n| {head} |")[1].splitlines()[2:]
    rows = lines[: lines.index("")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    assert table("kind | may pass") == [
        [
            f"`{kind}`",
            "yes" if row.retryable else "no",
            f"\N{MULTIPLICATION SIGN} {row.backoff:g}",
            row.priority + (", alert" if row.alert else ""),
            row.fallback.replace("_", " "),
            OUTCOME_ROWS[kind].outcome + ("; until then" if OUTCOME_ROWS[kind].names_instant else ""),
        ]
        for kind, row in FAULT_ROWS.items()
    ]


def test_the_readme_and_the_changelog_count_the_kinds() -> None:
    assert f"one of {len(FAULT_ROWS)} kinds" in (ROOT / "README.md").read_text("utf-8")
    assert f"One taxonomy of {len(FAULT_ROWS)} kinds" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_sentences_are_those_of_the_code() -> None:
    kinds: dict[str, list[str]] = {}
    for kind, row in FAULT_ROWS.items():
        kinds.setdefault(row.public_message, []).append(f"`{kind}`")
    assert table("sentence | of") == [[sentence, ", ".join(each)] for sentence, each in kinds.items()]


def answered(status: int, kind: str, message: str = "", *, provider: str = "anthropic") -> Fault:
    error = {"code" if provider == "openai" else "type": kind, "message": message}
    headers = {"retry-after": "7"} if kind == "rate_limit_error" else {}
    return fault_of_response(status, headers, json.dumps({"error": error}).encode(), provider=provider)


def caused(error: Exception, cause: Exception) -> Fault:
    error.__cause__ = cause
    return fault_of(error)


def sqlite_error(name: str) -> Fault:
    error = sqlite3.OperationalError("an error of SQLite")
    error.sqlite_errorname = name
    return fault_of(error)


class Yours(Exception):
    """An exception that nobody knows."""


def held(response: httpx.Response) -> Fault:
    error = Yours()
    error.response = response  # type: ignore[attr-defined]  # as anybody may set it
    return fault_of(error)


def headers_of(texts: Mapping[str, str]) -> Message:
    message = Message()
    for name, text in texts.items():
        message[name] = text
    return message


def test_the_clients_that_are_known_are_named() -> None:
    section = PAGE.split("### The clients that are known")[1].split("\n### ")[0]
    named = {name.partition(".")[0] for name in re.findall(r"`([a-z0-9_.]+)`", section)}
    assert {name.partition(".")[0] for name in CLIENT_ERRORS} <= named
    foreign = {name.partition(".")[0] for name in FOREIGN} - {
        "builtins",
        "io",
        "shutil",
        "gzip",
        "zlib",
        "concurrent",
    }
    assert {name.removesuffix("_core") for name in foreign} <= named


connect_timeout = type("ConnectTimeout", (OSError,), {"__module__": "requests.exceptions"})
BAD = "invalid_request_error"
WHAT_CAME: Mapping[str, Callable[[], Fault]] = {
    "529, or 503 with a page of HTML": lambda: answered(529, "overloaded_error"),
    "429 with `retry-after: 7`": lambda: answered(429, "rate_limit_error"),
    "429, `insufficient_quota`, of OpenAI": lambda: answered(429, "insufficient_quota", provider="openai"),
    '400, "prompt is too long"': lambda: answered(400, BAD, "prompt is too long: 9 tokens > 8 maximum"),
    '400, "credit balance is too low"': lambda: answered(400, BAD, "Your credit balance is too low to go on"),
    "200, then an event `overloaded_error`": lambda: fault_of_event(
        {"type": "error", "error": {"type": "overloaded_error"}}, provider="anthropic"
    ),
    "`httpx.ConnectTimeout`": lambda: fault_of(httpx.ConnectTimeout("x")),
    "`httpx.ConnectError` from a `gaierror`": lambda: caused(
        httpx.ConnectError("x"), socket.gaierror(-2, "x")
    ),
    "`httpx.ConnectError` from a certificate that does not hold": lambda: caused(
        httpx.ConnectError("x"), ssl.SSLCertVerificationError("x")
    ),
    "`sqlite3.OperationalError`, `SQLITE_BUSY`": lambda: sqlite_error("SQLITE_BUSY"),
    "the same, `SQLITE_FULL`": lambda: sqlite_error("SQLITE_FULL"),
    "`URLError` of a refused connection": lambda: fault_of(urllib.error.URLError(ConnectionRefusedError())),
    "`HTTPError` of `urllib`: 503 with `Retry-After: 7`": lambda: fault_of(
        urllib.error.HTTPError("http://127.0.0.1/", 503, "x", headers_of({"Retry-After": "7"}), None)
    ),
    "`requests.ConnectTimeout`": lambda: fault_of(connect_timeout("x")),
    "an `OSError` with `ENOSPC`": lambda: fault_of(OSError(errno.ENOSPC, "x")),
    "an `OSError` without an errno, or an heir of it that nobody knows": lambda: fault_of(OSError("x")),
    "425": lambda: fault_of_response(425, {}, b"", provider=""),
    "501 or 505": lambda: fault_of_response(501, {}, b"", provider=""),
    "`KeyError`": lambda: fault_of(KeyError("x")),
    "a group of a reset connection and a `KeyError`": lambda: fault_of(
        ExceptionGroup("two", [ConnectionResetError(), KeyError("x")])
    ),
    "an exception of yours, raised from a `ConnectionResetError`": lambda: caused(
        Yours(), ConnectionResetError()
    ),
    "an exception of yours that holds a response with 429": lambda: held(httpx.Response(429)),
    "an exception of yours": lambda: fault_of(Yours()),
}
SHOWN = {came: (fault, passes) for came, fault, passes in table("what came | fault")}


def test_what_came_is_all_tried() -> None:
    assert list(SHOWN) == list(WHAT_CAME)


@pytest.mark.parametrize("came", SHOWN)
def test_what_came_is_the_fault_that_is_shown(came: str) -> None:
    fault = WHAT_CAME[came]()
    is_counted = "" if fault.charged or fault.status is not None else ", not counted"
    assert (f"`{fault.kind}`{is_counted}", "yes" if fault.retryable else "no") == SHOWN[came]


def test_a_page_of_html_with_503_is_an_overload() -> None:
    assert fault_of_response(503, {}, b"<html></html>", provider="anthropic").kind == "overloaded"
