"""What the tests of the runtime stand on: scripts, a provider with exact times, and an analysis with all it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from actors.coverage.fountain import load
from actors.coverage.screenplay import Screenplay
from actors.progress import Progress
from actors.testing.provider import (
    Fault,
    Latency,
    Mode,
    ProviderLimits,
    ServedModel,
    SimulatedProvider,
)
from actors.testing.reader_model import reader_model
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.reading import MakeReader, reader_of
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.settings import (
    BASE_URL,
    LimitSettings,
    ProviderSettings,
    ReaderSettings,
    RetrySettings,
    Settings,
    SupervisionSettings,
)

FIRST, SECOND = ProviderSettings().models

TWO_SECONDS = Latency(median=2.0, sigma=0.0, per_output_token=0.0, refusal=0.5)
"""Every answer takes 2 s, every refusal 0.5 s."""

REEL = load((Path(__file__).parents[2] / "examples" / "the_last_reel.fountain").read_bytes(), "reel.fountain")
SIGN = load(
    b"Title: The Sign\n\nINT. HUT - DAY\n\nA sign says GURU 12 MI.\n\nYORBLEF\nHuh. New trail?\n",
    "sign.fountain",
)


@attrs.frozen
class Outcome:
    """An analysis, the story its observer was told, and the provider it was told by."""

    analysis: Analysis
    story: list[Progress]
    provider: SimulatedProvider

    def story_of(self, reader: str) -> list[Progress]:
        return [progress for progress in self.story if progress.reader == reader]

    def incidents(self) -> list[tuple[float, str, str, str]]:
        return [(each.at, each.reader, each.what, each.survived_by) for each in self.analysis.incidents]


def settings_with(
    *,
    models: tuple[str, ...] = (FIRST, SECOND),
    attempt_timeout: float = 120.0,
    base_url: str = BASE_URL,
    limits: dict[str, Any] | None = None,
    readers: dict[str, Any] | None = None,
    retry: dict[str, Any] | None = None,
    supervision: dict[str, Any] | None = None,
) -> Settings:
    """Return the default settings but for what is named; restarts wait for nothing unless told otherwise."""
    return Settings(
        provider=ProviderSettings(models=models, attempt_timeout=attempt_timeout, base_url=base_url),
        limits=LimitSettings(**limits or {}),
        readers=ReaderSettings(**readers or {}),
        retry=RetrySettings(**retry or {}),
        supervision=SupervisionSettings(**{"backoff_initial": 0.0, **(supervision or {})}),
    )


def provider_for(
    settings: Settings,
    *faults: Fault,
    latency: Latency = TWO_SECONDS,
    mode: Mode = "sliding_window",
    seed: int = 0,
) -> SimulatedProvider:
    """Return a provider that serves the models of the settings within their limits."""
    limits = settings.limits
    provider = SimulatedProvider(
        limits=ProviderLimits(limits.requests, limits.input_tokens, limits.output_tokens),
        models=tuple(ServedModel(model) for model in settings.provider.models),
        model=reader_model,
        latency=latency,
        mode=mode,
        seed=seed,
    )
    provider.script(*faults)
    return provider


async def analyze(
    *faults: Fault,
    settings: Settings | None = None,
    script: Screenplay = REEL,
    readers: tuple[str, ...] | None = None,
    make_reader: MakeReader = reader_of,
    latency: Latency = TWO_SECONDS,
    seed: int = 0,
) -> Outcome:
    """Run one analysis in a runtime of its own."""
    settings = settings or settings_with()
    provider = provider_for(settings, *faults, latency=latency, seed=seed)
    story: list[Progress] = []
    async with open_runtime(settings, transport=provider.transport, seed=seed) as runtime:
        analysis = await runtime.analyze(script, readers, observer=story.append, make_reader=make_reader)
    return Outcome(analysis, story, provider)
