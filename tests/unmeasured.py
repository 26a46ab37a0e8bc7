"""Work that coverage does not look at: what runs thousands of times over lines that other tests measure.

Measured, pure Python takes about three times as long. A search for a planted bug, a world of many seeds or a benchmark
repeats what the tests of the parts run anyway: to measure it too makes the suite slow and shows nothing. What is
asserted is the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def unmeasured(work: Callable[P, T]) -> Callable[P, T]:
    """Return the same work, run without the tracer of coverage in this thread. It is no decorator of an async test.

    The tracer is taken away and given back in one frame, so that it misses as many calls as returns.
    """

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return work(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return done


def unmeasured_environment() -> dict[str, str]:
    """Return this process's environment for a program whose lines are not to be measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
