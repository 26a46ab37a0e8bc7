"""A fault: what went wrong, in one form, whoever said it.

An exception is how an error travels; a fault is what there is to know of it, as a value that can be decided on, counted
and logged. It is not raised, and it holds no text of a request.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, get_args

import attrs
from attrs.validators import optional

from actors.faults.kinds import FAULT_ROWS, FallbackStrategy, FaultKind, Priority

NETWORK_KINDS: Final[frozenset[FaultKind]] = frozenset(
    {"network_timeout", "network_refused", "network_reset", "dns", "stream_interrupted"}
)
"""What went wrong on the way, before a complete answer came back."""

RATE_KINDS: Final[frozenset[FaultKind]] = frozenset(
    {"rate_limited", "acceleration_limited", "quota_exhausted", "spend_limited"}
)
"""What a limit of ours at the provider is the cause of: the service itself is well."""


LONGEST_WAIT: Final = 31 * 86_400.0
"""Seconds, the longest month: spend limits end with it. Beyond it the number is a mistake and no wish, such as an
instant where a time was meant; to obey it would shut a service for decades on the word of one answer."""

_LONGEST_LINE: Final = 128
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "priority": get_args(Priority),
    "fallback": get_args(FallbackStrategy),
}


def is_line(text: str) -> bool:
    """Return whether a text can stand as a name in a log: one line of at most 128 printable characters, or empty."""
    return len(text) <= _LONGEST_LINE and text.isprintable()


def _check_kind(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_one_of(attribute.name, value, FAULT_ROWS)


def _check_choice(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_one_of(attribute.name, value, _CHOICES[attribute.name])


def _check_one_of(name: str, value: object, choices: Collection[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _check_flag(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, got {value!r}")


def _check_text(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a text, got {type(value).__name__}")


def _check_line(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a text, got {type(value).__name__}")
    if not is_line(value):
        bound = f"one line of at most {_LONGEST_LINE} printable characters"
        raise ValueError(f"{attribute.name} must be {bound}, got {value[:_LONGEST_LINE]!r}")


def _check_status(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, or None, got {type(value).__name__}")


def _check_wait(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be seconds, or None, got {type(value).__name__}")
    if not 0 < value <= LONGEST_WAIT:
        # A whole number may have more digits than can be printed.
        got = "too many" if value > LONGEST_WAIT and isinstance(value, int) else value
        raise ValueError(
            f"{attribute.name} must be > 0 and <= {LONGEST_WAIT:.0f} seconds, or None, got {got}"
        )


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
        retry_after: seconds, > 0 and <= `LONGEST_WAIT`, that the provider asks to wait, or None.
        charged: False only where the provider is known not to have counted the attempt.
        raw: what it was made from, an exception or a response. It appears in no repr and is never logged whole.

    Raises:
        ValueError: there is no such kind, priority or fallback, `retry_after` is no time ahead or beyond belief, or
            `provider` or `request_id` is no line of at most 128 printable characters.
        TypeError: a value is of the wrong kind.
    """

    kind: FaultKind = attrs.field(validator=_check_kind)
    message: str = attrs.field(validator=_check_text)
    retryable: bool = attrs.field(validator=_check_flag)
    priority: Priority = attrs.field(validator=_check_choice)
    alert: bool = attrs.field(validator=_check_flag)
    fallback: FallbackStrategy = attrs.field(validator=_check_choice)
    public_message: str = attrs.field(validator=_check_text)
    provider: str = attrs.field(default="", validator=_check_line)
    status: int | None = attrs.field(default=None, validator=optional(_check_status))
    request_id: str | None = attrs.field(default=None, validator=optional(_check_line))
    retry_after: float | None = attrs.field(default=None, validator=optional(_check_wait))
    charged: bool = attrs.field(default=True, validator=_check_flag)
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
            ValueError: there is no such kind, or a value is out of its bounds, as for a fault that is made otherwise.
            TypeError: a value is of the wrong kind.
        """
        _check_one_of("kind", kind, FAULT_ROWS)
        row = FAULT_ROWS[kind]
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
