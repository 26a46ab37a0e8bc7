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
from actors.coverage.verdict import Weights, verdict_of
from actors.testing.reader_views import VIEWS
from actors.testing.script_facts import ScriptFacts, facts_of

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
    scores = _scores(persona.weights, facts, view.focus)
    return Coverage(
        logline=view.logline,
        strengths=view.strengths,
        concerns=view.concerns,
        scores=scores,
        verdict=verdict_of(scores, persona.weights),
        evidence=view.evidence[:EVIDENCE_LIMIT],
    )


def _scores(weights: Weights, facts: ScriptFacts, focus: float) -> Scores:
    """Turn counts into marks from 2 to 9.

    premise: 3 + 8 p, with p the places for each scene and one more: how much new ground is shown.
    structure: 9 - 6 u, with u how far a scene is from the average length, as a share of it: 0 where all are as
        long, 1/2 where a usual scene runs half as long as the average or half as long again.
    character: 3 + 6 r, with r the share of the voices that are heard in more than one scene.
    dialogue: 9 - 10 d, with d how far the share of talk is from 2/5 of all words.

    So far all readers agree. What a reader finds of their own focus, from 0 to 1, moves each mark that counts twice
    or more with them, before it is rounded: by 4 focus - 2, which is nothing where it is middling.
    """
    talk = facts.dialogue_words / max(1, facts.words)
    recurring = sum(scenes > 1 for scenes in facts.appearances.values())
    marks = {
        "premise": 3 + 8 * len(facts.places) / (len(facts.scenes) + 1),
        "structure": 9 - 6 * facts.unevenness,
        "character": 3 + 6 * recurring / max(1, len(facts.spoken)),
        "dialogue": 9 - 10 * abs(talk - _TALK_AT_ITS_BEST),
    }
    lean = 4 * focus - 2
    counting_twice = {name for name, weight in attrs.asdict(weights).items() if weight > 1}
    return Scores(
        **{name: _rounded(mark + lean if name in counting_twice else mark) for name, mark in marks.items()}
    )


def _rounded(mark: float) -> int:
    """Keep off the ends of the scale: who only counts calls nothing worthless and nothing perfect."""
    return min(max(round(mark), MARKS.start + 1), MARKS.stop - 2)
