"""Where settings come from: a TOML file, the environment, a caller. Every value keeps its origin.

The environment speaks of a key as `UNDERSTUDY_<SECTION>__<KEY>`; its text is converted to the key's kind, and
what does not convert stays text, to be refused where the kind is checked. A list is separated by commas.
A variable that is set to nothing counts as not set, as compose files and shells pass many such.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, cast, get_args

import attrs

from actors.errors import SettingsError

PREFIX = "UNDERSTUDY_"
SEPARATOR = "__"
LARGEST_FILE = 1024 * 1024
"""Bytes read of a settings file: a real one has a few hundred, a device or a wrong file has no end."""

NEAR = 0.85
"""How alike a foreign variable must be to a known one to be taken for a slip of the pen; 1.0 is equal."""

KeyPath = tuple[str, ...]
"""A section and a key; with the name of a table between them where a section holds tables."""

ANY_NAME = "<name>"
"""Stands in a path for the name of any table."""

_SWITCHES = {"true": True, "false": False}
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?|[+-]?(?:inf|nan)")
"""As a person writes one in a file; Python itself would take digits of every script and underscores between them."""


@attrs.frozen
class Given:
    """One value somebody gave.

    Args:
        path: section, perhaps a table's name, and key it is meant for; less where what stands there is no table.
        value: what was given; never shown by itself, it may be a secret.
        origin: the file, the environment variable or the option it stood in.
    """

    path: KeyPath
    value: object = attrs.field(repr=False)
    origin: str


def from_file(path: Path, *, kinds: Mapping[KeyPath, Any]) -> tuple[Given, ...]:
    """Read a TOML file.

    Args:
        path: where it is.
        kinds: every known key with the type of its value.

    Returns:
        its values in the order of the file; none for an empty file.

    Raises:
        SettingsError: the file is missing, not readable, too large, not UTF-8 or not TOML.
    """
    origin = str(path)
    return tuple(_flat(_parsed(_text(path), origin), origin, _holders(kinds)))


def from_environment(
    environ: Mapping[str, str], *, kinds: Mapping[KeyPath, Any], aliases: Mapping[str, KeyPath]
) -> tuple[Given, ...]:
    """Pick the settings out of an environment.

    Args:
        environ: names and texts, such as `os.environ`.
        kinds: every known key with the type of its value.
        aliases: foreign variables that set a key, such as an API key's usual name; our own names win.

    Returns:
        one value for each variable that is meant for us, aliases first, then by name; a later one wins.
    """
    known, holders = {_variable(path): path for path in kinds}, _holders(kinds)
    foreign = [Given(path, environ[name].strip(), name) for name, path in aliases.items() if name in environ]
    own = [
        Given(path, environ[name].strip(), name)
        for name in sorted(environ)
        if name.startswith(PREFIX) and (path := _path(name, known, holders)) is not None
    ]
    return tuple(
        attrs.evolve(given, value=_from_text(str(given.value), _kind_of(given.path, kinds)))
        for given in (*foreign, *own)
        if given.value
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SettingsError((f"{path}: cannot be read: {reason.lower()}",)) from error
    if len(content) > LARGEST_FILE:
        raise SettingsError((f"{path}: must be <= {LARGEST_FILE} bytes, got more",))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError((f"{path}: must be UTF-8 text, is not in line {line}",)) from error


def _parsed(text: str, origin: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = re.sub(r"\(at line (\d+), column (\d+)\)", r"in line \1, column \2", str(error))
        reason = reason.replace("(at end of document)", f"in line {text.count(chr(10)) + 1}, the last one")
        # The cause holds the whole document, and that may hold a key.
        raise SettingsError((f"{origin}: is not TOML: {reason[:1].lower()}{reason[1:]}",)) from None
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, a thousand brackets
        raise SettingsError((f"{origin}: is not usable TOML: {type(error).__name__.lower()}",)) from error


def _flat(data: Mapping[str, object], origin: str, holders: AbstractSet[str]) -> Iterator[Given]:
    for section, content in data.items():
        depth = 2 if section in holders else 1
        yield from (Given(path, value, origin) for path, value in _leaves((section,), content, depth))


def _leaves(path: KeyPath, content: object, depth: int) -> Iterator[tuple[KeyPath, object]]:
    """Yield what stands `depth` tables deep, and what stands higher and is no table, or an empty one."""
    if depth and (table := _table(content)):
        for key, value in table.items():
            yield from _leaves((*path, key), value, depth - 1)
    else:
        yield path, content


def _holders(kinds: Mapping[KeyPath, Any]) -> AbstractSet[str]:
    """Return the sections that hold tables by name."""
    return {section for section, *rest in kinds if ANY_NAME in rest}


def _kind_of(path: KeyPath, kinds: Mapping[KeyPath, Any]) -> Any:
    return kinds.get(path) or kinds.get((path[0], ANY_NAME, path[-1]))


def _table(content: object) -> dict[str, object] | None:
    return cast("dict[str, object]", content) if isinstance(content, dict) else None


def _variable(path: KeyPath) -> str:
    return PREFIX + SEPARATOR.join(path).upper()


def _path(name: str, known: Mapping[str, KeyPath], holders: AbstractSet[str]) -> KeyPath | None:
    """Return the key `name` is meant for, or None where it is none of ours, such as `UNDERSTUDY_DEBUG`."""
    if name in known:
        return known[name]
    section, separator, key = name.removeprefix(PREFIX).lower().partition(SEPARATOR)
    if separator:
        # In the name of a table stand no two underscores in a row, so the next two end it.
        return (section, *key.split(SEPARATOR, 1)) if section in holders else (section, key)
    if section in {first for first, *_ in known.values()} | holders:
        return (section,)  # a whole section cannot stand in one variable, and is told so
    is_near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR) or section.startswith(
        tuple(f"{holder}_" for holder in holders)
    )
    # One underscore too few is the likely slip; passing it by would drop a setting without a word.
    return (section,) if is_near else None


def _from_text(text: str, kind: Any) -> object:
    kind = _unless_none(kind)
    if kind is int and _WHOLE.fullmatch(text):
        return int(text)
    if kind is bool and text.lower() in _SWITCHES:
        return _SWITCHES[text.lower()]
    if kind is float and _NUMBER.fullmatch(text):
        return float(text)
    if kind == tuple[str, ...]:
        return tuple(name.strip() for name in text.split(",") if name.strip())
    return text


def _unless_none(kind: Any) -> Any:
    """Return the kind of a value that may be left out."""
    if not isinstance(kind, UnionType):
        return kind
    return next(each for each in get_args(kind) if each is not NoneType)
