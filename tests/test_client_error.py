"""A client gets a sentence and an id, whatever the error and whatever becomes of the log, which has all the rest."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

import attrs
import pytest
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from actors.bound_ids import bind_ids
from actors.client_error import ClientError, new_error_id, tell_client
from actors.errors import (
    BreakerOpen,
    CallFailed,
    NeverFits,
    NoneAdmitted,
    NoneAnswered,
    OutOfTime,
    ProviderFailed,
    QueueFull,
    RestartsExhausted,
    UnderstudyError,
)
from actors.faults import FAULT_ROWS, ErrorContext, Fault
from actors.telemetry import log_lines, silent_log

KEY = "sk-ant-api03-PLANTED"
PROMPT = "INT. HUT - NIGHT. Yorblef confesses."
NOON = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
OURS = "something went wrong on our side"
OUT = "a service we depend on is not available at the moment; try again later"


@attrs.define(eq=False)
class Page:
    """A log in memory, and the events on it."""

    file: io.StringIO = attrs.field(factory=io.StringIO)
    is_debugging: bool = False

    def log(self) -> FilteringBoundLogger:
        return log_lines(self.file, wall_clock=lambda: NOON, is_debugging=self.is_debugging)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.getvalue().splitlines()]


def message_of(error: BaseException) -> str:
    return tell_client(error, log=silent_log()).message


def overloaded() -> ProviderFailed:
    fault = Fault.of("overloaded", PROMPT, provider="anthropic", status=529, request_id="req_1", raw=PROMPT)
    return ProviderFailed(f"{KEY} {PROMPT}", status=529, kind="overloaded_error", fault=fault)


# What leaves the house.


def test_a_client_gets_a_sentence_and_an_id_and_nothing_else() -> None:
    told = tell_client(overloaded(), log=silent_log(), new_id=lambda: "id-1")

    assert told == ClientError(OUT, "id-1")
    assert told.as_dict() == {"error": {"message": OUT, "id": "id-1"}}
    assert attrs.asdict(told) == {"message": OUT, "error_id": "id-1"}


def test_an_id_is_opaque_and_never_the_same() -> None:
    ids = {new_error_id() for _ in range(1_000)}

    assert len(ids) == 1_000
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert tell_client(KeyError(), log=silent_log()).error_id not in ids


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NeverFits(PROMPT), "this request is too large"),
        (OutOfTime(PROMPT), "this took too long; try again later"),
        (BreakerOpen(PROMPT, service=KEY, state="open", retry_at=None), OUT),
        (CallFailed(PROMPT), "a service we depend on did not answer as it should; try again later"),
        (UnderstudyError(PROMPT), OURS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_ours_whose_fault_is_not_known_has_the_sentence_of_its_class(
    error: UnderstudyError, message: str
) -> None:
    assert message_of(error) == message


def test_an_error_whose_fault_is_known_has_the_sentence_of_its_kind() -> None:
    error = CallFailed(PROMPT, fault=Fault.of("context_length", PROMPT))
    assert message_of(error) == "this request is too large"


def test_a_fault_cannot_bring_a_sentence_of_its_own() -> None:
    fault = attrs.evolve(Fault.of("rate_limited"), public_message=PROMPT)
    assert message_of(CallFailed("", fault=fault)) == FAULT_ROWS["rate_limited"].public_message


def test_an_application_gives_its_own_errors_their_sentence_by_the_class_alone() -> None:
    class SoldOut(UnderstudyError):
        public_message = "that is sold out"

    error = SoldOut(PROMPT)
    error.public_message = PROMPT  # an instance may quote what it was made of
    assert message_of(error) == "that is sold out"


def test_a_public_message_that_is_no_text_is_not_shown() -> None:
    class Careless(UnderstudyError):
        @property
        def public_message(self) -> str:  # type: ignore[override]  # what an application may well write
            return PROMPT

    assert message_of(Careless()) == OURS


def test_an_error_of_others_has_the_sentence_of_the_kind_it_is_found_to_be() -> None:
    assert message_of(KeyError(PROMPT)) == OURS
    assert message_of(KeyboardInterrupt(PROMPT)) == OURS
    assert message_of(SystemExit(PROMPT)) == OURS


def test_a_group_whose_members_say_the_same_says_it_too() -> None:
    assert message_of(NoneAdmitted("", [NeverFits("a"), NeverFits("b")])) == "this request is too large"
    assert message_of(NoneAnswered("", [overloaded(), overloaded()])) == OUT
    assert message_of(ExceptionGroup("", [ExceptionGroup("", [QueueFull("")])])) == QueueFull.public_message


def test_a_chain_whose_members_say_different_things_speaks_for_itself() -> None:
    assert message_of(NoneAdmitted("", [NeverFits("a"), QueueFull("b")])) == NoneAdmitted.public_message
    assert message_of(NoneAnswered("", [overloaded(), QueueFull("b")])) == CallFailed.public_message


def test_a_spent_budget_of_restarts_is_our_trouble_whatever_the_crashes_were() -> None:
    error = RestartsExhausted("", [overloaded()], child="maya", restarts=1, period=30.0)
    assert message_of(error) == OURS


# What the log has.


def test_all_the_rest_is_one_event_under_the_id() -> None:
    page = Page()
    error = overloaded()
    error.context = ErrorContext(
        service="anthropic", model="opus", attempt=2, elapsed=1.5, ids={"session": "s1"}
    )
    error.__cause__ = ConnectionResetError(PROMPT)

    with bind_ids(session="of the task", request="r1"):
        told = tell_client(error, log=page.log())

    assert page.events() == [
        {
            "timestamp": "2031-05-04T12:00:00.000Z",
            "level": "error",
            "event": "error.reported",
            "error_id": told.error_id,
            "session": "s1",
            "request": "r1",
            "service": "anthropic",
            "model": "opus",
            "attempt": 2,
            "elapsed": 1.5,
            "error": "ProviderFailed",
            "kind": "overloaded_error",
            "fault": "overloaded",
            "priority": "medium",
            "alert": False,
            "retryable": True,
            "provider": "anthropic",
            "status": 529,
            "request_id": "req_1",
            "caused_by": ["ConnectionResetError"],
        }
    ]


async def test_a_cancellation_can_be_told_and_goes_on() -> None:
    page, told = Page(), list[str]()
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except BaseException as error:
            told.append(tell_client(error, log=page.log()).message)
            raise

    assert scope.cancelled_caught
    assert told == [OURS]
    assert page.events()[0]["error"] == "Cancelled"


def test_while_debugging_the_log_has_what_the_error_says_without_keys() -> None:
    page = Page(is_debugging=True)

    tell_client(overloaded(), log=page.log())

    assert page.events()[0]["why"] == f"[redacted] {PROMPT}"


# What fails meanwhile.


@attrs.define(eq=False)
class FailingLog:
    """A log that cannot write: any event, or those that name an error."""

    fails_always: bool
    written: list[dict[str, Any]] = attrs.field(factory=list)

    def error(self, event: str, **facts: Any) -> None:
        if self.fails_always or "exc_info" in facts:
            raise OSError(28, PROMPT)
        self.written.append({"event": event, **facts})


@pytest.mark.parametrize(("fails_always", "written"), [(True, []), (False, ["id-1"])])
def test_a_log_that_fails_costs_no_answer_and_as_little_as_can_be_of_the_trace(
    fails_always: bool, written: list[str]
) -> None:
    log = FailingLog(fails_always)

    told = tell_client(overloaded(), log=cast("FilteringBoundLogger", log), new_id=lambda: "id-1")

    assert told == ClientError(OUT, "id-1")
    assert log.written == [{"event": "error.reported", "error_id": each} for each in written]


@pytest.mark.parametrize("log", [None, logging.getLogger("app"), FailingLog(fails_always=True)])
def test_what_no_log_takes_leaves_its_id_on_standard_error(
    log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tell_client(ValueError(PROMPT), log=log, new_id=lambda: "id-1")

    assert told.error_id == "id-1"
    assert capsys.readouterr().err == "error.reported id-1: ValueError, and the log did not take it\n"


def test_what_the_log_takes_is_not_written_anywhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    tell_client(ValueError(PROMPT), log=Page().log())
    tell_client(ValueError(PROMPT), log=cast("FilteringBoundLogger", FailingLog(fails_always=False)))

    assert capsys.readouterr().err == ""


def test_without_a_standard_error_the_client_has_its_answer_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    wrong: Any = None
    assert tell_client(overloaded(), log=wrong, new_id=lambda: "id-1") == ClientError(OUT, "id-1")


def no_id() -> str:
    """Make none."""
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "new_id", [no_id, lambda: None, lambda: 5, lambda: "", lambda: "a\nb", lambda: "x" * 129, None]
)
def test_an_id_that_is_none_is_made_anew(new_id: Any) -> None:
    page = Page()
    told = tell_client(ValueError(PROMPT), log=page.log(), new_id=new_id)

    assert re.fullmatch("[0-9a-f]{32}", told.error_id)
    assert page.events()[0]["error_id"] == told.error_id


@pytest.mark.parametrize("sentence", ["", " \n"])
def test_a_public_message_that_says_nothing_is_not_shown(sentence: str) -> None:
    class Silent(UnderstudyError):
        public_message = sentence

    assert tell_client(Silent("x"), log=Page().log()).message == OURS


class Hostile(UnderstudyError):
    """An error that raises at whatever is asked of it."""

    def __str__(self) -> NoReturn:
        raise RuntimeError(PROMPT)

    __repr__ = __str__

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(PROMPT)


class HostileCall(CallFailed):
    """A failed call that raises at whatever is asked of it."""

    __str__ = Hostile.__str__
    __repr__ = Hostile.__str__
    __getattribute__ = Hostile.__getattribute__


class HostileGroup(ExceptionGroup[Exception]):
    """A group that does not say what is in it."""

    @property
    def exceptions(self) -> NoReturn:
        raise RuntimeError(PROMPT)


@pytest.mark.parametrize("is_debugging", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Hostile(PROMPT),
        lambda: HostileCall(PROMPT),
        lambda: ExceptionGroup("two", [Hostile(PROMPT), HostileCall(PROMPT)]),
        lambda: HostileGroup(PROMPT, [KeyError(PROMPT)]),
    ],
    ids=["error", "call", "group of them", "group"],
)
def test_a_hostile_error_is_told_under_its_id(make: Callable[[], Exception], is_debugging: bool) -> None:
    page = Page(is_debugging=is_debugging)

    with bind_ids(request="r1"):
        told = tell_client(make(), log=page.log())

    assert told.message in {OURS, CallFailed.public_message}
    (event,) = page.events()
    assert (event["event"], event["error_id"]) == ("error.reported", told.error_id)
    assert "Yorblef" not in page.file.getvalue()


def test_circumstances_of_no_known_make_take_nothing_else_along() -> None:
    page = Page()
    error = overloaded()
    error.context = ErrorContext(elapsed=cast("float", "long"))

    tell_client(error, log=page.log())

    assert page.events()[0]["fault"] == "overloaded"
    assert "elapsed" not in page.events()[0]


def test_a_logger_of_structlogs_own_make_serves_as_well() -> None:
    with structlog.testing.capture_logs() as events:
        log: FilteringBoundLogger = structlog.get_logger()
        told = tell_client(error := overloaded(), log=log)

    assert (events[0]["event"], events[0]["error_id"]) == ("error.reported", told.error_id)
    assert events[0]["exc_info"] is error
