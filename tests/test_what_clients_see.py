"""Nothing of the inside reaches a client: every kind of fault and every class of error, with the worst in it.

The errors are made of what must not come through: keys, addresses, paths, a traceback, a prompt, the names of our own
parts. What a client gets is then searched for any of that, and for the shape of it.
"""

from __future__ import annotations

import inspect
import io
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NoReturn

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
import supervisors
from actors.client_error import tell_client
from actors.errors import CallFailed, NoneAnswered, UnderstudyError
from actors.faults import FAULT_KINDS, FAULT_ROWS, ErrorContext, Fault, FaultKind
from actors.policies.scope import Scope
from actors.telemetry import log_lines, silent_log
from supervisors.runtime.settings_structure import Contradiction

ERROR_ID = "0123456789abcdef0123456789abcdef"
NOON = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)

SECRETS = (
    "sk-ant-api03-PLANTED",
    "Bearer eyJhbGciOi.PLANTED.sig",
    "https://api.anthropic.com/v1/messages?key=PLANTED",
    "/srv/app/actors/limiter/limiter.py",
    "C:\\app\\actors\\limiter.py",
    "10.20.30.40:8443",
    "fe80::1ff:fe23:4567:890a",
    'Traceback (most recent call last):\n  File "/srv/app/x.py", line 3, in f\n    g()',
    "INT. HUT - NIGHT. Yorblef confesses.",
    "postgres://app:hunter2@db.internal/prod",
    "limiter 'pool/opus' of supervisor 'root': circuit open, 3 in queue, mailbox full",
)
PLANTED = " | ".join(SECRETS)

INSIDE = (
    *(
        "limit(er|s)",
        "breaker",
        "circuit",
        "actor",
        "mailbox",
        "supervis",
        "understudy",
        "incarnation",
        "restart",
    ),
    *("anthropic", "openai", "groq", "dashscope", "claude", "opus", "sonnet", "haiku", "gpt", "qwen", "llm"),
    *(
        "models?",
        "provider",
        "upstream",
        "endpoint",
        "transport",
        "adapter",
        "backend",
        "database",
        "sql",
        "redis",
    ),
    *(
        "httpx",
        "httpcore",
        "trio",
        "attrs",
        "structlog",
        "python",
        "json",
        "http",
        "tls",
        "ssl",
        "tcp",
        "dns",
    ),
    *("sockets?", "hosts?", "ports?", "ip", "api", "url", "tokens?", "buckets?", "queue", "pools?", "cache"),
    *(
        "stack",
        "traceback",
        "exception",
        "error",
        "null",
        "none",
        "line",
        "file",
        "module",
        "class",
        "thread",
    ),
    *(
        "retry",
        "retries",
        "retryable",
        "backoff",
        "timeout",
        "deadline",
        "quota",
        "spend",
        "budget",
        "billing",
    ),
    *(
        "keys?",
        "secret",
        "password",
        "auth",
        "authorization",
        "credential",
        "permission",
        "prompt",
        "internal",
    ),
    *("work", "srv", "home", "usr", "tmp", "app"),
)
"""Words of ours, and of what we stand on; the service that a client talks to has none of them to say."""
WORD_OF_OURS = re.compile(rf"\b(?:{'|'.join(INSIDE)})", re.IGNORECASE)

PLAIN_SENTENCE = re.compile(r"[a-z]+(?:[ ,;] ?[a-z]+){2,15}")
"""Words in lower case with commas and semicolons: no room for an address, a key, a path, a number or a name in code."""


def walked() -> Iterator[str]:
    """Import every module of both packages and yield its name."""
    for package in (actors, supervisors):
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(found.name)
            yield found.name


MODULES = frozenset(walked())


