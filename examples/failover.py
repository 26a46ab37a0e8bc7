"""A lead and its understudy: one ref, an outage, and nobody who asks notices. It takes a few virtual minutes.

The lead crashes over its provider's outage, is tried once more, and is given up; the message that it crashed over, and
those that wait, go to the understudy. Later the lead is started again, and has the role back when it has proved itself.
"""

from __future__ import annotations

from functools import partial

import trio

from actors import Actor, Ref, op
from actors.testing.run import run
from supervisors import (
    Backoff,
    ChildSpec,
    FailedBack,
    FailoverGroup,
    Intensity,
    LastKept,
    MemberDown,
    MemberFit,
    MemberPromoted,
    ProbeFailed,
    open_failover_group,
)

OUTAGE = (20.0, 75.0)  # seconds, of the lead's provider
CHANGES = (MemberDown, MemberPromoted, LastKept, ProbeFailed, MemberFit, FailedBack)


class Model(Actor):
    """A model behind some provider."""

    def __init__(self, outage: tuple[float, float] | None = None) -> None:
        self.outage = outage

    def _call(self) -> None:
        if self.outage is not None and self.outage[0] <= self.now() < self.outage[1]:
            raise ConnectionError("no provider")

    @op(idempotent=True)  # asking a model again does no harm, so who asked need not be told of a crash
    async def complete(self, prompt: str) -> str:
        """Answer, or crash if the provider is gone."""
        await trio.sleep(0.5)
        self._call()
        return f"{prompt}: {self.name}"

    @op(raises=(ConnectionError,))
    def ping(self) -> None:
        """Say whether the provider is there; that it is not is an answer here, no crash."""
        self._call()


async def ping(model: Ref[Model]) -> None:
    """Ask a member what only a healthy one answers."""
    await model.ask(Model.ping())


def note(event: object) -> None:
    """Print what changes in the group."""
    if isinstance(event, CHANGES):
        print(f"{event.at:6.1f}    {type(event).__name__} {event.member}")


async def main() -> None:
    """Ask every fifteen seconds, whatever happens."""
    backoff = Backoff(initial=1.0, cap=20.0)
    lead = ChildSpec("lead", partial(Model, OUTAGE), intensity=Intensity(1, 30.0), backoff=backoff)
    members = [lead, ChildSpec("understudy", Model)]
    async with open_failover_group(
        members, probe=ping, probe_every=10.0, healthy_for=30.0, seed=1, on_event=note
    ) as model:
        for number in range(1, 11):
            answer = await model.ask(Model.complete(f"question {number}"))
            print(f"{trio.current_time():6.1f}  {answer}")
            await trio.sleep_until(15.0 * number)
        told = await model.group.ask(FailoverGroup.statistics())
        print(f"active: {told.active}, after {told.promotions} promotion and {told.fail_backs} fail-back")


if __name__ == "__main__":
    run(main, seed=1)
