"""A simulated model that reads: it answers a coverage request with what it counts in the script it was sent.

Think of a script reader with a tally counter and no taste. Every number in its report is counted in the prompt, so
two scripts get two reports and each is true of its script; what it never does is judge, so it says nothing of how a
real model would. The same request always gets the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs

from actors.coverage.personas import PERSONAS, Persona, enclosed_script
from actors.coverage.record import EVIDENCE_LIMIT, MARKS, Coverage, Scores, to_dict
from actors.coverage.screenplay import WORD
from actors.coverage.verdict import verdict_of
from actors.testing.reader_views import VIEWS
from actors.testing.script_facts import ScriptFacts, facts_of, shown

_SMALL_TALK = "I read screenplays; send me one and I will tell you what is in it."
_TALK_AT_ITS_BEST = 0.4


def reader_model(body: Mapping[str, Any]) -> str:
    """Answer a request as a model would.

    Args:
        body: the decoded body of an Anthropic Messages request; `system` and contents are text or lists of blocks.

    Returns:
        The text of the answer: coverage as one JSON object for a prompt that holds a script, by the reader named in
        the system prompt (the first reader there is, if it names none); a plain sentence for any other prompt.
    """
    scripts = (script for prompt in _prompts(body) if (script := enclosed_script(prompt)) is not None)
    facts = next(filter(None, map(facts_of, scripts)), None)
    if facts is None:
        return _SMALL_TALK
    return json.dumps(to_dict(_coverage(_persona(body), facts)), ensure_ascii=False)


def _prompts(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the user said, last words first: a request to repair an answer refers to a script before it."""
    messages: object = body.get("messages")
    for message in reversed(_list(messages)):
        if isinstance(message, Mapping):
            turn = cast("Mapping[str, object]", message)
            if turn.get("role") == "user":
                yield _text(turn.get("content"))


def _persona(body: Mapping[str, Any]) -> Persona:
    words = (found.group() for found in WORD.finditer(_text(body.get("system")).lower()))
    return next((PERSONAS[word] for word in words if word in PERSONAS), next(iter(PERSONAS.values())))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = (cast("Mapping[str, object]", block) for block in _list(content) if isinstance(block, Mapping))
    texts = (block.get("text") for block in blocks)
    return "\n".join(text for text in texts if isinstance(text, str))


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _coverage(persona: Persona, facts: ScriptFacts) -> Coverage:
    view = VIEWS[persona.name](facts)
    scores = _scores(persona, facts)
    return Coverage(
        logline=_logline(facts),
        strengths=view.strengths,
        concerns=view.concerns,
        scores=scores,
        verdict=verdict_of(scores, persona.weights),
        evidence=view.evidence[:EVIDENCE_LIMIT],
    )


def _logline(facts: ScriptFacts) -> str:
    first, last = facts.scenes[0].place, facts.scenes[-1].place
    where = (
        f", from {first} to {last}" if first and last and first != last else f", at {first}" if first else ""
    )
    if not facts.spoken:
        return f"Not a word is spoken in {facts.span}{where}."
    lead, *others = map(shown, facts.spoken)
    beside = f", beside {others[0]}" if others else ", alone"
    return f"{lead} carries {facts.span}{beside}{where}."


def _scores(persona: Persona, facts: ScriptFacts) -> Scores:
    """Turn counts into marks: places, evenness, recurring voices, share of talk.

    Each reader is a mark stricter in what they weigh most.
    """
    talk = facts.dialogue_words / max(1, facts.words)
    recurring = sum(scenes > 1 for scenes in facts.appearances.values())
    marks = {
        "premise": 4 + len(facts.places),
        "structure": 11 - round(2 * facts.longest.words / max(1, facts.average)),
        "character": 4 + len(facts.spoken) + 2 * recurring,
        "dialogue": 9 - round(10 * abs(talk - _TALK_AT_ITS_BEST)),
    }
    weights = attrs.asdict(persona.weights)
    marks[max(weights, key=lambda mark: weights[mark])] -= 1
    return Scores(**{name: min(max(mark, MARKS.start + 1), MARKS.stop - 2) for name, mark in marks.items()})
