"""Where an error was met: what whoever reads it at night asks first."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class ErrorContext:
    """The circumstances of one error.

    Args:
        service: what was called, such as "anthropic" or "search".
        model: the model, or None where there is none.
        attempt: how many attempts had been made for the call, over all models; 0 when nothing was sent.
        elapsed: seconds since the call began.
        breaker: the state of the breaker in the way, or None where there is none.
        budget_left: tokens left in the retry budget, or None where there is none.
        ids: what the caller bound to its task: session, user, conversation, request.
    """

    service: str = ""
    model: str | None = None
    attempt: int = 0
    elapsed: float = 0.0
    breaker: str | None = None
    budget_left: float | None = None
    ids: Mapping[str, str] = attrs.field(factory=dict[str, str])
