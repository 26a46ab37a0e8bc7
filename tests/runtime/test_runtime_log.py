"""What the runtime tells a log, read as it is rendered: lives of children, calls, analyses, and no word said."""

from __future__ import annotations

import io
import json
import logging
import math
from datetime import UTC, datetime
from functools import partial
from typing import Any, get_args

import attrs
import pytest
import trio

from actors.coverage.fountain import load
from actors.coverage.personas import Persona
from actors.coverage.record import Coverage
from actors.coverage.sections import Section
from actors.endpoint import Endpoint
from actors.errors import InputError, TransportFailed
from actors.kernel import Books, DeadLetter, Fate, Ref, open_books
from actors.reader import Reader
from actors.telemetry import log_dead_letter, log_lines
from actors.testing.provider import INSTANT, Fault, ServedModel, SimulatedProvider, overload
from actors.testing.reader_model import reader_model
from actors.wire.chat import ChatMessage, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse
from supervisors.events import (
    AutoShutDown,
    ChildCrashed,
    ChildGivenUp,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    Escalated,
    LifecycleEvent,
)
from supervisors.runtime.reading import MakeReader, reader_of
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.runtime_log import LIFECYCLE, RuntimeLog
from supervisors.runtime.settings import (
    ProviderSettings,
    ReaderSettings,
    RetrySettings,
    Settings,
    SupervisionSettings,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")

KEY = "hunter2-PLANTED-key"
"""A key without any mark of a key: only silence keeps it out."""

WORDS = "YORBLEF-PLANTED-words"
SCRIPT = load(
    f"Title: {WORDS}\n\nINT. HUT - DAY\n\nA sign says {WORDS}.\n\nYORBLEF\n{WORDS}\n".encode(),
    "script.fountain",
)
MODELS = ProviderSettings().models
CHILDREN = (
    "transport",
    "cooldown",
    *(f"{guard}/{model}" for model in MODELS for guard in ("limiter", "budget")),
    "degradation",
    "breakers",
    "board",
    *(f"breaker/anthropic/{model}" for model in MODELS),
    "endpoint",
)


def settings(**supervision: Any) -> Settings:
    return Settings(
        provider=ProviderSettings(name="anthropic", api_key=KEY),
        readers=ReaderSettings(names=("maya",)),
        retry=RetrySettings(max_retries=1),
        supervision=SupervisionSettings(backoff_initial=0.0, **supervision),
    )


def provider(*faults: Fault) -> SimulatedProvider:
    models = tuple(ServedModel(model) for model in ProviderSettings().models)
    simulated = SimulatedProvider(models=models, model=reader_model, latency=INSTANT)
    simulated.script(*faults)
    return simulated


@attrs.define(eq=False)
class Page:
    """A log in memory."""

    file: io.StringIO = attrs.field(factory=io.StringIO)

    def __attrs_post_init__(self) -> None:
        self.log = log_lines(
            self.file, wall_clock=lambda: datetime(2031, 5, 4, tzinfo=UTC), is_debugging=True
        )

    log: Any = attrs.field(init=False)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.getvalue().splitlines()]

    def names(self) -> list[str]:
        return [event["event"] for event in self.events()]

    def of(self, name: str) -> list[dict[str, Any]]:
        head = ("timestamp", "level", "event")
        return [
            {key: value for key, value in event.items() if key not in head}
            for event in self.events()
            if event["event"] == name
        ]


@pytest.mark.parametrize(
    ("event", "level", "name", "facts"),
    [
        (ChildStarted("top", "maya", 1, "kept", 3.0), "info", "child.started", {"state": "kept"}),
        (ChildCrashed("top", "maya", 1, "KeyError", 3.0), "error", "child.crashed", {"error": "KeyError"}),
        (ChildStopped("top", "maya", 1, "normal", "", 3.0), "info", "child.stopped", {"reason": "normal"}),
        (
            ChildStopped("top", "maya", 1, "killed", "OSError", 3.0),
            "info",
            "child.stopped",
            {"reason": "killed", "error": "OSError"},
        ),
        (ChildRestarting("top", "maya", 1, 0.12345, 3.0), "warning", "restart.scheduled", {"delay": 0.123}),
        (ChildOverdue("top", "maya", 1, math.inf, 3.0), "error", "child.left_behind", {"grace": "inf"}),
        (
            ChildGivenUp("top", "maya", 1, "child", 3, 30.0, 3.0),
            "error",
            "child.given_up",
            {"budget": "child", "restarts": 3, "period": 30.0},
        ),
    ],
)
def test_each_lifecycle_event_has_its_level_its_name_and_its_facts(
    event: LifecycleEvent, level: str, name: str, facts: dict[str, object]
) -> None:
    page = Page()

    RuntimeLog(page.log).on_event(event)

    (told,) = page.events()
    assert (told["level"], told["event"]) == (level, name)
    assert page.of(name) == [{"supervisor": "top", "child": "maya", "incarnation": 1, **facts}]


