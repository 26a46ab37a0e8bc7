"""The coverage report a person reads, from an analysis: verdicts first, then why, then how it came about.

Every text of the script or of a model passes `plain` and stands in a `Text`, so that it is neither markup nor
an escape sequence. Nothing here knows the width of the terminal: tables fold, and lines wrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from actors.coverage.record import Coverage, Evidence, Verdict
from supervisors.cli.plain_text import plain
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderFailure, ReaderReport
from supervisors.runtime.analysis_totals import Status, Totals, overall_mark, status_of

NOTHING = "-"

_VERDICT_STYLE: dict[Verdict, str] = {
    "recommend": "bold green",
    "consider": "bold yellow",
    "pass": "bold red",
}
_STATUS: dict[Status, tuple[str, str]] = {
    "complete": ("complete", "green"),
    "partial": ("partial", "yellow"),
    "failed": ("no result", "red"),
}


def render_report(analysis: Analysis) -> RenderableType:
    """Return the whole report as something rich prints."""
    return Group(*_sections(analysis))


def _sections(analysis: Analysis) -> Iterator[RenderableType]:
    yield Text()
    yield _heading(analysis)
    if analysis.results or analysis.errors:
        yield _verdicts(analysis)
    for reader, coverage in analysis.results.items():
        yield _reading(reader, coverage)
    if analysis.errors:
        yield _failures(analysis)
    yield _incidents(analysis.incidents)
    yield _work(analysis)


def _heading(analysis: Analysis) -> RenderableType:
    words, style = _STATUS[status_of(analysis)]
    facts = Text.assemble(
        f"{_count(analysis.scenes, 'scene')}, {_count(analysis.words, 'word')}, ",
        f"{_count(len(analysis.results) + len(analysis.errors), 'reader')}, {_span(analysis.seconds)}: ",
        (words, style),
    )
    return Group(Text(plain(analysis.title) or "(no title)", style="bold"), facts, Text())


def _verdicts(analysis: Analysis) -> RenderableType:
    table = _table("!reader", "!verdict", ">premise", ">structure", ">character", ">dialogue", ">overall")
    for reader, coverage in analysis.results.items():
        scores = coverage.scores
        table.add_row(
            _name(reader),
            Text(coverage.verdict, style=_VERDICT_STYLE[coverage.verdict]),
            *(str(mark) for mark in (scores.premise, scores.structure, scores.character, scores.dialogue)),
            Text(f"{overall_mark(reader, scores):.1f}", style="bold"),
        )
    for reader in analysis.errors:
        table.add_row(_name(reader), Text("no result", style="red"), *[Text(NOTHING, style="dim")] * 5)
    return Group(table, Text())


def _reading(reader: str, coverage: Coverage) -> RenderableType:
    return Group(
        _rule(reader),
        Text(plain(coverage.logline), style="italic"),
        _list("strengths", "+", "green", coverage.strengths),
        _list("concerns", "-", "yellow", coverage.concerns),
        _evidence(coverage.evidence),
        Text(),
    )


def _list(title: str, sign: str, style: str, items: Iterable[str]) -> RenderableType:
    rows = [(Text(sign, style=style), Text(plain(item))) for item in items]
    return _titled(title, rows)


def _evidence(evidence: Iterable[Evidence]) -> RenderableType:
    return _titled(
        "evidence",
        [(Text(f"scene {one.scene}", style="cyan"), Text(plain(one.note))) for one in evidence],
    )


def _failures(analysis: Analysis) -> RenderableType:
    rows = [(_name(reader), _reason(failure)) for reader, failure in analysis.errors.items()]
    return Group(_rule("readers without a result"), _rows(rows), Text())


def _reason(failure: ReaderFailure) -> Text:
    return Text.assemble((f"{plain(failure.kind)}: ", "red"), plain(failure.text))


def _incidents(incidents: tuple[Incident, ...]) -> RenderableType:
    title = _rule("what happened and how it was survived")
    if not incidents:
        return Group(title, Text("No fault was met on the way."), Text())
    table = _table(">!at", "!reader", "what happened", "survived by")
    for incident in incidents:
        survived = plain(incident.survived_by)
        table.add_row(
            f"{incident.at:.1f} s",
            _name(incident.reader),
            Text(plain(incident.what)),
            Text(survived) if survived else Text("not survived", style="red"),
        )
    return Group(title, table, Text())


def _work(analysis: Analysis) -> RenderableType:
    totals = Totals.of(analysis)
    table = _table("!reader", "model", ">calls", ">restarts", ">tokens in", ">tokens out", ">took")
    for reader, report in analysis.readers.items():
        table.add_row(_name(reader), _model(report), *_numbers(report), _span(report.seconds))
    table.add_section()
    table.add_row(
        Text("all", style="bold"), _models(totals), *_numbers(totals), _span(analysis.seconds), style="bold"
    )
    fallback = f"Fell back to another model: {', '.join(plain(reader) for reader in totals.fell_back)}."
    return Group(
        _rule("what it took"),
        table,
        Text(fallback if totals.fell_back else "No reader fell back to another model."),
    )


def _model(report: ReaderReport) -> Text:
    if report.model_used is None:
        return Text(NOTHING, style="dim")
    return Text(plain(report.model_used), style="yellow" if report.fell_back else "")


def _models(totals: Totals) -> Text:
    return Text(_count(len(totals.models), "model") if totals.models else "none answered")


def _numbers(work: ReaderReport | Totals) -> tuple[str, str, str, str]:
    return (f"{work.attempts:,}", f"{work.restarts:,}", f"{work.input_tokens:,}", f"{work.output_tokens:,}")


def _table(*titles: str) -> Table:
    """Return a table with a column for each title: `>` before it aligns to the right, `!` forbids to wrap."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    for title in titles:
        table.add_column(
            title.lstrip(">!"),
            justify="right" if title.startswith(">") else "left",
            no_wrap="!" in title,
            overflow="fold",
        )
    return table


def _rows(rows: Iterable[tuple[Text, Text]]) -> RenderableType:
    """Return short texts on the left and long ones beside them, each wrapped within its own column."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for left, right in rows:
        grid.add_row(left, right)
    return Padding(grid, (0, 0, 0, 2))


def _titled(title: str, rows: list[tuple[Text, Text]]) -> RenderableType:
    return Group(
        Text(), Text(title, style="bold"), _rows(rows or [(Text(NOTHING, style="dim"), Text("none"))])
    )


def _rule(title: str) -> RenderableType:
    return Rule(Text(plain(title), style="bold"), align="left", style="dim")


def _name(reader: str) -> Text:
    return Text(plain(reader), style="bold")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _span(seconds: float) -> str:
    """Return a length of time for people: "4.2 s" below two minutes, "12 min 5 s" above."""
    if seconds < 120:  # noqa: PLR2004  # named in the docstring
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
