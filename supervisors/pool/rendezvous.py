"""Which of several equal nodes a key belongs to, so that few keys move when the nodes change: rendezvous hashing.

Every node draws a lot for the key, and the highest lot has it. The lot depends on nothing but the two, so a node that
goes takes only its own keys with it, and one that comes takes from each of the others its share, 1/n of all keys. It is
no ring and no table: nothing is stored, and nobody has to agree on anything but the names.

The scheme is highest random weight: Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
IEEE/ACM Transactions on Networking 6 (1998). Pure: the same names and keys give the same owners in every process, on
every machine, which Python's own `hash` does not.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

import attrs

Key: TypeAlias = str | bytes | int
"""What can be a key: its bytes are the same everywhere, and stay so."""

LOT_BYTES = 8
"""Size of a lot: 64 bits, so that two nodes draw the same one for a key once in 10^19 times."""


@attrs.frozen
class Rendezvous:
    """Says which node owns a key.

    Args:
        nodes: their names, each once, at least one. Their order is of no importance.

    Raises:
        ValueError: there are none, or one stands twice.
    """

    nodes: tuple[str, ...]
    _seeds: tuple[tuple[str, blake2b], ...] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("nodes must hold at least one name, got none")
        if len(set(self.nodes)) < len(self.nodes):
            raise ValueError(f"nodes must hold each name once, got {self.nodes!r}")
        seeds = tuple((node, blake2b(_digest(node.encode()), digest_size=LOT_BYTES)) for node in self.nodes)
        object.__setattr__(self, "_seeds", seeds)

    def owner(self, key: Key) -> str:
        """Return the node that owns `key`. A text, bytes and a number are different keys, whatever they spell.

        One short digest per node.

        Raises:
            TypeError: `key` is none of these. A bool is refused as well: it is more likely a mistake than two keys.
        """
        identity = _identity(key)
        best, owner = (b"", ""), ""
        for node, seed in self._seeds:
            lot = seed.copy()
            lot.update(identity)
            if (drawn := (lot.digest(), node)) > best:
                best, owner = drawn, node
        return owner


def _identity(key: object) -> bytes:
    """Return what tells `key` from every other key."""
    match key:
        case bool():
            pass
        case str():
            return b"s" + key.encode("utf-8", "surrogatepass")
        case bytes():
            return b"b" + key
        case int():
            return b"i%d" % key
        case _:
            pass
    raise TypeError(f"a key must be a str, bytes or an int, got {type(key).__name__}")


def _digest(name: bytes) -> bytes:
    """Return `name` at a fixed length, so that no name and key run together like another name and key."""
    return blake2b(name, digest_size=LOT_BYTES).digest()
