"""Tests for the exception tree as a whole."""

from __future__ import annotations

import inspect
import pickle
from copy import copy, deepcopy

import pytest

from actors import errors
from actors.errors import (
    AskCycle,
    DeliveryError,
    NeverFits,
    NotDelivered,
    ProviderFailed,
    Rejected,
    SettingsError,
    UnderstudyError,
    WaitTooLong,
)

EXAMPLES: list[UnderstudyError] = [
    AskCycle("a waits for a", message=("any", 1), recipient="a", path=("a.x", "a.x")),
    ProviderFailed(
        "overloaded", status=529, kind="overloaded_error", request_id="req_1", retryable=True, charged=False
    ),
    ProviderFailed(
        "refused", status=429, kind="rate_limit_error", limit_kind="acceleration", retry_after=7.0
    ),
    WaitTooLong("no capacity", retry_at=60.5),
    NeverFits("too large", quantity="input_tokens", asked=101, amount=100, window=60.0, scope="pool"),
    SettingsError(("one", "two")),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_facts_over_a_pickle(error: UnderstudyError) -> None:
    error.add_note("seen in the pickle too")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__
    assert twin.__notes__ == ["seen in the pickle too"]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_facts_in_a_copy(error: UnderstudyError) -> None:
    for twin in (copy(error), deepcopy(error)):
        assert (type(twin), str(twin), twin.__dict__) == (type(error), str(error), error.__dict__)


def test_what_never_fits_may_be_said_by_who_knows_no_limit() -> None:
    error = NeverFits("too large")
    facts = (error.quantity, error.asked, error.amount, error.window, error.scope)
    assert facts == (None,) * 5
    assert error.retry_at is None


def test_every_error_stands_in_the_outline_of_its_module() -> None:
    classes = [
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if found.__module__ == "actors.errors"
    ]
    outline = errors.__doc__ or ""
    assert len(classes) > 15
    assert [found.__name__ for found in classes if found.__name__ not in outline] == []


def test_every_error_has_a_public_message_that_tells_nothing_of_the_inside() -> None:
    for _, found in inspect.getmembers(errors, inspect.isclass):
        if issubclass(found, UnderstudyError):
            assert found.public_message
            assert not {"actor", "mailbox", "limiter", "http", "trio"} & set(
                found.public_message.lower().split()
            )


def test_a_rejection_says_from_when_on_it_is_worth_trying() -> None:
    assert Rejected("no", retry_at=3.0).retry_at == 3.0
    assert Rejected("no").retry_at is None


def test_a_refused_cycle_is_not_said_to_be_safe_to_send_again() -> None:
    assert issubclass(AskCycle, DeliveryError)
    assert not issubclass(AskCycle, NotDelivered)
