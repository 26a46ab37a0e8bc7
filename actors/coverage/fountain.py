"""Reading a Fountain screenplay: its title page, its scenes, and the door that refuses what is no script.

A title page is one only if every line of it is `Key: value` or an indented value, and one of its keys is a usual
one, so that a script that begins "FADE IN:" keeps its first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

import attrs

from actors.coverage.blocks import Heading, blocks, lines_of
from actors.coverage.markup import plain, without_comments
from actors.coverage.screenplay import Element, Scene, Screenplay
from actors.errors import InputError

_USUAL_KEYS = frozenset(
    {"title", "credit", "author", "authors", "source", "notes", "draft date", "date", "copyright", "contact"}
)
_KEY = re.compile(r"(?P<key>[^\s:][^:]*):(?P<value>.*)")
_KNOWN_FORMATS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive or a word processor's file"),
    (b"<?xml", "XML, perhaps a Final Draft file"),
    (b"{\\rtf", "rich text"),
)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def parse(text: str) -> Screenplay:
    """Read a script.

    Args:
        text: the whole script, with any line ending, with or without a byte order mark. Empty text has no
            scenes.

    Returns:
        The screenplay. The sources of its stretches, joined, are the body as typed, without comments and
        without empty lines at its top.
    """
    lines = lines_of(without_comments(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")))
    title_page, body = _split_title_page(lines)
    stretches = tuple(_scenes(body))
    has_opening = bool(stretches) and stretches[0].number == 0
    return Screenplay(
        title=_one_line(title_page.get("title", "")) or "Untitled",
        author=_one_line(title_page.get("author", "") or title_page.get("authors", "")),
        title_page=title_page,
        scenes=stretches[1:] if has_opening else stretches,
        opening=stretches[0] if has_opening else None,
    )


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


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _split_title_page(lines: Sequence[str]) -> tuple[Mapping[str, str], Sequence[str]]:
    start = _skip_empty(lines, 0)
    end = next((at for at in range(start, len(lines)) if not lines[at].strip()), len(lines))
    entries: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in lines[start:end]:
        if line.startswith(("\t", "   ")) and values is not None:
            values.append(plain(line.strip()))
        elif entry := _KEY.match(line):
            values = entries.setdefault(entry["key"].strip().lower(), [])
            values.append(plain(entry["value"].strip()))
        else:
            return {}, lines[start:]
    if entries.keys().isdisjoint(_USUAL_KEYS):
        return {}, lines[start:]
    title_page = {key: "\n".join(filter(None, values)) for key, values in entries.items()}
    return title_page, lines[_skip_empty(lines, end) :]


def _skip_empty(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def _scenes(lines: Sequence[str]) -> Iterator[Scene]:
    number, start = 0, 0
    heading = Heading("", "")
    elements: list[Element] = []
    for at, block in blocks(lines):
        if not isinstance(block, Heading):
            elements.append(block)
            continue
        if at > 0:
            yield _scene(number, heading, elements, lines[start:at])
        number, start, heading, elements = number + 1, at, block, []
    if lines:
        yield _scene(number, heading, elements, lines[start:])


def _scene(number: int, heading: Heading, elements: Sequence[Element], lines: Sequence[str]) -> Scene:
    return Scene(number, heading.text, tuple(elements), "".join(lines), heading.label)
