"""The slot: what stays when an actor is restarted. Its name, its mailbox, its watchers, its accounts.

A slot is a role in a play and an incarnation the person who plays it tonight. Refs address the slot, so a handle
never goes stale, and messages wait for whoever plays next.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal, Protocol

import attrs
import trio

from actors.kernel.activity import Activity
from actors.kernel.fates import Books
from actors.kernel.mailbox import DEFAULT_CAPACITY, Mailbox, Overflow
from actors.kernel.statistics import ActorStatistics, RunningOp, State

DEFAULT_GRACE = 5.0
"""Seconds an actor has to end what it is doing once it is asked to stop, as OTP gives its workers."""

QUARANTINE_AFTER = 3
"""Incarnations that one message may crash: one could be bad luck and two a coincidence."""

_SEAL_BYTES = 16
"""As many as a UUID has, and for the same reason: no two are ever the same."""

Reason = Literal["normal", "stopped", "killed", "crashed", "cancelled", "declined"]


@attrs.frozen
class Exit:
    """How one incarnation ended.

    Args:
        reason: "normal" (it finished by itself), "stopped" (it was asked to and did within its grace), "killed" (its
            grace ran out), "crashed" (an error nobody declared), "cancelled" (the block around it was cancelled),
            "declined" (its factory or its `setup` raised `NotNow`).
        error: the crash, or what went wrong while stopping, or the `NotNow`, or None.
        is_quarantine: whether it was crashed by a message that has been taken out for it and will crash no other.
    """

    reason: Reason
    error: BaseException | None = None
    is_quarantine: bool = False


@attrs.frozen
class Down:
    """The news that an actor has ended for good.

    Args:
        actor: its name.
        reason: as in `Exit`.
        error: as in `Exit`.
        incarnation: the number of its last incarnation, from 1.
    """

    actor: str
    reason: Reason
    error: BaseException | None
    incarnation: int


class Performer(Protocol):
    """What a slot knows of the incarnation that plays in it."""

    def request_stop(self, grace: float, *, drain: bool) -> None:
        """End within `grace` seconds, after the queued messages if `drain`."""
        ...

    def post(self, call: Callable[[], object]) -> None:
        """Run `call` in the actor at the next message boundary, ahead of all queued messages."""
        ...

    def leave_behind(self, cause: BaseException | None) -> None:
        """Let go of all that was begun although it has not ended: for one that shields itself from its end."""
        ...

    def activities(self) -> tuple[Activity, ...]:
        """Return the ops at work, oldest first."""
        ...

    @property
    def parked_count(self) -> int:
        """How many answers are deferred."""
        ...

    @property
    def actor(self) -> object | None:
        """The actor object, or None before it is made and after it has ended."""
        ...


@attrs.define(eq=False)
class Slot:
    """One addressable actor over all its incarnations.

    Args:
        name: how it is called in errors, logs and snapshots.
        mailbox: where its messages arrive.
        quarantine_after: incarnations that one message may crash before it is taken out.
        keeps_state: whether the state of an incarnation is handed to the next one.
        estate: what the last incarnation handed over, until the next one takes it.
        has_lived: whether any incarnation got through its `setup`.
        is_healthy: False after the incarnation has reported itself unhealthy.
        on_health: called when `is_healthy` has changed.
        heir: asked when the slot is closed: the slot that takes over what lies in the mailbox, or None.
    """

    name: str
    mailbox: Mailbox
    state: State = "starting"
    incarnation: int = 0
    down: Down | None = None
    performer: Performer | None = None
    on_stop_request: Callable[[float], object] | None = None
    quarantine_after: int = QUARANTINE_AFTER
    keeps_state: bool = False
    estate: object | None = None
    has_lived: bool = False
    is_healthy: bool = True
    on_health: Callable[[], object] | None = None
    heir: Callable[[], Slot | None] | None = None
    _stop_request: tuple[float, bool] | None = None
    _exit_waiters: tuple[trio.Event, ...] = ()
    _watchers: tuple[Callable[[Down], object], ...] = ()
    _seal: str = attrs.field(default="", init=False, repr=False)

    @property
    def seal(self) -> str:
        """A few letters that no other slot has, here or in any other process; for values that come back from afar.

        They are the same over all incarnations, and say nothing: they are drawn, so they belong into no log and no
        comparison of two runs of one seed.
        """
        if not self._seal:
            self._seal = secrets.token_hex(_SEAL_BYTES)
        return self._seal

    @classmethod
    def open(
        cls,
        name: str,
        books: Books,
        *,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = "wait",
        quarantine_after: int = QUARANTINE_AFTER,
        keeps_state: bool = False,
    ) -> Slot:
        """Make a slot whose messages count into `books`.

        Raises:
            TypeError: `name` is no text, or another argument is of the wrong kind.
            ValueError: `name` is empty or would not print on one line, or another argument is out of its bounds.
        """
        if type(name) is not str:
            raise TypeError(f"name must be a string, got {name!r}")
        if not name or not name.isprintable():
            raise ValueError(f"name must be printable text on one line, got {name!r}")
        if type(quarantine_after) is not int:
            raise TypeError(f"quarantine_after must be a whole number, got {quarantine_after!r}")
        if quarantine_after < 1:
            raise ValueError(f"quarantine_after must be >= 1, got {quarantine_after}")
        if type(keeps_state) is not bool:
            raise TypeError(f"keeps_state must be a bool, got {keeps_state!r}")
        mailbox = Mailbox(name, capacity, overflow, books)
        return cls(name, mailbox, quarantine_after=quarantine_after, keeps_state=keeps_state)

    @property
    def actor(self) -> object | None:
        """The actor object that plays now, or None: for looking inside only, its state is its own."""
        return None if self.performer is None else self.performer.actor

    def enter(self, performer: Performer) -> int:
        """Let an incarnation play; return its number. A stop that was asked for before reaches it."""
        self.performer = performer
        self.incarnation += 1
        self.state = "starting"
        self.report_health(is_healthy=True)
        if self._stop_request is not None:
            grace, drain = self._stop_request
            performer.request_stop(grace, drain=drain)
        return self.incarnation

    def leave(self, state: State) -> None:
        """Note that the incarnation is over and the slot waits in `state`."""
        self.performer = None
        self.state = state
        self._stop_request = None
        self.mailbox.take_new()
        waiters, self._exit_waiters = self._exit_waiters, ()
        for waiter in waiters:
            waiter.set()

    def request_stop(self, grace: float, *, drain: bool = False) -> None:
        """Ask the actor to end within `grace` seconds. Asking twice shortens the grace at most."""
        if self.down is not None:
            return
        self._stop_request = (grace, drain)
        if self.performer is not None:
            self.performer.request_stop(grace, drain=drain)
        if self.on_stop_request is not None:
            self.on_stop_request(grace)

    def report_health(self, *, is_healthy: bool) -> None:
        """Note how the actor is, and tell whoever wants to know if that has changed."""
        if is_healthy is self.is_healthy:
            return
        self.is_healthy = is_healthy
        if self.on_health is not None:
            self.on_health()

    def close(self, exit_: Exit) -> None:
        """End for good: turn away what is queued, or leave it to the heir, and tell the watchers."""
        self.leave("ended")
        self.down = Down(self.name, exit_.reason, exit_.error, self.incarnation)
        self.estate = None
        heir = None if self.heir is None else self.heir()
        if heir is not None:
            self.mailbox.move_to(heir.mailbox)
        self.mailbox.close(exit_.error)
        self.mailbox.books.close_tally(self.mailbox.tally)
        watchers, self._watchers = self._watchers, ()
        for watcher in watchers:
            watcher(self.down)

    def watch(self, watcher: Callable[[Down], object]) -> Callable[[], None]:
        """Call `watcher` once, when the actor has ended for good; at once if it has. Return how to stop watching."""
        if self.down is not None:
            watcher(self.down)
            return _nothing
        self._watchers += (watcher,)

        def forget() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

        return forget

    async def wait_exit(self) -> None:
        """Wait until the incarnation that plays, or is about to, is over; at once where none is."""
        if self.down is not None or self.state == "restarting":
            await trio.lowlevel.checkpoint()
            return
        event = trio.Event()
        self._exit_waiters += (event,)
        await event.wait()

    async def wait_down(self) -> Down:
        """Wait until the actor has ended for good."""
        ended = trio.Event()
        forget = self.watch(lambda _down: ended.set())
        try:
            await ended.wait()
        finally:
            forget()
        assert self.down is not None  # noqa: S101  # the event is set by close, after down
        return self.down

    def statistics(self) -> ActorStatistics:
        """Return a snapshot. Answered at once, whatever the actor is doing."""
        performer = self.performer
        return ActorStatistics(
            name=self.name,
            state=self.state,
            incarnation=self.incarnation,
            depth=self.mailbox.depth + self.mailbox.waiting,
            capacity=self.mailbox.capacity,
            running=() if performer is None else tuple(map(RunningOp.of, performer.activities())),
            parked=0 if performer is None else performer.parked_count,
            messages=self.mailbox.tally.snapshot(),
            is_healthy=self.is_healthy,
        )


def _nothing() -> None:
    """Forget nothing: the watcher was called already."""
