"""The reply cache: one actor that remembers what was answered, so that the same question is not paid for twice.

It stands before everything else of a call: what it knows costs no tokens, no place in line and no provider. And behind
everything else: where all models have failed, `look_up(request, stale=True)` gives the last answer that is known,
however old within its bounds.

A question is known by its digest, over all that decides the answer: model, system prompt, turns, length, temperature.
So no prompt is kept, and no key, log or snapshot holds a word of one. It asks for no tenant: the same question has the
same answer, whoever asks. Replies are kept in memory alone, and end with the actor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from actors.kernel import Actor, op
from actors.policies.reply_cache import CachedReplies, ReplyCacheRules, ReplyCacheStatistics
from actors.wire.chat import ChatReply, ChatRequest


class ReplyCache(Actor):
    """Keeps replies by their questions.

    Give its `ChildSpec` `keep_state=True`, and a crash costs nothing; otherwise it begins empty.

    Args:
        rules: how many replies, and for how long.

    Raises:
        TypeError: `rules` are none.
    """

    def __init__(self, rules: ReplyCacheRules | None = None) -> None:
        if rules is not None and type(rules) is not ReplyCacheRules:
            raise TypeError(f"rules must be ReplyCacheRules or None, got {type(rules).__name__}")
        self._replies: CachedReplies[bytes, ChatReply] = CachedReplies(
            ReplyCacheRules() if rules is None else rules
        )

    def hand_over(self) -> CachedReplies[bytes, ChatReply]:
        """Hand on the replies."""
        return self._replies

    def take_over(self, state: object) -> None:
        """Go on with the replies of the last incarnation.

        Raises:
            TypeError: `state` is no `CachedReplies`.
            ValueError: they were kept by other rules, or left half changed.
        """
        if not isinstance(state, CachedReplies):
            raise TypeError(f"state must be CachedReplies, got {type(state).__name__}")
        if state.rules != self._replies.rules:
            raise ValueError(f"rules must be {self._replies.rules}, got {state.rules}")
        state.verify()
        self._replies = state

    def next_deadline(self) -> float:
        """Return when the oldest reply is to be forgotten."""
        return self._replies.next_deadline()

    def on_deadline(self) -> None:
        """Forget what is past its time."""
        self._replies.expire(self.now())

    @op(raises=(TypeError,), idempotent=True)
    def look_up(self, request: ChatRequest, stale: bool = False) -> ChatReply | None:
        """Return the reply to the same question, or None where none is known that will do.

        Args:
            request: the question.
            stale: whether a reply past its time will do.

        Raises:
            TypeError: `request` is none, or `stale` neither True nor False.
        """
        if type(stale) is not bool:
            raise TypeError(f"stale must be True or False, got {type(stale).__name__}")
        return self._replies.look_up(key_of(request), self.now(), stale=stale)

    @op(raises=(TypeError,), idempotent=True)
    def keep(self, request: ChatRequest, reply: ChatReply) -> None:
        """Keep the reply to a question, in the place of an older one.

        Raises:
            TypeError: `request` is no question, or `reply` no reply.
        """
        if not isinstance(reply, ChatReply):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"reply must be a ChatReply, got {type(reply).__name__}")
        self._replies.keep(key_of(request), reply, self.now())

    @op(idempotent=True)
    def clear(self) -> None:
        """Forget all replies, as after a change of what a prompt means."""
        self._replies.clear()

    @op(idempotent=True)
    def statistics(self) -> ReplyCacheStatistics:
        """Return what it has done, and what it holds."""
        return self._replies.statistics()


def key_of(request: ChatRequest) -> bytes:
    """Return the digest by which a question is known: equal for equal questions, and for no others.

    Raises:
        TypeError: `request` is none.
    """
    if not isinstance(request, ChatRequest):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"request must be a ChatRequest, got {type(request).__name__}")
    digest = hashlib.sha256()
    for part in _parts(request):
        # Each with its length, so that no text can pass for the end of one and the beginning of the next.
        written = part.encode("utf-8", "surrogatepass")
        digest.update(len(written).to_bytes(8, "big"))
        digest.update(written)
    return digest.digest()


def _parts(request: ChatRequest) -> Iterator[str]:
    yield request.model
    yield request.system
    yield str(int(request.max_tokens))
    # Equal numbers are written alike: 1 as 1.0, and -0.0 as 0.0.
    yield "" if request.temperature is None else (float(request.temperature) + 0.0).hex()
    for message in request.messages:
        yield message.role
        yield message.text
