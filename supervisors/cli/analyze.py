"""One `understudy analyze`: read the script and the settings, run the analysis, show and write what came of it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO, cast

import attrs
import click
import trio
from rich.console import Console
from structlog.typing import FilteringBoundLogger

from actors.coverage.fountain import load
from actors.coverage.personas import persona_named
from actors.coverage.screenplay import Screenplay
from actors.errors import InputError
from actors.kernel import Books, open_books
from actors.progress import Observer
from actors.telemetry import log_dead_letter
from supervisors.cli.exit_status import ExitStatus
from supervisors.cli.live import watch
from supervisors.cli.log import open_log
from supervisors.cli.output import console_on, demand_own_file, prepare, write_whole, wrong_usage
from supervisors.cli.report import render_report
from supervisors.cli.stopping import run_until_stopped
from supervisors.runtime.analysis_json import to_bytes
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.analysis_totals import Status, status_of
from supervisors.runtime.settings import Settings, check_sections_fit
from supervisors.runtime.settings_origins import Given

LARGEST_SCRIPT = 16 * 1024 * 1024
"""Bytes read of a script: a long feature film has 300 kB; what has more is a wrong file or a device without end."""

STANDARD_OUTPUT = Path("-")

_EXIT: dict[Status, ExitStatus] = {
    "complete": ExitStatus.COMPLETE,
    "partial": ExitStatus.PARTIAL,
    "failed": ExitStatus.FAILED,
}


class RunAnalysis(Protocol):
    """What composes the tree, runs it and brings home the analysis."""

    def __call__(
        self,
        screenplay: Screenplay,
        settings: Settings,
        *,
        observer: Observer,
        trouble: bool = False,
        seed: int = 0,
        log: FilteringBoundLogger | None = None,
    ) -> Awaitable[Analysis]:
        """Analyse `screenplay`, telling `observer` of every step and `log` of what an operator wants to know."""
        ...


@attrs.frozen
class AnalyzeOptions:
    """What the user asked for; None or empty means that the settings decide."""

    file: Path
    provider: str | None = None
    settings: Path | None = None
    readers: tuple[str, ...] = ()
    out: Path | None = None
    log: Path | None = None
    seed: int = 0
    trouble: bool = False
    is_quiet: bool = False
    is_colourless: bool = False


def analyze_file(
    options: AnalyzeOptions, environ: Mapping[str, str], run_analysis: RunAnalysis | None = None
) -> ExitStatus:
    """Do all of `understudy analyze`.

    All that can be wrong with the script, the settings and the place to write is found before the analysis begins,
    as that may cost money. With standard output closed from the start, the analysis needs a file to go to.

    Raises:
        InputError: the script cannot be worked on, a reader is unknown, or the log cannot be written.
        SettingsError: a setting is wrong.
        click.ClickException: the options contradict the settings, or the analysis cannot be written.
        Stopped: a signal came.
        ExceptionGroup: the analysis failed as a whole.
    """
    settings = Settings.load(options.settings, environ, _overrides(options))
    check_sections_fit(settings)
    if options.trouble and settings.provider.name != "simulated":
        raise wrong_usage("--trouble is for the simulated provider")
    for name in settings.readers.names:
        persona_named(name)
    screenplay = load(_content(options.file), str(options.file))
    sources = [path for path in (options.file, options.settings) if path]
    written = [options.out] if options.out and options.out != STANDARD_OUTPUT else []
    if not written and cast("TextIO | None", sys.stdout) is None:
        raise wrong_usage("standard output is closed, so nothing could be shown; name a file with --out")
    for path in written:
        demand_own_file("--out", path, sources)
        prepare(path)
    with (
        open_log(
            options.log,
            is_board_shown=_console(options).is_terminal and not options.is_quiet,
            others=[*sources, *written],
            is_debugging=environ.get("UNDERSTUDY_DEBUG") == "1",
        ) as log,
        open_books(Books(partial(log_dead_letter, log=log))),
    ):
        analysis = trio.run(_analysis, options, settings, screenplay, run_analysis or _runtime(), log)
    _deliver(analysis, options)
    return _EXIT[status_of(analysis)]


def _overrides(options: AnalyzeOptions) -> Iterator[Given]:
    if options.provider:
        yield Given(("provider", "name"), options.provider, "--provider")
    if options.readers:
        yield Given(("readers", "names"), options.readers, "--reader")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_SCRIPT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path} cannot be read: {reason.lower()}") from error
    if len(content) > LARGEST_SCRIPT:
        raise InputError(f"{path} must be <= {LARGEST_SCRIPT} bytes to be taken for a script")
    return content


def _runtime() -> RunAnalysis:
    from supervisors.runtime.analysis import analyze_screenplay  # noqa: PLC0415  # only a real run needs the tree

    return analyze_screenplay


async def _analysis(
    options: AnalyzeOptions,
    settings: Settings,
    screenplay: Screenplay,
    run_analysis: RunAnalysis,
    log: FilteringBoundLogger,
) -> Analysis:
    console = _console(options)
    readers = settings.readers.names
    async with watch(console, title=screenplay.title, readers=readers, is_quiet=options.is_quiet) as observer:
        work = partial(
            run_analysis,
            screenplay,
            settings,
            observer=observer,
            trouble=options.trouble,
            seed=options.seed,
            log=log,
        )
        return await run_until_stopped(work)


def _console(options: AnalyzeOptions) -> Console:
    return console_on(sys.stderr, is_colourless=options.is_colourless)


def _deliver(analysis: Analysis, options: AnalyzeOptions) -> None:
    if options.out == STANDARD_OUTPUT:
        click.echo(to_bytes(analysis), nl=False)
        return
    try:
        if options.out:
            write_whole(options.out, to_bytes(analysis))
    finally:  # a report that is paid for is shown even when its file cannot be written
        console_on(sys.stdout, is_colourless=options.is_colourless).print(render_report(analysis))
