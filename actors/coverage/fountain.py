"""Reading Fountain, the plain-text markup for screenplays, by its published rules (fountain.io/syntax).

The script is walked line by line. What a line is depends on its first character (`.` `!` `@` `>` `~` `#`
`=` force an element), on whether an empty line stands before it, and on its letters: a heading begins with
INT, EXT, EST, INT/EXT or I/E; a cue is a line in capitals with a line under it; a transition is a line in
capitals that ends in "TO:". Everything else is action, so every text is some screenplay and nothing is
refused here.

Three readings are more lenient than the rules, so that less of a real script is lost: a heading counts
without an empty line under it, a transition likewise, and a title page is one only if every line of it is
`Key: value` or an indented value and one of its keys is a usual one, so that a script beginning "FADE IN:"
keeps its first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from actors.coverage.markup import plain, without_comments
from actors.coverage.screenplay import (
    Action,
    Dialogue,
    Element,
    Lyrics,
    Outline,
    PageBreak,
    Scene,
    Screenplay,
    Synopsis,
    Transition,
)

_USUAL_KEYS = frozenset(
    {"title", "credit", "author", "authors", "source", "notes", "draft date", "date", "copyright", "contact"}
)
_KEY = re.compile(r"(?P<key>[^\s:][^:]*):(?P<value>.*)")
_HEADING = re.compile(r"(?:INT\.?/EXT|EXT\.?/INT|I/E|E/I|INT|EXT|EST)[.\s]", re.IGNORECASE)
_LABEL = re.compile(r"#(?P<label>[\w.\-]+)#$")
_PAGE_BREAK = re.compile(r"={3,}$")
_EXTENSION = re.compile(r"\(([^()]*)\)?")
_FORCING = tuple("!>~#=")
_SPEECH_GOES_ON = "  "


@attrs.frozen
class _Heading:
    text: str
    label: str


def parse(text: str) -> Screenplay:
    """Read a script.

    Args:
        text: the whole script, with any line ending, with or without a byte order mark. Empty text has no
            scenes.

    Returns:
        The screenplay. The sources of its stretches, joined, are the body as typed, without comments and
        without empty lines at its top.
    """
    lines = _lines(without_comments(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")))
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


def _lines(text: str) -> list[str]:
    """Split at line feeds alone; `str.splitlines` would also split at characters that print inside a line."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]


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
    heading = _Heading("", "")
    elements: list[Element] = []
    for at, block in _blocks(lines):
        if not isinstance(block, _Heading):
            elements.append(block)
            continue
        if at > 0:
            yield _scene(number, heading, elements, lines[start:at])
        number, start, heading, elements = number + 1, at, block, []
    if lines:
        yield _scene(number, heading, elements, lines[start:])


def _scene(number: int, heading: _Heading, elements: Sequence[Element], lines: Sequence[str]) -> Scene:
    return Scene(number, heading.text, tuple(elements), "".join(lines), heading.label)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, _Heading | Element]]:
    """Yield each heading and element with the index of its first line."""
    at, after_empty = 0, True
    while at < len(lines):
        if not lines[at].strip():
            at, after_empty = at + 1, True
            continue
        block, end = _block(lines, at, after_empty=after_empty)
        yield at, block
        # What does not print leaves the page as if it stood between empty lines.
        after_empty = isinstance(block, Outline | Synopsis | PageBreak)
        at = end


def _block(lines: Sequence[str], at: int, *, after_empty: bool) -> tuple[_Heading | Element, int]:
    line = lines[at].strip()
    match line[0]:
        case "=" if _PAGE_BREAK.match(line):
            return PageBreak(), at + 1
        case "=":
            return Synopsis(plain(line[1:].strip())), at + 1
        case "#":
            text = line.lstrip("#")
            return Outline(len(line) - len(text), plain(text.strip())), at + 1
        case ">" if line.endswith("<"):
            return Action(plain(line[1:-1].strip()), centered=True), at + 1
        case ">":
            return Transition(plain(line[1:].strip())), at + 1
        case "~":
            return _lyrics(lines, at)
        case "!":
            return _action(lines, at)
        case _:
            return (_under_empty_line(lines, at) if after_empty else None) or _action(lines, at)


def _under_empty_line(lines: Sequence[str], at: int) -> tuple[_Heading | Element, int] | None:
    """Read what must stand under an empty line; None when the line is none of it."""
    line = lines[at].strip()
    if line[0] == "." and line[1:2].isalnum():
        return _heading(line[1:]), at + 1
    if _HEADING.match(line):
        return _heading(line), at + 1
    if line.endswith("TO:") and line.isupper():
        return Transition(plain(line)), at + 1
    return _dialogue(lines, at)


def _heading(line: str) -> _Heading:
    label = _LABEL.search(line)
    text = line[: label.start()] if label else line
    return _Heading(plain(text.strip()), label["label"] if label else "")


def _dialogue(lines: Sequence[str], at: int) -> tuple[Dialogue, int] | None:
    cue = plain(lines[at].strip())
    dual = cue.endswith("^")
    name, bracket, extensions = cue.removesuffix("^").removeprefix("@").partition("(")
    speaker = _one_line(name)
    is_cue = speaker.isupper() or bool(speaker and cue.startswith("@"))
    if not is_cue or at + 1 == len(lines) or not lines[at + 1].strip():
        return None
    end = at + 1
    while end < len(lines) and (lines[end].strip() or lines[end].rstrip("\n") == _SPEECH_GOES_ON):
        end += 1
    said, directions = _spoken(lines[at + 1 : end])
    return Dialogue(speaker, said, directions, _extensions(bracket + extensions), dual), end


def _extensions(brackets: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, _EXTENSION.findall(brackets))))


def _spoken(lines: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    said: list[str] = []
    directions: list[str] = []
    for line in map(str.strip, lines):
        if line.startswith("(") and line.endswith(")"):
            directions.append(plain(line[1:-1].strip()))
        else:
            said.append(plain(line.removeprefix("~").strip()))
    return "\n".join(said), tuple(filter(None, directions))


def _lyrics(lines: Sequence[str], at: int) -> tuple[Lyrics, int]:
    end = at
    while end < len(lines) and lines[end].lstrip().startswith("~"):
        end += 1
    return Lyrics("\n".join(plain(line.strip()[1:].strip()) for line in lines[at:end])), end


def _action(lines: Sequence[str], at: int) -> tuple[Action, int]:
    """Read one paragraph; indents are the writer's and stay, a tab as four columns."""
    end = at + 1
    while end < len(lines) and lines[end].strip() and not lines[end].lstrip().startswith(_FORCING):
        end += 1
    first, *rest = (plain(line.expandtabs(4).rstrip()) for line in lines[at:end])
    if first.lstrip().startswith("!"):
        first = first.lstrip()[1:]
    return Action("\n".join((first, *rest))), end
