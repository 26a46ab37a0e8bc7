"""What a tree looks like in one instant: frozen, fit for JSON, and drawn as text.

It is a photograph, not a mirror: nothing in it changes, and it holds no actor, ref or message. It holds no user data
either: of messages only counts and the names of ops, of errors only the names of their types.

The tree lies flat in it, each supervisor before its children. So a tree that is a thousand levels deep is a thousand
rows, which compare, print and become JSON like any others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import trio

from actors.kernel.fates import Fate, FateCounts
from actors.kernel.slot import Slot
from actors.kernel.statistics import RunningOp
from supervisors.child import ChildState, Kind
from supervisors.inside import ChildView, Inside, inside_of
from supervisors.restart import RestartType
from supervisors.tree_drawing import NO_BREAK, Column, Row, draw_tree

DEFAULT_WIDTH = 80
"""Characters in a line of the drawing, the width of a terminal nobody has resized."""

COLUMNS = (
    Column("kind", rank=5),
    Column("state", rank=1),
    Column("run", rank=3, align="right"),
    Column("restarts", rank=4, align="right"),
    Column("mailbox", rank=2, align="right"),
)
"""The columns of the drawing; "run" is the number of the incarnation."""


@attrs.frozen
class OpSnapshot:
    """An op at work.

    Args:
        op: its name; "setup" while the actor starts, "wind_down" while it ends.
        seconds: for how long.
        waits_for: the ops of others that have to end first, as "actor.op", or actors that have to.
    """

    op: str
    seconds: float
    waits_for: tuple[str, ...] = ()


@attrs.frozen
class ActorSnapshot:
    """One actor of the tree.

    Args:
        supervisor: the path of the supervisor that keeps it, as in events; empty for the root.
        id: its id among its siblings; for the root its name.
        level: how deep it hangs, 0 for the root.
        name: under which the registry has it, or None.
        kind: "supervisor" or "worker".
        strategy: of a supervisor, how it keeps its children; empty for a worker.
        restart: its restart type; None for the root, which nobody starts again.
        is_significant: whether its end may end its supervisor.
        role: what it is among its siblings, such as "primary", or empty.
        state: starting, running, stopping, restarting or stopped.
        is_healthy: what it last reported of itself.
        incarnation: the number of the current or last incarnation, from 1; 0 before the first.
        restarts: how often it was started again since it was started.
        error: the name of the type of its last error, empty without one.
        depth: messages in its mailbox.
        capacity: messages its mailbox holds.
        waiting: senders that wait for room in it.
        running: ops at work, oldest first.
        parked: messages whose answer is deferred.
        messages: counts by fate, over all incarnations.
    """

    supervisor: str
    id: str
    level: int
    name: str | None
    kind: Kind
    strategy: str
    restart: RestartType | None
    is_significant: bool
    role: str
    state: ChildState
    is_healthy: bool
    incarnation: int
    restarts: int
    error: str
    depth: int
    capacity: int
    waiting: int
    running: tuple[OpSnapshot, ...]
    parked: int
    messages: FateCounts

    @property
    def path(self) -> str:
        """Its place from the root: "supervisor/readers/maya"."""
        return f"{self.supervisor}/{self.id}" if self.supervisor else self.id

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, for `json.dumps`."""
        plain = attrs.asdict(self, recurse=False)
        plain["running"] = [
            {"op": each.op, "seconds": each.seconds, "waits_for": list(each.waits_for)}
            for each in self.running
        ]
        counts = {fate.name.lower(): self.messages.fates.get(fate, 0) for fate in Fate}
        plain["messages"] = {"sent": self.messages.sent, "open": self.messages.open, **counts}
        return plain


