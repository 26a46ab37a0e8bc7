"""Draw rows with levels as a text tree with aligned columns. Pure: it knows nothing of actors.

    actor          state       restarts   mailbox
    shop           running                  0/64
    ├─ limiter     restarting         2     3/64
    │    last error ConnectionError
    └─ readers     running                  0/64
       └─ maya     running                  1/64

Where the width is short, columns go, the least important first, before names are cut; where a tree is so deep that its
branches would take the room of the names, the upper branches are left out and the level is given as a number. It is all
one pass over the rows, without recursion, so depth is bounded by nothing.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import attrs

GAP = 2
"""Blanks between columns."""

BRANCH = 3
"""The width of one level."""

LEAST_LABEL = 20
"""Columns go until the labels have this width, or as much as the longest needs: enough for a name three levels down."""

MOST_BRANCHES = 8
"""Levels drawn as branches where there is room; a deeper one has its number before the nearest of them."""

PASSING_BY = str.maketrans("├└─0123456789", "│" + " " * 12)
"""What becomes of a row's own branch and number on the lines below it."""

NO_BREAK = "\N{NO-BREAK SPACE}"

LEAST_NOTE = 16
"""The least width a note is wrapped to; below it lines grow longer rather than ever more."""


@attrs.frozen
class Column:
    """One column right of the labels.

    Args:
        title: its heading.
        rank: which goes first where the width is short: the highest.
        align: where its text stands.
    """

    title: str
    rank: int
    align: Literal["left", "right"] = "left"


@attrs.frozen
class Row:
    """One line of the tree, and the notes below it.

    Args:
        level: how deep it hangs, 0 for a root.
        label: what stands at the branch.
        cells: one text for each column.
        notes: lines of their own, wrapped to the width; never at a no-break space, which is drawn as a blank.
    """

    level: int
    label: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


def draw_tree(rows: Sequence[Row], columns: Sequence[Column], *, title: str, width: int) -> str:
    """Return the tree as lines of text, without a newline at the end.

    Args:
        rows: in preorder: each row's children follow it, one level deeper.
        columns: what stands right of the labels; one without any text is left out.
        title: the heading of the labels.
        width: how long a line may be. Below the length of a few words lines come out longer.
    """
    rails = list(_rails(rows, most=max(1, min(MOST_BRANCHES, width // (3 * BRANCH)))))
    labels = [len(rail) + text_width(row.label) for rail, row in zip(rails, rows, strict=True)]
    layout = _lay_out(rows, columns, max([text_width(title), *labels]), width)
    lines = [layout.line("", title, [column.title for column in columns])]
    for index, (row, rail) in enumerate(zip(rows, rails, strict=True)):
        lines.append(layout.line(rail, row.label, row.cells))
        has_children = index + 1 < len(rows) and rows[index + 1].level > row.level
        lines += _notes(row, _below(rail, has_children=has_children), width)
    return "\n".join(lines)


def text_width(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _rails(rows: Sequence[Row], most: int) -> Iterator[str]:
    """Yield what stands before each label: the branches, of which at most `most` are drawn."""
    digits = len(str(max((row.level for row in rows), default=0)))
    above: list[bool] = []  # for each level down to this row, whether the branch there is the last one
    for row, is_last in zip(rows, _lasts(rows), strict=True):
        del above[row.level :]
        above.append(is_last)
        drawn = above[max(1, row.level + 1 - most) : row.level]
        number = f"{row.level:>{digits}} " if row.level > most else ""
        through = "".join("   " if last else "│  " for last in drawn)
        own = ("└─ " if is_last else "├─ ") if row.level else ""
        yield number + through + own


def _lasts(rows: Sequence[Row]) -> list[bool]:
    """Say of each row whether no sibling follows it."""
    lasts: list[bool] = []
    follows: list[bool] = []  # by level, whether a row that was seen already is a later sibling
    for row in reversed(rows):
        del follows[row.level + 1 :]
        follows += [False] * (row.level + 1 - len(follows))
        lasts.append(not follows[row.level])
        follows[row.level] = True
    return lasts[::-1]


def _below(rail: str, *, has_children: bool) -> str:
    """Return what goes on below a row: the branches it hangs on, and the one to its own children."""
    return rail.translate(PASSING_BY) + ("│ " if has_children else "  ")


@attrs.frozen
class _Layout:
    """Which columns are shown, by index, how wide each is, and how wide the labels are."""

    columns: tuple[tuple[int, int, Column], ...]
    room: int

    def line(self, rail: str, label: str, cells: Sequence[str]) -> str:
        room = self.room - len(rail)
        parts = [rail + _pad(_cut(label, room), room, "left")]
        parts += [_pad(cells[index], width, column.align) for index, width, column in self.columns]
        return (" " * GAP).join(parts).rstrip()


def _lay_out(rows: Sequence[Row], columns: Sequence[Column], longest: int, width: int) -> _Layout:
    """Choose the columns there is room for, beside labels of which the longest is `longest` wide."""
    filled = [
        (index, max(text_width(text) for text in (column.title, *(row.cells[index] for row in rows))), column)
        for index, column in enumerate(columns)
        if any(row.cells[index] for row in rows)
    ]
    while filled and _rest(filled, width) < min(LEAST_LABEL, longest):
        filled.remove(max(filled, key=lambda each: each[2].rank))
    return _Layout(tuple(filled), min(longest, max(1, _rest(filled, width))))


def _rest(filled: Sequence[tuple[int, int, Column]], width: int) -> int:
    return width - sum(each + GAP for _index, each, _column in filled)


def _notes(row: Row, rail: str, width: int) -> Iterator[str]:
    for note in row.notes:
        for line in textwrap.wrap(note, max(LEAST_NOTE, width - len(rail)), subsequent_indent="  "):
            yield rail + line.replace(NO_BREAK, " ")


def _cut(text: str, room: int) -> str:
    """Return as much of a text as fits, and at least its first letter."""
    if text_width(text) <= room:
        return text
    kept, left = "", max(2, room) - 1
    for char in text:
        left -= _cells(char)
        if left < 0:
            break
        kept += char
    return f"{kept}…"


def _pad(text: str, width: int, align: Literal["left", "right"]) -> str:
    blanks = " " * (width - text_width(text))
    return text + blanks if align == "left" else blanks + text
