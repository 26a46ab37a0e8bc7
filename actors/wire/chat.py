"""One chat call as every provider understands it: what is asked, what comes back, what it cost.

A question is checked where it is made. Further on it is shared ground: what is wrong with one would end there as a
crash for everybody. Errors name the field and its bound, and never repeat a text.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import attrs

Role = Literal["user", "assistant"]

ROLES = ("user", "assistant")
"""The values of a `Role`."""
LONGEST_ROLE = 20
"""Characters: what is longer or no single word is a text in the wrong place, and no error repeats it."""


def _role(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be 'user' or 'assistant', got {type(value).__name__}")
    if value not in ROLES:
        is_word = value.isidentifier() and len(value) <= LONGEST_ROLE
        shown = repr(value) if is_word else f"{len(value)} characters"
        raise ValueError(f"{attribute.name} must be 'user' or 'assistant', got {shown}")


def _text(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be text, got {type(value).__name__}")


@attrs.frozen
class ChatMessage:
    """One turn of a conversation.

    Args:
        role: whose turn it is, "user" or "assistant".
        text: what was said; may be empty.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: there is no such role.
    """

    role: Role = attrs.field(validator=_role)
    text: str = attrs.field(validator=_text)


def _turns(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"{attribute.name} must be a tuple of ChatMessage, got {type(value).__name__}")
    for turn in cast("tuple[object, ...]", value):
        if not isinstance(turn, ChatMessage):
            raise TypeError(
                f"{attribute.name} must be a tuple of ChatMessage, got {type(turn).__name__} in it"
            )
    if not value:
        raise ValueError(f"{attribute.name} must hold at least 1 message, got 0")


def _positive(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a whole number, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{attribute.name} must be >= 1, got {value}")


def _unit(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number or None, got {type(value).__name__}")
    if not 0.0 <= value <= 1.0:  # not-a-number fails every comparison, so it fails here too
        raise ValueError(f"{attribute.name} must be from 0.0 to 1.0, got {value}")


@attrs.frozen
class ChatRequest:
    """A question to a model, free of any provider's dialect.

    Args:
        model: the provider's model id. A runtime's chain of models puts its own in its place, so it is ignored
            there; leave it empty for a call that goes along a chain.
        messages: the turns so far, oldest first, at least one; the last one is the user's.
        system: the system prompt, empty for none.
        max_tokens: the most output tokens the model may produce, at least 1.
        temperature: 0.0 (steady) to 1.0 (free), or None for the provider's default.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a number is out of its bounds, or there is no message.
    """

    model: str = attrs.field(validator=_text)
    messages: tuple[ChatMessage, ...] = attrs.field(validator=_turns)
    system: str = attrs.field(default="", validator=_text)
    max_tokens: int = attrs.field(default=1024, validator=_positive)
    temperature: float | None = attrs.field(default=None, validator=_unit)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts whose tokens are its input: the system prompt, and each turn."""
        return (self.system, *(message.text for message in self.messages))


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

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the prompt, wherever they were read from."""
        return self.input_tokens + self.cache_creation_tokens + self.cache_read_tokens


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
