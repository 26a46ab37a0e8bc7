"""Sections: a script cut into readable portions, at scene borders wherever that is possible.

Picture a reader who takes a script home a folder at a time: scenes go into the folder until the next would
not fit. A scene that fits no folder gets folders of its own, cut between paragraphs, or between lines,
words or letters where nothing else helps. Nothing is lost and nothing is sent twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import attrs

from actors.coverage.marks import Piece, joined, mark_of, shielded
from actors.coverage.screenplay import Scene, Screenplay, count_words
from actors.policies.estimates.estimate import estimate_tokens

# From coarse to fine; each pattern covers any text without a gap.
_PARAGRAPHS = re.compile(r"(?:[^\n]*\S[^\n]*\n?)+(?:[^\S\n]*\n)*|\s+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = re.compile(r"\S+\s*|\s+")
_CUTS = (_PARAGRAPHS, _LINES, _WORDS)


@attrs.frozen
class Section:
    """A portion of a script that fits a budget.

    Args:
        index: its place, from 1.
        total: how many sections the script has.
        first_scene: the first scene it holds or continues. What stands before the first heading counts as
            scene 1.
        last_scene: the last scene it holds, wholly or in part.
        text: the scenes with their marks, see `marks`.
        words: words of the scenes, marks not counted.
    """

    index: int
    total: int
    first_scene: int
    last_scene: int
    text: str
    words: int

    @property
    def scenes(self) -> range:
        """The scenes that a claim about this section can rest on."""
        return range(self.first_scene, self.last_scene + 1)


def split_sections(
    screenplay: Screenplay, *, budget: int, estimate: Callable[[str], int] = estimate_tokens
) -> tuple[Section, ...]:
    """Cut a script into sections.

    Args:
        screenplay: the script.
        budget: the most tokens of a section's text, marks included and prompt not.
        estimate: tokens of a text. It is asked about each piece once and the answers are added, so a text
            must not cost more than its parts together.

    Returns:
        The sections in order; none for a script without text.

    Raises:
        ValueError: the budget does not hold even one letter and the mark of its scene.
    """
    folders = list(_packed(screenplay.stretches, budget, estimate))
    return tuple(_section(pieces, index, len(folders)) for index, pieces in enumerate(folders, start=1))


def _section(pieces: Sequence[Piece], index: int, total: int) -> Section:
    return Section(
        index=index,
        total=total,
        first_scene=max(1, pieces[0].scene),
        last_scene=max(1, pieces[-1].scene),
        text=joined(pieces),
        words=sum(count_words(piece.source) for piece in pieces),
    )


def _packed(
    stretches: Sequence[Scene], budget: int, estimate: Callable[[str], int]
) -> Iterator[tuple[Piece, ...]]:
    folder: list[Piece] = []
    used = 0
    for scene in stretches:
        for piece in _pieces(scene, budget, estimate):
            cost = estimate(joined((piece,)))
            # A continuation may begin inside a line, where its mark would not be seen: it opens a folder.
            if folder and (piece.continued or used + cost > budget):
                yield tuple(folder)
                folder, used = [], 0
            folder.append(piece)
            used += cost
    if folder:
        yield tuple(folder)


def _pieces(scene: Scene, budget: int, estimate: Callable[[str], int]) -> Iterator[Piece]:
    """Yield the scene as it is, or in parts where it is too large for any section."""
    whole = Piece(scene.number, scene.source)
    if estimate(joined((whole,))) <= budget:
        yield whole
        return
    room = budget - estimate(mark_of(attrs.evolve(whole, continued=True)))
    part: list[str] = []
    used = 0
    is_later = False
    for atom, cost in _atoms(scene.source, room, lambda text: estimate(shielded(text)), _CUTS):
        if cost > room:
            raise ValueError(f"budget must hold a scene mark and a letter, got {budget} tokens")
        if part and used + cost > room:
            yield Piece(scene.number, "".join(part), is_later)
            part, used, is_later = [], 0, True
        part.append(atom)
        used += cost
    yield Piece(scene.number, "".join(part), is_later)


def _atoms(
    text: str, room: int, estimate: Callable[[str], int], cuts: Sequence[re.Pattern[str]]
) -> Iterator[tuple[str, int]]:
    """Yield consecutive parts and their costs, cut only as finely as each place needs to fit the room."""
    # Inside a word a cut can hide a line that looks like a mark; each part pays for the backslash it would get.
    cost = estimate(text if cuts else f"\\{text}")
    if cost <= room or len(text) == 1:
        yield text, cost
        return
    middle = len(text) // 2
    for part in cuts[0].findall(text) if cuts else (text[:middle], text[middle:]):
        yield from _atoms(part, room, estimate, cuts[1:])
