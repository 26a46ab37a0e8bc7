"""Tests for the pytest plugin, each in a small test suite of its own.

The small suites run in this process, where Trio, pytest-trio and Hypothesis are loaded already.
"""

from __future__ import annotations

import time

import pytest

INI = """
[pytest]
trio_mode = true
"""

ASK_FOR_THE_CLOCK = """
import pytest
import trio
from trio.testing import MockClock


async def an_hour():
    start = trio.current_time()
    await trio.sleep(3600)
    assert trio.current_time() - start == 3600.0


@pytest.fixture
def handed_on(autojump_clock):
    return autojump_clock


@pytest.fixture
def only_asks(autojump_clock):
    return "no clock"


@pytest.fixture
async def asks_async(autojump_clock):
    return "no clock"


@pytest.fixture
async def yields_it(autojump_clock):
    yield autojump_clock


@pytest.fixture
def asks_late(request):
    request.getfixturevalue("autojump_clock")


@pytest.fixture
def own_clock():
    return MockClock(autojump_threshold=0)


@pytest.fixture
def asks_for_own(own_clock):
    return "no clock"


async def test_named_in_the_signature(autojump_clock):
    await an_hour()


async def test_handed_on_by_a_fixture(handed_on):
    await an_hour()


async def test_asked_for_by_a_fixture(only_asks):
    await an_hour()


async def test_asked_for_by_an_async_fixture(asks_async):
    await an_hour()


async def test_yielded_by_an_async_fixture(yields_it):
    await an_hour()


@pytest.mark.usefixtures("autojump_clock")
async def test_by_usefixtures():
    await an_hour()


@pytest.mark.usefixtures("only_asks")
async def test_by_usefixtures_of_another_fixture():
    await an_hour()


class TestAutouse:
    @pytest.fixture(autouse=True)
    def always(self, autojump_clock):
        return None

    async def test_by_autouse(self):
        await an_hour()


async def test_by_getfixturevalue(asks_late):
    await an_hour()


async def test_a_clock_of_ones_own(asks_for_own):
    await an_hour()


@pytest.mark.trio
async def test_marked_by_hand(only_asks):
    await an_hour()


@pytest.fixture(scope="module")
def shared_clock():
    return MockClock(autojump_threshold=0)


@pytest.mark.parametrize("turn", ["first", "second"])
@pytest.mark.usefixtures("shared_clock")
async def test_a_clock_shared_by_a_module(turn):
    await an_hour()
"""

WAYS = 13

NOTES_THE_ORDER = """
import trio

async def test_order(autojump_clock):
    order = []

    async def note(number):
        await trio.sleep(1)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(note, number)
    print("order:", *order)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(INI)
    return pytester


def order_of(suite: pytest.Pytester, *options: str) -> str:
    result = suite.runpytest("-s", *options)
    result.assert_outcomes(passed=1)
    return next(line for line in result.outlines if "order:" in line)


def test_the_clock_is_used_in_whichever_way_it_is_asked_for(suite: pytest.Pytester) -> None:
    suite.makepyfile(ASK_FOR_THE_CLOCK)
    began = time.perf_counter()
    suite.runpytest().assert_outcomes(passed=WAYS)
    assert time.perf_counter() - began < 600


def test_the_clock_is_used_in_the_workers_of_xdist_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(ASK_FOR_THE_CLOCK)
    suite.runpytest("-n", "2", "-p", "xdist").assert_outcomes(passed=WAYS)


def test_the_clock_is_used_without_trio_mode_where_a_test_is_marked(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\n")
    pytester.makepyfile("""
        import pytest, trio

        @pytest.mark.trio
        @pytest.mark.usefixtures("autojump_clock")
        async def test_hour():
            await trio.sleep(3600)
    """)
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_deadlock_fails_at_once_and_names_line_and_seed(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import trio

        async def test_stuck(autojump_clock):
            await trio.Event().wait()
    """)
    began = time.perf_counter()
    result = suite.runpytest("--trio-seed", "5")
    assert time.perf_counter() - began < 600
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*TooSlowError: the test did not end within 172800 s*",
            "*in test_stuck*",
            "*trio scheduler seed: 5*",
        ]
    )


