"""The roster of one supervisor: its children in start order, stopped ones included, and who leans on whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import attrs

from actors.errors import NameTaken
from actors.kernel.actor import Actor
from actors.kernel.fates import Books
from actors.kernel.slot import Exit, Slot
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.child_spec import ChildSpec
from supervisors.dependencies import Dependencies, Strategy, start_order
from supervisors.failures import Failures
from supervisors.intensity import CHILD_INTENSITY, RestartWindow
from supervisors.registry import Registry
from supervisors.restart import RestartRecord


@attrs.define(eq=False)
class Roster:
    """Knows the children; makes them from their specs. It starts and stops nobody.

    Args:
        strategy: who is restarted with whom besides what the specs declare.
        books: where the children's messages are counted.
        backoff: how long children wait before a restart that do not say it themselves.
        window: the budget of restarts over all children.
        registry: the names of the tree.
        on_stop_request: is told when a child is asked to stop.
        by_id: the children in start order.
        significant: how many significant ones are not over.
    """

    strategy: Strategy
    books: Books
    backoff: Backoff
    window: RestartWindow
    registry: Registry
    on_stop_request: Callable[[Child], object]
    by_id: dict[str, Child] = attrs.field(factory=dict[str, Child], init=False)
    significant: int = attrs.field(default=0, init=False)
    _dependencies: Dependencies = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._dependencies = Dependencies(self.strategy)

    def add(self, spec: ChildSpec[Actor]) -> Child:
        """Take a child in, or a stopped one anew in its old place, under its name.

        Raises:
            NameTaken: another actor has the name; nothing was changed.
        """
        if spec.name is not None:
            self.registry.check_free(spec.name)
        child = self._take_in(spec)
        if spec.name is not None:
            self.registry.register(spec.name, child.slot)
        return child

    def _take_in(self, spec: ChildSpec[Actor]) -> Child:
        slot = Slot.open(
            spec.id,
            self.books,
            capacity=spec.capacity,
            overflow=spec.overflow,
            quarantine_after=spec.quarantine_after,
            keeps_state=spec.keep_state,
        )
        own = spec.intensity or CHILD_INTENSITY
        record = RestartRecord(spec.restart, spec.backoff or self.backoff, RestartWindow(own), self.window)
        child = Child(spec, slot, record, Failures(own.restarts))
        slot.on_stop_request = lambda _grace: self.on_stop_request(child)
        is_late = spec.id not in self.by_id and bool(self._dependencies.needed_by(spec.id))
        self.by_id[spec.id] = child
        self._dependencies.add(spec.id, spec.needs)
        self.significant += spec.significant
        if is_late:
            self._reorder(self.check(()))
        return child

    def close(self, child: Child) -> None:
        """Close a child that plays no more; it stays on the roster."""
        self.significant -= child.spec.significant
        child.close()

    def forget(self, child: Child) -> None:
        """Strike a child off; one that has a successor under its id is off already."""
        if self.by_id.get(child.id) is child:
            del self.by_id[child.id]
            self._dependencies.remove(child.id, child.spec.needs)

    # together with others

    def needed_by(self, child: Child) -> tuple[str, ...]:
        """Return the ids of those whose specs name the child."""
        return self._dependencies.needed_by(child.id)

    def with_dependents(self, child: Child) -> list[Child]:
        """Return the child and whoever needs it, directly or through others, in start order."""
        if not self._dependencies.needed_by(child.id):
            return [child]
        together = self._dependencies.dependents(child.id)
        return [each for each in self.by_id.values() if each.id in together]

    def needs_of(self, child: Child) -> list[Child]:
        """Return those that the child needs, as far as they are here."""
        return [self.by_id[each] for each in child.spec.needs if each in self.by_id]

    def unmet_need(self, spec: ChildSpec[Actor]) -> str | None:
        """Say which need is down, or None when none is; one that has finished or declined is not missed."""
        for each in spec.needs:
            if each not in self.by_id:
                return f"child {spec.id!r} needs {each!r}, and there is no such child"
            if not self._is_met(each):
                return f"child {spec.id!r} needs {each!r}, which is stopped; restart that first"
        return None

    def _is_met(self, need: str) -> bool:
        needed = self.by_id.get(need)
        if needed is None:
            return False
        return needed.exit.reason in {"normal", "declined"} if needed.is_over else not needed.is_dismissed

    def restart_group(self, child: Child) -> list[Child]:
        """Return whoever is restarted with the child, itself included, in start order.

        A group is restarted whole: those that were stopped are in it, anew. What is being stopped by hand is not, nor
        is what was stopped and needs another that stays down, or has lost its name to another actor meanwhile.
        """
        group: dict[str, Child] = {}
        for each in map(self.by_id.__getitem__, self._dependencies.restart_set(child.id, self.by_id)):
            if each.is_over and all(need in group or self._is_met(need) for need in each.spec.needs):
                each = self._renewed(each)  # noqa: PLW2901  # the same child, in a new slot
            if not (each.is_over or each.is_dismissed):
                group[each.id] = each
        return list(group.values())

    def next_of(self, waiting: Collection[Child], due: Mapping[Child, float]) -> Child:
        """Return who is to be started next: the one due first of those that lean on none of the others.

        Args:
            waiting: the members of a group that are still to be started, in start order; at least one.
            due: the instants before which they are not.
        """
        if self.strategy != "one_for_one":
            return next(iter(waiting))  # all others stand behind it
        still_down = {child.id for child in waiting}
        ready = (child for child in waiting if still_down.isdisjoint(child.spec.needs))
        return min(ready, key=due.__getitem__)

    def _renewed(self, child: Child) -> Child:
        if not child.is_over:
            return child
        try:
            renewed = self.add(child.spec)
        except NameTaken:
            return child
        renewed.settle()
        renewed.rest()
        return renewed

    # change at run time

    def check(self, specs: Sequence[ChildSpec[Actor]]) -> tuple[str, ...]:
        """Return the start order with `specs` added or changed, those first.

        Raises:
            ValueError: as `order_of`; but what was here before may have lost what it needs.
        """
        by_id = {spec.id: spec for spec in specs}
        others = {child.id: child.spec for child in self.by_id.values() if child.id not in by_id}
        known = by_id | others
        left = [
            attrs.evolve(spec, needs=tuple(each for each in spec.needs if each in known))
            for spec in others.values()
        ]
        return order_of((*specs, *left))

    def change(self, specs: Sequence[ChildSpec[Actor]]) -> None:
        """Put `specs` in the place of those with the same ids, and first in the row; new ones wait to be started.

        Raises:
            ValueError: as `order_of`; nothing was changed.
        """
        order = self.check(specs)
        for spec in specs:
            self._change(spec)
        self._reorder(order)

    def _reorder(self, order: Sequence[str]) -> None:
        children = dict(self.by_id)
        self.by_id.clear()
        self.by_id.update((each, children[each]) for each in order)

    def _change(self, spec: ChildSpec[Actor]) -> None:
        child = self.by_id.get(spec.id)
        if child is None:
            child = self._take_in(spec)
            child.exit = Exit("declined")
            self.close(child)
            return
        self._dependencies.remove(child.id, child.spec.needs)
        self._dependencies.add(spec.id, spec.needs)
        if not child.is_over:
            self.significant += spec.significant - child.spec.significant
        child.change(spec, spec.backoff or self.backoff, spec.intensity or CHILD_INTENSITY)


def order_of(specs: Iterable[ChildSpec[Actor]]) -> tuple[str, ...]:
    """Return the ids in start order: each behind what it needs, and otherwise as given.

    Raises:
        ValueError: a need is not there or is temporary, or children need each other in a circle.
    """
    by_id = {spec.id: spec for spec in specs}
    order = start_order({spec.id: spec.needs for spec in by_id.values()})
    for spec in by_id.values():
        for each in spec.needs:
            if by_id[each].restart == "temporary":
                raise ValueError(
                    f"child {spec.id!r} needs {each!r}, which is temporary and never brought back"
                )
    return order
