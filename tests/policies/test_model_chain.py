"""Which models there are, by tier, and which stands in for which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BreakerOpen, OutOfTime, QueueFull, Rejected
from actors.faults import FAULT_KINDS, Fault, FaultKind
from actors.policies.fallback import falls_back
from actors.policies.model_chain import (
    CURRENT_MODELS,
    KNOWN_MODELS,
    MODEL_TIERS,
    READERS_TIER,
    chain_of,
    known_model,
    larger_window,
    next_model,
    tier_of,
)

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
IDS = [model.id for model in KNOWN_MODELS]


def test_a_chain_goes_down_from_its_tier() -> None:
    assert chain_of("opus") == (OPUS, SONNET, HAIKU)
    assert chain_of("sonnet") == (SONNET, HAIKU)
    assert chain_of("haiku") == (HAIKU,)


def test_readers_begin_with_sonnet() -> None:
    assert chain_of(READERS_TIER) == (SONNET, HAIKU)


@pytest.mark.parametrize(
    ("start", "chain"),
    [
        (OPUS, (OPUS, SONNET, HAIKU)),
        ("claude-opus-4-8", ("claude-opus-4-8", SONNET, HAIKU)),
        ("claude-sonnet-4-5", ("claude-sonnet-4-5", HAIKU)),
        ("claude-haiku-4-5-20251001", ("claude-haiku-4-5-20251001",)),
        # One that is newer than the table has its tier in its name, as all of them have.
        ("claude-opus-9", ("claude-opus-9", SONNET, HAIKU)),
        ("gpt-5.5", ("gpt-5.5",)),
        ("my-sonnets", ("my-sonnets",)),
    ],
)
def test_a_chain_begins_with_the_model_it_is_given(start: str, chain: tuple[str, ...]) -> None:
    assert chain_of(start) == chain


def test_a_chain_of_nothing_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^start must be one of opus, sonnet, haiku or the id of a model, got ''$"
    ):
        chain_of("")


@given(st.sampled_from([*MODEL_TIERS, *IDS]) | st.text(min_size=1))
def test_a_chain_never_goes_up_and_names_nobody_twice(start: str) -> None:
    chain = chain_of(start)
    assert len(set(chain)) == len(chain) >= 1
    tiers = [MODEL_TIERS.index(tier) for model in chain if (tier := tier_of(model)) is not None]
    assert tiers == sorted(set(tiers))
    assert all(known_model(model) in CURRENT_MODELS.values() for model in chain[1:])


def test_every_tier_has_one_current_model() -> None:
    assert tuple(CURRENT_MODELS) == MODEL_TIERS
    assert [model.id for model in KNOWN_MODELS if model.is_current] == [OPUS, SONNET, HAIKU]


def test_ids_are_unique_and_say_their_tier() -> None:
    names = [name for model in KNOWN_MODELS for name in (model.id, model.also) if name is not None]
    assert len(set(names)) == len(names)
    assert all(tier_of(name) == model.tier for name in names if (model := known_model(name)) is not None)


@pytest.mark.parametrize(
    ("model", "window", "output"),
    [
        (OPUS, 1_000_000, 128_000),
        (SONNET, 1_000_000, 128_000),
        (HAIKU, 1_000_000, 128_000),
        ("claude-sonnet-4-5", 200_000, 64_000),
        ("claude-haiku-4-5-20251001", 200_000, 64_000),
    ],
)
def test_windows_are_those_of_the_documentation(model: str, window: int, output: int) -> None:
    known = known_model(model)
    assert known is not None
    assert (known.context_window, known.max_output) == (window, output)


def test_of_a_stranger_nothing_is_known() -> None:
    assert known_model("gpt-5.5") is None
    assert tier_of("gpt-5.5") is None
    assert larger_window("gpt-5.5") is None


@pytest.mark.parametrize(
    ("model", "larger"),
    [
        ("claude-haiku-4-5", HAIKU),
        ("claude-sonnet-4-5-20250929", SONNET),
        ("claude-opus-4-5", OPUS),
        (OPUS, None),
        (HAIKU, None),
        ("claude-sonnet-4-6", None),
    ],
)
def test_a_larger_window_is_looked_for_in_the_models_own_tier(model: str, larger: str | None) -> None:
    assert larger_window(model) == larger


def too_long() -> Fault:
    return Fault.of("context_length")


def test_a_prompt_that_is_too_long_goes_to_the_next_larger_window_of_the_chain() -> None:
    rest = ("claude-haiku-4-5", "gpt-5.5", HAIKU, OPUS)
    assert next_model(too_long(), "claude-sonnet-4-5", rest) == HAIKU


def test_a_prompt_that_is_too_long_for_the_largest_goes_nowhere() -> None:
    assert next_model(too_long(), SONNET, (HAIKU,)) is None
    assert next_model(too_long(), "gpt-5.5", (SONNET, HAIKU)) is None


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind != "context_length"])
def test_for_any_other_fault_the_next_in_line_is_asked_or_nobody(kind: FaultKind) -> None:
    fault = Fault.of(kind)
    expected = SONNET if falls_back(fault, same_account=True) else None
    assert next_model(fault, OPUS, (SONNET, HAIKU)) == expected
    assert next_model(fault, OPUS, ()) is None


def test_where_the_money_is_spent_no_other_model_of_the_account_is_asked() -> None:
    assert next_model(Fault.of("spend_limited"), OPUS, (SONNET, HAIKU)) is None
    assert next_model(Fault.of("quota_exhausted"), OPUS, (SONNET, HAIKU)) == SONNET


@pytest.mark.parametrize(
    ("rejected", "expected"),
    [
        (BreakerOpen("open", service="x", state="open", retry_at=3.0), SONNET),
        (QueueFull("full"), SONNET),
        (OutOfTime("no time is left"), None),
    ],
)
def test_a_call_that_was_not_made_goes_to_the_next_while_there_is_time(
    rejected: Rejected, expected: str | None
) -> None:
    assert next_model(rejected, OPUS, (SONNET, HAIKU)) == expected
    assert next_model(rejected, OPUS, ()) is None
