"""Who plays under the supervisor that the state machine tests, and what is noted of it, in the words of the model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import attrs
import trio
from reference_child import Cue, Spec

from actors.errors import NotNow
from actors.kernel import Actor, op
from supervisors.events import (
    AutoShutDown,
    ChildCrashed,
    ChildGivenUp,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    Escalated,
    LifecycleEvent,
)


@attrs.define(eq=False)
class Play:
    """What the parts share: how their next starts go, and what they did."""

    cues: dict[str, list[Cue]]
    acts: list[tuple[str, str, float]] = attrs.field(factory=list[tuple[str, str, float]])
    heard: list[tuple[str, int, float]] = attrs.field(factory=list[tuple[str, int, float]])
    events: list[tuple[str, ...]] = attrs.field(factory=list[tuple[str, ...]])
    post_mortem: list[str] = attrs.field(factory=list[str])
    end: str | None = None

    def make(self, spec: Spec) -> Part:
        cues = self.cues.get(spec.id)
        cue = cues.pop(0) if cues else "starts"
        self.acts.append((spec.id, "made", trio.current_time()))
        if len(self.acts) % 2:  # failing and declining is as good in the factory as in `setup`
            perform(cue)
        return Part(self, cue, is_rough=spec.is_rough)

    def note(self, event: LifecycleEvent) -> None:
        assert event.supervisor == "supervisor"
        self.events.append(in_short(event))


def perform(cue: Cue) -> None:
    if cue == "fails":
        raise OSError(cue)
    if cue == "declines":
        raise NotNow(cue)


class Part(Actor):
    def __init__(self, play: Play, cue: Cue, *, is_rough: bool) -> None:
        self.play = play
        self.cue = cue
        self.is_rough = is_rough

    async def setup(self) -> None:
        perform(self.cue)

    async def teardown(self) -> None:
        self.play.acts.append((self.name, "gone", self.now()))
        if self.is_rough:
            perform("fails")

    @op
    def hear(self, number: int) -> None:
        self.play.heard.append((self.name, number, self.now()))

    @op
    def crash(self) -> None:
        raise RuntimeError

    @op
    def end(self) -> None:
        self.finish()


def in_short(event: LifecycleEvent) -> tuple[str, ...]:
    """Show an event as the model shows it."""
    facts: tuple[object, ...]
    match event:
        case ChildStarted(child=child, incarnation=incarnation, state=state, at=at):
            facts = (child, "started", incarnation, state, at)
        case ChildCrashed(child=child, incarnation=incarnation, error=error, at=at):
            facts = (child, "crashed", incarnation, error, at)
        case ChildStopped(child=child, incarnation=incarnation, reason=reason, error=error, at=at):
            facts = (child, "stopped", incarnation, reason + error, at)
        case ChildRestarting(child=child, incarnation=incarnation, delay=delay, at=at):
            facts = (child, "restarting", incarnation, delay, at)
        case ChildGivenUp(child=child, incarnation=incarnation, budget=budget, at=at):
            facts = (child, "givenup", incarnation, budget, at)
        case Escalated(child=child, at=at):
            facts = ("escalated", child, at)
        case AutoShutDown(child=child, at=at):
            facts = ("autoshutdown", child, at)
        case _:
            facts = ("unexpected", event)
    return tuple(map(str, facts))


def check(what: str, seen: Sequence[object], ruled: Sequence[object]) -> None:
    """Compare and show where the first difference is."""
    for place, (one, other) in enumerate(zip_longest(seen, ruled, fillvalue="nothing more")):
        if one != other:
            before = "".join(f"\n  both {each}" for each in ruled[max(0, place - 8) : place])
            raise AssertionError(f"{what} differ{before}\n  seen {one}\n  rule {other}")
