"""Which faults are news for everybody who uses the pool, and what they say."""

from __future__ import annotations

import pytest

from actors.errors import CallFailed, ProviderFailed, ReplyInvalid, TransportFailed
from actors.policies.cooldown.records import TROUBLE_KINDS, Trouble, TroubleKind
from actors.policies.cooldown.refusals import trouble_of


def failed(status: int, kind: str = "api_error", **options: object) -> ProviderFailed:
    return ProviderFailed("no", status=status, kind=kind, **options)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("kind", [kind for kind in TROUBLE_KINDS if kind != "overloaded"])
def test_a_word_on_limits_is_trouble_of_that_kind_whatever_the_status(kind: TroubleKind) -> None:
    for status in (400, 402, 429):
        assert trouble_of(failed(status, limit_kind=kind, retry_after=9.0), 3.0) == Trouble(kind, 9.0, 3.0)


@pytest.mark.parametrize(
    "error", [failed(529), failed(503), failed(200, "overloaded_error"), failed(500, "overloaded_error")]
)
def test_an_overload_is_trouble_by_its_status_or_its_name(error: ProviderFailed) -> None:
    assert trouble_of(error, None) == Trouble("overloaded")


@pytest.mark.parametrize(
    "error",
    [
        failed(500),
        failed(400, "invalid_request_error"),
        failed(401, "authentication_error"),
        TransportFailed("no", kind="timeout"),
        TransportFailed("no", kind="connect"),
        ReplyInvalid("no"),
        CallFailed("no"),
        KeyError("bug"),
    ],
)
def test_anything_else_says_nothing_about_the_next_call(error: BaseException) -> None:
    assert trouble_of(error, 1.0) is None


@pytest.mark.parametrize(("named", "wait"), [(None, None), (0.0, None), (-1.0, None), (0.5, 0.5)])
def test_a_wait_that_is_none_is_none(named: float | None, wait: float | None) -> None:
    trouble = trouble_of(failed(529, retry_after=named), None)
    assert trouble is not None
    assert trouble.retry_after == wait
