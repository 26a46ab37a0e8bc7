"""Serving one envelope: run its op, answer its asker, give it its fate.

    plain def            called here and now: atomic, in mailbox order, no cancel scope, no task
    async def            awaited in the loop: in mailbox order, and the mailbox is *held* meanwhile
    concurrent, stream   a child task: the loop goes on

How its end becomes a fate is in `endings`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import CoroutineType
from typing import Any, Protocol

import attrs
import trio

from actors.kernel import endings
from actors.kernel.activity import Activity, current_activity
from actors.kernel.actor import Actor
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate
from actors.kernel.mailbox import Mailbox
from actors.kernel.message import OpSpec
from actors.kernel.post_mortem import annotate
from actors.kernel.reply import Deferred
from actors.kernel.unfinished import Unfinished

NEVER = math.inf
"""The deadline of a message that has none; a name of this module is found faster than one of another."""


class Host(Protocol):
    """What serving needs of the incarnation around it.

    Attributes:
        deferred_since: what an actor sees of the message at hand: since when it waits for a deferred answer.
    """

    deferred_since: float | None

    @property
    def error(self) -> Exception | None:
        """What has gone wrong in it so far."""
        ...

    @property
    def quarantine_after(self) -> int:
        """How many incarnations one message may crash."""
        ...

    def start_op(self, run: Callable[[], Awaitable[object]]) -> None:
        """Run an op as a child task."""
        ...

    def post(self, call: Callable[[], object]) -> None:
        """Run `call` in the actor at the next message boundary."""
        ...

    def crash(self, error: Exception, *, is_quarantine: bool = False) -> None:
        """End the incarnation with `error`; the message behind it may have been taken out for it."""
        ...


@attrs.define(eq=False, weakref_slot=False)  # there is one for each actor
class Server:
    """Serves the envelopes of one incarnation.

    Args:
        actor: whose ops are run.
        mailbox: whose accounts they count into.
        host: the incarnation it serves for.
    """

    actor: Actor
    mailbox: Mailbox
    host: Host
    unfinished: Unfinished | None = None

    def begin(self, envelope: Envelope) -> Awaitable[None] | None:
        """Serve `envelope`, or start to; return what the loop must await before the next one, if anything."""
        if envelope.fate is not None:
            return None  # its asker has gone: skipped before it costs anything
        message: object = envelope.message
        spec = self.actor.__ops__.get(type(message))
        if spec is not None and spec.kind == "sync" and envelope.deadline == NEVER:
            self._call(envelope, spec)
        elif spec is None or (spec.kind == "stream" and envelope.feed is None):
            endings.misaddressed(envelope, type(self.actor))
        elif envelope.deadline != math.inf and envelope.deadline <= trio.current_time():
            endings.expired_in_queue(envelope)
        elif spec.kind == "sync":
            self._call(envelope, spec)
        elif spec.kind == "stream":
            activity, scope = self._enter(envelope, spec)
            self.host.start_op(lambda: self._produce(envelope, spec, activity, scope))
        elif spec.concurrent:
            activity, scope = self._enter(envelope, spec)
            self.host.start_op(lambda: self._run(envelope, spec, activity, scope))
        else:
            return self._run(envelope, spec, *self._enter(envelope, spec), holds=True)
        return None

    def give_back(self, cause: BaseException | None) -> None:
        """Let go, at the end of the incarnation, of all that was begun: back to the mailbox or to its askers."""
        if self.unfinished is not None:
            self.unfinished.give_back(self.mailbox, cause)

    def let_go(self, cause: BaseException | None) -> None:
        """Let go of all that was begun although ops are at work: they are left behind, and work on for nobody."""
        self.mailbox.holder = None
        if self.unfinished is not None:
            self.unfinished.let_go(self.mailbox, cause)

    def _open_work(self) -> Unfinished:
        if self.unfinished is None:
            self.unfinished = Unfinished()
        return self.unfinished

    # running an op

    def _call(self, envelope: Envelope, spec: OpSpec) -> None:
        envelope.on_abandon = _ignore  # the op itself may cancel its asker
        try:
            if envelope.deferred_at is None:
                value = spec.invoke(self.actor, envelope.message)
            else:
                value = self._invoke_again(envelope, spec, envelope.deferred_at)
        except spec.raises as error:
            endings.failed(envelope, error)
        except BaseException as error:  # noqa: BLE001  # _crashed raises on what is no Exception
            self._crashed(envelope, spec, error)
        else:
            if value.__class__ is Deferred:
                self._park(envelope, spec, value)
            elif value.__class__ is CoroutineType:
                self._refuse_coroutine(envelope, spec, value)
            elif envelope.reply is None or envelope.reply.answer(value):
                envelope.handled()
            else:
                self._hand_back(envelope, spec, value)

    def _invoke_again(self, envelope: Envelope, spec: OpSpec, deferred_at: float) -> Any:
        """Run an op that an earlier incarnation has deferred, and let it see since when."""
        self.host.deferred_since = deferred_at
        try:
            return spec.invoke(self.actor, envelope.message)
        finally:
            self.host.deferred_since = None

    def _refuse_coroutine(
        self, envelope: Envelope, spec: OpSpec, value: CoroutineType[Any, Any, Any]
    ) -> None:
        """Crash over an op that is async behind a decorator that hides it: it would run in its asker's task."""
        value.close()
        text = (
            f"op {spec.name!r} returned a coroutine; make it async def, or let its decorator say that it is"
        )
        self._crashed(envelope, spec, TypeError(text))

    async def _run(
        self,
        envelope: Envelope,
        spec: OpSpec,
        activity: Activity,
        scope: trio.CancelScope,
        *,
        holds: bool = False,
    ) -> None:
        if holds:
            self.mailbox.holder = activity
        token = current_activity.set(activity)
        value: Any = None
        try:
            with scope:
                if not holds:
                    await trio.lowlevel.checkpoint_if_cancelled()  # the asker or the actor may be gone by now
                if spec.on_abandon == "finish":
                    envelope.on_abandon = _ignore
                value = await spec.invoke(self.actor, envelope.message)
        except spec.raises as error:
            if envelope.is_served_by(activity):
                endings.failed(envelope, error)
        except BaseException as error:  # noqa: BLE001  # _crashed raises on what is no Exception
            self._crashed(envelope, spec, error, activity)
        else:
            if not envelope.is_served_by(activity):
                self._undo_late(spec, value, scope)
            elif scope.cancelled_caught:
                endings.cut_short(envelope)
            else:
                self._answer(envelope, spec, value)
        finally:
            current_activity.reset(token)
            self._open_work().leave(envelope, activity)
            if holds:
                self.mailbox.holder = None

    async def _produce(
        self, envelope: Envelope, spec: OpSpec, activity: Activity, scope: trio.CancelScope
    ) -> None:
        feed = envelope.feed
        assert feed is not None  # noqa: S101  # `begin` has seen to it
        current_activity.set(activity)
        try:
            with scope:
                await trio.lowlevel.checkpoint_if_cancelled()  # the consumer or the actor may be gone by now
                async with aclosing(spec.invoke(self.actor, envelope.message)) as items:
                    async for item in items:
                        await feed.put(item)
        except spec.raises as error:
            if envelope.is_served_by(activity):
                endings.failed(envelope, error)
        except BaseException as error:  # noqa: BLE001  # _crashed raises on what is no Exception
            self._crashed(envelope, spec, error, activity)
        else:
            if not envelope.is_served_by(activity):
                pass
            elif scope.cancelled_caught:
                endings.cut_short(envelope)
            else:
                envelope.settle(envelope.departure() if feed.is_left else Fate.HANDLED)
                feed.end()
        finally:
            self._open_work().leave(envelope, activity)

    def _enter(self, envelope: Envelope, spec: OpSpec) -> tuple[Activity, trio.CancelScope]:
        """Note that an op begins: from here on it can be seen, waited for and abandoned, its task started or not."""
        activity = Activity(self.mailbox.name, spec.name, trio.current_time())
        self._open_work().enter(envelope, spec, activity)
        envelope.serving = activity
        scope = trio.CancelScope(deadline=math.inf if spec.on_abandon == "finish" else envelope.deadline)
        envelope.on_abandon = scope.cancel
        return activity, scope

    # deferred answers

    def _park(self, envelope: Envelope, spec: OpSpec, deferred: Deferred[Any]) -> None:
        if deferred.is_bound:
            text = f"op {spec.name!r} returned the same Deferred twice; make a new one for each message"
            self._crashed(envelope, spec, RuntimeError(text))
            return
        type(envelope.message).__carries_deadline__ = True  # learned, where the annotation did not tell
        if deferred.is_set:  # within the op already: there is nothing to wait for, and nothing to keep
            deferred.bind(lambda answered: self._pass_on(envelope, spec, answered))
            return
        self._open_work().park(envelope, spec, deferred)
        envelope.is_parked, envelope.serving = True, deferred.waits_for
        if spec.idempotent and envelope.deferred_at is None:
            envelope.deferred_at = trio.current_time()
        envelope.on_abandon = lambda: self.host.post(lambda: self._departed(envelope))
        if envelope.is_abandoned:
            envelope.on_abandon()
        deferred.bind(lambda answered: self._redeem(envelope, spec, answered))

    def _redeem(self, envelope: Envelope, spec: OpSpec, deferred: Deferred[Any]) -> bool:
        """Pass on the answer; return whether the asker receives it."""
        envelope.on_abandon = None  # breaks its cycle
        if self._open_work().unpark(envelope) is None:  # its asker has gone
            if deferred.error is None:
                self._undo(spec, deferred.value)
            return False
        return self._pass_on(envelope, spec, deferred)

    def _pass_on(self, envelope: Envelope, spec: OpSpec, deferred: Deferred[Any]) -> bool:
        if deferred.error is not None:
            return endings.failed(envelope, deferred.error)
        return self._answer(envelope, spec, deferred.value)

    def _departed(self, envelope: Envelope) -> None:
        deferred = self._open_work().unpark(envelope)
        if deferred is None:
            return  # it was answered before the news came
        envelope.on_abandon = None  # breaks its cycle
        envelope.settle(envelope.departure())
        if deferred.on_abandoned is not None:
            deferred.on_abandoned()

    # answers and fates

    def _answer(self, envelope: Envelope, spec: OpSpec, value: object) -> bool:
        if envelope.reply is None or envelope.reply.answer(value):
            envelope.handled()
            return True
        self._hand_back(envelope, spec, value)
        return False

    def _hand_back(self, envelope: Envelope, spec: OpSpec, value: object) -> None:
        envelope.settle(envelope.departure())
        self._undo(spec, value)

    def _undo_late(self, spec: OpSpec, value: object, scope: trio.CancelScope) -> None:
        """Hand back what an op returned that had been left behind, if it came so far."""
        if not scope.cancelled_caught:
            self._undo(spec, value)

    def _undo(self, spec: OpSpec, value: object) -> None:
        if spec.undo is not None:
            try:
                spec.undo(self.actor, value)
            except Exception as error:  # noqa: BLE001  # whatever undo raises, the state is not to be trusted
                annotate(error, f"in the undo of {type(self.actor).__name__}.{spec.name}")
                self.host.crash(error)

    def _crashed(
        self, envelope: Envelope, spec: OpSpec, error: BaseException, activity: Activity | None = None
    ) -> None:
        """Let go of an envelope whose op did not come to an end; a crash is recorded, anything else goes on up."""
        if not envelope.is_served_by(activity):  # let go of already
            if not isinstance(error, Exception):
                raise error
            self.host.crash(error)
            return
        if not isinstance(error, Exception):
            self._open_work().cut(envelope, spec, self.host.error)
            raise error
        crashes = envelope.crashes or ()
        annotate(error, f"while handling {envelope.message!r}, attempt {len(crashes) + 1}")
        # An op that fails while a crash cuts it short is not to blame for that crash.
        is_first = self.host.error is None
        if spec.idempotent and is_first:
            envelope.crashes = crashes = (*crashes, error)
        is_quarantine = is_first and spec.idempotent and len(crashes) >= self.host.quarantine_after
        if is_quarantine:
            endings.quarantined(envelope, crashes)
        else:
            self._open_work().cut(envelope, spec, error)
        self.host.crash(error, is_quarantine=is_quarantine)


def _ignore() -> None:
    """Let the op finish although its asker has gone."""
