"""Hedging: when a second copy goes out, which answer counts, and that the other copy leaves no trace."""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.errors import ActorStopped, CallFailed, Rejected, TransportFailed, WaitTooLong
from actors.hedging.hedging import Hedged, hedged, may_pass

PASSES = TransportFailed("the connection broke", kind="reset")
FINAL = CallFailed("the key is not known")
REFUSED = WaitTooLong("no capacity before the deadline")


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


@attrs.define(eq=False)
class Copy:
    """One copy of a call: it takes its time, then answers or fails, and notes what became of it.

    Attributes:
        lasts: seconds it takes.
        ends: what it answers, or raises.
        closing: seconds it takes to let go when it is cancelled.
        parting: what it raises when it is cancelled, instead of that.
        history: what happened, each with its instant.
    """

    lasts: float
    ends: str | BaseException = "answer"
    closing: float = 0.0
    parting: Exception | None = None
    history: list[tuple[str, float]] = attrs.field(factory=list)

    async def __call__(self) -> str:
        self.note("out")
        try:
            await trio.sleep(self.lasts)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.closing)
            self.note("cancelled")
            if self.parting is not None:
                raise self.parting from None
            raise
        self.note("back")
        if isinstance(self.ends, BaseException):
            raise self.ends
        return self.ends

    def note(self, what: str) -> None:
        self.history.append((what, trio.current_time()))


async def race(
    first: Copy, second: Copy, after: float = 2.0, may_hedge: Callable[[], Awaitable[bool]] = yes
) -> Hedged[str]:
    return await hedged(first, second, after=after, may_hedge=may_hedge)


@contextmanager
def raises_itself(error: BaseException, *notes: str) -> Generator[None]:
    """Expect this very error, in no group, with these notes and no others; it is clean again afterwards."""
    with pytest.raises(type(error)) as caught:
        yield
    assert caught.value is error
    assert getattr(error, "__notes__", []) == list(notes)
    error.__dict__.pop("__notes__", None)


# ── who wins ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_that_is_answered_in_time_is_not_hedged(autojump_clock: MockClock) -> None:
    first, second = Copy(1.5), Copy(1.0)
    assert await race(first, second) == Hedged("answer", "first", was_hedged=False)
    assert first.history == [("out", 0.0), ("back", 1.5)]
    assert second.history == []
    assert autojump_clock.current_time() == 1.5


async def test_the_second_goes_out_after_its_time_and_wins_if_it_is_sooner(autojump_clock: MockClock) -> None:
    first, second = Copy(60.0, "late"), Copy(1.0, "early")
    assert await race(first, second) == Hedged("early", "second", was_hedged=True)
    assert first.history == [("out", 0.0), ("cancelled", 3.0)]
    assert second.history == [("out", 2.0), ("back", 3.0)]
    assert autojump_clock.current_time() == 3.0


async def test_the_first_wins_if_it_comes_before_its_copy(autojump_clock: MockClock) -> None:
    first, second = Copy(2.5), Copy(1.0, "copy")
    assert await race(first, second) == Hedged("answer", "first", was_hedged=True)
    assert second.history == [("out", 2.0), ("cancelled", 2.5)]
    assert autojump_clock.current_time() == 2.5


@pytest.mark.parametrize(("first", "second"), [(60.0, 1.0), (3.0, 60.0)])
async def test_the_loser_is_waited_for(autojump_clock: MockClock, first: float, second: float) -> None:
    copies = Copy(first, closing=4.0), Copy(second, closing=4.0)
    await race(*copies)
    (loser,) = [copy for copy in copies if copy.history[-1][0] != "back"]
    assert loser.history[-1] == ("cancelled", 7.0)
    assert autojump_clock.current_time() == 7.0


@pytest.mark.parametrize("parting", [FINAL, PASSES, ZeroDivisionError()])
async def test_what_a_loser_says_is_not_heard(autojump_clock: MockClock, parting: Exception) -> None:
    assert await race(Copy(60.0, parting=parting), Copy(1.0)) == Hedged("answer", "second", was_hedged=True)
    assert await race(Copy(3.0), Copy(60.0, parting=parting)) == Hedged("answer", "first", was_hedged=True)
    with raises_itself(FINAL):
        await race(Copy(60.0, parting=PASSES), Copy(1.0, FINAL))
    assert autojump_clock.current_time() == 9.0


async def test_a_loser_that_comes_in_after_all_is_too_late(autojump_clock: MockClock) -> None:
    async def deaf() -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(9.0)
        return "late"

    assert await hedged(deaf, Copy(1.0, "early"), after=2.0, may_hedge=yes) == Hedged("early", "second", True)
    with raises_itself(FINAL):
        await hedged(deaf, Copy(1.0, FINAL), after=2.0, may_hedge=yes)
    assert autojump_clock.current_time() == 18.0


