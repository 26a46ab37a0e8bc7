"""How the simulated provider counts tokens: a simple rule that everyone can work out by hand.

The rule: a token is four ASCII characters, two other narrow characters (accents, Cyrillic, Greek), or one
wide character (Chinese, Japanese, Korean, emoji). A started token counts as a whole one. It is not any real
model's tokenizer; it has the right order of magnitude for each script, it grows with every character, and
it is exact to predict in a test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate, takewhile
from typing import Any

from actors.testing.provider.json_values import is_list

MESSAGE_OVERHEAD = 3
"""Tokens every message costs beside its text: the role and the two marks around the turn."""

QUARTERS = 4
"""Weights are whole quarters of a token, so that no count is ever rounded twice."""

_ASCII, _NARROW, _WIDE = 1, 2, 4

# Hangul jamo; radicals, kana, bopomofo, ideographs and Yi; Hangul; compatibility and full-width forms; emoji
# and the supplementary ideographs.
_WIDE_RUN = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U0001f000-\U0003ffff]+"
)


def count_tokens(text: str) -> int:
    """Return how many tokens `text` is; 0 for an empty one.

    >>> count_tokens("screenplay")
    3
    >>> count_tokens("剧本")
    2
    """
    return -(-_quarters(text) // QUARTERS)


def truncate(text: str, max_tokens: int) -> str:
    """Return the longest beginning of `text` that is no more than `max_tokens` tokens."""
    if count_tokens(text) <= max_tokens:
        return text
    room = max_tokens * QUARTERS
    if text.isascii():
        return text[:room]
    weights = accumulate(_quarters(character) for character in text)
    return text[: sum(1 for _ in takewhile(lambda weight: weight <= room, weights))]


def text_of(content: object) -> str:
    """Return the text of a `content` or `system` field: a string, or the text blocks of a list joined."""
    if is_list(content):
        return "".join(block["text"] for block in content)
    return content if isinstance(content, str) else ""


def count_input_tokens(body: Mapping[str, Any]) -> int:
    """Return the input tokens of a valid `body`: system prompt, texts, and each message's overhead."""
    return count_tokens(text_of(body.get("system"))) + sum(
        count_tokens(text_of(message["content"])) + MESSAGE_OVERHEAD for message in body["messages"]
    )


def _quarters(text: str) -> int:
    if text.isascii():
        return len(text) * _ASCII
    ascii_ = len(text.encode("ascii", "ignore"))
    wide = sum(map(len, _WIDE_RUN.findall(text)))
    return ascii_ * _ASCII + wide * _WIDE + (len(text) - ascii_ - wide) * _NARROW
