"""What Anthropic's refusals mean: which may be tried again, after how long, and which were counted.

    status  error type              try again   counted
    400     invalid_request_error   no          yes
    401     authentication_error    no          yes
    402     billing_error           no          yes
    403     permission_error        no          yes
    404     not_found_error         no          yes
    408     timeout_error           yes         yes
    409     conflict_error          yes         yes
    413     request_too_large       no          yes
    429     rate_limit_error        yes         no      earlier than retry-after fails again
    429     rate_limit_error        by time     no      a daily quota: only if it says when it is over
    429     rate_limit_error        never       no      a spend limit: it lasts until the month ends
    5xx     api_error, ...          yes         yes
    529     overloaded_error        yes         no
    200     any of these            by type     yes     an error inside a response that had begun well

"Counted" is what may be assumed: where it is not known that an attempt was free, it was not.
Which of the 429s it is, `limit_kind` says. `x-should-retry` overrules the table, except for the last two of them.
The table is kept by `actors.wire.answer_fault`: the error says of itself what its `fault` says of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from actors.errors import ProviderFailed
from actors.wire.answer_fault import FAULT_LIMITS, fault_of_response
from actors.wire.http import HttpResponse
from actors.wire.json_object import object_in, parse_object, string_in
from actors.wire.rate_limit_kinds import TOO_MANY_REQUESTS

OVERLOADED = 529

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    TOO_MANY_REQUESTS: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}

# A body is a stranger's text: only what looks like a type or an id may pass into errors and logs.
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def provider_failure(response: HttpResponse, *, now_wall: datetime | None = None) -> ProviderFailed:
    """Classify a response that is an error; any status, any headers and any bytes are fine.

    Args:
        response: the response, its status an error or 200 with an error for a body.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date.

    Returns:
        The error to raise. Its text holds the status and the error type, and nothing else of the body.
    """
    body = parse_object(response.body) or {}
    fault = fault_of_response(
        response.status, response.headers, response.body, provider="anthropic", now_wall=now_wall
    )
    kind = _kind(response.status, object_in(body.get("error")))
    return ProviderFailed(
        f"anthropic answered {response.status} {kind}",
        status=response.status,
        kind=kind,
        request_id=fault.request_id,
        limit_kind=FAULT_LIMITS.get(fault.kind),
        retryable=fault.retryable,
        retry_after=fault.retry_after,
        charged=fault.charged,
        fault=fault,
    )


def request_id(response: HttpResponse, body: Mapping[str, object]) -> str | None:
    """Return the provider's id of the request, from the header or else from the body."""
    for found in (response.headers.get("request-id"), string_in(body.get("request_id"))):
        if found is not None and _REQUEST_ID.fullmatch(found):
            return found
    return None


def _kind(status: int, error: Mapping[str, object]) -> str:
    """Return the error type the body names; without one, what the status stands for."""
    named = string_in(error.get("type"))
    if named is not None and _KIND.fullmatch(named):
        return named
    return _KINDS.get(status, f"http_{status}")