async def test_without_end_there_is_no_second_copy(autojump_clock: MockClock) -> None:
    second = Copy(0.0)
    assert (await race(Copy(1e5), second, after=math.inf)).won_by == "first"
    assert second.history == []
    assert autojump_clock.current_time() == 1e5


async def test_at_once_both_go_out(autojump_clock: MockClock) -> None:
    second = Copy(1.0)
    assert await race(Copy(2.0), second, after=0.0) == Hedged("answer", "second", was_hedged=True)
    assert second.history[0] == ("out", 0.0)
    assert autojump_clock.current_time() == 1.0


async def test_whoever_wants_to_know_is_told_that_the_second_goes_out(autojump_clock: MockClock) -> None:
    told: list[float] = []

    def note() -> None:
        told.append(trio.current_time())

    await hedged(Copy(9.0), Copy(9.0), after=2.0, may_hedge=yes, on_hedge=note)
    await hedged(Copy(1.0), Copy(9.0), after=2.0, may_hedge=yes, on_hedge=note)
    await hedged(Copy(9.0), Copy(9.0), after=2.0, may_hedge=no, on_hedge=note)
    assert told == [2.0]
    assert autojump_clock.current_time() == 19.0


# ── who may not ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_not_allowed_changes_nothing(autojump_clock: MockClock) -> None:
    second = Copy(0.0)
    assert await race(Copy(9.0), second, may_hedge=no) == Hedged("answer", "first", was_hedged=False)
    assert second.history == []
    with raises_itself(PASSES):
        await race(Copy(9.0, PASSES), second, may_hedge=no)
    assert autojump_clock.current_time() == 18.0


@pytest.mark.parametrize(
    "gone", [ActorStopped("it has ended", message=None, recipient="budget"), REFUSED, CallFailed("x")]
)
async def test_where_nobody_can_say_yes_nothing_is_hedged(autojump_clock: MockClock, gone: Exception) -> None:
    async def ask() -> NoReturn:
        raise gone

    second = Copy(0.0)
    assert await race(Copy(9.0), second, may_hedge=ask) == Hedged("answer", "first", was_hedged=False)
    assert second.history == []
    assert autojump_clock.current_time() == 9.0


async def test_a_first_that_is_back_while_leave_is_asked_for_is_not_hedged(autojump_clock: MockClock) -> None:
    asked: list[str] = []

    async def slowly() -> bool:
        asked.append("asked")
        with trio.CancelScope(shield=True):
            await trio.sleep(5.0)
        return True

    second, told = Copy(0.0), list[str]()
    got = await hedged(Copy(3.0), second, after=2.0, may_hedge=slowly, on_hedge=lambda: told.append("hedged"))
    assert got == Hedged("answer", "first", was_hedged=False)
    assert (asked, told, second.history) == (["asked"], [], [])
    assert autojump_clock.current_time() == 7.0


async def test_a_second_that_is_refused_is_dropped(autojump_clock: MockClock) -> None:
    assert await race(Copy(9.0), Copy(1.0, REFUSED)) == Hedged("answer", "first", was_hedged=False)
    assert autojump_clock.current_time() == 9.0


# ── what fails ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [PASSES, FINAL, REFUSED, ZeroDivisionError()])
async def test_a_first_that_fails_before_its_copy_is_out_ends_it(
    autojump_clock: MockClock, error: Exception
) -> None:
    second = Copy(0.0)
    with raises_itself(error):
        await race(Copy(1.0, error), second)
    assert second.history == []
    assert autojump_clock.current_time() == 1.0


async def test_a_copy_whose_fault_may_pass_leaves_the_other_running(autojump_clock: MockClock) -> None:
    assert await race(Copy(3.0, PASSES), Copy(5.0)) == Hedged("answer", "second", was_hedged=True)
    assert autojump_clock.current_time() == 7.0
    assert await race(Copy(9.0), Copy(1.0, PASSES)) == Hedged("answer", "first", was_hedged=True)
    assert autojump_clock.current_time() == 16.0


@pytest.mark.parametrize("error", [FINAL, ZeroDivisionError(), ExceptionGroup("of its own", [PASSES, FINAL])])
async def test_a_fault_that_will_not_pass_ends_both(autojump_clock: MockClock, error: Exception) -> None:
    first, second = Copy(60.0), Copy(1.0, error)
    with raises_itself(error):
        await race(first, second)
    assert first.history[-1] == ("cancelled", 3.0)
    first, second = Copy(3.0, error), Copy(60.0)
    with raises_itself(error):
        await race(first, second)
    assert second.history[-1] == ("cancelled", 6.0)
    assert autojump_clock.current_time() == 6.0


