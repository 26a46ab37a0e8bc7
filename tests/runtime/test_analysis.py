"""One analysis over real sockets on the loopback, by the real clock: small, as its answers come at once."""

from __future__ import annotations

import attrs
import pytest
from analysis_setup import SIGN, provider_for

from actors.progress import Progress, unobserved
from actors.testing.provider import INSTANT, ProviderLimits, SimulatedProvider
from supervisors.runtime import analysis as analysis_module
from supervisors.runtime.analysis import analyze_screenplay
from supervisors.runtime.bad_evening import faults
from supervisors.runtime.settings import LimitSettings, ProviderSettings, RetrySettings, Settings
from supervisors.runtime.simulation import simulated_provider

QUICK = RetrySettings(max_retries=3, initial=0.01, cap=0.01)
"""Three retries: the pauses after overloads, 1, 2 and 4 s, outlive the first seconds, and not devon's first model."""


@pytest.fixture(autouse=True)
def providers(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedProvider]:
    """Let the simulated provider answer at once, and keep every one that is made."""
    made: list[SimulatedProvider] = []

    def instant(settings: Settings, *, trouble: bool, seed: int) -> SimulatedProvider:
        # The first overload is over sooner; retries that wait for next to nothing would not outlive it.
        early, *others = faults(settings)
        script = (attrs.evolve(early, lasting=0.1), *others) if trouble else ()
        made.append(provider_for(settings, *script, latency=INSTANT, seed=seed))
        return made[-1]

    monkeypatch.setattr(analysis_module, "simulated_provider", instant)
    return made


async def test_an_analysis_over_http_brings_home_every_reader(providers: list[SimulatedProvider]) -> None:
    story: list[Progress] = []
    analysis = await analyze_screenplay(SIGN, Settings(), observer=story.append)

    assert tuple(analysis.results) == ("maya", "colton", "devon")
    assert (analysis.errors, analysis.incidents) == ({}, ())
    assert [progress.state for progress in story].count("done") == 3
    (provider,) = providers
    assert (provider.statistics().requests, provider.statistics().completed) == (3, 3)


async def test_the_bad_evening_is_survived_over_http_too() -> None:
    settings = Settings(retry=QUICK)
    analysis = await analyze_screenplay(SIGN, settings, observer=unobserved, trouble=True)

    assert analysis.errors == {}
    # On a real clock it may be the third failure in a row, which opens the breaker: then the model is named before it.
    met = {incident.what.rpartition(": ")[2] for incident in analysis.incidents}
    assert met >= {"overloaded (529)", "answer cut off or garbled", "reader crashed (RuntimeError)"}
    assert analysis.readers["maya"].restarts == 1
    assert analysis.readers["devon"].fell_back


async def test_proxies_of_the_environment_do_not_stand_between_us_and_the_simulated_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert (await analyze_screenplay(SIGN, Settings(retry=QUICK), observer=unobserved)).errors == {}


async def test_another_provider_is_asked_where_the_settings_say(
    providers: list[SimulatedProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ProviderSettings(name="anthropic", api_key="key", base_url="http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(provider=there, retry=RetrySettings(max_retries=0))

    analysis = await analyze_screenplay(SIGN, settings, observer=unobserved)

    assert providers == []
    assert {failure.kind for failure in analysis.errors.values()} == {"no connection"}


def test_the_simulated_provider_keeps_the_limits_of_the_settings_and_serves_their_models() -> None:
    settings = Settings(
        limits=LimitSettings(requests=5, input_tokens=13_000, output_tokens=2_000),
        provider=ProviderSettings(models=("first", "second")),
    )
    provider = simulated_provider(settings, trouble=False, seed=3)

    assert provider.limits == ProviderLimits(5, 13_000, 2_000)
    assert [model.id for model in provider.models] == ["first", "second"]
    assert provider.seed == 3
