"""What a spec and a supervisor must look like: OTP's cases on faulty specs and flags, in our words.

The words of each refusal are tested where the fields are (`test_child_spec`, `test_restart`); here is that each faulty
one is refused before anything starts, at the opening and while the tree runs.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from players import Player, Script
from rehearsal import counts

from supervisors import (
    ChildSpec,
    ChildTemplate,
    Intensity,
    Supervisor,
    open_dynamic_supervisor,
    open_supervisor,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"restart": "prmanent"}, "prmanent"),
        ({"grace": -10}, "-10"),
        ({"grace": "soon"}, "soon"),
        ({"capacity": 0}, "capacity"),
        ({"overflow": "spill"}, "spill"),
        ({"backoff": 3}, "backoff"),
        ({"intensity": 3}, "intensity"),
        ({"significant": "maybe"}, "maybe"),
        ({"keep_state": "maybe"}, "maybe"),
        ({"quarantine_after": 0}, "quarantine_after"),
        ({"quarantine_after": 1.5}, "quarantine_after"),
        ({"needs": "a"}, "needs"),
        ({"needs": (7,)}, "7"),
        ({"needs": ("p",)}, "needs"),
        ({"name": ""}, "name"),
        ({"name": 7}, "7"),
        ({"id": ""}, "id"),
        ({"factory": "Player"}, "factory"),
    ],
    ids=str,
)
def test_every_field_of_a_spec_refuses_what_it_cannot_be_and_says_so(
    fields: dict[str, Any], named: str
) -> None:
    with pytest.raises((TypeError, ValueError), match="must") as caught:
        ChildSpec(**{"id": "p", "factory": Player, **fields})
    assert named in str(caught.value)


@pytest.mark.parametrize("missing", ["id", "factory"])
def test_a_spec_without_an_id_or_a_factory_is_none(missing: str) -> None:
    fields: dict[str, Any] = {"id": "p", "factory": Player}
    del fields[missing]
    with pytest.raises(TypeError, match=missing):
        ChildSpec(**fields)


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="silly_flag"):
        ChildSpec("p", Player, silly_flag=True)  # type: ignore[call-arg]  # what it refuses


@pytest.mark.parametrize(
    ("restart", "grace"),
    [*itertools.product(["permanent", "transient", "temporary"], [None, 0, 1000, math.inf])],
)
async def test_every_sound_combination_of_restart_type_and_grace_starts(
    restart: Any, grace: float | None
) -> None:
    specs = [ChildSpec("p", Player, restart, grace), ChildSpec("s", Supervisor, restart, grace)]
    async with open_supervisor(children=specs) as tree:
        assert await counts(tree) == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("mode", "restart", "significant"),
    [*itertools.product(["never", "any", "all"], ["permanent", "transient", "temporary"], [False, True])],
)
async def test_significant_goes_with_a_child_that_may_end_and_a_supervisor_that_may_follow(
    mode: Any, restart: Any, significant: bool
) -> None:
    async def opened() -> None:
        spec = ChildSpec("p", Player, restart, significant=significant)
        async with open_supervisor(auto_shutdown=mode, children=[spec]) as tree:
            assert await counts(tree) == (1, 1, 0, 0)

    if significant and (mode == "never" or restart == "permanent"):
        with pytest.raises(ValueError, match="significant"):
            await opened()
    else:
        await opened()


async def test_a_significant_child_is_refused_at_run_time_too_where_nothing_would_follow_from_it() -> None:
    async with open_supervisor() as tree:
        with pytest.raises(ValueError, match="significant"):
            await tree.start_child(ChildSpec("p", Player, "temporary", significant=True))
        assert await counts(tree) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("flags", "kind", "named"),
    [
        ({"strategy": "none_for_one"}, ValueError, "none_for_one"),
        ({"auto_shutdown": "sometimes"}, ValueError, "sometimes"),
        ({"intensity": 3}, TypeError, "3"),
        ({"intensity": "infinity"}, TypeError, "infinity"),
        ({"backoff": 1.0}, TypeError, "1.0"),
        ({"children": ["p"]}, TypeError, "ChildSpec"),
        ({"children": [ChildSpec("p", Player), ChildSpec("p", Supervisor)]}, ValueError, "'p'"),
        ({"children": [ChildSpec("p", Player, needs=("ghost",))]}, ValueError, "ghost"),
        (
            {"children": [ChildSpec("a", Player, needs=("b",)), ChildSpec("b", Player, needs=("a",))]},
            ValueError,
            "a -> b -> a",
        ),
    ],
    ids=[
        "strategy",
        "auto_shutdown",
        "intensity",
        "endless",
        "backoff",
        "no spec",
        "twice",
        "ghost",
        "cycle",
    ],
)
async def test_a_faulty_supervisor_is_refused_before_anything_starts(
    flags: dict[str, Any], kind: type[Exception], named: str
) -> None:
    script = Script()
    first = ChildSpec("first", script.player)
    with pytest.raises(kind, match=named):
        async with open_supervisor(**{**flags, "children": [first, *flags.get("children", [])]}):
            pytest.fail("the block must not be entered")
    assert script.log == []


def test_a_window_must_be_finite_and_not_empty() -> None:
    for period in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="period"):
            Intensity(2, period)


def test_a_nested_supervisor_is_checked_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="none_for_one"):
        Supervisor("none_for_one")  # type: ignore[arg-type]  # what it refuses


@pytest.mark.parametrize("made", [None, Player, ChildSpec("p", Player)], ids=["nothing", "class", "spec"])
async def test_a_dynamic_supervisor_takes_one_template_and_nothing_else(made: Any) -> None:
    with pytest.raises(TypeError, match="ChildTemplate"):
        async with open_dynamic_supervisor(made):
            pytest.fail("the block must not be entered")


@pytest.mark.parametrize(
    "fields",
    [{"restart": "prmanent"}, {"grace": -10}, {"significant": "maybe"}, {"capacity": 0}, {"factory": 7}],
    ids=str,
)
def test_a_template_is_checked_as_a_spec_is(fields: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match="must"):
        ChildTemplate(**{"factory": Player, **fields})


@pytest.mark.parametrize("most", [0, -1, 1.5, True])
async def test_a_limit_of_children_must_be_a_whole_number_above_zero(most: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="max_children must"):
        async with open_dynamic_supervisor(ChildTemplate(Player), max_children=most):
            pytest.fail("the block must not be entered")
