"""An error in a log is its types, its fault and its circumstances; where those are not its own they are looked for."""

from __future__ import annotations

from typing import Any

import pytest

from actors.error_facts import MOST_LOOKED_AT, MOST_MEMBERS, circumstances, fault_facts
from actors.errors import (
    BreakerOpen,
    CallFailed,
    NoneAnswered,
    ProviderFailed,
    TransportFailed,
    UnderstudyError,
)
from actors.faults import ErrorContext, Fault

PROMPT = "INT. HUT - NIGHT. Yorblef confesses."
WHOLE = ErrorContext(
    service="anthropic",
    model="claude-sonnet-4-5",
    attempt=3,
    elapsed=12.34567,
    breaker="closed",
    budget_left=812.00049,
    ids={"request": "r1", "session": "s1", "event": "planted", "user": "u1", "conversation": "c1"},
)
TOLD = {
    "service": "anthropic",
    "model": "claude-sonnet-4-5",
    "attempt": 3,
    "elapsed": 12.346,
    "breaker": "closed",
    "budget_left": 812.0,
    "session": "s1",
    "user": "u1",
    "conversation": "c1",
    "request": "r1",
}


def overloaded(**facts: Any) -> ProviderFailed:
    fault = Fault.of(
        "overloaded",
        PROMPT,
        provider="anthropic",
        status=529,
        request_id="req_1",
        retry_after=2.5,
        raw=PROMPT,
    )
    return ProviderFailed(PROMPT, status=529, kind="overloaded_error", fault=fault, **facts)


def met(error: UnderstudyError, **facts: Any) -> UnderstudyError:
    error.context = ErrorContext(**facts)
    return error


# What it is.


def test_an_error_is_told_by_its_type_its_own_word_and_its_fault() -> None:
    assert fault_facts(overloaded()) == {
        "error": "ProviderFailed",
        "kind": "overloaded_error",
        "fault": "overloaded",
        "priority": "medium",
        "alert": False,
        "retryable": True,
        "provider": "anthropic",
        "status": 529,
        "request_id": "req_1",
        "retry_after": 2.5,
    }


def test_what_is_not_known_is_left_out() -> None:
    error = TransportFailed(PROMPT, kind="connect", fault=Fault.of("dns"))

    assert fault_facts(error) == {
        "error": "TransportFailed",
        "kind": "connect",
        "fault": "dns",
        "priority": "high",
        "alert": True,
        "retryable": True,
    }


@pytest.mark.parametrize("word", [PROMPT, "a b", "", "x" * 101, "/srv/app/x.py", "a\n", None])
def test_a_word_of_a_provider_that_is_none_is_left_out(word: Any) -> None:
    fault = Fault.of("overloaded")
    for name in ("provider", "request_id"):
        object.__setattr__(fault, name, word)  # past the checks that a fault is made with

    facts = fault_facts(ProviderFailed("", status=529, kind=word, fault=fault))

    assert facts.keys().isdisjoint({"kind", "provider", "request_id"})


def test_an_error_that_no_retry_could_be_paid_for_says_so() -> None:
    error = overloaded()
    error.is_out_of_budget = True

    assert fault_facts(error)["is_out_of_budget"] is True
    assert "is_out_of_budget" not in fault_facts(overloaded())


def test_an_error_of_others_is_told_too_but_for_its_words() -> None:
    class Shop(Exception):
        kind = PROMPT
        is_out_of_budget = PROMPT

    assert fault_facts(Shop(PROMPT))["error"] == "Shop"
    assert "is_out_of_budget" not in fault_facts(Shop(PROMPT))
    assert PROMPT not in repr(fault_facts(Shop(PROMPT)))
    assert fault_facts(KeyboardInterrupt())["error"] == "KeyboardInterrupt"


def test_a_group_tells_each_of_its_errors_with_its_place_in_their_order() -> None:
    first = met(overloaded(), service="anthropic", model="opus", attempt=2)
    second = BreakerOpen(PROMPT, service="anthropic/haiku", state="open", retry_at=3.0)

    facts = fault_facts(NoneAnswered(PROMPT, [first, second]))

    assert facts["error"] == "NoneAnswered(ProviderFailed, BreakerOpen)"
    assert facts["members"][0] == {**fault_facts(overloaded()), "service": "anthropic", "model": "opus"}
    assert facts["members"][1] == fault_facts(second)
    assert len(facts["members"]) == 2


def test_of_a_large_group_the_first_members_are_told() -> None:
    group = ExceptionGroup(
        "many", [TransportFailed("", kind=str(number)) for number in range(MOST_MEMBERS + 5)]
    )

    assert [each["kind"] for each in fault_facts(group)["members"]] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
    ]


# Where it was met.


def test_all_circumstances_are_told_flat_and_no_id_of_another_name() -> None:
    error = met(overloaded())
    error.context = WHOLE

    assert circumstances(error) == TOLD
    assert list(circumstances(error)) == list(TOLD)


def test_circumstances_that_are_not_known_are_left_out_and_zero_is_known() -> None:
    assert circumstances(met(UnderstudyError())) == {"attempt": 0, "elapsed": 0.0}
    assert circumstances(met(UnderstudyError(), budget_left=0.0))["budget_left"] == 0.0


def test_an_error_that_was_told_nothing_has_none() -> None:
    assert circumstances(UnderstudyError()) == {}
    assert circumstances(KeyError(PROMPT)) == {}


def test_an_attribute_of_that_name_on_an_error_of_others_is_not_taken_for_it() -> None:
    class Shop(Exception):
        context = PROMPT

    assert circumstances(Shop()) == {}


def test_a_group_has_the_circumstances_of_its_first_member_that_knows() -> None:
    group = NoneAnswered("", [CallFailed(""), met(CallFailed(""), model="a"), met(CallFailed(""), model="b")])
    assert circumstances(group)["model"] == "a"

    met(group, model="all")
    assert circumstances(group)["model"] == "all"


def raised_over(cause: Exception, *, is_explicit: bool) -> KeyError:
    try:
        try:
            raise cause
        except type(cause) as met_before:
            if is_explicit:
                raise KeyError from met_before
            raise KeyError  # noqa: B904  # most applications forget it
    except KeyError as error:
        return error


@pytest.mark.parametrize("is_explicit", [True, False])
def test_an_error_raised_over_another_has_its_circumstances_unless_it_disowns_it(is_explicit: bool) -> None:
    error = raised_over(met(CallFailed(""), model="a"), is_explicit=is_explicit)
    assert circumstances(error)["model"] == "a"

    error.__cause__, error.__suppress_context__ = None, True  # `from None`
    assert circumstances(error) == {}


def test_the_nearest_of_several_causes_counts() -> None:
    error, near, far = KeyError(), met(CallFailed(""), model="near"), met(CallFailed(""), model="far")
    error.__cause__, near.__cause__ = near, far

    assert circumstances(error)["model"] == "near"


def test_a_circle_of_causes_comes_to_an_end() -> None:
    first, second = KeyError(), ValueError()
    first.__cause__, second.__cause__ = second, first

    assert circumstances(first) == {}


@pytest.mark.parametrize(("links", "is_found"), [(MOST_LOOKED_AT - 1, True), (MOST_LOOKED_AT, False)])
def test_no_more_than_so_many_errors_are_looked_at(links: int, is_found: bool) -> None:
    error: Exception = met(CallFailed(""), model="deep")
    for _ in range(links):
        outer = KeyError()
        outer.__cause__, error = error, outer

    assert ("model" in circumstances(error)) is is_found
