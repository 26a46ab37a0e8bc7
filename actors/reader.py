"""A reader: an actor with a persona that gives coverage of a screenplay through model calls.

It reads section by section: asks, checks the answer, asks once more with what was wrong when the answer does not
parse, and merges what it has at the end. It holds nothing between two readings, so one that crashed can simply read
again. What it does is streamed to whoever asked: progress, mishaps, and in the end the coverage.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import attrs

from actors.call.steps import Answered, Calling, CallStep, Failed, PassedOver, Shortened, Waiting
from actors.call.terms import CallTerms
from actors.coverage.merge import merge
from actors.coverage.personas import Persona, repair_prompt, section_prompt, system_prompt
from actors.coverage.record import Coverage, parse_coverage
from actors.coverage.screenplay import Screenplay
from actors.coverage.sections import Section, split_sections
from actors.endpoint import Endpoint, steps_of
from actors.error_phrase import phrase
from actors.errors import CallFailed, InputError, Rejected, ReplyInvalid
from actors.kernel import Actor, Ref, op
from actors.progress import Mishap, Progress, State
from actors.time_budget import check_time
from actors.wire.chat import ChatMessage, ChatReply, ChatRequest

DEFAULT_SECTION_TOKENS = 12_000
"""Input tokens of one section: two fit a window of 30,000, and a judgement stays close to its scenes."""

DEFAULT_MAX_TOKENS = 1024
"""Output tokens of one answer: a coverage record takes 400 to 700."""


TERMS = CallTerms(is_patient=True)
"""A reading takes minutes and nobody waits for its next word: a model that is down for one is waited for."""

AT_ONCE = 0.05
"""Seconds that nobody notices: a wait that short is told as none."""


@attrs.frozen
class Finished:
    """The reading is done.

    Args:
        coverage: the judgement over all sections.
        model_used: the model that gave the last answer.
        fell_back: whether any answer came from another model than the preferred one.
    """

    coverage: Coverage
    model_used: str
    fell_back: bool


Event = Progress | Mishap | Finished


class Reader(Actor):
    """Reads screenplays in the voice of its persona.

    Args:
        persona: who it is and what it looks at.
        endpoint: where it asks.
        section_tokens: input tokens of one section of a script, by estimate.
        max_tokens: output tokens of one answer.
    """

    def __init__(
        self,
        persona: Persona,
        endpoint: Ref[Endpoint],
        *,
        section_tokens: int = DEFAULT_SECTION_TOKENS,
        max_tokens: int = DEFAULT_MAX_TOKENS,
    ) -> None:
        self.persona = persona
        self._endpoint = endpoint
        self._section_tokens = section_tokens
        self._max_tokens = max_tokens

    @op(raises=(CallFailed, Rejected, InputError))
    async def read(self, screenplay: Screenplay) -> AsyncGenerator[Event]:
        """Read `screenplay` section by section; the last item is `Finished`.

        Raises:
            ReplyInvalid: a section's answer did not parse, and neither did the one after it.
            CallFailed: no model answered.
            Rejected: there was no capacity in time; `OutOfTime` where a section was not begun for want of it.
            InputError: the screenplay has no text.
        """
        sections = split_sections(screenplay, budget=self._section_tokens)
        if not sections:
            raise InputError("the screenplay has no text to read")
        reading = _Reading(self.persona.name, self.now, len(sections))
        coverages: list[Coverage] = []
        for section in sections:
            check_time(f"section {section.index}")
            reading.section = section.index
            async with aclosing(self._cover(screenplay, section, reading)) as events:
                async for event in events:
                    if isinstance(event, Coverage):
                        coverages.append(event)
                    else:
                        yield event
        words = [section.words for section in sections]
        coverage = merge(coverages, words=words, weights=self.persona.weights)
        yield reading.progress("done")
        yield Finished(coverage, reading.model or "", reading.fell_back)

    def check(self, text: str, section: Section) -> Coverage:
        """Return the coverage that an answer about `section` holds.

        Raises:
            ReplyInvalid: it holds none; the problems say why.
        """
        return parse_coverage(text, scenes=section.scenes)

    async def _cover(
        self, screenplay: Screenplay, section: Section, reading: _Reading
    ) -> AsyncGenerator[Progress | Mishap | Coverage]:
        """Read one section; ask once more, with what was wrong, when the answer does not parse."""
        question = ChatMessage("user", section_prompt(self.persona, screenplay.title, section))
        messages: tuple[ChatMessage, ...] = (question,)
        for is_last in (False, True):
            reply: ChatReply | None = None
            async with aclosing(self._ask(messages, reading)) as events:
                async for event in events:
                    if isinstance(event, ChatReply):
                        reply = event
                    else:
                        yield event
            assert reply is not None  # noqa: S101  # a call ends with a reply or an error
            yield reading.progress("checking", "the answer")
            try:
                yield self.check(reply.text, section)
            except ReplyInvalid as error:
                if is_last:
                    raise
                yield Mishap(
                    reading.reader, "answer did not parse", "asked once more with what was wrong", self.now()
                )
                said = ChatMessage("assistant", reply.text or "(nothing)")
                messages = (question, said, ChatMessage("user", repair_prompt(error.problems)))
            else:
                return

    async def _ask(
        self, messages: tuple[ChatMessage, ...], reading: _Reading
    ) -> AsyncGenerator[Progress | Mishap | ChatReply]:
        """Place one call and tell of its steps; the last item is the reply."""
        request = ChatRequest("", messages, system=system_prompt(self.persona), max_tokens=self._max_tokens)
        async with aclosing(steps_of(self._endpoint, request, TERMS)) as steps:
            async for step in steps:
                for event in reading.take(step):
                    yield event
                if isinstance(step, Answered):
                    yield step.reply


@attrs.define(eq=False)
class _Reading:
    """The running account of one reading."""

    reader: str
    now: Callable[[], float]
    sections: int
    section: int = 0
    attempts: int = 0
    model: str | None = None
    fell_back: bool = False
    input_tokens: int = 0
    output_tokens: int = 0

    def take(self, step: CallStep) -> list[Progress | Mishap]:
        """Enter a step of a call and return what there is to tell."""
        match step:
            case Waiting(model=model):
                self.model = model
                return [self.progress("waiting", "capacity")]
            case Calling():
                self.attempts += 1
                return [self.progress("calling", "the answer")]
            case Failed(error=error, delay=delay):
                if delay is None:
                    return []  # the next step, or the error itself, says what comes of it
                return [
                    self._mishap(phrase(error), f"asked again {_after(delay)}"),
                    self.progress("backing_off", f"{phrase(error)}, again {_in(delay)}"),
                ]
            case PassedOver(model=model, next_model=following, error=error):
                return [self._mishap(f"{model}: {phrase(error)}", f"asked {following} instead")]
            case Shortened(model=model, error=error):
                return [self._mishap(f"{model}: {phrase(error)}", "asked in fewer words")]
            case Answered(reply=reply, fell_back=fell_back, source=source):
                self.fell_back = self.fell_back or fell_back
                if source != "model":
                    return []  # it took no tokens: they were counted when it was answered
                self.input_tokens += reply.counts.counted_input_tokens
                self.output_tokens += reply.counts.output_tokens
                return []

    def progress(self, state: State, detail: str = "") -> Progress:
        """Return where the reading stands."""
        return Progress(
            self.reader,
            state,
            detail,
            self.model,
            self.attempts,
            self.section,
            self.sections,
            self.input_tokens,
            self.output_tokens,
            self.now(),
        )

    def _mishap(self, what: str, survived_by: str) -> Mishap:
        return Mishap(self.reader, what, survived_by, self.now())


def _after(delay: float) -> str:
    return "at once" if delay < AT_ONCE else f"after {delay:.1f} s"


def _in(delay: float) -> str:
    return "at once" if delay < AT_ONCE else f"in {delay:.1f} s"
