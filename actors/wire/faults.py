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
from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

import attrs

from actors.errors import CallFailed, ProviderFailed, TransportFailed
from actors.faults import Fault, FaultKind, Priority
from actors.wire.answer_fault import (
    LIMIT_FAULTS,
    Answer,
    fault_of_answer,
    fault_of_event,
    fault_of_response,
    fit_provider,
    sensible_wait,
)
from actors.wire.cause_chain import leaves, peek, stated_cause
from actors.wire.class_names import qualified_name, qualified_names
from actors.wire.error_row import ErrorRow
from actors.wire.fault_rules import table_of
from actors.wire.foreign_errors import connection_row, foreign_row
from actors.wire.held_response import held_response
from actors.wire.own_errors import TRANSPORT_KINDS, own_row
from actors.wire.retry_after import check_wall

__all__ = ["fault_of", "fault_of_event", "fault_of_response"]

_RANK: Final[Mapping[Priority, int]] = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_MOST_CAUSES = 64
_FIRST_ERROR = 300
_LIMITS: Final[Mapping[str, FaultKind]] = {str(limit): kind for limit, kind in LIMIT_FAULTS.items()}
_PROVIDERS: Final = frozenset({"anthropic", "groq", "openai"})
"""Providers whose own library names them."""

_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}")


def fault_of(error: BaseException, *, provider: str = "", now_wall: datetime | None = None) -> Fault:
    """Classify any exception at all; whatever it is and whatever it does when it is looked at, this returns.

    What lies in the exception is looked at, and nothing of it is run: no property, no `__str__`. So an interrupt or an
    exit that comes meanwhile is nobody's but the process's, and goes its way.

    Args:
        error: the exception; a group is as bad as the most telling of its ends.
        provider: who was called, such as "anthropic", where the exception does not say; left out where it is no
            line of at most 128 printable characters.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date in a response without a Date header.
            Without it such a wait is not known.

    Returns:
        The fault: the one the exception carries where it carries one, and else one whose `raw` is the exception.

    Raises:
        ValueError: `now_wall` has no time zone.
    """
    check_wall(now_wall)
    asked = _Asked(fit_provider(provider), now_wall)
    try:
        return _most_telling(error, asked, set())
    except Exception:  # noqa: BLE001  # headers of a client that is known may still raise when they are read
        return Fault.of("unknown", "an error that cannot be read", provider=asked.provider, raw=error)


@attrs.frozen
class _Asked:
    """What whoever asks knows better than the exception."""

    provider: str
    now_wall: datetime | None


def _most_telling(error: BaseException, asked: _Asked, seen: set[int]) -> Fault:
    faults = [_fault_of_one(leaf, asked, seen) for leaf in leaves(error, _is_whole)]
    worst = min(faults, key=lambda fault: (_RANK[fault.priority], fault.retryable))
    # Whoever tries all of it again comes back to each of them, and to none sooner than it asked.
    longest = max((fault.retry_after for fault in faults if fault.retry_after is not None), default=None)
    if not worst.retryable or longest == worst.retry_after:
        return worst
    return attrs.evolve(worst, retry_after=longest)


def _is_whole(error: BaseException) -> bool:
    """Whether a group is known by its class, whatever it holds."""
    return own_row(error) is not None or foreign_row(error) is not None


def _fault_of_one(error: BaseException, asked: _Asked, seen: set[int]) -> Fault:
    seen.add(id(error))
    if issubclass(type(error), CallFailed):
        return _of_call(cast("CallFailed", error), asked.provider)
    answered = _answered(error, asked)
    if answered is not None:
        return answered
    row = own_row(error) or foreign_row(error)
    cause = stated_cause(error)
    if row is None and cause is not None and id(cause) not in seen and len(seen) < _MOST_CAUSES:
        return _most_telling(cause, asked, seen)
    return _fault(error, row or ErrorRow("unknown"), asked.provider)


def _of_call(error: CallFailed, provider: str) -> Fault:
    """Return the fault a failed call carries; where it carries none, one that agrees with what it says."""
    carried = peek(error, "fault")
    if type(carried) is Fault:
        return carried if carried.provider or not provider else attrs.evolve(carried, provider=provider)
    if issubclass(type(error), ProviderFailed):
        fault = _of_answer(cast("ProviderFailed", error), provider)
    else:
        row = own_row(error) or ErrorRow("unknown")
        fault = _fault(error, _transport_row(error, row), provider)
    return attrs.evolve(
        fault,
        retryable=peek(error, "retryable") is True,
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
    row = ErrorRow(TRANSPORT_KINDS.get(kind, row.kind) if type(kind) is str else row.kind)
    return connection_row(error, row) if row.kind == "network_refused" else row


def _of_answer(error: ProviderFailed, provider: str) -> Fault:
    """Return the fault that a provider's error is by its status, its type and the limit that refused it."""
    told = peek(error, "status")
    status = told if type(told) is int else 0
    said, limit, request_id = (_text(peek(error, name)) for name in ("kind", "limit_kind", "request_id"))
    answer = Answer.read(provider, status, {}, {"error": {"type": said}, "request_id": request_id})
    table = table_of(provider)
    kind, _ = answer.kind(table)
    kind = _LIMITS.get(limit, kind)
    return Fault.of(
        kind,
        f"{provider or 'the service'} answered {status} {answer.name or kind}",
        provider=provider,
        status=status,
        request_id=answer.request_id(table),
        raw=error,
    )


def _answered(error: BaseException, asked: _Asked) -> Fault | None:
    """Return the fault of the response that an exception holds, or None where it holds none that is an error."""
    names = frozenset(qualified_names(error))
    held = held_response(error, names)
    if held is None:
        return None
    package = qualified_name(error).partition(".")[0]
    who = package if package in _PROVIDERS else asked.provider
    if held.content is not None:
        told = fault_of_response(
            held.status, held.headers, held.content, provider=who, now_wall=asked.now_wall
        )
    else:  # of a stream: the library has read the event, and the rest of it is gone
        answer = Answer.read(who, held.status, held.headers, held.body)
        told = fault_of_answer(answer, now_wall=asked.now_wall, raw=None)
    is_error = held.status >= _FIRST_ERROR or told.kind != "unknown"
    return attrs.evolve(told, raw=error) if is_error else None


def _text(value: object) -> str:
    return value if type(value) is str else ""


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
