"""The simulated provider as tests hold it: one core, its script, and the ways to reach it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import attrs
import trio

from actors.testing.provider.catalogue import DEFAULT_MODELS, Model, ServedModel, echo
from actors.testing.provider.core import EPOCH, ProviderCore
from actors.testing.provider.faults import Fault
from actors.testing.provider.in_process import READ_TIMEOUT, InProcessTransport
from actors.testing.provider.kitchen import Kitchen
from actors.testing.provider.latency import Latency
from actors.testing.provider.limits import Mode, ProviderLimits
from actors.testing.provider.record import ProviderRecord, ProviderStatistics


def _in_order(models: Iterable[ServedModel]) -> tuple[ServedModel, ...]:
    return tuple(models)


@attrs.define(eq=False, kw_only=True)
class SimulatedProvider:
    """A provider of the Messages API that keeps its limits, its time and its word, and fails on command.

    A flight simulator: it answers like the real one, charges nothing, and crashes as often as the lesson
    needs. It is not a mind: what it answers is whatever `model` returns.

        provider = SimulatedProvider(limits=ProviderLimits(requests=5), seed=7)
        provider.script(overload("opus", at=0, lasting=120))
        response = await provider.transport.send(request)
        assert provider.statistics().overloaded == 1

    Its time begins when it is made inside a Trio run, otherwise with its first request. All instants are on
    the Trio clock, all durations in seconds.

    Args:
        limits: the limits of every pool that has none of its own; each model is its own pool unless it says
            else.
        mode: "sliding_window" or "token_bucket".
        models: the models it serves.
        model: the answer behind all of them.
        latency: how long answers take; `INSTANT` for not at all.
        seed: the same seed and the same requests at the same instants give the same answers.
        epoch: the Unix time of its start, seconds, for the dates in its headers.
        read_timeout: seconds after which its in-process transport gives up on an answer.
    """

    limits: ProviderLimits = attrs.field(factory=ProviderLimits)
    mode: Mode = "sliding_window"
    models: tuple[ServedModel, ...] = attrs.field(default=DEFAULT_MODELS, converter=_in_order)
    model: Model = echo
    latency: Latency = attrs.field(factory=Latency)
    seed: int = 0
    epoch: float = EPOCH
    read_timeout: float = READ_TIMEOUT
    core: ProviderCore = attrs.field(init=False)
    transport: InProcessTransport = attrs.field(init=False)
    _scripted: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.core = ProviderCore(
            models=self.models,
            limits=self.limits,
            mode=self.mode,
            kitchen=Kitchen(self.model, self.latency, random.Random(self.seed)),
            epoch=self.epoch,
        )
        self.transport = InProcessTransport(self.core, self.read_timeout)
        if trio.lowlevel.in_trio_run():
            self.core.start(trio.current_time())

    @property
    def log(self) -> tuple[ProviderRecord, ...]:
        """Every request that has ended, in the order of arrival."""
        return self.core.log()

    def script(self, *faults: Fault) -> None:
        """Add faults; their times count from the provider's start, also when they are scripted later."""
        self.core.script(*faults)
        scripted, self._scripted = self._scripted, trio.Event()
        scripted.set()

    def statistics(self) -> ProviderStatistics:
        """Return the sums of the work so far."""
        return self.core.statistics()

    async def door_becomes(self, *, is_open: bool) -> None:
        """Wait until connections are taken, or are not; return at once if it is so."""
        while (door := self.core.door(trio.current_time())).is_open is not is_open:
            with trio.move_on_at(door.until):
                await self._scripted.wait()
