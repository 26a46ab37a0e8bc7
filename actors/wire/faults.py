"""From anything that went wrong to a fault: any exception, any response, any event in a stream.

    fault_of              an exception: of ours, of the network, of the system, of a store, or a group of them
    fault_of_response     a response that is an error
    fault_of_event        an error event inside a response that had begun well

It always comes to a fault and never to an exception: what cannot be read is "unknown". No fault says what an
exception said: its message names the class, for the text may hold anything.

A group is as bad as the most telling of its ends: the one of the highest priority; among equals one that cannot
succeed later; among those the first. An exception that nobody knows is what it was raised from, if that is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

import attrs

from actors.errors import CallFailed, ProviderFailed, TransportFailed
from actors.faults import Fault, Priority
from actors.wire.answer_fault import (
    LIMIT_FAULTS,
    Answer,
    fault_of_answer,
    fault_of_event,
    fault_of_response,
    sensible_wait,
)
from actors.wire.cause_chain import leaves, peek, stated_cause
from actors.wire.fault_rules import table_of
from actors.wire.foreign_errors import ErrorRow, connection_row, foreign_row, qualified_name
from actors.wire.json_object import object_in
from actors.wire.own_errors import TRANSPORT_KINDS, own_row

__all__ = ["fault_of", "fault_of_event", "fault_of_response"]

_RANK: Final[Mapping[Priority, int]] = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_MOST_CAUSES = 64
_CLIENTS: Final[Mapping[str, str]] = {
    "httpx": "",
    "anthropic": "anthropic",
    "openai": "openai",
    "groq": "groq",
}
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}")


def fault_of(error: BaseException, *, provider: str = "") -> Fault:
    """Classify any exception at all; whatever it is and whatever it does when it is looked at, this returns.

    Args:
        error: the exception; a group is as bad as the most telling of its ends.
        provider: who was called, such as "anthropic", where the exception does not say.

    Returns:
        The fault: the one the exception carries where it carries one, and else one whose `raw` is the exception.
    """
    try:
        return _most_telling(error, provider, set())
    except Exception:  # noqa: BLE001  # a stranger's exception may raise anything when it is looked at
        return Fault.of("unknown", "an error that cannot be read", provider=provider, raw=error)


def _most_telling(error: BaseException, provider: str, seen: set[int]) -> Fault:
    faults = (_fault_of_one(leaf, provider, seen) for leaf in leaves(error, _is_whole))
    return min(faults, key=lambda fault: (_RANK[fault.priority], fault.retryable))


def _is_whole(error: BaseException) -> bool:
    """Whether a group is known by its class, whatever it holds."""
    return own_row(error) is not None or foreign_row(error) is not None


def _fault_of_one(error: BaseException, provider: str, seen: set[int]) -> Fault:
    seen.add(id(error))
    if issubclass(type(error), CallFailed):
        return _of_call(cast("CallFailed", error), provider)
    answered = _answered(error, provider)
    if answered is not None:
        return answered
    row = own_row(error) or foreign_row(error)
    cause = stated_cause(error)
    if row is None and cause is not None and id(cause) not in seen and len(seen) < _MOST_CAUSES:
        return _most_telling(cause, provider, seen)
    return _fault(error, row or ErrorRow("unknown"), provider)


def _of_call(error: CallFailed, provider: str) -> Fault:
    """Return the fault a failed call carries; where it carries none, one that agrees with what it says."""
    carried = peek(error, "fault")
    if isinstance(carried, Fault):
        return carried if carried.provider or not provider else attrs.evolve(carried, provider=provider)
    if issubclass(type(error), ProviderFailed):
        fault = _of_answer(cast("ProviderFailed", error), provider)
    else:
        row = own_row(error) or ErrorRow("unknown")
        fault = _fault(error, _transport_row(error, row), provider)
    return attrs.evolve(
        fault,
        retryable=bool(peek(error, "retryable")),
        retry_after=sensible_wait(peek(error, "retry_after")),
        charged=peek(error, "charged") is not False,
    )


def _transport_row(error: BaseException, row: ErrorRow) -> ErrorRow:
    """Return what a failed transport means: by its kind, and by its causes where no connection came up."""
    if not issubclass(type(error), TransportFailed):
        return row
    if not peek(error, "retryable"):
        return ErrorRow("invalid_request")
    kind = peek(error, "kind")
    row = ErrorRow(TRANSPORT_KINDS.get(kind, row.kind) if isinstance(kind, str) else row.kind)
    return connection_row(error, row) if row.kind == "network_refused" else row


def _of_answer(error: ProviderFailed, provider: str) -> Fault:
    """Return the fault that a provider's error is by its status, its type and the limit that refused it."""
    answer = Answer.read(provider, error.status, {}, {"error": {"type": error.kind}})
    kind, _ = answer.kind(table_of(provider))
    if error.limit_kind is not None:
        kind = LIMIT_FAULTS[error.limit_kind]
    return Fault.of(
        kind,
        f"{provider or 'the service'} answered {error.status} {answer.name or kind}",
        provider=provider,
        status=error.status,
        request_id=error.request_id,
        raw=error,
    )


def _answered(error: BaseException, provider: str) -> Fault | None:
    """Return the fault of the response that a client library's error holds, or None where it holds none."""
    package = qualified_name(error).partition(".")[0]
    response = peek(error, "response")
    status = peek(response, "status_code")
    if package not in _CLIENTS or not isinstance(status, int):
        return None
    who, headers, content = _CLIENTS[package] or provider, _texts(response), peek(response, "content")
    if isinstance(content, bytes):
        told = fault_of_response(status, headers, content, provider=who)
    else:  # of a stream: the library has read the event, and the rest of it is gone
        body = peek(error, "body")
        told = fault_of_answer(Answer.read(who, status, headers, object_in(body)), now_wall=None, raw=None)
    return attrs.evolve(told, raw=error)


def _texts(response: object) -> dict[str, str]:
    """Return the headers of a response under lower-case names, those that are texts."""
    items = peek(peek(response, "headers"), "items")
    pairs = cast("Iterable[tuple[object, object]]", items()) if callable(items) else ()
    return {name.lower(): text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}


def _fault(error: BaseException, row: ErrorRow, provider: str) -> Fault:
    name = qualified_name(error)
    words = row.kind.replace("_", " ")
    return Fault.of(
        row.kind,
        f"{words}: {name.removeprefix('builtins.')}" if _CLASS.fullmatch(name) else words,
        retryable=row.retryable,
        provider=provider,
        charged=row.charged,
        raw=error,
    )
