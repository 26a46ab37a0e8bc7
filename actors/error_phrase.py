"""What went wrong, in a few words for a person: on a board, in a note, in a report."""

from __future__ import annotations

from actors.errors import (
    BreakerOpen,
    CallFailed,
    NeverFits,
    NoneAdmitted,
    NoneAnswered,
    OutOfTime,
    ProviderFailed,
    Rejected,
    ReplyInvalid,
    TransportFailed,
)

_TRANSPORT_PHRASES = {
    "connect": "no connection",
    "timeout": "no answer in time",
    "reset": "connection broke",
    "protocol": "answer cut off or garbled",
}


def phrase(error: CallFailed | Rejected) -> str:
    """Return a fault in a few words that name no host, key or text."""
    match error:
        case ProviderFailed(kind=kind, status=status):
            return f"{kind.removesuffix('_error').replace('_', ' ')} ({status})"
        case TransportFailed(kind=kind):
            return _TRANSPORT_PHRASES.get(kind, kind)
        case ReplyInvalid():
            return "answer of no use"
        case NoneAnswered() | NoneAdmitted():
            each = (phrase(one) for one in error.exceptions if isinstance(one, CallFailed | Rejected))
            return "; ".join(dict.fromkeys(each))
        case NeverFits():
            return "too large for its limits"
        case BreakerOpen(state="isolated"):
            return "taken out by hand"
        case BreakerOpen():
            return "known to be down"
        case OutOfTime():
            return "no time left"
        case Rejected():
            return "no capacity in time"
        case _:
            return "call failed"
