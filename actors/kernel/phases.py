"""The phases of an incarnation in which no message is served: `setup`, `wind_down` and `teardown`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from actors.kernel.activity import Activity, current_activity
from actors.kernel.actor import Actor
from actors.kernel.mailbox import Mailbox
from actors.kernel.post_mortem import annotate


async def in_phase(phase: str, run: Callable[[], Awaitable[None]], mailbox: Mailbox) -> None:
    """Run a phase in which no message is served as an activity that holds the mailbox.

    An ask that would wait for it, its own first of all, is refused as a cycle instead of standing still.

    Raises:
        Exception: whatever the phase raises, with a note that names it.
    """
    activity = Activity(mailbox.name, phase, trio.current_time())
    mailbox.holder = activity
    token = current_activity.set(activity)
    try:
        await run()
    except Exception as error:
        annotate(error, f"in {phase}")
        raise
    finally:
        current_activity.reset(token)
        mailbox.holder = None


async def tear_down(actor: Actor, mailbox: Mailbox, bound: float) -> tuple[Exception, ...]:
    """Run `teardown`, shielded, for `bound` seconds at most; return what went wrong."""
    scope = trio.CancelScope(deadline=trio.current_time() + bound, shield=True)
    errors: tuple[Exception, ...] = ()
    try:
        with scope:
            await in_phase("teardown", actor.teardown, mailbox)
    except Exception as error:  # noqa: BLE001  # told by the incarnation
        errors = (error,)
    if scope.cancelled_caught:
        errors += (TimeoutError(f"teardown of {mailbox.name!r} did not end within {bound:g} s"),)
    return errors
