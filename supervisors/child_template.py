"""What all dynamic children of one supervisor have in common: a spec with a hole, which arguments fill."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import attrs

from actors.kernel.actor import Actor
from actors.kernel.mailbox import DEFAULT_CAPACITY, Overflow
from supervisors.backoff import Backoff
from supervisors.child_spec import DEFAULT_QUARANTINE_AFTER, ChildSpec
from supervisors.intensity import Intensity
from supervisors.restart import RestartType

P = ParamSpec("P")
ActorT = TypeVar("ActorT", bound=Actor)


@attrs.frozen
class ChildTemplate(Generic[P, ActorT]):
    """How each of many alike children is made, restarted and stopped.

    Args:
        factory: makes a new actor from the arguments of `start_child`, most often a class; for every incarnation.
        restart: as in `ChildSpec`, but children that are not started again are forgotten, whatever their type, since
            nobody could name them. The arguments of "temporary" children are let go as soon as they are used.
        grace, capacity, overflow, backoff, intensity, significant, keep_state, quarantine_after: as in `ChildSpec`.

    Raises:
        TypeError: a field is of the wrong kind.
        ValueError: a field is out of its bounds, or two do not go together.
    """

    factory: Callable[P, ActorT]
    restart: RestartType = "temporary"
    grace: float | None = None
    capacity: int = DEFAULT_CAPACITY
    overflow: Overflow = "wait"
    backoff: Backoff | None = None
    intensity: Intensity | None = None
    significant: bool = attrs.field(default=False, kw_only=True)
    keep_state: bool = attrs.field(default=False, kw_only=True)
    quarantine_after: int = attrs.field(default=DEFAULT_QUARANTINE_AFTER, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._spec("template", self.factory)  # what a spec refuses, a template refuses

    def spec(self, child_id: str, *args: P.args, **kwargs: P.kwargs) -> ChildSpec[ActorT]:
        """Return the spec of one child.

        Args:
            child_id: what it is called.
            args: what the factory is called with.
            kwargs: what it is called with by name.
        """
        make: Callable[[], ActorT] = partial(self.factory, *args, **kwargs)
        return self._spec(child_id, _Once(make) if self.restart == "temporary" else make)

    def _spec(self, child_id: str, factory: Callable[..., ActorT]) -> ChildSpec[ActorT]:
        shared: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(ChildTemplate)
            if field.name != "factory"
        }
        return ChildSpec(child_id, factory, **shared)


@attrs.define(eq=False)
class _Once(Generic[ActorT]):
    """Makes one actor and lets go of what it was made from."""

    _make: Callable[[], ActorT] | None

    def __call__(self) -> ActorT:
        make, self._make = self._make, None
        if make is None:
            raise RuntimeError("a temporary child is made once")
        return make()
