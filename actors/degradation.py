"""The degradation level as an actor: it hears how services are, and tells everybody what to do without.

A breaker knows one endpoint, and a caller its own call. Neither knows whether the whole should offer less: leave out
what the search would add, answer without memory, or say politely that it cannot answer at all. This actor does. It is a
ship's bridge: reports come in from everywhere, and one condition goes out to all.

    each breaker           `hear(service, change)` with every change of its state
    each call              `outcome(service, ok)`, once, when it has ended: `on_end=telling(degradation, service)` of a
                           guard or an endpoint
    whoever offers less    `level()` before it begins, or `subscribe` to be told of each change

What is down, and what follows from that, is decided in `policies.degradation`. It refuses nothing and holds nobody up.

**Over a crash.** Where its slot keeps state, what it has heard and who has subscribed go on to the next incarnation.
A subscriber that raises, or behind whom nobody is any more, is dropped and counted; it can subscribe again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from structlog.typing import FilteringBoundLogger

from actors import telemetry
from actors.arguments import check_plain, check_ref
from actors.errors import Rejected
from actors.kernel import Actor, Delivery, Ref, op
from actors.policies.breaker.outcomes import outcome_of
from actors.policies.breaker.records import BreakerChange
from actors.policies.degradation import degradation as policy
from actors.policies.degradation.rules import DEFAULT_RULES, NORMAL, DegradationLevel, DegradationRules
from actors.wire.faults import fault_of

Listener = Callable[[DegradationLevel], object]
"""Is told of each level as it begins, in the actor's own task: it must not wait, such as `lambda level:
ref.tell_regardless(Chat.degrade(level))`. When it returns `Delivery.UNDELIVERED`, nobody is behind it any more."""


OnEnd = Callable[[Exception | None], object]
"""Is told how a call as a whole ended, by its error or None, in the task that made it: it must not wait or raise."""


@attrs.frozen
class DegradationSnapshot:
    """A snapshot.

    Args:
        policy: the level, what it is derived from, and how often it has changed.
        listeners: how many are told of its changes.
        dropped: listeners that raised or had nobody behind them.
    """

    policy: policy.DegradationStatistics
    listeners: int
    dropped: int


@attrs.frozen
class DegradationState:
    """What an incarnation hands on, which the next one owns from then on.

    Args:
        policy: what was heard and derived.
        listeners: who is told, by name or by itself.
        dropped: listeners that are told no more.
    """

    policy: policy.Degradation
    listeners: dict[object, Listener]
    dropped: int


class Degradation(Actor):
    """Keeps the degradation level of a whole, and tells of its changes.

    Give its `ChildSpec` `keep_state=True`: a crash costs nothing then. Otherwise it begins at level 0, and hears of a
    breaker that is open only with its next change; whoever has subscribed has to do so again.

    Args:
        rules: which services stand for what, and how long it must last.
        log: is told of each change; None for silence.

    Raises:
        TypeError: `rules` are none.
    """

    def __init__(
        self, rules: DegradationRules = DEFAULT_RULES, *, log: FilteringBoundLogger | None = None
    ) -> None:
        if type(rules) is not DegradationRules:
            raise TypeError(f"rules must be DegradationRules, got {type(rules).__name__}")
        self._rules = rules
        self._log = telemetry.silent_log() if log is None else log
        self._policy = policy.Degradation(rules)
        self._listeners: dict[object, Listener] = {}
        self._dropped = 0
        self._told = NORMAL

    def hand_over(self) -> DegradationState:
        """Hand on what was heard, and who is told."""
        return DegradationState(self._policy, self._listeners, self._dropped)

    def take_over(self, state: object) -> None:
        """Go on where the last incarnation ended; with other rules only who is told is taken over.

        Raises:
            TypeError: `state` is no `DegradationState`.
        """
        if type(state) is not DegradationState:
            raise TypeError(f"state must be a DegradationState, got {type(state).__name__}")
        self._listeners, self._dropped = state.listeners, state.dropped
        if state.policy.rules == self._rules:
            self._policy = state.policy
            self._told = state.policy.level.number

    def next_deadline(self) -> float:
        """Return when time alone may change the level."""
        return self._policy.next_deadline()

    def on_deadline(self) -> None:
        """Tell what time has changed."""
        self._tell(self._policy.expire(self.now()))

    @op(raises=(TypeError,), idempotent=True)
    def hear(self, service: str, change: BreakerChange) -> None:
        """Take in that a breaker has changed; for `on_change` of breakers.

        Args:
            service: the breaker's name: a service's, or with a "/" that of one of its breakers.
            change: what it went through.

        Raises:
            TypeError: `service` is no text, or `change` is none.
        """
        _check_text("service", service)
        if type(change) is not BreakerChange:
            raise TypeError(f"change must be a BreakerChange, got {type(change).__name__}")
        self._tell(self._policy.hear(service, change.after, self.now()))

    @op(raises=(TypeError,))
    def outcome(self, service: str, ok: bool) -> None:
        """Take in how one call ended, with its retries and fallbacks; a caller's own mistake is not told at all.

        Raises:
            TypeError: `service` is no text, or `ok` neither True nor False.
        """
        _check_text("service", service)
        if not isinstance(ok, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"ok must be True or False, got {type(ok).__name__}")
        self._tell(self._policy.outcome(service, ok=ok, now=self.now()))

    @op(idempotent=True)
    def level(self) -> DegradationLevel:
        """Return the level that holds now."""
        self.on_deadline()  # a real clock may have passed it since the message was taken
        return self._policy.level

    @op(raises=(TypeError,), idempotent=True)
    def subscribe(self, listener: Listener, name: str | None = None) -> None:
        """Have `listener` told of each level from now on; of the one that holds, at once.

        Args:
            listener: is told in the actor's own task; see `Listener`.
            name: takes the place of the one that has subscribed under this name, as a restarted actor wants. None
                stands for the listener itself.

        Raises:
            TypeError: `listener` is no plain function, or has no name and no hash, or `name` is no text.
        """
        check_plain("listener", listener)
        if name is not None:
            _check_text("name", name)
        key = listener if name is None else name
        hash(key)  # what cannot be is refused before anything is told
        self.on_deadline()
        self._listeners[key] = listener
        self._tell_one(key, self._policy.level)

    @op(raises=(TypeError,), idempotent=True)
    def unsubscribe(self, listener: Listener | str) -> None:
        """Tell `listener`, or the one of this name, no more. Nothing happens if it is not told anyway.

        Raises:
            TypeError: `listener` is neither a name nor what can be called and has a hash.
        """
        if not isinstance(listener, str) and not callable(listener):
            raise TypeError(f"listener must be a name or callable, got {type(listener).__name__}")
        hash(listener)
        self._listeners.pop(listener, None)

    @op(idempotent=True)
    def statistics(self) -> DegradationSnapshot:
        """Return a snapshot."""
        self.on_deadline()
        return DegradationSnapshot(self._policy.statistics(self.now()), len(self._listeners), self._dropped)

    def _tell(self, levels: Iterable[DegradationLevel]) -> None:
        for level in levels:
            before, self._told = self._told, level.number
            tell = self._log.warning if level.number > before else self._log.info
            facts = {"number": level.number, "name": level.name, "before": before, "why": list(level.why)}
            tell(telemetry.DEGRADATION_CHANGED, **facts)
            for key in tuple(self._listeners):
                self._tell_one(key, level)

    def _tell_one(self, key: object, level: DegradationLevel) -> None:
        """Tell one listener, or drop it, so that it harms neither the others nor the actor."""
        try:
            is_gone = self._listeners[key](level) is Delivery.UNDELIVERED
        except Exception:  # noqa: BLE001  # a stranger's code: what it raises is its own affair
            is_gone = True
        if is_gone:
            del self._listeners[key]
            self._dropped += 1


def telling(degradation: Ref[Degradation], service: str) -> OnEnd:
    """Return what tells a degradation how the calls of a service end: for the `on_end` of a guard or an endpoint.

    What says nothing of the service is not told: a caller's own mistake, a limit that holds, a call that was not made.

    Raises:
        TypeError: `degradation` is no ref, or `service` no text.
    """
    check_ref("degradation", degradation)
    _check_text("service", service)

    def tell(error: Exception | None) -> None:
        if (ok := _speaks_well(error)) is not None:
            degradation.tell_regardless(Degradation.outcome(service, ok))

    return tell


def _speaks_well(error: Exception | None) -> bool | None:
    """Return what the end of a call says of its service, or None for nothing."""
    if error is None:
        return True
    if isinstance(error, Rejected):
        return None  # it was not asked: for want of time or capacity, or since its breaker is open, which is heard
    return None if outcome_of(fault_of(error)) == "neutral" else False


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