@pytest.mark.parametrize(("first", "second"), [(3.0, 4.0), (9.0, 4.0)])
async def test_if_both_fail_the_first_is_raised_with_a_note_of_the_second(
    autojump_clock: MockClock, first: float, second: float
) -> None:
    other = TransportFailed("no answer", kind="timeout")
    with raises_itself(PASSES, "the second copy of the call failed as well: no answer in time"):
        await race(Copy(first, PASSES), Copy(second, other))
    assert autojump_clock.current_time() == max(first, 2.0 + second)


async def test_a_second_that_was_refused_is_noted_too(autojump_clock: MockClock) -> None:
    with raises_itself(PASSES, "the second copy of the call failed as well: no capacity in time"):
        await race(Copy(9.0, PASSES), Copy(1.0, REFUSED))
    assert autojump_clock.current_time() == 9.0


async def test_a_fault_of_the_second_that_will_not_pass_outweighs_one_of_the_first_that_may(
    autojump_clock: MockClock,
) -> None:
    with raises_itself(FINAL, "the first copy of the call failed as well: connection broke"):
        await race(Copy(3.0, PASSES), Copy(4.0, FINAL))
    assert autojump_clock.current_time() == 6.0


async def test_an_error_from_elsewhere_is_noted_by_its_class_alone(autojump_clock: MockClock) -> None:
    secret = OSError("of a request with a key")
    with raises_itself(PASSES, "the second copy of the call failed as well: OSError"):
        await hedged(
            Copy(3.0, PASSES), Copy(4.0, secret), after=2.0, may_hedge=yes, passes=lambda _error: True
        )
    assert autojump_clock.current_time() == 6.0


def test_what_may_pass_are_refusals_and_faults_that_can_be_retried() -> None:
    assert [may_pass(error) for error in (PASSES, REFUSED, Rejected("x"), FINAL, KeyError())] == [
        True,
        True,
        True,
        False,
        False,
    ]


# ── what comes from outside ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("when", [1.0, 3.0])
async def test_a_caller_that_goes_away_takes_both_along_and_meets_one_cancellation(
    autojump_clock: MockClock, when: float
) -> None:
    copies, met = (Copy(60.0, closing=1.0), Copy(60.0, closing=1.0)), list[BaseException]()
    with trio.move_on_at(when) as scope:
        try:
            await race(*copies)
        except BaseException as error:
            met.append(error)
            raise
    assert scope.cancelled_caught
    assert [type(error) for error in met] == [trio.Cancelled]
    assert {copy.history[-1] for copy in copies if copy.history} == {("cancelled", when + 1)}
    assert len([copy for copy in copies if copy.history]) == (1 if when < 2 else 2)
    assert autojump_clock.current_time() == when + 1


async def test_a_caller_that_goes_away_while_leave_is_asked_for(autojump_clock: MockClock) -> None:
    async def never() -> bool:
        await trio.sleep_forever()
        raise AssertionError

    first, second = Copy(60.0), Copy(0.0)
    with trio.move_on_at(3.0) as scope:
        await race(first, second, may_hedge=never)
    assert scope.cancelled_caught
    assert (first.history[-1], second.history) == (("cancelled", 3.0), [])
    assert autojump_clock.current_time() == 3.0


@pytest.mark.parametrize("bug", [ZeroDivisionError(), KeyboardInterrupt()])
async def test_a_bug_in_what_is_asked_or_told_comes_out_alone(
    autojump_clock: MockClock, bug: BaseException
) -> None:
    def broken() -> NoReturn:
        raise bug

    async def asking() -> NoReturn:
        raise bug

    first = Copy(60.0)
    with raises_itself(bug):
        await hedged(first, Copy(0.0), after=2.0, may_hedge=yes, on_hedge=broken)
    assert first.history[-1] == ("cancelled", 2.0)
    with raises_itself(bug):
        await hedged(first, Copy(0.0), after=2.0, may_hedge=asking)
    assert first.history[-1] == ("cancelled", 4.0)
    assert autojump_clock.current_time() == 4.0


async def test_an_interrupt_in_a_copy_comes_out_alone(autojump_clock: MockClock) -> None:
    stop = KeyboardInterrupt()
    with raises_itself(stop):
        await race(Copy(60.0), Copy(1.0, stop))
    assert autojump_clock.current_time() == 3.0


