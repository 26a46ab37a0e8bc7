"""A failover group under fire: members crash and call themselves unwell while senders go on sending."""

from __future__ import annotations

import random
from collections import Counter

import attrs
import trio
from failover_cast import Fate, Model, member

from actors.errors import Interrupted
from actors.kernel import Delivery, Message, Ref, current_books
from actors.kernel import Fate as MessageFate
from supervisors.backoff import Backoff
from supervisors.child_spec import ChildSpec
from supervisors.failover.group import FailoverGroup
from supervisors.failover.ref import FailoverRef
from supervisors.failover.statistics import FailoverStatistics
from supervisors.intensity import Intensity
from supervisors.root import open_root

SENDERS = 5
MESSAGES = 24
STRIKES = 14


@attrs.define(eq=False)
class Storm:
    """What was sent, what became of it, and who handled what, in order.

    Args:
        seed: decides what is sent, and what goes wrong.
        kind: the group, or one with a bug in it.
        handled: numbers of the messages that a member began to handle, in order.
        ends: what each sender was told of its message.
        missed: strikes that found a full mailbox.
        statistics: the group's, when all was over.
    """

    seed: int
    kind: type[FailoverGroup[Model]] = FailoverGroup
    handled: list[int] = attrs.field(factory=list[int])
    ends: dict[int, str] = attrs.field(factory=dict[int, str])
    missed: int = 0
    statistics: FailoverStatistics | None = None

    async def rage(self) -> None:
        """Let the storm pass, and check that nothing is lost, doubled or out of order."""
        rng = random.Random(self.seed)
        async with (
            open_root(lambda _tell: self.group(rng), name="storm", on_event=lambda _event: None) as ref,
            trio.open_nursery() as nursery,
        ):
            model = FailoverRef(ref)
            for sender in range(SENDERS):
                nursery.start_soon(self.send, model, sender, random.Random(f"{self.seed}/{sender}"))
            nursery.start_soon(self.strike, model, random.Random(f"{self.seed}/strikes"))
            await trio.sleep(
                300.0
            )  # by then whoever waits for a member that is started again has had its turn
            self.statistics = await ref.ask(FailoverGroup.statistics())
            self.check()

    def group(self, rng: random.Random) -> FailoverGroup[Model]:
        specs: list[ChildSpec[Model]] = [
            attrs.evolve(
                member(
                    name,
                    Fate(handled=self.handled),
                    intensity=Intensity(rng.randrange(3), 10.0),
                    backoff=Backoff(initial=0.2, cap=2.0),
                    capacity=rng.choice([1, 3, 64]),
                )
            )
            for name in ("a", "b", "c")
        ]
        return self.kind(specs, probe=rng.choice([None, who]), probe_every=0.3, healthy_for=1.5, rng=rng)

    async def send(self, model: Ref[Model], sender: int, rng: random.Random) -> None:
        for number in range(sender * 1000, sender * 1000 + MESSAGES):
            match rng.randrange(5):
                case 0 | 1:
                    assert await model.tell(Model.note(number)) is Delivery.QUEUED
                    self.ends[number] = "told"
                case 2:
                    await self.ask(model, number, Model.work(number, rng.random() / 4))
                case 3:
                    await self.ask(model, number, Model.work_aside(number, rng.random()))
                case _:
                    await self.ask(model, number, Model.look_up(number))
            if rng.random() < 0.4:
                await trio.sleep(rng.random() / 2)

    async def ask(self, model: Ref[Model], number: int, message: Message[Model, str]) -> None:
        try:
            await model.ask(message)
        except Interrupted:
            self.ends[number] = "interrupted"
        else:
            self.ends[number] = "answered"

    async def strike(self, model: FailoverRef[Model], rng: random.Random) -> None:
        refs = [status.ref for status in await model.group.ask(FailoverGroup.which_children())]
        for _ in range(STRIKES):
            await trio.sleep(rng.random())
            target = rng.choice([model, *refs])
            match rng.randrange(4):
                case 0 | 1:
                    strike = Model.crash()
                case 2:
                    strike = Model.feel(is_well=False)
                case _:
                    strike = Model.feel(is_well=True)
            self.missed += target.tell_nowait(strike) is not Delivery.QUEUED

    def check(self) -> None:
        """Check that every message was handled once, or was interrupted, and in the order of its sender."""
        assert len(self.ends) == SENDERS * MESSAGES
        counts = Counter(self.handled)
        assert set(counts.values()) == {1}, "a message was handled twice"
        lost = {number for number, end in self.ends.items() if end != "interrupted"} - set(counts)
        assert not lost, "a message was lost"
        for sender in range(SENDERS):
            own = [number for number in self.handled if number // 1000 == sender]
            assert own == sorted(own), "messages of one sender overtook each other"
        fates = current_books().totals().fates
        assert fates.get(MessageFate.DROPPED, 0) == self.missed
        assert not {MessageFate.BOUNCED, MessageFate.UNDELIVERED} & set(fates)


async def who(model: Ref[Model]) -> None:
    await model.ask(Model.who())
