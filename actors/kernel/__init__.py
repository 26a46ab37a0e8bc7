"""What an actor is: typed messages, mailboxes, replies, incarnations. Knows nothing of models."""

from __future__ import annotations

from actors.kernel.actor import Actor
from actors.kernel.fates import Books, DeadLetter, Fate, FateCounts, current_books, open_books
from actors.kernel.mailbox import Delivery, Overflow
from actors.kernel.message import Message, StreamMessage
from actors.kernel.opening import open_actor
from actors.kernel.ops import op
from actors.kernel.ref import Ref
from actors.kernel.reply import Deferred
from actors.kernel.slot import Down, Exit
from actors.kernel.statistics import ActorStatistics, RunningOp
from actors.kernel.stream import Stream
from actors.kernel.timers import Timer

__all__ = [
    "Actor",
    "ActorStatistics",
    "Books",
    "DeadLetter",
    "Deferred",
    "Delivery",
    "Down",
    "Exit",
    "Fate",
    "FateCounts",
    "Message",
    "Overflow",
    "Ref",
    "RunningOp",
    "Stream",
    "StreamMessage",
    "Timer",
    "current_books",
    "op",
    "open_actor",
    "open_books",
]
