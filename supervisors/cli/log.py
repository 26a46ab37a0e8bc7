"""The log of `understudy analyze --log FILE`: opened before anything is spent, and never a reason to fail later."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO, cast

import click
from structlog.typing import FilteringBoundLogger

from actors.errors import InputError
from actors.telemetry import WallClock, log_lines, silent_log
from supervisors.cli.output import demand_own_file, wrong_usage

STANDARD_ERROR = Path("-")

calendar: WallClock = partial(datetime.now, UTC)


@contextmanager
def open_log(
    path: Path | None,
    *,
    is_board_shown: bool,
    others: Sequence[Path] = (),
    wall_clock: WallClock = calendar,
    is_debugging: bool = False,
) -> Generator[FilteringBoundLogger, None, None]:
    """Give a log for the length of the block. A file that exists is continued.

    A line that cannot be written is told once on standard error, and the log ends there.

    Args:
        path: where to; "-" is standard error, None is nowhere.
        is_board_shown: a terminal shows the live board, which lines of a log would tear.
        others: files the command reads or writes besides.
        wall_clock: gives the timestamps.
        is_debugging: log more.

    Raises:
        InputError: the file cannot be opened.
        click.UsageError: the lines would spoil the board or another file.
    """
    if path is None:
        yield silent_log()
        return
    if path == STANDARD_ERROR:
        if cast("TextIO | None", sys.stderr) is None:
            raise InputError("--log - cannot be written: standard error is closed")
        _refuse_beside_board(path, is_board_shown=is_board_shown)
        yield log_lines(
            sys.stderr,
            wall_clock=wall_clock,
            is_debugging=is_debugging,
            on_failure=partial(_tell_failure, "standard error"),
        )
        return
    demand_own_file("--log", path, others)
    file = _opened(path)
    try:
        _refuse_beside_board(path, is_board_shown=is_board_shown and file.isatty())
        yield log_lines(
            file,
            wall_clock=wall_clock,
            is_debugging=is_debugging,
            on_failure=partial(_tell_failure, str(path)),
        )
    finally:
        with suppress(OSError):  # what could not be written has been told
            file.close()


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"--log {path} cannot be written: {_reason(error)}") from error


def _refuse_beside_board(path: Path, *, is_board_shown: bool) -> None:
    if is_board_shown:
        raise wrong_usage(
            f"--log {path} would tear the live board on this terminal; name a file or add --quiet"
        )


def _tell_failure(name: str, error: Exception) -> None:
    with suppress(OSError, ValueError):
        click.echo(f"understudy: cannot write the log to {name}: {_reason(error)}; it ends here", err=True)


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return told.lower()
