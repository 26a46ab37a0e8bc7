"""The report as a person sees it, at the widths terminals have."""

from __future__ import annotations

import io
import unicodedata

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from actors.coverage.record import Coverage, Evidence, Scores
from supervisors.cli.plain_text import plain
from supervisors.cli.report import render_report
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderFailure, ReaderReport

COVERAGE = Coverage(
    logline="A pilgrim climbs Mount Guru.",
    strengths=("the signs pay off", "a clear premise"),
    concerns=("the middle repeats itself",),
    scores=Scores(premise=7, structure=5, character=6, dialogue=8),
    verdict="recommend",
    evidence=(Evidence(1, "the sign"), Evidence(112, "the chasm")),
)
MIXED = Analysis(
    title="Ascent to Guru Peak",
    scenes=34,
    words=4321,
    results={"maya": COVERAGE, "zoe": attrs.evolve(COVERAGE, verdict="pass")},
    errors={"devon": ReaderFailure("RestartsExhausted", "crashed 4 times within 30 s")},
    readers={
        "maya": ReaderReport(4, "claude-sonnet-4-5", False, 3, 0, 34_012, 1_802, 0.0, 41.2),
        "zoe": ReaderReport(7, "claude-haiku-4-5", True, 3, 1, 36_120, 2_110, 0.0, 188.5),
        "devon": ReaderReport(9, None, False, 1, 3, 0, 0, 12.0, 60.0),
    },
    incidents=(
        Incident(1.23, "zoe", "overloaded (529)", "retried after 1.2 s"),
        Incident(43.7, "devon", "actor crashed"),
    ),
    seconds=188.9,
)


