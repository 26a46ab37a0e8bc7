"""Bugs planted in the classification, each of which the tables of cases have to catch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import attrs
import httpx
import pytest
from test_answer_fault import CASES
from test_faults import FOREIGNERS, OURS, caused

from actors.errors import NoneAnswered, ProviderFailed, QueueFull
from actors.wire import answer_fault, faults, foreign_errors
from actors.wire.cause_chain import leaves, stated_cause
from actors.wire.error_row import ErrorRow
from actors.wire.fault_rules import Rule, table_of
from actors.wire.fault_rules.statuses import ANYBODY

AUTH = ProviderFailed("x", status=401, kind="authentication_error")


def wrong() -> Iterator[str]:
    """Yield what is told otherwise than the tables say."""
    for provider, rows in CASES.items():
        for name, (kind, retryable, status, body) in rows.items():
            fault = faults.fault_of_response(status, {}, json.dumps(body).encode(), provider=provider)
            if (fault.kind, fault.retryable) != (kind, retryable):
                yield f"{provider}, {name}"
    for kind, retryable, charged, error in (*FOREIGNERS, *OURS):
        fault = faults.fault_of(error)
        if (fault.kind, fault.retryable, fault.charged) != (kind, retryable, charged):
            yield repr(error)
    if faults.fault_of(NoneAnswered("x", [QueueFull("x"), AUTH])).kind != "auth_error":
        yield "a group"
    connecting = httpx.ConnectError("x")
    connecting.__context__ = httpx.ConnectTimeout("of another attempt")
    if faults.fault_of(connecting).kind != "network_refused":
        yield "a context"
    if faults.fault_of(caused(httpx.ConnectError("x"), TimeoutError())).kind != "network_timeout":
        yield "a cause"


def with_rules(change: Callable[[Rule], Rule]) -> Callable[[str], object]:
    def mutant(provider: str) -> object:
        table = table_of(provider)
        return attrs.evolve(table, rules=tuple(change(rule) for rule in table.rules))

    return mutant


def handled(error: BaseException) -> Iterator[BaseException]:
    context = error.__context__
    if context is not None:
        yield context


MUTANTS: dict[str, tuple[object, str, object]] = {
    "all providers speak alike": (answer_fault, "table_of", lambda _provider: ANYBODY),
    "no rule is asked for its words": (
        answer_fault,
        "table_of",
        with_rules(lambda rule: attrs.evolve(rule, words=None)),
    ),
    "no rule is asked for its codes": (
        answer_fault,
        "table_of",
        with_rules(lambda rule: attrs.evolve(rule, codes=frozenset())),
    ),
    "no rule is asked for its status": (
        answer_fault,
        "table_of",
        with_rules(lambda rule: attrs.evolve(rule, statuses=frozenset())),
    ),
    "no rule knows better than its row": (
        answer_fault,
        "table_of",
        with_rules(lambda rule: attrs.evolve(rule, retryable=None)),
    ),
    "every 429 is about the rate": (
        answer_fault,
        "classify_429",
        lambda status, _headers, _body, **_who: "rate" if status == 429 else None,
    ),
    "waiting helps against anything": (answer_fault, "may_pass", lambda _limit, _wait: True),
    "a status says nothing": (answer_fault, "kind_of_status", lambda _status: "unknown"),
    "a group is its first end": (
        faults,
        "leaves",
        lambda error, is_whole: [next(leaves(error, is_whole))],
    ),
    "the least urgent tells the most": (
        faults,
        "_RANK",
        {each: -rank for each, rank in faults._RANK.items()},
    ),
    "ours are strangers": (faults, "own_row", lambda _error: None),
    "others are strangers": (faults, "foreign_row", lambda _error: None),
    "no transport has a kind": (faults, "_transport_row", lambda _error, row: row),
    "a connection has no causes": (foreign_errors, "causes", lambda _error: ()),
    "what was handled is a cause": (foreign_errors, "causes", handled),
    "every number of the system is a bug": (foreign_errors, "ERRNOS", {}),
    "a locked database is a broken one": (foreign_errors, "_is_busy", lambda _error: False),
    "a library's error is not what it wraps": (foreign_errors, "_wrapped_row", lambda _error: None),
    "a broken database is a locked one": (foreign_errors, "_is_busy", lambda _error: True),
    "everything was charged": (
        faults,
        "foreign_row",
        lambda error: attrs.evolve(foreign_errors.foreign_row(error) or ErrorRow("unknown"), charged=True),
    ),
}


def test_nothing_is_told_otherwise_than_the_tables_say() -> None:
    assert list(wrong()) == []
    assert stated_cause(AUTH) is None


@pytest.mark.parametrize(("module", "name", "mutant"), MUTANTS.values(), ids=MUTANTS)
def test_a_planted_bug_is_caught(
    module: object, name: str, mutant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, mutant)
    assert list(wrong())
