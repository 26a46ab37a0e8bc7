"""A supervisor of many alike children that come and go: started by arguments, stopped by their refs.

What `simple_one_for_one` is to Erlang: no ids to invent, no order, no row of specs that grows. Children fail and are
restarted each by itself, those that end are forgotten, and at the end all are stopped in parallel.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import attrs

from actors.errors import ChildNotFound, ChildStillRunning, StartFailed, TooManyChildren
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.reply import Deferred
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child_template import ChildTemplate
from supervisors.events import OnEvent, unobserved
from supervisors.foreman import Foreman, Manner, is_child
from supervisors.inside import Inside
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.owner import AutoShutdown


class DynamicSupervisor(Foreman):
    """Starts children from a template by arguments, restarts each by itself, and stops all in parallel.

    It is a crew boss who hires by the day. Open one with `open_dynamic_supervisor`, or nest it:
    `ChildSpec("sessions", lambda: DynamicSupervisor(ChildTemplate(Session)))`; `DynamicTree(ref)` is the handle. When
    it is restarted itself, it begins without children.

    Args:
        template: what the children have in common. It is also the beginning of their ids: "Session-1", "Session-2".
        intensity: the budget of restarts over all children.
        backoff: how long children wait before a restart, unless the template says it.
        auto_shutdown: whether the supervisor ends by itself: "never", with the first significant child that does
            ("any"), or with the last ("all").
        max_children: how many it may have at a time; None for any number.
        seed: makes the jitter the same in every run.
        rng: where the jitter comes from instead.
        on_event: called with each lifecycle event of it and of supervisors nested in it, in the task where it happens;
            it must not raise.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds, the template is significant for nothing, or both seed and rng are
            given.
    """

    def __init__(
        self,
        template: ChildTemplate[..., Any],
        *,
        intensity: Intensity = SUPERVISOR_INTENSITY,
        backoff: Backoff = DEFAULT_BACKOFF,
        auto_shutdown: AutoShutdown = "never",
        max_children: int | None = None,
        seed: int | None = None,
        rng: random.Random | None = None,
        on_event: OnEvent = unobserved,
    ) -> None:
        super().__init__(Manner("one_for_one", intensity, backoff, auto_shutdown, seed, rng, on_event))
        self._template = _checked(template, auto_shutdown)
        if max_children is not None and type(max_children) is not int:
            raise TypeError(f"max_children must be a whole number or None, got {max_children!r}")
        if max_children is not None and max_children < 1:
            raise ValueError(f"max_children must be >= 1, got {max_children}")
        self._max_children = max_children
        self._started = 0

    stops_at_once: ClassVar[bool] = True

    async def setup(self) -> None:
        """Begin without children."""
        self._open().be_forgetful()

    def look_inside(self) -> Inside:
        """Return its children and its place in the tree, for a snapshot: at once, at any moment."""
        return attrs.evolve(super().look_inside(), strategy="dynamic")

    @op(raises=(StartFailed, TooManyChildren), undo=Foreman.take_back)
    def start_child(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Deferred[Ref[Any]]:
        """Start a child from `args` and `kwargs`; answered when its `setup` has ended."""
        if self._max_children is not None and len(self._children.by_id) >= self._max_children:
            text = f"supervisor {self.name!r} has its {self._max_children} children"
            raise TooManyChildren(text, child=self.name)
        self._started += 1
        kind = getattr(self._template.factory, "__name__", "child").strip("<>")
        child = self._children.add(self._template.spec(f"{kind}-{self._started}", *args, **kwargs))
        child.is_on_trial = True
        return self._start_later(child, lambda: self._children.discard(child))

    @op(raises=(ChildNotFound, ChildStillRunning, TypeError))
    def stop_child(self, ref: Ref[Any]) -> Deferred[None]:
        """Stop a child within its grace and forget it; answered when it has stopped."""
        if not isinstance(ref, Ref):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"a dynamic child is stopped by its ref, got {type(ref).__name__}")
        child = self._children.by_id.get(ref.name)
        if child is None or not is_child(child, ref):
            raise ChildNotFound(f"{ref.name!r} is no child of {self.name!r}", child=ref.name)
        return self._stop_later(child, DynamicSupervisor.stop_child(ref))

    @op
    def get_template(self) -> ChildTemplate[..., Any]:
        """Return what new children are started from."""
        return self._template

    @op(raises=(TypeError, ValueError))
    def change_template(self, template: ChildTemplate[..., Any]) -> None:
        """Start children from another template from now on; those there are stay what they are."""
        self._template = _checked(template, self._manner.auto_shutdown)


def _checked(template: object, auto_shutdown: AutoShutdown) -> ChildTemplate[..., Any]:
    if not isinstance(template, ChildTemplate):
        raise TypeError(f"template must be a ChildTemplate, got {type(template).__name__}")
    checked = cast("ChildTemplate[..., Any]", template)
    if checked.significant and auto_shutdown == "never":
        raise ValueError("the template is significant, but auto_shutdown is 'never'")
    return checked
