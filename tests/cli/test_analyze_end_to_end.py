"""`understudy analyze` as a user runs it: a process of its own, with real files, pipes, signals and sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

COMMAND = Path(sys.executable).with_name("understudy")
SCRIPT = "Title: The Sign\n\nINT. HUT - DAY\n\nA sign says GURU 12 MI.\n\nYORBLEF\nHuh. New trail?\n"
ALL_AT_ONCE = {"UNDERSTUDY_READERS__CONCURRENCY": "3"}
NO_SECOND_MODEL = {
    "UNDERSTUDY_PROVIDER__MODELS": "claude-sonnet-4-5",
    "UNDERSTUDY_RETRY__MAX_RETRIES": "4",
    "UNDERSTUDY_RETRY__INITIAL": "0.1",
    "UNDERSTUDY_RETRY__CAP": "0.2",
    "UNDERSTUDY_SERVICES__MODEL__BREAKER": "off",  # a reading would wait until its only model is up again
}
LONGEST = 60.0
"""Seconds until a process counts as stuck."""


def start(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start the command with nothing of ours in its environment but `variables`; its output is buffered, as usual."""
    ours = ("UNDERSTUDY_", "ANTHROPIC_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(  # noqa: S603  # our own command
        [COMMAND, "analyze", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**environment, **variables},
    )


@attrs.frozen
class Ended:
    """What a run left."""

    status: int
    out: str
    err: str


def end_of(process: subprocess.Popen[str]) -> Ended:
    with process:
        out, err = process.communicate(timeout=LONGEST)
    return Ended(process.returncode, out, err)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def has_begun(process: subprocess.Popen[str]) -> None:
    """Wait until a request of the run is out."""
    assert process.stderr is not None
    for line in process.stderr:
        if "calling" in line:
            return
    pytest.fail("it ended before it called anybody")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "sign.fountain"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module", autouse=True)
def runs(folder: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The runs that take their time, all at once: each is asked for its end by the test that needs it."""
    script = folder / "sign.fountain"
    script.write_text(SCRIPT)
    proxied = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    runs = {
        "complete": start(script, "--out", folder / "new" / "complete.json", **ALL_AT_ONCE, **proxied),
        "partial": start(
            *(script, "--reader", "maya", "--reader", "devon", "--trouble", "--out", folder / "partial.json"),
            **NO_SECOND_MODEL,
        ),
        "json alone": start(script, "--reader", "maya", "--quiet", "--out", "-"),
        "nobody listens": start(script, "--reader", "maya", "--quiet", "--out", folder / "unheard.json"),
        "out of time": start(script, "--reader", "maya", "--quiet", UNDERSTUDY_READERS__DEADLINE="0.3"),
    }
    listener = runs["nobody listens"].stdout
    assert listener is not None
    listener.close()
    yield runs
    for process in runs.values():
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


Runs = dict[str, subprocess.Popen[str]]


def test_a_complete_run_leaves_a_report_a_file_and_its_progress_each_in_its_place(
    runs: Runs, folder: Path
) -> None:
    ended = end_of(runs["complete"])
    written = json.loads((folder / "new" / "complete.json").read_text(encoding="utf-8"))

    assert ended.status == 0
    assert "The Sign\n1 scene, 13 words, 3 readers, " in ended.out
    assert "No fault was met on the way." in ended.out
    assert "calling" not in ended.out
    reader, state = ended.err.splitlines()[0].split()[2:4]
    assert (reader in {"maya", "colton", "devon"}, state) == (True, "waiting")  # all at once, in any order
    assert ended.err.count("  done") == 3
    assert (written["status"], list(written["results"])) == ("complete", ["maya", "colton", "devon"])
    assert written["totals"]["attempts"] == 3
    assert names_in(folder / "new") == ["complete.json"]


def test_a_partial_run_ends_with_3_and_keeps_what_there_is(runs: Runs, folder: Path) -> None:
    ended = end_of(runs["partial"])
    written = json.loads((folder / "partial.json").read_text(encoding="utf-8"))

    assert ended.status == 3
    assert (written["status"], list(written["results"]), list(written["errors"])) == (
        "partial",
        ["maya"],
        ["devon"],
    )
    assert written["errors"]["devon"]["kind"] == "overloaded (529)"
    assert written["readers"]["maya"]["restarts"] == 1
    assert "readers without a result" in ended.out
    assert "Traceback" not in ended.err


def test_a_run_without_any_result_ends_with_1(runs: Runs) -> None:
    ended = end_of(runs["out of time"])

    assert ended.status == 1
    assert "out of time: not finished within readers.deadline 0.3 s" in ended.out
    assert ended.err == ""


def test_a_dash_prints_json_and_nothing_else(runs: Runs) -> None:
    ended = end_of(runs["json alone"])

    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out)["schema"] == "understudy.analysis/1"


def test_a_standard_output_that_is_closed_early_costs_no_file(runs: Runs, folder: Path) -> None:
    with runs["nobody listens"] as process:
        err = process.stderr.read() if process.stderr else ""
        status = process.wait(timeout=LONGEST)

    assert (status, err) == (141, "")
    assert json.loads((folder / "unheard.json").read_text(encoding="utf-8"))["status"] == "complete"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "empty"),
        (b" \n\n", "holds only white space"),
        (bytes(range(256)) * 8, ""),
    ],
    ids=["missing", "empty", "blank", "binary"],
)
def test_a_script_that_is_none_is_one_line_and_ends_with_2(
    content: bytes | None, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "none.fountain"
    if content is not None:
        path.write_bytes(content)

    ended = end_of(start(path))

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("understudy: ")
    assert ended.err.count("\n") == 1
    assert says in ended.err


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        ((), {"UNDERSTUDY_LIMITS__REQUESTS": "0"}, "requests must be >= 1, got 0"),
        ((), {"UNDERSTUDY_READERS__SECTION_TOKENS": "1"}, "section_tokens must be >= 100, got 1"),
        (("--reader", "nobody"), {}, "unknown reader 'nobody'"),
        (("--provider", "anthropic"), {}, "set ANTHROPIC_API_KEY"),
    ],
)
def test_a_wrong_setting_is_one_line_and_ends_with_2(
    options: tuple[str, ...], variables: dict[str, str], says: str, script: Path
) -> None:
    ended = end_of(start(script, *options, **variables))

    assert (ended.status, ended.out) == (2, "")
    assert says in ended.err
    assert ended.err.count("\n") == 1


def test_a_file_that_cannot_be_written_is_told_before_anybody_is_called(script: Path) -> None:
    ended = end_of(start(script, "--out", script / "inside" / "a.json"))

    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("understudy: cannot write ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "word", "status"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_signal_in_mid_run_is_one_line_and_its_status(
    number: signal.Signals, word: str, status: int, script: Path, tmp_path: Path
) -> None:
    process = start(script, "--trouble", "--out", tmp_path / "a.json")
    has_begun(process)
    process.send_signal(number)
    ended = end_of(process)

    assert (ended.status, ended.out) == (status, "")
    assert ended.err.splitlines()[-1] == f"understudy: {word}"
    assert ended.err.count("understudy: ") == 1
    assert "Traceback" not in ended.err
    assert names_in(tmp_path) == [script.name]


def test_a_run_that_is_killed_leaves_the_old_file_as_it_was(script: Path, tmp_path: Path) -> None:
    old = tmp_path / "a.json"
    old.write_text("old")
    process = start(script, "--trouble", "--out", old)
    has_begun(process)
    process.kill()
    end_of(process)

    assert old.read_text() == "old"
    assert names_in(tmp_path) == ["a.json", script.name]
