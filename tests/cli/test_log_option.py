"""`understudy analyze --log`: where the lines go, what is refused before anything is spent, and a disk that is full."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import attrs
import click
import pytest
import trio
from structlog.typing import FilteringBoundLogger

from actors.coverage.screenplay import Screenplay
from actors.errors import InputError
from actors.kernel import DeadLetter, Fate, current_books
from actors.progress import Observer, Progress
from supervisors.cli.log import open_log
from supervisors.cli.main import main
from supervisors.runtime.analysis_result import Analysis, ReaderFailure, ReaderReport
from supervisors.runtime.settings import Settings

KEY = "sk-ant-api03-PLANTED"
WORDS = "YORBLEF-PLANTED-words"
SCRIPT = f"Title: {WORDS}\n\nINT. HUT - DAY\n\nA sign says {WORDS}.\n"


@attrs.define(eq=False)
class Talkative:
    """Stands for the runtime: logs what it should and what it should not, loses a message, and comes home."""

    raises: BaseException | None = None
    runs: int = 0

    async def __call__(
        self,
        screenplay: Screenplay,
        settings: Settings,
        *,
        observer: Observer,
        trouble: bool = False,  # noqa: ARG002  # as the command calls it
        seed: int = 0,  # noqa: ARG002  # as the command calls it
        log: FilteringBoundLogger | None = None,
    ) -> Analysis:
        assert log is not None
        self.runs += 1
        observer(Progress("maya", "calling", at=trio.current_time()))
        await trio.lowlevel.checkpoint()
        log.debug("call.debugged")
        log.info("call.answered", prompt=screenplay.title, note=f"with {settings.provider.api_key}")
        try:
            raise RuntimeError(screenplay.title)  # noqa: TRY301  # a caught error is logged
        except RuntimeError:
            log.exception("child.crashed")
        current_books().record(DeadLetter(screenplay.title, "maya", Fate.DROPPED, "mailbox is full"))
        if self.raises is not None:
            raise self.raises
        failure = ReaderFailure("overloaded (529)", "no")
        return Analysis("T", 1, 1, {}, {"maya": failure}, {"maya": ReaderReport()})


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "UNDERSTUDY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "sign.fountain"
    path.write_text(SCRIPT)
    return str(path)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_log_holds_one_line_of_json_for_each_event_and_nothing_that_was_said(
    script: str, tmp_path: Path
) -> None:
    log = tmp_path / "new" / "run.jsonl"
    before = datetime.now(UTC)

    assert main(["analyze", script, "--log", str(log)], run_analysis=Talkative()) == 1

    told = events(log.read_text())
    assert [(event["level"], event["event"]) for event in told] == [
        ("info", "call.answered"),
        ("error", "child.crashed"),
        ("warning", "message.dead_lettered"),
    ]
    assert before.replace(microsecond=0) <= datetime.fromisoformat(told[0]["timestamp"]) <= datetime.now(UTC)
    assert "PLANTED" not in log.read_text()


def test_debugging_logs_more_and_still_no_key(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "run.jsonl"
    monkeypatch.setenv("UNDERSTUDY_DEBUG", "1")

    main(["analyze", script, "--log", str(log)], run_analysis=Talkative())

    told = events(log.read_text())
    assert told[0]["event"] == "call.debugged"
    assert "why" in told[2]
    assert KEY not in log.read_text()


def test_a_log_that_exists_is_continued(script: str, tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    for _ in range(2):
        main(["analyze", script, "--log", str(log)], run_analysis=Talkative())

    assert len(events(log.read_text())) == 6


def test_without_the_option_nothing_is_logged(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["analyze", script, "--quiet"], run_analysis=Talkative())

    assert capsys.readouterr().err == ""
    assert [path.name for path in tmp_path.iterdir()] == ["sign.fountain"]


def test_a_dash_logs_to_standard_error(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", script, "--quiet", "--log", "-"], run_analysis=Talkative()) == 1

    printed = capsys.readouterr()
    assert len(events(printed.err)) == 3
    assert "PLANTED" not in printed.err
    assert "call.answered" not in printed.out


def test_progress_and_log_share_standard_error_where_it_is_no_terminal(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["analyze", script, "--log", "-"], run_analysis=Talkative())

    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "    0.0 s  maya        calling"
    assert len(events("\n".join(rest))) == 3


def test_a_dash_is_refused_beside_the_live_board(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    fake = Talkative()

    assert main(["analyze", script, "--log", "-"], run_analysis=fake) == 2
    assert capsys.readouterr().err == (
        "understudy: --log - would tear the live board on this terminal; name a file or add --quiet; "
        "'understudy analyze --help' tells more\n"
    )
    assert fake.runs == 0
    assert main(["analyze", script, "--log", "-", "--quiet"], run_analysis=fake) == 1


def test_a_terminal_by_its_name_is_refused_beside_the_live_board_too(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    terminal = Path(os.ttyname(follower))
    try:
        with (
            pytest.raises(click.UsageError, match=r"^--log /dev/\S+ would tear the live board"),
            open_log(terminal, is_board_shown=True),
        ):
            pass
        with open_log(tmp_path / "run.jsonl", is_board_shown=True) as log:
            log.info("a.b")
        with open_log(terminal, is_board_shown=False) as log:
            log.info("a.b")
        assert b'"event": "a.b"' in os.read(leader, 1000)
    finally:
        os.close(leader)
        os.close(follower)


def test_a_log_that_cannot_be_written_is_one_line_and_ends_with_2_before_anything_is_spent(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Talkative()

    for log, reason in (
        (str(tmp_path), "is a directory"),
        (f"{script}/run.jsonl", "file exists"),
        ("a\0b", "embedded null byte"),
    ):
        assert main(["analyze", script, "--log", log], run_analysis=fake) == 2
        shown = log.replace("\0", "")
        assert capsys.readouterr() == ("", f"understudy: --log {shown} cannot be written: {reason}\n")
    assert fake.runs == 0


def test_a_log_without_write_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:  # whoever runs as root may write everywhere
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    with (
        pytest.raises(InputError, match="permission denied"),
        open_log(tmp_path / "run.jsonl", is_board_shown=False),
    ):
        pass


@pytest.mark.parametrize("other", ["script", "settings", "out", "new out"])
def test_a_file_that_serves_something_else_is_no_log(
    script: str, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, out = tmp_path / "s.toml", tmp_path / "out.json"
    settings.write_text("")
    if other == "out":
        out.write_text("old")
    log = {"script": Path(script), "settings": settings}.get(other, out)
    link = tmp_path / "link"
    link.symlink_to(log)
    fake = Talkative()

    for name in (log, link):
        options = ["--settings", str(settings), "--out", str(out), "--log", str(name)]
        assert main(["analyze", script, *options], run_analysis=fake) == 2
        assert f"--log {name} must be a file of its own" in capsys.readouterr().err
    assert fake.runs == 0
    assert Path(script).read_text() == SCRIPT


def test_a_device_may_serve_twice(script: str) -> None:
    assert (
        main(["analyze", script, "--out", "/dev/null", "--log", "/dev/null"], run_analysis=Talkative()) == 1
    )


def test_a_full_disk_ends_the_log_is_said_once_and_breaks_nothing(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", script, "--quiet", "--log", "/dev/full"], run_analysis=Talkative()) == 1

    printed = capsys.readouterr()
    assert printed.err == (
        "understudy: cannot write the log to /dev/full: no space left on device; it ends here\n"
    )
    assert "overloaded (529)" in printed.out


def test_a_log_is_closed_when_the_analysis_fails(script: str, tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"

    assert main(["analyze", script, "--log", str(log)], run_analysis=Talkative(OSError(5, "I/O error"))) == 1

    assert len(events(log.read_text())) == 3


PROGRAM = """
import sys
from supervisors.cli.main import main
from supervisors.runtime.analysis_result import Analysis, ReaderFailure, ReaderReport

async def run(screenplay, settings, *, observer, trouble=False, seed=0, log=None):
    log.info("a.b")
    log.info("c.d")
    return Analysis("T", 1, 1, {}, {"maya": ReaderFailure("k", "t")}, {"maya": ReaderReport()})

sys.exit(main(["analyze", sys.argv[1], "--quiet", "--log", "-"], run_analysis=run))
"""


def test_a_reader_of_the_log_who_goes_away_is_not_noticed(script: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", PROGRAM, script]

    pipe = subprocess.PIPE
    ended = subprocess.run(command, check=False, stdout=pipe, stderr=writing, text=True, timeout=60)  # noqa: S603  # ours
    os.close(writing)

    assert ended.returncode == 1
    assert "maya" in ended.stdout


def test_no_log_is_silent() -> None:
    with open_log(None, is_board_shown=True) as log:
        assert log.critical("a.b") is None
