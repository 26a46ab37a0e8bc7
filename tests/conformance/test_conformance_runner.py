"""The runner of the tables refuses what is no table, tells a wrong row, and sees bugs in the code."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from conformance import report
from conformance.comparing import differences, is_same, out_of_bounds
from conformance.report import judge, lines, main
from conformance.rows import TABLES, Row, Table, TableError, tables
from conformance.topics import TOPICS
from conformance.topics import breaker as breaker_topic
from conformance.topics import outcomes as outcomes_topic
from unmeasured import unmeasured

from actors.faults import FAULT_ROWS, fault
from actors.policies.breaker import adaptive_threshold, outcome_window, outcomes
from actors.policies.breaker.breaker import Breaker
from actors.policies.breaker.open_time import OpenTime
from actors.policies.breaker.records import BreakerChange, Outcome, Refused, Ticket
from actors.policies.retry import retry
from actors.policies.retry import strategies as retry_strategies
from actors.policies.retry.budget import RetryBudget
from actors.wire import answer_fault, faults, foreign_errors, retry_after, stated_wait
from actors.wire.error_row import ErrorRow
from actors.wire.fault_rules.statuses import ANYBODY
from actors.wire.foreign_errors import FOREIGN

ROOT = Path(__file__).parents[2]
ALL = {table.topic: table for table in tables()}
GOOD = """
about = "a table"

