"""Which faults the next model may answer better, as a table."""

from __future__ import annotations

import pytest

from actors.errors import (
    ActorStopped,
    CallFailed,
    InputError,
    NeverFits,
    ProviderFailed,
    QueueFull,
    Rejected,
    ReplyInvalid,
    TransportFailed,
    UnderstudyError,
    WaitTooLong,
)
from actors.policies.fallback import falls_back


def provider(status: int, *, retryable: bool) -> ProviderFailed:
    return ProviderFailed("refused", status=status, kind="some_error", retryable=retryable)


@pytest.mark.parametrize(
    "error",
    [
        provider(429, retryable=True),
        provider(408, retryable=True),
        provider(409, retryable=True),
        provider(500, retryable=True),
        provider(529, retryable=True),
        provider(529, retryable=False),
        provider(501, retryable=False),
        provider(200, retryable=True),
        ProviderFailed("refused", status=429, kind="rate_limit_error", limit_kind="daily_quota"),
        TransportFailed("broke", kind="reset"),
        TransportFailed("refused", kind="connect", charged=False),
        ReplyInvalid("no message"),
        CallFailed("something", retryable=True),
        Rejected("full"),
        WaitTooLong("full", retry_at=3.0),
        NeverFits("too large"),
        QueueFull("full"),
    ],
    ids=repr,
)
def test_a_fault_of_the_model_or_its_service_falls_back(error: UnderstudyError) -> None:
    assert falls_back(error)


@pytest.mark.parametrize(
    "error",
    [
        *(provider(status, retryable=False) for status in (400, 401, 402, 403, 404, 405, 413, 422, 431)),
        provider(429, retryable=False),
        # The money is spent: no model of the account has any.
        ProviderFailed("refused", status=429, kind="rate_limit_error", limit_kind="spend_cap"),
        provider(200, retryable=False),
        TransportFailed("the url is not valid", kind="protocol", charged=False, retryable=False),
        ReplyInvalid("refused", retryable=False),
        CallFailed("something"),
        ActorStopped("ended", message=None, recipient="limiter"),
        InputError("empty"),
    ],
    ids=repr,
)
def test_a_fault_that_is_the_same_everywhere_does_not(error: UnderstudyError) -> None:
    assert not falls_back(error)
