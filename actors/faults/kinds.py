"""Every kind of fault there is, and what each asks for: one table, as data.

A kind says what went wrong, whoever said it and in whatever words. Its row says what follows: whether the same call can
succeed later, how urgent it is that somebody knows, how much longer than usual to wait before the next attempt, what
may stand in for the answer, and the one sentence that a client of the service is shown. A fault may know better than
its row (a daily quota that names the time it is over can be waited for), so a row is where a fault starts from.

    fallback          what may stand in
    smaller_model     another model of the same provider: the trouble is this model's, or its limits'
    other_provider    another service altogether: the trouble is the way to this one, or the account
    truncate          the same model with less to read, or one with a larger window
    stale_cache       the last answer that is known, however old
    none              nothing: it would fail everywhere alike
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import attrs

FaultKind = Literal[
    "network_timeout",
    "network_refused",
    "network_reset",
    "dns",
    "rate_limited",
    "acceleration_limited",
    "quota_exhausted",
    "spend_limited",
    "overloaded",
    "server_error",
    "auth_error",
    "permission_denied",
    "invalid_request",
    "context_length",
    "content_filtered",
    "not_found",
    "stream_interrupted",
    "conflict",
    "validation",
    "database",
    "cache_miss",
    "internal",
    "unknown",
]
"""What went wrong."""

FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

Priority = Literal["low", "medium", "high", "critical"]
"""How urgent it is that somebody knows: not at all, by day, soon, now."""

FallbackStrategy = Literal["smaller_model", "other_provider", "truncate", "stale_cache", "none"]
"""What may stand in for the answer."""


@attrs.frozen
class FaultRow:
    """What a kind of fault asks for.

    Args:
        retryable: whether the same call can succeed later.
        priority: how urgent it is that somebody knows.
        backoff: factor on the wait before the next attempt when the server named none; > 0.
        alert: whether somebody has to act, since time alone does not cure it.
        fallback: what may stand in for the answer.
        public_message: what a client of the service may be shown.
    """

    retryable: bool
    priority: Priority
    backoff: float
    alert: bool
    fallback: FallbackStrategy
    public_message: str


_TOO_SLOW = "this took too long; try again later"
_NOT_REACHED = "a service we depend on cannot be reached; try again later"
_BUSY = "too many requests at the moment; try again later"
_OUT = "a service we depend on is not available at the moment; try again later"
_OURS = "something went wrong on our side"
_WRONG = "this request cannot be handled as it is"

FAULT_ROWS: Mapping[FaultKind, FaultRow] = MappingProxyType(
    {
        "network_timeout": FaultRow(True, "medium", 1.0, False, "other_provider", _TOO_SLOW),
        "network_refused": FaultRow(True, "high", 1.0, True, "other_provider", _NOT_REACHED),
        "network_reset": FaultRow(True, "medium", 1.0, False, "other_provider", _NOT_REACHED),
        # A name that is not known now is seldom known a second later.
        "dns": FaultRow(True, "high", 2.0, True, "other_provider", _NOT_REACHED),
        # Three times: a 429 without a hint means a window of a minute, not the blink of an ordinary first wait.
        "rate_limited": FaultRow(True, "low", 3.0, False, "smaller_model", _BUSY),
        "acceleration_limited": FaultRow(True, "medium", 3.0, False, "smaller_model", _BUSY),
        "quota_exhausted": FaultRow(False, "high", 3.0, True, "smaller_model", _OUT),
        "spend_limited": FaultRow(False, "critical", 1.0, True, "other_provider", _OUT),
        "overloaded": FaultRow(True, "medium", 2.0, False, "smaller_model", _OUT),
        "server_error": FaultRow(True, "medium", 1.0, False, "smaller_model", _OUT),
        "auth_error": FaultRow(False, "critical", 1.0, True, "none", _OURS),
        "permission_denied": FaultRow(False, "high", 1.0, True, "none", _OURS),
        "invalid_request": FaultRow(False, "low", 1.0, False, "none", _WRONG),
        "context_length": FaultRow(False, "low", 1.0, False, "truncate", "this request is too large"),
        "content_filtered": FaultRow(False, "low", 1.0, False, "none", "this request cannot be answered"),
        "not_found": FaultRow(False, "high", 1.0, True, "none", _OURS),
        "stream_interrupted": FaultRow(
            True, "medium", 1.0, False, "other_provider", "the answer broke off; try again"
        ),
        "conflict": FaultRow(
            True, "low", 1.0, False, "none", "something else changed this meanwhile; try again"
        ),
        "validation": FaultRow(False, "low", 1.0, False, "none", "this input is not valid"),
        "database": FaultRow(True, "high", 1.0, True, "stale_cache", _OUT),
        "cache_miss": FaultRow(False, "low", 1.0, False, "other_provider", _OUT),
        "internal": FaultRow(False, "critical", 1.0, True, "none", _OURS),
        "unknown": FaultRow(False, "high", 1.0, True, "none", _OURS),
    }
)
"""The row of each kind."""
