"""Child specs as the settings want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from actors.kernel import Actor
from supervisors.backoff import Backoff
from supervisors.child_spec import ChildSpec
from supervisors.intensity import Intensity
from supervisors.restart import RestartType
from supervisors.runtime.settings import SupervisionSettings

ActorT = TypeVar("ActorT", bound=Actor)


def spec_of(
    supervision: SupervisionSettings,
    name: str,
    factory: Callable[[], ActorT],
    *,
    restart: RestartType = "permanent",
    keep_state: bool = False,
) -> ChildSpec[ActorT]:
    """Return the spec of a child that is restarted, backed off and stopped as the settings say."""
    return ChildSpec(
        name,
        factory,
        restart=restart,
        grace=supervision.grace,
        intensity=Intensity(supervision.restarts, supervision.period),
        backoff=Backoff(supervision.backoff_initial, supervision.backoff_cap),
        keep_state=keep_state,
    )
