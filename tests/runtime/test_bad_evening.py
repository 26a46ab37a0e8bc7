"""The demo's bad evening: everything goes wrong that is written down for it, and everything is survived."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest
from analysis_setup import FIRST, REEL, SECOND, SIGN, Outcome, analyze, settings_with
from unmeasured import unmeasured

from actors.coverage.screenplay import Screenplay
from actors.testing.provider import Latency
from actors.testing.run import run
from supervisors.runtime import bad_evening
from supervisors.runtime.settings import Settings

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def evening(seed: int = 0, settings: Settings | None = None, script: Screenplay = REEL) -> Outcome:
    settings = settings or Settings()
    return await analyze(
        *bad_evening.faults(settings),
        settings=settings,
        script=script,
        make_reader=bad_evening.make_reader,
        latency=Latency(),
        seed=seed,
    )


def kinds(incidents: Iterable[tuple[float, str, str, str]]) -> set[tuple[str, str]]:
    """Return who met what and how it was survived, numbers and models left out."""
    return {
        (f"{reader}: {what}", by.split(" after ")[0].removesuffix(" at once"))
        for _at, reader, what, by in incidents
    }


async def test_the_bad_evening_is_survived_whole() -> None:
    outcome = await evening()
    analysis = outcome.analysis

    assert analysis.errors == {}
    assert tuple(analysis.results) == ("maya", "colton", "devon")
    assert kinds(outcome.incidents()) == {
        ("maya: overloaded (529)", "asked again"),
        ("colton: overloaded (529)", "asked again"),
        ("colton: answer cut off or garbled", "asked again"),
        ("maya: reader crashed (RuntimeError)", "restarted"),
        ("devon: overloaded (529)", "asked again"),
        (f"devon: {FIRST}: overloaded (529)", f"asked {SECOND} instead"),
    }
    assert {name: report.restarts for name, report in analysis.readers.items()} == {
        "maya": 1,
        "colton": 0,
        "devon": 0,
    }
    assert {name: report.model_used for name, report in analysis.readers.items()} == {
        "maya": FIRST,
        "colton": FIRST,
        "devon": SECOND,
    }
    assert [name for name, report in analysis.readers.items() if report.fell_back] == ["devon"]
    assert outcome.provider.statistics().over_limit == 0


@unmeasured
def test_it_is_survived_with_any_seed_and_ends_soon_enough_to_be_watched() -> None:
    for seed in range(60):
        outcome = run(evening, seed, Settings(), SIGN, seed=seed)
        incidents = outcome.incidents()
        met = " ".join(what for _at, _reader, what, _by in incidents)

        assert outcome.analysis.errors == {}
        assert tuple(outcome.analysis.results) == ("maya", "colton", "devon")
        assert "overloaded (529)" in met
        assert "answer cut off or garbled" in met
        assert "reader crashed (RuntimeError)" in met
        assert outcome.analysis.readers["devon"].fell_back
        assert all(by for *_, by in incidents)
        assert 5 < outcome.analysis.seconds < 60


async def test_what_was_judged_is_what_a_good_evening_gives() -> None:
    assert (await evening()).analysis.results == (await analyze(settings=Settings())).analysis.results


async def test_without_a_second_model_and_patience_the_evening_costs_devon_and_nobody_else() -> None:
    analysis = (await evening(settings=settings_with(models=(FIRST,), limits={"max_wait": 20.0}))).analysis

    assert tuple(analysis.results) == ("maya", "colton")
    assert analysis.errors["devon"].kind == "overloaded (529)"


@pytest.mark.parametrize("name", ["colton", "devon"])
async def test_only_maya_stumbles(name: str) -> None:
    settings = attrs.evolve(Settings(), readers=attrs.evolve(Settings().readers, names=(name,)))

    assert (await evening(settings=settings)).analysis.readers[name].restarts == 0
