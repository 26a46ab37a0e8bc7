"""What the breakers of a runtime are made from: the rules that the settings give a service, and how a model is checked.

The models of a provider are the endpoints of one role: one stands in for the other, so not all of them open at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs

from actors.call.call import place_call
from actors.call.path import CallPath
from actors.call.terms import CallTerms
from actors.policies.breaker.rules import PRESETS, BreakerRules
from actors.wire.chat import ChatMessage, ChatRequest
from supervisors.breakers import BreakerTerms
from supervisors.runtime.service_settings import MODEL_SERVICE, ServiceSettings
from supervisors.runtime.settings import Settings

MODELS_ROLE = "models"
"""The role of the provider's models."""

CHECK = ChatRequest("", (ChatMessage("user", "ping"),), max_tokens=1)
"""The least that can be asked: it goes the way that calls go, to the end, for a handful of tokens."""

CHECK_TERMS = CallTerms(kind="health check", retries=False)
"""A check is made once; what its answer is long says nothing of others."""

Checks = Mapping[str, Callable[[], Awaitable[object]]]
"""How each model is checked, by its id."""


def rules_of(service: ServiceSettings) -> BreakerRules | None:
    """Return the rules of a service's breaker: those of its preset, but for what is set; None where it has none."""
    if service.breaker == "off":
        return None
    preset = PRESETS[service.breaker]
    cooldown = preset.cooldown if service.cooldown is None else service.cooldown
    return attrs.evolve(
        preset,
        consecutive=preset.consecutive if service.failures is None else service.failures,
        cooldown=cooldown,
        cap=max(preset.cap, cooldown),
        slow_after=service.slow_after,
    )


@attrs.frozen
class TermsBySettings:
    """The terms of each breaker, as the settings have it.

    Args:
        settings: of the runtime.
        checks: how each model is checked while its breaker is open; a model without one is tried by a caller's call.
    """

    settings: Settings
    checks: Checks

    def __call__(self, service: str, model: str | None = None) -> BreakerTerms:
        """Return the terms of one breaker.

        Raises:
            LookupError: there is no such service, or it has no breaker.
        """
        is_model = model is not None and service == self.settings.provider.name
        known = self.settings.services.get(MODEL_SERVICE if is_model else service)
        rules = None if known is None else rules_of(known)
        if rules is None:
            raise LookupError(f"the settings give {service!r} no breaker")
        if not is_model:
            return BreakerTerms(rules)
        check = self.checks.get(model or "")
        if check is not None:
            rules = attrs.evolve(rules, recovery="health")
        # Where all may open at once there is nothing to ask leave for.
        role = MODELS_ROLE if self.settings.provider.open_share < 1 else None
        return BreakerTerms(rules, role=role, check=check)


@attrs.frozen
class ModelCheck:
    """Asks one model the least that can be asked, past its breaker, as a caller's call would go.

    Args:
        path: of the calls.
        model: its id.
    """

    path: CallPath
    model: str

    async def __call__(self) -> None:
        """Return if it answers.

        Raises:
            CallFailed, Rejected: it does not.
        """
        lines = tuple(
            attrs.evolve(line, breaker=None, budget=None)
            for line in self.path.lines
            if line.model == self.model
        )
        path = attrs.evolve(self.path, lines=lines, cache=None, hedge_clock=None)
        async for _step in place_call(path, CHECK, CHECK_TERMS):
            pass
