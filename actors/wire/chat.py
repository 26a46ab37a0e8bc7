"""One chat call as every provider understands it: what is asked, what comes back, what it cost."""

from __future__ import annotations

from typing import Literal

import attrs

Role = Literal["user", "assistant"]


@attrs.frozen
class ChatMessage:
    """One turn of a conversation."""

    role: Role
    text: str


@attrs.frozen
class ChatRequest:
    """A question to a model, free of any provider's dialect.

    Args:
        model: the provider's model id.
        messages: the turns so far, oldest first; the last one is the user's.
        system: the system prompt, empty for none.
        max_tokens: the most output tokens the model may produce.
        temperature: 0.0 (steady) to 1.0 (free), or None for the provider's default.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    system: str = ""
    max_tokens: int = 1024
    temperature: float | None = None


@attrs.frozen
class TokenCounts:
    """Tokens of one call as the provider reports them.

    Cache reads are reported apart because Anthropic does not count them against the input limit.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0

    @property
    def counted_input_tokens(self) -> int:
        """Input tokens that count against an input-token limit: fresh plus cache-written ones."""
        return self.input_tokens + self.cache_creation_tokens


@attrs.frozen
class ChatReply:
    """A model's answer.

    Args:
        text: all text blocks joined.
        counts: tokens used.
        model: the model that answered, as the provider names it.
        stop_reason: why it stopped ("end_turn", "max_tokens", "stop_sequence", "refusal", ...).
        request_id: the provider's id of the request, or None.
    """

    text: str
    counts: TokenCounts
    model: str
    stop_reason: str
    request_id: str | None = None
