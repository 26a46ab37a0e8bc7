"""Backstage: what an actor may ask of the incarnation that runs it, and what it has going besides its messages.

Timers, child tasks and watches belong to one incarnation and end with it. Most actors have none of them, so each is
made when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import attrs
import trio

from actors.kernel.actor import Actor
from actors.kernel.agenda import Agenda
from actors.kernel.crew import Crew
from actors.kernel.ref import Ref
from actors.kernel.slot import Down, Slot
from actors.kernel.timers import Timer


class House(Protocol):
    """What backstage needs of the incarnation in front of it."""

    slot: Slot
    number: int
    deferred_since: float | None

    @property
    def actor(self) -> Actor | None:
        """The actor object."""
        ...

    @property
    def is_on(self) -> bool:
        """Whether it plays in its slot now."""
        ...

    @property
    def nursery(self) -> trio.Nursery | None:
        """Where child tasks run; None before `setup`."""
        ...

    def crash(self, error: Exception) -> None:
        """End the incarnation with `error`."""
        ...

    def post(self, call: Callable[[], object]) -> None:
        """Run `call` in the actor at the next message boundary."""
        ...

    def finish(self, grace: float) -> None:
        """End normally after the current message."""
        ...


@attrs.define(eq=False, weakref_slot=False)
class Backstage:
    """The `Stage` of one incarnation.

    Args:
        house: the incarnation.
        agenda: its timers and deadlines, once it has any.
        crew: its child tasks, once it has any.
    """

    house: House
    agenda: Agenda | None = None
    crew: Crew | None = None
    _watches: tuple[Callable[[], None], ...] = ()

    @property
    def name(self) -> str:
        """The slot's name."""
        return self.house.slot.name

    @property
    def number(self) -> int:
        """The number of this incarnation, from 1."""
        return self.house.number

    @property
    def deferred_since(self) -> float | None:
        """Since when the message at hand waits for an answer that an earlier incarnation deferred, or None."""
        return self.house.deferred_since

    def ref(self) -> Ref[Any]:
        """Return a ref to the slot."""
        return Ref(self.house.slot)

    def now(self) -> float:
        """Return the present instant on the Trio clock."""
        return trio.current_time()

    def start_timer(self, delay: float, message: object, interval: float | None) -> Timer:
        """Arm a timer."""
        if not delay >= 0:
            raise ValueError(f"delay must be >= 0, got {delay}")
        timer = Timer(trio.current_time() + delay, message, interval)
        if self.agenda is None:
            self.agenda = Agenda(self._actor)
        self.agenda.arm(timer)
        self.house.slot.mailbox.wake()
        return timer

    def start_task(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run a child task that is cancelled at the end."""
        self.with_crew().start(run)

    def with_crew(self) -> Crew:
        """Return the crew, which is made with its first task."""
        if self.crew is None:
            self.crew = Crew(self._nursery, self.house.crash, self._look_at_deadlines)
        return self.crew

    def watch(self, ref: Ref[Any], on_down: Callable[[Down], object]) -> None:
        """Have the message that `on_down` makes handled when `ref`'s actor has ended for good."""
        post = self.house.post
        self._watches += (ref.on_down(lambda down: post(lambda: self.start_timer(0, on_down(down), None))),)

    def finish(self, grace: float) -> None:
        """End normally after the current message; what still runs then has `grace` seconds."""
        self.house.finish(grace)

    def report_health(self, *, is_healthy: bool) -> None:
        """Tell whoever watches over the slot how the actor is; one that has ended has no say any more."""
        if self.house.is_on:
            self.house.slot.report_health(is_healthy=is_healthy)

    def clear(self) -> None:
        """Watch nobody any more: the incarnation is over."""
        for forget in self._watches:
            forget()

    def _look_at_deadlines(self) -> None:
        """Have the deadlines looked at again; an actor without any sleeps on, which saves a switch of tasks."""
        if self.agenda is not None:
            self.house.slot.mailbox.wake()

    @property
    def _actor(self) -> Actor:
        actor = self.house.actor
        if actor is None:
            raise RuntimeError("a timer can be started from setup on, and not after teardown")
        return actor

    @property
    def _nursery(self) -> trio.Nursery:
        nursery = self.house.nursery
        if nursery is None:
            raise RuntimeError("a child task can be started from setup on")
        return nursery
