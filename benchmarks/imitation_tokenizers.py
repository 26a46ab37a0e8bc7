"""Tokenizers to be guessed: rules of the shape of real ones, for want of the vocabularies of real ones.

Each counts the input tokens of a whole request, given as its texts: the first is the system prompt. `quarters` is the
simulated provider's rule. `pieces` imitates a byte-pair tokenizer: common words are one token and others split, marks
merge, an indent is one token, and what splits how is as good as random. `bytewise` does the same to English and takes
two tokens for any other character, as tokenizers without Asian text in their training do. No rates that are learned
from counts of characters can be exact for those.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from actors.testing.provider.tokens import MESSAGE_OVERHEAD, count_tokens

Tokenizer = Callable[[Sequence[str]], int]
"""Texts of a request to its input tokens."""

MESSAGE_MARKS = 4
"""Tokens around each text, for the byte-pair imitations."""

_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|\n[ \t]*|[ \t]+|[\x21-\x7e]|[^\x00-\x7f]", re.ASCII)
_HUMP = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def quarters(texts: Sequence[str]) -> int:
    """Count by the simulated provider's rule."""
    return sum(count_tokens(text) + MESSAGE_OVERHEAD for text in texts)


def denser(texts: Sequence[str]) -> int:
    """Count 1.77 times as many, the largest difference between two tokenizers of one provider that was reported."""
    return math.ceil(1.77 * quarters(texts))


def pieces(texts: Sequence[str]) -> int:
    """Count as a byte-pair tokenizer with a vocabulary of all languages does."""
    return sum(_pieces(text, per_other=_of_character) + MESSAGE_MARKS for text in texts)


def more_pieces(texts: Sequence[str]) -> int:
    """Count 30 % more than `pieces`, as after a change of the model."""
    return math.ceil(1.3 * pieces(texts))


def bytewise(texts: Sequence[str]) -> int:
    """Count as `pieces`, and two tokens for each character that is not ASCII."""
    return sum(_pieces(text, per_other=lambda _: 2.0) + MESSAGE_MARKS for text in texts)


TOKENIZERS: Mapping[str, Tokenizer] = {
    "quarters": quarters,
    "denser": denser,
    "pieces": pieces,
    "more_pieces": more_pieces,
    "bytewise": bytewise,
}
"""All of them by name."""


def _pieces(text: str, per_other: Callable[[str], float]) -> int:
    tokens = 0.0
    for piece in _PIECE.findall(text):
        first = piece[0]
        if not piece.isascii():
            tokens += per_other(piece)
        elif first.isalpha():
            tokens += sum(map(_of_hump, _HUMP.findall(piece)))
        elif first.isdigit():
            tokens += -(-len(piece) // 3)
        elif first == "\n":
            tokens += 1
        elif first in " \t":
            tokens += len(piece) > 1  # a single blank belongs to the word behind it
        else:
            tokens += 0.4 + 0.6 * _chance(piece)  # some marks merge with their neighbours
    return math.ceil(tokens)


@lru_cache(maxsize=1 << 16)
def _of_hump(hump: str) -> int:
    """Return the tokens of a word without humps: capitals split at once, a third of the longer words does too."""
    if hump.isupper():
        return -(-len(hump) // 3)
    if len(hump) <= 4 or _chance(hump) > 0.35:
        return -(-len(hump) // 10)
    return -(-len(hump) // 4)


@lru_cache(maxsize=1 << 16)
def _of_character(character: str) -> float:
    """Return what a character costs on the mean of its neighbours: common ones merge, rare ones split."""
    return 0.6 + 0.9 * _chance(character)


@lru_cache(maxsize=1 << 16)
def _chance(piece: str) -> float:
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) / 2**32
