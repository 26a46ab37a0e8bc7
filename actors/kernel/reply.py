r"""The one-shot reply cell, and the deferred reply an op may give instead of a value.

Theory of operation. A cell stands between one asker and one answer:

    open --answer--> answered --wait--> taken
      \--asker cancelled--> abandoned

Whichever comes first decides, and there is no third way: an answer that is set wins over a cancellation that comes
later, and an answer that comes after the asker has gone is handed back to its giver (`answer` returns False).
A memory channel of one slot cannot promise this: an answer that lies in its buffer when the asker's deadline fires
is lost, and for a limiter each one is a leaked reservation.

`expire` is the giver's word that the deadline has passed: the asker wakes, finds its own scope cancelled and leaves
with that; should its deadline have been moved meanwhile, it is told that the message was not delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import trio

from actors.kernel.activity import Activity

R = TypeVar("R")

_OPEN, _ANSWERED, _EXPIRED, _ABANDONED = range(4)


class Reply(Generic[R]):
    """A cell for one answer: like a numbered cloakroom hook, used once, never shared."""

    __slots__ = ("_error", "_on_abandon", "_state", "_task", "_value", "is_past_deadline")

    def __init__(self) -> None:
        self._state = _OPEN
        self._value: R | None = None
        self._error: BaseException | None = None
        self._task: trio.lowlevel.Task | None = None
        self._on_abandon: Callable[[], object] | None = None
        self.is_past_deadline = False

    @property
    def is_abandoned(self) -> bool:
        """Whether the asker has gone."""
        return self._state == _ABANDONED

    def answer(self, value: R) -> bool:
        """Set the answer; return False if the asker has gone, and the value stays with the caller."""
        if self._state != _OPEN:
            return self._settle(_ANSWERED, value, None)
        self._state = _ANSWERED  # the common case, on the shortest way
        self._value = value
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None
        return True

    def fail(self, error: BaseException) -> bool:
        """Set an error as the answer; return False if the asker has gone."""
        return self._settle(_ANSWERED, None, error)

    def expire(self, error: BaseException) -> bool:
        """Wake the asker because its deadline has passed; `error` is for an asker whose deadline was moved."""
        return self._settle(_EXPIRED, None, error)

    def _settle(self, state: int, value: R | None, error: BaseException | None) -> bool:
        if self._state == _ABANDONED:
            return False
        if self._state != _OPEN:
            raise RuntimeError("this reply has been answered already")
        self._state, self._value, self._error = state, value, error
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None
        return True

    def abandon(self, *, past_deadline: bool = False) -> None:
        """Record that the asker goes without an answer, and whether because its deadline has passed."""
        self._state = _ABANDONED
        self.is_past_deadline = past_deadline
        self._task = None
        on_abandon, self._on_abandon = self._on_abandon, None
        if on_abandon is not None:
            on_abandon()

    async def wait(self, on_abandon: Callable[[], object]) -> R:
        """Wait for the answer. Call `on_abandon` at once if this task is cancelled first.

        A schedule point only when the answer is not there yet: the asker has yielded by then.

        Raises:
            BaseException: whatever the giver set as error.
        """
        if self._state == _OPEN:
            self._task = trio.lowlevel.current_task()
            self._on_abandon = on_abandon
            await trio.lowlevel.wait_task_rescheduled(self._abort)
            self._on_abandon = None  # breaks the cycle of cell and envelope: the message is let go at once
        if self._state == _EXPIRED:
            await trio.lowlevel.checkpoint_if_cancelled()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # breaks the cycle of error, traceback and frame
        return self._value  # type: ignore[return-value]  # answered without error: the value is an R

    def _abort(self, raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
        try:
            raise_cancel()
        except BaseException as reason:  # noqa: BLE001  # KeyboardInterrupt too; Trio raises it again in the asker
            self.abandon(past_deadline=isinstance(reason, trio.Cancelled) and reason.source == "deadline")
        return trio.lowlevel.Abort.SUCCEEDED


class Deferred(Generic[R]):
    """An answer promised for later: the op returns it, keeps it, and sets it when the time has come.

    A plain `def` op that cannot answer yet returns one and thereby lets the mailbox go on. It is a pawn ticket:
    the actor redeems it once. It is not a future: nobody awaits it; the asker waits in its `ask`.

    Args:
        on_abandoned: called in the actor, at a message boundary, when the asker left before an answer was set.
        waits_for: the activity on which the answer depends, for the wait-for graph; None where that is not known.
    """

    __slots__ = ("_error", "_is_set", "_sink", "_value", "on_abandoned", "waits_for")

    def __init__(
        self, on_abandoned: Callable[[], object] | None = None, *, waits_for: Activity | None = None
    ) -> None:
        self.on_abandoned = on_abandoned
        self.waits_for = waits_for
        self._sink: Callable[[Deferred[R]], bool] | None = None
        self._is_set = False
        self._value: R | None = None
        self._error: Exception | None = None

    def set(self, value: R) -> bool:
        """Answer with `value`. Return False if the asker had gone; the op's `undo` has run then.

        Raises:
            RuntimeError: it was answered already.
        """
        return self._answer(value, None)

    def fail(self, error: Exception) -> bool:
        """Answer with `error`, which the asker gets unchanged. Return False if the asker had gone.

        Raises:
            RuntimeError: it was answered already.
        """
        return self._answer(None, error)

    @property
    def is_bound(self) -> bool:
        """Whether it belongs to a message already."""
        return self._sink is not None

    @property
    def is_set(self) -> bool:
        """Whether an answer was given."""
        return self._is_set

    @property
    def value(self) -> R:
        """The value that was set, for tests of an op called as a plain method.

        Raises:
            RuntimeError: nothing was set yet.
            Exception: the error that was set.
        """
        if not self._is_set:
            raise RuntimeError("nothing was set yet")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set without error: the value is an R

    @property
    def error(self) -> Exception | None:
        """The error that was set, or None."""
        return self._error

    def _answer(self, value: R | None, error: Exception | None) -> bool:
        if self._is_set:
            raise RuntimeError("this reply has been answered already")
        self._is_set, self._value, self._error = True, value, error
        return True if self._sink is None else self._sink(self)

    def bind(self, sink: Callable[[Deferred[R]], bool]) -> None:
        """Connect it to its asker; the kernel does this when the op returns it, once."""
        self._sink = sink
        if self._is_set:
            sink(self)
