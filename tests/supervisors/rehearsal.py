"""What the tests against the rules of other systems do to players, and what they look at."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from players import Player

from actors.errors import Interrupted, NotNow
from actors.kernel import Ref
from supervisors import Backoff, ChildState, Tree

AT_ONCE = Backoff(initial=0.0)
"""No delay before a restart, for tests that are not about it."""

SLOWLY = Backoff(initial=20.0, cap=20.0)
"""Ten seconds before every restart, with half dice: time enough to look at a child between two incarnations."""


class Decliner(Player):
    """Does not want to start."""

    async def setup(self) -> None:
        raise NotNow("nothing to do yet")


async def settle() -> None:
    """Let all that can happen at this instant happen."""
    await trio.testing.wait_all_tasks_blocked()


async def crash(ref: Ref[Player], text: str = "crash") -> None:
    """Crash the incarnation that plays, and let the supervisor act on it."""
    with pytest.raises(Interrupted):
        await ref.ask(Player.crash(text))
    await settle()


async def end(ref: Ref[Player]) -> None:
    """Have the incarnation that plays end by itself, and let the supervisor act on it."""
    await ref.ask(Player.end())
    await settle()


async def stop(ref: Ref[Player]) -> None:
    """Ask a child itself to stop, not its supervisor, and let the supervisor act on it."""
    await ref.stop()
    await settle()


async def states(tree: Tree) -> dict[str, ChildState]:
    """Return how far each child has got, in the order of the supervisor."""
    return {status.id: status.state for status in await tree.which_children()}


async def incarnations(tree: Tree) -> dict[str, int]:
    """Return the number of each child's incarnation."""
    return {status.id: status.incarnation for status in await tree.which_children()}


async def counts(tree: Any) -> tuple[int, int, int, int]:
    """Return specs, active, restarting, stopped."""
    held = await tree.count_children()
    return held.specs, held.active, held.restarting, held.stopped
