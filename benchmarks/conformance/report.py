"""All tables, row by row: what failed, what there is per topic, and the sum as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping

import attrs

from conformance.rows import Row, Table, TableError, tables
from conformance.topics import TOPICS, Check


@attrs.frozen
class Verdict:
    """What became of one row.

    Args:
        row: the row.
        complaints: in what ways the code does not do what the row says; empty where it does.
    """

    row: Row
    complaints: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """Whether the code does what the row says."""
        return not self.complaints


def judge(row: Row, topics: Mapping[str, Check] = TOPICS) -> Verdict:
    """Hold the code against one row; an exception, of the code or of the row, is a complaint like any other.

    Args:
        row: the row.
        topics: the runner of each topic.
    """
    check = topics.get(row.topic)
    if check is None:
        return Verdict(row, (f"no runner for {row.topic}",))
    try:
        return Verdict(row, tuple(check(row)))
    except Exception as error:  # noqa: BLE001  # the row failed, whatever the code under it raised
        return Verdict(row, (f"{type(error).__name__}: {error}",))


def lines(found: tuple[Table, ...], judge_row: Callable[[Row], Verdict] = judge) -> Iterator[str]:
    """Yield what `make conformance` prints: each failed row, each topic's sum, and last the sum of all as JSON.

    Args:
        found: the tables.
        judge_row: what judges a row.
    """
    rows = passed = 0
    for table in found:
        verdicts = [judge_row(row) for row in table.rows]
        for verdict in verdicts:
            if not verdict.has_passed:
                yield f"failed  {table.topic}, {verdict.row.id}: {'; '.join(verdict.complaints)}"
        good = sum(verdict.has_passed for verdict in verdicts)
        yield f"{table.topic:<16}{good:>4} of {len(verdicts)}"
        rows, passed = rows + len(verdicts), passed + good
    yield json.dumps({"rows": rows, "passed": passed, "failed": rows - passed})


def main(topics: list[str]) -> int:
    """Print the report; return 0 where every row passed, 1 where one failed, and 2 where a table cannot be read.

    Args:
        topics: the topics wanted; all of them where none is named.
    """
    try:
        found = tables()
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    strange = set(topics) - {table.topic for table in found}
    if strange:
        print(f"no topic is {', '.join(sorted(strange))}; there are {', '.join(TOPICS)}", file=sys.stderr)
        return 2
    last = ""
    for last in lines(tuple(table for table in found if not topics or table.topic in topics)):
        print(last, flush=True)
    return 1 if json.loads(last)["failed"] else 0
