"""What every reader is doing, as one picture: the latest progress of each and how it is drawn.

The board is told of progress and asked for a picture; it draws nothing itself and knows no clock.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.progress import Progress, State
from supervisors.cli.plain_text import plain

WORDS: dict[State, str] = {
    "waiting": "waiting",
    "calling": "calling",
    "backing_off": "backing off",
    "checking": "checking",
    "restarting": "restarting",
    "done": "done",
    "failed": "failed",
}
_GLYPHS: dict[State, str] = {
    "waiting": "·",
    "calling": "▸",
    "backing_off": "↺",
    "checking": "◇",
    "restarting": "↯",
    "done": "✓",
    "failed": "✗",
}
_ASCII_GLYPHS: dict[State, str] = {
    "waiting": ".",
    "calling": ">",
    "backing_off": "~",
    "checking": "?",
    "restarting": "!",
    "done": "+",
    "failed": "x",
}
_STYLES: dict[State, str] = {
    "waiting": "dim",
    "calling": "cyan",
    "backing_off": "yellow",
    "checking": "cyan",
    "restarting": "yellow",
    "done": "green",
    "failed": "red",
}


@attrs.define(eq=False)
class Board:
    """The state of all readers, like the departures board of a station: one line each, the newest news only.

    Args:
        title: what is being read.
        readers: the readers in the order of their lines; one that appears later gets the next line.
        started_at: instant on the Trio clock from which the elapsed time counts.
    """

    title: str
    readers: Iterable[str] = attrs.field(repr=False)
    started_at: float
    _latest: dict[str, Progress] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._latest = {reader: Progress(reader, "waiting", "its turn") for reader in self.readers}

    def apply(self, progress: Progress) -> None:
        """Take in what a reader does now."""
        self._latest[progress.reader] = progress

    def picture(self, now: float, *, is_ascii: bool = False) -> RenderableType:
        """Return the board as of `now`, an instant on the Trio clock; each reader takes exactly one line.

        Args:
            now: the instant, seconds.
            is_ascii: draw with ASCII signs only, for a terminal that cannot do more.
        """
        return Group(self._headline(now), self._table(_ASCII_GLYPHS if is_ascii else _GLYPHS))

    def _headline(self, now: float) -> Text:
        ended = sum(progress.state in {"done", "failed"} for progress in self._latest.values())
        facts = f"  {ended} of {len(self._latest)} readers ended  {elapsed(now - self.started_at)}"
        return Text.assemble((plain(self.title), "bold"), facts, no_wrap=True, overflow="ellipsis")

    def _table(self, glyphs: dict[State, str]) -> Table:
        # Fixed widths: a number that grows a digit must not move the columns beside it.
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim", expand=True)
        table.add_column("reader", no_wrap=True, max_width=12)
        table.add_column("", no_wrap=True, width=13)
        table.add_column("model", no_wrap=True, min_width=10, max_width=18)
        table.add_column("section", justify="right", no_wrap=True, width=7)
        table.add_column("calls", justify="right", no_wrap=True, width=5)
        table.add_column("tokens", justify="right", no_wrap=True, width=6)
        table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
        shared = shared_prefix(progress.model for progress in self._latest.values() if progress.model)
        for progress in self._latest.values():
            style = _STYLES[progress.state]
            table.add_row(
                Text(plain(progress.reader), style="bold"),
                Text(f"{glyphs[progress.state]} {WORDS[progress.state]}", style=style),
                Text(plain((progress.model or "-").removeprefix(shared))),
                f"{progress.section}/{progress.sections}" if progress.sections else "-",
                str(progress.attempt),
                brief(progress.input_tokens + progress.output_tokens),
                Text(plain(progress.detail), style=style),
            )
        return table


def shared_prefix(models: Iterable[str]) -> str:
    """Return what all `models` begin with, up to the first hyphen, such as "claude-": it tells nothing apart."""
    first, *rest = list(models) or [""]
    vendor, hyphen, _ = first.partition("-")
    return vendor + hyphen if all(model.startswith(vendor + hyphen) for model in rest) and hyphen else ""


def elapsed(seconds: float) -> str:
    """Return a length of time as a stop-watch shows it: 0:07, 12:05, 1:00:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def brief(number: int) -> str:
    """Return a count in at most six characters: 950, 12.3k, 4.5M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(number)
