"""What `understudy analyze` runs: a provider if a simulated one is wanted, the runtime, and one analysis."""

from __future__ import annotations

from contextlib import AsyncExitStack

import attrs
from structlog.typing import FilteringBoundLogger

from actors.coverage.screenplay import Screenplay
from actors.progress import Observer
from actors.testing.provider import serve
from supervisors.runtime import bad_evening
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.reading import reader_of
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.settings import Settings
from supervisors.runtime.simulation import simulated_provider


async def analyze_screenplay(
    screenplay: Screenplay,
    settings: Settings,
    *,
    observer: Observer,
    trouble: bool = False,
    seed: int = 0,
    log: FilteringBoundLogger | None = None,
) -> Analysis:
    """Analyze one screenplay in a runtime of its own.

    Args:
        screenplay: what is read.
        settings: who answers, within which limits, and who reads.
        observer: is told of every change.
        trouble: the simulated provider and the readers have a bad evening.
        seed: decides the simulated latency and all jitter.
        log: is told of children, calls and the analysis; None for silence.
    """
    async with AsyncExitStack() as stack:
        if settings.provider.name == "simulated":
            provider = simulated_provider(settings, trouble=trouble, seed=seed)
            base_url = await stack.enter_async_context(serve(provider))
            settings = attrs.evolve(settings, provider=attrs.evolve(settings.provider, base_url=base_url))
        runtime = await stack.enter_async_context(open_runtime(settings, seed=seed, log=log))
        make_reader = bad_evening.make_reader if trouble else reader_of
        return await runtime.analyze(screenplay, observer=observer, make_reader=make_reader)
