"""How many tokens a text will be counted as, guessed before anyone has counted it."""

from __future__ import annotations

import math

BYTES_PER_TOKEN = 3.5
"""English runs at about four letters to a token. Bytes rather than letters, so that other scripts cost more."""


def estimate_tokens(text: str) -> int:
    """Guess, on the high side, how many tokens a text is: UTF-8 bytes over 3.5, rounded up."""
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)
