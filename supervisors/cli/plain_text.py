"""Foreign text made harmless for a terminal: a script and a model may say anything, escape sequences too."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"""
      \x1b\[ [0-?]* [ -/]* [@-~]              # control sequences: colours, cursor
    | \x1b[\]PX^_] [^\x07\x1b]* (?:\x07|\x1b\\)  # strings: window titles, links
    | \x1b [ -/]* [0-~]                       # the short ones
    """,
    re.VERBOSE,
)
_JOINERS = "\u200c\u200d"  # invisible, harmless, and part of correct Persian, Hindi and emoji
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def plain(text: str) -> str:
    """Return `text` as one line that a terminal shows as it is.

    Escape sequences, control characters, text-direction overrides, unassigned characters and lone surrogates
    are taken out; runs of white space, line feeds among them, become one space.
    """
    without_escapes = _ESCAPES.sub("", text)
    harmless = "".join(
        character
        for character in without_escapes
        if character.isspace() or character in _JOINERS or unicodedata.category(character) not in _UNSAFE
    )
    return " ".join(harmless.split())
