"""A reader at work: sections asked, checked and merged, and every mishap told with what was done about it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from cast_setup import AT_ONCE, FIRST, SECOND, TWO_SECONDS, books_of, open_path, open_restarting
from trio.testing import MockClock

from actors.coverage.fountain import parse
from actors.coverage.merge import merge
from actors.coverage.personas import PERSONAS, system_prompt
from actors.coverage.record import Coverage, parse_coverage
from actors.coverage.screenplay import Screenplay
from actors.coverage.sections import Section, split_sections
from actors.endpoint import Endpoint
from actors.errors import InputError, Interrupted, NeverFits, OutOfTime, ProviderFailed, ReplyInvalid
from actors.kernel import Ref, op, open_actor
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.progress import Mishap, Progress, unobserved
from actors.reader import Event, Finished, Reader
from actors.testing.provider import Fault, SimulatedProvider, malformed, overload, server_error, spend_cap
from actors.testing.reader_model import reader_model
from actors.time_budget import time_budget

pytestmark = pytest.mark.usefixtures("autojump_clock")

MAYA = PERSONAS["maya"]
SCENE = """INT. KITCHEN {number} - DAY

{lines}

MARA
It is the {number}. time I ask you.
"""
UNLIMITED = Limits(requests=None, input_tokens=None, output_tokens=None)


def a_script(scenes: int = 3, words: int = 60) -> Screenplay:
    """Write a script of that many scenes, each of some `words` words of action."""
    parts = [
        SCENE.format(number=number, lines="She waits. " * (words // 2)) for number in range(1, scenes + 1)
    ]
    return parse("Title: The Kitchen\n\n" + "\n".join(parts))


def provider_with(*faults: Fault, **options: Any) -> SimulatedProvider:
    options = {"latency": TWO_SECONDS, "model": reader_model, **options}
    provider = SimulatedProvider(**options)
    provider.script(*faults)
    return provider


@asynccontextmanager
async def open_endpoint(
    provider: SimulatedProvider, *models: str, **options: Any
) -> AsyncGenerator[Ref[Endpoint]]:
    """Open an endpoint over `models`, without limits unless some are given."""
    options = {"limits": UNLIMITED, "retry": AT_ONCE, **options}
    async with (
        open_path(provider, *models, **options) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
    ):
        yield endpoint


@asynccontextmanager
async def open_reader(
    provider: SimulatedProvider, *models: str, section_tokens: int = 12_000, **options: Any
) -> AsyncGenerator[Ref[Reader]]:
    """Open a reader over an endpoint of its own."""
    async with open_endpoint(provider, *models, **options) as endpoint:
        make = partial(Reader, MAYA, endpoint, section_tokens=section_tokens)
        async with open_actor(make, name="maya") as reader:
            yield reader


async def events_of(reader: Ref[Reader], script: Screenplay) -> list[Event]:
    """Have `script` read and return all that is told."""
    events: list[Event] = []
    await follow(reader, script, events)
    return events


async def follow(reader: Ref[Reader], script: Screenplay, events: list[Event]) -> None:
    """Have `script` read and add what is told to `events` as it comes."""
    async with reader.stream(Reader.read(script)) as told:
        async for event in told:
            events.append(event)  # noqa: PERF401  # what was told before an error stays


def states(events: list[Event]) -> list[str]:
    return [event.state for event in events if isinstance(event, Progress)]


def mishaps(events: list[Event]) -> list[tuple[str, str, float]]:
    return [(event.what, event.survived_by, event.at) for event in events if isinstance(event, Mishap)]


# a reading


async def test_a_script_of_one_section_is_asked_for_once_and_its_answer_is_the_coverage() -> None:
    script = a_script()
    bodies: list[Mapping[str, Any]] = []

    def listening(body: Mapping[str, Any]) -> str:
        bodies.append(body)
        return reader_model(body)

    async with open_reader(provider_with(model=listening)) as reader:
        *before, done, finished = await events_of(reader, script)

    assert states([*before, done]) == ["waiting", "calling", "checking", "done"]
    assert isinstance(finished, Finished)
    assert finished == Finished(
        parse_coverage(reader_model(bodies[0]), scenes=range(1, 4)), FIRST, fell_back=False
    )
    assert len(bodies) == 1
    assert bodies[0]["system"] == system_prompt(MAYA)
    assert bodies[0]["max_tokens"] == 1024


async def test_a_script_of_several_sections_is_read_in_order_and_merged() -> None:
    script = a_script(scenes=6, words=200)
    sections = split_sections(script, budget=700)
    answers: list[str] = []

    def listening(body: Mapping[str, Any]) -> str:
        answers.append(reader_model(body))
        return answers[-1]

    async with open_reader(provider_with(model=listening), section_tokens=700) as reader:
        events = await events_of(reader, script)

    finished = events[-1]
    assert len(sections) > 2
    assert len(answers) == len(sections)
    parts = [parse_coverage(text, scenes=part.scenes) for text, part in zip(answers, sections, strict=True)]
    assert isinstance(finished, Finished)
    assert finished.coverage == merge(parts, words=[part.words for part in sections], weights=MAYA.weights)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.section for event in progress if event.state == "calling"] == [
        part.index for part in sections
    ]
    assert {event.sections for event in progress} == {len(sections)}


async def test_progress_adds_up_attempts_and_tokens_over_all_sections() -> None:
    provider = provider_with(overload(nth=2), server_error(nth=2))
    async with open_reader(provider, section_tokens=700) as reader:
        events = await events_of(reader, a_script(scenes=6, words=200))

    progress = [event for event in events if isinstance(event, Progress)]
    last = progress[-1]
    answered = [record for record in provider.log if record.completed]
    assert last.attempt == provider.statistics().requests
    assert last.input_tokens == sum(record.input_tokens for record in answered)
    assert last.output_tokens == sum(record.output_tokens for record in answered)
    for before, after in pairwise(progress):
        assert before.at <= after.at
        assert before.attempt <= after.attempt
        assert before.input_tokens <= after.input_tokens
        assert before.output_tokens <= after.output_tokens


async def test_one_reader_reads_two_scripts_at_once_and_keeps_them_apart() -> None:
    async with open_reader(provider_with()) as reader:
        short: list[Event] = []
        long: list[Event] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, reader, a_script(1), short)
            nursery.start_soon(follow, reader, a_script(5), long)

        assert trio.current_time() == 2.0
        one, other = short[-1], long[-1]
        assert isinstance(one, Finished)
        assert isinstance(other, Finished)
        assert {evidence.scene for evidence in one.coverage.evidence} == {1}
        assert max(evidence.scene for evidence in other.coverage.evidence) > 1


# an answer that is no coverage


async def test_an_answer_that_does_not_parse_is_asked_for_once_more_with_what_was_wrong() -> None:
    bodies: list[Mapping[str, Any]] = []

    def second_thoughts(body: Mapping[str, Any]) -> str:
        bodies.append(body)
        return '{"logline": ""}' if len(bodies) == 1 else reader_model(body)

    async with open_reader(provider_with(model=second_thoughts)) as reader:
        events = await events_of(reader, a_script())

    assert isinstance(events[-1], Finished)
    assert mishaps(events) == [("answer did not parse", "asked once more with what was wrong", 2.0)]
    question, said, repair = bodies[1]["messages"]
    assert [question] == bodies[0]["messages"]
    assert said == {"role": "assistant", "content": '{"logline": ""}'}
    assert repair["role"] == "user"
    assert "logline must be a string of 1 to 400 characters, got a string of 0" in repair["content"]
    assert states(events) == ["waiting", "calling", "checking", "waiting", "calling", "checking", "done"]


async def test_an_empty_answer_is_repaired_too() -> None:
    bodies: list[Mapping[str, Any]] = []

    def silent_at_first(body: Mapping[str, Any]) -> str:
        bodies.append(body)
        return "" if len(bodies) == 1 else reader_model(body)

    async with open_reader(provider_with(model=silent_at_first)) as reader:
        events = await events_of(reader, a_script())

    assert isinstance(events[-1], Finished)
    assert bodies[1]["messages"][1] == {"role": "assistant", "content": "(nothing)"}


async def test_a_second_answer_that_does_not_parse_ends_the_reading() -> None:
    provider = provider_with(malformed("no coverage", instead_of="answer"))
    events: list[Event] = []
    async with open_reader(provider) as reader:
        with pytest.raises(ReplyInvalid, match=r"^reply holds no coverage$") as caught:
            await follow(reader, a_script(), events)

        assert caught.value.problems == ("the reply must hold one complete JSON object, got none",)
        assert provider.statistics().requests == 2
        assert len(mishaps(events)) == 1
        assert reader.statistics().incarnation == 1


async def test_each_section_has_its_own_second_chance() -> None:
    provider = provider_with(
        malformed("no", instead_of="answer", nth=1), malformed("no", instead_of="answer", nth=3)
    )
    async with open_reader(provider, section_tokens=700) as reader:
        events = await events_of(reader, a_script(scenes=6, words=200))

    assert isinstance(events[-1], Finished)
    assert len(mishaps(events)) == 2


# faults of the calls


async def test_a_retry_is_a_mishap_and_a_wait_that_is_shown() -> None:
    provider = provider_with(overload(nth=1))
    async with open_reader(provider) as reader:
        events = await events_of(reader, a_script())

    assert mishaps(events) == [("overloaded (529)", "asked again at once", 0.5)]
    assert states(events) == [
        "waiting", "calling", "backing_off", "waiting", "calling", "checking", "done",
    ]  # fmt: skip
    backing_off = next(e for e in events if isinstance(e, Progress) and e.state == "backing_off")
    assert backing_off.detail == "overloaded (529), again at once"


async def test_a_fallback_is_a_mishap_and_is_remembered_to_the_end() -> None:
    provider = provider_with(overload(FIRST, nth=2))  # the second section's only try
    once = RetryPolicy(max_retries=0)
    async with open_reader(provider, FIRST, SECOND, retry=once, section_tokens=700) as reader:
        events = await events_of(reader, a_script(scenes=6, words=200))

    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.fell_back, finished.model_used) == (True, FIRST)
    assert mishaps(events) == [(f"{FIRST}: overloaded (529)", f"asked {SECOND} instead", 2.5)]


async def test_a_call_that_fails_for_good_ends_the_reading_and_not_the_reader() -> None:
    provider = provider_with(spend_cap(nth=1))
    async with open_reader(provider) as reader:
        with pytest.raises(ProviderFailed):
            await events_of(reader, a_script())

        assert isinstance((await events_of(reader, a_script()))[-1], Finished)
        assert reader.statistics().incarnation == 1


async def test_a_section_that_fits_no_limit_is_rejected() -> None:
    async with open_reader(provider_with(), limits=Limits(input_tokens=100)) as reader:
        with pytest.raises(NeverFits):
            await events_of(reader, a_script())


async def test_a_script_without_text_is_refused_and_the_reader_lives() -> None:
    async with open_reader(provider_with()) as reader:
        with pytest.raises(InputError, match=r"^the screenplay has no text to read$"):
            await events_of(reader, parse(""))

        assert reader.statistics().incarnation == 1
        assert not reader.is_ended


async def test_a_consumer_that_leaves_cancels_the_exchange_down_to_the_provider_and_settles() -> None:
    provider = provider_with()
    async with (
        open_path(provider) as path,
        open_actor(partial(Endpoint, path)) as endpoint,
        open_actor(partial(Reader, MAYA, endpoint)) as reader,
    ):
        with trio.move_on_after(1):
            await events_of(reader, a_script())
        await trio.testing.wait_all_tasks_blocked()

        assert provider.statistics().in_flight == 0
        assert (reader.statistics().running, endpoint.statistics().running) == ((), ())
        books = (await books_of(path.lines[0].limiter)).ledger
        assert (books.in_flight, books.used.requests, books.used.output_tokens) == (0, 1, 1024)


# a crash


class Brittle(Reader):
    """A reader that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def test_a_crash_in_mid_reading_is_an_interruption_and_the_next_reading_starts_anew() -> None:
    provider = provider_with()
    async with (
        open_endpoint(provider) as endpoint,
        open_restarting(partial(Brittle, MAYA, endpoint), "maya") as reader,
    ):
        events: list[Event] = []

        async def crash() -> None:
            await trio.sleep(1)
            await reader.tell(Brittle.crash())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            with pytest.raises(Interrupted, match=r"^Reader.read\(screenplay=<Screenplay>\) was interrupted"):
                await follow(reader, a_script(), events)
        await trio.testing.wait_all_tasks_blocked()
        assert states(events) == ["waiting", "calling"]
        assert provider.statistics().in_flight == 0
        assert endpoint.statistics().running == ()

        again = await events_of(reader, a_script())
        assert isinstance(again[-1], Finished)
        assert [event.attempt for event in again if isinstance(event, Progress)][-1] == 1


def test_progress_that_nobody_watches_passes_by() -> None:
    progress = Progress("maya", "waiting")

    assert unobserved(progress) is None
    assert attrs.evolve(progress, at=0.0) == progress


# time


async def test_a_section_is_not_begun_when_the_time_was_used_up_before_it(autojump_clock: MockClock) -> None:
    class Slow(Reader):
        def check(self, text: str, section: Section) -> Coverage:
            autojump_clock.jump(100.0)  # it waits for nothing, so nothing can cancel it
            return super().check(text, section)

        def now(self) -> float:  # it runs in this task, not as an actor
            return trio.current_time()

    provider, script = provider_with(), a_script(scenes=6, words=600)
    events: list[Event] = []

    async def read(reader: Reader) -> None:
        async for event in reader.read(script):
            events.append(event)  # noqa: PERF401  # what was told before an error stays

    async with open_endpoint(provider) as endpoint:
        with pytest.raises(OutOfTime, match=r"^no time is left for section 2$"), time_budget(50.0):
            await read(Slow(MAYA, endpoint, section_tokens=2000))

    assert states(events) == ["waiting", "calling", "checking"]
    assert provider.statistics().requests == 1
