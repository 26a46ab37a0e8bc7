"""Have a screenplay read by three readers, from Python, and watch them: one is out of luck, two bring coverage home.

The model is simulated and says only what it counted in the script; the clock is virtual,
and the seed makes the order of equal instants the same in every run.
"""

from __future__ import annotations

from pathlib import Path

from actors.coverage.fountain import load
from actors.progress import Progress
from actors.testing.provider import ServedModel, SimulatedProvider, malformed, overload
from actors.testing.reader_model import reader_model
from actors.testing.run import run
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.runtime import open_runtime
from supervisors.runtime.settings import Settings

SCRIPT = Path(__file__).with_name("the_last_reel.fountain")


def watch(progress: Progress) -> None:
    """Print each change of a reader's state."""
    state = progress.state.replace("_", " ")
    print(f"{progress.at:6.2f} s  {progress.reader:7} {state:12} {progress.detail}".rstrip())


def show(analysis: Analysis) -> None:
    """Print what came home, and what went wrong on the way."""
    for reader, coverage in analysis.results.items():
        report = analysis.readers[reader]
        print(f"\n{reader}, by {report.model_used} in {report.attempts} attempts: {coverage.verdict}")
        print(f"  {coverage.logline}")
        print(f"  + {coverage.strengths[0]}\n  - {coverage.concerns[0]}")
    for reader, failure in analysis.errors.items():
        print(f"\n{reader} has no result: {failure.kind}")
    print(f"\nincidents of {analysis.title!r}:")
    for incident in analysis.incidents:
        print(
            f"  {incident.at:5.2f} s  {incident.reader}: {incident.what}; {incident.survived_by or 'not survived'}"
        )


async def main() -> None:
    """Read the example script while the provider has its troubles."""
    settings = Settings()
    provider = SimulatedProvider(
        models=tuple(ServedModel(model) for model in settings.provider.models), model=reader_model, seed=7
    )
    provider.script(
        overload("sonnet", at=0, lasting=0.5),
        malformed("I would rather not.", instead_of="answer", system="You are Colton"),
    )
    screenplay = load(SCRIPT.read_bytes(), SCRIPT.name)
    async with open_runtime(settings, transport=provider.transport, seed=7) as runtime:
        analysis = await runtime.analyze(screenplay, observer=watch)
    show(analysis)


if __name__ == "__main__":
    run(main, seed=7)
