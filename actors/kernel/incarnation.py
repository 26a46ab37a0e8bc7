r"""One incarnation: an actor's run from `setup` to `teardown`, and the loop between them.

Theory of operation. The loop reads the mailbox, a batch at a time, and has each envelope served. Between two
messages, never inside one, it obeys the system lane (stop, departed askers), fires timers and lets the policy's
deadline pass. Most of a message's cost is its checkpoint, so the loop yields once per batch, not once per message;
the batch is bounded so that others get their turn.

    setup --> loop --> wind_down --> running ops end --> child tasks are cancelled --> teardown
                 \--crash, grace spent, cancelled from outside------------------------/

An error nobody declared is a crash: everything else of the incarnation is cancelled, askers are told, `teardown`
runs, and `run` returns how it ended. Nothing is decided here about a restart.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import attrs
import trio

from actors.kernel.activity import Activity, current_activity
from actors.kernel.actor import Actor
from actors.kernel.agenda import Agenda
from actors.kernel.backstage import Backstage
from actors.kernel.envelope import Envelope
from actors.kernel.heritage import Heritage, bequeath, succeed
from actors.kernel.phases import in_phase, tear_down
from actors.kernel.post_mortem import annotate, gathered, has_declined
from actors.kernel.serving import Server
from actors.kernel.slot import Exit, Reason, Slot

BATCH = 64
"""Messages served before the loop lets others run; about a third of a millisecond of plain ops."""

LEAST_TEARDOWN = 1.0
"""Seconds `teardown` gets at least, also when the grace is spent: enough to close a connection."""


@attrs.define(eq=False)
class Incarnation:
    """Runs one actor object in a slot; made for one run."""

    slot: Slot
    number: int = 0
    heritage: Heritage = "new"
    deferred_since: float | None = None
    _server: Server | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    nursery: trio.Nursery | None = None
    _backstage: Backstage = attrs.field(init=False)
    _lane: list[Callable[[], object]] | None = None
    _errors: tuple[Exception, ...] = ()
    _has_crashed: bool = False
    _is_quarantine: bool = False
    _is_set_up: bool = False
    _is_ending: bool = False
    _is_draining: bool = False
    _is_overdue: bool = False
    _stop_by: float | None = None

    def __attrs_post_init__(self) -> None:
        self._backstage = Backstage(self)

    # the run

    async def run(self, factory: Callable[[], Actor], started: Callable[[], object]) -> Exit:
        """Make the actor, run it to its end, and return how it ended.

        Args:
            factory: makes a new actor object.
            started: called when `setup` has returned and messages will be served.

        Raises:
            trio.Cancelled: the block around it was cancelled; everything is settled and torn down by then.
        """
        self.number = self.slot.enter(self)
        if current_activity.get() is not None:
            current_activity.set(None)
        try:
            with self._scope:
                await self._perform(factory, started)
        except ExceptionGroup as torn:  # what tasks raised while being cancelled
            self._errors += torn.exceptions
        finally:
            self._is_overdue = self._stop_by is not None and trio.current_time() > self._stop_by
            self._backstage.clear()
            if self._server is not None:
                self._server.give_back(self._errors[0] if self._errors else None)
                if self._is_set_up:
                    await self._tear_down(self._server.actor)
                self._server = None  # breaks the cycle of actor and stage: an ended actor needs no collector
        return Exit(self._reason(), self.error, self._is_quarantine)

    async def _perform(self, factory: Callable[[], Actor], started: Callable[[], object]) -> None:
        try:
            actor, self.heritage = succeed(factory, self._backstage, self.slot)
            self._server = Server(actor, self.slot.mailbox, self)
            self._backstage.agenda = Agenda(actor) if Agenda.is_needed_by(actor) else None
        except Exception as error:  # noqa: BLE001  # whatever the factory raises is how this incarnation ended
            self._errors += (error,)
            return
        except trio.Cancelled as stray:
            text = f"the factory of {self.slot.name!r} raised a trio.Cancelled, which is none of its own"
            self._errors += (_caused(RuntimeError(text), stray),)
            return
        async with trio.open_nursery() as self.nursery:
            if await self._set_up(actor):
                started()
                await self._loop(self._server)
                if not self._errors:
                    await self._wind_down(actor)
            self.nursery.cancel_scope.cancel()

    async def _set_up(self, actor: Actor) -> bool:
        """Run `setup`, and return whether the actor is fit to serve."""
        try:
            await in_phase("setup", actor.setup, self.slot.mailbox)
        except Exception as error:  # noqa: BLE001  # whatever setup raises is how this incarnation ended
            self._errors += (error,)
            return False
        self._is_set_up = self.slot.has_lived = True
        if self.slot.state == "starting":
            self.slot.state = "running"
        return not self._errors  # a child task that setup started may have crashed by now

    async def _loop(self, server: Server) -> None:
        mailbox = self.slot.mailbox
        while not self._is_over():
            agenda = self._backstage.agenda
            if agenda is None:
                envelope = mailbox.taken(await mailbox.arrival())  # the common case, on the shortest way
            else:
                envelope = await self._next(agenda)
            if envelope is not None and self._has_crashed:
                mailbox.put_back(envelope)  # it came in the instant of the crash: for the next incarnation
                return
            left = BATCH
            while envelope is not None:
                pending = server.begin(envelope)
                if pending is not None:
                    await pending
                    break  # time has passed: a timer may be due
                left -= 1
                if not left or not mailbox.depth or self._lane or (self._is_ending and not self._is_draining):
                    break
                envelope = mailbox.get_nowait()
            envelope = None  # an idle actor does not hold on to the last message

    async def _next(self, agenda: Agenda) -> Envelope | None:
        try:
            return await agenda.next(self.slot.mailbox)
        except Exception as error:  # noqa: BLE001  # the actor's own code: a crash like any other
            self.crash(error)
            return None

    def _is_over(self) -> bool:
        """Obey the system lane, then say whether the loop is done."""
        while self._lane:
            lane, self._lane = self._lane, None
            for call in lane:
                try:
                    call()
                except Exception as error:  # noqa: BLE001  # the actor's own code: a crash like any other
                    annotate(error, "between two messages")
                    self.crash(error)
        return self._is_ending and not (self._is_draining and self.slot.mailbox.depth)

    # the end

    async def _wind_down(self, actor: Actor) -> None:
        try:
            await in_phase("wind_down", actor.wind_down, self.slot.mailbox)
        except Exception as error:  # noqa: BLE001  # recorded, and told by `run`
            self._errors += (error,)
        if self._backstage.crew is not None:
            await self._backstage.crew.ops_ended()

    async def _tear_down(self, actor: Actor) -> None:
        rest = LEAST_TEARDOWN if self._stop_by is None else self._stop_by - trio.current_time()
        self._errors += await tear_down(actor, self.slot.mailbox, max(LEAST_TEARDOWN, rest))
        if self.is_on:
            bequeath(actor, self.slot, self.error)

    @property
    def error(self) -> Exception | None:
        """What went wrong, several errors as a group; None when nothing did."""
        return gathered(self.name, self._errors)

    @property
    def quarantine_after(self) -> int:
        """How many incarnations one message may crash before it is taken out."""
        return self.slot.quarantine_after

    def _reason(self) -> Reason:
        if not self._is_set_up and not self._has_crashed and has_declined(self._errors):
            return "declined"
        if (self._scope.cancelled_caught or self._is_overdue) and not self._has_crashed:
            return "killed"
        if self._stop_by is not None:
            return "stopped"
        return "crashed" if self._errors else "normal"

    def crash(self, error: Exception, *, is_quarantine: bool = False) -> None:
        """End with `error`: everything else of the incarnation is cancelled.

        `is_quarantine` says that the message behind it has been taken out for it.
        """
        self._is_quarantine = self._is_quarantine or is_quarantine
        self._errors += (error,)
        self._has_crashed = True
        self._is_ending, self._is_draining = True, False
        self.slot.state = "stopping"
        self._scope.cancel()

    # what serving asks of it

    def start_op(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run an op as a child task that is waited for at a stop."""
        self._backstage.with_crew().start_op(run)

    def post(self, call: Callable[[], object]) -> None:
        """Run `call` in the actor at the next message boundary, ahead of all queued messages."""
        if self._lane is None:
            self._lane = [call]
        else:
            self._lane.append(call)
        self.slot.mailbox.wake()

    # what the slot asks of it

    def request_stop(self, grace: float, *, drain: bool) -> None:
        """End within `grace` seconds, after the queued messages if `drain`."""
        self._stop_by = min(trio.current_time() + grace, math.inf if self._stop_by is None else self._stop_by)
        self._scope.deadline = min(self._scope.deadline, self._stop_by)
        if drain:
            self.slot.mailbox.refuse_new()
        self._is_draining = drain and (self._is_draining or not self._is_ending)  # it never prolongs an end
        self._is_ending = True
        self.slot.state = "stopping"
        self.slot.mailbox.wake()

    def leave_behind(self, cause: BaseException | None) -> None:
        """Let go of all that was begun although it has not ended: what its ops still do reaches nobody."""
        if self._server is not None:
            self._server.let_go(cause)

    def activities(self) -> tuple[Activity, ...]:
        """Return the ops at work, oldest first."""
        work = None if self._server is None else self._server.unfinished
        return () if work is None else tuple(work.activities)

    @property
    def parked_count(self) -> int:
        """How many answers are deferred."""
        work = None if self._server is None else self._server.unfinished
        return 0 if work is None else len(work.parked)

    @property
    def actor(self) -> Actor | None:
        """The actor object, or None before it is made and after it has ended."""
        return None if self._server is None else self._server.actor

    # what the actor asks of it, through its stage

    @property
    def is_on(self) -> bool:
        """Whether it plays in its slot now, and not one that came after it."""
        return self.slot.performer is self

    def finish(self, grace: float) -> None:
        """End normally after the current message; what still runs then has `grace` seconds."""
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + grace)
        self._is_ending = True
        self.slot.state = "stopping"
        self.slot.mailbox.wake()

    @property
    def name(self) -> str:
        """The slot's name."""
        return self.slot.name


def _caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error