def kinds_of(base: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield all subclasses of `base` that are loaded, wherever they were made."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds_of(kind)


LOADED = sorted(set(kinds_of(BaseException)), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
OURS = [kind for kind in LOADED if kind.__module__ in MODULES]

CIRCUMSTANCES = ErrorContext(
    service=PLANTED, model=PLANTED, attempt=3, elapsed=1.5, breaker=PLANTED, ids={"session": PLANTED}
)
KNOWN: dict[str, Any] = {
    "errors": [KeyError(PLANTED), OSError(111, PLANTED)],
    "problems": (PLANTED, PLANTED),
    "contradictions": (Contradiction((PLANTED,), PLANTED),),
    "path": (PLANTED,),
    "kinds": (PLANTED,),
    "scope": Scope("key", "sk-ant-api03-PLANTED"),
    "fault": None,
    "limit_kind": "rate",
    "status": 529,
    "retry_at": 3.0,
    "retry_after": 7.0,
    "retryable": True,
    "charged": False,
    "restarts": 3,
    "period": 30.0,
}
"""What a parameter of this name is given; the others are given `PLANTED`."""


def made(kind: type[BaseException], **facts: Any) -> BaseException:
    """Make an error of `kind` with the worst in all of its parameters, its notes, causes and circumstances."""
    given_ = {**KNOWN, **facts}
    placed: list[Any] = []
    named: dict[str, Any] = {}
    for each in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        match each.kind:
            case inspect.Parameter.KEYWORD_ONLY:
                named[each.name] = given_.get(each.name, PLANTED)
            case inspect.Parameter.VAR_KEYWORD:
                pass
            case _:
                placed.append(given_.get(each.name, PLANTED))
    error = kind(*placed, **named)
    return worsened(error)


def worsened(error: BaseException) -> BaseException:
    """Give an error notes, a chain of causes, circumstances and facts that nobody may see."""
    cause = ConnectionRefusedError(111, PLANTED, PLANTED)
    cause.__cause__ = KeyError(PLANTED)
    error.__cause__, error.__context__ = cause, ValueError(PLANTED)
    error.add_note(PLANTED)
    if isinstance(error, UnderstudyError):
        error.context = CIRCUMSTANCES
    return error


def shown(error: BaseException) -> str:
    """Return everything that a client gets, as it goes over the wire, after a look at its shape and its message."""
    told = tell_client(error, log=silent_log(), new_id=lambda: ERROR_ID)
    body = told.as_dict()
    assert body == {"error": {"message": told.message, "id": ERROR_ID}}
    assert attrs.asdict(told) == {"message": told.message, "error_id": ERROR_ID}
    assert_says_nothing_of_the_inside(told.message)
    return json.dumps(body)


def assert_says_nothing_of_the_inside(sentence: str) -> None:
    """Check a sentence by its words, by its shape, and against the names of all there is in both packages."""
    assert type(sentence) is str
    assert PLAIN_SENTENCE.fullmatch(sentence), sentence
    assert not (found := WORD_OF_OURS.search(sentence)), f"{found} in {sentence!r}"
    words = set(re.findall(r"[a-z]+", sentence))
    assert words.isdisjoint(NAMES), sorted(words & NAMES)


PARTS = {part for name in MODULES for part in name.split(".")}
ORDINARY = {"call", "message", "answer", "request", "question", "service"} & PARTS
"""Names of modules that are words of everybody's."""
NAMES = frozenset((PARTS | {kind.__name__.lower() for kind in OURS} | set(FAULT_KINDS)) - ORDINARY)
"""Names of modules, errors and kinds."""


def test_the_walk_finds_the_modules_and_the_errors_that_there_are() -> None:
    assert {"actors.kernel.slot", "actors.policies.ledger.ledger", "supervisors.runtime.runtime"} <= MODULES
    names = {f"{kind.__module__}.{kind.__name__}" for kind in OURS}
    assert {"actors.errors.BreakerOpen", "actors.policies.ledger.records.UnknownScope"} <= names
    assert len(OURS) >= 40


def test_the_search_finds_what_it_is_to_find() -> None:
    for secret in SECRETS:
        with pytest.raises(AssertionError):
            assert_says_nothing_of_the_inside(f"sorry about {secret}")
    for sentence in ("the model service is not there", "too many in the queue", "the breaker is open now"):
        with pytest.raises(AssertionError):
            assert_says_nothing_of_the_inside(sentence)


def planted(kind: FaultKind) -> Fault:
    """Return a fault whose every text is full of secrets, also those that no fault can be made with."""
    fault = Fault.of(kind, PLANTED, status=529, raw=PLANTED)
    for name in ("provider", "request_id"):
        object.__setattr__(fault, name, PLANTED)
    return fault


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_no_kind_of_fault_says_anything_of_the_inside(kind: FaultKind) -> None:
    assert_says_nothing_of_the_inside(FAULT_ROWS[kind].public_message)
    fault, told = planted(kind), planted(kind)
    object.__setattr__(told, "public_message", PLANTED)
    for each in (fault, told):
        error = worsened(CallFailed(PLANTED, fault=each))
        assert json.loads(shown(error))["error"]["message"] == FAULT_ROWS[kind].public_message


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: str(kind.__qualname__))
def test_no_error_of_ours_says_anything_of_the_inside(kind: type[BaseException]) -> None:
    shown(made(kind))
    shown(BaseExceptionGroup(PLANTED, [made(kind), KeyError(PLANTED)]))
    shown(BaseExceptionGroup(PLANTED, [BaseExceptionGroup(PLANTED, [made(kind)])]))
    for fault_kind in FAULT_KINDS:
        shown(made(kind, fault=planted(fault_kind)))
    wrapper = KeyError(PLANTED)
    wrapper.__cause__ = made(kind)
    shown(wrapper)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: str(kind.__qualname__))
