"""One chaos run: the tree, the senders and the hands, and what it all comes to."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from time import perf_counter

import attrs
import trio
from chaos_actors import Worker
from chaos_claims import verify
from chaos_hands import Hands
from chaos_mail import ask
from chaos_points import Chaos
from chaos_senders import Sender
from chaos_tree import BACKOFF, PATHS, ROOT, ROOT_INTENSITY, specs
from trio.testing import MockClock

from actors.kernel import Books, Fate, open_books
from actors.testing.run import run_seeded
from supervisors import ChildStarted, Escalated, LifecycleEvent, Tree, open_supervisor

SENDERS = 8

SETTLING = 60.0
"""Seconds of virtual time after the last message within which everything must have come back."""

LIMIT, LIMIT_EACH = 300.0, 0.02
"""Seconds of virtual time, and as many more for each message, after which a run is stuck: 1,300 s for 50,000 messages.

An honest one takes about 170 s."""


@attrs.frozen
class Report:
    """How a run ended.

    Args:
        seed: what decided it.
        sent: messages of the senders, and of actors, timers and hands beside them.
        fates: how they ended.
        restarts: incarnations that followed another one in their slot.
        escalations: supervisors that gave up.
        wall_seconds: how long it took on the wall clock.
        problems: the claims that broke.
        struck: how often each point was struck by a crash or a delay.
    """

    seed: int
    sent: int
    fates: dict[str, int]
    restarts: int
    escalations: int
    wall_seconds: float
    problems: list[str]
    struck: Counter[str]

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(
            {
                "seed": self.seed,
                "sent": self.sent,
                "fates": self.fates,
                "restarts": self.restarts,
                "escalations": self.escalations,
                "balanced": not self.problems,
                "wall_seconds": round(self.wall_seconds, 3),
            }
        )


@attrs.define(eq=False)
class Play:
    """What happens in one run.

    Args:
        seed: decides everything.
        messages: how many the senders send.
        on_progress: told now and then how many they have sent.
        chaos: what the actors share.
        books: the kernel's account of it all.
        restarts: incarnations that followed another one.
        escalated: how often each supervisor gave up, by its id.
    """

    seed: int
    messages: int
    on_progress: Callable[[int], object]
    chaos: Chaos = attrs.field(init=False)
    books: Books = attrs.field(init=False)
    restarts: int = 0
    escalated: Counter[str] = attrs.field(factory=Counter[str])

    def __attrs_post_init__(self) -> None:
        self.chaos = Chaos(random.Random(self.seed))
        self.books = Books(on_dead_letter=self.chaos.ledger.bury)

    def observe(self, event: LifecycleEvent) -> None:
        """Count what the supervisors tell, and hold it against what the actors do."""
        self.chaos.lives.observe(event)
        match event:
            case ChildStarted(incarnation=incarnation) if incarnation > 1:
                self.restarts += 1
            case Escalated(supervisor=supervisor):
                self.escalated[supervisor.rpartition("/")[2]] += 1
            case _:
                pass

    async def main(self) -> None:
        """Open the tree in peace, let chaos reign until all is sent, and see whether peace comes back."""
        with open_books(self.books):
            async with open_supervisor(
                name=ROOT,
                children=specs(self.chaos, self.seed),
                intensity=ROOT_INTENSITY,
                backoff=BACKOFF,
                seed=self.seed,
                on_event=self.observe,
            ) as tree:
                await self._reign(tree)
                await self._calm_down(tree)

    def _hands(self, tree: Tree) -> Hands:
        rng = random.Random(f"{self.seed}/hands")
        return Hands(self.chaos, tree, rng, self.messages, self.escalated)

    async def _reign(self, tree: Tree) -> None:
        self.chaos.is_on = True
        hands = self._hands(tree)
        async with trio.open_nursery() as nursery:
            for number in range(SENDERS):
                name = f"sender {number}"
                rng = random.Random(f"{self.seed}/{name}")
                nursery.start_soon(Sender(name, self.chaos, tree, rng, self.messages).send_all)
            nursery.start_soon(hands.meddle)
            nursery.start_soon(hands.tidy)
            nursery.start_soon(hands.hire)
            nursery.start_soon(hands.assault)
            nursery.start_soon(self._tell_progress)
        self.chaos.is_on = False

    async def _tell_progress(self) -> None:
        while (sent := len(self.chaos.ledger.letters)) < self.messages:
            self.on_progress(sent)
            await trio.sleep(2.0)

    async def _calm_down(self, tree: Tree) -> None:
        """Without crashes everything must come back: by itself, or if it was stopped by hand, by hand."""
        await trio.sleep(SETTLING)
        hands = self._hands(tree)
        await hands.start_all()
        for path in PATHS:
            state = await hands.state(path)
            if state != "running":
                self.chaos.ledger.problem(f"{path} is {state} {SETTLING:g} s after the last crash")
                continue
            if tree.find(path) != self.chaos.known[path]:
                self.chaos.ledger.problem(f"the name {path} does not lead to who plays it")
            outcome = await ask(self.chaos.ledger, "the end", self.chaos.known[path], Worker.take)
            if outcome != "answered":
                self.chaos.ledger.problem(f"{path} did not answer at the end: {outcome}")


def let_chaos_reign(
    seed: int, messages: int = 50_000, on_progress: Callable[[int], object] = lambda _sent: None
) -> Report:
    """Play one run and hold all claims against it; whatever goes wrong is among the problems of the report."""
    began = perf_counter()
    play = Play(seed, messages, on_progress)
    problems: list[str] = []
    limit = LIMIT + LIMIT_EACH * messages
    try:
        run_seeded(play.main, seed=seed, clock=MockClock(autojump_threshold=0), limit=limit)
    except Exception as error:  # noqa: BLE001  # whatever ends a run early is the first of its problems
        problems.append(f"the run ended early with {told(error)}")
    problems += verify(play.chaos.ledger, play.chaos.lives, play.books)
    totals = play.books.totals()
    return Report(
        seed,
        totals.sent,
        {fate.name.lower(): totals.fates.get(fate, 0) for fate in Fate},
        play.restarts,
        sum(play.escalated.values()),
        perf_counter() - began,
        problems,
        play.chaos.struck,
    )


def told(error: BaseException) -> str:
    """Tell an error, or the errors of a group, in one line."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__} of {', '.join(map(told, error.exceptions))}"
    return f"{type(error).__name__}: {error}"
