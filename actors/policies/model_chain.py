"""Which models there are, by tier, and which of them stands in for which.

Three tiers of one provider, like a lead, an understudy and a walk-on: each plays the part below its own, none the part
above. A chain starts somewhere and goes down from there; nobody pays for a larger model because a smaller one is busy.

    chain_of("opus")                 opus, sonnet, haiku
    chain_of("sonnet")               sonnet, haiku
    chain_of("claude-sonnet-4-6")    that one, haiku

A prompt that is too large for a model is no reason to go down, but to go to a larger window: `next_model` looks for one
in the chain, `larger_window` among all that are current. Where there is none, only a shorter prompt helps.

The table is a convenience and not a gate: a model that it does not know is called by the id it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, get_args

import attrs

from actors.errors import Rejected
from actors.faults import Fault
from actors.policies.fallback import falls_back, falls_back_from

ModelTier = Literal["opus", "sonnet", "haiku"]
"""The most capable, the one between, the fastest."""

MODEL_TIERS: Final[tuple[ModelTier, ...]] = get_args(ModelTier)
"""From the largest to the smallest: the order of a chain."""


@attrs.frozen
class KnownModel:
    """A model, and what one call of it may hold.

    Args:
        id: what requests call it.
        tier: the tier it belongs to.
        context_window: tokens that prompt and answer may have together.
        max_output: tokens that an answer may have; a request that asks for more is refused.
        is_current: whether it is the newest of its tier.
        also: another id of the same model.
    """

    id: str
    tier: ModelTier
    context_window: int
    max_output: int
    is_current: bool = False
    also: str | None = None


_MILLION = 1_000_000

KNOWN_MODELS: Final[tuple[KnownModel, ...]] = (
    KnownModel("claude-opus-5-5", "opus", _MILLION, 128_000, is_current=True),
    KnownModel("claude-opus-5", "opus", _MILLION, 128_000),
    KnownModel("claude-opus-4-8", "opus", _MILLION, 128_000),
    KnownModel("claude-opus-4-6", "opus", _MILLION, 128_000),
    KnownModel("claude-opus-4-5", "opus", 200_000, 64_000, also="claude-opus-4-5-20251101"),
    KnownModel("claude-sonnet-5-5", "sonnet", _MILLION, 128_000, is_current=True),
    KnownModel("claude-sonnet-5", "sonnet", _MILLION, 128_000),
    KnownModel("claude-sonnet-4-6", "sonnet", _MILLION, 128_000),
    # Retires on 2026-11-30; calls of it are answered 404 from then on.
    KnownModel("claude-sonnet-4-5", "sonnet", 200_000, 64_000, also="claude-sonnet-4-5-20250929"),
    KnownModel("claude-haiku-5-5", "haiku", _MILLION, 128_000, is_current=True),
    KnownModel("claude-haiku-4-5", "haiku", 200_000, 64_000, also="claude-haiku-4-5-20251001"),
)
"""Anthropic's models by tier, the newest first. Ids, windows and output limits are those of the overview page of each
model in Anthropic's documentation (`docs/en/models/<name>/overview`) and its migration guides, as of November 2026."""

_BY_ID: Final[Mapping[str, KnownModel]] = MappingProxyType(
    {name: model for model in KNOWN_MODELS for name in (model.id, model.also) if name is not None}
)

CURRENT_MODELS: Final[Mapping[ModelTier, KnownModel]] = MappingProxyType(
    {model.tier: model for model in KNOWN_MODELS if model.is_current}
)
"""The newest model of each tier."""

READERS_TIER: Final[ModelTier] = "sonnet"
"""What readers ask unless they are told otherwise: judging prose needs the one between; the largest costs twice as much
and is kept for those who choose it."""


def known_model(model: str) -> KnownModel | None:
    """Return what is known of the model with this id, under either of its ids; None for nothing."""
    return _BY_ID.get(model)


def tier_of(model: str) -> ModelTier | None:
    """Return the tier of a model, which every id has for one of its words; None where it has none of the three."""
    words = model.split("-")
    return next((tier for tier in MODEL_TIERS if tier in words), None)


def chain_of(start: str) -> tuple[str, ...]:
    """Return the ids of a chain: the one it starts with, then the current model of each tier below.

    Args:
        start: a tier, or the id of any model. One of no known tier has nothing below it and is a chain alone.

    Raises:
        ValueError: `start` is empty.
    """
    if not start:
        raise ValueError(f"start must be one of {', '.join(MODEL_TIERS)} or the id of a model, got {start!r}")
    tier = tier_of(start)
    if tier is None:
        return (start,)
    first = CURRENT_MODELS[tier].id if start == tier else start
    below = MODEL_TIERS[MODEL_TIERS.index(tier) + 1 :]
    return (first, *(CURRENT_MODELS[each].id for each in below))


def larger_window(model: str) -> str | None:
    """Return a current model that takes more than `model`, or None where none is known to.

    Of its own tier if there is one, else the smallest that takes more: the prompt is long, not hard.

    Args:
        model: the id of the model a prompt was too large for.
    """
    known = known_model(model)
    if known is None:
        return None
    own = CURRENT_MODELS[known.tier]
    smallest_first = (CURRENT_MODELS[tier] for tier in reversed(MODEL_TIERS))
    larger = (each for each in (own, *smallest_first) if each.context_window > known.context_window)
    return next((each.id for each in larger), None)


def next_model(why: Fault | Rejected, model: str, rest: Sequence[str]) -> str | None:
    """Return which of `rest` is asked after `model` did not answer; None where the chain ends with it.

    Args:
        why: the fault of the call, or why it was not made.
        model: who did not answer.
        rest: the models after it, in their order.
    """
    if isinstance(why, Fault) and why.kind == "context_length":
        return next((each for each in rest if _takes_more(each, model)), None)
    is_passed_on = falls_back(why, same_account=True) if isinstance(why, Fault) else falls_back_from(why)
    return rest[0] if rest and is_passed_on else None


def _takes_more(model: str, other: str) -> bool:
    """Return whether `model` is known to have a larger window than `other`."""
    one, two = known_model(model), known_model(other)
    return one is not None and two is not None and one.context_window > two.context_window
