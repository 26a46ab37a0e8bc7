"""One request and what will become of it, decided on its arrival."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Ending = Literal["answered", "cut_off", "reset", "refused", "hung"]


@attrs.frozen
class Exchange:
    """What a front has to perform: wait `after` seconds, then let the exchange end the way `ending` says.

    A ticket from the counter: everything is written on it, nothing has happened yet.

    Args:
        number: its place in the order of arrival, from 1.
        arrived_at: the instant of arrival.
        request_id: the id the provider gave it.
        ending: answered; cut_off (announced whole, sent in part); reset (the connection breaks); refused
            (there never was one); hung (nothing ever happens).
        after: seconds from arrival to the ending, infinity for hung.
        share: which share of the body's bytes is sent, 1.0 unless cut off.
        status: the HTTP status of the answer, or None when there is none.
        headers: headers of the answer beside the usual ones.
        body: the whole body of the answer.
        model: the served model it asks for, or None.
        pool: the name of the limits it counts against, or None.
        admitted: whether it was counted there.
        fault: the name of the scripted fault it met, or None.
        input_tokens: the tokens of its prompt.
        output_tokens: the tokens that are produced for it by its ending.
        retry_after: the seconds it is told to wait, or None.
    """

    number: int
    arrived_at: float
    request_id: str
    ending: Ending = "answered"
    after: float = 0.0
    share: float = 1.0
    status: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    model: str | None = None
    pool: str | None = None
    admitted: bool = False
    fault: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    retry_after: int | None = None

    @property
    def ends_at(self) -> float:
        """The instant of its ending."""
        return self.arrived_at + self.after

    @property
    def sent(self) -> int:
        """How many bytes of the body are sent."""
        return int(len(self.body) * self.share)

    def produced_by(self, now: float) -> int:
        """Return the output tokens produced by then: none on arrival, all at the ending, evenly between."""
        if now >= self.ends_at:
            return self.output_tokens
        return int(self.output_tokens * (now - self.arrived_at) / self.after)
