"""Progress as it is shown: in place on a terminal, line by line elsewhere."""

from __future__ import annotations

import io
import os

import pytest
import trio
from rich.console import Console
from trio.testing import MockClock

from actors.progress import Progress
from supervisors.cli.board import Board, brief, elapsed, shared_prefix
from supervisors.cli.live import watch
from supervisors.cli.output import console_on

BUSY = (
    Progress(
        "maya", "backing_off", "overloaded, again in 1.2 s", "claude-sonnet-4-5", 4, 2, 3, 24_012, 1_800
    ),
    Progress("colton", "restarting", "crashed: KeyError", "claude-haiku-4-5", 14, 1, 3, 1_240_121, 0),
)


def board_lines(board: Board, now: float, *, width: int = 80, is_ascii: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, no_color=True)
    with console.capture() as captured:
        console.print(board.picture(now, is_ascii=is_ascii))
    return [line.rstrip() for line in captured.get().splitlines()]


def busy_board() -> Board:
    board = Board("Ascent to Guru Peak", ("maya", "colton", "devon"), started_at=100.0)
    for progress in BUSY:
        board.apply(progress)
    return board


def test_the_board_shows_each_reader_on_one_line_of_80_columns() -> None:
    assert board_lines(busy_board(), now=165.9) == [
        "Ascent to Guru Peak  0 of 3 readers ended  1:05",
        "reader               model      section calls tokens",
        "maya   ↺ backing off sonnet-4-5     2/3     4  25.8k overloaded, again in 1.2 s",
        "colton ↯ restarting  haiku-4-5      1/3    14   1.2M crashed: KeyError",
        "devon  · waiting     -                -     0      0 its turn",
    ]


def test_a_reader_s_line_shows_its_newest_news_only() -> None:
    board = busy_board()
    board.apply(Progress("maya", "done", "", "claude-sonnet-4-5", 5, 3, 3, 900, 50))
    board.apply(Progress("devon", "failed", "every model failed"))

    lines = board_lines(board, now=100.0)

    assert lines[0] == "Ascent to Guru Peak  2 of 3 readers ended  0:00"
    assert lines[2] == "maya   ✓ done        sonnet-4-5     3/3     5    950"
    assert lines[4] == "devon  ✗ failed      -                -     0      0 every model failed"


def test_a_reader_nobody_announced_gets_the_next_line() -> None:
    board = busy_board()
    board.apply(Progress("zoe", "calling"))

    assert board_lines(board, now=100.0)[-1] == "zoe    ▸ calling     -                -     0      0"


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    assert "\n".join(board_lines(busy_board(), 100.0, is_ascii=True)).isascii()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_board_keeps_its_height_at_every_width(width: int) -> None:
    board = Board("A title that goes on " * 20, ("maya", "colton"), started_at=0.0)
    board.apply(Progress("maya", "waiting", "detail " * 40, "a-model-with-a-very-long-name-indeed", 1, 1, 2))

    lines = board_lines(board, now=0.0, width=width)

    assert len(lines) == 4
    assert max(map(len, lines)) <= width


def test_foreign_text_on_the_board_is_harmless() -> None:
    board = Board("\x1b[31m[red]T[/red]\nx", (), started_at=0.0)
    board.apply(Progress("a\x1b[2J", "calling", "[bold]\r\n", "m\x07"))

    text = "\n".join(board_lines(board, now=0.0))

    assert text.startswith("[red]T[/red] x")
    assert "[bold]" in text
    assert not any(mark in text for mark in "\x1b\r\x07")


@pytest.mark.parametrize(
    ("models", "shared"),
    [
        (["claude-a", "claude-b"], "claude-"),
        (["claude-a"], "claude-"),
        (["claude-a", "gpt-b"], ""),
        (["haiku"], ""),
        ([], ""),
    ],
)
def test_what_all_models_begin_with_is_left_out(models: list[str], shared: str) -> None:
    assert shared_prefix(models) == shared


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (725.0, "12:05"), (3600.0, "1:00:00")])
def test_elapsed_time_reads_like_a_stop_watch(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (4_500_000, "4.5M")]
)
def test_counts_are_brief(number: int, text: str) -> None:
    assert brief(number) == text


def terminal(encoding: str = "utf-8") -> tuple[io.TextIOWrapper[io.BytesIO], Console]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return file, Console(
        file=file, force_terminal=True, width=80, color_system=None, _environ={"TERM": "xterm"}
    )


def written(file: io.TextIOWrapper[io.BytesIO]) -> str:
    return file.buffer.getvalue().decode()


async def test_a_terminal_sees_progress_at_once_and_the_clock_every_second(autojump_clock: MockClock) -> None:
    file, console = terminal()

    async with watch(console, title="T", readers=("maya",)) as observer:
        assert "its turn" in written(file)
        observer(Progress("maya", "calling", model="haiku"))
        assert "▸ calling" in written(file)
        assert "0:01" not in written(file)
        await trio.sleep(2.5)
        assert "0:01" in written(file)
        assert "0:02" in written(file)
        assert "0:03" not in written(file)

    assert written(file).endswith("\x1b[?25h")  # the cursor is back
    assert autojump_clock.current_time() == 2.5


async def test_a_terminal_without_unicode_sees_ascii(autojump_clock: MockClock) -> None:
    del autojump_clock
    file, console = terminal("ascii")

    async with watch(console, title="T", readers=("maya",)):
        pass

    assert ". waiting" in written(file)


async def test_cancelling_gives_the_cursor_back(autojump_clock: MockClock) -> None:
    file, console = terminal()

    with trio.move_on_after(5):
        async with watch(console, title="T", readers=("maya",)):
            await trio.sleep_forever()

    assert autojump_clock.current_time() == 5
    assert written(file).endswith("\x1b[?25h")


async def test_elsewhere_each_change_is_one_line(autojump_clock: MockClock) -> None:
    del autojump_clock
    file = io.StringIO()

    async with watch(Console(file=file, width=20), title="T", readers=("maya",)) as observer:
        start = trio.current_time()
        observer(Progress("maya", "waiting", "capacity", at=start))
        observer(Progress("maya", "calling", "", "claude-sonnet-4-5", 1, 1, 3, at=start + 1.25))
        observer(Progress("maya", "calling", "", "claude-sonnet-4-5", 1, 1, 3, 10, 10, at=start + 2))
        observer(Progress("maya", "calling", "", "claude-sonnet-4-5", 2, 2, 3, 12_000, 345, at=start + 3))
        observer(Progress("colton", "failed", "[red]no\x1b[2J :smile:", at=start + 4000))

    assert file.getvalue().splitlines() == [
        "    0.0 s  maya        waiting      capacity",
        "    1.2 s  maya        calling      section 1 of 3, claude-sonnet-4-5, call 1",
        "    3.0 s  maya        calling      section 2 of 3, claude-sonnet-4-5, call 2, 12.3k tokens",
        " 4000.0 s  colton      failed       [red]no :smile:",
    ]


async def test_quiet_shows_nothing(autojump_clock: MockClock) -> None:
    del autojump_clock
    file, console = terminal()

    async with watch(console, title="T", readers=("maya",), is_quiet=True) as observer:
        observer(Progress("maya", "calling"))

    assert written(file) == ""


async def test_a_watcher_who_goes_away_does_not_disturb_the_analysis(autojump_clock: MockClock) -> None:
    del autojump_clock
    reading, writing = os.pipe()
    os.close(reading)
    console = console_on(io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0)), is_colourless=True)

    async with watch(console, title="T", readers=("maya",)) as observer:
        observer(Progress("maya", "calling"))
        observer(Progress("maya", "done"))

    console.file.close()
