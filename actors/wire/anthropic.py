"""The dialect of Anthropic's Messages API: a question goes out as HTTP, an answer comes back as a value.

Not a client: nothing is sent here, nothing is tried again, and no clock is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from actors.errors import ReplyInvalid
from actors.wire.anthropic_errors import provider_failure, request_id
from actors.wire.chat import ChatReply, ChatRequest, TokenCounts
from actors.wire.http import HttpRequest, HttpResponse
from actors.wire.json_object import object_in, parse_object, string_in

API_VERSION = "2023-06-01"
"""The one version of the Messages API there is; Anthropic asks for it in every request."""

# `json.dumps` would make one for each request.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def encode(request: ChatRequest, *, api_key: str, base_url: str) -> HttpRequest:
    """Write `request` as a call of the Messages API.

    Args:
        request: the question.
        api_key: the key; printable ASCII without spaces. It goes into a header and into no error.
        base_url: scheme and host, with or without a slash at the end: "https://api.anthropic.com".

    Returns:
        A POST to `{base_url}/v1/messages`. Half a surrogate pair, which UTF-8 lacks, becomes a question mark.

    Raises:
        ValueError: the key cannot stand in a header.
    """
    if not (api_key.isascii() and api_key.isprintable() and api_key) or " " in api_key:
        # A line break from a file is the usual cause. Named here, or the HTTP library would quote the key.
        raise ValueError(
            f"api_key must be printable ascii without spaces, got {len(api_key)} other characters"
        )
    return HttpRequest(
        method="POST",
        url=f"{base_url.rstrip('/')}/v1/messages",
        headers={
            "x-api-key": api_key,
            "anthropic-version": API_VERSION,
            "content-type": "application/json",
        },
        body=_ENCODER.encode(_payload(request)).encode("utf-8", errors="replace"),
    )


def _payload(request: ChatRequest) -> dict[str, object]:
    payload: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": message.role, "content": message.text} for message in request.messages],
    }
    if request.system:
        payload["system"] = request.system
    if request.temperature is not None:
        payload["temperature"] = request.temperature
    return payload


def decode(response: HttpResponse, *, now_wall: datetime | None = None) -> ChatReply:
    """Read the answer to an encoded request.

    Any status, any headers and any bytes end in a reply or in one of the two errors.

    Args:
        response: what came back.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date.

    Returns:
        The reply; blocks that are not text (thinking, tool use) are left out, no blocks give an empty text.

    Raises:
        ProviderFailed: the status is not a success, or the body of a success is an error.
        ReplyInvalid: the body of a success is not a message; `problems` says why and quotes nothing.
    """
    if not 200 <= response.status < 300:  # noqa: PLR2004  # HTTP's own class of success
        raise provider_failure(response, now_wall=now_wall)
    body = parse_object(response.body)
    if body is None:
        raise _invalid("the body must be a json object")
    if body.get("type") == "error":
        raise provider_failure(response, now_wall=now_wall)
    return _reply(response, body)


def _reply(response: HttpResponse, body: Mapping[str, object]) -> ChatReply:
    problems: list[str] = []
    if body.get("type") != "message":
        problems.append("type must be 'message'")
    reply = ChatReply(
        text=_text(body.get("content"), problems),
        counts=_counts(body.get("usage"), problems),
        model=_string(body, "model", problems),
        stop_reason=_string(body, "stop_reason", problems),
        request_id=request_id(response, {}),
    )
    if problems:
        raise _invalid(*problems)
    return reply


def _invalid(*problems: str) -> ReplyInvalid:
    return ReplyInvalid(f"anthropic's answer is not a message: {problems[0]}", problems=problems)


def _text(content: object, problems: list[str]) -> str:
    if not isinstance(content, list):
        problems.append("content must be a list of blocks")
        return ""
    blocks = enumerate(cast("list[object]", content))
    return "".join(_block_text(block, f"content[{index}]", problems) for index, block in blocks)


def _block_text(block: object, path: str, problems: list[str]) -> str:
    fields = object_in(block)
    if not isinstance(fields.get("type"), str):
        problems.append(f"{path} must be an object with a type")
        return ""
    return _string(fields, "text", problems, path=f"{path}.text") if fields["type"] == "text" else ""


def _string(fields: Mapping[str, object], name: str, problems: list[str], *, path: str = "") -> str:
    value = string_in(fields.get(name))
    if value is None:
        problems.append(f"{path or name} must be a string")
        return ""
    return value


def _counts(usage: object, problems: list[str]) -> TokenCounts:
    fields = object_in(usage)
    return TokenCounts(
        input_tokens=_count(fields.get("input_tokens"), "input_tokens", problems),
        output_tokens=_count(fields.get("output_tokens"), "output_tokens", problems),
        # Older models leave these out and others send null: both mean that no cache was used.
        cache_creation_tokens=_cached(fields, "cache_creation_input_tokens", problems),
        cache_read_tokens=_cached(fields, "cache_read_input_tokens", problems),
    )


def _cached(fields: Mapping[str, object], name: str, problems: list[str]) -> int:
    value = fields.get(name)
    return 0 if value is None else _count(value, name, problems)


def _count(value: object, name: str, problems: list[str]) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        problems.append(f"usage.{name} must be a whole number >= 0")
        return 0
    return value
