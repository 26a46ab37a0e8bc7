"""What a breaker tells: log and listener each of its changes, and whoever it refuses why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs
from structlog.typing import FilteringBoundLogger

from actors import telemetry
from actors.errors import BreakerOpen
from actors.log_redaction import error_name
from actors.policies.breaker.records import BreakerChange, BreakerState, Refused

OnChange = Callable[[str, BreakerChange], object]
"""Is told of each change, with the name of the breaker, in the breaker's own task: it must not wait."""


@attrs.frozen
class BreakerNews:
    """The town crier of one breaker: he says what has happened, and has no say in it.

    Args:
        service: the breaker's name.
        log: is told of everything.
        on_change: is told of changes; one that raises is logged, and told again the next time.
    """

    service: str
    log: FilteringBoundLogger
    on_change: OnChange | None = None

    def tell(self, change: BreakerChange) -> None:
        """Tell of a change."""
        level, event = _EVENTS[change.after]
        again_in = {} if change.retry_at is None else {"again_in": round(change.retry_at - change.at, 3)}
        say = self.log.warning if level == "warning" else self.log.info
        say(
            event,
            service=self.service,
            before=change.before,
            generation=change.generation,
            why=change.reason,
            **again_in,
        )
        if self.on_change is None:
            return
        try:
            self.on_change(self.service, change)
        except Exception as error:  # noqa: BLE001  # a stranger's code: what it raises is its own affair
            failure = error_name(error)
        else:
            return
        self.log.error(telemetry.BREAKER_LISTENER_FAILED, service=self.service, error=failure)

    def denied(self, role: str) -> None:
        """Tell that the role's board does not let it open."""
        self.log.warning(telemetry.BREAKER_DENIED, service=self.service, role=role)

    def check_failed(self, error: Exception | None) -> None:
        """Tell that a health check failed, by an error or because it took too long."""
        name = None if error is None else error_name(error)
        self.log.info(telemetry.BREAKER_CHECK_FAILED, service=self.service, error=name)

    def refusal(self, refused: Refused, now: float) -> BreakerOpen:
        """Return the error for whoever is refused; its text says how long, since nobody reads the Trio clock."""
        words = _REFUSALS[refused.state]
        if refused.retry_at is not None:
            words += f"; retry after {max(0.0, refused.retry_at - now):.3g} s"
        text = f"breaker {self.service!r} {words}"
        return BreakerOpen(text, service=self.service, state=refused.state, retry_at=refused.retry_at)


_EVENTS: Final[Mapping[BreakerState, tuple[str, str]]] = {
    "open": ("warning", telemetry.BREAKER_OPENED),
    "half_open": ("info", telemetry.BREAKER_HALF_OPENED),
    "closed": ("info", telemetry.BREAKER_CLOSED),
    "isolated": ("warning", telemetry.BREAKER_ISOLATED),
    "disabled": ("warning", telemetry.BREAKER_DISABLED),
    "observe_only": ("warning", telemetry.BREAKER_OBSERVED),
}
"""Level and event of entering each state."""

_REFUSALS: Final[Mapping[BreakerState, str]] = {
    "open": "is open",
    "half_open": "is half-open and its trial calls are out",
    "isolated": "is isolated, until somebody releases it",
}
"""What a refusal says of each state that refuses."""
