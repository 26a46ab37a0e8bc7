"""The cooldown: one actor that hears of every refusal, and tells all who use the same pool to keep away.

A limiter knows how much may be used; it does not know that the provider is on its knees. Whoever is refused tells the
cooldown, which decides for how long (`policies.cooldown`) and tells everybody who has subscribed to the pool. It is a
harbour's storm signal: it stops no ship, and all of them can see it. It knows of no limiter and of no call, and both
may know of it.

    a service with a limiter     the limiter subscribes, and shuts its gate with each `Pause` it is told
    one without                  `wait` before each call, `hear` after a refusal, `succeeded` after an answer

`wait` is answered when the pool is clear. After a pause those who wait are let go one by one, then more and more, by
the same ramp that limiters use.

**Over a crash.** Where its slot keeps state, pauses, what led to them and subscribers go on to the next incarnation;
who waits, waits on. A subscriber that raises, or behind whom nobody is any more, is dropped and counted: it can
subscribe again, and one that is told through a ref does so in its `setup` in any case.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from actors.kernel import Actor, Deferred, Delivery, op
from actors.policies.cooldown.cooldown import CooldownPolicy
from actors.policies.cooldown.ramp import FULL_SIZE, Ramp
from actors.policies.cooldown.records import CooldownStatistics, Pause, Trouble
from actors.policies.cooldown.rules import DEFAULT_RULES, CooldownRules
from actors.policies.instants import check_instant

WAKE_GAP = 0.25
"""Seconds between two who are let go after a pause, at least: four a second, so that the first refusal, which takes
tenths of a second, comes before many have followed. It ends with the ramp."""

Listener = Callable[[Pause], object]
"""Told of each pause, in the cooldown's own task: it must not wait, such as `lambda pause:
ref.tell_regardless(Limiter.pause(pause))`. When it returns `Delivery.UNDELIVERED`, nobody is behind it any more."""


@attrs.frozen
class PoolCooldown:
    """A snapshot of one pool.

    Args:
        policy: its pause and what led to it.
        waiting: how many wait for it to be clear.
        listeners: how many are told of its pauses.
        dropped: listeners that raised or had nobody behind them.
    """

    policy: CooldownStatistics
    waiting: int
    listeners: int
    dropped: int


@attrs.define(eq=False)
class _Pool:
    """What is known of one pool, and who wants to know it."""

    policy: CooldownPolicy
    ramp: Ramp
    listeners: dict[object, Listener] = attrs.field(factory=dict[object, Listener])
    # A dict, for its order and because those who wait may leave from anywhere.
    line: dict[object, Deferred[None]] = attrs.field(factory=dict[object, Deferred[None]])
    dropped: int = 0

    def tell(self, pause: Pause) -> None:
        """Tell every listener; one that fails is dropped, so that it harms neither the others nor the actor."""
        for key in tuple(self.listeners):
            self.tell_one(key, pause)

    def tell_one(self, key: object, pause: Pause) -> None:
        """Tell one listener, or drop it."""
        try:
            is_gone = self.listeners[key](pause) is Delivery.UNDELIVERED
        except Exception:  # noqa: BLE001  # a stranger's code: what it raises is its own affair
            is_gone = True
        if is_gone:
            del self.listeners[key]
            self.dropped += 1

    def let_go(self, now: float) -> None:
        """Let go of as many as the ramp lets through."""
        while self.line and self.ramp.opens_at(now) <= now:
            ticket = next(iter(self.line))
            if self.line.pop(ticket).set(None):
                self.ramp.pass_one(now)


@attrs.frozen
class CooldownState:
    """What an incarnation hands on: its pools, which the next one owns from then on."""

    pools: dict[str, _Pool]


class Cooldown(Actor):
    """Keeps the pauses of any number of pools.

    Give its `ChildSpec` `keep_state=True`: a crash costs nothing then. Otherwise its pauses are forgotten, and whoever
    has subscribed has to do so again.

    Args:
        rules: how long pauses are.
        wake_gap: seconds between two who are let go after a pause, at least.

    Raises:
        TypeError: `rules` are none, or `wake_gap` is no number.
        ValueError: `wake_gap` is negative or not finite.
    """

    def __init__(self, rules: CooldownRules = DEFAULT_RULES, *, wake_gap: float = WAKE_GAP) -> None:
        if type(rules) is not CooldownRules:
            raise TypeError(f"rules must be CooldownRules, got {type(rules).__name__}")
        self._rules = rules
        self._wake_gap = check_instant("wake_gap", wake_gap, earliest=0.0)
        self._pools: dict[str, _Pool] = {}

    def hand_over(self) -> CooldownState:
        """Hand on the pools."""
        return CooldownState(self._pools)

    def take_over(self, state: object) -> None:
        """Go on with the pools of the last incarnation, by the rules of this one.

        Raises:
            TypeError: `state` is no `CooldownState`.
        """
        if type(state) is not CooldownState:
            raise TypeError(f"state must be a CooldownState, got {type(state).__name__}")
        self._pools = state.pools
        for pool in self._pools.values():
            pool.line.clear()  # they come again by themselves
            pool.policy.rules = self._rules

    def next_deadline(self) -> float:
        """Return when the next one who waits can be let go."""
        now = self.now()
        return min((pool.ramp.opens_at(now) for pool in self._pools.values() if pool.line), default=math.inf)

    def on_deadline(self) -> None:
        """Let go of whom the ramps let through."""
        for pool in self._pools.values():
            pool.let_go(self.now())

    @op(raises=(TypeError,), idempotent=True)
    def hear(self, pool: str, trouble: Trouble) -> Pause:
        """Take in a refusal; if it begins a pause, or makes one longer, everybody who has subscribed is told.

        Returns:
            The pause that holds now; one that is over when none does.

        Raises:
            TypeError: `pool` is no text, or `trouble` is none.
        """
        _check_text("pool", pool)
        if type(trouble) is not Trouble:
            raise TypeError(f"trouble must be a Trouble, got {type(trouble).__name__}")
        now, heard_by = self.now(), self._pool(pool)
        before = heard_by.policy.pause
        pause = heard_by.policy.hear(trouble, now)
        if trouble.sent_at is not None and trouble.kind != "spend_cap":
            heard_by.ramp.settled("trouble", granted_at=trouble.sent_at, now=now)
        if heard_by.policy.pause != before:
            heard_by.ramp.pause(pause.until, now)
            heard_by.tell(pause)
        return pause

    @op(raises=(TypeError, ValueError), idempotent=True)
    def succeeded(self, pool: str, sent_at: float | None = None) -> None:
        """Take in that a call was answered. The first one after a pause is what matters; others may be left out.

        Args:
            pool: the pool it used.
            sent_at: instant at which it went out; None for just now.

        Raises:
            TypeError, ValueError: `pool` is no text, or `sent_at` no instant.
        """
        _check_text("pool", pool)
        if sent_at is not None:
            check_instant("sent_at", sent_at, earliest=-math.inf)
        if (answered := self._pools.get(pool)) is not None:
            now = self.now()
            answered.policy.succeeded(now, sent_at)
            answered.ramp.settled("success", granted_at=now if sent_at is None else sent_at, now=now)

    @op(raises=(TypeError,), idempotent=True)
    def wait(self, pool: str) -> Deferred[None]:
        """Return when the pool is clear and it is one's turn; at once if there was no trouble lately.

        Raises:
            TypeError: `pool` is no text.
        """
        _check_text("pool", pool)
        known, answer = self._pools.get(pool), Deferred[None]()
        if known is None:
            answer.set(None)
            return answer
        ticket = object()
        answer.on_abandoned = lambda: known.line.pop(ticket, None)
        known.line[ticket] = answer
        known.let_go(self.now())  # the usual case, without the way round by the deadline
        return answer

    @op(raises=(TypeError,), idempotent=True)
    def clear(self, pool: str) -> None:
        """Lift the pause of a pool and forget what led to it; subscribers are told by a pause that is "cleared".

        Raises:
            TypeError: `pool` is no text.
        """
        _check_text("pool", pool)
        if (known := self._pools.get(pool)) is not None:
            now = self.now()
            pause = known.policy.clear(now)
            known.ramp.lift(now)
            known.tell(pause)

    @op(raises=(TypeError,), idempotent=True)
    def subscribe(self, pool: str, listener: Listener, name: str | None = None) -> None:
        """Have `listener` told of each pause of a pool from now on; of the one that holds, at once.

        Args:
            pool: the pool.
            listener: is told in the cooldown's own task; see `Listener`.
            name: takes the place of the one that has subscribed under this name, as a restarted actor wants. None
                stands for the listener itself.

        Raises:
            TypeError: `pool` is no text, `listener` cannot be called, or has no name and no hash.
        """
        _check_text("pool", pool)
        if not callable(listener):
            raise TypeError(f"listener must be callable, got {type(listener).__name__}")
        if name is not None:
            _check_text("name", name)
        key = listener if name is None else name
        hash(key)  # what cannot be is refused before a pool is begun for it
        now, known = self.now(), self._pool(pool)
        known.listeners[key] = listener
        pause = known.policy.pause
        if pause is not None and not known.policy.is_clear(now):
            known.tell_one(key, pause)

    @op(raises=(TypeError,), idempotent=True)
    def unsubscribe(self, pool: str, listener: Listener | str) -> None:
        """Tell `listener`, or the one of this name, no more. Nothing happens if it is not told anyway.

        Raises:
            TypeError: `pool` is no text, or `listener` is neither a name nor what can be called and has a hash.
        """
        _check_text("pool", pool)
        if not isinstance(listener, str) and not callable(listener):
            raise TypeError(f"listener must be a name or callable, got {type(listener).__name__}")
        hash(listener)
        if (known := self._pools.get(pool)) is not None:
            known.listeners.pop(listener, None)

    @op(idempotent=True)
    def statistics(self) -> dict[str, PoolCooldown]:
        """Return a snapshot of every pool that was heard of."""
        now = self.now()
        return {
            name: PoolCooldown(pool.policy.statistics(now), len(pool.line), len(pool.listeners), pool.dropped)
            for name, pool in self._pools.items()
        }

    def _pool(self, name: str) -> _Pool:
        if name not in self._pools:
            self._pools[name] = _Pool(CooldownPolicy(self._rules), Ramp(spread=self._wake_gap * FULL_SIZE))
        return self._pools[name]


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
