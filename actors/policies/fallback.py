"""Which faults another model may answer better: decided from the error, as data.

A fallback is worth it when the fault lies with the model or its service, and not when the call itself is at fault:
a bad request, a wrong key or a prompt that breaks the rules fails everywhere alike.
"""

from __future__ import annotations

from actors.errors import CallFailed, ProviderFailed, Rejected, ReplyInvalid, TransportFailed, UnderstudyError

_CALLERS_FAULT = frozenset({400, 401, 402, 403, 404, 413, 422})
"""HTTP statuses that say the call is wrong, whoever answers it. 404 is here although the model may be the cause:
a chain with a model that does not exist is a setting to mend, not a fault to survive."""


def falls_back(error: UnderstudyError) -> bool:
    """Return whether the next model of the chain should be tried after `error`."""
    match error:
        case ProviderFailed(status=status):
            return status not in _CALLERS_FAULT
        case ReplyInvalid():
            return error.retryable
        case TransportFailed():
            return error.retryable
        case Rejected():
            return True  # this model's capacity is spent; the next one has its own
        case CallFailed():
            return error.retryable
        case _:
            return False
