"""The bodies a simulated provider answers with, in the shape of the Anthropic Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from actors.testing.provider.tokens import count_tokens, truncate

ERROR_KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def error_kind(status: int) -> str:
    """Return the error type that goes with an HTTP status."""
    other = "api_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return ERROR_KINDS.get(status, other)


def error_body(*, kind: str, message: str, request_id: str, error_code: str | None = None) -> bytes:
    """Return an error's body; `error_code` goes under `details`, as the real one has it."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if error_code is not None:
        error["details"] = {"error_code": error_code}
    return encoded({"type": "error", "error": error, "request_id": request_id})


def message_body(
    *, message_id: str, model: str, text: str, max_tokens: int, input_tokens: int
) -> tuple[bytes, int]:
    """Return a successful answer's body and its output tokens, with the text cut at `max_tokens`."""
    kept = truncate(text, max_tokens)
    output_tokens = count_tokens(kept)
    body = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": kept}],
        "stop_reason": "end_turn" if kept == text else "max_tokens",
        "stop_sequence": None,
        "usage": {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }
    return encoded(body), output_tokens


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return JSON as UTF-8; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    return _ENCODER.encode(body).encode("utf-8", "replace")
