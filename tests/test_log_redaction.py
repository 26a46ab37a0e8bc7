"""What a line of a log may hold, and that nothing else gets in, whatever is put where."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log_redaction import (
    LARGEST_INTEGER,
    LEFT_OUT,
    LONGEST_SCANNED,
    LONGEST_TEXT,
    MOST_VALUES,
    REDACTED,
    UNREADABLE,
    error_name,
    is_sensitive,
    redact,
)

KEY = "sk-ant-api03-PLANTED"
PROMPT = "INT. HUT - NIGHT. Yorblef confesses."


def redacted(**facts: Any) -> dict[str, Any]:
    return dict(redact(None, "info", facts))


def shown(value: object) -> Any:
    return redacted(fact=value)["fact"]


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "apikey",
        "x-api-key",
        "X-API-KEY",
        "Authorization",
        "proxy-authorization",
        "password",
        "db_password",
        "clientSecret",
        "set-cookie",
        "credentials",
        "private_key",
        "token",
        "access_token",
        "tokens",
        "prompt",
        "system",
        "systemPrompt",
        "user_messages",
        "text",
        "request.body",
        "content",
    ],
)
def test_a_field_is_known_as_sensitive_by_the_words_of_its_name(name: str) -> None:
    assert is_sensitive(name, PROMPT)
    assert redacted(**{name: PROMPT}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name", ["model", "attempt", "context", "keyboard", "monkey", "tokenizer", "fault", ""]
)
def test_a_field_of_another_name_is_shown(name: str) -> None:
    assert redacted(**{name: "claude-sonnet-4-5"}) == {name: "claude-sonnet-4-5"}


def test_a_count_is_no_token_but_a_password_of_digits_is_a_password() -> None:
    assert redacted(input_tokens=912, messages=3, body=None, api_key=912, password=1.5) == {
        "input_tokens": 912,
        "messages": 3,
        "body": None,
        "api_key": REDACTED,
        "password": REDACTED,
    }


def test_a_sensitive_field_goes_whole_however_deep_it_lies() -> None:
    request = {"model": "opus", "messages": [{"role": "user", "text": PROMPT}], "headers": {"x-api-key": KEY}}

    assert shown([({"request": request},)]) == [
        [{"request": {"model": "opus", "messages": REDACTED, "headers": {"x-api-key": REDACTED}}}]
    ]


def test_headers_as_pairs_are_read_as_names_and_values() -> None:
    raw = [("x-api-key", "abc"), (b"Authorization", b"abc"), ("accept", "json"), ["token", 3]]

    assert shown(raw) == [
        ["x-api-key", REDACTED],
        ["Authorization", REDACTED],
        ["accept", "json"],
        ["token", 3],
    ]
    assert shown(["a text of two", "lines"]) == ["a text of two", "lines"]
    assert shown({b"x-api-key": "abc"}) == {"x-api-key": REDACTED}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"refused {KEY}, sorry", "refused [redacted], sorry"),
        (f"KEY{KEY}", "KEY[redacted]"),
        ("pk-live_1234 sk_test_1234", "[redacted] [redacted]"),
        ("disk-usage task-12345 sk-1", "disk-usage task-12345 sk-1"),
        ("got Bearer abc.DEF-123=", "got Bearer [redacted]"),
        ('{"bearer": "abcd1234"}', '{"bearer [redacted]"}'),
        ("Authorization: Basic YWJj", f"Authorization={REDACTED}"),
        ("x-api-key: hunter2, again", f"x-api-key={REDACTED}, again"),
        ('"api_key": "a b c"', f'"api_key={REDACTED}'),
        ("?token=abc&page=2", f"?token={REDACTED}&page=2"),
        ("password = 'my long one' !", f"password={REDACTED} !"),
        (f"ChatMessage(role='user', text='{PROMPT}')", f"ChatMessage(role='user', text={REDACTED})"),
        (f'{{"content": "{PROMPT} \\" so"}}', f'{{"content={REDACTED}}}'),
        (f'"{{\\"text\\": \\"{PROMPT}', f'"{{\\"text={REDACTED}'),
        ("text: ready, input_tokens: 912", "text: ready, input_tokens: 912"),
        ("eyJhbGciOi.eyJzdWIi.c2ln!", "[redacted]!"),
        ("http://maya:pw@host/x", "http://[redacted]@host/x"),
        ("from maya.o'neil+x@mail.example.org to <devon@böro.de>", "from [e-mail] to <[e-mail]>"),
    ],
)
def test_a_pattern_is_masked_inside_any_text(text: str, left: str) -> None:
    assert shown(text) == left
    assert list(shown({text: 1})) == [left]


def test_a_long_text_is_cut_and_its_size_said_and_a_very_long_one_is_only_sized() -> None:
    assert shown("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert shown("x" * 201) == "x" * 200 + "... (201 characters)"
    assert shown("é " * (LONGEST_SCANNED // 2)).endswith(f"... ({LONGEST_SCANNED} characters)")
    assert shown("x" * (LONGEST_SCANNED + 1)) == f"<str of {LONGEST_SCANNED + 1}>"


def test_a_key_across_the_cut_is_masked_whole() -> None:
    assert shown("x" * 190 + " " + KEY) == "x" * 190 + " [redacted... (211 characters)"


def test_a_wide_event_ends_early_and_says_so() -> None:
    many = shown(list(range(1000)))
    assert many[:3] == [0, 1, 2]
    assert many[-1] == f"{LEFT_OUT}: {1000 - (len(many) - 1)}"
    assert len(many) <= MOST_VALUES

    fields = redacted(**{f"f{n}": n for n in range(300)})
    assert fields.pop(LEFT_OUT) == 300 - len(fields)
    assert len(fields) == MOST_VALUES // 2


def test_a_deep_event_and_one_that_holds_itself_end_too() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop

    assert shown(loop) == {"again": {"again": {"again": {"again": {"again": {"again": LEFT_OUT}}}}}}


class Colour(enum.Enum):
    RED = PROMPT


class Level(enum.IntEnum):
    HIGH = 3


class Named(NamedTuple):
    prompt: str


class Whole(int):
    def __str__(self) -> str:
        return PROMPT


class Number(float):
    def __str__(self) -> str:
        return PROMPT


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return PROMPT

    def __len__(self) -> int:
        return 0


@attrs.frozen
class Request:
    prompt: str


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (None, None),
        (True, True),
        (0.25, 0.25),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (LARGEST_INTEGER, LARGEST_INTEGER),
        (-(2**63), "<int of 64 bits>"),
        (Whole(3), 3),
        (Number(0.5), 0.5),
        (Text("fact"), "fact"),
        (Text("x" * 201), "x" * 200 + "... (201 characters)"),
        (Colour.RED, "Colour.RED"),
        (Level.HIGH, "Level.HIGH"),
        (b"abc", "<bytes of 3>"),
        ({1, 2}, "<set of 2>"),
        (Named(PROMPT), f"(<str of {len(PROMPT)}>)"),
        (Request(PROMPT), "<Request>"),
        (RuntimeError(PROMPT), "RuntimeError"),
        (
            ExceptionGroup(PROMPT, [KeyError(PROMPT), OSError(), KeyError()]),
            "ExceptionGroup(KeyError, OSError)",
        ),
        (MappingProxyType({"text": PROMPT, 3: 4}), {"text": REDACTED, "3": 4}),
        ("\ud800", "\ud800"),
    ],
)
def test_every_kind_of_value_has_its_plain_form(value: object, left: object) -> None:
    assert shown(value) == left
    assert type(shown(value)) is type(left)


def test_a_number_with_too_many_digits_to_write_is_only_sized() -> None:
    assert shown(10**5000) == "<int of 16610 bits>"


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(PROMPT)

    def __len__(self) -> int:
        raise RuntimeError(PROMPT)

    def __repr__(self) -> str:
        raise RuntimeError(PROMPT)

    def __hash__(self) -> int:
        return 1


class EndlessMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return map(str, iter(int, 1))

    def __len__(self) -> int:
        return 7


class BrokenMapping(EndlessMapping):
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError(PROMPT)


def test_what_raises_when_it_is_looked_at_is_said_to_be_unreadable() -> None:
    assert redacted(a=Hostile(), b=BrokenMapping(), c=1) == {"a": UNREADABLE, "b": UNREADABLE, "c": 1}
    assert shown({Hostile(): PROMPT}) == {UNREADABLE: REDACTED}
    assert len(shown(EndlessMapping())) <= MOST_VALUES


def test_a_group_of_errors_names_each_type_once() -> None:
    group = BaseExceptionGroup("", [ValueError(PROMPT), KeyboardInterrupt(), ValueError()])

    assert error_name(group) == "BaseExceptionGroup(ValueError, KeyboardInterrupt)"
    assert error_name(ValueError(PROMPT)) == "ValueError"


def test_the_event_given_is_not_changed() -> None:
    inner = {"text": PROMPT}
    event = {"event": "a.b", "inner": inner}

    redact(None, "info", event)

    assert (event, inner) == ({"event": "a.b", "inner": inner}, {"text": PROMPT})


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(14_000, 16_000).map(lambda bits: 1 << bits)
    | st.floats()
    | st.text(st.characters())
    | st.text("sk-tokenbearer:= @\"'\\", max_size=400)
    | st.binary()
    | st.sampled_from(
        [*Colour, Level.HIGH, Request(PROMPT), Named(PROMPT), EndlessMapping(), BrokenMapping()]
    )
    | st.builds(Hostile)
    | st.builds(RuntimeError, st.text())
)
keys = st.text() | st.integers() | st.none() | st.binary() | st.tuples(st.text())
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.tuples(st.text(), inner)
        | st.dictionaries(keys, inner, max_size=5)
        | inner.map(RuntimeError)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text(), anything, max_size=5))
def test_any_event_becomes_json_of_bounded_size(event: dict[str, Any]) -> None:
    line = json.dumps(redact(None, "info", event), allow_nan=False)

    assert len(line) <= MOST_VALUES * (LONGEST_TEXT + 40) * len("\\ud83d\\ude00")


@given(
    st.recursive(
        st.tuples(st.text(max_size=300), st.text(max_size=300)).map(lambda ends: f"{ends[0]}{KEY}{ends[1]}"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text(max_size=9), inner, max_size=4)
            | inner.map(lambda value: {str(value): value})
            | inner.map(RuntimeError)
            | inner.map(lambda value: [str(value), value])
        ),
        max_leaves=10,
    )
)
def test_a_key_gets_nowhere_into_the_line(value: object) -> None:
    assert "PLANTED" not in json.dumps(redacted(fact=value))
