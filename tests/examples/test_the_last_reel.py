"""The example screenplay is a real one: long enough to be cut into sections, with scenes that differ."""

from __future__ import annotations

import re
from pathlib import Path

from actors.coverage.fountain import parse

SCRIPT = Path(__file__).parents[2] / "examples" / "the_last_reel.fountain"
LINES_OF_A_PAGE = 55
"""Of a printed page: nine inches at six lines an inch, and one more."""

UNPRINTED = re.compile(r"\[\[.*?\]\]|^[#=][^\n]*\n", re.DOTALL | re.MULTILINE)


def printed_lines(text: str) -> list[str]:
    """Return the lines of a script that reach paper, none longer for being wrapped: so at least as many are printed.

    The title page, comments, notes, section headings and synopses do not count, and of empty lines one at a time.
    """
    screenplay = parse(text)
    stretches = [*filter(None, [screenplay.opening]), *screenplay.scenes]
    body = UNPRINTED.sub("", "".join(scene.source for scene in stretches))
    return re.sub(r"\n\s*\n+", "\n\n", body).strip().splitlines()


def test_the_last_reel_is_ten_pages_or_more() -> None:
    assert len(printed_lines(SCRIPT.read_text("utf-8"))) >= 10 * LINES_OF_A_PAGE


def test_what_never_reaches_paper_is_not_counted() -> None:
    before = "Title: A\nAuthor: B\n\n# One\n\n= It begins.\n\n"
    text = f"{before}INT. A\n\n/* cut\n\nout */\n\n[[a\nnote]]\n\nRain.\n\n\n\nSnow.\n"
    assert printed_lines(text) == ["INT. A", "", "Rain.", "", "Snow."]
