"""What Hypothesis draws for the state machine of the supervisor: specs, budgets, and how starts go."""

from __future__ import annotations

from collections.abc import Container

import attrs
from hypothesis import strategies as st
from reference_child import AutoShutdown, Budget, Cue, Restart, Spec, Strategy

IDS = "abcde"
STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one", "one_for_one")
RESTARTS: tuple[Restart, ...] = ("permanent", "transient", "permanent", "temporary")
WHICH = st.integers(0, 5)
BUDGETS = st.sampled_from([(3, 30.0), (3, 3.5), (2, 1.5), (2, 1.0), (1, 0.5), (1, 30.0), (0, 30.0)])
SHARED_BUDGETS = st.sampled_from([(10, 30.0), (5, 30.0), (4, 3.5), (3, 1.5), (2, 0.5), (1, 30.0)])
CHANGED_BUDGETS = st.sampled_from([(1, 30.0), (2, 30.0), (3, 1.5), (10, 30.0)])
FOREVER = 20
"""Failed starts in a row that no budget outlives."""

CUES: st.SearchStrategy[list[Cue]] = st.sampled_from(
    [
        [],
        ["fails"],
        ["fails", "fails"],
        ["starts", "fails"],
        ["declines"],
        ["fails", "declines"],
        ["fails"] * FOREVER,
    ]
)
FIRST_CUES: st.SearchStrategy[dict[str, list[Cue]]] = st.sampled_from(
    [{}] * 9 + [{"b": ["fails"]}, {"c": ["declines"]}, {"a": ["starts", "fails"]}]
)


@attrs.frozen
class Setting:
    """How a supervisor is opened, and how it is to be stopped."""

    strategy: Strategy
    auto_shutdown: AutoShutdown
    budget: Budget
    specs: tuple[Spec, ...]
    cues: dict[str, list[Cue]]
    is_stopped_by_hand: bool


@st.composite
def specs(draw: st.DrawFn, ids: str = IDS) -> Spec:
    child_id = draw(st.sampled_from(ids))
    restart: Restart = draw(st.sampled_from(RESTARTS))
    is_significant = draw(st.booleans()) and restart != "permanent"
    others = IDS.replace(child_id, "")
    needs = draw(st.lists(st.sampled_from(others), max_size=4, unique=True))
    is_rough = draw(st.booleans()) and draw(st.booleans())
    return Spec(child_id, restart, is_significant, tuple(needs), draw(BUDGETS), is_rough)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    auto_shutdown: AutoShutdown = draw(st.sampled_from(["never", "any", "all"]))
    drawn = draw(st.lists(specs(IDS[:-1]), min_size=2, max_size=4, unique_by=lambda spec: spec.id))
    firm = {spec.id for spec in drawn if spec.restart != "temporary"}
    return Setting(
        draw(st.sampled_from(STRATEGIES)),
        auto_shutdown,
        draw(SHARED_BUDGETS),
        tuple(sound(spec, auto_shutdown, {each for each in firm if each < spec.id}) for spec in drawn),
        draw(FIRST_CUES),
        draw(st.booleans()),
    )


def sound(spec: Spec, auto_shutdown: AutoShutdown, others: Container[str]) -> Spec:
    """Leave out of a spec what would be refused."""
    return attrs.evolve(
        spec,
        significant=spec.significant and auto_shutdown != "never",
        needs=tuple(need for need in spec.needs if need in others),
    )
