"""What a supervisor must know of a child before it starts: the spec, a frozen value.

A spec is a job advertisement: it says how to fill the role and what happens when it falls vacant. It is not the
child, and one spec can be used in many trees. It leans on the kernel for its types (actor, mailbox) and on
its neighbours for theirs; it decides nothing, and calls nothing that does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast, get_args

import attrs

from actors.kernel.actor import Actor
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from supervisors.backoff import Backoff
from supervisors.intensity import Intensity
from supervisors.restart import RESTART_TYPES, RestartType

ActorT_co = TypeVar("ActorT_co", bound=Actor, covariant=True)

OVERFLOWS: tuple[str, ...] = get_args(Overflow)

DEFAULT_QUARANTINE_AFTER = 3
"""Incarnations a message may crash: once is bad luck, twice suspicious, three times says that it is the message."""


@attrs.frozen
class ChildSpec(Generic[ActorT_co]):
    """How one child is made, restarted and stopped.

    Args:
        id: what the child is called: unique among its siblings, and its name in errors and events.
        factory: makes a new actor for every incarnation; a class without arguments, a `functools.partial` or a lambda.
        restart: "permanent" (started again however it ends), "transient" (started again after a crash) or
            "temporary" (never started again, and forgotten when it ends).
        grace: seconds it has to end when it is asked to stop; `math.inf` is unlimited, 0 cancels at once. None
            leaves it to the actor: 5 s, or unlimited for a supervisor, whose own children have graces.
        capacity: messages its mailbox holds before senders wait.
        overflow: what a full mailbox does: "wait", "refuse", "drop_oldest" or "drop_newest".
        backoff: how long to wait before a restart; None takes the supervisor's.
        intensity: the child's own restart budget; None takes 3 in 30 s.
        significant: whether its end by itself counts for its supervisor's auto-shutdown; not for permanent children,
            which never end by themselves.
        needs: ids of the siblings it cannot work without: it starts after them, stops before them, and is restarted
            with them.
        name: under which others of the tree find it; None for a child that is not registered.
        keep_state: whether an incarnation's state is handed to the next one (`Actor.hand_over`, `take_over`).
        quarantine_after: incarnations that a message of an idempotent op may crash before it is not tried again.

    Raises:
        TypeError: a field is of the wrong kind.
        ValueError: a field is out of its bounds, or two do not go together.
    """

    id: str
    factory: Callable[[], ActorT_co]
    restart: RestartType = "permanent"
    grace: float | None = None
    capacity: int = DEFAULT_CAPACITY
    overflow: Overflow = "wait"
    backoff: Backoff | None = None
    intensity: Intensity | None = None
    significant: bool = attrs.field(default=False, kw_only=True)
    needs: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    name: str | None = attrs.field(default=None, kw_only=True)
    keep_state: bool = attrs.field(default=False, kw_only=True)
    quarantine_after: int = attrs.field(default=DEFAULT_QUARANTINE_AFTER, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_kinds()
        self._check_bounds()
        self._check_needs()

    def _check_kinds(self) -> None:
        """Refuse what a type checker would have refused, for callers without one."""
        fields: dict[str, object] = {
            field.name: getattr(self, field.name) for field in attrs.fields(ChildSpec)
        }
        if not isinstance(fields["id"], str):
            raise TypeError(f"id must be a string, got {self.id!r}")
        if isinstance(fields["factory"], Actor):
            raise TypeError(
                f"factory must make an actor, got a {type(self.factory).__name__} that is made already"
            )
        if not callable(fields["factory"]):
            raise TypeError(f"factory must be callable without arguments, got {self.factory!r}")
        if self.grace is not None and not _is_number(fields["grace"]):
            raise TypeError(f"grace must be a number of seconds or None, got {self.grace!r}")
        for name in ("capacity", "quarantine_after"):
            if type(fields[name]) is not int:
                raise TypeError(f"{name} must be a whole number, got {fields[name]!r}")
        for name, kind in (("backoff", Backoff), ("intensity", Intensity)):
            if not isinstance(fields[name], kind | None):
                raise TypeError(f"{name} must be {_article(kind)} or None, got {fields[name]!r}")
        for name in ("significant", "keep_state"):
            if type(fields[name]) is not bool:
                raise TypeError(f"{name} must be a bool, got {fields[name]!r}")
        if not isinstance(fields["name"], str | None):
            raise TypeError(f"name must be a string or None, got {self.name!r}")

    def _check_bounds(self) -> None:
        if not self.id or not self.id.isprintable():
            raise ValueError(f"id must be printable text on one line, got {self.id!r}")
        if self.restart not in RESTART_TYPES:
            raise ValueError(f"restart must be permanent, transient or temporary, got {self.restart!r}")
        if self.grace is not None and not self.grace >= 0:
            raise ValueError(f"grace must be >= 0, got {self.grace}")
        for name in ("capacity", "quarantine_after"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.overflow not in OVERFLOWS:
            raise ValueError(
                f"overflow must be wait, refuse, drop_oldest or drop_newest, got {self.overflow!r}"
            )
        if self.significant and self.restart == "permanent":
            raise ValueError("significant must be False for a permanent child, which never ends by itself")
        if self.name is not None and (not self.name or not self.name.isprintable()):
            raise ValueError(f"name must be printable text on one line, got {self.name!r}")

    def _check_needs(self) -> None:
        needs = cast("object", self.needs)
        if not isinstance(needs, tuple):
            raise TypeError(f"needs must be a tuple of ids, got {needs!r}")
        for each in cast("tuple[object, ...]", needs):
            if not isinstance(each, str):
                raise TypeError(f"needs must hold ids, got {each!r}")
        if self.id in self.needs:
            raise ValueError(f"needs must not hold the child itself, got {self.id!r}")
        if len(set(self.needs)) < len(self.needs):
            raise ValueError(f"needs must hold each id once, got {self.needs!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _article(kind: type[object]) -> str:
    return f"an {kind.__name__}" if kind.__name__[0] in "AEIOU" else f"a {kind.__name__}"
