"""What an analysis brings home: results and errors side by side, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.coverage.record import Coverage


@attrs.frozen
class Incident:
    """Something that went wrong and what was done about it.

    Args:
        at: seconds since the analysis began.
        reader: whose call or actor it concerned.
        what: the fault in a short phrase, such as "overloaded (529)".
        survived_by: what was done, such as "retried after 1.2 s" or "restarted"; empty if it was not.
    """

    at: float
    reader: str
    what: str
    survived_by: str = ""


@attrs.frozen
class ReaderReport:
    """How one reader's work went.

    Args:
        attempts: provider calls made.
        model_used: the model that gave the last answer, or None when none did.
        fell_back: whether any answer came from another model than the one asked first.
        sections: how many sections the script was read in.
        restarts: how often the reader's actor was started again.
        input_tokens: counted input tokens over all calls.
        output_tokens: output tokens over all calls.
        started_at: seconds since the analysis began.
        seconds: how long the reader took, restarts included.
    """

    attempts: int = 0
    model_used: str | None = None
    fell_back: bool = False
    sections: int = 0
    restarts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    started_at: float = 0.0
    seconds: float = 0.0


@attrs.frozen
class ReaderFailure:
    """Why a reader has no result: the kind of error and a sentence that says what to do."""

    kind: str
    text: str


@attrs.frozen
class Analysis:
    """Coverage of one screenplay by several readers; partial results are results.

    Args:
        title: the script's title.
        scenes: how many scenes it has.
        words: how many words it has.
        results: coverage by reader, in the order the readers were asked for.
        errors: failure by reader; a reader is either here or in `results`.
        readers: how the work went, by reader.
        incidents: what went wrong on the way, oldest first.
        seconds: how long the whole took.
    """

    title: str
    scenes: int
    words: int
    results: Mapping[str, Coverage]
    errors: Mapping[str, ReaderFailure]
    readers: Mapping[str, ReaderReport]
    incidents: tuple[Incident, ...] = ()
    seconds: float = 0.0

    @property
    def partial_success(self) -> bool:
        """True when some readers have results and some have errors."""
        return bool(self.results) and bool(self.errors)