def test_the_limits_are_settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI + "understudy_real_limit = 0.01\nunderstudy_virtual_limit = 100\n")
    pytester.makepyfile("""
        import trio

        async def test_real():
            await trio.sleep_forever()

        async def test_virtual(autojump_clock):
            await trio.sleep_forever()
    """)
    result = pytester.runpytest()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*did not end within 0.01 s*", "*did not end within 100 s*"])


def test_a_seed_repeats_the_order_of_a_session(suite: pytest.Pytester) -> None:
    suite.makepyfile(NOTES_THE_ORDER)
    assert order_of(suite, "--trio-seed", "11") == order_of(suite, "--trio-seed", "11")
    assert len({order_of(suite, "--trio-seed", str(seed)) for seed in range(5)}) == 5


def test_without_a_seed_the_header_tells_the_one_that_was_drawn(suite: pytest.Pytester) -> None:
    suite.makepyfile(NOTES_THE_ORDER)
    result = suite.runpytest("-s")
    header = next(line for line in result.outlines if line.startswith("trio seed: "))
    order = next(line for line in result.outlines if "order:" in line)
    assert order_of(suite, "--trio-seed", header.removeprefix("trio seed: ")) == order


def test_the_workers_of_xdist_share_the_sessions_seed(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest

        @pytest.mark.parametrize("number", range(8))
        async def test_fails(number):
            raise ValueError(number)
    """)
    result = suite.runpytest("-n", "2", "-p", "xdist")
    result.assert_outcomes(failed=8)
    seed = next(line for line in result.outlines if line.startswith("trio seed: ")).split()[-1]
    told = {line.split()[-1] for line in result.outlines if "trio scheduler seed: " in line}
    assert told == {seed}


def test_what_a_test_raises_comes_out_as_it_was_raised(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest, trio

        async def test_alone():
            try:
                {}["lost"]
            except KeyError as error:
                raise ValueError("told") from error

        async def test_group_of_its_own():
            raise ExceptionGroup("mine", [ValueError("one")])

        async def test_two_errors(nursery):
            async def fails():
                raise KeyError("background")

            nursery.start_soon(fails)
            raise ValueError("foreground")
    """)
    result = suite.runpytest()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E * KeyError: 'lost'",
            "*The above exception was the direct cause*",
            "E * ValueError: told",
            "*ExceptionGroup: mine (1 sub-exception)",
            "*ExceptionGroup: Exceptions from Trio nursery (2 sub-exceptions)",
        ]
    )


def test_two_clocks_for_one_test_are_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest

        @pytest.mark.usefixtures("autojump_clock", "mock_clock")
        async def test_two():
            pass
    """)
    result = suite.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ValueError: a test runs on one clock, *::test_two asks for 2*"])


def test_a_clock_that_comes_too_late_is_refused(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        async def test_late(request):
            request.getfixturevalue("autojump_clock")
    """)
    result = suite.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*fixture 'autojump_clock' gives a clock to a run that has begun*"])


def test_a_test_with_a_run_of_its_own_keeps_it(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest, trio

        def own_run(fn, *, clock=None, instruments=()):
            print("own run")
            return trio.run(fn, clock=clock)

        @pytest.mark.trio(run=own_run)
        async def test_own(autojump_clock):
            await trio.sleep(3600)
    """)
    result = suite.runpytest("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*own run*"])


def test_the_run_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI + "understudy_run = false\nunderstudy_real_limit = 0.01\n")
    pytester.makepyfile("""
        import trio

        async def test_longer_than_the_limit():
            await trio.sleep(0.05)
    """)
    result = pytester.runpytest()
    result.assert_outcomes(passed=1)
    assert not [line for line in result.outlines if "trio seed" in line]


def test_skips_expected_failures_and_plain_tests_are_left_as_they_are(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest

        async def test_skipped():
            pytest.skip("not today")

        async def test_expected():
            pytest.xfail("known")

        def test_plain():
            pass
    """)
    suite.makefile(".txt", test_doc=">>> 1 + 1\n2\n")
    suite.runpytest("--doctest-glob", "*.txt").assert_outcomes(passed=2, skipped=1, xfailed=1)


def test_it_does_nothing_where_pytest_trio_is_absent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_plain():
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:trio", timeout=120)
    result.assert_outcomes(passed=1)
    assert not [line for line in result.outlines if "trio seed" in line]
