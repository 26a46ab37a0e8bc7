"""Requests are read as strictly as the real service reads them."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing.provider import DEFAULT_MODELS, ServedModel, message_request
from actors.testing.provider.question import MAX_BODY, BadRequest, Question, read_question
from actors.wire.http import HttpRequest

CATALOGUE = {model.id: model for model in (*DEFAULT_MODELS, ServedModel("tiny", context_window=10))}


def read(request: HttpRequest) -> Question:
    return read_question(request, CATALOGUE)


def refusal(request: HttpRequest) -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        read(request)
    return caught.value.status, str(caught.value)


def test_a_valid_request_is_read_in_full() -> None:
    blocks = [{"type": "text", "text": "You are "}, {"type": "text", "text": "Maya."}]
    question = read(message_request("12345678", system=blocks, temperature=0.5, metadata={"user_id": "u"}))
    assert question.model == DEFAULT_MODELS[0]
    assert question.system == "You are Maya."
    assert question.input_tokens == 4 + 2 + 3
    assert question.body["max_tokens"] == 1024


@pytest.mark.parametrize(
    "url", ["http://p/", "http://p/v1/messages/", "http://p/v1/complete", "http://[", "http://p*"]
)
def test_any_other_address_is_not_found(url: str) -> None:
    assert refusal(attrs.evolve(message_request(), url=url)) == (404, "Not Found")


def test_a_query_does_not_change_the_address() -> None:
    question = read(attrs.evolve(message_request(), url="http://p/v1/messages?beta=true"))
    assert question.model == DEFAULT_MODELS[0]


def test_another_method_is_told_which_is_allowed() -> None:
    with pytest.raises(BadRequest) as caught:
        read(attrs.evolve(message_request(), method="GET"))
    assert caught.value.status == 405
    assert caught.value.headers == {"allow": "POST"}


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, (401, "x-api-key header is required")),
        ({"x-api-key": ""}, (401, "x-api-key header is required")),
        ({"x-api-key": "k"}, (400, "anthropic-version: header is required")),
    ],
)
def test_key_and_version_are_required(headers: dict[str, str], answer: tuple[int, str]) -> None:
    assert refusal(attrs.evolve(message_request(), headers=headers)) == answer


def test_a_body_over_32_mib_is_too_large_and_one_of_32_mib_is_not() -> None:
    request = message_request()
    full = request.body + b" " * (MAX_BODY - len(request.body))
    assert read(attrs.evolve(request, body=full)).body == read(request).body
    assert refusal(attrs.evolve(request, body=full + b" ")) == (413, "Request exceeds the maximum size")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": NaN}', b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    answer = (400, "The request body is not valid JSON")
    assert refusal(attrs.evolve(message_request(), body=body)) == answer


def test_json_that_is_no_object_is_refused() -> None:
    answer = (400, "The request body is not a JSON object")
    assert refusal(attrs.evolve(message_request(), body=b"[]")) == answer


@pytest.mark.parametrize("field", ["model", "messages", "max_tokens"])
def test_three_fields_are_required(field: str) -> None:
    request = message_request()
    body = request.body.replace(f'"{field}"'.encode(), b'"metadata"')
    assert refusal(attrs.evolve(request, body=body)) == (400, f"{field}: Field required")


TEXT_NEEDED = "Input should be a string or a list of text blocks"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 5}, "model: Input should be a valid string"),
        ({"model": ""}, "model: Input should be a valid string"),
        ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_token": 5}, "max_token: Extra inputs are not permitted"),
        ({"tools": []}, "tools: not simulated"),
        ({"stream": True}, "stream: not simulated"),
        ({"temperature": 1.5}, "temperature: Input should be a number from 0 to 1"),
        ({"temperature": True}, "temperature: Input should be a number from 0 to 1"),
        ({"temperature": None}, "temperature: Input should be a number from 0 to 1"),
        ({"system": 5}, f"system: {TEXT_NEEDED}"),
        ({"messages": {}}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": ["hi"]}, "messages.0: Input should be an object"),
        (
            {"messages": [{"role": "system", "content": "a"}]},
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        ({"messages": [{"content": "a"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        (
            {"messages": [{"role": "assistant", "content": "a"}]},
            'messages: first message must use the "user" role',
        ),
        ({"messages": [{"role": "user"}]}, f"messages.0.content: {TEXT_NEEDED}"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, f"messages.0.content: {TEXT_NEEDED}"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            f"messages.0.content: {TEXT_NEEDED}",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]},
            "messages.1.content: text content must be non-empty",
        ),
    ],
)
def test_each_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    assert refusal(message_request(**fields)) == (400, message)


def test_an_empty_system_prompt_and_no_streaming_are_fine() -> None:
    assert read(message_request(system="", stream=False)).system == ""


def test_a_role_that_is_not_even_a_string_is_refused() -> None:
    status, _ = refusal(message_request(messages=[{"role": ["user"], "content": "a"}]))
    assert status == 400


def test_an_unknown_model_is_not_found() -> None:
    assert refusal(message_request(model="claude-2")) == (404, "model: claude-2")


def test_a_prompt_may_fill_the_context_window_and_not_pass_it() -> None:
    assert read(message_request("x" * 28, model="tiny")).input_tokens == 10
    answer = (400, "prompt is too long: 11 tokens > 10 maximum")
    assert refusal(message_request("x" * 29, model="tiny")) == answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["model", "messages", "max_tokens", "system", "temperature", "stream"]), json_values)
def test_whatever_a_field_holds_it_is_read_or_refused_and_nothing_else_happens(
    field: str, value: object
) -> None:
    fields: dict[str, Any] = {field: value}
    with contextlib.suppress(BadRequest):
        read(message_request(**fields))
