"""Tells put into a mailbox and read out of it by hand, with no actor behind it."""

from __future__ import annotations

from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate
from actors.kernel.mailbox import Mailbox


def tell(box: Mailbox, *messages: int) -> list[Envelope]:
    """Post tells without waiting for room."""
    envelopes = [Envelope(message, box) for message in messages]
    for envelope in envelopes:
        if box.post(envelope) is None:
            box.line_up(envelope)
    return envelopes


def read(box: Mailbox) -> list[int]:
    """Return the messages that can be read, in order."""
    taken: list[int] = []
    while (envelope := box.get_nowait()) is not None:
        if envelope.fate is None:
            envelope.settle(Fate.HANDLED)
            taken.append(envelope.message)
    return taken
