"""What a reader is doing right now, as values: for a terminal, a log or a test to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs

State = Literal["waiting", "calling", "backing_off", "checking", "restarting", "done", "failed"]


@attrs.frozen
class Progress:
    """One reader's state after something changed.

    Args:
        reader: the reader's name.
        state: waiting (for capacity or its turn), calling (a request is out), backing_off (before a retry),
            checking (validating an answer), restarting (its actor crashed), done, failed.
        detail: what it waits for or works on, one short phrase: "capacity", "overloaded, again in 1.2 s".
        model: the model in use, or None before the first call.
        attempt: provider calls made so far, all sections and retries counted.
        section: the section it reads, from 1, or 0 before the first.
        sections: how many sections there are.
        input_tokens: counted input tokens so far.
        output_tokens: output tokens so far.
        at: instant on the Trio clock, seconds.
    """

    reader: str
    state: State
    detail: str = ""
    model: str | None = None
    attempt: int = 0
    section: int = 0
    sections: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    at: float = 0.0


@attrs.frozen
class Mishap:
    """Something that went wrong in a reader's work and what was done about it.

    Args:
        reader: whose work it was.
        what: the fault in a short phrase, such as "overloaded (529)".
        survived_by: what was done, such as "asked again after 1.2 s"; empty if nothing could be.
        at: instant on the Trio clock, seconds.
    """

    reader: str
    what: str
    survived_by: str
    at: float


Observer = Callable[[Progress], None]


def unobserved(_progress: Progress) -> None:
    """Let the progress pass by."""
