"""State that survives: what one incarnation hands over and the next one takes, or refuses.

Theory of operation. The slot keeps the estate between two incarnations; it is there or it is not, and nothing is
tried twice:

    an incarnation that got through setup ends  -->  hand_over()  -->  estate (an error there: none)
    the next one is made                        -->  take_over(estate), before its setup
        takes it                                     "kept": the state is that actor's own now
        raises                                       "cold": a second, fresh actor plays instead
    there is none, though there should be one        "cold"
    nobody has lived in the slot yet, or it keeps no state   "new"

An actor that took the state and then does not get through its setup keeps it: what a failed start has touched is not
handed on. Whether the state is still good is for `take_over` to find out; an actor that crashed may have left it half
changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from actors.kernel.actor import Actor, Stage, play
from actors.kernel.post_mortem import annotate
from actors.kernel.slot import Slot

Heritage = Literal["new", "kept", "cold"]
"""What an incarnation begins with: nothing yet, the state of the last one, or nothing although there was some."""


def succeed(factory: Callable[[], Actor], stage: Stage, slot: Slot) -> tuple[Actor, Heritage]:
    """Make the actor that plays next in `slot`, with the state of the last one if it takes that over.

    Raises:
        Exception: whatever the factory raises; the estate is untouched then, unless it had been refused.
    """
    actor = play(factory(), stage)
    estate, slot.estate = slot.estate, None
    if not slot.keeps_state or not slot.has_lived:
        return actor, "new"
    if estate is None:
        return actor, "cold"
    try:
        actor.take_over(estate)
    except Exception:  # noqa: BLE001  # a refusal, whatever it says: a cold start is its answer
        return play(factory(), stage), "cold"
    return actor, "kept"


def bequeath(actor: Actor, slot: Slot, error: Exception | None) -> None:
    """Leave the state of `actor` to whoever plays next in `slot`; a failure is noted on the `error` that ended it."""
    if not slot.keeps_state:
        return
    try:
        slot.estate = actor.hand_over()
    except Exception as failure:  # noqa: BLE001  # the next incarnation starts cold
        if error is not None:
            annotate(error, f"its state was lost: hand_over raised {type(failure).__name__}")
