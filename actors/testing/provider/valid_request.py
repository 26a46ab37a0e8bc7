"""A valid request to the provider, for tests that want to send one without a client."""

from __future__ import annotations

from typing import Any

from actors.testing.provider.bodies import encoded
from actors.testing.provider.catalogue import DEFAULT_MODELS
from actors.testing.provider.question import PATH
from actors.wire.http import HttpRequest

BASE_URL = "http://simulated.provider"
"""Any address will do for the in-process transport: it looks at the path alone."""

HEADERS = {"x-api-key": "simulated", "anthropic-version": "2023-06-01", "content-type": "application/json"}


def message_request(text: str = "hello", *, base_url: str = BASE_URL, **fields: Any) -> HttpRequest:
    """Return a request that says `text` as the user; `fields` replace or add fields of the body.

    >>> message_request("hello", model="claude-opus-5", max_tokens=5).method
    'POST'
    """
    body = {
        "model": DEFAULT_MODELS[0].id,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }
    return HttpRequest("POST", base_url + PATH, dict(HEADERS), encoded(body))
