"""What of Fountain's markup does not print: comments, and the marks of emphasis.

Boneyards (`/* */`) and notes (`[[ ]]`) are between the writer and the writer, so no reader is shown them.
Every walk here goes once over the text, whatever it holds: ten thousand unclosed brackets cost no more than
letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"/\*|\[\[")
_EMPHASIS = re.compile(r"\\.|\*{1,3}|_")


def without_comments(text: str) -> str:
    r"""Cut boneyards and notes out of a script.

    A comment that is never closed is text like any other, and so is a note that runs over an empty line. A
    line that held nothing but a comment goes with it, so that a note inside a speech does not end the
    speech.

    Args:
        text: a script whose lines end in "\n".
    """
    pieces: list[str] = []
    seams: list[int] = []
    at = length = 0
    for start, end in _comments(text):
        pieces.append(text[at:start])
        length += start - at
        seams.append(length)
        at = end
    pieces.append(text[at:])
    return _without_emptied_lines("".join(pieces), seams)


def _without_emptied_lines(text: str, seams: list[int]) -> str:
    kept: list[str] = []
    at = judged = 0
    for seam in seams:
        if seam < judged:
            continue
        line_start = text.rfind("\n", at, seam) + 1 or at
        line_end = text.find("\n", seam) + 1 or len(text) + 1
        judged = line_end
        if not text[line_start:line_end].strip():
            kept.append(text[at:line_start])
            at = line_end
    kept.append(text[at:])
    return "".join(kept)


def _comments(text: str) -> Iterator[tuple[int, int]]:
    boneyard_end, note_end, empty_line = _Ahead(text, "*/"), _Ahead(text, "]]"), _Ahead(text, "\n\n")
    at = 0
    while opened := _COMMENT.search(text, at):
        start, inside = opened.span()
        at = inside
        if opened.group() == "/*":
            end = boneyard_end.after(inside)
        else:
            end = note_end.after(inside)
            end = end if end < empty_line.after(inside) else len(text) + 1
        if end <= len(text):
            at = end + 2
            yield start, at


class _Ahead:
    """The next place of a mark, looked for once however often it is asked after."""

    def __init__(self, text: str, mark: str) -> None:
        self._text = text
        self._mark = mark
        self._found = -1

    def after(self, at: int) -> int:
        """Return where the mark stands at or after `at`, one past the text if nowhere; `at` only grows."""
        if self._found < at:
            found = self._text.find(self._mark, at)
            self._found = len(self._text) + 1 if found < 0 else found
        return self._found


def plain(line: str) -> str:
    r"""Take emphasis off one line: `**bold**`, `*italics*`, `_underlined_` and their mixtures.

    As published, a mark opens before a letter and closes after one, pairs never cross a line, and a backslash
    makes the next character stand for itself. An underscore inside a word is part of the word.
    """
    if not any(mark in line for mark in "*_\\"):
        return line
    cuts: list[tuple[int, int]] = []
    opened: dict[str, tuple[int, int]] = {}
    for found in _EMPHASIS.finditer(line):
        start, end = found.span()
        mark = found.group()
        if mark[0] == "\\":
            cuts.append((start, start + 1))
        elif mark in opened and not line[start - 1].isspace() and not _inside_word(line, start, end):
            cuts += [opened.pop(mark), (start, end)]
        elif end < len(line) and not line[end].isspace() and not _inside_word(line, start, end):
            opened[mark] = (start, end)
    return _cut(line, sorted(cuts))


def _inside_word(line: str, start: int, end: int) -> bool:
    return line[start] == "_" and start > 0 and line[start - 1].isalnum() and line[end : end + 1].isalnum()


def _cut(line: str, cuts: list[tuple[int, int]]) -> str:
    kept: list[str] = []
    at = 0
    for start, end in cuts:
        kept.append(line[at:start])
        at = end
    kept.append(line[at:])
    return "".join(kept)
