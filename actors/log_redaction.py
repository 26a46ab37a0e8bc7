"""What a line of a log may hold: facts, never a key, a prompt or a person's address, and never more than a page.

The runtime logs nothing but facts, so this is the second wall: it stands behind what an application adds, what a
library of others says in an error, and what a provider sends back. It is a walk over one event:

    by name     a field called `password`, `prompt`, `messages` ... goes whole, however deep it lies
    by pattern  keys, bearer tokens and e-mail addresses are masked inside any text, names of fields included
    by kind     bytes and objects are outlined by type and size, errors by the names of their types
    by size     long texts are cut, deep or wide collections end early; both say so

It never raises, whatever it is given, and what it returns is plain JSON. It is not an anonymizer: a sentence without
a mark of its own passes, as far as `LONGEST_TEXT`.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import attrs
from structlog.typing import EventDict, WrappedLogger

from actors.kernel.redaction import outline

REDACTED = "[redacted]"
LEFT_OUT = "[left out]"
UNREADABLE = "[unreadable]"

LONGEST_TEXT = 200
"""Characters shown of a text: a fact is shorter, and of a prompt no more than its first words can slip through."""

LONGEST_SCANNED = 2_000
"""Characters searched for patterns; what is longer is no fact, and only its size is told."""

MOST_VALUES = 200
"""Values of one event, nested ones included: with `LONGEST_TEXT` a line stays below 50 kB of ASCII."""

DEEPEST = 6
"""Levels of nesting that are entered."""

LARGEST_INTEGER = 2**63 - 1
"""Beyond it other languages do not read a JSON number back as it was."""

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

_SECRET_WORDS = frozenset(
    {"apikey", "authorization", "cookie", "passwd", "password", "secret", "secrets"}
    | {"credential", "credentials"}
)
_SECRET_PAIRS = ("api_key", "private_key", "access_key")
_TEXT_WORDS = frozenset(
    {"body", "completion", "content", "message", "messages", "prompt", "prompts", "system", "text", "texts"}
    | {"bearer", "token", "tokens"}  # beside text it is a credential, beside a number it is a count
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME = re.compile(r"[\w.-]{1,60}")
_GAPS = re.compile(r"[^a-z0-9]+")

# Every pattern takes time linear in the text: a run of characters is entered only at its start, and nothing nests.
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?)"""
_IS = r"""[\\"']*\s*+[:=]\s*+\\*"""
_MASKS = (
    (re.compile(r"""(?i)(bearer)[\s:="']++[^\s"',;]{4,}+"""), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"(?i)(api[-_ ]?key|authorization|passw(?:or)?d|secret|token)"
            rf"""{_IS}(?:{_QUOTED}|(?:(?:basic|digest)\s++)?[^\s"',;&]++)"""
        ),
        rf"\1={REDACTED}",
    ),
    (re.compile(rf"(?is)(body|content|messages?|prompt|system|text){_IS}{_QUOTED}"), rf"\1={REDACTED}"),
    (re.compile(r"sk-ant-[\w-]++|(?<![A-Za-z0-9])[spr]k[-_][\w-]{4,}+"), REDACTED),
    (re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*+"), REDACTED),  # a signed web token
    (re.compile(r"(?<=://)[^\s/@]++@"), f"{REDACTED}@"),
    (re.compile(r"(?<![\w.%+'-])[\w.%+'-]++@[\w.-]++"), "[e-mail]"),
)


