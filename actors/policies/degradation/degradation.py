"""How degraded the whole is, out of what is known of its parts.

Theory of operation. Three steps, from what happens to what is told:

    a service is down   when its breaker, or each of its parts', is open, half-open or isolated; when only some of its
                        parts' are, and nobody was answered by the others of late; or while its errors burn too fast
    the truth           the highest level that a service which is down stands for; 0 when none is
    the level           the truth, debounced: it rises to k when the truth was k or more for `up_after` without a
                        break, and falls below k when the truth was below k for `down_after` without a break

Of parts that can stand in for one another not all breakers may open, however ill all of them are; whoever sees to that
keeps some closed. So `UNANSWERED` calls in a row that failed say of those that are left what their breakers cannot.

The third step keeps one debounced switch for each level, "it is at least k". When one of them goes on or off, those
below or above it have been due no later, so the switches that are on are always those from 1 up to some k, and that k
is the level. Hence it goes to what is true in one step, and only as far as has lasted: a model that has gone down just
before the search has been down long enough counts for the search's level, and seconds later for its own.

What cannot happen: that it flaps. Between a rise to k and the next fall below it lie `down_after` at least, between
such a fall and the next rise `up_after`.

All that time alone changes happens at its own instant, however late somebody looks: what was asked for at 100 says
"since 42". Who is told to look again is told by `next_deadline`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.policies.breaker.records import BreakerState
from actors.policies.degradation.burn_rate import BurnRate, BurnReading
from actors.policies.degradation.debounce import Debounce
from actors.policies.degradation.rules import (
    CRITICAL,
    DEFAULT_RULES,
    DOWN_STATES,
    LEVEL_NAMES,
    NORMAL,
    SEPARATOR,
    START,
    WHOLE,
    DegradationLevel,
    DegradationRules,
)

UNANSWERED = 3
"""Calls in a row that failed, while some parts are out already: one is an accident and two may be chance."""


@attrs.frozen
class ServiceStanding:
    """Where one service stands.

    Args:
        level: what it stands for when it is down.
        is_down: whether it is.
        breakers: the state of each of its breakers that is known of, by its own name; "" for that of the whole.
        burn: where each row of its burn rate stands.
    """

    level: int
    is_down: bool
    breakers: Mapping[str, BreakerState]
    burn: tuple[BurnReading, ...]


@attrs.frozen
class DegradationStatistics:
    """A snapshot.

    Args:
        level: the level.
        truth: what it would be without hysteresis.
        services: every service that stands for a level, by its name.
        rises: how often the level rose.
        falls: how often it fell.
        ignored: what was heard of services that stand for no level.
    """

    level: DegradationLevel
    truth: int
    services: Mapping[str, ServiceStanding]
    rises: int
    falls: int
    ignored: int


@attrs.define(eq=False)
class _Service:
    """What is known of one service."""

    name: str
    level: int
    burn: BurnRate
    breakers: dict[str, BreakerState]
    failed_in_row: int = 0

    @property
    def is_shut(self) -> bool:
        parts = [state for member, state in self.breakers.items() if member != WHOLE]
        if self.breakers.get(WHOLE) in DOWN_STATES or (bool(parts) and DOWN_STATES.issuperset(parts)):
            return True
        return self.failed_in_row >= UNANSWERED and not DOWN_STATES.isdisjoint(parts)

    @property
    def is_down(self) -> bool:
        return self.is_shut or self.burn.factor is not None

    def add(self, *, ok: bool, now: float) -> None:
        self.failed_in_row = 0 if ok else self.failed_in_row + 1
        self.burn.add(ok=ok, now=now)

    @property
    def why(self) -> str:
        if self.is_shut:
            states = ", ".join(sorted(DOWN_STATES.intersection(self.breakers.values())))
            return f"{self.name}: breaker {states}"
        return f"{self.name}: errors burn {self.burn.factor:g} times too fast"


@attrs.define(eq=False)
class Degradation:
    """The level of the whole: a captain's conditions of readiness, which follow the reports and not each rumour.

    `now` never goes back. Every method that changes something returns the levels that began by it, oldest first, also
    those that time has brought about since the last look; none when all stays as it is.

    Args:
        rules: which services stand for what, and the hysteresis.
    """

    rules: DegradationRules = DEFAULT_RULES
    _level: DegradationLevel = attrs.field(default=START, init=False)
    _services: dict[str, _Service] = attrs.field(init=False)
    _at_least: tuple[Debounce, ...] = attrs.field(init=False)
    _rises: int = attrs.field(default=0, init=False)
    _falls: int = attrs.field(default=0, init=False)
    _ignored: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        rules = self.rules
        self._services = {
            name: _Service(
                name, level, BurnRate(rules.burn), dict.fromkeys(rules.members.get(name, ()), "closed")
            )
            for name, level in rules.levels.items()
        }
        self._at_least = tuple(Debounce(rules.up_after, rules.down_after) for _ in range(CRITICAL))

    @property
    def truth(self) -> int:
        """The highest level that a service which is down stands for, as far as is known."""
        return max((service.level for service in self._services.values() if service.is_down), default=NORMAL)

    @property
    def level(self) -> DegradationLevel:
        """The level as of the last look; `expire` before, where time has gone by."""
        return self._level

    def hear(self, service: str, state: BreakerState, now: float) -> tuple[DegradationLevel, ...]:
        """Take in the state of a breaker.

        Args:
            service: whose, such as "search"; of a part of it, "model/claude-opus-4-8".
            state: the state it is in from now on.
            now: the present.
        """
        changes = self.expire(now)
        name, _, member = service.partition(SEPARATOR)
        if (heard := self._services.get(name)) is None:
            self._ignored += 1
            return changes
        heard.breakers[member] = state
        return (*changes, *self._look(now))

    def outcome(self, service: str, *, ok: bool, now: float) -> tuple[DegradationLevel, ...]:
        """Take in how a call of a service went as a whole: retries that helped are no errors."""
        changes = self.expire(now)
        if (heard := self._services.get(service.partition(SEPARATOR)[0])) is None:
            self._ignored += 1
            return changes
        was_down = heard.is_down
        heard.add(ok=ok, now=now)
        # Most calls change nothing that can be seen, and what time changes has been seen to above.
        return changes if heard.is_down == was_down else (*changes, *self._look(now))

    def expire(self, now: float) -> tuple[DegradationLevel, ...]:
        """Let happen what time alone brings about until `now`, each at its own instant."""
        changes: list[DegradationLevel] = []
        while (deadline := self.next_deadline()) <= now:
            # What has lasted until this instant has lasted long enough, even if a burn is over at it.
            changes += self._look(deadline)
            for service in self._services.values():
                service.burn.expire(deadline)
            changes += self._look(deadline)
        return tuple(changes)

    def next_deadline(self) -> float:
        """Return when to `expire` next if nothing is heard before; infinity for never."""
        burns = (service.burn.next_deadline() for service in self._services.values())
        return min((*(switch.next_deadline() for switch in self._at_least), *burns))

    def statistics(self, now: float) -> DegradationStatistics:
        """Return a snapshot, of which the level is the one that was told last."""
        services = {
            name: ServiceStanding(
                service.level, service.is_down, dict(service.breakers), service.burn.statistics(now)
            )
            for name, service in self._services.items()
        }
        return DegradationStatistics(
            self._level, self.truth, services, self._rises, self._falls, self._ignored
        )

    def _look(self, now: float) -> tuple[DegradationLevel, ...]:
        """See the truth as it is now, and return the level that begins by it, if one does."""
        truth = self.truth
        for number, switch in enumerate(self._at_least, start=1):
            switch.see(truth >= number, now)
        number = sum(switch.is_on for switch in self._at_least)
        if number == self._level.number:
            return ()
        self._rises += number > self._level.number
        self._falls += number < self._level.number
        why = sorted(service.why for service in self._services.values() if number and service.is_down)
        self._level = DegradationLevel(number, LEVEL_NAMES[number], now, tuple(why))
        return (self._level,)
