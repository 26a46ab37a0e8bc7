"""Understudy's actors: a typed actor kernel on Trio and the cast that calls model APIs.

This is the kernel's public face. The cast is imported by the name of its actor: `actors.limiter`, `actors.endpoint`,
`actors.reader` and so on, so that whoever only wants actors loads nothing of models. Errors are in `actors.errors`.
"""

from __future__ import annotations

from actors.kernel import (
    Actor,
    ActorStatistics,
    Books,
    DeadLetter,
    Deferred,
    Delivery,
    Down,
    Exit,
    Fate,
    FateCounts,
    Message,
    Overflow,
    Ref,
    RunningOp,
    Stream,
    StreamMessage,
    Timer,
    current_books,
    op,
    open_actor,
    open_books,
)

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
