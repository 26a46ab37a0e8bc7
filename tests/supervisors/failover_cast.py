"""The members that tests of failover put on stage."""

from __future__ import annotations

import attrs
import trio

from actors.errors import NotNow
from actors.kernel import Actor, Ref, op
from supervisors.backoff import Backoff
from supervisors.child_spec import ChildSpec
from supervisors.events import LifecycleEvent
from supervisors.failover.events import FailoverEvent
from supervisors.intensity import Intensity

NO_RESTARTS = Intensity(restarts=0, period=30.0)
AFTER_30 = Backoff(initial=0.1, cap=30.0)


@attrs.define(eq=False)
class Fate:
    """What one member's incarnations do: may be changed while they play.

    Args:
        setups: what each `setup` does, the last entry for all that follow: nothing, take time, or raise.
        is_unwell_at_setup: whether it calls itself unwell while it starts.
        probe: what it does with a probe: nothing, take time, or raise.
        probes: instants at which it was probed.
        bad: numbers it crashes over.
        handled: all numbers it was given, over all incarnations, in order.
    """

    setups: list[float | Exception] = attrs.field(factory=lambda: [0.0])
    is_unwell_at_setup: bool = False
    probe: float | Exception = 0.0
    probes: list[float] = attrs.field(factory=list[float])
    bad: set[int] = attrs.field(factory=set[int])
    handled: list[int] = attrs.field(factory=list[int])


class Model(Actor):
    """A member: says who it is, and does what its fate wants."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate

    async def setup(self) -> None:
        if self.fate.is_unwell_at_setup:
            self.report_health(False)
        await act(self.fate.setups.pop(0) if len(self.fate.setups) > 1 else self.fate.setups[0])

    @op
    def who(self) -> str:
        """Tell which member this is, and its incarnation."""
        return f"{self.name}/{self.incarnation}"

    @op
    def note(self, number: int) -> str:
        self.fate.handled.append(number)
        return self.name

    @op
    async def work(self, number: int, seconds: float) -> str:
        self.fate.handled.append(number)
        await trio.sleep(seconds)
        return f"{self.name}/{self.incarnation}"

    @op(idempotent=True)
    async def look_up(self, number: int) -> str:
        if number in self.fate.bad:
            raise RuntimeError("bad")
        self.fate.handled.append(number)
        return f"{self.name}/{self.incarnation}"

    @op(concurrent=True)
    async def work_aside(self, number: int, seconds: float) -> str:
        self.fate.handled.append(number)
        await trio.sleep(seconds)
        return self.name

    @op
    async def falter(self, seconds: float) -> str:
        self.report_health(False)
        await trio.sleep(seconds)
        return f"{self.name}/{self.incarnation}"

    @op(idempotent=True)
    async def falter_and_crash(self, seconds: float) -> str:
        if self.name == "second":
            return f"{self.name}/{self.incarnation}"
        self.report_health(False)
        await trio.sleep(seconds)
        raise RuntimeError("crash")

    @op
    def is_bad(self) -> bool:
        return 0 in self.fate.bad

    @op
    def crash(self) -> None:
        raise RuntimeError("crash")

    @op
    async def crash_in(self, seconds: float) -> None:
        await trio.sleep(seconds)
        raise RuntimeError("crash")

    @op
    def feel(self, is_well: bool) -> None:  # a message has one argument, and says what it is
        self.report_health(is_well)

    @op
    async def ping(self) -> None:
        self.fate.probes.append(self.now())
        await act(self.fate.probe)


async def act(cue: float | Exception) -> None:
    """Take some time, or fail."""
    if isinstance(cue, Exception):
        raise cue
    await trio.sleep(cue)


async def ping(member: Ref[Model]) -> None:
    await member.ask(Model.ping())


def member(
    name: str,
    fate: Fate | None = None,
    *,
    intensity: Intensity = NO_RESTARTS,
    backoff: Backoff = AFTER_30,
    capacity: int = 64,
) -> ChildSpec[Model]:
    """Return a member that is given up at its first crash, and comes back 30 s later."""
    own = Fate() if fate is None else fate
    return ChildSpec(name, lambda: Model(own), intensity=intensity, backoff=backoff, capacity=capacity)


def not_now() -> Model:
    raise NotNow("not now")


def told(events: list[FailoverEvent | LifecycleEvent], *kinds: type[object]) -> list[str]:
    """Show the events of these kinds in short: "MemberDown first unwell @3"."""
    return [line(event) for event in events if isinstance(event, kinds or object)]


def line(event: FailoverEvent | LifecycleEvent) -> str:
    facts = attrs.asdict(event)
    shown = [
        str(facts[name])
        for name in ("child", "member", "demoted", "moved", "cause", "error")
        if name in facts
    ]
    return " ".join([type(event).__name__, *shown, f"@{event.at:g}"])
