"""How the harness looks into a running tree, and how it makes it suffer."""

from __future__ import annotations

from configuration import MODEL

from actors.kernel import Ref
from actors.kernel.incarnation import Incarnation
from actors.kernel.ref import slot_of
from actors.limiter.limiter import Limiter
from supervisors.runtime.runtime import Runtime


class PlannedCrash(Exception):
    """A crash that belongs to the plan."""


async def limiter_of(runtime: Runtime) -> Ref[Limiter]:
    """Return the limiter of the one model."""
    limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{MODEL}")
    return limiter


async def crash_limiter(runtime: Runtime) -> bool:
    """Crash the limiter wherever it stands, as any error in it would; return whether there was one to crash."""
    performer = slot_of(await limiter_of(runtime)).performer
    if not isinstance(performer, Incarnation):
        return False
    performer.crash(PlannedCrash("on the hour"))
    return True


async def held_reservations(runtime: Runtime) -> int:
    """Return how many reservations the limiter holds."""
    limiter = await limiter_of(runtime)
    books = await limiter.ask(Limiter.statistics())
    return books.ledger.in_flight


async def estimate_error(runtime: Runtime) -> float | None:
    """Return the median error of the estimated input tokens of recent calls, or None before the first of them."""
    limiter = await limiter_of(runtime)
    estimates = (await limiter.ask(Limiter.statistics())).estimates
    return estimates[MODEL].median_error if MODEL in estimates else None