class Stubborn(Copy):
    """A copy that makes an interrupt of its cancellation."""

    async def __call__(self) -> str:
        try:
            return await super().__call__()
        except trio.Cancelled:
            raise KeyboardInterrupt from None


async def test_an_interrupt_beside_a_cancellation_comes_out_alone(autojump_clock: MockClock) -> None:
    with trio.move_on_at(3.0) as scope:
        with pytest.raises(KeyboardInterrupt):
            await race(Stubborn(60.0), Copy(60.0))
    assert not scope.cancelled_caught
    assert autojump_clock.current_time() == 3.0


async def test_two_interrupts_come_out_together(autojump_clock: MockClock) -> None:
    async def asking() -> NoReturn:
        await trio.sleep(1.0)
        raise SystemExit

    with pytest.raises(BaseExceptionGroup) as caught:
        await race(Stubborn(60.0), Copy(0.0), may_hedge=asking)
    assert {type(error) for error in caught.value.exceptions} == {SystemExit, KeyboardInterrupt}
    assert autojump_clock.current_time() == 3.0


@pytest.mark.parametrize(
    ("after", "error", "message"),
    [
        (-1.0, ValueError, "after must be >= 0, got -1.0"),
        (math.nan, ValueError, "after must be a number of seconds, got nan"),
        (None, TypeError, "after must be a number of seconds, got None"),
    ],
)
async def test_what_is_no_time_is_refused_before_anything_goes_out(
    after: Any, error: type[Exception], message: str
) -> None:
    first = Copy(0.0)
    with pytest.raises(error) as caught:
        await race(first, Copy(0.0), after=after)
    assert str(caught.value) == message
    assert first.history == []


async def test_an_error_that_was_raised_is_not_left_for_the_garbage_collector(
    autojump_clock: MockClock,
) -> None:
    async def fails() -> NoReturn:
        raise TransportFailed("the connection broke", kind="reset")

    gc.collect()
    gc.disable()
    try:
        with suppress(TransportFailed):
            await hedged(fails, fails, after=2.0, may_hedge=yes)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [each for each in gc.garbage if isinstance(each, TransportFailed)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert autojump_clock.current_time() == 0.0


# ── any two copies ──────────────────────────────────────────────────────────────────────────────────────────────

ENDINGS = st.sampled_from(["answer", "passes", "final", "refused"])


@attrs.define(eq=False)
class Naive:
    """What the table says of two copies with distinct instants, worked out by hand."""

    first: tuple[float, str]
    second: tuple[float, str]
    after: float

    def expect(self) -> tuple[str, float]:
        """Return which copy decides and when."""
        ends = {"first": self.first, "second": (self.after + self.second[0], self.second[1])}
        if self.first[0] < self.after:
            return f"first {self.first[1]}", self.first[0]
        by_time = sorted(ends, key=lambda copy: ends[copy][0])
        for copy in by_time:
            instant, ending = ends[copy]
            if ending in ("answer", "final"):
                return f"{copy} {ending}", instant
        return f"first {self.first[1]}", max(instant for instant, _ in ends.values())


@given(
    first=st.tuples(st.integers(0, 9), ENDINGS),
    second=st.tuples(st.integers(0, 9), ENDINGS),
    after=st.integers(0, 9),
)
def test_any_two_copies_end_as_the_table_says(
    first: tuple[int, str], second: tuple[int, str], after: int
) -> None:
    # Quarters and halves keep the three instants apart: what happens at the same one may happen in any order.
    copies, delay = ((first[0] + 0.25, first[1]), (second[0] + 0.125, second[1])), after + 0.5
    made: dict[str, BaseException | str] = {}

    def make(name: str, lasts: float, ending: str) -> Copy:
        endings: dict[str, BaseException | str] = {
            "answer": name,
            "passes": TransportFailed("x", kind="reset"),
            "final": CallFailed("x"),
            "refused": WaitTooLong("x"),
        }
        made[f"{name} {ending}"] = endings[ending]
        return Copy(lasts, endings[ending])

    runners = make("first", *copies[0]), make("second", *copies[1])

    async def main() -> tuple[object, float]:
        got: object
        try:
            got = (await race(*runners, after=delay)).value
        except Exception as error:  # noqa: BLE001  # whatever it is, it has to be the one that was made
            got = error
        return got, trio.current_time()

    got, instant = trio.run(main, clock=MockClock(autojump_threshold=0))
    decided_by, expected = Naive(copies[0], copies[1], delay).expect()
    assert (got, instant) == (made[decided_by], expected)
    assert all(runner.history[-1][0] in ("back", "cancelled") for runner in runners if runner.history)
