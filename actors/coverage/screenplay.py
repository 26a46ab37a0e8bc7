"""A screenplay as values: scenes in order, and in each what is seen, said and cut to.

`source` is a scene as its writer typed it, which is what a model reads; the elements are the same text,
understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

WORD = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")


def count_words(text: str) -> int:
    """Count words as a reader would: "well-kept" and "don't" are one each, markup is none."""
    return sum(1 for _ in WORD.finditer(text))


@attrs.frozen
class Action:
    """What is seen and heard; one paragraph, its line breaks kept."""

    text: str
    centered: bool = False


@attrs.frozen
class Dialogue:
    """One speech under one cue.

    Args:
        speaker: the name on the cue, without extensions.
        text: the spoken lines, their breaks kept, without parentheticals.
        parentheticals: directions between the lines, in order, without their brackets.
        extensions: what stands in brackets after the name, such as "V.O.", in order.
        dual: whether it is spoken at the same time as the speech before it.
    """

    speaker: str
    text: str
    parentheticals: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    dual: bool = False


@attrs.frozen
class Lyrics:
    """Sung lines outside a speech."""

    text: str


@attrs.frozen
class Transition:
    """How one scene gives way to the next, such as "CUT TO:"."""

    text: str


@attrs.frozen
class Outline:
    """A heading of the writer's own outline, such as an act; it does not print. Level 1 is the highest."""

    level: int
    text: str


@attrs.frozen
class Synopsis:
    """What happens in a sentence, for the outline; it does not print."""

    text: str


@attrs.frozen
class PageBreak:
    """A page that is ended on purpose."""


Element = Action | Dialogue | Lyrics | Transition | Outline | Synopsis | PageBreak


@attrs.frozen
class Scene:
    """A stretch of script under one heading.

    Args:
        number: its place in the script, counted from 1; 0 is what stands before the first heading.
        heading: the heading's text, empty for scene 0.
        elements: what follows the heading, in order.
        source: the scene as typed, heading included, up to where the next scene begins.
        label: the number the writer gave it, such as "12A", or empty.
    """

    number: int
    heading: str
    elements: tuple[Element, ...]
    source: str
    label: str = ""

    @property
    def words(self) -> int:
        """Words of the scene as typed, heading and cues included."""
        return count_words(self.source)

    @property
    def speeches(self) -> tuple[Dialogue, ...]:
        """What is said in the scene, in order."""
        return tuple(element for element in self.elements if isinstance(element, Dialogue))


@attrs.frozen
class Screenplay:
    """A whole script, read.

    Args:
        title: its title on one line, "Untitled" where it has none.
        author: its author or authors on one line, or empty.
        title_page: every entry of the title page by its key in lower case; lines of a value stand on lines.
        scenes: the scenes in order, numbered from 1 without gaps.
        opening: what stands before the first heading, such as "FADE IN:", as scene 0; None when nothing does.
    """

    title: str
    author: str
    title_page: Mapping[str, str]
    scenes: tuple[Scene, ...]
    opening: Scene | None = None

    @property
    def stretches(self) -> tuple[Scene, ...]:
        """The opening, if there is one, and the scenes: the whole body in order."""
        return self.scenes if self.opening is None else (self.opening, *self.scenes)

    @property
    def words(self) -> int:
        """Words of the body; the title page does not count."""
        return sum(scene.words for scene in self.stretches)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Everyone who speaks, in the order of their first speech."""
        return tuple(dict.fromkeys(said.speaker for scene in self.stretches for said in scene.speeches))
