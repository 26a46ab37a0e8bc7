"""The ends an envelope can come to other than a received answer: its fate, and what whoever waits is told.

How the end of an op becomes a fate:

    the op            the asker is there           the asker has gone
    returns           handled                      `undo`, then cancelled or expired
    declared error    failed                       cancelled or expired
    any other error   interrupted, and a crash     interrupted, and a crash
    cut by its scope  expired                      cancelled or expired
    actor ends        interrupted                  interrupted

Of an idempotent op the last two and a crash leave a message open that somebody still wants: it goes back to the
mailbox (see `unfinished`), unless it has crashed too many incarnations, which ends it as interrupted too.

`AskCycle` counts as declared by every op: a refused cycle is told, whole, to whoever asked first.
"""

from __future__ import annotations

from typing import Any

from actors.errors import DeliveryError, Interrupted, NotDelivered, Quarantined
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate


def failed(envelope: Envelope, error: Exception) -> bool:
    """Answer with a declared error; return whether somebody receives it."""
    if envelope.is_tell:
        envelope.settle(Fate.FAILED, "nobody waits for its error", error)
        return True
    if envelope.is_abandoned:
        envelope.settle(envelope.departure())
        return False
    envelope.refuse(error, Fate.FAILED)
    return True


def misaddressed(envelope: Envelope, kind: type[Any]) -> None:
    """Answer that an actor of `kind` does not understand the message."""
    text = f"{envelope.message!r} is not a message of {kind.__name__} {envelope.mailbox.name!r}"
    failed(envelope, TypeError(text))


def interrupted(envelope: Envelope, cause: BaseException | None) -> None:
    """Tell that the actor ended in the middle, because of `cause` if that is known.

    For a message that has crashed an incarnation itself, its last crash is the cause.
    """
    error = _told(
        envelope,
        Interrupted,
        "was interrupted: actor {actor!r} ended while it was being handled;"
        " whether it took effect is unknown",
    )
    error.__cause__ = envelope.crashes[-1] if envelope.crashes else cause
    envelope.refuse(error, Fate.INTERRUPTED, "actor ended while handling it" if envelope.is_tell else "")


def quarantined(envelope: Envelope, crashes: tuple[Exception, ...]) -> None:
    """Take out a message that goes on crashing its actor; its dead letter holds all the crashes."""
    count = f"{len(crashes)} incarnation{'s' if len(crashes) > 1 else ''}"
    actor = envelope.mailbox.name
    group = ExceptionGroup(f"{envelope.message!r} crashed {count} of actor {actor!r}", crashes)
    error = _told(envelope, Quarantined, f"crashed {count} of actor {{actor!r}} and is not tried again")
    error.__cause__ = group
    envelope.settle(Fate.INTERRUPTED, f"quarantined after crashing {count}", group)
    envelope.answer_with(error)


def cut_short(envelope: Envelope) -> None:
    """Settle what was cancelled by its own scope: the deadline passed, or the asker left."""
    fate = envelope.departure()
    _expire(
        envelope,
        fate,
        _told(envelope, Interrupted, "was interrupted: its deadline passed while it was being handled"),
    )


def expired_in_queue(envelope: Envelope) -> None:
    """Settle what nobody wants any more, unhandled."""
    if envelope.has_started:
        text = "was interrupted: its deadline passed before actor {actor!r} tried it again"
        error = _told(envelope, Interrupted, text)
    else:
        text = "was not delivered: its deadline passed in the mailbox of {actor!r}"
        error = _told(envelope, NotDelivered, text)
    _expire(envelope, Fate.EXPIRED, error)


def _expire(envelope: Envelope, fate: Fate, error: DeliveryError) -> None:
    envelope.settle(fate)
    if envelope.reply is not None:
        envelope.reply.expire(error)
    if envelope.feed is not None:
        envelope.feed.end(error)


def _told(envelope: Envelope, kind: type[DeliveryError], what: str) -> DeliveryError:
    actor = envelope.mailbox.name
    return kind(f"{envelope.message!r} {what.format(actor=actor)}", message=envelope.message, recipient=actor)
