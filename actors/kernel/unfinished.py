"""What an incarnation has begun and not finished, and where that goes when the incarnation ends.

    begun by the incarnation          its end (crash, stop, kill)
    an op at work, or a deferred      of an idempotent op: back to the head of the mailbox, in order of arrival
    answer, or the crashing op        of any other op: its asker is told `Interrupted`

What goes back waits for the next incarnation like any queued message; should there be none, whoever closes the
mailbox tells its asker. It goes back only if somebody wants it: when the asker has gone, or left in the instant of the
end, it is interrupted like the others. A message belongs to one incarnation at a time: an answer that the old one's
`Deferred` is given after its end reaches nobody and undoes nothing.

An incarnation that shields itself from its end can be left behind: what it has begun goes the same ways at once, and
its ops work on for nobody.
"""

from __future__ import annotations

from typing import Any

import attrs

from actors.kernel import endings
from actors.kernel.activity import Activity
from actors.kernel.envelope import Envelope
from actors.kernel.mailbox import Mailbox
from actors.kernel.message import OpSpec
from actors.kernel.reply import Deferred


@attrs.define(eq=False)
class Unfinished:
    """The open work of one incarnation; made with its first piece, as most actors answer at once.

    Args:
        activities: the ops at work, oldest first, and the messages they work for.
        parked: the messages whose answer is deferred.
    """

    activities: dict[Activity, Envelope] = attrs.field(factory=dict[Activity, Envelope])
    parked: dict[Envelope, Deferred[Any]] = attrs.field(factory=dict[Envelope, Deferred[Any]])
    _begun: dict[Envelope, None] = attrs.field(factory=dict[Envelope, None])

    def enter(self, envelope: Envelope, spec: OpSpec, activity: Activity) -> None:
        """Note that an op begins."""
        self.activities[activity] = envelope
        if spec.idempotent:
            self._begun[envelope] = None

    def leave(self, envelope: Envelope, activity: Activity) -> None:
        """Note that an op is no longer at work."""
        self.activities.pop(activity, None)
        if envelope.fate is not None:
            self._begun.pop(envelope, None)

    def park(self, envelope: Envelope, spec: OpSpec, deferred: Deferred[Any]) -> None:
        """Note that an answer is deferred."""
        self.parked[envelope] = deferred
        if spec.idempotent:
            self._begun[envelope] = None

    def unpark(self, envelope: Envelope) -> Deferred[Any] | None:
        """Return the deferred answer of `envelope` and forget it; None when it is not parked any more."""
        self._begun.pop(envelope, None)
        return self.parked.pop(envelope, None)

    def cut(self, envelope: Envelope, spec: OpSpec, cause: BaseException | None) -> None:
        """Take it that `envelope`, whose op has started, gets no answer here: it will go back, or its asker is told."""
        if spec.idempotent:
            self._begun[envelope] = None  # a plain op that crashed was begun last; others are there already
        self._cut(envelope, cause)

    def _cut(self, envelope: Envelope, cause: BaseException | None) -> None:
        if envelope in self._begun and not envelope.is_abandoned:
            envelope.go_back()
        else:
            endings.interrupted(envelope, cause)

    def give_back(self, mailbox: Mailbox, cause: BaseException | None) -> None:
        """Empty it at the end of the incarnation: nothing that was begun stays without a place or a fate."""
        for envelope, deferred in self.parked.items():
            deferred.bind(_too_late)
            self._cut(envelope, cause)
        self.parked.clear()
        mailbox.put_back(*(envelope for envelope in self._begun if envelope.fate is None))
        self._begun.clear()

    def let_go(self, mailbox: Mailbox, cause: BaseException | None) -> None:
        """Empty it although ops are at work: what they still do reaches nobody, see `Envelope.is_served_by`."""
        for envelope in self.activities.values():
            if envelope.fate is None:
                self._cut(envelope, cause)
            envelope.serving = None
        self.activities.clear()
        self.give_back(mailbox, cause)


def _too_late(_deferred: Deferred[Any]) -> bool:
    """Say that nobody receives the answer."""
    return False
