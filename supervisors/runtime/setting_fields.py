"""Fields that know their kind and bound, whoever gives the value: a file, the environment or code.

Each function makes one field of an attrs class. The field refuses a wrong value with one sentence that names
the field, the bound and the value, so that the same words reach a programmer and a reader of a settings file.
Nothing is converted by guessing: "5", 5.9 and True are no whole numbers. A whole number is fine as seconds.
The return types are `Any` because a field stands in the place of its value until attrs has made the class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

import attrs

LONGEST_SHOWN = 60
"""Characters of a wrong value an error repeats: enough to find it, too few to flood a terminal."""

LONGEST_NUMBER = 64
"""Bits of a whole number that an error repeats: beyond any setting, and Python writes out only so many digits."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_KEY = re.compile(r"[!-~]+")  # what an HTTP header value carries unharmed: visible ASCII

TABLES = "tables"
"""Under which a field keeps what it was made of by `tables`."""

TABLE_NAMES = "named by small letters, digits and single _ between them"

Validator = Callable[[object, "attrs.Attribute[Any]", object], None]


@attrs.frozen
class Tables:
    """What a field of tables is made of; see `tables`."""

    kind: type[attrs.AttrsInstance]
    default: Mapping[str, attrs.AttrsInstance]
    is_name: Callable[[str], bool]


def whole(default: int | None, *, at_least: int) -> Any:
    """Make a field for a whole number.

    Args:
        default: its value when nobody gives one; None is taken too where it is the default.
        at_least: the smallest value it takes.
    """

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is None and default is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{attribute.name} must be a whole number, got {shown(value)}")
        if value < at_least:
            raise ValueError(f"{attribute.name} must be >= {at_least}, got {shown(value)}")

    return _field(default, check)


def seconds(default: float | None, *, at_least: float | None = None, above: float | None = None) -> Any:
    """Make a field for a length of time in seconds, always finite.

    Args:
        default: its value when nobody gives one; None is taken too where it is the default.
        at_least: the smallest value it takes, or None for no such bound.
        above: the bound it must exceed, or None for no such bound.
    """

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is None and default is None:
            return
        if not isinstance(value, float):
            raise TypeError(f"{attribute.name} must be a number of seconds, got {shown(value)}")
        if not math.isfinite(value):
            raise ValueError(f"{attribute.name} must be a finite number of seconds, got {value}")
        if at_least is not None and value < at_least:
            raise ValueError(f"{attribute.name} must be >= {at_least:g}, got {value:g}")
        if above is not None and value <= above:
            raise ValueError(f"{attribute.name} must be > {above:g}, got {value:g}")

    return _field(default, check, converter=_float_of_int)


def share(default: float) -> Any:
    """Make a field for a part of something: above 0, at most 1."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, float):
            raise TypeError(f"{attribute.name} must be a number, got {shown(value)}")
        if not 0 < value <= 1:  # not-a-number fails every comparison, so it fails here too
            raise ValueError(f"{attribute.name} must be > 0 and <= 1, got {value:g}")

    return _field(default, check, converter=_float_of_int)


def portion(default: float, *, above: float, below: float) -> Any:
    """Make a field for a number between two bounds, neither of them included."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, float):
            raise TypeError(f"{attribute.name} must be a number, got {shown(value)}")
        if not above < value < below:  # not-a-number fails here too
            raise ValueError(f"{attribute.name} must be > {above:g} and < {below:g}, got {value:g}")

    return _field(default, check, converter=_float_of_int)


def switch(default: bool) -> Any:
    """Make a field that is on or off."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"{attribute.name} must be true or false, got {shown(value)}")

    return _field(default, check)


def one_of(default: str, choices: tuple[str, ...]) -> Any:
    """Make a field that takes one of `choices`."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            listed = " or ".join(repr(choice) for choice in choices)
            raise ValueError(f"{attribute.name} must be {listed}, got {shown(value)}")

    return _field(default, check)


