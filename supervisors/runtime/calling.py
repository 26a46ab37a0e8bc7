"""How models are called, by the settings: in which provider's words, with whose key, how patiently and how often."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from actors.call.path import CallPath, Dialect, Line
from actors.wire import anthropic
from actors.wire.http import HttpResponse, Transport
from actors.wire.rate_limits import ObservedLimits, parse_rate_limits
from supervisors.runtime.settings import Settings

SIMULATED_KEY = "simulated"
"""The simulated provider wants a key, as any provider does, and takes every one."""


def path_of(settings: Settings, lines: Sequence[Line], transport: Transport, seed: int) -> CallPath:
    """Return the path along `lines`, the models and their guards; cache, clock and the like are for others to add."""
    provider = settings.provider
    return CallPath(
        lines=lines,
        transport=transport,
        dialect=Dialect(
            encode=partial(anthropic.encode, api_key=_key(settings), base_url=provider.base_url),
            decode=anthropic.decode,
            limits=_limits_in,
            name=provider.name,
        ),
        retry=settings.retry.policy(),
        max_wait=settings.limits.max_wait,
        attempt_timeout=provider.attempt_timeout,
        rng=random.Random(f"{seed}/endpoint"),
        serves_stale=provider.stale_seconds > 0,
        max_calls=settings.limits.max_queue or None,
    )


def _key(settings: Settings) -> str:
    # A real key that happens to be set is not for a provider that takes every one.
    return SIMULATED_KEY if settings.provider.name == "simulated" else settings.provider.api_key


def _limits_in(response: HttpResponse) -> ObservedLimits:
    # Resets are taken against the response's own date, so that nobody's clock matters.
    return parse_rate_limits(response.headers, dialect="anthropic", now_wall=None)
