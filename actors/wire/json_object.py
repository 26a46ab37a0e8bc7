"""JSON from a stranger, read without surprises: every accessor answers with its type or with nothing."""

from __future__ import annotations

import json
from typing import cast


def parse_object(body: bytes) -> dict[str, object] | None:
    """Return the JSON object that `body` holds, or None when it holds anything else.

    Any bytes are fine. The decoder's own errors are not chained: they carry the whole body with them.

    Args:
        body: bytes in any of the encodings JSON knows.

    Returns:
        The object; its values are as yet unknown.
    """
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):  # not JSON, not text, a number of 5000 digits; nested without end
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def object_in(value: object) -> dict[str, object]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def string_in(value: object) -> str | None:
    """Return `value` if it is a string, else None.

    Half a surrogate pair is legal JSON but cannot be printed or stored, so it becomes a question mark.
    """
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", errors="replace").decode("utf-8")
