"""Which of the scripted faults a request meets, and when the door is shut."""

from __future__ import annotations

import math
import random
from typing import Literal, assert_never

import attrs

from actors.testing.provider.faults import (
    CloseDoor,
    CutOff,
    Effect,
    Fail,
    Fault,
    Garble,
    Hang,
    Refuse,
    Reset,
    Slow,
)

Stage = Literal["gate", "kitchen"]
"""A request meets faults twice: at the gate, before the limits, and in the kitchen, behind them."""


@attrs.frozen
class Door:
    """Whether connections are taken, and until when that stays so: an instant, or infinity."""

    is_open: bool
    until: float


_OPEN = Door(is_open=True, until=math.inf)


@attrs.define
class _Line:
    fault: Fault
    dice: random.Random
    met: int = 0

    def hits_next(self) -> bool:
        """Count a request that matches and return whether it is one of those that are hit."""
        self.met += 1
        is_picked = self.fault.nth is None or self.fault.nth == self.met
        return is_picked and (self.fault.chance == 1 or self.dice.random() < self.fault.chance)


@attrs.define(eq=False)
class Script:
    """The faults of one provider, in the order they were scripted, and how many requests each has met.

    A fault's `nth` counts the requests that come to its stage and match it, from the moment it is scripted,
    also those for which an earlier fault wins. One that has a `chance` throws dice of its own for each of them,
    so no other fault changes whom it hits.
    """

    _lines: dict[Stage, list[_Line]] = attrs.field(
        factory=lambda: {"gate": list[_Line](), "kitchen": list[_Line]()}, init=False
    )
    _outages: list[Fault] = attrs.field(factory=list[Fault], init=False)

    def add(self, *faults: Fault) -> None:
        """Write `faults` at the end."""
        for fault in faults:
            stage = _stage(fault.effect)
            if stage is None:
                self._outages.append(fault)
            else:
                number = sum(map(len, self._lines.values()))
                self._lines[stage].append(_Line(fault, random.Random(f"{fault.seed}/{number}")))

    def strike(
        self, stage: Stage, *, model: str, system: str, started_at: float, now: float
    ) -> tuple[Fault, ...]:
        """Count a request that comes to `stage` and return the faults that hit it there, in order."""
        return tuple(
            line.fault
            for line in self._lines[stage]
            if line.fault.is_on(started_at, now) and line.fault.is_about(model, system) and line.hits_next()
        )

    def door(self, started_at: float, now: float) -> Door:
        """Return whether the door is open, and the next instant at which that may change.

        Both sides compare the same sums of floats, so who wakes at `until` always finds a change to act on.
        """
        if not self._outages:
            return _OPEN
        ends = [fault.ends_at(started_at) for fault in self._outages if fault.is_on(started_at, now)]
        if ends:
            return Door(is_open=False, until=max(ends))
        begins = (fault.begins_at(started_at) for fault in self._outages if fault.lasting > 0)
        return Door(is_open=True, until=min((at for at in begins if at > now), default=math.inf))


def _stage(effect: Effect) -> Stage | None:
    match effect:
        case Fail(counts=counts):
            return "kitchen" if counts else "gate"
        case Refuse():
            return "gate"
        case Reset() | Hang() | CutOff() | Garble() | Slow():
            return "kitchen"
        case CloseDoor():
            return None
        case _:
            assert_never(effect)