def redact(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> dict[str, Plain]:
    """Return the event as plain JSON without secrets and texts: structlog's processor, last before the renderer.

    Args:
        event_dict: the event; values of any kind, hostile ones too. It is not changed.
    """
    return _Walk().fields(event_dict, 0)


def is_sensitive(name: str, value: object = "") -> bool:
    """Whether the value of a field called `name` must not be shown.

    Names are taken word by word: `x-api-key`, `apiKey` and `db_password` are secrets whatever they hold; `prompt`,
    `user_messages` and `access_token` are unless they hold a number, as `input_tokens` does.
    """
    words = [word for word in _GAPS.split(_HUMP.sub("_", name).lower()) if word]
    joined = f"_{'_'.join(words)}_"
    if not _SECRET_WORDS.isdisjoint(words) or any(f"_{pair}_" in joined for pair in _SECRET_PAIRS):
        return True
    return not _TEXT_WORDS.isdisjoint(words) and not (value is None or type(value) in (bool, int, float))


def error_name(error: BaseException) -> str:
    """Return the name of an error's type, for a group also those of its members; never its text."""
    name = type(error).__name__
    if not isinstance(error, BaseExceptionGroup):
        return name
    members = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return f"{name}({', '.join(dict.fromkeys(type(member).__name__ for member in members))})"


@attrs.define(eq=False)
class _Walk:
    """One walk over one event. `left` is how many values it may still take."""

    left: int = MOST_VALUES

    def fields(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Plain]:
        plain: dict[str, Plain] = {}
        for name, value in mapping.items():
            if self.left <= 0:
                plain[LEFT_OUT] = len(mapping) - len(plain)
                break
            shown, is_secret = self._field_name(name, value)
            plain[shown] = REDACTED if is_secret else self._value(value, depth + 1)
        return plain

    def _field_name(self, name: object, value: object) -> tuple[str, bool]:
        self.left -= 1
        try:
            word = _word(name)
            return _masked(word), is_sensitive(word, value)
        except Exception:  # noqa: BLE001  # a foreign name may raise anything; its value is not shown then
            return UNREADABLE, True

    def _value(self, value: object, depth: int) -> Plain:
        if depth > DEEPEST or self.left <= 0:
            return LEFT_OUT
        self.left -= 1
        try:
            return self._plain(value, depth)
        except Exception:  # noqa: BLE001  # a foreign value may raise anything when it is looked at
            return UNREADABLE

    def _plain(self, value: object, depth: int) -> Plain:
        match value:
            case None | bool():
                return value
            case enum.Enum():
                return _masked(f"{type(value).__name__}.{value.name}")
            case str():
                return _masked(value)
            case int():
                return _number(value)
            case float():
                number = float.__add__(value, 0.0)
                return number if math.isfinite(number) else str(number)
            case BaseException():
                return _masked(error_name(value))
            case Mapping():
                return self.fields(cast("Any", value), depth)
            case _ if type(value) in (list, tuple):  # not a named tuple: its names are not seen here
                return self._items(cast("list[object] | tuple[object, ...]", value), depth)
            case _:
                return _masked(outline(value))

    def _items(self, items: list[object] | tuple[object, ...], depth: int) -> list[Plain]:
        match items:
            case (str() | bytes() as name, value) if _is_sensitive_pair(_word(name), value):
                return [_masked(_word(name)), REDACTED]
            case _:
                pass
        plain: list[Plain] = []
        for item in items:
            if self.left <= 0:
                plain.append(f"{LEFT_OUT}: {len(items) - len(plain)}")
                break
            plain.append(self._value(item, depth + 1))
        return plain


def _is_sensitive_pair(name: str, value: object) -> bool:
    """Whether two items are a name and what it hides, as headers are often written; a sentence is no name."""
    return _NAME.fullmatch(name) is not None and is_sensitive(name, value)


def _word(name: object) -> str:
    """Return the name of a field as text; HTTP libraries have them in bytes too."""
    if isinstance(name, bytes):
        return name.decode("latin-1")
    return str.__str__(name) if isinstance(name, str) else outline(name)


def _number(value: int) -> int | str:
    number = int.__add__(value, 0)
    if abs(number) <= LARGEST_INTEGER:
        return number
    return f"<int of {number.bit_length()} bits>"  # its digits may be too many to write


def _masked(text: str) -> str:
    """Return `text` with its secrets masked and its end cut off."""
    text = str.__str__(text)  # a subclass may say anything of itself
    size = len(text)
    if size > LONGEST_SCANNED:
        return f"<str of {size}>"
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({size} characters)"