def web_address(default: str) -> Any:
    """Make a field for the root of a web service: scheme, host and perhaps a path."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{attribute.name} must be an http or https address, got {shown(value)}")
        # What stands where a password or a token could stand is not repeated.
        if any(mark in value for mark in "@?#"):
            raise ValueError(f"{attribute.name} must hold no user, query or fragment")
        if not _is_web_address(value):
            raise ValueError(f"{attribute.name} must be an http or https address, got {shown(value)}")

    return _field(default, check)


def secret(default: str) -> Any:
    """Make a field for a key that goes into an HTTP header; its value appears in no repr and no error."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{attribute.name} must be text")
        if value and not _KEY.fullmatch(value):
            raise ValueError(f"{attribute.name} must be visible ASCII characters without spaces")

    return _field(default, check, is_shown=False)


def names(default: tuple[str, ...], *, at_least: int = 1) -> Any:
    """Make a field for different names, in order of preference.

    Args:
        default: its value when nobody gives one.
        at_least: how many there must be, 0 or 1.
    """

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, tuple):
            raise TypeError(f"{attribute.name} must be a list of names, got {shown(value)}")
        if len(cast("tuple[object, ...]", value)) < at_least:
            raise ValueError(f"{attribute.name} must hold at least {at_least} name, got none")
        for name in cast("tuple[object, ...]", value):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"{attribute.name} must be a list of names, got {shown(name)} in it")
            if value.count(name) > 1:
                raise ValueError(f"{attribute.name} must name each once, got {shown(name)} twice")

    return _field(default, check, converter=_tuple_of_list)


def tables(
    kind: type[attrs.AttrsInstance],
    default: Mapping[str, attrs.AttrsInstance],
    *,
    is_name: Callable[[str], bool],
) -> Any:
    """Make a field for any number of tables of one kind, by name, that nobody can change.

    In code it holds exactly what it is given. Where tables come from a file or the environment, each of them
    changes what it names of the default of its name, or of the kind where there is none.

    Args:
        kind: the class of each table, whose fields are made by the functions above.
        default: its value when nobody gives one.
        is_name: whether a table may be called so.
    """

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, Mapping):
            raise TypeError(f"{attribute.name} must be tables by name, got {shown(value)}")
        for name, table in cast("Mapping[object, object]", value).items():
            if not isinstance(name, str) or not is_name(name):
                raise ValueError(f"{attribute.name} must be {TABLE_NAMES}, got {shown(name)}")
            if not isinstance(table, kind):
                raise TypeError(f"{attribute.name} must be of {kind.__name__}, got {shown(table)}")

    return attrs.field(
        default=MappingProxyType(dict(default)),
        validator=check,
        converter=_frozen_of_mapping,
        metadata={TABLES: Tables(kind, default, is_name)},
    )


def tables_of(attribute: Any) -> Tables | None:
    """Return what a field was made of by `tables`, or None for any other."""
    return cast("Tables | None", attribute.metadata.get(TABLES))


def shown(value: object) -> str:
    """Return a wrong value as an error repeats it: one short line, whatever it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > LONGEST_NUMBER:
            return f"a whole number of {value.bit_length()} bits"
        case int() | float():
            return repr(value)
        case str():
            text = ascii(value) if not value.isprintable() else repr(value)
            return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


def _field(
    default: object,
    check: Validator,
    *,
    converter: Callable[[object], object] | None = None,
    is_shown: bool = True,
) -> Any:
    return attrs.field(default=default, validator=check, converter=converter, repr=is_shown)


def _float_of_int(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        # A float cannot hold every whole number; one that large is no length of time either.
        if value.bit_length() > LONGEST_NUMBER:
            return math.inf if value > 0 else -math.inf
        return float(value)
    return value


def _tuple_of_list(value: object) -> object:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _frozen_of_mapping(value: object) -> object:
    return (
        MappingProxyType(dict(cast("Mapping[object, object]", value)))
        if isinstance(value, Mapping)
        else value
    )


def _is_web_address(value: str) -> bool:
    if not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        _port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
