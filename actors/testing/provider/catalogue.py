"""The models a simulated provider serves, and the answer behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from actors.testing.provider.limits import ProviderLimits
from actors.testing.provider.tokens import text_of

Model = Callable[[Mapping[str, Any]], str]
"""What answers: takes the decoded body of a valid request, returns the text of the answer."""


@attrs.frozen
class ServedModel:
    """A model on offer.

    Args:
        id: the name requests use.
        context_window: the largest prompt it takes, tokens.
        pool: the name of the limits it shares with every model that names the same; its own id if None.
        limits: the limits of its pool, if they differ from the provider's; the first model of a pool decides.
    """

    id: str
    context_window: int = 200_000
    pool: str | None = None
    limits: ProviderLimits | None = None

    @property
    def pool_name(self) -> str:
        """The name of the limits it counts against."""
        return self.pool or self.id


DEFAULT_MODELS = (
    ServedModel("claude-opus-5"),
    ServedModel("claude-sonnet-5"),
    ServedModel("claude-opus-4-5"),
    ServedModel("claude-sonnet-4-5"),
    ServedModel("claude-haiku-4-5"),
)
"""One model of each class that has limits of its own at the real provider."""


def echo(body: Mapping[str, Any]) -> str:
    """Answer with what was asked last: enough to see that the right question came to the right model."""
    return f"{body['model']} heard: {text_of(body['messages'][-1]['content'])}"
