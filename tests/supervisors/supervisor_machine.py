"""A supervisor and its reference model side by side: the same things are done to both, and they must agree.

After every step they are compared in everything there is to see: which children exist in which order, the state and
incarnation of each, the restarts spent, which refs are good, who was made and torn down in which order and when, each
event, each message, the answer to each administrative call, and how it all ended and why.

No two things happen at one instant by accident, since a rule of supervision says nothing about their order: every
step moves the clock by a power of two that no step before it used, every delay is a multiple of one half, and
binary fractions are exact in floats. Edges are met on purpose: `crash_at_an_edge` lets a child crash at the very
instant at which a restart leaves its window or the child counts as healthy, or just before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from machine_draws import (
    CHANGED_BUDGETS,
    CUES,
    IDS,
    WHICH,
    Setting,
    settings,
    sound,
    specs,
)
from machine_stage import Part, Play, check
from players import HalfDice
from reference_child import DELAYS, HEALTHY_AFTER, Budget, Child, Cue, Spec
from reference_model import Model, Refused
from stepped_run import SteppedRun

from actors.errors import RestartsExhausted, StartFailed, UnderstudyError
from actors.kernel import Message, Ref
from supervisors import Backoff, ChildCounts, ChildSpec, ChildStatus, Intensity, Tree, open_supervisor
from supervisors.snapshot import ActorSnapshot

T = TypeVar("T")

BACKOFF = Backoff(initial=2 * DELAYS[0], cap=2 * DELAYS[-1], factor=2.0, healthy_after=HEALTHY_AFTER)
NOBODY = Spec("nobody")
EYE_BLINK = 2.0**-40
"""Seconds before an edge that still count as before it."""


class SupervisorMachine(RuleBasedStateMachine):
    """Does the same to a supervisor and to its model."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.agrees = False
        self.run: SteppedRun | None = None

    @initialize(setting=settings(), seed=st.integers(0, 2**16))
    def open(self, setting: Setting, seed: int) -> None:
        self.model = Model(
            setting.strategy, setting.auto_shutdown, setting.budget, setting.specs, setting.cues
        )
        self.play = Play({key: list(cues) for key, cues in setting.cues.items()})
        self.run = SteppedRun(seed)
        self.leave = trio.Event()
        self.asked: list[tuple[list[str], Child]] = []
        self.refs: dict[Child, Ref[Any]] = {}
        self.is_stopped_by_hand = setting.is_stopped_by_hand
        self.tree: Tree | None = None

        async def hold() -> None:
            try:
                async with open_supervisor(
                    setting.strategy,
                    children=[self.real(spec) for spec in setting.specs],
                    intensity=Intensity(*setting.budget),
                    backoff=BACKOFF,
                    auto_shutdown=setting.auto_shutdown,
                    rng=HalfDice(),
                    on_event=self.play.note,
                ) as self.tree:
                    self.tree.ref.on_down(lambda _down: self.leave.set())
                    await self.leave.wait()
            except RestartsExhausted as error:
                self.play.end = "exhausted"
                self.play.post_mortem = [type(each).__name__ for each in error.exceptions]
            except StartFailed:
                self.play.end = "failed start"
            else:
                self.play.end = "normal"

        self.play_beside(hold)

    def play_on(self, scene: Callable[[], Awaitable[T]]) -> T:
        assert self.run is not None
        return self.run.play(scene)

    def play_beside(self, scene: Callable[[], Awaitable[None]]) -> None:
        """Begin a scene that may go on when later ones are played."""
        run = self.run
        assert run is not None

        async def begin() -> None:
            run.nursery.start_soon(scene)

        run.play(begin)

    def real(self, spec: Spec) -> ChildSpec[Part]:
        return ChildSpec(
            spec.id,
            lambda: self.play.make(spec),
            restart=spec.restart,
            intensity=Intensity(*spec.budget),
            significant=spec.significant,
            needs=spec.needs,
        )

    # time

    def pass_until(self, instant: float) -> None:
        self.agrees = False
        self.play_on(lambda: trio.sleep_until(instant))
        self.model.pass_until(instant)

    def pass_on(self, seconds: float) -> None:
        if seconds and self.is_open():
            self.pass_until(self.model.now + seconds)

    def step(self) -> None:
        """Move to an instant of its own."""
        self.steps += 1
        self.pass_until(self.model.now + 2.0 ** -(9 + self.steps))

    def is_open(self) -> bool:
        return self.model.end is None

    @precondition(is_open)
    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.pass_on(seconds)

    # what children do

    def has_spent(self) -> bool:
        return self.is_open() and bool(self.model.account.instants)

    def any_lives(self) -> bool:
        return self.is_open() and any(child.state != "stopped" for child in self.model.children.values())

    def pick(self, which: int, *states: str) -> Child | None:
        """Return one of the children in one of the states; None when the step has left none."""
        children = [child for child in self.model.children.values() if child.state in states]
        return children[which % len(children)] if children else None

    @precondition(any_lives)
    @rule(which=WHICH, whose=WHICH, cues=CUES, seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0]))
    def crash(self, which: int, whose: int, cues: list[Cue], seconds: float) -> None:
        """Crash a child, say how the next starts of one go, and let some of them come."""
        self.step()
        if child := self.pick(which, "running"):
            self.cue(whose, cues)
            self.tell(child, Part.crash())
            self.model.crash(child)
            self.pass_on(seconds)

    def edges(self, child: Child) -> list[float]:
        """Return when a restart leaves a window and when the child counts as healthy."""
        accounts = (self.model.account, child.account)
        edges = {instant + account.budget[1] for account in accounts for instant in account.instants}
        if child.up_since is not None and child.failures_in_a_row:
            edges.add(child.up_since + HEALTHY_AFTER)
        return sorted(edge for edge in edges if edge - EYE_BLINK > self.model.now)

    def nobody_waits(self) -> bool:
        return self.has_spent() and not self.model.recoveries

    @precondition(nobody_waits)
    @rule(which=WHICH, edge=WHICH, is_before=st.booleans())
    def crash_at_an_edge(self, which: int, edge: int, is_before: bool) -> None:
        """Crash a child the very instant something is over that counts for its restart, or just before."""
        child = self.pick(which, "running")
        if child and (edges := self.edges(child)):
            self.pass_until(edges[edge % len(edges)] - (EYE_BLINK if is_before else 0.0))
            self.tell(child, Part.crash())
            self.model.crash(child)

    @precondition(any_lives)
    @rule(which=WHICH, is_asked=st.booleans())
    def end(self, which: int, is_asked: bool) -> None:
        """Let a child end by itself, or because somebody stops it through its ref."""
        self.step()
        if is_asked and (child := self.pick(which, "running", "restarting", "starting")):
            self.play_on(self.refs[child].stop)
            self.model.stop_through_ref(child)
        elif child := self.pick(which, "running"):
            self.tell(child, Part.end())
            self.model.finish(child)

    @precondition(any_lives)
    @rule(which=WHICH, number=st.integers(0, 99))
    def send(self, which: int, number: int) -> None:
        self.step()
        if child := self.pick(which, "restarting", "running"):
            self.tell(child, Part.hear(number))
            self.model.send(child, number)

    def cue(self, whose: int, cues: list[Cue]) -> None:
        child_id = IDS[whose % len(IDS)]
        self.play.cues[child_id] = list(cues)
        self.model.cues[child_id] = list(cues)

    def tell(self, child: Child, message: Message[Part, None]) -> None:
        async def tell() -> None:
            self.refs[child].tell_nowait(message)

        self.play_on(tell)

    # by hand

    @property
    def opened(self) -> Tree:
        assert self.tree is not None
        return self.tree

    @precondition(is_open)
    @rule(spec=specs(), is_sound=st.booleans())
    def start_child(self, spec: Spec, is_sound: bool) -> None:
        if is_sound:
            free = [each for each in IDS if each not in self.model.children] or [spec.id]
            spec = spec if spec.id in free else attrs.evolve(spec, id=free[0])
            firm = {each.id for each in self.model.children.values() if each.spec.restart != "temporary"}
            spec = sound(spec, self.model.auto_shutdown, firm - {spec.id})
        if self.waits_twice(spec):
            return
        self.ask(lambda tree: tree.start_child(self.real(spec)), lambda: self.model.start_child(spec))

    def waits_twice(self, spec: Spec) -> bool:
        """Whether it would wait for one that waits: it starts when that has, beside those that did not wait for it."""
        needed = [self.model.children[need] for need in spec.needs if need in self.model.children]
        return any(child.state == "starting" for child in needed)

    @precondition(is_open)
    @rule(what=st.sampled_from(["stop", "restart", "delete"]), which=WHICH, is_apt=st.booleans())
    def administer(self, what: str, which: int, is_apt: bool) -> None:
        """Stop, restart or delete a child; an apt one, if there is one, is not refused for its state."""
        child = self.pick(which, *(("running", "restarting") if what == "stop" else ("stopped",)))
        ids = [*self.model.children, NOBODY.id]
        child_id = child.id if child and is_apt else ids[which % len(ids)]
        if child_id in self.model.children and self.waits_twice(self.model.children[child_id].spec):
            return
        by_the_rules: Callable[[str], Child | None] = getattr(self.model, f"{what}_child")
        self.ask(lambda tree: getattr(tree, f"{what}_child")(child_id), lambda: by_the_rules(child_id))

    @precondition(has_spent)
    @rule(budget=CHANGED_BUDGETS, whose=WHICH, cues=CUES)
    def change(self, budget: Budget, whose: int, cues: list[Cue]) -> None:
        """Change the budget over all children, and how the next starts of one go."""
        self.cue(whose, cues)
        self.ask(
            lambda tree: tree.change_intensity(Intensity(*budget)),
            lambda: self.model.change_intensity(budget),
        )

    def ask(
        self, really: Callable[[Tree], Awaitable[object]], by_the_rules: Callable[[], Child | None]
    ) -> None:
        """Ask both; a start may be answered later."""
        self.step()
        if not self.is_open():
            return
        told: list[str] = []

        async def answer() -> None:
            try:
                await really(self.opened)
            except (UnderstudyError, ValueError) as error:
                told.append(type(error).__name__)
            else:
                told.append("done")

        self.play_beside(answer)
        try:
            started = by_the_rules()
        except Refused as refusal:
            check("answer", told, [str(refusal)])
        else:
            self.asked.append((told, started or Child(NOBODY, answer="done")))

    @precondition(lambda self: not self.is_open())
    @rule()
    def rest(self) -> None:
        """Nothing comes after the end."""

    # the comparison

    @invariant()
    def they_agree(self) -> None:
        self.agrees = False
        self.compare()
        self.agrees = True

    def compare(self) -> None:
        if self.is_open():
            self.model.pass_until(self.model.now)  # what is restarted at once
        if self.is_open():
            for told, child in self.asked:
                check("answer", told, [] if child.answer is None else [child.answer])
        else:
            assert all(told for told, _ in self.asked), "a start is not answered"
        check("events", self.play.events, self.model.events)
        check("acts", self.play.acts, self.model.acts)
        check("messages", self.play.heard, self.model.heard)
        check("end", [self.play.end, self.play.post_mortem], [self.model.end, self.model.post_mortem])
        if self.is_open():
            self.compare_children()

    def compare_children(self) -> None:
        seen, counts, inside = self.play_on(self.look)
        children = self.model.children.values()
        rows = [(child.id, child.state, child.spec.restart, child.incarnation) for child in children]
        check("children", [(each.id, each.state, each.restart, each.incarnation) for each in seen], rows)
        views = [
            (child.id, child.state, child.incarnation, len(child.account.instants), len(child.mail))
            for child in children
        ]
        check("snapshots", [(a.id, a.state, a.incarnation, a.restarts, a.depth) for a in inside], views)
        states = [child.state for child in children]
        active = states.count("running") + states.count("starting")
        tally = [len(states), active, states.count("restarting"), states.count("stopped")]
        check("counts", [counts.specs, counts.active, counts.restarting, counts.stopped], tally)
        for child, each in zip(children, seen, strict=True):
            assert self.refs.setdefault(child, each.ref) == each.ref, f"{child.id} has another ref"
        for child, ref in self.refs.items():
            is_over = self.model.children.get(child.id) is not child or child.state == "stopped"
            assert ref.is_ended == is_over, f"the ref of {child.id} is ended: {ref.is_ended}"
        assert len(set(self.refs.values())) == len(self.refs), "two children have one ref"

    async def look(self) -> tuple[tuple[ChildStatus, ...], ChildCounts, tuple[ActorSnapshot, ...]]:
        tree = self.opened
        return await tree.which_children(), await tree.count_children(), tree.snapshot().actors[1:]

    def teardown(self) -> None:
        if self.run is None:
            return
        try:
            if self.agrees and self.is_open():
                self.model.stop()
                self.play_on(self.opened.stop if self.is_stopped_by_hand else self.leave_the_block)
                self.they_agree()
        finally:
            with contextlib.nullcontext() if self.agrees else contextlib.suppress(Exception):
                self.run.close()  # when a step has failed, that is what there is to be said

    async def leave_the_block(self) -> None:
        self.leave.set()
