"""Arguments checked where they come in, before anything is begun with them: names, refs, functions, switches, dice.

A wrong one that is found later costs more than itself: a listener that is no function loses the answer it is told of,
and an async one is never awaited.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import attrs

from actors.kernel import Ref

Check = Callable[..., object]
"""Is told the name of an argument and its value, and raises `TypeError` or `ValueError` if that makes no sense."""


def checked_by(check: Check, **options: object) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Return a check as a validator of a field."""

    def validate(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        check(attribute.name, value, **options)

    return validate


def check_line(name: str, value: object) -> str:
    """Return `value` if it is text that prints on one line, and not empty.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, or would not print on one line.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
    if not value or not value.isprintable():
        raise ValueError(f"{name} must be printable text on one line, got {value!r}")
    return value


def check_flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def check_ref(name: str, value: object, *, or_none: bool = False) -> None:
    """Return if `value` is a ref, or None where that may be.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, Ref) and not (or_none and value is None):
        raise TypeError(f"{name} must be a Ref{' or None' * or_none}, got {type(value).__name__}")


def check_callable(name: str, value: object, *, or_none: bool = False) -> None:
    """Return if `value` can be called, or is None where that may be.

    Raises:
        TypeError: it cannot.
    """
    if not callable(value) and not (or_none and value is None):
        raise TypeError(f"{name} must be callable{' or None' * or_none}, got {type(value).__name__}")


def check_plain(name: str, value: object, *, or_none: bool = False) -> None:
    """Return if `value` is a function that is called and not awaited, or None where that may be.

    Raises:
        TypeError: it cannot be called, or what it returns would have to be awaited.
    """
    if or_none and value is None:
        return
    if not callable(value) or is_async(value):
        what = "an async function" if callable(value) else type(value).__name__
        raise TypeError(f"{name} must be a plain function, got {what}")


def is_async(function: object) -> bool:
    """Whether what a call of it returns has to be awaited, as far as that can be seen beforehand."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004  # whether it is async, not whether it is there
    )


def check_dice(name: str, value: object, *, or_none: bool = False) -> None:
    """Return if `value` is a source of randomness, or None where that may be.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, random.Random) and not (or_none and value is None):
        raise TypeError(f"{name} must be a random.Random{' or None' * or_none}, got {type(value).__name__}")
