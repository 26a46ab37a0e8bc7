"""What the runtime tells a log: the life of its children, and the beginning and end of its analyses.

Supervision itself knows no log, it hands out events; here each kind of them has its name and its level. Calls are
told where they are placed, see `actors.call.log`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from structlog.typing import FilteringBoundLogger

from actors.coverage.screenplay import Screenplay
from actors.telemetry import silent_log
from supervisors.events import (
    AutoShutDown,
    ChildCrashed,
    ChildGivenUp,
    ChildOverdue,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    Escalated,
    LifecycleEvent,
)
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.analysis_totals import status_of

ANALYSIS_STARTED = "analysis.started"
ANALYSIS_FINISHED = "analysis.finished"

LIFECYCLE: Mapping[type[LifecycleEvent], tuple[int, str]] = {
    ChildStarted: (logging.INFO, "child.started"),
    ChildCrashed: (logging.ERROR, "child.crashed"),
    ChildStopped: (logging.INFO, "child.stopped"),
    ChildRestarting: (logging.WARNING, "restart.scheduled"),
    ChildOverdue: (logging.ERROR, "child.left_behind"),
    ChildGivenUp: (logging.ERROR, "child.given_up"),
    Escalated: (logging.ERROR, "supervisor.escalated"),
    AutoShutDown: (logging.INFO, "supervisor.shut_down"),
}
"""Level and name of each lifecycle event; its facts are its fields."""


@attrs.frozen
class RuntimeLog:
    """Tells `log` what happens, in facts without user data.

    Args:
        log: a logger of structlog's; says nothing by default.
    """

    log: FilteringBoundLogger = attrs.field(factory=silent_log)

    def on_event(self, event: LifecycleEvent) -> None:
        """Tell what happened to a child: `open_supervisor(on_event=...)` takes this method."""
        level, name = LIFECYCLE[type(event)]
        self.log.log(level, name, **attrs.asdict(event, filter=_is_fact, value_serializer=_rounded))

    def analysis_started(self, screenplay: Screenplay, readers: Sequence[str]) -> None:
        """Tell who reads, and how much: not what."""
        self.log.info(
            ANALYSIS_STARTED, readers=list(readers), scenes=len(screenplay.scenes), words=screenplay.words
        )

    def analysis_finished(self, analysis: Analysis) -> None:
        """Tell who came home with a result, and what kept the others from it."""
        self.log.info(
            ANALYSIS_FINISHED,
            status=status_of(analysis),
            results=list(analysis.results),
            errors={reader: failure.kind for reader, failure in analysis.errors.items()},
            seconds=round(analysis.seconds, 3),
        )


def _is_fact(attribute: attrs.Attribute[Any], value: object) -> bool:
    """Leave out the instant on Trio's clock, as the line has a date, and what is empty."""
    return attribute.name != "at" and value != ""


def _rounded(_event: object, _attribute: object, value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
