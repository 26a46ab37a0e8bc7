"""Which of the scripted faults a request meets, and when the door is shut."""

from __future__ import annotations

import math
from typing import Literal, assert_never

import attrs

from actors.testing.provider.faults import CloseDoor, CutOff, Effect, Fail, Fault, Garble, Hang, Reset, Slow

Stage = Literal["gate", "kitchen"]
"""A request meets faults twice: at the gate, before the limits, and in the kitchen, behind them."""


@attrs.frozen
class Door:
    """Whether connections are taken, and until when that stays so: an instant, or infinity."""

    is_open: bool
    until: float


@attrs.define
class _Line:
    fault: Fault
    met: int = 0


@attrs.define(eq=False)
class Script:
    """The faults of one provider, in the order they were scripted, and how many requests each has met.

    A fault's `nth` counts the requests that come to its stage and match it, from the moment it is scripted,
    also those for which an earlier fault wins.
    """

    _lines: list[_Line] = attrs.field(factory=list[_Line], init=False)

    def add(self, *faults: Fault) -> None:
        """Write `faults` at the end."""
        self._lines.extend(_Line(fault) for fault in faults)

    def strike(
        self, stage: Stage, *, model: str, system: str, started_at: float, now: float
    ) -> tuple[Fault, ...]:
        """Count a request that comes to `stage` and return the faults that hit it there, in order."""
        struck: list[Fault] = []
        for line in self._lines:
            fault = line.fault
            if (
                _stage(fault.effect) == stage
                and fault.is_on(started_at, now)
                and fault.is_about(model, system)
            ):
                line.met += 1
                if fault.nth in {None, line.met}:
                    struck.append(fault)
        return tuple(struck)

    def door(self, started_at: float, now: float) -> Door:
        """Return whether the door is open, and the next instant at which that may change.

        Both sides compare the same sums of floats, so who wakes at `until` always finds a change to act on.
        """
        outages = [line.fault for line in self._lines if isinstance(line.fault.effect, CloseDoor)]
        ends = [fault.ends_at(started_at) for fault in outages if fault.is_on(started_at, now)]
        if ends:
            return Door(is_open=False, until=max(ends))
        begins = (fault.begins_at(started_at) for fault in outages if fault.lasting > 0)
        return Door(is_open=True, until=min((at for at in begins if at > now), default=math.inf))


def _stage(effect: Effect) -> Stage | None:
    match effect:
        case Fail(counts=counts):
            return "kitchen" if counts else "gate"
        case Reset() | Hang() | CutOff() | Garble() | Slow():
            return "kitchen"
        case CloseDoor():
            return None
        case _:
            assert_never(effect)
