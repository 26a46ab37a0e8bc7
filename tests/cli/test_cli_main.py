"""The command: what it passes on, what it prints where, and its exit status for everything that can go wrong."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import click
import pytest
import trio
from structlog.typing import FilteringBoundLogger

import supervisors
from actors.coverage.record import Coverage, Evidence, Scores
from actors.coverage.screenplay import Screenplay
from actors.errors import ProviderFailed
from actors.progress import Observer, Progress
from supervisors.cli.exit_status import ExitStatus
from supervisors.cli.failures import tell
from supervisors.cli.main import main
from supervisors.cli.output import console_on, write_whole
from supervisors.cli.stopping import Stopped, run_until_stopped
from supervisors.runtime.analysis_result import Analysis, ReaderFailure, ReaderReport
from supervisors.runtime.settings import Settings

SCRIPT = "Title: The Sign\n\nINT. HUT - DAY\n\nA sign says GURU 12 MI.\n\nYORBLEF\nHuh. New trail?\n"
COVERAGE = Coverage(
    "A pilgrim climbs.", ("signs",), ("middle",), Scores(7, 5, 6, 8), "consider", (Evidence(1, "the sign"),)
)
FAILURE = ReaderFailure("RestartsExhausted", "crashed 4 times")


@attrs.define(eq=False)
class FakeRun:
    """Stands for the runtime: notes what it was given and answers at once, or raises.

    Args:
        results: readers who come home with a result.
        errors: readers who do not.
        raises: what it raises in place of an answer.
    """

    results: tuple[str, ...] = ("maya", "colton", "devon")
    errors: tuple[str, ...] = ()
    raises: BaseException | None = None
    calls: list[tuple[Screenplay, Settings, bool, int]] = attrs.field(factory=list)

    async def __call__(
        self,
        screenplay: Screenplay,
        settings: Settings,
        *,
        observer: Observer,
        trouble: bool = False,
        seed: int = 0,
        log: FilteringBoundLogger | None = None,  # noqa: ARG002  # the log has tests of its own
    ) -> Analysis:
        self.calls.append((screenplay, settings, trouble, seed))
        observer(Progress("maya", "calling", at=trio.current_time()))
        await trio.lowlevel.checkpoint()
        if self.raises is not None:
            raise self.raises
        return Analysis(
            screenplay.title,
            len(screenplay.scenes),
            screenplay.words,
            dict.fromkeys(self.results, COVERAGE),
            dict.fromkeys(self.errors, FAILURE),
            dict.fromkeys((*self.results, *self.errors), ReaderReport(attempts=1)),
        )


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of whoever runs the tests take part."""
    for name in list(os.environ):
        if name.startswith("UNDERSTUDY_") or name in {
            "ANTHROPIC_API_KEY",
            "NO_COLOR",
            "COLUMNS",
            "FORCE_COLOR",
        }:
            monkeypatch.delenv(name)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "sign.fountain"
    path.write_text(SCRIPT)
    return str(path)


