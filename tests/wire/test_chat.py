"""A question to a model: what it may hold, and what is refused where it is made."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from actors.wire.chat import ChatMessage, ChatRequest

TURN = ChatMessage("user", "who did it?")
REQUEST = ChatRequest("", (TURN,))
CONFESSION = "the butler did it"


def test_the_least_request_leaves_the_model_to_the_chain() -> None:
    assert (REQUEST.model, REQUEST.messages, REQUEST.system) == ("", (TURN,), "")
    assert (REQUEST.max_tokens, REQUEST.temperature) == (1024, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "opus"},
        {"messages": (TURN, ChatMessage("assistant", ""), TURN)},
        {"system": "be brief"},
        {"max_tokens": 1},
        {"temperature": 0},
        {"temperature": 0.5},
        {"temperature": 1.0},
    ],
)
def test_what_is_within_its_bounds_is_taken_as_it_is(fields: dict[str, Any]) -> None:
    request = attrs.evolve(REQUEST, **fields)

    assert {name: getattr(request, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": None}, "model must be text, got NoneType"),
        ({"model": 3}, "model must be text, got int"),
        ({"messages": CONFESSION}, "messages must be a tuple of ChatMessage, got str"),
        ({"messages": [TURN]}, "messages must be a tuple of ChatMessage, got list"),
        ({"messages": None}, "messages must be a tuple of ChatMessage, got NoneType"),
        ({"messages": (CONFESSION,)}, "messages must be a tuple of ChatMessage, got str in it"),
        ({"messages": (TURN, None)}, "messages must be a tuple of ChatMessage, got NoneType in it"),
        ({"system": None}, "system must be text, got NoneType"),
        ({"system": CONFESSION.encode()}, "system must be text, got bytes"),
        ({"max_tokens": CONFESSION}, "max_tokens must be a whole number, got str"),
        ({"max_tokens": 1.0}, "max_tokens must be a whole number, got float"),
        ({"max_tokens": True}, "max_tokens must be a whole number, got bool"),
        ({"temperature": CONFESSION}, "temperature must be a number or None, got str"),
        ({"temperature": True}, "temperature must be a number or None, got bool"),
    ],
)
def test_a_request_of_wrong_kinds_is_refused_where_it_is_made(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        attrs.evolve(REQUEST, **fields)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"messages": ()}, "messages must hold at least 1 message, got 0"),
        ({"max_tokens": 0}, "max_tokens must be >= 1, got 0"),
        ({"max_tokens": -1}, "max_tokens must be >= 1, got -1"),
        ({"temperature": math.nan}, "temperature must be from 0.0 to 1.0, got nan"),
        ({"temperature": math.inf}, "temperature must be from 0.0 to 1.0, got inf"),
        ({"temperature": 1.5}, "temperature must be from 0.0 to 1.0, got 1.5"),
        ({"temperature": -0.1}, "temperature must be from 0.0 to 1.0, got -0.1"),
    ],
)
def test_a_request_out_of_bounds_is_refused_where_it_is_made(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        attrs.evolve(REQUEST, **fields)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("role", "text", "error"),
    [
        ("user", 3, TypeError("text must be text, got int")),
        ("user", None, TypeError("text must be text, got NoneType")),
        (None, "", TypeError("role must be 'user' or 'assistant', got NoneType")),
        (["user"], "", TypeError("role must be 'user' or 'assistant', got list")),
        ("bogus", "", ValueError("role must be 'user' or 'assistant', got 'bogus'")),
        ("", "", ValueError("role must be 'user' or 'assistant', got 0 characters")),
    ],
)
def test_a_message_that_is_none_is_refused_where_it_is_made(role: Any, text: Any, error: Exception) -> None:
    with pytest.raises(type(error), match="must") as caught:
        ChatMessage(role, text)

    assert str(caught.value) == str(error)


@pytest.mark.parametrize("text", [CONFESSION, "the_butler_did_it_in_the_library"])
def test_a_text_in_the_place_of_the_role_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=f"^role must be 'user' or 'assistant', got {len(text)} characters$"):
        ChatMessage(text, "user")  # type: ignore[arg-type]  # the two in the wrong order, on purpose
