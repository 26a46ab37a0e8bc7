"""What any exception comes to: of the network, the system, a store, Python, a client library, ours, or a group.

    given    error: its class; made by name where its library is not installed, as that would define it
             errno, sqlite (SQLite's own name), text, kind (of a failed transport): what such an exception carries
             status, headers, body: the response that a client library's error holds
             causes: the classes of what it came of, nearest first
             members: the classes of what a group holds
             provider
    when     "raised"
    then     as for responses

An exception is made, not raised: nothing is opened, sent or connected.
"""

from __future__ import annotations

import errno
import importlib
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import httpx

from actors import errors
from actors.wire.faults import fault_of
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given
from conformance.topics.responses import content, told

GIVEN: Final = frozenset(
    {"error", "errno", "sqlite", "text", "kind", "status", "headers", "body", "causes", "members", "provider"}
)
ABSENT: Final = frozenset({"anthropic", "anyio", "groq", "openai", "pydantic_core"})
"""Libraries that the project does not need: their classes are told by name alone."""


def check(row: Row) -> list[str]:
    """Hold the classification of exceptions against a row."""
    if row.verb != "raised":
        raise TableError(f"when must be raised, got {row.verb!r}")
    check_given(row.given, GIVEN)
    error = exception(row.given)
    for outer, inner in zip(
        (error, *(causes := [exception({"error": name}) for name in row.given.get("causes", [])])),
        causes,
        strict=False,
    ):
        outer.__cause__ = inner
    return differences(row.then, told(fault_of(error, provider=row.given.get("provider", ""))))


def exception(given: Mapping[str, Any]) -> BaseException:
    """Return the exception that a row speaks of.

    Raises:
        TableError: there is no such class.
    """
    kind = _class(given["error"])
    if "members" in given:
        return kind("several", [exception({"error": name}) for name in given["members"]])
    error = _made(kind, given)
    if "sqlite" in given and isinstance(error, sqlite3.Error):
        error.sqlite_errorname = given["sqlite"]
    if "status" in given:
        headers, body = given.get("headers", {}), content(given)
        error.response = httpx.Response(given["status"], headers=headers, content=body)  # type: ignore[attr-defined]  # as the library sets it
    return error


def _made(kind: type[BaseException], given: Mapping[str, Any]) -> BaseException:
    text = given.get("text", "a text that says nothing")
    if "errno" in given:
        return kind(getattr(errno, given["errno"]), text)
    if issubclass(kind, errors.TransportFailed):
        return kind(text, kind=given["kind"], retryable=True)
    if issubclass(kind, errors.ProviderFailed):
        return kind(text, status=given["status"], kind=given["kind"])
    if issubclass(kind, errors.BreakerOpen):
        return kind(text, service="search", state="open", retry_at=60.0)
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("POST", "http://127.0.0.1/")
        return kind(text, request=request, response=httpx.Response(given["status"], request=request))
    if issubclass(kind, UnicodeDecodeError):
        return kind("utf-8", b"\xff", 0, 1, text)
    error = kind.__new__(kind, text)  # a constructor of a library's may want more than there is to say
    error.args = (text,)
    return error


def _class(name: str) -> type[BaseException]:
    package, _, kind = name.rpartition(".")
    if package in ABSENT:
        return type(kind, (Exception,), {"__module__": f"{package}._exceptions"})
    try:
        found = getattr(importlib.import_module(package or "builtins"), kind)
    except (ImportError, AttributeError) as error:
        raise TableError(f"there is no exception {name!r}") from error
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise TableError(f"{name!r} is no exception")
    return found
