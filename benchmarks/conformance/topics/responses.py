"""What an answer that is an error comes to: a response by its status, headers and body, and an event in a stream.

    given    provider; status; headers; body (JSON), text or hex (what came instead of it); now (for a date)
    when     "response", or "event" for one inside a stream that had begun well
    then     kind, retryable, retry_after, charged, request_id, priority, fallback, alert

Nothing is sent: a response is its status, its headers and its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actors.faults import Fault
from actors.wire.faults import fault_of_event, fault_of_response
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given

GIVEN = frozenset({"provider", "status", "headers", "body", "text", "hex", "now"})


def check(row: Row) -> list[str]:
    """Hold the classification against a row."""
    return differences(row.then, told(_fault(row)))


def told(fault: Fault) -> dict[str, object]:
    """Return what rows may say of a fault."""
    return {
        "kind": fault.kind,
        "retryable": fault.retryable,
        "retry_after": fault.retry_after,
        "charged": fault.charged,
        "request_id": fault.request_id,
        "priority": fault.priority,
        "fallback": fault.fallback,
        "alert": fault.alert,
    }


def response_of(given: Mapping[str, Any], provider: str) -> Fault:
    """Return the fault of a response."""
    return fault_of_response(
        given["status"],
        given.get("headers", {}),
        content(given),
        provider=provider,
        now_wall=datetime.fromisoformat(given["now"]) if "now" in given else None,
    )


def content(given: Mapping[str, Any]) -> bytes:
    """Return the bytes of a body, which is JSON unless a row says what came instead; empty where it says nothing."""
    if "hex" in given:
        return bytes.fromhex(given["hex"])
    if "text" in given:
        return str(given["text"]).encode()
    return json.dumps(given["body"]).encode() if "body" in given else b""


def _fault(row: Row) -> Fault:
    check_given(row.given, GIVEN)
    match row.verb:
        case "response":
            return response_of(row.given, row.given["provider"])
        case "event" if "body" in row.given:
            return fault_of_event(row.given["body"], provider=row.given["provider"])
        case "event":
            return fault_of_event(content(row.given), provider=row.given["provider"])
        case verb:
            raise TableError(f"when must be response or event, got {verb!r}")
