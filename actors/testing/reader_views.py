"""What each simulated reader makes of the counts: three ways to look at one script, every number of them counted.

Maya weighs scenes against one another, Colton counts what has to be shot, Devon listens to who speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

import attrs

from actors.coverage.record import Evidence
from actors.coverage.screenplay import count_words
from actors.testing.script_facts import SceneFacts, ScriptFacts, shown

_OFTEN = 3
_NAMES_SHOWN = 3
_UNTOLD = 0.5


@attrs.frozen
class View:
    """What one reader says about a script; no list is ever empty.

    Args:
        logline: the script in a sentence, as this reader would tell it.
        focus: how much there is of what this reader looks for, from 0 to 1; 1/2 where it cannot be told.
        strengths: what it has.
        concerns: what it lacks, or has too much of.
        evidence: the scenes that show it.
    """

    logline: str
    focus: float
    strengths: tuple[str, ...]
    concerns: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def story_view(facts: ScriptFacts) -> View:
    """Weigh the scenes: how many, how even, where it begins and ends.

    The focus is the share of cuts from scene to scene that a voice is heard on both sides of.
    """
    first, last, longest, shortest = facts.scenes[0], facts.scenes[-1], facts.longest, facts.shortest
    size = _count(facts.words, "word")
    if len(facts.scenes) == 1:
        alone = f"Scene {first.number} stands alone{_where(first)}: nothing it leads to was read with it."
        begins = Evidence(first.number, f"Begins{_where(first)} and runs {size}.")
        return View(_story_line(facts), _UNTOLD, (f"Scene {first.number} runs {size}.",), (alone,), (begins,))
    strengths = [f"{facts.span.capitalize()} run {size}, {facts.average} a scene on average."]
    if first.place and last.place:
        strengths.append(
            f"From {first.place} in scene {first.number} to {last.place} in scene {last.number}."
        )
    share = _percent(longest.words, facts.words)
    concerns = (
        f"Scene {longest.number} is the longest of {facts.span}: {_count(longest.words, 'word')}, {share}.",
        f"Scene {shortest.number} is the shortest of {facts.span}: {_count(shortest.words, 'word')}.",
    )
    evidence = {
        first.number: f"Begins{_where(first)} and runs {_count(first.words, 'word')}.",
        last.number: f"Ends{_where(last)} after {_count(last.words, 'word')}.",
    }
    evidence[longest.number] = f"The longest of {facts.span}: {_count(longest.words, 'word')}."
    voices = [{speech.speaker for speech in scene.speeches} for scene in facts.scenes]
    linked = [not before.isdisjoint(after) for before, after in pairwise(voices)]
    focus = sum(linked) / len(linked)
    return View(_story_line(facts), focus, tuple(strengths), concerns, _evidence(evidence))


def shoot_view(facts: ScriptFacts) -> View:
    """Count what has to be shot: places, nights, interiors, and how much of it is talk.

    The focus is pace: the share of scenes that are shorter than the average.
    """
    scenes = len(facts.scenes)
    inside = sum(scene.is_inside for scene in facts.scenes)
    outside = sum(scene.is_outside for scene in facts.scenes)
    nights = [scene for scene in facts.scenes if scene.time == "night"]
    days = sum(scene.time == "day" for scene in facts.scenes)
    places = _count(len(facts.places), "place")
    strengths = [f"{places} in {facts.span}: {inside} inside, {outside} outside."]
    for place, uses in facts.places.items():
        if uses > 1:
            strengths.append(f"{place} is used again: {uses} of {_count(scenes, 'scene')} in {facts.span}.")
            break
    share = _percent(facts.dialogue_words, facts.words)
    concerns = (
        f"{_count(len(nights), 'scene')} at night and {days} by day in {facts.span}.",
        f"Talk takes {share} of the {_count(facts.words, 'word')} of {facts.span}.",
    )
    evidence = {facts.scenes[0].number: f"The first set-up{_where(facts.scenes[0])}."}
    evidence |= {scene.number: f"A night to light{_where(scene)}." for scene in nights}
    verb = "takes" if scenes == 1 else "take"
    cast = f"{shown(next(iter(facts.spoken)))} has most to say" if facts.spoken else "nobody has a line"
    logline = (
        f"{facts.span.capitalize()} {verb} {places} and {_count(len(nights), 'night')} to shoot; {cast}."
    )
    brief = sum(scenes * scene.words < facts.words for scene in facts.scenes)
    focus = brief / scenes if scenes > 1 else _UNTOLD
    return View(logline, focus, tuple(strengths), concerns, _evidence(evidence))


def voice_view(facts: ScriptFacts) -> View:
    """Listen: who speaks how much, who is heard but once, which words come back.

    The focus is the share of the talk that the most talkative leaves to the others.
    """
    speech = facts.longest_speech
    if speech is None:
        silence = f"Nobody speaks in {facts.span}, {_count(facts.words, 'word')} long."
        seen = f"{facts.span.capitalize()}: told by what is seen alone."
        unheard = Evidence(facts.scenes[0].number, "Nobody speaks here.")
        return View(f"No voice is heard in {facts.span}.", 0.0, (seen,), (silence,), (unheard,))
    spoken, total = facts.spoken, facts.dialogue_words
    lead = next(iter(spoken))
    part = f"{spoken[lead]} of {_count(total, 'spoken word')}"
    strengths = (
        f"{shown(lead)} says {part} in {facts.span}, {_percent(spoken[lead], total)}.",
        f"{_count(len(spoken), 'voice')} and {_count(facts.speeches, 'speech', 'speeches')} in {facts.span}.",
    )
    scene, longest = speech
    said = _count(count_words(longest.text), "word")
    evidence = {silent.number: "Nobody speaks here." for silent in facts.silent_scenes}
    evidence[scene.number] = f"The longest speech of {facts.span}: {said} by {shown(longest.speaker)}."
    first, *others = map(shown, spoken)
    heard = f"{first} says most, {others[0]} next" if others else f"{first} and nobody else"
    logline = f"{_count(len(spoken), 'voice')} in {facts.span}: {heard}."
    focus = 1 - spoken[lead] / max(1, total)
    return View(logline, focus, strengths, tuple(_weak_voices(facts)), _evidence(evidence))


def _story_line(facts: ScriptFacts) -> str:
    first, last = facts.scenes[0].place, facts.scenes[-1].place
    where = (
        f", from {first} to {last}" if first and last and first != last else f", at {first}" if first else ""
    )
    if not facts.spoken:
        return f"Not a word is spoken in {facts.span}{where}."
    lead, *others = map(shown, facts.spoken)
    beside = f", beside {others[0]}" if others else ", alone"
    return f"{lead} carries {facts.span}{beside}{where}."


def _weak_voices(facts: ScriptFacts) -> Iterator[str]:
    spoken = facts.spoken
    *_, least = spoken
    if len(spoken) == 1:
        yield f"{shown(least)} is the only one who speaks in {facts.span}."
    else:
        yield f"{shown(least)} says least in {facts.span}: {_count(spoken[least], 'word')}."
    once = [name for name, scenes in facts.appearances.items() if scenes == 1]
    if once and len(facts.scenes) > 1:
        yield f"{_count(len(once), 'voice')} heard in just one of {facts.span}: {_names(once)}."
    word, times = next(iter(facts.repeated.items()), ("", 0))
    if times >= _OFTEN:
        yield f'"{shown(word)}" is said {times} times in {facts.span}.'
    if facts.silent_scenes:
        yield f"Nobody speaks in {len(facts.silent_scenes)} of {facts.span}."


VIEWS: Mapping[str, Callable[[ScriptFacts], View]] = MappingProxyType(
    {"maya": story_view, "colton": shoot_view, "devon": voice_view}
)


def _where(scene: SceneFacts) -> str:
    return f" at {scene.place}" if scene.place else ""


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / max(1, whole))}%"


def _names(names: Iterable[str]) -> str:
    listed = list(map(shown, names))
    more = len(listed) - _NAMES_SHOWN
    return ", ".join(listed[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _evidence(notes: Mapping[int, str]) -> tuple[Evidence, ...]:
    return tuple(Evidence(scene, note) for scene, note in sorted(notes.items()))
