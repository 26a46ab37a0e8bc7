"""The log of JSON lines, as it is rendered; its silence; lost messages; and the calls of an endpoint in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

import attrs
import pytest
import structlog
import trio
from cast_setup import FIRST, SECOND, TWO_SECONDS, a_request, open_path
from structlog.typing import FilteringBoundLogger

from actors.call.log import CallLog
from actors.call.steps import Answered, Calling, Failed, PassedOver, Waiting
from actors.endpoint import Endpoint, answer
from actors.errors import (
    BreakerOpen,
    CallFailed,
    NoneAnswered,
    ProviderFailed,
    Rejected,
    ReplyInvalid,
    TransportFailed,
    WaitTooLong,
)
from actors.faults import ErrorContext, Fault
from actors.kernel import Actor, Books, DeadLetter, Fate, op, open_actor, open_books
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.telemetry import log_dead_letter, log_lines, silent_log
from actors.testing.provider import SimulatedProvider, overload
from actors.wire.chat import ChatReply, TokenCounts
from actors.wire.faults import fault_of

pytestmark = pytest.mark.usefixtures("autojump_clock")

KEY = "sk-ant-api03-PLANTED"
PROMPT = "INT. HUT - NIGHT. Yorblef confesses."
NOON = datetime(2031, 5, 4, 14, 0, 0, 123456, timezone(timedelta(hours=2)))


@attrs.define(eq=False)
class Page:
    """A log in memory, and the events on it."""

    file: io.StringIO = attrs.field(factory=io.StringIO)
    is_debugging: bool = False

    def log(self) -> FilteringBoundLogger:
        return log_lines(self.file, wall_clock=lambda: NOON, is_debugging=self.is_debugging)

    def text(self) -> str:
        return self.file.getvalue()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def facts(self) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in event.items() if name not in ("timestamp", "level")}
            for event in self.events()
        ]


def test_a_line_holds_timestamp_level_and_event_before_its_facts() -> None:
    page = Page()

    page.log().bind(call=3).warning("call.failed", waited=0.25)

    assert page.text() == (
        '{"timestamp": "2031-05-04T12:00:00.123Z", "level": "warning", "event": "call.failed", "call": 3, '
        '"waited": 0.25}\n'
    )


def test_no_fact_takes_the_place_of_timestamp_or_level() -> None:
    page = Page()

    page.log().info("a.b", timestamp="never", level="none")

    assert page.events() == [{"timestamp": "2031-05-04T12:00:00.123Z", "level": "info", "event": "a.b"}]


def test_what_is_debugged_is_logged_only_while_debugging() -> None:
    page, debugging = Page(), Page(is_debugging=True)

    page.log().debug("a.b")
    debugging.log().debug("a.b")

    assert page.text() == ""
    assert debugging.facts() == [{"event": "a.b"}]


def test_a_line_is_redacted_after_all_else() -> None:
    page = Page()

    with structlog.contextvars.bound_contextvars(request="r1", password="hunter2"):  # noqa: S106  # planted
        page.log().bind(prompt=PROMPT).error(f"key {KEY}", headers={"x-api-key": "hunter2"}, note=b"hunter2")

    assert page.facts() == [
        {
            "event": "key [redacted]",
            "request": "r1",
            "password": "[redacted]",
            "prompt": "[redacted]",
            "headers": {"x-api-key": "[redacted]"},
            "note": "<bytes of 7>",
        }
    ]


def test_a_line_is_ascii_and_one_line_whatever_is_in_it() -> None:
    page = Page()

    page.log().info("a.b", fact="é\n\x1b[2J\ud800\N{GRINNING FACE}")

    assert page.text().isascii()
    assert page.text().count("\n") == 1


def raise_chain() -> NoReturn:
    secret = PROMPT
    try:
        try:
            raise KeyError(secret)  # noqa: TRY301  # the chain is what is tested
        except KeyError as error:
            raise ValueError(f"{KEY} and {secret}") from error
    except ValueError:
        raise RuntimeError(f"{KEY} told by text='{secret}'")  # noqa: B904  # an implicit cause is one too


@pytest.mark.parametrize("exc_info", ["exception", "true", "error", "tuple"])
def test_an_exception_is_told_by_the_types_of_its_chain(exc_info: str) -> None:
    page = Page()
    try:
        raise_chain()
    except RuntimeError as error:
        match exc_info:
            case "exception":
                page.log().exception("a.b")
            case "true":
                page.log().error("a.b", exc_info=True)
            case "error":
                page.log().error("a.b", exc_info=error)
            case _:
                page.log().error("a.b", exc_info=(type(error), error, error.__traceback__))

    assert page.facts() == [
        {"event": "a.b", "error": "RuntimeError", "caused_by": ["ValueError", "KeyError"]}
    ]


def test_debugging_tells_text_and_place_of_an_exception_but_no_variables() -> None:
    page = Page(is_debugging=True)
    try:
        raise_chain()
    except RuntimeError:
        page.log().exception("a.b")

    (event,) = page.events()
    assert event["why"] == "[redacted] told by text=[redacted]"
    assert [frame.partition(" in ")[2] for frame in event["frames"]] == [
        "test_debugging_tells_text_and_place_of_an_exception_but_no_variables",
        "raise_chain",
    ]
    assert event["frames"][0].startswith("test_telemetry.py:")
    assert PROMPT not in page.text()
    assert "PLANTED" not in page.text()


def test_an_exception_without_a_cause_names_none() -> None:
    page = Page()
    error = ValueError(PROMPT)
    error.__context__, error.__suppress_context__ = KeyError(), True

    page.log().error("a.b", exc_info=error)

    assert page.facts() == [{"event": "a.b", "error": "ValueError"}]


def test_a_circle_of_causes_comes_to_an_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    page = Page()

    page.log().error("a.b", exc_info=first)

    assert page.facts()[0]["caused_by"] == ["KeyError", "ValueError", "KeyError", "ValueError", "KeyError"]


def test_an_error_that_cannot_say_itself_is_still_named() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError(PROMPT)

    page = Page(is_debugging=True)

    page.log().error("a.b", exc_info=MuteError())

    assert page.facts() == [{"event": "a.b", "error": "MuteError", "why": "", "frames": []}]


@pytest.mark.parametrize("nothing", [True, False, None, (None, None, None), (), "x"])
def test_no_exception_is_no_fact(nothing: object) -> None:
    page = Page()

    page.log().error("a.b", exc_info=nothing)

    assert page.facts() == [{"event": "a.b"}]


def test_a_log_ends_at_its_first_failure_which_is_told_once() -> None:
    failures: list[str] = []
    file = io.StringIO()
    log = log_lines(file, wall_clock=lambda: NOON, on_failure=lambda error: failures.append(str(error)))
    file.close()

    log.info("a.b")
    log.info("c.d")

    assert failures == ["I/O operation on closed file"]


def test_a_log_whose_failure_nobody_wants_to_know_fails_in_silence() -> None:
    full = Path("/dev/full").open("w", encoding="ascii")  # noqa: SIM115  # what it holds back fails again on closing
    log = log_lines(full, wall_clock=lambda: NOON)

    log.info("a.b")
    log.info("c.d")

    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_silent_log_says_nothing_at_any_level(capsys: pytest.CaptureFixture[str]) -> None:
    log = silent_log().bind(call=1)

    for level in (log.debug, log.info, log.warning, log.error, log.critical):
        assert level("a.b", fact=1) is None

    assert capsys.readouterr() == ("", "")


def test_neither_log_takes_anything_from_the_configuration_or_gives_it() -> None:
    configured = structlog.get_config()
    page = Page()

    def refuse(*_: object) -> NoReturn:
        raise AssertionError

    structlog.configure(processors=[refuse], logger_factory=refuse, context_class=cast("Any", refuse))
    try:
        page.log().info("a.b")
        silent_log().critical("a.b")
    finally:
        structlog.reset_defaults()

    assert page.facts() == [{"event": "a.b"}]
    assert structlog.get_config() == configured
    assert not structlog.is_configured()


# Lost messages.


class Clerk(Actor):
    @op
    def file(self, text: str, number: int) -> None: ...


async def test_a_lost_message_is_told_by_operation_and_shape_and_never_by_its_words() -> None:
    page = Page()
    with open_books(Books(partial(log_dead_letter, log=page.log()))):
        async with open_actor(Clerk, name="clerk") as clerk:
            await clerk.stop()
            await clerk.tell(Clerk.file(f"{PROMPT} {KEY}", 7))

    (fact,) = page.facts()
    assert fact["event"] == "message.dead_lettered"
    assert fact["operation"] == f"Clerk.file(<str of {len(PROMPT) + len(KEY) + 1}>, number=7)".replace(
        "(<", "(text=<"
    )
    assert (fact["recipient"], fact["fate"]) == ("clerk", "undelivered")
    assert page.events()[0]["level"] == "warning"
    assert "Yorblef" not in page.text()
    assert "PLANTED" not in page.text()


def test_a_letter_of_foreign_make_is_outlined() -> None:
    page = Page()
    letter = DeadLetter(PROMPT, "clerk", Fate.DROPPED, "mailbox full", ValueError(f"{KEY} {PROMPT}"))

    log_dead_letter(letter, log=page.log())

    assert page.facts() == [
        {
            "event": "message.dead_lettered",
            "operation": f"<str of {len(PROMPT)}>",
            "recipient": "clerk",
            "fate": "dropped",
            "reason": "mailbox full",
            "error": "ValueError",
        }
    ]


def test_a_letter_without_an_error_names_none() -> None:
    page = Page()

    log_dead_letter(DeadLetter(None, "clerk", Fate.EXPIRED, "too late"), log=page.log())

    assert "error" not in page.facts()[0]


# Calls.


def overloaded(request_id: str | None = None) -> ProviderFailed:
    fault = Fault.of(
        "overloaded", PROMPT, provider="anthropic", status=529, request_id=request_id, raw=PROMPT
    )
    return ProviderFailed(
        f"{KEY} {PROMPT}", status=529, kind="overloaded_error", request_id=request_id, fault=fault
    )


def replied() -> ChatReply:
    counts = TokenCounts(input_tokens=900, output_tokens=40, cache_creation_tokens=12, cache_read_tokens=5)
    return ChatReply(PROMPT, counts, FIRST, "end_turn")


def test_every_step_of_a_call_that_matters_is_told_without_a_word_that_was_said() -> None:
    page = Page()
    told = CallLog(page.log(), 1)

    told.take(Waiting(FIRST))
    told.take(Calling(FIRST, 1, 0.25))
    told.take(Failed(FIRST, 1, overloaded("req_1"), 1.23456))
    told.take(Calling(FIRST, 2, 0.5))
    told.take(Failed(FIRST, 2, TransportFailed(PROMPT, kind="reset"), None))
    told.take(PassedOver(FIRST, SECOND, overloaded()))
    told.take(Calling(SECOND, 3, 1.0))
    told.take(Answered(replied(), SECOND, fell_back=True, attempts=3))

    assert page.facts() == [
        {
            "event": "call.failed",
            "call": 1,
            "model": FIRST,
            "attempt": 1,
            "waited": 0.25,
            "error": "ProviderFailed",
            "kind": "overloaded_error",
            "fault": "overloaded",
            "priority": "medium",
            "alert": False,
            "retryable": True,
            "provider": "anthropic",
            "status": 529,
            "request_id": "req_1",
            "again_in": 1.235,
        },
        {
            "event": "call.failed",
            "call": 1,
            "model": FIRST,
            "attempt": 2,
            "waited": 0.5,
            "error": "TransportFailed",
            "kind": "reset",
            "fault": "network_reset",
            "priority": "medium",
            "alert": False,
            "retryable": True,
        },
        {
            "event": "call.passed_over",
            "call": 1,
            "model": FIRST,
            "next_model": SECOND,
            "error": "ProviderFailed",
            "kind": "overloaded_error",
            "fault": "overloaded",
            "priority": "medium",
            "alert": False,
            "retryable": True,
            "provider": "anthropic",
            "status": 529,
        },
        {
            "event": "call.answered",
            "call": 1,
            "model": SECOND,
            "fell_back": True,
            "attempts": 3,
            "waited": 1.75,
            "input_tokens": 912,
            "output_tokens": 40,
        },
    ]
    assert [event["level"] for event in page.events()] == ["warning", "warning", "warning", "info"]


def test_a_call_without_an_answer_is_told_in_one_event_with_all_of_its_circumstances() -> None:
    page = Page()
    error = overloaded("req_1")
    error.is_out_of_budget = True
    error.context = ErrorContext(
        service="anthropic",
        model=SECOND,
        attempt=4,
        elapsed=9.87654,
        breaker="half_open",
        budget_left=0.0,
        ids={"session": "s1", "user": "u1", "conversation": "c1", "request": "r1"},
    )

    CallLog(page.log(), 1).given_up(error)

    assert page.facts() == [
        {
            "event": "call.given_up",
            "call": 1,
            "waited": 0.0,
            "service": "anthropic",
            "model": SECOND,
            "attempt": 4,
            "elapsed": 9.877,
            "breaker": "half_open",
            "budget_left": 0.0,
            "session": "s1",
            "user": "u1",
            "conversation": "c1",
            "request": "r1",
            "error": "ProviderFailed",
            "kind": "overloaded_error",
            "fault": "overloaded",
            "priority": "medium",
            "alert": False,
            "retryable": True,
            "provider": "anthropic",
            "status": 529,
            "request_id": "req_1",
            "is_out_of_budget": True,
        }
    ]
    assert page.events()[0]["level"] == "error"


def test_a_call_that_no_model_answered_is_told_with_what_became_of_each() -> None:
    page = Page()
    refused = BreakerOpen(PROMPT, service=f"anthropic/{SECOND}", state="open", retry_at=60.0)

    CallLog(page.log(), 1).given_up(NoneAnswered(PROMPT, [overloaded("req_1"), refused]))

    (fact,) = page.facts()
    assert fact["error"] == "NoneAnswered(ProviderFailed, BreakerOpen)"
    assert [each["error"] for each in fact["members"]] == ["ProviderFailed", "BreakerOpen"]
    assert fact["members"][0]["request_id"] == "req_1"
    assert "Yorblef" not in page.text()


@pytest.mark.parametrize(
    "error", [CallFailed(PROMPT), ReplyInvalid(PROMPT, problems=(PROMPT,)), WaitTooLong(KEY), Rejected(KEY)]
)
def test_a_call_without_circumstances_is_told_by_its_fault(error: CallFailed | Rejected) -> None:
    page = Page()

    CallLog(page.log(), 1).given_up(error)

    (fact,) = page.facts()
    assert (fact["call"], fact["waited"], fact["error"]) == (1, 0.0, type(error).__name__)
    assert fact["fault"] == fault_of(error).kind
    assert "PLANTED" not in page.text()
    assert "Yorblef" not in page.text()


async def test_an_endpoint_tells_of_its_calls_by_their_number() -> None:
    page = Page()
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(overload(model=FIRST))
    async with open_path(provider, FIRST, SECOND, retry=RetryPolicy(max_retries=0)) as path:
        make: Callable[[], Endpoint] = partial(Endpoint, path, log=page.log())
        async with open_actor(make, name="endpoint") as endpoint:
            await answer(endpoint, a_request(PROMPT))
            await answer(endpoint, a_request(PROMPT))

    assert [(fact["call"], fact["event"]) for fact in page.facts()] == [
        (1, "call.failed"),
        (1, "call.passed_over"),
        (1, "call.answered"),
        (2, "call.failed"),
        (2, "call.passed_over"),
        (2, "call.answered"),
    ]
    assert "Yorblef" not in page.text()


async def test_an_endpoint_tells_of_a_call_that_never_went_out() -> None:
    page = Page()
    async with open_path(SimulatedProvider(), limits=Limits(output_tokens=10)) as path:
        make: Callable[[], Endpoint] = partial(Endpoint, path, log=page.log())
        async with open_actor(make, name="endpoint") as endpoint:
            with pytest.raises(Rejected):
                await answer(endpoint, a_request(PROMPT, max_tokens=11))

    (fact,) = page.facts()
    assert (fact["event"], fact["call"], fact["waited"]) == ("call.given_up", 1, 0.0)
    assert (fact["error"], fact["retryable"]) == ("NeverFits", False)


async def test_a_call_that_is_cancelled_is_not_told() -> None:
    page = Page()
    async with open_path(SimulatedProvider(latency=TWO_SECONDS)) as path:
        make: Callable[[], Endpoint] = partial(Endpoint, path, log=page.log())
        async with open_actor(make, name="endpoint") as endpoint:
            with trio.move_on_after(1.0):
                await answer(endpoint, a_request(PROMPT))

    assert page.text() == ""
