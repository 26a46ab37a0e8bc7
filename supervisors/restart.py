"""When a child is started again, how soon, and when that is enough: pure decisions.

Theory of operation. An incarnation ends for one of these reasons, and the child's restart type decides:

    restart type   normal end      requested stop   killed (grace spent)   crash            "not now"
    permanent      again, delayed  again, at once   again, at once         again, delayed   keep
    transient      keep            keep             keep                   again, delayed   keep
    temporary      forget          forget           forget                 forget           forget

`keep` leaves the child stopped with its spec, for `restart_child`; `forget` drops the spec as well. A child is killed
only after somebody asked it to stop, so its end is as requested as a stop that went well. An attempt to start again
that fails is a crash like any other. "Not now" is a start that was declined (`NotNow`).

Every restart spends from two budgets, the child's own and its supervisor's; a restart that either cannot pay for
escalates. One is free: that after a crash whose message was then put in quarantine, since it cannot happen again. The
delay before a restart doubles with each failure in a row, is drawn from zero to that bound (full jitter, so that
children that fell together do not rise together), and starts small again once an incarnation has been healthy for a
while. Nothing here reads a clock or throws dice of its own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import attrs

from supervisors.backoff import Backoff
from supervisors.intensity import Intensity, RestartWindow

RestartType: TypeAlias = Literal["permanent", "transient", "temporary"]
ExitReason: TypeAlias = Literal["normal", "stopped", "killed", "crashed", "cancelled", "declined"]
Verdict: TypeAlias = Literal["again", "again_at_once", "keep", "forget"]
Budget: TypeAlias = Literal["child", "supervisor"]

RESTART_TYPES: tuple[str, ...] = get_args(RestartType)

VERDICTS: Mapping[RestartType, Mapping[ExitReason, Verdict]] = MappingProxyType(
    {
        "permanent": MappingProxyType(
            {
                "normal": "again",
                "stopped": "again_at_once",
                "killed": "again_at_once",
                "crashed": "again",
                "cancelled": "keep",
                "declined": "keep",
            }
        ),
        "transient": MappingProxyType(
            {
                "normal": "keep",
                "stopped": "keep",
                "killed": "keep",
                "crashed": "again",
                "cancelled": "keep",
                "declined": "keep",
            }
        ),
        "temporary": MappingProxyType(
            {
                "normal": "forget",
                "stopped": "forget",
                "killed": "forget",
                "crashed": "forget",
                "cancelled": "forget",
                "declined": "forget",
            }
        ),
    }
)
"""The truth table above as data. A cancelled child ends with the block around its tree; nothing is restarted there."""


@attrs.frozen
class Restart:
    """Start the child again in `delay` seconds."""

    delay: float


@attrs.frozen
class Keep:
    """Leave the child stopped; its spec stays."""


@attrs.frozen
class Forget:
    """Leave the child stopped and drop its spec."""


@attrs.frozen
class Escalate:
    """End the supervisor: a budget is spent.

    Args:
        budget: whose it is, the "child"'s own or the "supervisor"'s.
        intensity: that budget.
    """

    budget: Budget
    intensity: Intensity


Decision: TypeAlias = Restart | Keep | Forget | Escalate


@attrs.define(eq=False)
class RestartRecord:
    """What is remembered of one child's failures: its budget's window and its failures in a row.

    Args:
        restart: the child's restart type.
        backoff: how its delays grow.
        window: its own budget.
        shared: its supervisor's budget, which its siblings spend from as well.
        failures: failures in a row.
    """

    restart: RestartType
    backoff: Backoff
    window: RestartWindow
    shared: RestartWindow
    failures: int = 0

    def decide(
        self,
        reason: ExitReason,
        *,
        ran_for: float,
        now: float,
        rng: random.Random,
        is_free: bool = False,
    ) -> Decision:
        """Decide what becomes of the child and note it.

        Args:
            reason: how its incarnation ended; a start that failed is "crashed".
            ran_for: seconds it had been up, 0 for a start that failed.
            now: the present instant, seconds.
            rng: where the jitter comes from.
            is_free: whether this restart costs nothing: what crashed it is in quarantine.
        """
        verdict = VERDICTS[self.restart][reason]
        if verdict == "keep":
            return Keep()
        if verdict == "forget":
            return Forget()
        if not is_free and (spent := self._spend(now)) is not None:
            return spent
        if ran_for >= self.backoff.healthy_after:
            self.failures = 0
        if verdict == "again_at_once":
            return Restart(0.0)
        self.failures += 1
        return Restart(self.backoff.delay(self.failures, rng))

    def _spend(self, now: float) -> Escalate | None:
        """Pay for a restart out of both budgets, or out of neither and say which is spent."""
        if not self.window.has_room(now):
            return Escalate("child", self.window.intensity)
        if not self.shared.has_room(now):
            return Escalate("supervisor", self.shared.intensity)
        self.window.add(now)
        self.shared.add(now)
        return None
