"""The pytest plugin: every async test has a repeatable order, the clock it asked for, and an end.

It works beside pytest-trio and does nothing where that is not installed. pytest-trio passes a clock to the
run only when the test function itself names the fixture; asked for in any other way (through another
fixture, `usefixtures`, autouse) the clock is ignored without a word and the test sleeps for real. Here one
hook gives every async test a run of our own, which finds the clock however it was asked for.

Options:
    --trio-seed N             the order in which tasks wake; drawn anew for each session otherwise, and told
                              in the header and in a note on every failure
Settings (in `[tool.pytest.ini_options]`):
    understudy_run            false hands async tests back to pytest-trio's own run (default true)
    understudy_virtual_limit  seconds a test may last under a mock clock (default two days)
    understudy_real_limit     seconds a test may last on the real clock (default 60)

A test marked with a run of its own, `@pytest.mark.trio(run=...)`, keeps it. Async tests under `@given` are
run by pytest-trio with Trio's own run, in one order for all examples: write them as plain functions that
call `actors.testing.run.run` with a drawn seed.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Protocol, TypeVar

import pytest
import trio
from trio.abc import Clock, Instrument
from trio.testing import MockClock

from actors.testing.run import REAL_LIMIT, VIRTUAL_LIMIT, run_seeded

ReplyT = TypeVar("ReplyT")

_clocks = pytest.StashKey[tuple[Clock, ...]]()
_runs = pytest.StashKey[bool]()


class _Worker(Protocol):
    """What is needed of xdist's controller of one worker."""

    config: pytest.Config
    workerinput: dict[str, object]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options that the module's docstring lists."""
    group = parser.getgroup("understudy")
    group.addoption("--trio-seed", type=int, help="order in which Trio wakes tasks (default: a random one)")
    parser.addini("understudy_run", "run async tests in our own run", type="bool", default=True)
    parser.addini("understudy_virtual_limit", "seconds under a mock clock", default=str(VIRTUAL_LIMIT))
    parser.addini("understudy_real_limit", "seconds on the real clock", default=str(REAL_LIMIT))


def pytest_configure(config: pytest.Config) -> None:
    """Settle the session's seed: the one asked for, the one a worker was handed, or a new one."""
    if config.option.trio_seed is None:
        from_session = getattr(config, "workerinput", {}).get("trio_seed")
        drawn = random.SystemRandom().getrandbits(32)
        config.option.trio_seed = drawn if from_session is None else from_session


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _Worker) -> None:
    """Hand the seed to a worker of xdist, which reads the command line but not what was drawn."""
    node.workerinput["trio_seed"] = node.config.option.trio_seed


def pytest_report_header(config: pytest.Config) -> str | None:
    """Tell the seed, so that the order of a failed session can be had again."""
    return f"trio seed: {config.option.trio_seed}" if _is_active(config) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every async test our run; last, because pytest-trio marks its own tests in the same hook."""
    if not _is_active(config):
        return
    for item in items:
        runs = [mark.kwargs["run"] for mark in item.iter_markers("trio") if "run" in mark.kwargs]
        is_async = item.get_closest_marker("trio") is not None
        if is_async and all(run is trio.run for run in runs):
            item.add_marker(pytest.mark.trio(run=partial(run_item, item)), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Remember the clocks of a test, also those asked for by `request.getfixturevalue`."""
    value = yield
    if isinstance(value, Clock) and isinstance(request.node, pytest.Item):
        if request.node.stash.get(_runs, False):
            raise RuntimeError(f"fixture {request.fixturename!r} gives a clock to a run that has begun")
        request.node.stash[_clocks] = (*request.node.stash.get(_clocks, ()), value)
    return value


def run_item(
    item: pytest.Item,
    async_fn: Callable[[], Awaitable[ReplyT]],
    *,
    clock: Clock | None = None,
    instruments: Sequence[Instrument] = (),
) -> ReplyT:
    """Run one test in the session's order, on its own clock, within its limit.

    Args:
        item: the test.
        async_fn: the test with its fixtures, as pytest-trio prepared it.
        clock: the clock that the test's own signature names, if it names one.
        instruments: handed to `trio.run`.

    Returns:
        The value of `async_fn()`.

    Raises:
        ValueError: the test asked for two clocks.
        trio.TooSlowError: the limit passed.
    """
    clock = the_clock(item) if clock is None else clock
    item.stash[_runs] = True
    return run_seeded(
        _unwrapped(async_fn),
        seed=item.config.option.trio_seed,
        clock=clock,
        limit=_limit(item.config, clock),
        instruments=instruments,
    )


def the_clock(item: pytest.Item) -> Clock | None:
    """Return the clock that a test's fixtures made, however they were asked for; None means the real one.

    Raises:
        ValueError: there are two.
    """
    values: list[object] = [*item.stash.get(_clocks, ()), *getattr(item, "funcargs", {}).values()]
    clocks = {id(value): value for value in values if isinstance(value, Clock)}
    if len(clocks) > 1:
        raise ValueError(f"a test runs on one clock, {item.nodeid} asks for {len(clocks)}")
    return next(iter(clocks.values()), None)


def _unwrapped(async_fn: Callable[[], Awaitable[ReplyT]]) -> Callable[[], Awaitable[ReplyT]]:
    """Take off the group that pytest-trio's own nursery puts around what a test raises.

    Without it pytest shows the test's line and the compared values, as for any other test.
    """

    async def main() -> ReplyT:
        try:
            return await async_fn()
        except BaseExceptionGroup as group:
            caught = group
        raise caught.exceptions[0] if len(caught.exceptions) == 1 else caught

    return main


def _is_active(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("trio") and bool(config.getini("understudy_run"))


def _limit(config: pytest.Config, clock: Clock | None) -> float:
    name = "understudy_virtual_limit" if isinstance(clock, MockClock) else "understudy_real_limit"
    return float(config.getini(name))
