"""What a text is made of, as far as tokens go: how many characters of each sort, and how many words.

A tokenizer sees neither sense nor language. What decides the count is what a text is written in: letters in words cost
little each, marks and digits more, a Chinese character about one token. So a text becomes twelve counts, and what each
is worth is the business of those who weigh them (`token_rates`).

Everything is counted by the first byte of a character's UTF-8, with the bulk operations of `bytes` alone: 50,000
characters take about half a millisecond. A lone surrogate counts as what its bytes would be.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

FEATURES = (
    "letters",  # a-z, A-Z
    "words",  # runs of those
    "digits",
    "marks",  # the rest of ASCII: punctuation, brackets, controls
    "blanks",  # spaces, tabs, line ends
    "narrow",  # two bytes in UTF-8: accents, Greek, Cyrillic, Hebrew, Arabic
    "syllables",  # three bytes and neither of the next ones: India, Thai, typographic quotes and dashes
    "kana",  # with the wide punctuation of all three languages
    "ideographs",
    "hangul",
    "pictures",  # four bytes: emoji, rare ideographs
    "texts",  # the texts themselves: a message has marks around it
)
"""The sorts in the order of their counts."""

_BLANK = b" \t\n\r\v\f"
_LETTERS = string.ascii_letters.encode("ascii")
_DIGITS = string.digits.encode("ascii")
_MARKS = bytes(set(range(128)) - {*_BLANK, *_LETTERS, *_DIGITS})
_ASCII = (_LETTERS, _DIGITS, _MARKS, _BLANK)
# U+3000 to U+3FFF and U+F000 to U+FFFF begin with E3 and EF, U+4000 to U+9FFF with E4 to E9, U+A000 to U+DFFF with EA
# to ED. The few strangers among them, private use and Yi, are not worth a slower way of counting.
_OTHER = (
    bytes(range(0xC2, 0xE0)),
    b"\xe0\xe1\xe2\xee",
    b"\xe3\xef",
    bytes(range(0xE4, 0xEA)),
    bytes(range(0xEA, 0xEE)),
    bytes(range(0xF0, 0xF5)),
)
_CONTINUATION = bytes(range(0x80, 0xC0))


def _table(classes: Iterable[bytes]) -> bytes:
    """Return a translation of each byte to the number of its class."""
    table = bytearray(256)
    for number, members in enumerate(classes):
        for byte in members:
            table[byte] = number
    return bytes(table)


_SORTS = _table((*_ASCII, *_OTHER))
_WORDS = _table((bytes(range(256)), _LETTERS))
_WORD_BEGINS = b"\x00\x01"


def count_features(texts: Iterable[str]) -> tuple[int, ...]:
    """Count what `texts` are made of, in the order of `FEATURES`.

    No count falls when a text grows at its end, or when a text is added.
    """
    counts = [0] * len(FEATURES)
    for text in texts:
        for place, count in enumerate(_counts(text)):
            counts[place] += count
        counts[-1] += 1
    return tuple(counts)


def _counts(text: str) -> tuple[int, ...]:
    if text.isascii():
        encoded = text.encode("ascii")
        sorts = encoded.translate(_SORTS)
        others = (0,) * len(_OTHER)
    else:
        encoded = text.encode("utf-8", "surrogatepass")
        sorts = encoded.translate(_SORTS, _CONTINUATION)
        others = tuple(sorts.count(sort) for sort in range(len(_ASCII), len(_ASCII) + len(_OTHER)))
    letters, digits, marks = (sorts.count(sort) for sort in range(3))
    blanks = len(sorts) - letters - digits - marks - sum(others)
    return letters, _words(encoded) if letters else 0, digits, marks, blanks, *others


def _words(encoded: bytes) -> int:
    """Count the runs of ASCII letters: a letter after something else begins one."""
    is_letter = encoded.translate(_WORDS)
    return is_letter.count(_WORD_BEGINS) + is_letter[0]