def test_no_error_of_ours_says_anything_when_it_raises_as_it_is_looked_at(kind: type[BaseException]) -> None:
    def refuse(*_: object) -> NoReturn:
        raise RuntimeError(PLANTED)

    mute = {"__str__": refuse, "__repr__": refuse, "__module__": "tests", "__reduce__": refuse}
    hostile: type[BaseException] = type("Mute", (kind,), mute)
    shown(made(hostile))
    blind: type[BaseException] = type("Blind", (hostile,), {"__getattribute__": refuse})
    shown(blind.__new__(blind, PLANTED, *([KNOWN["errors"]] if issubclass(kind, BaseExceptionGroup) else [])))


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: str(kind.__qualname__))
def test_the_log_has_no_key_no_prompt_and_no_path_of_any_error_of_ours(kind: type[BaseException]) -> None:
    file = io.StringIO()
    error = made(kind, fault=Fault.of("overloaded", PLANTED, provider="anthropic", raw=PLANTED))
    if isinstance(error, UnderstudyError):
        error.context = ErrorContext(service="anthropic", model="claude-opus-4-8", ids={"user": "u1"})

    tell_client(error, log=log_lines(file, wall_clock=lambda: NOON), new_id=lambda: ERROR_ID)

    (line,) = file.getvalue().splitlines()
    assert json.loads(line)["error_id"] == ERROR_ID
    assert [each for each in ("PLANTED", "Yorblef", "hunter2", "/srv", "10.20.30.40") if each in line] == []


def test_no_error_of_anybody_says_anything_of_the_inside() -> None:
    """All classes that this process has loaded: the standard library's, Trio's, HTTP's and those of the test tools."""
    tried = 0
    for kind in LOADED:
        for make in (lambda kind=kind: kind(PLANTED), lambda kind=kind: kind.__new__(kind, PLANTED)):
            error = _made_or_none(make)
            if error is not None:
                tried += 1
                shown(error)
    assert tried > 300


def _made_or_none(make: Callable[[], BaseException]) -> BaseException | None:
    try:
        return make()
    except Exception:  # noqa: BLE001  # a class of others that wants more than a text, or is abstract
        return None


@given(st.text(), st.integers(), st.binary())
def test_what_an_error_holds_changes_nothing_of_what_is_shown(text: str, number: int, data: bytes) -> None:
    for kind in (KeyError, OSError, RuntimeError, CallFailed, UnderstudyError):
        assert shown(kind(text)) == shown(kind(""))
    assert shown(RuntimeError(text, number, data)) == shown(RuntimeError())
    assert shown(NoneAnswered(text, [CallFailed(text)])) == shown(CallFailed(""))
