"""Twenty actors in three levels, fifty thousand messages, and crashes wherever an actor can crash.

    python tests/supervisors/chaos.py --seed 7 --messages 50000

Everything happens under virtual time and in an order that the seed decides. A run ends with one line of JSON on
standard output. If a claim broke, `balanced` is false in it, the reasons are on standard error and the exit status
is 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

import attrs

QUIET = 2.0
"""Seconds a run takes before it tells how far it is."""


def whole(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least `least` from the command line."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"must be >= {least}, got {number}")
        return number

    return read


@attrs.define(eq=False)
class Progress:
    """Tells on a terminal how far a long run is, in one line that it writes over."""

    messages: int
    is_shown: bool = attrs.field(factory=sys.stderr.isatty)
    began: float = attrs.field(factory=perf_counter)
    told: float = 0.0

    def __call__(self, sent: int) -> None:
        """Tell that `sent` messages are sent."""
        now = perf_counter() - self.began
        if self.is_shown and now > self.told + QUIET:
            self.told = now
            tell(f"\r{sent:,} of {self.messages:,} messages")

    def wipe(self) -> None:
        """Take the line back."""
        if self.told:
            tell("\r\x1b[K")


def tell(text: str) -> None:
    """Write to standard error, at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


def end_at_once(_signal: int, _frame: object) -> None:
    """End as an interrupted program does, whatever is on stage: there is nothing to save."""
    tell("\ninterrupted\n")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play one run and tell how it ended; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="chaos.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="decides everything (default 0)")
    parser.add_argument("--messages", type=whole(1), default=50_000, help="how many are sent (default 50000)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, end_at_once)

    from chaos_run import let_chaos_reign  # noqa: PLC0415  # Trio takes its time; help and errors do not wait for it

    progress = Progress(options.messages)
    report = let_chaos_reign(options.seed, options.messages, progress)
    progress.wipe()
    for problem in report.problems:
        tell(f"{problem}\n")
    sys.stdout.write(f"{report.line()}\n")
    sys.stdout.flush()
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
