"""What tells a limiter's grants from those of another one that is called the same: a seal for each slot.

A limiter may be restarted, with what it knew or without, and its grants stay good; two limiters may have one name, and
theirs do not. What a limiter keeps over all its incarnations and shares with nobody is its slot. A slot is nothing to
write on a grant, which may be pickled and come back from elsewhere, so each slot has a seal: a few letters that nobody
else has, in this process or in any other. They say nothing, and are neither shown nor compared, so that two runs of
one seed have the same grants.
"""

from __future__ import annotations

import secrets
from typing import Any
from weakref import WeakKeyDictionary

from actors.kernel import Ref
from actors.kernel.ref import slot_of
from actors.kernel.slot import Slot

_BYTES = 16
"""As many as a UUID has, and for the same reason: no two are ever the same."""

# By slot, as a slot outlives those who play in it and is the only thing of a limiter that does.
_seals: WeakKeyDictionary[Slot, str] = WeakKeyDictionary()


def seal_of(limiter: Ref[Any]) -> str:
    """Return the seal of the limiter behind `limiter`: the same over all its restarts, and nobody else's."""
    return _seals.setdefault(slot_of(limiter), secrets.token_hex(_BYTES))
