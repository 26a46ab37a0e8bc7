"""What each line of a Fountain script is, by the published rules (fountain.io/syntax).

A line's first character may force its kind: `.` heading, `!` action, `@` cue, `>` transition, `> <` centered, `~`
lyrics, `#` outline, `=` synopsis, `===` page break. Otherwise it matters whether an empty line stands before it and
what its letters are: a heading begins with INT, EXT, EST, INT/EXT or I/E; a cue is a line in capitals with a line
under it; a transition is a line in capitals that ends in "TO:". Everything else is action, so nothing is refused.

More lenient than the rules, so that less of a real script is lost: a heading or a transition counts without an
empty line under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from actors.coverage.markup import plain
from actors.coverage.screenplay import (
    Action,
    Dialogue,
    Element,
    Lyrics,
    Outline,
    PageBreak,
    Synopsis,
    Transition,
)

_HEADING = re.compile(r"(?:INT\.?/EXT|EXT\.?/INT|I/E|E/I|INT|EXT|EST)[.\s]", re.IGNORECASE)
_LABEL = re.compile(r"#(?P<label>[\w.\-]+)#$")
_PAGE_BREAK = re.compile(r"={3,}$")
_EXTENSION = re.compile(r"\(([^()]*)\)?")
_FORCING = tuple("!>~#=")
_SPEECH_GOES_ON = "  "


@attrs.frozen
class Heading:
    """The line that begins a scene: its text, and the number its writer gave it, or empty."""

    text: str
    label: str


def lines_of(text: str) -> list[str]:
    """Split at line feeds alone; `str.splitlines` would also split at characters that print inside a line."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]


def blocks(lines: Sequence[str]) -> Iterator[tuple[int, Heading | Element]]:
    """Yield each heading and element with the index of its first line.

    Args:
        lines: the body of a script without comments, line feeds included; line 0 counts as under an empty line.
    """
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


def _block(lines: Sequence[str], at: int, *, after_empty: bool) -> tuple[Heading | Element, int]:
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


def _under_empty_line(lines: Sequence[str], at: int) -> tuple[Heading | Element, int] | None:
    """Read what must stand under an empty line; None when the line is none of it."""
    line = lines[at].strip()
    if line[0] == "." and line[1:2].isalnum():
        return _heading(line[1:]), at + 1
    if _HEADING.match(line):
        return _heading(line), at + 1
    if line.endswith("TO:") and line.isupper():
        return Transition(plain(line)), at + 1
    return _dialogue(lines, at)


def _heading(line: str) -> Heading:
    label = _LABEL.search(line)
    text = line[: label.start()] if label else line
    return Heading(plain(text.strip()), label["label"] if label else "")


def _dialogue(lines: Sequence[str], at: int) -> tuple[Dialogue, int] | None:
    cue = plain(lines[at].strip())
    dual = cue.endswith("^")
    name, bracket, extensions = cue.removesuffix("^").removeprefix("@").partition("(")
    speaker = " ".join(name.split())
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
