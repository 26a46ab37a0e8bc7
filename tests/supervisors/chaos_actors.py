"""The actors of a chaos run: they do as they are told, tell the ledger, and fall over wherever an actor can."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
from chaos_ledger import Letter
from chaos_lives import Life
from chaos_mail import Refusal, ask
from chaos_points import Chaos, Crash

from actors.errors import AskCycle, NotNow
from actors.kernel import Actor, Deferred, Down, Ref, op


class Worker(Actor):
    """A leaf of the tree.

    Args:
        chaos: what it shares with the others.
        path: its role: the supervisor's id and its own.
        may_decline: whether it may refuse to start; nobody else can rely on one that does.
    """

    def __init__(self, chaos: Chaos, path: str, *, may_decline: bool = True) -> None:
        chaos.strike("factory")
        self.chaos = chaos
        self.path = path
        self.may_decline = may_decline
        self.total = 0
        self.is_heir = False
        self.waiting: dict[int, Deferred[int]] = {}

    def take_over(self, state: object) -> None:
        self.chaos.lives.inherit(self.path, self.ref, state)
        self.chaos.strike("take over")
        assert isinstance(state, int)
        self.total, self.is_heir = state, True

    def hand_over(self) -> object:
        lost = self.chaos.strikes("hand over")
        self.chaos.lives.bequeath(self.ref, None if lost else self.total)
        if lost:
            raise Crash("hand over")
        return self.total

    async def setup(self) -> None:
        is_wanted = self.ref.statistics().state == "starting"
        self.life: Life = self.chaos.lives.enter(
            self.path, self.ref, self.incarnation, is_wanted=is_wanted, is_heir=self.is_heir
        )
        try:
            await self._set_up()
        except BaseException:
            self.chaos.lives.leave(self.life, "failed")
            raise
        self.life.state = "up"
        self.chaos.known[self.path] = self.ref

    async def _set_up(self) -> None:
        if self.chaos.strikes("slow setup"):
            await trio.sleep(self.chaos.rng.random() * 0.3)
        self.chaos.strike("setup" if self.incarnation == 1 else "setup again")
        if self.may_decline and self.incarnation > 1 and self.chaos.strikes("not now"):
            raise NotNow("nothing to do")
        if self.chaos.strikes("task in setup"):
            self.start_soon(self._fall_over, 0.0)
        self.every(1.0 + self.chaos.rng.random(), Worker.tick())

    async def wind_down(self) -> None:
        self.chaos.strike("wind down")

    async def teardown(self) -> None:
        self.chaos.lives.begin_teardown(self.life)
        try:
            if self.chaos.strikes("slow teardown"):
                await trio.sleep(self.chaos.rng.random() * 0.5)
            if self.chaos.strikes("endless teardown"):
                await trio.sleep(60.0)
            self.chaos.strike("teardown")
        finally:
            self.chaos.lives.leave(self.life, "down")

    def _begin(self, key: int) -> Letter:
        return self.chaos.ledger.begin(key, self.ref)

    async def _fall_over(self, delay: float) -> None:
        await trio.sleep(delay)
        raise Crash("task")

    def _take_back(self, key: int) -> None:
        self.chaos.ledger.letters[key].undone += 1
        self.chaos.strike("undo")

    # what works

    @op
    def take(self, key: int) -> int:
        letter = self._begin(key)
        self.chaos.strike("op")
        letter.done += 1
        self.total += 1
        return key

    @op(idempotent=True)
    def retry(self, key: int, crashes: int) -> int:
        """Crash as many incarnations, then succeed."""
        letter = self._begin(key)
        if letter.begun <= crashes:
            raise Crash("again")
        letter.done += 1
        return key

    @op(idempotent=True, concurrent=True)
    async def toil(self, key: int, seconds: float) -> int:
        letter = self._begin(key)
        await trio.sleep(seconds)
        self.chaos.strike("concurrent op")
        letter.done += 1
        return key

    @op
    async def work(self, key: int, seconds: float) -> int:
        letter = self._begin(key)
        await trio.sleep(seconds)
        self.chaos.strike("async op")
        letter.done += 1
        return key

    @op(concurrent=True)
    async def fly(self, key: int, seconds: float) -> int:
        letter = self._begin(key)
        await trio.sleep(seconds)
        self.chaos.strike("concurrent op")
        letter.done += 1
        return key

    @op(undo=_take_back, on_abandon="finish")
    async def reserve(self, key: int, seconds: float) -> int:
        letter = self._begin(key)
        await trio.sleep(seconds)
        letter.done += 1
        return key

    @op(raises=(Refusal,))
    def refuse(self, key: int) -> int:
        self._begin(key).failed += 1
        raise Refusal

    @op
    async def feed(self, key: int, items: int) -> AsyncIterator[int]:
        letter = self._begin(key)
        for item in range(items):
            yield item
            if item % 2:
                await trio.sleep(0.01)
        self.chaos.strike("stream")
        letter.done += 1

    @op
    def defer(self, key: int, delay: float) -> Deferred[int]:
        self._begin(key)
        self.waiting[key] = Deferred(lambda: self.waiting.pop(key))
        self.after(delay, Worker.release(key))
        return self.waiting[key]

    @op
    async def relay(self, key: int, path: str) -> int:
        """Ask another actor on behalf of the asker, holding the mailbox; whatever becomes of it is an answer."""
        letter = self._begin(key)
        ref = self.chaos.known.get(path)
        if ref is not None:
            await trio.lowlevel.checkpoint_if_cancelled()
            await self._pass_on(ref, letter)
        letter.done += 1
        return key

    async def _pass_on(self, ref: Ref[Worker], outer: Letter) -> None:
        try:
            with trio.move_on_after(20.0):
                if self.chaos.rng.random() < 0.5:
                    await ask(self.chaos.ledger, self.path, ref, Worker.relay, self.path)  # comes back here
                else:
                    await ask(self.chaos.ledger, self.path, ref, Worker.take)
        except AskCycle:
            outer.failed += 1
            raise

    # what ends it

    @op
    def crash(self, key: int) -> int:
        self._begin(key)
        raise Crash("as told")

    @op
    def end(self, key: int) -> int:
        self._begin(key).done += 1
        self.finish()
        return key

    @op
    def plant(self, key: int, delay: float) -> int:
        """Start a child task that will crash."""
        self._begin(key).done += 1
        self.start_soon(self._fall_over, delay)
        return key

    @op
    def arm(self, key: int, delay: float) -> int:
        """Arm a timer that will crash."""
        self._begin(key).done += 1
        self.after(delay, Worker.go_off())
        return key

    @op
    def look_after(self, key: int, path: str) -> int:
        """Watch another actor."""
        self._begin(key).done += 1
        ref = self.chaos.known.get(path)
        if ref is not None:
            self.watch(ref, Worker.notice)
        return key

    # what timers ask for

    @op
    def tick(self) -> None:
        self.chaos.ledger.timers["begun"] += 1
        self.chaos.strike("timer")
        self.chaos.ledger.timers["done"] += 1

    @op
    def release(self, of: int) -> None:
        self.chaos.ledger.timers["begun"] += 1
        deferred = self.waiting.pop(of, None)
        if deferred is not None and deferred.set(of):
            self.chaos.ledger.letters[of].done += 1
        self.chaos.ledger.timers["done"] += 1

    @op
    def go_off(self) -> None:
        self.chaos.ledger.timers["begun"] += 1
        raise Crash("timer as told")

    @op
    def notice(self, down: Down) -> None:
        assert down.incarnation >= 0
        self.chaos.ledger.timers["begun"] += 1
        self.chaos.ledger.timers["done"] += 1