def test_a_complete_analysis_prints_its_report_and_ends_with_0(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeRun()

    assert main(["analyze", script], run_analysis=fake) == 0

    printed = capsys.readouterr()
    assert "The Sign\n1 scene, " in printed.out
    assert "maya    consider" in printed.out
    assert printed.err == "    0.0 s  maya        calling\n"
    ((screenplay, settings, trouble, seed),) = fake.calls
    assert (screenplay.title, settings, trouble, seed) == ("The Sign", Settings(), False, 0)


def test_a_partial_analysis_ends_with_3_and_a_failed_one_with_1(script: str) -> None:
    assert main(["analyze", script], run_analysis=FakeRun(results=("maya",), errors=("devon",))) == 3
    assert main(["analyze", script], run_analysis=FakeRun(results=(), errors=("devon",))) == 1


def test_options_win_over_the_environment_and_the_file(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "understudy.toml"
    settings.write_text(
        "[limits]\nrequests = 7\n[readers]\nnames = ['colton']\n[provider]\nname = 'anthropic'\n"
    )
    monkeypatch.setenv("UNDERSTUDY_LIMITS__REQUESTS", "8")
    fake = FakeRun()
    options = [
        "--settings",
        str(settings),
        "--provider",
        "simulated",
        "--reader",
        "devon",
        "--reader",
        "maya",
    ]

    assert main(["analyze", script, *options, "--seed", "7", "--trouble"], run_analysis=fake) == 0

    ((_screenplay, used, trouble, seed),) = fake.calls
    assert used.limits.requests == 8
    assert used.provider.name == "simulated"
    assert used.readers.names == ("devon", "maya")
    assert (trouble, seed) == (True, 7)


def test_the_provider_of_the_settings_holds_when_no_option_names_one(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_PROVIDER__NAME", "anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    fake = FakeRun()

    assert main(["analyze", script], run_analysis=fake) == 0

    assert fake.calls[0][1].provider.name == "anthropic"


def test_quiet_shows_the_report_alone(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["analyze", script, "--quiet"], run_analysis=FakeRun())

    printed = capsys.readouterr()
    assert printed.err == ""
    assert "The Sign" in printed.out


def test_out_writes_the_analysis_into_a_folder_it_makes(script: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder" / "analysis.json"

    assert main(["analyze", script, "--out", str(out)], run_analysis=FakeRun()) == 0

    assert json.loads(out.read_text())["title"] == "The Sign"
    assert [path.name for path in out.parent.iterdir()] == ["analysis.json"]


def test_out_to_a_dash_prints_json_in_place_of_the_report(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", script, "--out", "-"], run_analysis=FakeRun(errors=("zoe",))) == 3

    assert json.loads(capsys.readouterr().out)["status"] == "partial"


def test_a_place_that_cannot_be_written_is_told_before_anything_is_spent(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeRun()

    assert main(["analyze", script, "--out", str(tmp_path)], run_analysis=fake) == 1
    assert capsys.readouterr().err == f"understudy: cannot write {tmp_path}: is a directory\n"
    assert main(["analyze", script, "--out", f"{script}/x.json"], run_analysis=fake) == 1
    assert capsys.readouterr().err == f"understudy: cannot write {script}/x.json: file exists\n"
    assert not fake.calls


def test_a_folder_without_write_permission_is_told(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs as root may write everywhere

    assert main(["analyze", script, "--out", str(tmp_path / "x.json")], run_analysis=FakeRun()) == 1
    assert capsys.readouterr().err == f"understudy: cannot write {tmp_path}/x.json: permission denied\n"


def test_a_full_disk_is_one_line_and_the_report_is_shown_all_the_same(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", script, "--quiet", "--out", "/dev/full"], run_analysis=FakeRun()) == 1

    printed = capsys.readouterr()
    assert printed.err == "understudy: cannot write /dev/full: no space left on device\n"
    assert "The Sign" in printed.out


@pytest.mark.parametrize("source", ["script", "settings"])
def test_out_never_overwrites_what_the_command_reads(
    script: str, tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, link = tmp_path / "s.toml", tmp_path / "link"
    settings.write_text("[limits]\nrequests = 7\n")
    out = {"script": Path(script), "settings": settings}[source]
    link.symlink_to(out)
    fake = FakeRun()

    for name in (out, link):
        options = ["--settings", str(settings), "--out", str(name)]
        assert main(["analyze", script, *options], run_analysis=fake) == 2
        assert capsys.readouterr().err == (
            f"understudy: --out {name} must be a file of its own; 'understudy analyze --help' tells more\n"
        )
    assert not fake.calls
    assert (Path(script).read_text(), settings.read_text()) == (SCRIPT, "[limits]\nrequests = 7\n")


def test_a_failed_write_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "analysis.json"
    out.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(click.ClickException, match="no space left on device"):
        write_whole(out, b"new")
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_draft_that_a_killed_run_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    out = tmp_path / "analysis.json"
    left = tmp_path / f".analysis.json.{os.getpid()}.part"
    left.write_text("half")

    write_whole(out, b"new")

    assert out.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [left, out]


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    out = tmp_path / ("a" * 255)

    write_whole(out, b"new")

    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("options", [[], ["--out", "-"]])
def test_a_closed_standard_output_is_told_before_anything_is_spent(
    script: str, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    fake = FakeRun()

    assert main(["analyze", script, *options], run_analysis=fake) == 2

    assert capsys.readouterr().err == (
        "understudy: standard output is closed, so nothing could be shown; name a file with --out; "
        "'understudy analyze --help' tells more\n"
    )
    assert not fake.calls


def test_with_standard_output_closed_a_file_takes_the_analysis(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    out = tmp_path / "analysis.json"

    assert main(["analyze", script, "--quiet", "--out", str(out)], run_analysis=FakeRun()) == 0

    assert json.loads(out.read_text())["title"] == "The Sign"
    assert capsys.readouterr().err == ""


def test_an_os_error_with_standard_output_closed_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    assert tell(OSError(5, "I/O error")) == 1
    assert capsys.readouterr().err == "understudy: standard output: i/o error\n"


def test_a_closed_standard_error_leaves_standard_output_to_the_report(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv("UNDERSTUDY_DEBUG", "1")
    fake = FakeRun()

    assert main(["analyze", script, "--out", "-"], run_analysis=fake) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "complete"
    assert main(["analyze", script, "--log", "-"], run_analysis=fake) == 2
    assert main(["analyze", script, "--log", "/dev/full"], run_analysis=fake) == 0
    assert "Traceback" not in capsys.readouterr().out
    assert len(fake.calls) == 2


def test_a_device_is_written_to_and_stays_a_device(script: str) -> None:
    assert main(["analyze", script, "--out", "/dev/null"], run_analysis=FakeRun()) == 0
    assert Path("/dev/null").is_char_device()


def test_a_stream_without_an_encoding_of_its_own_is_written_as_it_is() -> None:
    stream = io.StringIO()

    console_on(stream, is_colourless=True).print("[red]é[/red]")

    assert stream.getvalue() == "é\n"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not console_on(io.StringIO(), is_colourless=False).no_color
    assert console_on(io.StringIO(), is_colourless=True).no_color
    monkeypatch.setenv("NO_COLOR", "1")
    assert console_on(io.StringIO(), is_colourless=False).no_color


def test_a_link_stays_a_link_when_its_file_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)

    write_whole(link, b"new")

    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is empty"),
        (b" \n\n", "holds only white space"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not UTF-8 text: it cannot be decoded at byte 0"),
        (b"%PDF-1.4", "is a PDF; export it as Fountain or plain text"),
        (b"x" * (16 * 1024 * 1024 + 1), "must be <= 16777216 bytes to be taken for a script"),
    ],
)
def test_a_script_that_cannot_be_worked_on_is_one_line_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, text: str
) -> None:
    path = tmp_path / "a.fountain"
    if content is not None:
        path.write_bytes(content)
    fake = FakeRun()

    assert main(["analyze", str(path)], run_analysis=fake) == 2

    assert capsys.readouterr() == ("", f"understudy: {path} {text}\n")
    assert not fake.calls


@pytest.mark.parametrize("path", ["/", "a\0b"])
def test_a_name_that_is_no_file_ends_with_2(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", path], run_analysis=FakeRun()) == 2
    assert "cannot be read: " in capsys.readouterr().err


def test_an_unknown_reader_ends_with_2_and_names_those_there_are(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", script, "--reader", "zoe"], run_analysis=FakeRun()) == 2
    assert capsys.readouterr().err == "understudy: unknown reader 'zoe'; there are maya, colton, devon\n"


def test_every_wrong_setting_is_a_line_of_its_own(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "s.toml"
    settings.write_text("[limits]\nrequests = 0\nwindow = 'x'\n")

    assert main(["analyze", script, "--settings", str(settings)], run_analysis=FakeRun()) == 2

    assert capsys.readouterr().err.splitlines() == [
        f"understudy: {settings}: limits.requests must be >= 1, got 0",
        f"understudy: {settings}: limits.window must be a number of seconds, got 'x'",
    ]


def test_the_anthropic_provider_without_a_key_ends_with_2(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", script, "--provider", "anthropic"], run_analysis=FakeRun()) == 2
    assert capsys.readouterr().err == (
        "understudy: --provider: provider.api_key is needed by provider.name 'anthropic'; set ANTHROPIC_API_KEY\n"
    )


def test_trouble_is_refused_with_a_real_provider(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")

    assert main(["analyze", script, "--provider", "anthropic", "--trouble"], run_analysis=FakeRun()) == 2
    assert capsys.readouterr().err == (
        "understudy: --trouble is for the simulated provider; 'understudy analyze --help' tells more\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["analyze"], "missing argument 'FILE.fountain'; 'understudy analyze --help' tells more"),
        (["analyse"], "no such command 'analyse'. Did you mean 'analyze'?; 'understudy --help' tells more"),
        (["analyze", "x", "--seed", "y"], None),
        (["analyze", "x", "--provider", "y"], None),
        (["analyze", "x", "--nothing"], None),
    ],
)
def test_wrong_usage_is_one_line_and_ends_with_2(
    arguments: Sequence[str], line: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("understudy: ")
    assert printed.err.count("\n") == 1
    if line is not None:
        assert printed.err.replace("?;", ";") == f"understudy: {line}\n".replace("?;", ";")


def test_no_words_at_all_show_the_help_and_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: understudy" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["analyze", "-h"]])
def test_help_shows_examples_and_exit_statuses(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0

    text = capsys.readouterr().out
    assert "understudy analyze script.fountain --trouble --seed 7" in text
    assert "  3    partial" in text
    assert max(map(len, text.splitlines())) <= 88


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("understudy, version ")


def test_an_analysis_that_fails_as_a_whole_is_one_line_and_ends_with_1(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = ProviderFailed("the key was refused (401)", status=401, kind="authentication_error")

    assert main(["analyze", script, "--quiet"], run_analysis=FakeRun(raises=failure)) == 1
    assert capsys.readouterr() == ("", "understudy: the key was refused (401)\n")


def test_a_fault_of_ours_is_told_without_its_text_and_without_a_traceback(
    script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeRun(raises=RuntimeError("the prompt was: INT. HUT"))

    assert main(["analyze", script, "--quiet"], run_analysis=fake) == 1
    assert capsys.readouterr().err == (
        "understudy: unexpected RuntimeError, a fault of ours; UNDERSTUDY_DEBUG=1 shows where\n"
    )


def test_debugging_shows_the_traceback_above_the_line(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_DEBUG", "1")

    main(["analyze", script, "--quiet"], run_analysis=FakeRun(raises=RuntimeError("why")))

    told = capsys.readouterr().err
    assert "RuntimeError: why" in told
    assert told.endswith("shows where\n")


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (click.Abort(), "interrupted", 130),
        (Stopped(signal.SIGINT), "interrupted", 130),
        (Stopped(signal.SIGTERM), "terminated", 143),
        (
            BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]),
            "interrupted",
            130,
        ),
        (ExceptionGroup("", [ValueError(), ProviderFailed("no", status=400, kind="x")]), "no", 1),
        (click.UsageError("Bad."), "bad; 'understudy --help' tells more", 2),
        (FileNotFoundError(2, "No such file", "a\x1b[2Jb"), "ab: no such file", 1),
        (OSError(), "standard output: oserror", 1),
    ],
)
def test_every_error_has_its_line_and_its_status(
    error: BaseException,
    line: str,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supervisors.cli.failures._abandon_standard_output", lambda: None)

    assert tell(error) == status
    assert capsys.readouterr().err == f"understudy: {line}\n"


async def test_work_that_ends_in_spite_of_a_signal_is_kept() -> None:
    async def work() -> str:
        signal.raise_signal(signal.SIGTERM)
        with trio.CancelScope(shield=True):
            await trio.sleep(0.01)
        return "done"

    assert await run_until_stopped(work) == "done"


async def test_a_signal_cancels_the_work_and_lets_it_clean_up() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        try:
            await trio.sleep_forever()
        finally:
            cleaned.append("up")

    with pytest.raises(Stopped, match="terminated") as caught:
        await run_until_stopped(work)

    assert caught.value.signal_number == signal.SIGTERM
    assert cleaned == ["up"]


@pytest.fixture
def ignoring() -> Iterator[Callable[[signal.Signals], None]]:
    """Ignore signals until the test ends."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda number: (signal.signal(number, signal.SIG_IGN), None)[1]
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("ignored", [[signal.SIGINT], [signal.SIGINT, signal.SIGTERM]])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    ignored: list[signal.Signals], ignoring: Callable[[signal.Signals], None]
) -> None:
    async def work() -> str:
        for number in ignored:
            signal.raise_signal(number)
        await trio.sleep(0.01)
        return "done"

    for number in ignored:
        ignoring(number)

    assert trio.run(run_until_stopped, work) == "done"


# From here on the command runs as a process of its own: signals, pipes and the interpreter's end are real.

PROGRAM = """
import sys
from pathlib import Path
import trio
from supervisors.cli.main import main
from supervisors.runtime.analysis_result import Analysis, ReaderFailure

async def hang(screenplay, settings, *, observer, trouble=False, seed=0, log=None):
    try:
        print("started", file=sys.stderr, flush=True)
        await trio.sleep_forever()
    finally:
        print("cleaned up", file=sys.stderr, flush=True)

async def stubborn(screenplay, settings, *, observer, trouble=False, seed=0, log=None):
    print("started", file=sys.stderr, flush=True)
    try:
        await trio.sleep_forever()
    finally:
        print("hangs", file=sys.stderr, flush=True)
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

async def large(screenplay, settings, *, observer, trouble=False, seed=0, log=None):
    failures = {f"reader{n}": ReaderFailure("CallFailed", "no " * 200) for n in range(300)}
    return Analysis("T", 1, 1, {}, failures, {})

if sys.argv[1] == "help":
    sys.exit(main(["--help"]))
sys.exit(main(["analyze", sys.argv[2], "--quiet"], run_analysis=globals()[sys.argv[1]]))
"""


def start(kind: str, script: str, stdout: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  # a program of our own
        [sys.executable, "-c", PROGRAM, kind, script],
        text=True,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        stdout=stdout,
        # Buffered, as users have it: what a failed flush leaves behind comes up again at the interpreter's end.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


def errors_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stderr is not None
    assert process.stderr.readline() == f"{line}\n"


@pytest.mark.parametrize(
    ("number", "line", "status"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_ctrl_c_cleans_up_says_one_line_and_ends_with_130(
    script: str, number: signal.Signals, line: str, status: int
) -> None:
    with start("hang", script) as process:
        errors_until(process, "started")
        process.send_signal(number)
        _out, err = process.communicate(timeout=30)

    assert err == f"cleaned up\nunderstudy: {line}\n"
    assert process.returncode == status


def test_a_second_ctrl_c_ends_a_clean_up_that_hangs(script: str) -> None:
    with start("stubborn", script) as process:
        errors_until(process, "started")
        process.send_signal(signal.SIGINT)
        errors_until(process, "hangs")
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)

    assert err == "understudy: interrupted\n"
    assert process.returncode == 130


@pytest.mark.parametrize("kind", ["large", "help"])
def test_a_closed_pipe_ends_it_without_a_word(script: str, kind: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with start(kind, script, stdout=writing) as process:
        os.close(writing)
        _out, err = process.communicate(timeout=30)

    assert err == ""
    assert process.returncode == 141


@pytest.mark.parametrize("kind", ["large", "help"])
def test_standard_output_on_a_full_disk_is_one_line(script: str, kind: str) -> None:
    with Path("/dev/full").open("w") as full, start(kind, script, stdout=full.fileno()) as process:
        _out, err = process.communicate(timeout=30)

    assert err == "understudy: standard output: no space left on device\n"
    assert process.returncode == 1


INTERRUPTED_IMPORT = """
import sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
from supervisors.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("module", ["trio", "rich", "cattrs", "structlog", "supervisors.cli.analyze"])
def test_ctrl_c_while_modules_are_imported_is_one_line_and_ends_with_130(module: str, script: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, module, "analyze", script]

    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # ours

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "understudy: interrupted\n")


def test_ctrl_c_while_a_failure_is_about_to_be_told_is_one_line_and_ends_with_130() -> None:
    command = [sys.executable, "-c", INTERRUPTED_IMPORT, "supervisors.cli.failures", "analyse"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # ours

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "understudy: interrupted\n")


def test_the_face_of_the_package_gives_every_name_it_promises_and_no_other() -> None:
    homes = {name: getattr(supervisors, name).__module__ for name in ("Supervisor", "Tree", "ChildCrashed")}
    assert homes == {
        "Supervisor": "supervisors.supervisor",
        "Tree": "supervisors.tree",
        "ChildCrashed": "supervisors.events",
    }
    assert all(hasattr(supervisors, name) for name in supervisors.__all__)
    assert set(supervisors.__all__) <= set(dir(supervisors))
    with pytest.raises(AttributeError, match="module 'supervisors' has no attribute 'Nothing'"):
        supervisors.Nothing  # type: ignore[attr-defined]  # noqa: B018  # what is not there is the point


def test_help_imports_neither_trio_nor_attrs_nor_rich() -> None:
    program = (
        "import sys; from supervisors.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    )

    modules = subprocess.run(  # noqa: S603  # a program of our own
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()[-1]

    assert "'click'" in modules
    heavy = {"trio", "attr", "attrs", "rich", "cattrs", "structlog", "httpx", "actors"}
    assert {name for name in heavy if f"'{name}'" in modules} == set()


def test_exit_statuses_are_what_the_help_says() -> None:
    assert {status.name: status.value for status in ExitStatus} == {
        "COMPLETE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "PARTIAL": 3,
        "INTERRUPTED": 130,
        "PIPE_CLOSED": 141,
        "TERMINATED": 143,
    }
