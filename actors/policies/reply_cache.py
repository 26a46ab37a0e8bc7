"""Replies that are known already: by their question, for a time, and only so many.

A shelf of finished dishes: what was not asked for longest is thrown away first when the shelf is full, and nothing is
served as fresh beyond its time. When the kitchen burns, a dish past its time is better than none, so for a while longer
it is kept for those who say that they would take it.

        kept            time_to_live            + stale_for
         ├──── fresh ───────┼──── stale: on request ────┤ forgotten

Two orders are kept, by last use and by age, each a linked list: every step is O(1), and each reply is forgotten once.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import attrs

from actors.policies.instants import add_up, check_instant, check_number

KeyT = TypeVar("KeyT", bound=Hashable)
ReplyT = TypeVar("ReplyT")

CAPACITY = 1024
"""Replies: at four thousand characters each some megabytes."""

TIME_TO_LIVE = 300.0
"""Seconds: as long as a provider's own prompt cache takes the same words for recent."""

STALE_FOR = 86_400.0
"""Seconds: a day, longer than all but the worst outages."""


def _check_capacity(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _check_positive(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if check_number(attribute.name, value) <= 0:
        raise ValueError(f"{attribute.name} must be > 0, got {value}")


def _check_not_negative(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if check_number(attribute.name, value) < 0:
        raise ValueError(f"{attribute.name} must be >= 0, got {value}")


@attrs.frozen
class ReplyCacheRules:
    """How many replies are kept, and for how long.

    Args:
        capacity: replies, at least 1.
        time_to_live: seconds for which a reply is as good as a new one, > 0; infinite for ever.
        stale_for: seconds beyond that for which it is kept for those who would take it; 0 for none, infinite for ever.

    Raises:
        TypeError: a value is of the wrong kind.
        ValueError: a value is out of its bounds.
    """

    capacity: int = attrs.field(default=CAPACITY, validator=_check_capacity)
    time_to_live: float = attrs.field(default=TIME_TO_LIVE, validator=_check_positive)
    stale_for: float = attrs.field(default=STALE_FOR, validator=_check_not_negative)


@attrs.frozen
class ReplyCacheStatistics:
    """What a cache has done so far, and what it holds.

    Args:
        replies: that it holds, stale ones included.
        hits: questions that were answered by a fresh reply.
        stale_hits: those that were answered by a stale one.
        misses: those that were not answered.
        kept: replies that were put in.
        evicted: replies that had to make room.
        expired: replies whose time was up.
    """

    replies: int = 0
    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    kept: int = 0
    evicted: int = 0
    expired: int = 0


@attrs.define(eq=False)
class _Entry(Generic[ReplyT]):
    reply: ReplyT = attrs.field(repr=False)
    fresh_until: float
    kept_until: float


@attrs.define(eq=False)
class CachedReplies(Generic[KeyT, ReplyT]):
    """A bounded shelf of replies.

    It reads no clock: `now` must not go back, and one that does is taken for the latest there was.

    Args:
        rules: how many, and for how long.
    """

    rules: ReplyCacheRules = attrs.field(factory=ReplyCacheRules)
    # The key is on both lists or on neither; the least recently used, and the oldest, stand first.
    _by_use: OrderedDict[KeyT, _Entry[ReplyT]] = attrs.field(
        factory=OrderedDict[KeyT, _Entry[ReplyT]], init=False, repr=False
    )
    _by_age: OrderedDict[KeyT, _Entry[ReplyT]] = attrs.field(
        factory=OrderedDict[KeyT, _Entry[ReplyT]], init=False, repr=False
    )
    _latest: float = attrs.field(default=-math.inf, init=False)
    _counted: Counter[str] = attrs.field(factory=Counter[str], init=False)

    def look_up(self, key: KeyT, now: float, *, stale: bool = False) -> ReplyT | None:
        """Return the reply to a question, or None where none is known that will do.

        Args:
            key: of the question.
            now: the present.
            stale: whether a reply past its time will do.

        Raises:
            TypeError, ValueError: `now` is no instant; nothing has changed then.
        """
        now = self._advance(now)
        entry = self._by_use.get(key)
        if entry is None or (now >= entry.fresh_until and not stale):
            self._counted["misses"] += 1
            return None
        self._by_use.move_to_end(key)
        self._counted["hits" if now < entry.fresh_until else "stale_hits"] += 1
        return entry.reply

    def keep(self, key: KeyT, reply: ReplyT, now: float) -> None:
        """Keep the reply to a question, in the place of an older one; the one used longest ago makes room for it.

        Raises:
            TypeError, ValueError: `now` is no instant; nothing has changed then.
        """
        now = self._advance(now)
        fresh_until = _end(now, self.rules.time_to_live)
        entry = _Entry(reply, fresh_until, _end(fresh_until, self.rules.stale_for))
        for order in (self._by_use, self._by_age):
            order[key] = entry
            order.move_to_end(key)
        self._counted["kept"] += 1
        if len(self._by_use) > self.rules.capacity:
            key, _ = self._by_use.popitem(last=False)
            del self._by_age[key]
            self._counted["evicted"] += 1

    def expire(self, now: float) -> None:
        """Forget what is past its time, stale ones included."""
        self._advance(now)

    def next_deadline(self) -> float:
        """Return the instant at which `expire` has something to do, or infinity."""
        return next((entry.kept_until for entry in self._by_age.values()), math.inf)

    def clear(self) -> int:
        """Forget all replies and return how many there were."""
        count = len(self._by_use)
        self._by_use.clear()
        self._by_age.clear()
        return count

    def statistics(self) -> ReplyCacheStatistics:
        """Return what it has done, and what it holds."""
        return ReplyCacheStatistics(replies=len(self._by_use), **self._counted)

    def verify(self) -> None:
        """Check that both orders hold the same.

        Raises:
            ValueError: they do not; whoever changed them did not come to an end.
        """
        if self._by_use.keys() != self._by_age.keys():
            raise ValueError(
                f"{len(self._by_use)} replies by use must be the {len(self._by_age)} replies by age"
            )

    def _advance(self, now: float) -> float:
        """Forget what is past its time by now, and return the present."""
        self._latest = max(self._latest, check_instant("now", now, earliest=-math.inf))
        while self.next_deadline() <= self._latest:
            key, _ = self._by_age.popitem(last=False)
            del self._by_use[key]
            self._counted["expired"] += 1
        return self._latest


def _end(begin: float, seconds: float) -> float:
    return math.inf if math.isinf(begin + seconds) else add_up(begin, seconds)