[[row]]
id = "a row"
given = { part = 3, whole = 3 }
when = "share"
then = { surely = 0.4385 }
source = "Wilson 1927: 3 of 3"
"""


def folder(tmp_path: Path, table: str = GOOD) -> Path:
    (tmp_path / "sources.toml").write_text('"Wilson 1927" = "a journal"\n', "utf-8")
    (tmp_path / "samples.toml").write_text(table, "utf-8")
    return tmp_path


def a_row(topic: str, **changed: Any) -> Row:
    return attrs.evolve(ALL[topic].rows[0], **changed)


class TestTables:
    def test_a_table_is_read(self, tmp_path: Path) -> None:
        (table,) = tables(folder(tmp_path))
        (row,) = table.rows
        assert (table.topic, table.about) == ("samples", "a table")
        assert (row.verb, row.document, row.then) == ("share", "Wilson 1927", {"surely": 0.4385})
        assert judge(row).has_passed

    @pytest.mark.parametrize(
        ("was", "becomes", "complaint"),
        [
            ("source = ", "sauce = ", "a row has given, id, source, then, when, got"),
            ('source = "Wilson 1927: 3 of 3"', "", "a row has given, id, source, then, when, got"),
            ("Wilson 1927: 3 of 3", "Wilson 1927", "source must be a document of sources.toml and a place"),
            ("Wilson 1927: 3 of 3", "somebody: 3", "source must be a document of sources.toml and a place"),
            ("{ surely = 0.4385 }", "{}", "then must say something"),
            ('about = "a table"', "", "a table says what it is about and has rows"),
            (GOOD.split("[[row]]")[1], "", "a row has given, id, source, then, when, got"),
            ("[[row]]" + GOOD.split("[[row]]")[1], "", "a table says what it is about and has rows"),
        ],
    )
    def test_what_is_no_table_is_refused(
        self, tmp_path: Path, was: str, becomes: str, complaint: str
    ) -> None:
        with pytest.raises(TableError, match=complaint):
            tables(folder(tmp_path, GOOD.replace(was, becomes)))

    def test_an_id_stands_for_one_row(self, tmp_path: Path) -> None:
        twice = GOOD + "[[row]]" + GOOD.split("[[row]]")[1]
        with pytest.raises(TableError, match="1 ids stand for two rows, such as 'a row'"):
            tables(folder(tmp_path, twice))

    def test_a_verb_is_no_list_and_steps_are_no_verb(self) -> None:
        with pytest.raises(TableError, match="when must be one verb"):
            _ = a_row("waits", when=("headers",)).verb
        with pytest.raises(TableError, match="when must be a list of steps"):
            _ = a_row("budget", when="withdraw 5").steps


class TestComparing:
    @pytest.mark.parametrize(
        ("said", "found", "same"),
        [
            ("none", None, True),
            ("none", "none", True),
            ("none", 0.0, False),
            (0.3, 0.1 + 0.2, True),
            (0.3, 0.30001, False),
            (math.inf, math.inf, True),
            (1, True, False),
            (True, True, True),
            (False, None, False),
            (["a", 1], ("a", 1.0), True),
            (["a"], ["a", "b"], False),
            ("a", "b", False),
        ],
    )
    def test_what_is_the_same(self, said: object, found: object, same: bool) -> None:
        assert is_same(said, found) is same

    def test_a_difference_names_both(self) -> None:
        assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b is 3, not 2"]

    def test_a_row_cannot_speak_of_what_nobody_tells(self) -> None:
        with pytest.raises(TableError, match="then may speak of a, got b"):
            differences({"b": 1}, {"a": 1})

    @pytest.mark.parametrize(
        ("throws", "complaints"),
        [
            ([1.0, 2.0], []),
            ([1.02, 1.98], []),
            ([0.99, 2.0], ["0.99 is less than 1.0"]),
            ([1.0, 2.01], ["2.01 is more than 2.0"]),
            ([1.03, 2.0], ["the least of 2 is 1.03, far from 1.0"]),
            ([1.0, 1.9], ["the most of 2 is 1.9, far from 2.0"]),
        ],
    )
    def test_throws_lie_between_their_bounds_and_come_near_to_both(
        self, throws: list[float], complaints: list[str]
    ) -> None:
        assert out_of_bounds(1.0, 2.0, throws) == complaints


class TestJudging:
    @pytest.mark.parametrize("topic", sorted(TOPICS))
    def test_an_unknown_verb_is_refused(self, topic: str) -> None:
        for first in {isinstance(row.when, str): row for row in ALL[topic].rows}.values():
            when = "levitate" if isinstance(first.when, str) else ("0 levitate",)
            (complaint,) = judge(attrs.evolve(first, when=when)).complaints
            assert complaint.startswith("TableError: ")
            assert "levitate" in complaint

    @pytest.mark.parametrize("topic", sorted(TOPICS))
    def test_a_row_that_gives_what_nobody_knows_fails(self, topic: str) -> None:
        given = {**ALL[topic].rows[0].given, "moon": "full"}
        (complaint,) = judge(a_row(topic, given=given)).complaints
        assert complaint.startswith("TableError: given may have ")

    @pytest.mark.parametrize("topic", sorted(TOPICS))
    def test_a_row_that_expects_what_nobody_tells_fails(self, topic: str) -> None:
        (complaint,) = judge(a_row(topic, then={"moon": "full"})).complaints
        assert complaint.startswith("TableError: then m")

    @pytest.mark.parametrize("topic", sorted(TOPICS))
    @unmeasured
    def test_a_wrong_row_fails(self, topic: str) -> None:
        for row in ALL[topic].rows[:20]:
            for name in row.then:
                wrong = attrs.evolve(row, then={**row.then, name: -7.5})
                assert not judge(wrong).has_passed, (row.id, name)

    @pytest.mark.parametrize(
        ("topic", "changed", "complaint"),
        [
            ("nowhere", {}, "no runner for nowhere"),
            ("breaker", {"when": ("0 fail a",)}, "TableError: 'a' has no ticket"),
            ("breaker", {"when": ("soon admit a",)}, "ValueError: could not convert"),
            ("exceptions", {"given": {"error": "httpx.Nonsense"}}, "TableError: there is no exception"),
            ("exceptions", {"given": {"error": "nowhere.Nonsense"}}, "TableError: there is no exception"),
            (
                "exceptions",
                {"given": {"error": "httpx.Client"}},
                "TableError: 'httpx.Client' is no exception",
            ),
            ("jitter", {"given": {"fault": {"kind": "internal"}}}, "TableError: there is a wait only before"),
            ("jitter", {"given": {"fault": {"kind": "nonsense"}}}, "ValueError: kind must be one of"),
        ],
    )
    def test_what_cannot_be_played_fails(self, topic: str, changed: dict[str, Any], complaint: str) -> None:
        row = (
            attrs.evolve(ALL["breaker"].rows[0], topic=topic)
            if topic == "nowhere"
            else a_row(topic, **changed)
        )
        assert judge(row).complaints[0].startswith(complaint)

    def test_a_decision_that_hangs_on_the_dice_fails(self) -> None:
        row = a_row(
            "decisions",
            given={"fault": {"kind": "server_error"}, "deadline": 0.5},
            then={"decision": "retry"},
        )
        assert judge(row).complaints[0].startswith("it depends on the dice: ")

    def test_an_instant_that_is_not_named_is_missed(self) -> None:
        given = {"fault": {"kind": "auth_error"}}
        row = a_row("decisions", given=given, then={"decision": "give up", "least": 0.0, "most": 1.0})
        assert judge(row).complaints == ("it names no instant",)


class TestReport:
    def test_it_tells_each_failed_row_each_topic_and_the_sum(self) -> None:
        good = ALL["samples"].rows[0]
        bad = attrs.evolve(good, id="a bad one", then={"surely": 1.0})
        told = list(lines((Table("samples", "x", (good, bad)), Table("waits", "y", ALL["waits"].rows[:3]))))
        assert told == [
            "failed  samples, a bad one: surely is 0.2553, not 1.0",
            "samples            1 of 2",
            "waits              3 of 3",
            '{"rows": 5, "passed": 4, "failed": 1}',
        ]

    @unmeasured
    def test_all_of_it_passes(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 0
        *topics, last = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in topics] == sorted(TOPICS)
        rows = sum(len(table.rows) for table in ALL.values())
        assert json.loads(last) == {"rows": rows, "passed": rows, "failed": 0}

    def test_a_topic_can_be_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["budget"]) == 0
        assert capsys.readouterr().out.splitlines()[0].split() == ["budget", "21", "of", "21"]

    def test_a_failed_row_is_the_exit_code(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outcome_window, "Z", 1.0)
        assert main(["samples"]) == 1
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["failed"] > 0

    def test_a_topic_that_is_none_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["moon"]) == 2
        assert capsys.readouterr().err.startswith("no topic is moon; there are breaker, ")

    def test_a_table_that_cannot_be_read_is_refused(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(report, "tables", lambda: tables(folder(tmp_path, "about = 'x'")))
        assert main([]) == 2
        assert "a table says what it is about" in capsys.readouterr().err

    def test_it_runs_as_make_runs_it(self) -> None:
        told = subprocess.run(
            [sys.executable, "-m", "conformance", "samples"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": "benchmarks"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(told.stdout.splitlines()[-1])["failed"] == 0
        assert "-m conformance $(ARGS)" in (ROOT / "Makefile").read_text("utf-8")
        assert TABLES.is_dir()


# ── bugs ────────────────────────────────────────────────────────────────────────────────────────────────────


class OpensAMomentTooLong(Breaker):
    def _refusal(self, now: float, deadline: float) -> Refused | None:
        return super()._refusal(math.nextafter(now, -math.inf), deadline)


class TakesANeutralProbeForASuccess(Breaker):
    def _settle_probe(
        self, ticket: Ticket, outcome: Outcome, named: float | None, now: float
    ) -> BreakerChange | None:
        return super()._settle_probe(ticket, "success" if outcome == "neutral" else outcome, named, now)


class ForgetsTheNamedInstant(Breaker):
    def _open(self, now: float, reason: str, until: float | None) -> BreakerChange:
        del until
        return super()._open(now, reason, None)


class IsReleasedByAReset(Breaker):
    def reset(self, now: float) -> BreakerChange | None:
        return super().release(now) or super().reset(now)


def never_forgets(self: OpenTime, now: float) -> float:
    del now
    return self._failed


def overflows(self: RetryBudget, parts: int) -> int:
    self._left += parts
    return parts


def with_row(kind: str, **changed: Any) -> MappingProxyType[Any, Any]:
    return MappingProxyType({**FAULT_ROWS, kind: attrs.evolve(FAULT_ROWS[kind], **changed)})  # type: ignore[index]  # a kind


def with_outcome(kind: str, **changed: Any) -> MappingProxyType[Any, Any]:
    rows = outcomes.OUTCOME_ROWS
    return MappingProxyType({**rows, kind: attrs.evolve(rows[kind], **changed)})  # type: ignore[index]  # a kind


def nothing(_error: BaseException) -> Iterator[BaseException]:
    return iter(())


BUGS: dict[str, tuple[str, object, str, object]] = {
    "the breaker's boundary": ("breaker", breaker_topic, "Breaker", OpensAMomentTooLong),
    "a neutral probe": ("breaker", breaker_topic, "Breaker", TakesANeutralProbeForASuccess),
    "a named instant": ("breaker", breaker_topic, "Breaker", ForgetsTheNamedInstant),
    "a sticky isolation": ("breaker", breaker_topic, "Breaker", IsReleasedByAReset),
    "the memory of failed rounds": ("jitter", OpenTime, "failed", never_forgets),
    "a hint that is undercut": ("jitter", retry, "HINT_SPREAD", -0.2),
    "a hint without jitter": ("jitter", retry, "HINT_SPREAD", 0.0),
    "a hint with too much jitter": ("jitter", retry, "HINT_SPREAD", 0.25),
    "narrow jitter that is wider": ("jitter", retry, "NARROW_SPREAD", 0.25),
    "a connect timeout like any other": ("jitter", retry, "CONNECT_FACTOR", 1.0),
    "a load that says nothing": ("jitter", retry, "LOAD_FACTOR", 1.0),
    "a load judged at its bound": ("jitter", retry, "HIGH_LOAD", 0.79),
    "an exponent without a clamp": ("jitter", retry, "LARGEST_EXPONENT", 10**9),
    "a 429 without its factor": ("jitter", fault, "FAULT_ROWS", with_row("rate_limited", backoff=1.0)),
    "a kind's row": ("decisions", fault, "FAULT_ROWS", with_row("overloaded", retryable=False)),
    "a kind's strategy": (
        "decisions",
        retry_strategies,
        "STRATEGY_OF",
        {**retry_strategies.STRATEGY_OF, "database": "transient"},
    ),
    "a kind's row, as responses see it": (
        "responses",
        answer_fault,
        "FAULT_ROWS",
        with_row("conflict", retryable=False),
    ),
    "providers that speak alike": ("responses", answer_fault, "table_of", lambda _provider: ANYBODY),
    "an event by its status": ("events", answer_fault, "_typed", lambda *_: "unknown"),
    "money that comes back": ("precedence", answer_fault, "may_pass", lambda *_: True),
    "a body before the headers": ("precedence", stated_wait, "parse_retry_after", lambda *_, **__: None),
    "a constant that caps waits": ("waits", retry_after, "LONGEST_WAIT", 60.0),
    "waits that are negative": ("waits", retry_after, "_sensible", lambda seconds: seconds),
    "causes that are not asked": ("exceptions", foreign_errors, "causes", nothing),
    "groups that are taken as they are": ("exceptions", faults, "leaves", lambda error, _: iter((error,))),
    "a class that means another thing": (
        "exceptions",
        foreign_errors,
        "FOREIGN",
        {**FOREIGN, "ssl.SSLCertVerificationError": ErrorRow("network_refused")},
    ),
    "a 429 that opens": (
        "outcomes",
        outcomes,
        "OUTCOME_ROWS",
        with_outcome("rate_limited", outcome="failure"),
    ),
    "a 429 that opens until then": (
        "outcomes",
        outcomes,
        "OUTCOME_ROWS",
        with_outcome("rate_limited", names_instant=True),
    ),
    "slow beyond the bound": (
        "outcomes",
        outcomes_topic,
        "outcome_of",
        lambda _, took, slow_after: "slow" if slow_after is not None and took > slow_after else "success",
    ),
    "a threshold that falls too far": ("threshold", adaptive_threshold, "LEAST", 1),
    "a threshold that rises too far": ("threshold", adaptive_threshold, "MOST", 11),
    "a threshold that falls at its bound": ("threshold", adaptive_threshold, "POOR", 0.71),
    "a threshold that rises at its bound": ("threshold", adaptive_threshold, "GOOD", 0.949),
    "proof that is none": ("samples", outcome_window, "Z", 1.0),
    "a budget that overflows": ("budget", RetryBudget, "_put_in", overflows),
}


@pytest.mark.parametrize("name", BUGS)
@unmeasured
def test_a_bug_makes_rows_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, place, attribute, replacement = BUGS[name]
    monkeypatch.setattr(place, attribute, replacement)
    assert any(not judge(row).has_passed for row in ALL[topic].rows)


def test_every_topic_has_a_bug_that_it_catches() -> None:
    assert {topic for topic, *_ in BUGS.values()} == set(TOPICS)


def test_a_runner_of_ones_own_can_be_given() -> None:
    check: Callable[[Row], list[str]] = lambda row: [row.id]  # noqa: E731  # a runner in a line
    assert judge(a_row("waits"), {"waits": check}).complaints == (ALL["waits"].rows[0].id,)
