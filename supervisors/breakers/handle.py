"""The breakers of a service: one for each endpoint, made when it is first asked for, supervised, and reached by name.

A breaker goes by the service it guards and, where that has several, by the model: "search" or
"anthropic/claude-opus-4-8". `Breakers` is the handle on the supervisor that keeps them. It is a key cabinet: it hands
out the key to a door, and stands in nobody's way through it, since each message goes straight to its breaker.

    of(service, model)                       the breaker, made with the first question; any number of first questions
                                             at once make one
    isolate, disable, observe,               one of them, made if need be, so that an endpoint can be taken out before
    release, reset (name)                    its first call; without a name all there are
    snapshot()                               of all

**Over a crash.** A breaker that is restarted goes on as it was, and so do all of them when their supervisor is
restarted where its slot keeps state: what they know is theirs, and handed on. So what was isolated by hand stays
isolated. Refs stay good. While the supervisor itself is down nobody passes, and a word that comes is lost: a trial call
whose word it was has failed when its lease ends.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import attrs
from structlog.typing import FilteringBoundLogger

from actors.breaker.board import DEFAULT_SHARE, BreakerBoard, RoleSnapshot
from actors.breaker.breaker import Breaker
from actors.breaker.news import OnChange
from actors.kernel import Message, Ref
from actors.kernel.ref import slot_of
from actors.kernel.slot import Slot
from actors.policies.breaker.records import BreakerSnapshot
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.breakers.supervisor import BreakerSupervisor, TermsOf, endpoint_of
from supervisors.events import OnEvent, unobserved
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity
from supervisors.root import open_root
from supervisors.routed_ref import RoutedRef


@attrs.frozen
class Breakers:
    """A handle on the supervisor of breakers.

    For a nested one: `Breakers(await tree.start_child(ChildSpec("breakers", ...)))`.

    Args:
        ref: the supervisor.
    """

    ref: Ref[BreakerSupervisor]

    async def of(self, service: str, model: str | None = None) -> Ref[Breaker]:
        """Return the breaker of an endpoint, made now if nobody has asked for it yet.

        Its ref is good over restarts of the breaker and of the supervisor.

        Raises:
            TypeError, ValueError: a name is no text, empty, unprintable, or the service's has a "/", or the terms make
                no sense.
            Exception: whatever `terms_of` raises, such as `LookupError`; no breaker was made.
        """
        return self._ref(await self.ref.ask(BreakerSupervisor.make(service, model)))

    async def isolate(self, name: str | None = None) -> None:
        """Let no call through any more until `release`: of one breaker, or of all there are.

        Args:
            name: of one, "service" or "service/model"; it is made if need be, so that its first call finds it so.

        Raises:
            Exception: as `of`; so it is for all that take a name.
        """
        await self._tell(name, Breaker.isolate())

    async def disable(self, name: str | None = None) -> None:
        """Let all calls through and count nothing, until `release`: of one breaker, or of all there are."""
        await self._tell(name, Breaker.disable())

    async def observe(self, name: str | None = None) -> None:
        """Let all calls through and count when it would have opened, until `release`: of one, or of all there are."""
        await self._tell(name, Breaker.observe())

    async def release(self, name: str | None = None) -> None:
        """Lift what was set by hand, and begin closed: of one breaker, or of all there are."""
        await self._tell(name, Breaker.release())

    async def reset(self, name: str | None = None) -> None:
        """Forget what was counted, and begin closed: of one, or of all. What was set by hand stays as it is."""
        await self._tell(name, Breaker.reset())

    async def snapshot(self) -> Mapping[str, BreakerSnapshot]:
        """Return where every breaker stands, by name, in the order in which they were made."""
        names = await self.ref.ask(BreakerSupervisor.names())
        return {name: await self._ref(name).ask(Breaker.snapshot()) for name in names}

    async def roles(self) -> Mapping[str, RoleSnapshot]:
        """Return where every role stands: who belongs to it, who is out, and how many may be."""
        board = await self.ref.ask(BreakerSupervisor.board())
        return await board.ask(BreakerBoard.snapshot())

    async def stop(self) -> None:
        """Stop all breakers and then the supervisor; return when it has ended."""
        await self.ref.stop(grace=math.inf)

    async def _tell(self, name: str | None, message: Message[Breaker, None]) -> None:
        if name is not None:
            await (await self.of(*endpoint_of(name))).ask(message)
            return
        for each in await self.ref.ask(BreakerSupervisor.names()):
            await self._ref(each).ask(message)

    def _ref(self, name: str) -> RoutedRef[Breaker]:
        slot = slot_of(self.ref)
        return RoutedRef[Breaker](slot, lambda _message: _breaker_in(slot, name))


def _breaker_in(slot: Slot, name: str) -> Ref[Breaker] | None:
    supervisor = slot.actor
    return supervisor.breaker(name) if isinstance(supervisor, BreakerSupervisor) else None


@asynccontextmanager
async def open_breakers(
    terms_of: TermsOf,
    *,
    name: str = "breakers",
    share: float = DEFAULT_SHARE,
    seed: int = 0,
    log: FilteringBoundLogger | None = None,
    on_change: OnChange | None = None,
    intensity: Intensity = SUPERVISOR_INTENSITY,
    backoff: Backoff = DEFAULT_BACKOFF,
    on_event: OnEvent = unobserved,
) -> AsyncGenerator[Breakers]:
    """Run the breakers of a service for the length of the block.

        async with open_breakers(lambda service, model: BreakerTerms(PRESETS["model"], role=service)) as breakers:
            async with pass_breaker(await breakers.of("anthropic", "claude-opus-4-8")) as passing: ...

    Args:
        terms_of: says what a breaker is made from.
        name: how the supervisor is called in errors and events.
        share: of a role's endpoints, above 0, at most 1, that may be open at once.
        seed: decides all jitter of open times, together with the breaker's name.
        log: is told of all changes; None for silence.
        on_change: called with a breaker's name and each of its changes, in the breaker's task; it must not wait.
        intensity: the budget of restarts over all breakers.
        backoff: how long they wait before a restart.
        on_event: called with each lifecycle event, in the task where it happens; it must not raise.

    Raises:
        RestartsExhausted: a budget is spent; the block is cancelled first.
        TypeError, ValueError: an argument is of the wrong kind or out of its bounds.
    """

    def make(on_event: OnEvent) -> BreakerSupervisor:
        return BreakerSupervisor(
            terms_of,
            share=share,
            seed=seed,
            log=log,
            on_change=on_change,
            intensity=intensity,
            backoff=backoff,
            on_event=on_event,
        )

    make(on_event)  # a wrong argument is refused here, not in the task of the tree
    async with open_root(make, name=name, on_event=on_event) as ref:
        yield Breakers(ref)
