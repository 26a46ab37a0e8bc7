"""Which faults another model may answer better: decided from the error, as data.

A fallback is worth it when the fault lies with the model or its service, and not when the call itself is at fault:
a bad request, a wrong key or a prompt that breaks the rules fails everywhere alike.

    fault                                        falls back
    no capacity in time                          yes: the next model has limits of its own
    server's fault (5xx), retryable or not       yes: it is this model's service
    a daily quota, retryable or not              yes: each model has one of its own
    anything else that may pass on a retry       yes: 408, 409, 429, a broken connection, an answer of no use
    anything else                                no: 4xx, a spend limit, an address that is none

404 is among the last although the model may be the cause: a chain with a model that does not exist is a setting to
mend, not a fault to survive.
"""

from __future__ import annotations

from actors.errors import CallFailed, ProviderFailed, Rejected, UnderstudyError

_SERVER_ERROR = 500
"""The first HTTP status that says the fault is the server's."""


def falls_back(error: UnderstudyError) -> bool:
    """Return whether the next model of the chain should be tried after `error`."""
    match error:
        case Rejected():
            return True
        case ProviderFailed(status=status) if status >= _SERVER_ERROR:
            return True
        case ProviderFailed(limit_kind="daily_quota"):
            return True
        case CallFailed():
            return error.retryable
        case _:
            return False
