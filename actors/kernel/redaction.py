"""The outline of a value: enough to recognise it in a log, never its text."""

from __future__ import annotations

import enum
from collections.abc import Sized
from typing import cast

_SHOWN = 6
"""Items of a collection that are outlined one by one; more are only counted."""


def outline(value: object) -> str:
    """Return a short description of `value` without text or bytes it holds.

    Numbers, booleans, None and enum members are shown as they are; text, bytes and collections by their size;
    everything else by its type. Log lines and error messages use it, so that a prompt or a key cannot leak.
    """
    if value is None or isinstance(value, bool | int | float | enum.Enum):
        return str(value)
    kind = type(value).__name__
    size = _size(value)
    if isinstance(value, tuple) and size is not None and size <= _SHOWN:
        return f"({', '.join(outline(item) for item in cast('tuple[object, ...]', value))})"
    return f"<{kind}>" if size is None else f"<{kind} of {size}>"


def _size(value: object) -> int | None:
    try:
        return len(value) if isinstance(value, Sized) else None
    except Exception:  # noqa: BLE001  # whatever a foreign __len__ raises: an error message must not fail over it
        return None
