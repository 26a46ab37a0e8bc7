"""Whatever ended the command, as one line on standard error and an exit status; never a traceback unasked."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO, cast

import click

from actors.errors import InputError, SettingsError, UnderstudyError
from supervisors.cli.exit_status import ExitStatus
from supervisors.cli.plain_text import plain
from supervisors.cli.stopping import Stopped


def tell(error: BaseException, *, with_traceback: bool = False) -> ExitStatus:
    """Write what `error` says to a user on standard error and return the exit status it means.

    A group, as nurseries raise it, is told by its most telling member: a stop, then an error with words of its
    own, then the first.
    """
    leaf = min(_leaves(error), key=_rank)
    lines, status = _sentences(leaf)
    if status is ExitStatus.PIPE_CLOSED or isinstance(leaf, OSError):
        _abandon_standard_output()
    with suppress(OSError):  # standard error may be gone as well, and the status still tells
        if with_traceback and cast("TextIO | None", sys.stderr) is not None:
            traceback.print_exception(error)
        for line in lines:
            click.echo(f"understudy: {plain(line)}", err=True)
    return status


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(member)
    else:
        yield error


def _rank(error: BaseException) -> int:
    match error:
        case KeyboardInterrupt() | Stopped():
            return 0
        case click.ClickException() | UnderstudyError():
            return 1
        case _:
            return 2


def _sentences(error: BaseException) -> tuple[tuple[str, ...], ExitStatus]:
    match error:
        case KeyboardInterrupt() | click.Abort():
            return ("interrupted",), ExitStatus.INTERRUPTED
        case Stopped():
            is_interrupt = error.signal_number == signal.SIGINT
            return (str(error),), ExitStatus.INTERRUPTED if is_interrupt else ExitStatus.TERMINATED
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return (), ExitStatus.USAGE
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "understudy"
            return (f"{_sentence(error.format_message())}; '{command} --help' tells more",), ExitStatus.USAGE
        case click.ClickException():
            return (_sentence(error.format_message()),), ExitStatus.FAILED
        case SettingsError():
            return error.problems, ExitStatus.USAGE
        case InputError():
            return (str(error),), ExitStatus.USAGE
        case UnderstudyError():
            return (str(error),), ExitStatus.FAILED
        case BrokenPipeError():
            return (), ExitStatus.PIPE_CLOSED
        case OSError():
            what = error.filename or "standard output"
            return (f"{what}: {(error.strerror or type(error).__name__).lower()}",), ExitStatus.FAILED
        case _:
            # The text of a foreign error may hold a prompt or a key; its kind does not.
            kind = type(error).__name__
            return (f"unexpected {kind}, a fault of ours; UNDERSTUDY_DEBUG=1 shows where",), ExitStatus.FAILED


def _sentence(message: str) -> str:
    text = message.strip().rstrip(".?")
    return f"{text[:1].lower()}{text[1:]}"


def _abandon_standard_output() -> None:
    """Let what is still buffered go nowhere: the interpreter would write it on its way out, and fail aloud."""
    if cast("TextIO | None", sys.stdout) is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
