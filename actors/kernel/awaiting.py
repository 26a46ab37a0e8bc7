"""To wait for another actor's end, or start, is to wait for its ops: the part of the wait-for graph that is no ask.

An op that stops an actor, or a supervisor that stops its children, waits until they have ended, and they end when what
they do has. Should one of those ops ask back, each would wait for the other until the grace is spent. So the wait is in
the graph like any other: the ask that would close the circle is refused at once, and one that lies in the mailbox
already is turned away.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs

from actors.errors import AskCycle
from actors.kernel import endings
from actors.kernel.activity import Activity, Awaited, current_activity, find_cycle
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate
from actors.kernel.slot import Slot


@attrs.frozen(eq=False)
class _OpAtWork:
    """The wait for one op, which will not be followed by another."""

    blocker: Activity

    @property
    def label(self) -> str:
        """How the op is shown."""
        return self.blocker.label


@attrs.frozen(eq=False)
class _Holder:
    """The wait for whatever holds an actor's mailbox: the op that is served in order, or the actor's own end."""

    slot: Slot

    @property
    def blocker(self) -> Activity | None:
        """The activity that must end first."""
        return self.slot.mailbox.holder

    @property
    def label(self) -> str:
        """How the activity is shown, or else the actor."""
        return self.slot.name if self.blocker is None else self.blocker.label


@contextmanager
def awaiting(slot: Slot) -> Generator[None]:
    """Be known to wait until the actor in `slot` has started or ended, for the length of the block."""
    activity = current_activity.get()
    if activity is None:
        yield
        return
    at_work = () if slot.performer is None else slot.performer.activities()
    waits: set[Awaited] = {_Holder(slot), *map(_OpAtWork, at_work)}
    activity.waits |= waits
    try:
        _turn_away_what_waits_for(activity)
        yield
    finally:
        activity.waits -= waits


def closed_by_end_of(slot: Slot, waiting: Activity) -> tuple[str, ...] | None:
    """Return the path that `waiting` would close if it waited for the end of the actor in `slot`, or None."""
    at_work = [] if slot.performer is None else list(slot.performer.activities())
    if slot.mailbox.holder is not None:
        at_work.append(slot.mailbox.holder)
    paths = (find_cycle(waiting, activity) for activity in at_work)
    return next((path for path in paths if path is not None), None)


def _turn_away_what_waits_for(ending: Activity) -> None:
    """Refuse the asks that lie in a mailbox held by `ending` and were sent by an op for which `ending` waits."""
    seen: set[Activity] = set()
    open_ends = [ending]
    while open_ends:
        asking = open_ends.pop()
        seen.add(asking)
        for awaited in tuple(asking.waits):
            blocker = awaited.blocker
            if blocker is ending and isinstance(awaited, Envelope) and not awaited.is_parked:
                _refuse(awaited, find_cycle(asking, ending) or ())
            elif blocker is not None and blocker not in seen:
                open_ends.append(blocker)


def _refuse(envelope: Envelope, path: tuple[str, ...]) -> None:
    if envelope.has_started:
        endings.interrupted(envelope, None)  # it waits to be tried again
        return
    name = envelope.mailbox.name
    text = f"asking {envelope.message!r} waits for itself, as nobody serves {name!r} now: {' -> '.join(path)}"
    error = AskCycle(text, message=envelope.message, recipient=name, path=path)
    envelope.refuse(error, Fate.BOUNCED)
