"""The base class of all actors: what a subclass may define, and what it may call.

An actor owns its state. Nobody else touches it: others send messages, and the ops that handle them are the only
code that changes it. It is not a thread and not a service: an idle one costs a few kilobytes and no time.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar, TypeVarTuple, cast

from actors.kernel.message import Message, OpSpec
from actors.kernel.ops import op_table
from actors.kernel.ref import Ref
from actors.kernel.slot import DEFAULT_GRACE, Down
from actors.kernel.timers import Timer

Ts = TypeVarTuple("Ts")
OtherT = TypeVar("OtherT")


class Stage(Protocol):
    """What an actor sees of the incarnation that runs it."""

    @property
    def name(self) -> str:
        """The slot's name."""
        ...

    @property
    def number(self) -> int:
        """The number of this incarnation, from 1."""
        ...

    @property
    def deferred_since(self) -> float | None:
        """Since when the message at hand waits for an answer that an earlier incarnation deferred, or None."""
        ...

    def ref(self) -> Ref[Any]:
        """Return a ref to the slot."""
        ...

    def now(self) -> float:
        """Return the present instant on the Trio clock."""
        ...

    def start_timer(self, delay: float, message: object, interval: float | None) -> Timer:
        """Arm a timer."""
        ...

    def start_task(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run a child task that is cancelled at the end."""
        ...

    def watch(self, ref: Ref[Any], on_down: Callable[[Down], object]) -> None:
        """Have the message that `on_down` makes handled when `ref`'s actor has ended for good."""
        ...

    def finish(self, grace: float) -> None:
        """End normally after the current message; what still runs then has `grace` seconds."""
        ...

    def report_health(self, *, is_healthy: bool) -> None:
        """Tell whoever watches over the slot how the actor is."""
        ...


class Actor:
    """Subclass it, keep state in attributes, and mark what others may ask for with `@op`.

    The constructor should only store its arguments; `self.ref`, `self.now()` and the rest work from `setup` on.
    Exceptions that an op does not declare end the actor; what happens then is its supervisor's decision.
    """

    __slots__ = ("_stage",)
    __ops__: ClassVar[Mapping[type[Any], OpSpec]] = {}
    _stage: Stage

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__ops__ = op_table(cls)
        for spec in cls.__ops__.values():
            if hasattr(Actor, spec.name):
                raise TypeError(f"op {cls.__name__}.{spec.name}: the name is the kernel's own; take another")
        for hook in (cls.hand_over, cls.take_over, cls.next_deadline, cls.on_deadline):
            if inspect.iscoroutinefunction(hook):
                raise TypeError(f"{cls.__name__}.{hook.__name__} must be a plain def, not async")

    # what a subclass may define

    async def setup(self) -> None:
        """Get ready: runs before the first message. If it raises, the start has failed and `teardown` is not run."""

    async def wind_down(self) -> None:
        """Begin to end, within the grace: runs on a stop or finish, not on a crash, while child tasks still run."""

    async def teardown(self) -> None:
        """Let go of what `setup` took: runs however the actor ends, shielded, for the rest of the grace."""

    def next_deadline(self) -> float:
        """Return the instant on the Trio clock at which `on_deadline` is due, or infinity.

        It is asked again after each message, so a policy's own `next_deadline` can be passed on as it is.
        """
        return math.inf

    def on_deadline(self) -> None:
        """Act on the instant `next_deadline` gave; afterwards that must lie in the future."""

    def hand_over(self) -> object:
        """Return the state the next incarnation may begin with, or None: called after `teardown`, where state is kept.

        It is called after a crash as well, so what it returns may have been left half changed.
        """
        return None

    def take_over(self, state: object) -> None:
        """Begin with what the last incarnation handed over, before `setup`; raise to refuse it and start cold.

        Only verify and store it. Answers that were deferred ended with the last incarnation: drop what waits for
        them. An actor that refuses is thrown away and a fresh one plays.

        Raises:
            Exception: the state cannot be trusted; this one refuses any.
        """
        raise NotImplementedError(f"{type(self).__name__} takes over no {type(state).__name__}")

    # what a subclass may call

    @property
    def name(self) -> str:
        """The name of the slot the actor plays in."""
        return self._running.name

    @property
    def incarnation(self) -> int:
        """The number of this incarnation in its slot, from 1."""
        return self._running.number

    @property
    def ref(self) -> Ref[Self]:
        """A ref to this actor, to give to others."""
        return self._running.ref()

    def now(self) -> float:
        """Return the present instant on the Trio clock."""
        return self._running.now()

    @property
    def deferred_since(self) -> float | None:
        """Since when the asker of the message at hand waits for a `Deferred` of an earlier incarnation, or None.

        It is for plain ops that are idempotent: None is for a message that comes for the first time.
        """
        return self._running.deferred_since

    def after(self, delay: float, message: Message[Self, object]) -> Timer:
        """Handle `message` in `delay` seconds. The timer ends with this incarnation."""
        return self._running.start_timer(delay, _told(message), None)

    def every(self, interval: float, message: Message[Self, object]) -> Timer:
        """Handle `message` every `interval` seconds, first after one interval. Ends with this incarnation."""
        if not interval > 0:
            raise ValueError(f"interval must be > 0, got {interval}")
        return self._running.start_timer(interval, _told(message), interval)

    def start_soon(self, run: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Run `run(*args)` as a child task of the actor. It is cancelled when the actor ends; its crash is one too."""
        self._running.start_task(lambda: run(*args))

    def watch(self, other: Ref[OtherT], on_down: Callable[[Down], Message[Self, object]]) -> None:
        """Handle `on_down(down)` when `other` has ended for good."""
        self._running.watch(other, on_down)

    def finish(self, *, grace: float = DEFAULT_GRACE) -> None:
        """End normally after the current message. What is queued is turned away; what runs has `grace` seconds."""
        if not grace >= 0:
            raise ValueError(f"grace must be >= 0, got {grace}")
        self._running.finish(grace)

    def report_health(self, is_healthy: bool) -> None:
        """Tell whoever watches over the actor whether it is fit for its work; a new incarnation always is."""
        if type(is_healthy) is not bool:
            raise TypeError(f"is_healthy must be a bool, got {is_healthy!r}")
        self._running.report_health(is_healthy=is_healthy)

    @property
    def _running(self) -> Stage:
        try:
            return self._stage
        except AttributeError:
            kind = type(self).__name__
            raise RuntimeError(
                f"this {kind} is not running; open it with open_actor or a supervisor"
            ) from None

    def _enter(self, stage: Stage) -> None:
        """Begin to play; called by the kernel once."""
        if getattr(self, "_stage", None) is not None:
            raise RuntimeError(
                f"this {type(self).__name__} runs already; a factory must make a new one each time"
            )
        self._stage = stage


def _told(message: object) -> object:
    if not isinstance(message, Message):
        raise TypeError(f"a timer takes a message, such as Counter.add(3), got {type(message).__name__}")
    return cast("object", message)


def play(actor: object, stage: Stage) -> Actor:
    """Put `actor` on `stage` and return it.

    Raises:
        TypeError: it is not an actor.
    """
    if not isinstance(actor, Actor):
        raise TypeError(f"the factory must return an Actor, got {type(actor).__name__}")
    actor._enter(stage)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the kernel's side of it
    return actor
