"""Hedging: a second copy of a slow call, the first answer of the two, and no trace of the other.

    first  ─────────────────────────┬──────────────────>
                                    after
    second                          └─ may_hedge? ── yes ──────────>

    what happens                                  what follows
    one succeeds                                  the other is cancelled and awaited; that is the answer
    the first fails before the second is out      its error is raised: a call that is back is not slow, but broken
    one fails in a way that may pass              the other runs on
    one fails in a way that will not pass         the other is cancelled and awaited; the error is raised
    the second is refused, or not allowed         the first runs on, as if nothing had been tried
    both fail                                     the first's error is raised, with a note of the second's
    the caller is cancelled                       both are cancelled and awaited

It is two runners for one letter, not two letters: both copies have to ask the same, and to ask twice has to do no harm.
It reserves nothing and counts nothing; that is for the two functions and for `may_hedge`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, Literal, TypeVar, cast

import attrs
import trio

from actors.error_phrase import phrase
from actors.errors import CallFailed, Rejected, UnderstudyError
from actors.policies.instants import check_number

T = TypeVar("T")

Copy = Literal["first", "second"]
"""Which of the two."""


@attrs.frozen
class Hedged(Generic[T]):
    """What a hedged call came to.

    Args:
        value: the answer.
        won_by: which copy it is from.
        was_hedged: whether a second copy went out; one that was refused did not.
    """

    value: T
    won_by: Copy
    was_hedged: bool


def may_pass(error: Exception) -> bool:
    """Return whether the other copy may still be answered after `error`: a refusal, or a fault that can be retried."""
    return isinstance(error, Rejected) or (isinstance(error, CallFailed) and error.retryable)


async def hedged(
    first: Callable[[], Awaitable[T]],
    second: Callable[[], Awaitable[T]],
    *,
    after: float,
    may_hedge: Callable[[], Awaitable[bool]],
    on_hedge: Callable[[], object] | None = None,
    passes: Callable[[Exception], bool] = may_pass,
) -> Hedged[T]:
    """Run `first`, and `second` beside it if there is no answer after some time; return the answer that comes first.

    Both have ended when it returns or raises. Errors come out as they are, never in a group that was not theirs.

    Args:
        first: makes the call.
        second: makes it again; what it raises as `Rejected` means that nothing was sent.
        after: seconds, infinite for no second copy.
        may_hedge: is asked at that time whether there is to be one, such as a retry budget. An `UnderstudyError` that
            it raises means no.
        on_hedge: is told when the second copy begins.
        passes: whether an error leaves the other copy a chance.

    Raises:
        Exception: what decided that there is no answer, as the table says.
        TypeError: `after` is no number.
        ValueError: `after` is negative or not-a-number.
    """
    if check_number("after", after) < 0:
        raise ValueError(f"after must be >= 0, got {after}")
    race = _Race[T](passes)
    try:
        async with trio.open_nursery() as nursery:
            race.course = nursery.cancel_scope
            nursery.start_soon(race.run, "first", first)
            if after < math.inf:
                nursery.start_soon(race.follow, second, after, may_hedge, on_hedge)
    except BaseExceptionGroup as group:
        ended_by = _alone(group)
    else:
        return race.result()
    try:
        raise ended_by
    finally:
        del ended_by


@attrs.define(eq=False)
class _Race(Generic[T]):
    """Two copies on their course, and what has come of them."""

    passes: Callable[[Exception], bool]
    course: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    out: int = attrs.field(default=0, init=False)
    was_hedged: bool = attrs.field(default=False, init=False)
    won: Hedged[T] | None = attrs.field(default=None, init=False)
    decided_by: Copy = attrs.field(default="first", init=False)
    errors: dict[Copy, Exception] = attrs.field(factory=dict[Copy, Exception], init=False)

    async def run(self, copy: Copy, call: Callable[[], Awaitable[T]]) -> None:
        """Make one copy of the call; whoever decides the race stops the other."""
        self.out += 1
        try:
            value = await call()
        except Exception as error:  # noqa: BLE001  # every error is raised in the end, by `result`
            self.out -= 1
            self._failed(copy, error)
        else:
            # A loser can come in while it is being stopped: then it is too late.
            if not self.course.cancel_called:
                self.won = Hedged(value, copy, self.was_hedged)
                self.course.cancel()

    async def follow(
        self,
        second: Callable[[], Awaitable[T]],
        after: float,
        may_hedge: Callable[[], Awaitable[bool]],
        on_hedge: Callable[[], object] | None,
    ) -> None:
        """Send the second copy when its time has come, if it may."""
        await trio.sleep(after)
        try:
            is_allowed = await may_hedge()
        except UnderstudyError:
            return  # whoever keeps the budget is gone: that is no reason to give up the first
        if not is_allowed or self.course.cancel_called:
            return
        self.was_hedged = True
        if on_hedge is not None:
            on_hedge()
        await self.run("second", second)

    def _failed(self, copy: Copy, error: Exception) -> None:
        if self.course.cancel_called:
            return  # what a loser has to say for itself
        if copy == "second" and isinstance(error, Rejected):
            self.was_hedged = False
        self.errors[copy] = error
        if not self.passes(error):
            self.decided_by = copy
            self.course.cancel()
        elif not self.out:
            self.course.cancel()  # nothing is under way that could be answered, be it that a second would follow

    def result(self) -> Hedged[T]:
        """Return the answer, or raise what decided that there is none."""
        if self.won is not None:
            return self.won
        decisive = self.errors.pop(self.decided_by)
        for copy, other in self.errors.items():
            decisive.add_note(f"the {copy} copy of the call failed as well: {_told(other)}")
        self.errors.clear()
        try:
            raise decisive
        finally:
            del decisive


def _told(error: Exception) -> str:
    """Return an error in a few words that name no host, key or text."""
    return phrase(error) if isinstance(error, CallFailed | Rejected) else type(error).__name__


def _alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what ended the nursery, without the cancellations that it caused, and alone where it is alone."""
    _, rest = group.split(trio.Cancelled)
    leaves = list(_leaves(rest or group))
    return leaves[0] if len(leaves) == 1 or rest is None else rest


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for part in cast("BaseExceptionGroup[BaseException]", error).exceptions:
        yield from _leaves(part)
