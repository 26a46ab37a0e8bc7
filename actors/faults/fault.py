"""A fault: what went wrong, in one form, whoever said it.

An exception is how an error travels; a fault is what there is to know of it, as a value that can be decided on, counted
and logged. It is not raised, and it holds no text of a request.
"""

from __future__ import annotations

import math
from typing import Any, Final

import attrs

from actors.faults.kinds import FAULT_ROWS, FallbackStrategy, FaultKind, Priority

NETWORK_KINDS: Final[frozenset[FaultKind]] = frozenset(
    {"network_timeout", "network_refused", "network_reset", "dns", "stream_interrupted"}
)
"""What went wrong on the way, before a complete answer came back."""

RATE_KINDS: Final[frozenset[FaultKind]] = frozenset(
    {"rate_limited", "acceleration_limited", "quota_exhausted", "spend_limited"}
)
"""What a limit of ours at the provider is the cause of: the service itself is well."""


def _check_kind(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in FAULT_ROWS:
        raise ValueError(f"{attribute.name} must be one of {', '.join(FAULT_ROWS)}, got {value!r}")


def _check_wait(_instance: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be > 0 and finite, or None, got {value}")


@attrs.frozen(kw_only=True)
class Fault:
    """What there is to know of an error. `Fault.of` fills in from its kind's row what the error does not say.

    Args:
        kind: what went wrong.
        message: a sentence for those who run the service: never prompt text, a key or a query string.
        retryable: whether the same call can succeed later.
        priority: how urgent it is that somebody knows.
        alert: whether somebody has to act.
        fallback: what may stand in for the answer.
        public_message: what a client of the service may be shown.
        provider: who said so, such as "anthropic"; empty where nobody in particular did.
        status: the HTTP status, or None where there was none.
        request_id: the provider's id of the request, or None.
        retry_after: seconds, > 0, that the provider asks to wait, or None.
        charged: False only where the provider is known not to have counted the attempt.
        raw: what it was made from, an exception or a response. It appears in no repr and is never logged whole.

    Raises:
        ValueError: there is no such kind, or `retry_after` is no time ahead.
    """

    kind: FaultKind = attrs.field(validator=_check_kind)
    message: str
    retryable: bool
    priority: Priority
    alert: bool
    fallback: FallbackStrategy
    public_message: str
    provider: str = ""
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = attrs.field(default=None, validator=_check_wait)
    charged: bool = True
    raw: object = attrs.field(default=None, repr=False, eq=False)

    @classmethod
    def of(
        cls,
        kind: FaultKind,
        message: str = "",
        *,
        retryable: bool | None = None,
        provider: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        charged: bool = True,
        raw: object = None,
    ) -> Fault:
        """Return a fault of `kind` with what its row says, but for `retryable` where that is known better.

        Raises:
            ValueError: there is no such kind, or `retry_after` is no time ahead.
        """
        row = FAULT_ROWS.get(kind)
        if row is None:
            raise ValueError(f"kind must be one of {', '.join(FAULT_ROWS)}, got {kind!r}")
        return cls(
            kind=kind,
            message=message or kind.replace("_", " "),
            retryable=row.retryable if retryable is None else retryable,
            priority=row.priority,
            alert=row.alert,
            fallback=row.fallback,
            public_message=row.public_message,
            provider=provider,
            status=status,
            request_id=request_id,
            retry_after=retry_after,
            charged=charged,
            raw=raw,
        )

    @property
    def backoff(self) -> float:
        """Factor on the wait before the next attempt."""
        return FAULT_ROWS[self.kind].backoff


def is_retryable(fault: Fault) -> bool:
    """Return whether the same call can succeed later."""
    return fault.retryable


def is_overloaded(fault: Fault) -> bool:
    """Return whether the service has more to do than it can."""
    return fault.kind == "overloaded"


def is_rate_limited(fault: Fault) -> bool:
    """Return whether a limit of ours at the provider refused it, be it of rate, rise, day or money."""
    return fault.kind in RATE_KINDS


def is_auth_error(fault: Fault) -> bool:
    """Return whether the provider does not know us, or does not let us."""
    return fault.kind in {"auth_error", "permission_denied"}


def is_network(fault: Fault) -> bool:
    """Return whether it went wrong on the way, before a complete answer came back."""
    return fault.kind in NETWORK_KINDS
