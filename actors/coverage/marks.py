"""Scene marks: how a scene's number travels with its text into a prompt and back out.

A scene is sent as `[scene 12] INT. KITCHEN - DAY ...`, its continuation in a later section as `[scene 12,
continued] ...`, and what stands before the first heading as `[opening] ...`. A line of the script that
looks like a mark itself is sent with a backslash before it, so that nobody can number their own scenes and
the text comes back exactly as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

_MARK = re.compile(
    r"^\[(?:scene (?P<number>[1-9][0-9]*)|opening)(?P<continued>, continued)?\] ", re.MULTILINE
)
_LIKE_A_MARK = re.compile(r"^(\\*\[(?:scene|opening))", re.MULTILINE)
_SHIELDED = re.compile(r"^\\(\\*\[(?:scene|opening))", re.MULTILINE)


@attrs.frozen
class Piece:
    """A scene, or a part of one.

    Args:
        scene: the scene's number, 0 for the opening.
        source: its text as typed.
        continued: whether an earlier piece holds the beginning of the scene.
    """

    scene: int
    source: str
    continued: bool = False


def mark_of(piece: Piece) -> str:
    """Return what stands before a piece in a prompt, such as "[scene 12] "."""
    name = f"scene {piece.scene}" if piece.scene else "opening"
    going_on = ", continued" if piece.continued else ""
    return f"[{name}{going_on}] "


def shielded(source: str) -> str:
    """Return a scene's text with a backslash before every line that looks like a mark."""
    return _LIKE_A_MARK.sub(r"\\\1", source)


def joined(pieces: Iterable[Piece]) -> str:
    """Return pieces as one text, marks included; each but the last must end its line, as scenes do."""
    return "".join(mark_of(piece) + shielded(piece.source) for piece in pieces)


def unmarked(text: str) -> tuple[Piece, ...]:
    """Read back what `joined` wrote, in order; text before the first mark is left out."""
    found = list(_MARK.finditer(text))
    borders = [*(mark.start() for mark in found), len(text)]
    return tuple(
        Piece(
            scene=int(mark["number"] or 0),
            source=_SHIELDED.sub(r"\1", text[mark.end() : end]),
            continued=mark["continued"] is not None,
        )
        for mark, end in zip(found, borders[1:], strict=True)
    )
