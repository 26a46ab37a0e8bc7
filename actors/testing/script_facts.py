"""What can be counted in the scenes a model was sent: who speaks, where it plays, how long it runs.

Everything is worked out from the marked text alone, so that a simulated reader knows what a real one could know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import attrs

from actors.coverage.blocks import Heading, blocks, lines_of
from actors.coverage.marks import unmarked
from actors.coverage.screenplay import WORD, Dialogue, count_words

_SETTING = re.compile(r"(?P<where>INT\.?/EXT|EXT\.?/INT|I/E|E/I|INT|EXT|EST)[. ] *(?P<place>.*)")
_DASH = re.compile(r" - | ?--+ ?| ?[\u2013\u2014] ?")
_NIGHT = re.compile(r"\b(?:NIGHT|EVENING|DUSK|MIDNIGHT)\b")
_DAY = re.compile(r"\b(?:DAY|MORNING|NOON|AFTERNOON|DAWN)\b")
_OTHER_TIME = re.compile(r"\b(?:CONTINUOUS|LATER|SAME)\b")
_SHOWN_LENGTH = 48
# Words of five letters and more that carry the grammar rather than the story.
_GRAMMAR = frozenset(
    {
        "about",
        "after",
        "again",
        "because",
        "before",
        "being",
        "could",
        "doing",
        "don't",
        "every",
        "going",
        "gonna",
    }
    | {"never", "other", "really", "right", "should", "that's", "their", "there", "these", "they're", "thing"}
    | {
        "think",
        "those",
        "through",
        "under",
        "wanna",
        "we're",
        "what's",
        "where",
        "which",
        "while",
        "would",
        "you're",
    }
)
_STORY_WORD_LENGTH = 5


TimeOfDay = Literal["day", "night", ""]


@attrs.frozen
class SceneFacts:
    """One scene, counted.

    Args:
        number: its number in the script.
        place: where it plays, as the heading says, without time; "" where the heading was not sent.
        is_inside: whether any of it plays indoors.
        is_outside: whether any of it plays outdoors.
        time: "day", "night" or "".
        words: words sent of it, heading and cues included.
        speeches: what is said, in order.
    """

    number: int
    place: str
    is_inside: bool
    is_outside: bool
    time: TimeOfDay
    words: int
    speeches: tuple[Dialogue, ...]


@attrs.frozen
class ScriptFacts:
    """All scenes of one prompt, counted; there is at least one scene."""

    scenes: tuple[SceneFacts, ...]

    @property
    def span(self) -> str:
        """The scenes in words: "scene 4" or "scenes 4 to 9"."""
        first, last = self.scenes[0].number, self.scenes[-1].number
        return f"scene {first}" if first == last else f"scenes {first} to {last}"

    @property
    def words(self) -> int:
        """Words of all scenes."""
        return sum(scene.words for scene in self.scenes)

    @property
    def average(self) -> int:
        """Words of a scene, on average, rounded."""
        return round(self.words / len(self.scenes))

    @property
    def unevenness(self) -> float:
        """How far scenes are from the average length, on average, as a share of it: 0 where all are as long."""
        away = sum(abs(len(self.scenes) * scene.words - self.words) for scene in self.scenes)
        return away / max(1, len(self.scenes) * self.words)

    @property
    def longest(self) -> SceneFacts:
        """The scene with the most words; of equals the first."""
        return max(self.scenes, key=lambda scene: scene.words)

    @property
    def shortest(self) -> SceneFacts:
        """The scene with the fewest words; of equals the first."""
        return min(self.scenes, key=lambda scene: scene.words)

    @property
    def places(self) -> Mapping[str, int]:
        """How many scenes play at each place, the most used first."""
        return _ranked(Counter(scene.place for scene in self.scenes if scene.place))

    @property
    def spoken(self) -> Mapping[str, int]:
        """How many words each speaker says, the most talkative first."""
        said = Counter[str]()
        for speech in self._speeches():
            said[speech.speaker] += count_words(speech.text)
        return _ranked(said)

    @property
    def speeches(self) -> int:
        """How many speeches there are."""
        return sum(1 for _ in self._speeches())

    @property
    def dialogue_words(self) -> int:
        """Words that are spoken."""
        return sum(self.spoken.values())

    @property
    def appearances(self) -> Mapping[str, int]:
        """In how many scenes each speaker speaks, the most present first."""
        return _ranked(
            Counter(name for scene in self.scenes for name in {each.speaker for each in scene.speeches})
        )

    @property
    def silent_scenes(self) -> tuple[SceneFacts, ...]:
        """The scenes in which nobody speaks."""
        return tuple(scene for scene in self.scenes if not scene.speeches)

    @property
    def longest_speech(self) -> tuple[SceneFacts, Dialogue] | None:
        """The speech with the most words and its scene; of equals the first; None when nobody speaks."""
        said = ((scene, speech) for scene in self.scenes for speech in scene.speeches)
        return max(said, key=lambda each: count_words(each[1].text), default=None)

    @property
    def repeated(self) -> Mapping[str, int]:
        """How often each story word is spoken, the most frequent first; speakers' names do not count."""
        names = {word for name in self.spoken for word in _story_words(name)}
        said = Counter(word for speech in self._speeches() for word in _story_words(speech.text))
        return _ranked(Counter({word: count for word, count in said.items() if word not in names}))

    def _speeches(self) -> Iterator[Dialogue]:
        for scene in self.scenes:
            yield from scene.speeches


