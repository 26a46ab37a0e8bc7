"""Print every figure of the project as one JSON line each; `make bench` runs this.

Usage: python benchmarks/run.py [PREFIX ...]     only figures whose names start with one of the prefixes
"""

from __future__ import annotations

import sys

import kernel


def main(prefixes: list[str]) -> int:
    """Print the figures; a missed aim is shown, not hidden, and does not fail the run."""
    for figure in kernel.figures():
        if not prefixes or figure.name.startswith(tuple(prefixes)):
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
