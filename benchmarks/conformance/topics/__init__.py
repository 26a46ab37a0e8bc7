"""A runner for each topic: from a row to calls of the public pure functions, and what they have to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from conformance.rows import Row
from conformance.topics import (
    breaker,
    budget,
    decisions,
    exceptions,
    jitter,
    outcomes,
    responses,
    samples,
    threshold,
    waits,
)

Check = Callable[[Row], list[str]]
"""Holds the code against a row and says in what ways it fails."""

TOPICS: Mapping[str, Check] = MappingProxyType(
    {
        "breaker": breaker.check,
        "budget": budget.check,
        "decisions": decisions.check,
        "events": responses.check,
        "exceptions": exceptions.check,
        "jitter": jitter.check,
        "outcomes": outcomes.check,
        "precedence": responses.check,
        "responses": responses.check,
        "samples": samples.check,
        "threshold": threshold.check,
        "waits": waits.check,
    }
)
"""The runner of each topic."""