def facts_of(text: str) -> ScriptFacts | None:
    """Count the scenes of a marked text; None when it holds no mark.

    Parts of one scene are put together. What stands before the first heading counts only where nothing else was
    sent, as scene 1.
    """
    sources: dict[int, str] = {}
    for piece in unmarked(text):
        sources[piece.scene] = sources.get(piece.scene, "") + piece.source
    opening = sources.pop(0, None)
    if not sources and opening is not None:
        sources[1] = opening
    if not sources:
        return None
    return ScriptFacts(tuple(_scene(number, source) for number, source in sorted(sources.items())))


def shown(name: str) -> str:
    """Return a name as a report shows it: printable, on one line, cut where it is very long."""
    printable = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(printable.split())[:_SHOWN_LENGTH].strip() or "somebody"


def _scene(number: int, source: str) -> SceneFacts:
    found = [block for _, block in blocks(lines_of(source))]
    heading = next((block.text for block in found if isinstance(block, Heading)), "")
    heading = " ".join(heading.upper().split())
    setting = _SETTING.match(heading)
    place, time = _place_and_time(setting["place"] if setting else heading)
    where = setting["where"] if setting else ""
    return SceneFacts(
        number=number,
        place=shown(place) if place else "",
        is_inside="I" in where,
        is_outside="E" in where,
        time=time,
        words=count_words(source),
        speeches=tuple(block for block in found if isinstance(block, Dialogue)),
    )


def _place_and_time(setting: str) -> tuple[str, TimeOfDay]:
    """Take the time off the end of "HARBOUR - PIER - NIGHT"."""
    dashes = list(_DASH.finditer(setting))
    last = setting[dashes[-1].end() :] if dashes else ""
    place = setting[: dashes[-1].start()] if dashes else setting
    if _NIGHT.search(last):
        return place, "night"
    if _DAY.search(last):
        return place, "day"
    return (place if _OTHER_TIME.search(last) else setting), ""


def _story_words(text: str) -> Iterator[str]:
    for found in WORD.finditer(text.casefold().replace("\u2019", "'")):
        if len(found.group()) >= _STORY_WORD_LENGTH and found.group() not in _GRAMMAR:
            yield found.group()


def _ranked(counts: Counter[str]) -> Mapping[str, int]:
    names: Sequence[str] = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: counts[name] for name in names}
