"""A small world of storms: one limiter, one provider that is overloaded now and then, and a ramp between them.

It is a list of events and nothing else: no actors, no Trio, so a burst of 600 calls takes milliseconds and a hundred
seeds a second. The limiter grants first come first served under one limit of requests; the provider refuses during
storms, without counting, and otherwise fails now and then.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from itertools import count
from typing import Literal, Protocol

import attrs

from actors.policies.cooldown.cooldown import CooldownPolicy
from actors.policies.cooldown.ramp import Outcome, Ramp
from actors.policies.cooldown.records import Trouble

WINDOW = 60.0
REQUESTS = 50
CALLS = 600
JITTER = 0.5
"""Seconds a message takes to the provider or back, at most."""

REFUSAL = 0.05
SLACK = 0.5
HANG = 120.0

Mode = Literal["window", "bucket"]


class Books(Protocol):
    """The limit of requests, as a window or a bucket."""

    def fits_at(self, now: float) -> float: ...
    def take(self, now: float) -> None: ...
    def refund(self, granted_at: float) -> None: ...


@attrs.define(eq=False)
class WindowBooks:
    """Any interval of `WINDOW` and the slack holds at most `amount` grants."""

    amount: int
    taken: list[float] = attrs.field(factory=list)

    def fits_at(self, now: float) -> float:
        while self.taken and self.taken[0] + WINDOW + SLACK <= now:
            self.taken.pop(0)
        return now if len(self.taken) < self.amount else self.taken[0] + WINDOW + SLACK

    def take(self, now: float) -> None:
        self.taken.append(now)

    def refund(self, granted_at: float) -> None:
        if granted_at in self.taken:
            self.taken.remove(granted_at)


@attrs.define(eq=False)
class BucketBooks:
    """A bucket of `amount` that fills in one `WINDOW`."""

    amount: int
    full_at: float = -math.inf

    def fits_at(self, now: float) -> float:
        return max(now, self.full_at - (self.amount - 1) * WINDOW / self.amount)

    def take(self, now: float) -> None:
        self.full_at = max(self.full_at, now) + WINDOW / self.amount

    def refund(self, granted_at: float) -> None:
        del granted_at
        self.full_at -= WINDOW / self.amount


@attrs.frozen
class Figures:
    """What one burst came to: seconds to the last answer, calls sent in vain, and those of them that met a storm."""

    makespan: float
    wasted: int
    stormed: int
    wake_ups: int


@attrs.define(eq=False, slots=False)
class StormWorld:
    """One burst. With `sees_all` it is the yardstick: it knows the storms and sends nothing into them."""

    seed: int
    mode: Mode
    ramp: Ramp = attrs.field(factory=Ramp)
    calls: int = CALLS
    requests: int = REQUESTS
    between: float = 90.0
    sees_all: bool = False
    has_gate: bool = True

    def play(self) -> Figures:
        self.lots, self.jitter = random.Random(self.seed), random.Random(self.seed + 2)
        self.storms = self.draw_storms()
        self.books: Books = (WindowBooks if self.mode == "window" else BucketBooks)(self.requests)
        self.cooldown = CooldownPolicy()
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = count()
        self.waiting, self.done_at, self.answered = self.calls, 0.0, 0
        self.wasted = self.stormed = self.wake_ups = 0
        self.timer = math.inf
        self.advance(0.0)
        while self.answered < self.calls:
            assert self.events, "the world stands still"
            now, _, act = heapq.heappop(self.events)
            act(now)
            self.advance(now)
        return Figures(self.done_at, self.wasted, self.stormed, self.wake_ups)

    def draw_storms(self) -> list[tuple[float, float]]:
        """Storms of 10 to 45 s, on average `between` seconds of calm between them."""
        dice, storms, at = random.Random(self.seed + 1), [], 0.0
        while at < 40 * WINDOW:
            at += dice.expovariate(1 / self.between)
            storms.append((at, at := at + dice.uniform(10.0, 45.0)))
        return storms

    def storm_end(self, now: float) -> float | None:
        return next((end for begin, end in self.storms if begin <= now < end), None)

    def opens_at(self, now: float) -> float:
        fits_at = self.books.fits_at(now)
        if self.sees_all:
            # Whatever is sent from half a way before the storm on could meet it.
            return max(fits_at, self.storm_end(now) or self.storm_end(now + JITTER) or now)
        return max(fits_at, self.ramp.opens_at(now)) if self.has_gate else fits_at

    def advance(self, now: float) -> None:
        while self.waiting and (opens_at := self.opens_at(now)) <= now:
            self.grant(now)
        if self.waiting and opens_at != self.timer:
            self.timer = opens_at
            self.at(opens_at, self.wake)

    def wake(self, now: float) -> None:
        if now == self.timer:
            self.wake_ups += 1
            self.timer = math.inf

    def grant(self, now: float) -> None:
        self.waiting -= 1
        self.books.take(now)
        if self.has_gate and not self.sees_all:
            self.ramp.pass_one(now)
        arrives, back = now + self.jitter.uniform(0, JITTER), self.jitter.uniform(0, JITTER)
        if self.storm_end(arrives) is not None and not self.sees_all:
            self.stormed += 1
            self.at(
                arrives + REFUSAL + back, lambda then: self.failed(now, then, "trouble", is_charged=False)
            )
            return
        # The n-th call that meets no storm has the same lot in every world of this seed, the yardstick's too.
        lot, work = self.lots.random(), 0.6 * self.lots.lognormvariate(0.0, 0.35) + 0.012 * 160
        if lot < 0.01:
            self.at(arrives, lambda then: self.failed(now, then, "other", is_charged=False))
        elif lot < 0.06:
            self.at(arrives + REFUSAL + back, lambda then: self.failed(now, then, "other", is_charged=True))
        elif lot < 0.063:
            self.at(arrives + HANG, lambda then: self.failed(now, then, "other", is_charged=True))
        else:
            self.at(arrives + work + back, lambda then: self.succeeded(now, then))

    def failed(self, granted_at: float, now: float, outcome: Outcome, *, is_charged: bool) -> None:
        self.wasted += 1
        self.waiting += 1
        if not is_charged:
            self.books.refund(granted_at)
        self.ramp.settled(outcome, granted_at=granted_at, now=now)
        if outcome == "trouble":
            pause = self.cooldown.hear(Trouble("overloaded", sent_at=granted_at), now)
            self.ramp.pause(pause.until, now)

    def succeeded(self, granted_at: float, now: float) -> None:
        self.answered += 1
        self.done_at = now
        if self.ramp.settled("success", granted_at=granted_at, now=now):
            self.cooldown.succeeded(now, sent_at=granted_at)

    def at(self, when: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), act))
