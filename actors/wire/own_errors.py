"""What our own exceptions mean where they do not carry their fault: one row for each class of the tree.

A refusal of ours is never charged, for nothing was sent. A chain's groups have no row: they are what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from actors import errors
from actors.faults import FaultKind
from actors.wire.error_row import ErrorRow

_NOT_SENT = ErrorRow("rate_limited", charged=False)
_BROKEN = ErrorRow("internal", retryable=False)

OWN: Mapping[type[BaseException], ErrorRow] = MappingProxyType(
    {
        errors.MailboxFull: ErrorRow("overloaded", charged=False),
        errors.NotDelivered: ErrorRow("internal", retryable=True, charged=False),
        errors.NeverFits: ErrorRow("context_length", charged=False),
        errors.WaitTooLong: _NOT_SENT,
        errors.QueueFull: _NOT_SENT,
        # A refusal is immediate: whoever asks again before `retry_at` is refused again.
        errors.BreakerOpen: ErrorRow("server_error", retryable=False, charged=False),
        errors.OutOfTime: ErrorRow("network_timeout", retryable=False, charged=False),
        errors.Rejected: ErrorRow("internal", retryable=False, charged=False),
        errors.TransportFailed: ErrorRow("stream_interrupted"),
        errors.ReplyInvalid: ErrorRow("validation"),
        errors.CallFailed: ErrorRow("unknown"),
        errors.RestartsExhausted: _BROKEN,
        errors.CacheMiss: ErrorRow("cache_miss", charged=False),
        errors.InputError: ErrorRow("validation"),
        errors.UnderstudyError: _BROKEN,
    }
)
"""What each class means; one that is not here is told by its ancestors."""

TRANSPORT_KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {
        "connect": "network_refused",
        "timeout": "network_timeout",
        "reset": "network_reset",
        "protocol": "stream_interrupted",
    }
)
"""What the kinds of a failed transport mean."""

_GROUPS = (errors.NoneAnswered, errors.NoneAdmitted)


def own_row(error: BaseException) -> ErrorRow | None:
    """Return what an exception of ours means by its class, or None for one of others and for a chain's group."""
    kind = type(error)
    if issubclass(kind, _GROUPS) or not issubclass(kind, errors.UnderstudyError):
        return None
    return next(OWN[each] for each in kind.__mro__ if each in OWN)
