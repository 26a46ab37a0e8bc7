"""The truth tables of the page on supervision are what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import trio

from actors import errors
from actors.kernel import Actor, op
from supervisors import Backoff, ChildSpec, Strategy, Tree, open_supervisor
from supervisors.dependencies import STRATEGIES, Dependencies
from supervisors.restart import RESTART_TYPES, VERDICTS, ExitReason

pytestmark = pytest.mark.usefixtures("autojump_clock")

PAGE = (Path(__file__).parents[2] / "docs/reference/supervision.md").read_text("utf-8")

SHOWN_AS = {
    "again": "again, after a delay",
    "again_at_once": "again, at once",
    "keep": "kept, stopped",
    "forget": "forgotten",
}
REASONS: tuple[ExitReason, ...] = ("normal", "stopped", "killed", "crashed", "declined")


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its head."""
    lines = PAGE.split(f"\n## {heading}\n")[1].strip().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows: list[list[str]] = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_table_of_restart_types_is_the_table_of_the_code() -> None:
    shown = {
        row[0].partition("`")[2].partition("`")[0]: row[1:] for row in table("When a child is started again")
    }
    assert shown == {
        restart: [SHOWN_AS[VERDICTS[restart][reason]] for reason in REASONS]  # type: ignore[index]  # a known type
        for restart in RESTART_TYPES
    }


def test_the_table_of_strategies_is_what_is_restarted() -> None:
    strategies: dict[str, Strategy] = {"one_for_one": "one_for_one", "rest_for_one": "rest_for_one"}
    strategies["one_for_all"] = "one_for_all"
    shown = {row[0].strip("`"): row[1] for row in table("Who is restarted with whom")}
    assert sorted(shown) == sorted(STRATEGIES)
    assert shown == {
        name: ", ".join(Dependencies(strategy).restart_set("b", "abcd"))
        for name, strategy in strategies.items()
    }


class Clerk(Actor):
    @op
    def crash(self) -> None:
        raise RuntimeError("crash")


State = Literal["stopped", "restarting", "running", "missing"]
STATES: tuple[State, ...] = ("stopped", "restarting", "running", "missing")


async def bring_into(state: State, tree: Tree) -> None:
    """Have a child "clerk" in this state."""
    if state == "missing":
        return
    clerk = await tree.start_child(ChildSpec("clerk", Clerk))
    if state == "stopped":
        await tree.stop_child("clerk")
    if state == "restarting":
        await clerk.tell(Clerk.crash())
        await trio.testing.wait_all_tasks_blocked()
    assert [child.state for child in await tree.which_children()] == [state]


async def do(operation: str, tree: Tree) -> Any:
    """Perform an operation on the child."""
    what: Any = ChildSpec("clerk", Clerk) if operation == "start_child" else "clerk"
    return await getattr(tree, operation)(what)


@pytest.mark.parametrize(
    ("operation", "state", "shown"),
    [
        (row[0].strip("`"), state, cell)
        for row in table("What the operations refuse")
        for state, cell in zip(STATES, row[1:], strict=True)
    ],
)
async def test_an_operation_does_or_refuses_what_its_table_says(
    operation: str, state: State, shown: str
) -> None:
    async with open_supervisor(backoff=Backoff(initial=30.0), seed=3) as tree:
        await bring_into(state, tree)
        refusal: type[errors.ChildError] | None = getattr(errors, shown.strip("`"), None)
        if refusal is None:
            await do(operation, tree)
            return
        with pytest.raises(errors.ChildError) as caught:
            await do(operation, tree)
        assert type(caught.value) is refusal
        assert caught.value.child == "clerk"


def test_every_refusal_that_a_page_names_is_an_error_of_ours() -> None:
    refusals = {
        cell.strip("`") for row in table("What the operations refuse") for cell in row[1:] if "`" in cell
    }
    assert refusals == {
        "ChildAlreadyPresent",
        "ChildAlreadyStarted",
        "ChildNotFound",
        "ChildStillRestarting",
        "ChildStillRunning",
    }