def test_the_end_of_a_supervisor_names_the_child_behind_it() -> None:
    page = Page()

    RuntimeLog(page.log).on_event(Escalated("top", "maya", 3.0))
    RuntimeLog(page.log).on_event(AutoShutDown("top", "maya", 3.0))

    assert page.of("supervisor.escalated") == [{"supervisor": "top", "child": "maya"}]
    assert page.of("supervisor.shut_down") == [{"supervisor": "top", "child": "maya"}]
    assert [event["level"] for event in page.events()] == ["error", "info"]


def test_every_kind_of_lifecycle_event_is_told() -> None:
    assert set(LIFECYCLE) == set(get_args(LifecycleEvent))
    assert {level for level, _ in LIFECYCLE.values()} <= {logging.INFO, logging.WARNING, logging.ERROR}


def test_a_runtime_log_of_nothing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    RuntimeLog().on_event(ChildStarted("top", "maya", 1, "new", 3.0))

    assert capsys.readouterr() == ("", "")


async def test_a_runtime_without_a_log_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    async with open_runtime(settings(), transport=provider().transport) as runtime:
        await runtime.analyze(SCRIPT)

    assert capfd.readouterr() == ("", "")


async def test_an_analysis_is_told_from_the_first_child_to_the_last() -> None:
    page = Page()
    faulty = provider(overload(model=ProviderSettings().models[0]))
    async with open_runtime(settings(), transport=faulty.transport, log=page.log) as runtime:
        await runtime.analyze(SCRIPT)

    assert page.names() == [
        *["child.started"] * len(CHILDREN),
        "analysis.started",
        "child.started",
        "call.failed",
        "call.failed",
        "call.passed_over",
        "call.answered",
        "child.stopped",
        "analysis.finished",
        *["child.stopped"] * len(CHILDREN),
    ]
    assert [fact["child"] for fact in page.of("child.started")] == [*CHILDREN, "maya"]
    assert page.of("analysis.started") == [{"readers": ["maya"], "scenes": 1, "words": SCRIPT.words}]
    (finished,) = page.of("analysis.finished")
    assert (finished["status"], finished["results"], finished["errors"]) == ("complete", ["maya"], {})
    (answered,) = page.of("call.answered")
    assert (answered["call"], answered["attempts"], answered["fell_back"]) == (1, 3, True)
    assert answered["input_tokens"] > answered["output_tokens"] > 0


async def test_an_analysis_that_is_refused_was_never_started() -> None:
    page = Page()
    async with open_runtime(settings(), transport=provider().transport, log=page.log) as runtime:
        with pytest.raises(InputError):
            await runtime.analyze(SCRIPT, ("zoe",))

    assert "analysis.started" not in page.names()


class CrashingReader(Reader):
    """Crashes with words and key in its error, and in the errors behind that."""

    def check(self, text: str, section: Section) -> Coverage:
        try:
            raise KeyError(f"{WORDS} {KEY}")  # noqa: TRY301  # a cause is planted
        except KeyError as error:
            raise RuntimeError(f"{WORDS} {KEY} {text} {section}") from error


def crashing(persona: Persona, endpoint: Ref[Endpoint], _settings: Settings) -> Reader:
    return CrashingReader(persona, endpoint)


class TalkativeTransport:
    """Fails, and says in its error what it was sent."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        await trio.lowlevel.checkpoint()
        raise TransportFailed(f"{WORDS} {request.headers} {request.body!r}", kind="reset")


class TalkativeProvider:
    """Refuses, and says in its answer what it was sent."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        await trio.lowlevel.checkpoint()
        told = f"{WORDS} {dict(request.headers)}"
        error = {"type": told, "message": told, "request_id": told}
        body = json.dumps({"type": "error", "error": error, "request_id": told}).encode()
        return HttpResponse(400, {"request-id": told, "content-type": "application/json"}, body)


@pytest.mark.parametrize("make_reader", [reader_of, crashing])
@pytest.mark.parametrize("transport", [None, TalkativeTransport(), TalkativeProvider()])
async def test_neither_key_nor_words_reach_the_log_wherever_they_are_put(
    make_reader: MakeReader, transport: Any
) -> None:
    page = Page()
    chosen = settings(restarts=1)
    with open_books(Books(partial(log_dead_letter, log=page.log))) as books:
        async with open_runtime(chosen, transport=transport or provider().transport, log=page.log) as runtime:
            await runtime.analyze(SCRIPT, make_reader=make_reader)
        request = ChatRequest(WORDS, (ChatMessage("user", f"{WORDS} {KEY}"),), system=WORDS)
        for message in (request, Endpoint.call(request)):
            books.record(DeadLetter(message, "endpoint", Fate.FAILED, "nobody waits", RuntimeError(KEY)))

    assert page.names().count("message.dead_lettered") == 2
    assert page.of("message.dead_lettered")[-1]["operation"] == (
        "Endpoint.call(request=<ChatRequest>, terms=<CallTerms>)"
    )
    assert len(page.events()) > 10
    assert "PLANTED" not in page.file.getvalue()
