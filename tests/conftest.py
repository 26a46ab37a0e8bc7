"""What tests may count on: Ctrl-C is heard however the run was started, and supervision leaves balanced books."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from unmeasured import unmeasured

from actors.kernel import Books, open_books

SUPERVISION = Path(__file__).parent / "supervisors"
"""Whatever a test of supervision does, every message has had its one fate at the end."""


def pytest_configure() -> None:
    """Hear Ctrl-C, in this process and in the programs it starts.

    A shell that runs a job in the background has it ignore SIGINT, and so do all that the job starts: what is tested of
    Ctrl-C would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Run a test that is marked as unmeasured without the tracer of coverage; by now an async test is a plain one."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("unmeasured"):
        item.obj = unmeasured(item.obj)


@pytest.fixture(autouse=True)
def books(request: pytest.FixtureRequest) -> Iterator[Books | None]:
    """Open the ambient books around a test of supervision, and check them after it; None for all others."""
    if SUPERVISION not in request.path.parents:
        yield None
        return
    with open_books() as opened:
        yield opened
    opened.check_balanced()
