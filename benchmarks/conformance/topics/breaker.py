"""What a breaker does: verbs with their instants, and where they lead.

    given    rules; asks_to_open (whether it needs leave to open). Without a word of it the open time has no jitter,
             so that instants are exact, and the threshold is as it was set.
    when     steps, each with its instant:
                 0 admit a                  ask to pass; what comes of it is told under the name
                 0 admit b by 9             with a deadline
                 1 succeed a                the end of a call: succeed, fail, slow, neutral
                 1 fail a until 90          with an instant that the service named
                 5 isolate                  by hand: isolate, release, disable, observe, reset
                 5 allow, 5 deny            leave to open, or not
                 5 healthy, 5 ill           a health check
                 9 expire, 9 look           let fall due what is due
    then     state, and any other figure of a snapshot at the last instant; next: the next instant at which something
             falls due; changes: "closed to open at 3"; for each name: "passed", "probe", "refused open until 63"

Instants are seconds, and never run backwards.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from actors.policies.breaker.breaker import Breaker
from actors.policies.breaker.records import BreakerChange, Outcome, Refused, Ticket
from actors.policies.breaker.rules import PRESETS, BreakerRules
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given

ADMIT: Final = re.compile(r"admit (\w+)(?: by (\S+))?")
SETTLE: Final = re.compile(r"(succeed|fail|slow|neutral) (\w+)(?: until (\S+))?")
OUTCOMES: Final[Mapping[str, Outcome]] = {
    "succeed": "success",
    "fail": "failure",
    "slow": "slow",
    "neutral": "neutral",
}
GIVEN: Final = frozenset({"rules", "preset", "asks_to_open"})
EXACT: Final[Mapping[str, Any]] = {"jitter": 0.0, "is_adaptive": False}


def check(row: Row) -> list[str]:
    """Hold a breaker against a row."""
    check_given(row.given, GIVEN)
    play = Play(
        Breaker(_rules(row.given), random.Random(0), asks_to_open=row.given.get("asks_to_open", False))
    )
    for step in row.steps:
        play.take(step)
    return differences(row.then, play.told())


def _rules(given: Mapping[str, Any]) -> BreakerRules:
    if "preset" in given:
        return attrs.evolve(PRESETS[given["preset"]], jitter=0.0, is_adaptive=False)
    rules: dict[str, Any] = {
        name: None if value == "none" else value for name, value in given.get("rules", {}).items()
    }
    return BreakerRules(**{**EXACT, **rules})


@attrs.define(eq=False)
class Play:
    """A breaker, and the steps that were taken with it.

    Args:
        breaker: the breaker.
    """

    breaker: Breaker
    _now: float = attrs.field(default=0.0, init=False)
    _passed: dict[str, Ticket | Refused] = attrs.field(factory=dict[str, Ticket | Refused], init=False)
    _changes: list[BreakerChange] = attrs.field(factory=list[BreakerChange], init=False)

    def take(self, step: str) -> None:
        """Take one step.

        Raises:
            TableError: there is no such verb, or no such ticket.
        """
        instant, _, words = step.partition(" ")
        self._now = float(instant)
        if found := ADMIT.fullmatch(words):
            deadline = {} if found[2] is None else {"deadline": float(found[2])}
            self._passed[found[1]] = self.breaker.admit(self._now, **deadline)
        elif found := SETTLE.fullmatch(words):
            until = None if found[3] is None else float(found[3])
            self.breaker.settle(self._ticket(found[2]), OUTCOMES[found[1]], self._now, open_until=until)
        else:
            self._verb(words)(self._now)
        self._changes.extend(self.breaker.take_changes())

    def told(self) -> dict[str, object]:
        """Return what rows may say of it, at the last instant."""
        figures = attrs.asdict(self.breaker.snapshot(self._now))
        self._changes.extend(self.breaker.take_changes())
        return {
            **figures,
            "wants_to_open": self.breaker.wants_to_open,
            "next": self.breaker.next_deadline(self._now),
            "changes": [f"{each.before} to {each.after} at {each.at:g}" for each in self._changes],
            **{name: _shown(passed) for name, passed in self._passed.items()},
        }

    def _ticket(self, name: str) -> Ticket:
        ticket = self._passed.get(name)
        if isinstance(ticket, Ticket):
            return ticket
        raise TableError(f"{name!r} has no ticket")

    def _verb(self, words: str) -> Callable[[float], object]:
        breaker = self.breaker
        verbs: dict[str, Callable[[float], object]] = {
            "isolate": breaker.isolate,
            "release": breaker.release,
            "disable": breaker.disable,
            "observe": breaker.observe,
            "reset": breaker.reset,
            "allow": breaker.allow_open,
            "deny": breaker.deny_open,
            "healthy": lambda now: breaker.health(True, now),
            "ill": lambda now: breaker.health(False, now),
            "expire": breaker.expire,
            "look": breaker.snapshot,
        }
        if words not in verbs:
            raise TableError(
                f"a verb is admit, succeed, fail, slow, neutral, {', '.join(verbs)}, got {words!r}"
            )
        return verbs[words]


def _shown(passed: Ticket | Refused) -> str:
    if isinstance(passed, Ticket):
        return "probe" if passed.is_probe else "passed"
    until = "" if passed.retry_at is None else f" until {passed.retry_at:g}"
    return f"refused {passed.state}{until}"