def lines_of(analysis: Analysis, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """Print the report as to a pipe and return its lines without trailing space."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, no_color=True).print(render_report(analysis))
    file.seek(0)
    return [line.rstrip() for line in file.read().split("\n")]


def test_it_opens_with_the_title_and_the_facts() -> None:
    assert lines_of(MIXED)[1:3] == [
        "Ascent to Guru Peak",
        "34 scenes, 4,321 words, 3 readers, 3 min 9 s: partial",
    ]


def test_one_of_something_is_no_plural() -> None:
    lonely = Analysis("A", 1, 1, {"maya": COVERAGE}, {}, {}, seconds=2.04)

    assert lines_of(lonely)[2] == "1 scene, 1 word, 1 reader, 2.0 s: complete"


def test_the_verdict_table_holds_every_reader() -> None:
    assert lines_of(MIXED)[4:9] == [
        "reader  verdict    premise  structure  character  dialogue  overall",
        "───────────────────────────────────────────────────────────────────",
        "maya    recommend        7          5          6         8      6.1",
        "zoe     pass             7          5          6         8      6.5",
        "devon   no result        -          -          -         -        -",
    ]


def test_each_reading_tells_its_logline_strengths_concerns_and_scenes() -> None:
    lines = lines_of(MIXED)
    at = next(index for index, line in enumerate(lines) if line.startswith("maya ──"))

    assert lines[at + 1 : at + 14] == [
        "A pilgrim climbs Mount Guru.",
        "",
        "strengths",
        "  + the signs pay off",
        "  + a clear premise",
        "",
        "concerns",
        "  - the middle repeats itself",
        "",
        "evidence",
        "  scene 1   the sign",
        "  scene 112 the chasm",
        "",
    ]


def test_a_reading_without_points_says_so() -> None:
    bare = attrs.evolve(COVERAGE, strengths=(), concerns=(), evidence=())

    assert lines_of(attrs.evolve(MIXED, results={"maya": bare})).count("  - none") == 3


def test_a_failed_reader_is_told_with_its_reason() -> None:
    assert "  devon RestartsExhausted: crashed 4 times within 30 s" in lines_of(MIXED)


def test_incidents_tell_what_happened_and_how_it_was_survived() -> None:
    lines = lines_of(MIXED)

    assert "    at  reader  what happened     survived by" in lines
    assert " 1.2 s  zoe     overloaded (529)  retried after 1.2 s" in lines
    assert "43.7 s  devon   actor crashed     not survived" in lines


def test_an_evening_without_incidents_says_so() -> None:
    assert "No fault was met on the way." in lines_of(attrs.evolve(MIXED, incidents=()))


def test_the_work_of_all_readers_is_added_up() -> None:
    assert lines_of(MIXED)[-9:-1] == [
        "reader  model              calls  restarts  tokens in  tokens out       took",
        "────────────────────────────────────────────────────────────────────────────",
        "maya    claude-sonnet-4-5      4         0     34,012       1,802     41.2 s",
        "zoe     claude-haiku-4-5       7         1     36,120       2,110  3 min 8 s",
        "devon   -                      9         3          0           0     60.0 s",
        "",
        "all     2 models              20         4     70,132       3,912  3 min 9 s",
        "Fell back to another model: zoe.",
    ]


def test_all_readers_failed_is_a_report_too() -> None:
    failed = attrs.evolve(
        MIXED,
        title="",
        results={},
        errors={name: ReaderFailure("CallFailed", "every model failed") for name in ("maya", "zoe")},
        readers={"maya": ReaderReport(5), "zoe": ReaderReport(5)},
        incidents=(),
    )
    lines = lines_of(failed)

    assert lines[1] == "(no title)"
    assert lines[2].endswith(": no result")
    assert "  zoe  CallFailed: every model failed" in lines
    assert lines[-3].startswith("all     none answered")
    assert lines[-2] == "No reader fell back to another model."


def test_no_reader_at_all_is_a_report_too() -> None:
    lines = lines_of(Analysis("A", 0, 0, {}, {}, {}))

    assert lines[2] == "0 scenes, 0 words, 0 readers, 0.0 s: no result"
    assert not any("verdict" in line for line in lines)


LONG = attrs.evolve(
    MIXED,
    title="A title that goes on " * 12,
    results={
        "maya": attrs.evolve(
            COVERAGE,
            logline="a logline that goes on " * 30,
            strengths=("x" * 300, "words " * 80),
            evidence=(Evidence(112, "note " * 60),),
        )
    },
    errors={"devon": ReaderFailure("CallFailed", "reason " * 60)},
    incidents=(Incident(1234.5, "maya", "what " * 40, "survived " * 40),),
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_texts_wrap_within_the_width_and_lose_nothing(width: int) -> None:
    lines = lines_of(LONG, width=width)
    text = " ".join(" ".join(lines).split())

    assert max(len(line) for line in lines) <= width
    assert text.count("x" * 40) + sum(line.count("x") for line in lines) >= 300
    assert text.count("reason") == 60
    assert text.count("goes on") == 12 + 30


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert "\n".join(lines_of(MIXED, encoding="ascii")).isascii()


EVIL = "[red]m[/red] \x1b[31mred\x1b[0m \x1b]0;title\x07 a\rb\nc \x9bK \u202eback \udc80 :smile: [link=x]"


def test_foreign_text_is_neither_markup_nor_an_escape_sequence() -> None:
    evil = Coverage(EVIL, (EVIL,), (EVIL,), COVERAGE.scores, "pass", (Evidence(1, EVIL),))
    analysis = Analysis(
        EVIL,
        1,
        1,
        {f"maya{EVIL}": evil},
        {"x": ReaderFailure(EVIL, EVIL)},
        {EVIL: ReaderReport(1, EVIL, True)},
        (Incident(0.0, EVIL, EVIL, EVIL),),
    )

    text = "\n".join(lines_of(analysis, width=200))

    assert text.count("[red]m[/red] red a b c K back :smile: [link=x]") == 15
    assert not any(mark in text for mark in "\x1b\x07\r\x9b\u202e\udc80")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[1;31mb\x1b[0mc", "abc"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x07b", "alinkb"),
        ("a\x1b(Bb\x1bMc", "abc"),
        ("a\x1b", "a"),
        ("tab\tand\nline\u2028end ", "tab and line end"),
        ("zero\u200bwidth \u202eback\u2069", "zerowidth back"),
        ("👩\u200d💻 \u06cc\u200c\u062e", "👩\u200d💻 \u06cc\u200c\u062e"),
        ("", ""),
    ],
)
def test_plain_text_is_one_harmless_line(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_plain_text_never_holds_a_control_character(text: str) -> None:
    assert {unicodedata.category(character) for character in plain(text)}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert plain(plain(text)) == plain(text)
