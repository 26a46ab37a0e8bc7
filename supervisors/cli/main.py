"""The `understudy` command: its words, its options and its exit statuses.

Thin on purpose, and quick: of what is not Python's own only click is imported until a command has work to do or a
failure to tell. So help does not wait for Trio, and a Ctrl-C while the rest is imported finds `main` in charge.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from supervisors.cli.exit_status import ExitStatus

if TYPE_CHECKING:
    from supervisors.cli.analyze import RunAnalysis

_EPILOG = """
\b
Examples:
  understudy analyze script.fountain
  understudy analyze script.fountain --trouble --seed 7
  understudy analyze script.fountain --reader maya --out out/maya.json
  understudy analyze script.fountain --log out/run.jsonl
  ANTHROPIC_API_KEY=... understudy analyze script.fountain --provider anthropic

\b
Exit statuses:
  0    every reader has a result
  3    partial: some readers have a result, some have not
  1    nothing usable: no reader has a result, or the result could not be written
  2    wrong usage: an option, the script or a setting is wrong
  130  stopped by Ctrl-C (143 by a TERM signal, 141 when a pipe was closed)

\b
Environment:
  UNDERSTUDY_<SECTION>__<KEY>  a setting, such as UNDERSTUDY_LIMITS__REQUESTS=40
  ANTHROPIC_API_KEY            the key of the anthropic provider
  NO_COLOR                     set to anything: no colours
  UNDERSTUDY_DEBUG=1           show the traceback of an error
"""


@click.group(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(package_name="understudy")
def understudy() -> None:
    """Have scripts read by several readers at once, and bring home what can be brought home.

    Readers are backed by models. Limits are kept, overloads are waited out, crashed readers start again, and when
    the preferred model cannot go on, the understudy does.
    """


@understudy.command(epilog=_EPILOG)
@click.argument("file", metavar="FILE.fountain", type=Path)
@click.option(
    "--provider",
    type=click.Choice(["simulated", "anthropic"]),
    help="Who answers: simulated works offline and costs nothing.  [default: as set, else simulated]",
)
@click.option("--settings", type=Path, metavar="PATH", help="Read settings from this TOML file.")
@click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="NAME",
    help="A reader to ask; repeat it for more.  [default: as set, else maya, colton, devon]",
)
@click.option(
    "--out",
    type=Path,
    metavar="PATH",
    help="Write the analysis as JSON to this file, whole or not at all; - prints it in place of the report. "
    "Needed when standard output is closed.",
)
@click.option(
    "--log",
    type=Path,
    metavar="FILE",
    help="Append what happens as JSON lines to this file: calls, restarts, lost messages, and no texts or keys; "
    "- writes them to standard error.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seeds the simulated latency and all jitter."
)
@click.option(
    "--trouble/--no-trouble",
    default=False,
    show_default=True,
    help="Have a bad evening: an overload at first and a lasting one, an answer cut off, a reader that crashes.",
)
@click.option("--quiet", is_flag=True, help="Show no progress, only the report.")
@click.option("--no-color", is_flag=True, help="Use no colours; NO_COLOR in the environment says the same.")
@click.pass_obj
def analyze(
    run_analysis: RunAnalysis | None,
    *,
    file: Path,
    provider: str | None,
    settings: Path | None,
    readers: tuple[str, ...],
    out: Path | None,
    log: Path | None,
    seed: int,
    trouble: bool,
    quiet: bool,
    no_color: bool,
) -> ExitStatus:
    """Read a screenplay and report each reader's coverage.

    FILE.fountain is a screenplay in Fountain, which is plain text. The report goes to standard output, progress and
    errors go to standard error.
    """
    from supervisors.cli.analyze import AnalyzeOptions, analyze_file  # noqa: PLC0415  # help must not wait for it

    options = AnalyzeOptions(
        file=file,
        provider=provider,
        settings=settings,
        readers=readers,
        out=out,
        log=log,
        seed=seed,
        trouble=trouble,
        is_quiet=quiet,
        is_colourless=no_color,
    )
    return analyze_file(options, os.environ, run_analysis)


def main(arguments: Sequence[str] | None = None, *, run_analysis: RunAnalysis | None = None) -> int:
    """Run the command and return its exit status; an error becomes one line on standard error.

    Args:
        arguments: the words after the command's name, or None for those of the process.
        run_analysis: what analyses a screenplay, or None for the runtime's own way.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else arguments, run_analysis)
    except KeyboardInterrupt:
        # Told here without another import: it may have struck in the middle of one, and left that half done.
        with suppress(OSError):
            click.echo("understudy: interrupted", err=True)
        return ExitStatus.INTERRUPTED


def _run(arguments: Sequence[str], run_analysis: RunAnalysis | None) -> int:
    try:
        status = _invoke(arguments, run_analysis)
        if (
            cast("TextIO | None", sys.stdout) is not None
        ):  # it is None when the process was started without one
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told in one line
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # nothing stands above
        from supervisors.cli.failures import tell  # noqa: PLC0415  # only a failure needs it

        return tell(error, with_traceback=os.environ.get("UNDERSTUDY_DEBUG") == "1")
    return status


def _invoke(arguments: Sequence[str], run_analysis: RunAnalysis | None) -> int:
    # Not click's own `main`: it turns a closed pipe into a SystemExit before anybody can tell it from a failure.
    try:
        with understudy.make_context("understudy", list(arguments), obj=run_analysis) as context:
            status: int = understudy.invoke(context)
            return status
    except click.exceptions.Exit as end:  # after help or version
        return end.exit_code
