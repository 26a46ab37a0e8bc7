"""How a provider refused a call, if that is what a fault was: news for everybody who uses the same pool.

fault                                              trouble
429, or an explicit word on limits                 its kind: rate, acceleration, daily_quota, spend_cap
529, 503, or overloaded_error in any answer        overloaded
anything else                                      none: it says nothing about the next call
"""

from __future__ import annotations

from actors.errors import CallFailed, ProviderFailed
from actors.policies.cooldown.records import Trouble

_OVERLOADED_STATUSES = frozenset({503, 529})
_OVERLOADED_KIND = "overloaded_error"


def trouble_of(error: BaseException, sent_at: float | None) -> Trouble | None:
    """Return what `error` tells everybody else, or None.

    Args:
        error: what a call ended with.
        sent_at: instant at which its request went out, or None where that is not known.
    """
    match error:
        case ProviderFailed() if error.limit_kind is not None:
            return Trouble(error.limit_kind, _named(error), sent_at)
        case ProviderFailed() if error.status in _OVERLOADED_STATUSES or error.kind == _OVERLOADED_KIND:
            return Trouble("overloaded", _named(error), sent_at)
        case _:
            return None


def _named(error: CallFailed) -> float | None:
    """Return the wait the provider named, unless it is none."""
    return error.retry_after if error.retry_after is not None and error.retry_after > 0 else None
