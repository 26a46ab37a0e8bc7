"""What a call falls under beside the pool of its model: a key, a workspace, a team, each with limits of its own."""

from __future__ import annotations

import attrs


def _word(_instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be text, got {type(value).__name__}")


@attrs.frozen(cache_hash=True)
class Scope:
    """One circle that limits apply to, such as `Scope("key", "3f9a")`.

    Args:
        kind: what sort of circle: the limits are set for a kind.
        name: which one of them: the hash of a key, never the key itself; it appears in statistics.
    """

    kind: str = attrs.field(validator=_word)
    name: str = attrs.field(default="", validator=_word)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


POOL = Scope("pool")
"""What every call of a limiter falls under: the limits the limiter itself is for."""

POOL_ALONE = (POOL,)
"""The scopes of a call that falls under nothing else."""
