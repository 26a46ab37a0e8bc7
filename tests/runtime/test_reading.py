"""Readings: order, concurrency, partial results, crashes and what they cost, deadlines, and the story on the way."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio
from analysis_setup import FIRST, REEL, SECOND, SIGN, Outcome, analyze, provider_for, settings_with
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from actors.coverage.fountain import load
from actors.coverage.personas import Persona
from actors.coverage.record import Coverage
from actors.coverage.sections import Section, split_sections
from actors.endpoint import Endpoint
from actors.errors import InputError
from actors.kernel import Ref
from actors.progress import Progress
from actors.reader import Reader
from actors.testing.provider import (
    Fault,
    Latency,
    cut_off,
    hang,
    malformed,
    overload,
    rate_limited,
    server_error,
    spend_cap,
)
from actors.testing.run import run
from supervisors.runtime.analysis_json import to_json
from supervisors.runtime.analysis_result import ReaderFailure
from supervisors.runtime.reading import MakeReader, reader_of
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.settings import Settings

pytestmark = pytest.mark.usefixtures("autojump_clock")

MAYA, COLTON, DEVON = (f"You are {name}" for name in ("Maya", "Colton", "Devon"))
ALL = ("maya", "colton", "devon")


def crashing(name: str, incarnations: range) -> MakeReader:
    """Make readers of whom the one called `name` crashes over its answer in these incarnations."""

    class Crashing(Reader):
        def check(self, text: str, section: Section) -> Coverage:
            if self.persona.name == name and self.incarnation in incarnations:
                raise LookupError("lost the page")
            return super().check(text, section)

    def make(persona: Persona, endpoint: Ref[Endpoint], settings: Settings) -> Reader:
        return Crashing(
            persona,
            endpoint,
            section_tokens=settings.readers.section_tokens,
            max_tokens=settings.provider.max_tokens,
        )

    return make


def most_at_once(outcome: Outcome) -> int:
    """Return the most requests that were out at one instant; a reader has one out at a time."""
    records = outcome.provider.log
    return max(sum(each.at <= start.at < each.ended_at for each in records) for start in records)


async def test_three_readers_bring_home_three_results_in_the_order_asked() -> None:
    analysis = (await analyze(readers=("devon", "maya", "colton"))).analysis

    assert tuple(analysis.results) == tuple(analysis.readers) == ("devon", "maya", "colton")
    assert (analysis.errors, analysis.incidents, analysis.partial_success) == ({}, (), False)
    assert (analysis.title, analysis.scenes, analysis.words) == ("The Last Reel", 24, REEL.words)
    assert analysis.seconds == 4.0  # two at once, 2 s each
    assert {name: (each.started_at, each.seconds) for name, each in analysis.readers.items()} == {
        "devon": (0.0, 2.0),
        "maya": (0.0, 2.0),
        "colton": (2.0, 2.0),
    }
    assert {each.model_used for each in analysis.readers.values()} == {FIRST}


async def test_readers_are_those_of_the_settings_unless_named() -> None:
    settings = settings_with(readers={"names": ("colton",)})

    assert tuple((await analyze(settings=settings, script=SIGN)).analysis.results) == ("colton",)


@given(
    readers=st.permutations(ALL).flatmap(lambda all_: st.integers(1, 3).map(lambda n: tuple(all_[:n]))),
    concurrency=st.integers(1, 5),
    has_trouble=st.booleans(),
    seed=st.integers(0, 2**16),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_never_more_readers_are_at_work_than_allowed_and_no_order_is_lost(
    readers: tuple[str, ...], concurrency: int, has_trouble: bool, seed: int
) -> None:
    async def main() -> Outcome:
        faults = [overload(system=MAYA, nth=1), cut_off(system=DEVON, nth=1)] if has_trouble else []
        settings = settings_with(readers={"concurrency": concurrency})
        return await analyze(*faults, settings=settings, readers=readers, script=SIGN)

    outcome = run(main, seed=seed)

    assert tuple(outcome.analysis.results) == readers
    assert most_at_once(outcome) <= concurrency
    if not has_trouble:
        assert most_at_once(outcome) == min(concurrency, len(readers))
        assert outcome.analysis.seconds == 2.0 * -(-len(readers) // concurrency)


async def test_a_reader_named_twice_reads_once() -> None:
    outcome = await analyze(readers=("maya", "devon", "maya"), script=SIGN)

    assert tuple(outcome.analysis.results) == ("maya", "devon")
    assert outcome.provider.statistics().requests == 2


@pytest.mark.parametrize(
    ("readers", "text"),
    [
        (("maya", "nobody"), "unknown reader 'nobody'; there are maya, colton, devon"),
        ((), "readers must hold at least 1 name, got none"),
    ],
)
async def test_a_wrong_list_of_readers_is_refused_before_anything_is_spent(
    readers: tuple[str, ...], text: str
) -> None:
    settings = settings_with()
    provider = provider_for(settings)
    story: list[Progress] = []
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with pytest.raises(InputError) as caught:
            await runtime.analyze(SIGN, readers, observer=story.append)

    assert str(caught.value) == text
    assert provider.statistics().requests == 0
    assert story == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (spend_cap(system=COLTON), "rate limit (429)"),
        (malformed("I liked it.", instead_of="answer", system=COLTON), "answer of no use"),
        (overload(system=COLTON, lasting=3600), "overloaded (529)"),
        (malformed(system=COLTON), "answer of no use"),
        (server_error(system=COLTON), "api (500)"),
    ],
    ids=["spend cap", "two answers that do not parse", "overload", "garbled bodies", "server errors"],
)
async def test_one_readers_failure_never_loses_anothers_work(fault: Fault, kind: str) -> None:
    settings = settings_with(retry={"max_retries": 1})
    outcome = await analyze(fault, settings=settings, script=SIGN)
    analysis = outcome.analysis

    assert tuple(analysis.results) == ("maya", "devon")
    assert tuple(analysis.errors) == ("colton",)
    assert tuple(analysis.readers) == ALL
    assert analysis.partial_success
    assert analysis.errors["colton"].kind == kind
    report = analysis.readers["colton"]
    assert (report.model_used, report.restarts) == (None, 0)
    assert outcome.incidents()[-1][1:] == ("colton", kind, "")
    assert outcome.story_of("colton")[-1].state == "failed"
    assert [outcome.story_of(name)[-1].state for name in ("maya", "devon")] == ["done", "done"]


async def test_a_failure_says_which_models_were_passed_over() -> None:
    settings = settings_with(retry={"max_retries": 0})
    outcome = await analyze(overload(system=COLTON), settings=settings, script=SIGN)

    expected = f"no model answered: {FIRST}: overloaded (529); {SECOND}: overloaded (529)"
    assert outcome.analysis.errors["colton"].text == expected
    assert outcome.incidents() == [
        (0.5, "colton", f"{FIRST}: overloaded (529)", f"asked {SECOND} instead"),
        (1.0, "colton", "overloaded (529)", ""),
    ]


async def test_an_answer_that_does_not_parse_is_asked_for_once_more() -> None:
    outcome = await analyze(
        malformed("{", instead_of="answer", system=MAYA, nth=1), readers=("maya",), script=SIGN
    )

    assert outcome.incidents() == [
        (2.0, "maya", "answer did not parse", "asked once more with what was wrong")
    ]
    assert outcome.analysis.readers["maya"].attempts == 2
    assert outcome.analysis.seconds == 4.0


async def test_a_script_without_text_is_told_of_each_reader() -> None:
    blank = attrs.evolve(SIGN, scenes=(), opening=None)
    outcome = await analyze(script=blank, readers=("maya",))

    failure = ReaderFailure("nothing to read", "the screenplay has no text to read")
    assert outcome.analysis.errors == {"maya": failure}
    assert outcome.provider.statistics().requests == 0


async def test_a_reader_that_crashed_reads_again_and_both_tries_are_counted() -> None:
    plain = (await analyze(script=SIGN)).analysis
    outcome = await analyze(make_reader=crashing("maya", range(1, 2)), script=SIGN)
    analysis = outcome.analysis

    assert analysis.results == plain.results
    once, twice = plain.readers["maya"], analysis.readers["maya"]
    assert (twice.attempts, twice.restarts, twice.seconds) == (2, 1, 4.0)
    assert twice.input_tokens == 2 * once.input_tokens > 0
    assert twice.output_tokens == 2 * once.output_tokens > 0
    assert outcome.incidents() == [(2.0, "maya", "reader crashed (LookupError)", "restarted")]
    for name in ("colton", "devon"):
        assert attrs.evolve(analysis.readers[name], started_at=0.0) == attrs.evolve(
            plain.readers[name], started_at=0.0
        )


@given(restarts=st.integers(0, 12), delay=st.sampled_from([0.0, 0.1]), seed=st.integers(0, 2**16))
@hypothesis_settings(max_examples=40, deadline=None)
def test_a_reader_that_always_crashes_ends_alone_after_as_many_restarts_as_it_has(
    restarts: int, delay: float, seed: int
) -> None:
    settings = settings_with(
        supervision={"restarts": restarts, "period": 600.0, "backoff_initial": delay, "backoff_cap": delay}
    )

    async def main() -> Outcome:
        return await analyze(
            settings=settings, make_reader=crashing("maya", range(1, 100)), script=SIGN, seed=seed
        )

    outcome = run(main, seed=seed)
    analysis = outcome.analysis

    assert tuple(analysis.results) == ("colton", "devon")
    assert analysis.errors == {
        "maya": ReaderFailure(
            "crashed too often",
            f"the last crash was a LookupError, and supervision.restarts {restarts} in 600 s are spent",
        )
    }
    report = analysis.readers["maya"]
    assert (report.attempts, report.restarts) == (restarts + 1, restarts)
    assert [(what, by) for _at, _reader, what, by in outcome.incidents()] == [
        *[("reader crashed (LookupError)", "restarted")] * restarts,
        ("crashed too often", ""),
    ]
    states = [progress.state for progress in outcome.story_of("maya")]
    assert (states.count("restarting"), states[-1]) == (restarts, "failed")


async def test_a_reader_that_cannot_be_made_fails_alone() -> None:
    def make(persona: Persona, endpoint: Ref[Endpoint], settings: Settings) -> Reader:
        if persona.name == "colton":
            raise TypeError("no such reader")
        return reader_of(persona, endpoint, settings)

    analysis = (await analyze(make_reader=make, script=SIGN)).analysis

    assert tuple(analysis.results) == ("maya", "devon")
    assert analysis.errors == {
        "colton": ReaderFailure("did not start", "child 'colton' did not start: it failed with TypeError")
    }


@given(seed=st.integers(0, 2**16))
@hypothesis_settings(max_examples=30, deadline=None)
def test_the_deadline_ends_the_whole_and_keeps_what_is_done(seed: int) -> None:
    outcome = run(lambda: analyze(settings=settings_with(readers={"deadline": 3.0}), script=SIGN), seed=seed)
    analysis = outcome.analysis

    assert analysis.seconds == 3.0
    assert tuple(analysis.results) == ("maya", "colton")
    assert analysis.errors == {
        "devon": ReaderFailure("out of time", "not finished within readers.deadline 3 s")
    }
    assert (analysis.readers["devon"].started_at, analysis.readers["devon"].seconds) == (2.0, 1.0)
    assert outcome.incidents() == [(3.0, "devon", "out of time", "")]
    assert outcome.provider.statistics().in_flight == 0


async def test_a_reader_whose_turn_never_came_took_no_time() -> None:
    settings = settings_with(readers={"deadline": 3.0, "concurrency": 1})
    outcome = await analyze(hang(), settings=settings, script=SIGN)

    report = outcome.analysis.readers["devon"]
    assert (report.attempts, report.started_at, report.seconds) == (0, 3.0, 0.0)
    assert set(outcome.analysis.errors) == set(ALL)


async def test_nothing_is_waited_for_that_cannot_come_before_the_deadline() -> None:
    # All three are out before one of them is refused, and nobody else goes out after that.
    settings = settings_with(models=(FIRST,), readers={"deadline": 60.0, "concurrency": 3})
    fault = rate_limited(retry_after=100, system=COLTON)
    analysis = (await analyze(fault, settings=settings, script=SIGN)).analysis

    assert analysis.errors["colton"].kind == "rate limit (429)"
    assert tuple(analysis.results) == ("maya", "devon")
    assert analysis.seconds == 2.0


async def test_a_cancelled_analysis_leaves_no_request_behind() -> None:
    settings = settings_with()
    provider = provider_for(settings)
    async with open_runtime(settings, transport=provider.transport) as runtime:
        with trio.move_on_after(1.0) as scope:
            await runtime.analyze(SIGN)
        answers = (await runtime.analyze(SIGN)).results

    assert scope.cancelled_caught
    assert tuple(answers) == ALL
    assert provider.statistics().in_flight == 0


@given(seed=st.integers(0, 2**16))
@hypothesis_settings(max_examples=30, deadline=None)
def test_the_observer_is_told_a_coherent_story(seed: int) -> None:
    outcome = run(
        lambda: analyze(
            overload(system=MAYA, nth=1),
            cut_off(system=COLTON, nth=1),
            spend_cap(system=DEVON),
            make_reader=crashing("maya", range(1, 2)),
            script=SIGN,
        ),
        seed=seed,
    )

    assert [progress.at for progress in outcome.story] == sorted(progress.at for progress in outcome.story)
    for reader in ALL:
        story = outcome.story_of(reader)
        for before, after in pairwise(story):
            assert before.attempt <= after.attempt <= before.attempt + 1
            assert before.input_tokens <= after.input_tokens
            assert before.output_tokens <= after.output_tokens
        assert [each.state in {"done", "failed"} for each in story] == [False] * (len(story) - 1) + [True]
        report = outcome.analysis.readers[reader]
        last = story[-1]
        assert (report.attempts, report.input_tokens, report.output_tokens) == (
            last.attempt,
            last.input_tokens,
            last.output_tokens,
        )
    assert [each.state for each in outcome.story_of("maya")] == [
        *("waiting", "calling", "backing_off", "waiting", "calling", "checking"),
        "restarting",
        *("waiting", "calling", "checking", "done"),
    ]
    assert outcome.story_of("devon")[-1].state == "failed"


async def test_incidents_are_complete_and_sorted() -> None:
    outcome = await analyze(
        overload(system=MAYA, nth=1),
        cut_off(system=COLTON, nth=1),
        malformed("no", instead_of="answer", system=DEVON, nth=1),
        make_reader=crashing("maya", range(1, 2)),
        script=SIGN,
    )

    times = [at for at, *_ in outcome.incidents()]
    assert times == sorted(times)
    met = {(reader, what) for _at, reader, what, _by in outcome.incidents()}
    assert met == {
        ("maya", "overloaded (529)"),
        ("maya", "reader crashed (LookupError)"),
        ("colton", "answer cut off or garbled"),
        ("devon", "answer did not parse"),
    }
    assert len(outcome.incidents()) == 4
    assert all(by for *_, by in outcome.incidents())


async def test_two_scripts_give_two_reports() -> None:
    reel, sign = (await analyze(script=REEL)).analysis, (await analyze(script=SIGN)).analysis

    for name in ALL:
        assert reel.results[name].logline != sign.results[name].logline
        assert reel.results[name].scores != sign.results[name].scores
    assert len({reel.results[name] for name in ALL}) == 3


def test_the_same_seed_gives_the_same_analysis_to_the_instant_and_others_end_at_other_times() -> None:
    def analysis_of(seed: int) -> dict[str, object]:
        faults = (overload(lasting=3.0), cut_off(system=COLTON, nth=1))

        async def main() -> Outcome:
            make = crashing("devon", range(1, 2))
            return await analyze(*faults, make_reader=make, latency=Latency(), seed=seed)

        return to_json(run(main, seed=seed).analysis)

    first, again, *others = (analysis_of(seed) for seed in (1, 1, 2, 3, 4, 5))

    assert first == again
    assert all(first["results"] == other["results"] for other in others)
    # A window that all of them wait for makes many end at the same instant.
    assert len({each["seconds"] for each in (first, *others)}) > 1


def long_script(words: int) -> str:
    path = Path(__file__).parents[2] / "examples" / "make_long_script.py"
    spec = importlib.util.spec_from_file_location("make_long_script", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    short = module.SHORT_SCRIPT.read_text(encoding="utf-8")
    return "".join(module.long_script(short, words, seed=1))


async def test_a_feature_of_30000_words_is_read_in_sections_within_the_limits() -> None:
    script = load(long_script(31_000).encode(), "long.fountain")
    settings = Settings()
    sections = split_sections(script, budget=settings.readers.section_tokens)
    outcome = await analyze(settings=settings, script=script, latency=Latency())
    analysis, statistics = outcome.analysis, outcome.provider.statistics()

    assert script.words >= 30_000
    assert len(sections) >= 4
    assert (analysis.errors, analysis.incidents) == ({}, ())
    assert [report.sections for report in analysis.readers.values()] == [len(sections)] * 3
    assert [report.attempts for report in analysis.readers.values()] == [len(sections)] * 3
    assert (statistics.completed, statistics.rate_limited) == (3 * len(sections), 0)
    assert statistics.output_overshoot == 0
    scenes = [evidence.scene for evidence in analysis.results["maya"].evidence]
    assert scenes == sorted(scenes)
    assert scenes[-1] > sections[0].last_scene  # the whole script is judged, not its first section
    used = sum(report.input_tokens for report in analysis.readers.values())
    fewest_windows = used / settings.limits.input_tokens
    assert 60 * (fewest_windows - 1) <= analysis.seconds <= 90 * (fewest_windows + 1)
