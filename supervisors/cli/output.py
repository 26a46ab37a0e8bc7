"""Where the command writes: consoles that tell of a closed pipe, and files that are whole or not there."""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

import click
from rich.console import Console


class PipeConsole(Console):
    """A console that raises when its pipe is closed. Rich's own would raise SystemExit, wherever it stands."""

    def on_broken_pipe(self) -> None:
        """Give up this console and let the error tell."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console_on(stream: TextIO | None, *, is_colourless: bool) -> Console:
    """Return a console on `stream`; a character its encoding does not have becomes a question mark.

    Args:
        stream: standard output or standard error; None, as Python has it when the process was started without
            one, takes everything and shows nothing.
        is_colourless: no colours, whatever `NO_COLOR` says; otherwise that variable decides.
    """
    if stream is None:  # rich would take the other stream in its place
        return PipeConsole(file=io.StringIO(), quiet=True)
    if isinstance(cast("object", stream), io.TextIOWrapper):
        cast("io.TextIOWrapper[Any]", stream).reconfigure(errors="replace")
    return PipeConsole(file=stream, no_color=is_colourless or None, highlight=False)


def wrong_usage(text: str) -> click.UsageError:
    """Return the error for options that contradict each other; it names the command whose help tells more."""
    return click.UsageError(text, ctx=click.get_current_context(silent=True))


def demand_own_file(option: str, path: Path, others: Iterable[Path]) -> None:
    """Refuse to write to a file that the command reads or writes for something else.

    Raises:
        click.UsageError: `path`, the value of `option`, is one of `others`, be it by way of a link.
    """
    if any(_is_same(path, other) for other in others):
        raise wrong_usage(f"{option} {path} must be a file of its own")


def _is_same(path: Path, other: Path) -> bool:
    """Whether both are one file; a device such as /dev/null may serve twice."""
    with suppress(OSError, ValueError):
        return path.resolve() == other.resolve() and (path.is_file() or not path.exists())
    return False


def prepare(path: Path) -> None:
    """Make the folder of `path` and check that a file can be written there, before anything is spent on its content.

    Raises:
        click.ClickException: it cannot.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path if _is_special(path) else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader finds the old file or the new one, never a part.

    A device or a pipe is written to directly: it cannot be replaced, and must not be.

    Raises:
        click.ClickException: it could not be written; an old file still stands.
    """
    with _told(path):
        if _is_special(path):
            path.write_bytes(content)
            return
        target = path.resolve()  # of a link the file it points to is replaced, not the link
        # Random, as a draft of a killed run may lie there, and short, as the target's name may be as long as can be.
        draft = target.with_name(f".understudy-{secrets.token_hex(8)}.part")
        try:
            _write_durably(draft, content)
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


@contextmanager
def _told(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.ClickException(f"cannot write {path}: {reason.lower()}") from error
