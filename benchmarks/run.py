"""Print every figure of the project as one JSON line each; `make bench` runs this.

Usage: python benchmarks/run.py [PREFIX ...]     only figures whose names start with one of the prefixes
"""

from __future__ import annotations

import sys

import estimates
import kernel
import limiter
import stack
import supervision

FIGURES = {**kernel.FIGURES, **supervision.FIGURES, **limiter.FIGURES, **estimates.FIGURES, **stack.FIGURES}


def main(prefixes: list[str]) -> int:
    """Print the figures; a missed aim is shown, not hidden, and does not fail the run."""
    wanted = {name: measure for name, measure in FIGURES.items() if name.startswith(tuple(prefixes) or "")}
    if not wanted:
        print(
            f"no figure begins with {' or '.join(prefixes)}; there are {', '.join(FIGURES)}",
            file=sys.stderr,
        )
        return 2
    for measure in wanted.values():
        for figure in measure():
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
