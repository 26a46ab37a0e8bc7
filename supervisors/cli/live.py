"""Progress on standard error: a board that stays in place on a terminal, one line for each change elsewhere.

On a terminal the board is drawn anew when a reader tells of progress, and once a second for the clock in its
headline; it keeps its height, so nothing jumps. Elsewhere, as in the log of a build, each change of a reader's
state, section, model or detail is one line that needs no colour.

An observer is called from within the analysis. Whoever watches may go away, as `2>&1 | head` does; the analysis
must not notice, let alone take it for a crash of a reader.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import attrs
import trio
from rich.console import Console
from rich.live import Live

from actors.progress import Observer, Progress, unobserved
from supervisors.cli.board import WORDS, Board, brief
from supervisors.cli.plain_text import plain

TICK = 1.0
"""Seconds between drawings when nothing happens: a stop-watch shows whole seconds."""


@asynccontextmanager
async def watch(
    console: Console, *, title: str, readers: tuple[str, ...], is_quiet: bool = False
) -> AsyncGenerator[Observer, None]:
    """Show what the readers do until the block ends.

    Args:
        console: where to; a terminal gets the board, anything else lines.
        title: what is being read.
        readers: their names, in the order of their lines.
        is_quiet: show nothing at all.

    Yields:
        the observer to hand to the analysis.
    """
    started_at = trio.current_time()
    if is_quiet:
        yield unobserved
    elif console.is_terminal:
        async with _board(console, Board(title, readers, started_at)) as observer:
            yield observer
    else:
        yield LineLog(console, started_at).observe


@asynccontextmanager
async def _board(console: Console, board: Board) -> AsyncGenerator[Observer, None]:
    is_ascii = not console.encoding.startswith("utf")

    def draw() -> None:
        with suppress(OSError):
            live.update(board.picture(trio.current_time(), is_ascii=is_ascii), refresh=True)

    def observe(progress: Progress) -> None:
        board.apply(progress)
        draw()

    async def tick() -> None:
        while True:
            await trio.sleep(TICK)
            draw()

    with Live(console=console, auto_refresh=False) as live:
        async with trio.open_nursery() as nursery:
            draw()
            nursery.start_soon(tick)
            yield observe
            nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class LineLog:
    """One line for each change of a reader: time, reader, state, then what there is to say.

    Args:
        console: where the lines go.
        started_at: instant on the Trio clock from which the time counts.
    """

    console: Console
    started_at: float
    _latest: dict[str, Progress] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._latest = {}

    def observe(self, progress: Progress) -> None:
        """Write a line, unless only counters have moved since the reader's last one."""
        before = self._latest.get(progress.reader)
        self._latest[progress.reader] = progress
        if before is not None and _news(before) == _news(progress):
            return
        at = f"{progress.at - self.started_at:7.1f} s"
        line = f"{at}  {plain(progress.reader):<10}  {WORDS[progress.state]:<11}  {_facts(progress)}".rstrip()
        with suppress(OSError):
            # A long line stays one line, so that a search for a reader finds all of it.
            self.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _news(progress: Progress) -> tuple[object, ...]:
    return (progress.state, progress.detail, progress.model, progress.section)


def _facts(progress: Progress) -> str:
    facts = [
        f"section {progress.section} of {progress.sections}" if progress.sections else "",
        plain(progress.model or ""),
        f"call {progress.attempt}" if progress.attempt else "",
        f"{brief(progress.input_tokens + progress.output_tokens)} tokens" if progress.input_tokens else "",
        plain(progress.detail),
    ]
    return ", ".join(fact for fact in facts if fact)