@attrs.frozen
class TreeSnapshot:
    """A whole tree, or the part of it below one supervisor.

    Args:
        at: the instant on the Trio clock, seconds.
        actors: each supervisor before its children, those in start order.
    """

    at: float
    actors: tuple[ActorSnapshot, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, for `json.dumps`. All keys are always there, at any depth of the tree.

        {"at": 12.5, "actors": [{"supervisor": "", "id": "shop", "level": 0, ..., "running": [{"op": "acquire",
        "seconds": 1.5, "waits_for": ["store.put"]}], "messages": {"sent": 3, "open": 1, "handled": 2, ...}}, ...]}
        """
        return {"at": self.at, "actors": [actor.as_json() for actor in self.actors]}

    def drawing(self, width: int = DEFAULT_WIDTH) -> str:
        """Return it as a drawn text tree.

        Below an actor stand its ops at work and what is out of the ordinary: ill health, its last error, answers that
        are deferred, messages that were not handled.

        Args:
            width: how long a line may be. Where it is short, columns go before names are cut.
        """
        return draw_tree([_row(actor) for actor in self.actors], COLUMNS, title="actor", width=width)

    def __str__(self) -> str:
        return self.drawing()


def take_snapshot(slot: Slot, supervisor: str = "") -> TreeSnapshot:
    """Look at the actor in `slot` and at all below it. It waits for nobody, so the actors may be in any state.

    Args:
        slot: where the root plays.
        supervisor: the path of the supervisor above it, if there is one.
    """
    now = trio.current_time()
    root = ChildView(slot.name, slot, "permanent")
    actors: list[ActorSnapshot] = []
    to_do = [(supervisor, 0, root)]
    while to_do:
        above, level, view = to_do.pop()
        inside = inside_of(view.slot)
        actor = _look_at(view, inside, above, level, now)
        actors.append(actor if level else attrs.evolve(actor, restart=None))
        if inside is not None:
            path = actor.path  # one text for all children
            to_do += [(path, level + 1, child) for child in reversed(inside.children)]
    return TreeSnapshot(now, tuple(actors))


def _look_at(view: ChildView, inside: Inside | None, above: str, level: int, now: float) -> ActorSnapshot:
    slot, mailbox = view.slot, view.slot.mailbox
    statistics = slot.statistics()
    return ActorSnapshot(
        supervisor=above,
        id=view.id,
        level=level,
        name=view.name,
        kind=view.kind if inside is None else "supervisor",
        strategy="" if inside is None else inside.strategy,
        restart=view.restart,
        is_significant=view.is_significant,
        role=view.role,
        state="stopped" if statistics.state == "ended" else statistics.state,
        is_healthy=statistics.is_healthy,
        incarnation=statistics.incarnation,
        restarts=view.restarts,
        error=view.error,
        depth=mailbox.depth,
        capacity=mailbox.capacity,
        waiting=mailbox.waiting,
        running=tuple(
            OpSnapshot(op.op, now - op.since, op.waits_for) for op in (*_phase(slot), *statistics.running)
        ),
        parked=statistics.parked,
        messages=statistics.messages,
    )


def _phase(slot: Slot) -> tuple[RunningOp, ...]:
    """Return the `setup` or `wind_down` that the actor is at, which is no op but holds the mailbox like one."""
    holder = slot.mailbox.holder
    if holder is None or slot.performer is None or holder in slot.performer.activities():
        return ()
    return (RunningOp.of(holder),)


def _row(actor: ActorSnapshot) -> Row:
    cells = (
        actor.strategy or (actor.restart or ""),
        actor.state,
        str(actor.incarnation),
        str(actor.restarts) if actor.restarts else "",
        f"{actor.depth}/{actor.capacity}",
    )
    return Row(actor.level, actor.id, cells, tuple(_notes(actor)))


def _notes(actor: ActorSnapshot) -> Iterator[str]:
    for op in actor.running:
        waits = f", waits for {' and '.join(op.waits_for)}" if op.waits_for else ""
        yield f"{op.op} for {op.seconds:.3g} s{waits}"
    facts = [*_standing(actor), *_trouble(actor)]
    if facts:
        yield ", ".join(facts)


def _standing(actor: ActorSnapshot) -> Iterator[str]:
    if actor.name is not None and actor.name != actor.id:
        yield f"named {actor.name!r}"
    if actor.role:
        yield actor.role
    if actor.is_significant:
        yield "significant"


def _trouble(actor: ActorSnapshot) -> Iterator[str]:
    if not actor.is_healthy:
        yield "unhealthy"
    if actor.error:
        yield f"last error {actor.error}"
    if actor.waiting:
        yield f"{actor.waiting}{NO_BREAK}waiting for room"
    if actor.parked:
        yield f"{actor.parked}{NO_BREAK}parked"
    for fate, count in actor.messages.fates.items():
        if fate is not Fate.HANDLED:
            yield f"{count}{NO_BREAK}{fate.name.lower()}"
