"""What the children of a supervisor need of the actor around them: the seam between `Children` and `Foreman`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeAlias, TypeVarTuple

from actors.errors import RestartsExhausted
from actors.kernel.slot import Exit
from supervisors.child import Child

Ts = TypeVarTuple("Ts")

AutoShutdown: TypeAlias = Literal["never", "any", "all"]
"""When a supervisor ends by itself: never, with the first significant child that does, or with the last."""


class Owner(Protocol):
    """The actor whose children they are."""

    def start_soon(self, run: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        """Run `run(*args)` as a child task of the supervisor."""
        ...

    def revive(self, child: Child, exit_: Exit) -> float | None:
        """Say in how many seconds a child is started again that by the rules would not be; None leaves it to them.

        Asked when a budget is spent, a first start failed or a start was declined. Such a restart is free.
        """
        ...

    def on_exhausted(self, error: RestartsExhausted) -> None:
        """End with `error`: called once, when a budget is spent."""
        ...

    def on_auto_shutdown(self) -> None:
        """End normally: called once, when the significant children have ended."""
        ...
