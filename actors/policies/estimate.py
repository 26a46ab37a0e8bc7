"""How many tokens a text will be counted as, guessed before anyone has counted it."""

from __future__ import annotations

# A token is 3.5 letters of ASCII, English running at about four, or 3 bytes of anything else, so that a Chinese
# character is one and an emoji more. In twenty-firsts of a token the sum is exact, and no text costs more than its
# parts together.
_TOKEN = 21
_PER_ASCII_BYTE = 6
_PER_OTHER_BYTE = 7


def estimate_tokens(text: str) -> int:
    """Guess, on the high side, how many tokens a text is: ASCII over 3.5, other UTF-8 bytes over 3, rounded up."""
    ascii_bytes = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    other_bytes = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - ascii_bytes
    return -(-(ascii_bytes * _PER_ASCII_BYTE + other_bytes * _PER_OTHER_BYTE) // _TOKEN)
