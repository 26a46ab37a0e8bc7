"""The door for scripts: bytes that a user handed in become a screenplay or one clear sentence why not."""

from __future__ import annotations

from pathlib import PurePath

import attrs

from actors.coverage.fountain import parse
from actors.coverage.screenplay import Screenplay
from actors.errors import InputError

_KNOWN_FORMATS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive or a word processor's file"),
    (b"<?xml", "XML, perhaps a Final Draft file"),
    (b"{\\rtf", "rich text"),
)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def load(data: bytes, name: str) -> Screenplay:
    """Read a script file.

    Args:
        data: the file's bytes: UTF-8, with or without a byte order mark, or UTF-16 with one.
        name: the file's name, used in errors and, without its ending, as the title of a script that has none.

    Raises:
        InputError: the file is empty, not text, of a known other format, or has no scene; the text is one
            line.
    """
    text = _decoded(data, name)
    if not text.strip("\ufeff \t\r\n\f\v"):
        raise InputError(f"{name} holds only white space")
    screenplay = parse(text)
    if not screenplay.scenes:
        raise InputError(f"{name} has no scene heading, such as 'INT. KITCHEN - DAY'")
    if "title" in screenplay.title_page:
        return screenplay
    return attrs.evolve(screenplay, title=PurePath(name).stem or screenplay.title)


def _decoded(data: bytes, name: str) -> str:
    if not data:
        raise InputError(f"{name} is empty")
    for start, kind in _KNOWN_FORMATS:
        if data.startswith(start):
            raise InputError(f"{name} is {kind}; export it as Fountain or plain text")
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as wrong:
        raise InputError(
            f"{name} is not {encoding.upper()} text: it cannot be decoded at byte {wrong.start}"
        ) from wrong
    if "\0" in text:
        raise InputError(f"{name} is not text: it holds a NUL at character {text.index(chr(0))}")
    return text
