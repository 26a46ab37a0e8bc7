"""What a failover group is told at its start, and what is refused of it: a frozen value."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import attrs

from actors.kernel.actor import Actor
from supervisors.child_spec import ChildSpec

ActorT = TypeVar("ActorT", bound=Actor)

HEALTHY_FOR = 30.0
"""Seconds a member has to be well before it has the role back: as long as a budget's window remembers a crash."""

PROBE_EVERY = 5.0
"""Seconds between two probes of a member under test: some six of them make a proof."""


@attrs.frozen
class FailoverOptions(Generic[ActorT]):
    """The members of a group, and its times in seconds; each is told of in `FailoverGroup`.

    Raises:
        TypeError: a member is no `ChildSpec`, or a time is no number.
        ValueError: there is no member, one is not permanent or has needs, two share an id, a time is out of its bounds,
            or standbys are to be probed and there is no probe.
    """

    members: tuple[ChildSpec[ActorT], ...]
    has_probe: bool
    probe_every: float = PROBE_EVERY
    probe_timeout: float = PROBE_EVERY
    standby_probe_every: float | None = None
    healthy_for: float = HEALTHY_FOR

    def __attrs_post_init__(self) -> None:
        self._check_members()
        self._check_times()
        if self.standby_probe_every is not None and not self.has_probe:
            raise ValueError("standby_probe_every is of no use without a probe")

    def _check_members(self) -> None:
        if not self.members:
            raise ValueError("a group has at least 1 member, got none")
        ids: set[str] = set()
        for spec in self.members:
            if not isinstance(spec, ChildSpec):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
                raise TypeError(f"a member is given as a ChildSpec, got {type(spec).__name__}")
            if spec.id in ids:
                raise ValueError(f"two members have the id {spec.id!r}")
            if spec.restart != "permanent":
                text = (
                    f"member {spec.id!r} must be permanent, got {spec.restart!r}: the role has to be filled"
                )
                raise ValueError(text)
            if spec.needs:
                text = f"member {spec.id!r} cannot need others: a standby stands in for the one that is gone"
                raise ValueError(text)
            ids.add(spec.id)

    def _check_times(self) -> None:
        for name in ("probe_every", "probe_timeout", "standby_probe_every", "healthy_for"):
            seconds: object = getattr(self, name)
            if name == "standby_probe_every" and seconds is None:
                continue
            if not isinstance(seconds, int | float) or isinstance(seconds, bool):
                raise TypeError(f"{name} must be a number of seconds, got {seconds!r}")
            if not 0 < seconds < math.inf:
                raise ValueError(f"{name} must be > 0 and finite, got {seconds}")
