"""Asks the members of a group that are under test how they are, as long as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, TypeVarTuple

import attrs
import trio

from actors.kernel.ref import Ref

ActorT = TypeVar("ActorT")
Ts = TypeVarTuple("Ts")


class Patient(Protocol):
    """What the prober needs of the group."""

    def start_soon(self, run: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Run `run(*args)` as a child task of the group."""
        ...

    def on_answer(self, rank: int) -> object:
        """Take note that the member answered as it should."""
        ...

    def on_failure(self, rank: int, error: Exception) -> object:
        """Take note that it did not, or not in time."""
        ...


@attrs.define(eq=False)
class Prober(Generic[ActorT]):
    """Probes each member that is under test, the first time at once, and again a while after each answer.

    Nobody under test means no task and no timer.

    Args:
        group: who is told of the answers.
        probe: asks a member something that only a healthy one answers; any error it raises is a failure.
        every: seconds from an answer to the next probe.
        timeout: seconds for one probe.
    """

    group: Patient
    probe: Callable[[Ref[ActorT]], Awaitable[object]]
    every: float
    timeout: float
    _tests: dict[int, trio.CancelScope] = attrs.field(factory=dict[int, trio.CancelScope], init=False)

    def test(self, rank: int, member: Ref[ActorT]) -> None:
        """Begin to probe a member, if it is not under test already."""
        if rank not in self._tests:
            self._tests[rank] = trio.CancelScope()
            self.group.start_soon(self._test, rank, member, self._tests[rank])

    def leave(self, rank: int) -> None:
        """Probe a member no longer; what it may still answer counts for nothing."""
        if (scope := self._tests.pop(rank, None)) is not None:
            scope.cancel()

    async def _test(self, rank: int, member: Ref[ActorT], scope: trio.CancelScope) -> None:
        with scope:
            while True:
                error = await self.ask(member)
                if scope.cancel_called:
                    return  # it answered in the instant in which its test ended
                if error is None:
                    self.group.on_answer(rank)
                else:
                    self.group.on_failure(rank, error)
                await trio.sleep(self.every)

    async def ask(self, member: Ref[ActorT]) -> Exception | None:
        """Probe a member once, and return what went wrong, or None."""
        try:
            with trio.move_on_after(self.timeout) as scope:
                await self.probe(member)
        except Exception as error:  # noqa: BLE001  # whatever a probe raises is its answer
            return error
        if scope.cancel_called:  # also of a probe that shielded itself from its end, or swallowed it
            return trio.TooSlowError(f"the probe took longer than {self.timeout:g} s")
        return None
