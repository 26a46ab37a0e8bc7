"""Reading a request to the Messages API as strictly as the real one does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

import attrs

from actors.testing.provider.catalogue import ServedModel
from actors.testing.provider.json_values import is_list, is_object
from actors.testing.provider.tokens import count_input_tokens, text_of
from actors.wire.http import HttpRequest

PATH = "/v1/messages"

MAX_BODY = 32 * 1024 * 1024
"""Bytes. The Messages API's documented request size."""

HEEDED = frozenset({"model", "messages", "max_tokens", "system", "stream"})
LET_PASS = frozenset({"temperature", "top_p", "top_k", "metadata", "service_tier"})
"""Fields the real API knows and which change nothing here: what is simulated is the service, not the mind."""
NOT_SIMULATED = frozenset({"stop_sequences", "tools", "tool_choice", "thinking"})
"""Fields that would change the answer's shape: refused, because to ignore them would be to lie."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class BadRequest(Exception):
    """The request is answered with an error, and nothing was counted.

    Attributes:
        status: the HTTP status of the answer.
        headers: what the answer says beside the usual.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


@attrs.frozen
class Question:
    """A valid request.

    Args:
        body: the decoded body.
        model: who is asked.
        system: the text of the system prompt, empty for none.
        input_tokens: the tokens of the whole prompt.
    """

    body: Mapping[str, Any] = attrs.field(repr=False)
    model: ServedModel
    system: str = attrs.field(repr=False)
    input_tokens: int


def read_question(request: HttpRequest, models: Mapping[str, ServedModel]) -> Question:
    """Read and check a request, in the order of the real API: address, key, size, form, model, length.

    Raises:
        BadRequest: the first fault found.
    """
    _check_address(request)
    _check_headers(request.headers)
    if len(request.body) > MAX_BODY:
        raise BadRequest(413, "Request exceeds the maximum size")
    body = _decoded(request.body)
    _check_fields(body)
    _check_messages(body["messages"])
    if (model := models.get(body["model"])) is None:
        raise BadRequest(404, f"model: {body['model']}")
    tokens = count_input_tokens(body)
    if tokens > model.context_window:
        raise BadRequest(400, f"prompt is too long: {tokens} tokens > {model.context_window} maximum")
    return Question(body=body, model=model, system=text_of(body.get("system")), input_tokens=tokens)


def _check_address(request: HttpRequest) -> None:
    try:
        path = urlsplit(request.url).path
    except ValueError:
        path = ""
    if path != PATH:
        raise BadRequest(404, "Not Found")
    if request.method != "POST":
        raise BadRequest(405, "Method Not Allowed", {"allow": "POST"})


def _check_headers(headers: Mapping[str, str]) -> None:
    if not headers.get("x-api-key"):
        raise BadRequest(401, "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise BadRequest(400, "anthropic-version: header is required")


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        body = _DECODER.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
    except (ValueError, RecursionError):
        raise BadRequest(400, "The request body is not valid JSON") from None
    if not is_object(body):
        raise BadRequest(400, "The request body is not a JSON object")
    return body


def _check_fields(body: Mapping[str, Any]) -> None:
    for field in ("model", "messages", "max_tokens"):
        if field not in body:
            raise BadRequest(400, f"{field}: Field required")
    for field in sorted(body.keys() - HEEDED - LET_PASS):
        told = "not simulated" if field in NOT_SIMULATED else "Extra inputs are not permitted"
        raise BadRequest(400, f"{field}: {told}")
    if not isinstance(body["model"], str) or not body["model"]:
        raise BadRequest(400, "model: Input should be a valid string")
    if isinstance(body["max_tokens"], bool) or not isinstance(body["max_tokens"], int):
        raise BadRequest(400, "max_tokens: Input should be a valid integer")
    if body["max_tokens"] < 1:
        raise BadRequest(400, "max_tokens: Input should be greater than or equal to 1")
    if body.get("stream"):
        raise BadRequest(400, "stream: not simulated")
    if not _is_number_within(body.get("temperature", 1.0), 0.0, 1.0):
        raise BadRequest(400, "temperature: Input should be a number from 0 to 1")
    if "system" in body:
        _check_content("system", body["system"], may_be_empty=True)


def _is_number_within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _check_messages(messages: object) -> None:
    if not is_list(messages):
        raise BadRequest(400, "messages: Input should be a valid list")
    if not messages:
        raise BadRequest(400, "messages: at least one message is required")
    for position, message in enumerate(messages):
        where = f"messages.{position}"
        if not is_object(message):
            raise BadRequest(400, f"{where}: Input should be an object")
        if message.get("role") not in ("user", "assistant"):
            raise BadRequest(400, f"{where}.role: Input should be 'user' or 'assistant'")
        _check_content(f"{where}.content", message.get("content"))
    if messages[0]["role"] != "user":
        raise BadRequest(400, 'messages: first message must use the "user" role')


def _check_content(where: str, content: object, *, may_be_empty: bool = False) -> None:
    blocks: list[Any] = content if is_list(content) else [{"type": "text", "text": content}]
    for block in blocks:
        if not is_object(block) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise BadRequest(400, f"{where}: Input should be a string or a list of text blocks")
    if not may_be_empty and not any(block["text"] for block in blocks):
        raise BadRequest(400, f"{where}: text content must be non-empty")
