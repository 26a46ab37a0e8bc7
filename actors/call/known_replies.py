"""Answers that are known, as a call uses them: a cache that cannot be asked costs the call nothing but an answer."""

from __future__ import annotations

import trio

from actors.errors import DeliveryError
from actors.kernel import Ref
from actors.reply_cache import ReplyCache
from actors.wire.chat import ChatReply, ChatRequest

ANSWER_WITHIN = 1.0
"""Seconds that a cache is waited for. It answers at once; only one that is being restarted cannot, and to ask the model
is better than to wait for it."""


async def look_up(
    cache: Ref[ReplyCache] | None, request: ChatRequest, *, stale: bool = False
) -> ChatReply | None:
    """Return the answer to an equal question, or None where none is known, or nobody can say.

    Args:
        cache: where answers are kept, or None for nowhere.
        request: the question.
        stale: whether an answer past its time will do.
    """
    if cache is None:
        return None
    with trio.move_on_after(ANSWER_WITHIN):
        try:
            return await cache.ask(ReplyCache.look_up(request, stale=stale))
        except DeliveryError:
            return None
    return None


def keep(cache: Ref[ReplyCache] | None, request: ChatRequest, reply: ChatReply) -> None:
    """Have an answer kept, where there is a cache; nobody waits for it."""
    if cache is not None:
        cache.tell_regardless(ReplyCache.keep(request, reply))
