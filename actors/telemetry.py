"""Telemetry: what the cast tells a log, and a log of JSON lines for an application that wants one.

An event is a constant name, noun.past, and facts as fields. Whoever opens an actor or a runtime hands in a logger of
structlog's; without one there is silence. Nothing here configures structlog: how a process logs is for its
application to say, and a library that says it too breaks both.

    log = log_lines(file, wall_clock=partial(datetime.now, UTC))
    async with open_runtime(settings, log=log) as runtime: ...
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal, TextIO, TypeAlias, cast

import attrs
import structlog
from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from actors.kernel import DeadLetter, Message, StreamMessage
from actors.kernel.redaction import outline
from actors.log_redaction import error_name, redact

MESSAGE_DEAD_LETTERED = "message.dead_lettered"
CALL_FAILED = "call.failed"
CALL_PASSED_OVER = "call.passed_over"
CALL_ANSWERED = "call.answered"
CALL_GIVEN_UP = "call.given_up"
BREAKER_OPENED = "breaker.opened"
BREAKER_HALF_OPENED = "breaker.half_opened"
BREAKER_CLOSED = "breaker.closed"
BREAKER_ISOLATED = "breaker.isolated"
BREAKER_DISABLED = "breaker.disabled"
BREAKER_OBSERVED = "breaker.observed"
BREAKER_DENIED = "breaker.denied"
BREAKER_CHECK_FAILED = "breaker.check_failed"
BREAKER_LISTENER_FAILED = "breaker.listener_failed"
BREAKER_TERMS_FAILED = "breaker.terms_failed"
ERROR_REPORTED = "error.reported"
DEGRADATION_CHANGED = "degradation.changed"
SERVICE_GIVEN_UP = "service.given_up"

MOST_CAUSES = 5
"""Errors named of a chain of causes; the first one and those nearest to it tell the story."""

MOST_FRAMES = 10
"""Innermost frames shown while debugging."""

WallClock: TypeAlias = Callable[[], datetime]
"""Where dates come from: aware datetimes. The one place in a process that looks at the calendar."""

OnFailure: TypeAlias = Callable[[Exception], object]


def ignored(_error: Exception) -> None:
    """Let the failure of a log pass by."""


def silent_log() -> FilteringBoundLogger:
    """Return a logger that says nothing: what everything uses that is given none."""
    return _logger(structlog.ReturnLogger(), [_drop], "critical")


def log_lines(
    file: TextIO, *, wall_clock: WallClock, is_debugging: bool = False, on_failure: OnFailure = ignored
) -> FilteringBoundLogger:
    """Return a logger that writes each event as one line of JSON: timestamp, level, event, then the facts.

    Values bound with `structlog.contextvars` are facts too. Of an exception (`exc_info`) the types are told, its own
    and those of its causes; while debugging also its text, masked and cut, and where it was raised, but never what
    the variables held.

    Args:
        file: where to; each line is flushed. It is not closed here.
        wall_clock: gives the timestamps.
        is_debugging: log the level "debug" as well, and more of exceptions.
        on_failure: told once, when a line could not be written; the log ends there. It must not raise.
    """
    chain: list[Processor] = [
        merge_contextvars,
        _NameError(is_debugging),
        _Stamp(wall_clock),
        redact,
        JSONRenderer(),
    ]
    return _logger(_Lines(file, on_failure), chain, "debug" if is_debugging else "info")


def log_dead_letter(letter: DeadLetter, *, log: FilteringBoundLogger) -> None:
    """Log a message whose sender may never learn what became of it: `Books(partial(log_dead_letter, log=log))`.

    Of the message its operation and the outline of its arguments are told, of the error its type.
    """
    is_ours = isinstance(
        letter.message, Message | StreamMessage
    )  # only of these the repr is known to be silent
    log.warning(
        MESSAGE_DEAD_LETTERED,
        operation=repr(letter.message) if is_ours else outline(letter.message),
        recipient=letter.recipient,
        fate=letter.fate.name.lower(),
        reason=letter.reason,
        **({} if letter.error is None else {"error": error_name(letter.error)}),
    )


def _logger(
    target: object, chain: Sequence[Processor], level: Literal["debug", "info", "critical"]
) -> FilteringBoundLogger:
    """Put a logger together that takes nothing from structlog's configuration."""
    proxy = structlog.wrap_logger(
        target,
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return cast("FilteringBoundLogger", proxy.bind())


def _drop(_logger: WrappedLogger, _name: str, _event_dict: EventDict) -> EventDict:
    raise structlog.DropEvent


@attrs.frozen
class _Stamp:
    """Puts the timestamp and the level before the event, and the event before the facts."""

    wall_clock: WallClock

    def __call__(self, _logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        moment = self.wall_clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"timestamp": moment, "level": name, "event": event_dict.get("event")}
        return {**head, **{key: value for key, value in event_dict.items() if key not in head}}


@attrs.frozen
class _NameError:
    """Puts the name of an error where its traceback would stand."""

    is_debugging: bool

    def __call__(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> EventDict:
        error = _error_in(event_dict.pop("exc_info", None))
        if error is None:
            return event_dict
        event_dict["error"] = error_name(error)
        causes = _causes(error)
        if causes:
            event_dict["caused_by"] = causes
        if self.is_debugging:
            event_dict["why"] = _said(error)
            frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
            event_dict["frames"] = [f"{PurePath(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
        return event_dict


def _error_in(exc_info: object) -> BaseException | None:
    """Return the error that `exc_info` means, in any of the forms that the standard library takes."""
    if exc_info is True:
        return sys.exception()
    found = cast("tuple[object, ...]", exc_info)[1:2] if isinstance(exc_info, tuple) else (exc_info,)
    return next((error for error in found if isinstance(error, BaseException)), None)


def _causes(error: BaseException) -> list[str]:
    names: list[str] = []
    while len(names) < MOST_CAUSES:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            break
        names.append(error_name(cause))
        error = cause
    return names


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a foreign __str__ may raise anything
        return ""


@attrs.define(eq=False)
class _Lines:
    """Writes lines until the first one that cannot be written: what follows a torn line could not be read either."""

    file: TextIO
    on_failure: OnFailure
    _has_failed: bool = attrs.field(default=False, init=False)

    def write(self, line: str) -> Any:
        if self._has_failed:
            return
        try:
            self.file.write(f"{line}\n")
            self.file.flush()
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            self._has_failed = True
            self.on_failure(error)

    debug = info = warning = error = critical = write
