"""What a status stands for wherever nobody says more: HTTP's own meanings, and those of proxies."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from actors.faults import FaultKind
from actors.wire.fault_rules.rule import FaultTable, Rule

STATUSES: Mapping[int, FaultKind] = MappingProxyType(
    {
        400: "invalid_request",
        401: "auth_error",
        402: "spend_limited",
        403: "permission_denied",
        404: "not_found",
        407: "auth_error",
        408: "network_timeout",  # the request had not arrived whole in time
        409: "conflict",
        410: "not_found",
        413: "context_length",
        423: "conflict",
        424: "server_error",  # something that the service depends on failed it
        425: "conflict",  # sent before the line was safe from a replay; RFC 8470: once more, a little later
        429: "rate_limited",
        451: "permission_denied",
        503: "overloaded",
        529: "overloaded",
    }
)
"""Statuses with a meaning of their own; `kind_of_status` knows the classes of the others."""

PASSING: Mapping[int, bool] = MappingProxyType(
    {
        501: False,  # RFC 9110: the server cannot do this, for any resource
        505: False,  # nor will it speak this version of HTTP the next time
    }
)
"""Whether the same call can succeed later, of statuses that know better than their kinds."""

ANYBODY = FaultTable(
    rules=(
        # DynamoDB and others of AWS say with 400 what the world says with 429; botocore tries these again.
        Rule(
            "rate_limited",
            codes=frozenset(
                {
                    "limitexceededexception",
                    "provisionedthroughputexceededexception",
                    "requestlimitexceeded",
                    "requestthrottled",
                    "requestthrottledexception",
                    "throttledexception",
                    "throttling",
                    "throttlingexception",
                    "toomanyrequestsexception",
                }
            ),
            statuses=frozenset({400}),
        ),
    ),
    types={
        "api_error": "server_error",
        "authentication_error": "auth_error",
        "billing_error": "spend_limited",
        "conflict_error": "conflict",
        "invalid_request_error": "invalid_request",
        "not_found_error": "not_found",
        "overloaded_error": "overloaded",
        "permission_error": "permission_denied",
        "rate_limit_error": "rate_limited",
        "rate_limit_exceeded": "rate_limited",
        "request_too_large": "context_length",
        "server_error": "server_error",
        "timeout_error": "server_error",
    },
)
"""The table of whoever has none: its statuses, and types that mean the same to all who use them."""


def kind_of_status(status: int) -> FaultKind:
    """Return what `status` stands for; "unknown" for a success, which is no fault, and for what is no status."""
    if status in STATUSES:
        return STATUSES[status]
    match status // 100:
        case 3:
            return "not_found"  # it has moved, and nothing follows a redirect with a key in hand
        case 4:
            return "invalid_request"
        case 5:
            return "server_error"
        case _:
            return "unknown"
