"""Tests that keys have the same owner everywhere, evenly spread, and that few of them move."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.pool import rendezvous
from supervisors.pool.rendezvous import Rendezvous

KEYS = [f"scene {number}" for number in range(4000)]

SIZES = (2, 3, 4, 7, 16, 33)

names = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=12, unique=True)
any_key = st.text() | st.binary() | st.integers()


def owners(nodes: list[str]) -> list[str]:
    table = Rendezvous(tuple(nodes))
    return [table.owner(key) for key in KEYS]


def workers(count: int) -> list[str]:
    return [f"worker {number}" for number in range(1, count + 1)]


@given(nodes=names, key=any_key)
def test_a_key_belongs_to_one_of_the_nodes_whatever_their_order(nodes: list[str], key: str | bytes) -> None:
    owner = Rendezvous(tuple(nodes)).owner(key)
    assert owner in nodes
    assert Rendezvous(tuple(reversed(nodes))).owner(key) == owner


@given(nodes=names.filter(lambda nodes: len(nodes) > 1), gone=st.randoms(), keys=st.lists(any_key))
def test_only_the_keys_of_a_removed_node_move(nodes: list[str], gone: Any, keys: list[Any]) -> None:
    removed = gone.choice(nodes)
    before = Rendezvous(tuple(nodes))
    after = Rendezvous(tuple(node for node in nodes if node != removed))
    for key in keys:
        if before.owner(key) != removed:
            assert after.owner(key) == before.owner(key)


@given(nodes=names, added=st.text(min_size=1), keys=st.lists(any_key))
def test_keys_move_to_an_added_node_alone(nodes: list[str], added: str, keys: list[Any]) -> None:
    if added in nodes:
        return
    before, after = Rendezvous(tuple(nodes)), Rendezvous((*nodes, added))
    for key in keys:
        assert after.owner(key) in {before.owner(key), added}


@pytest.mark.parametrize("size", SIZES)
def test_about_one_key_in_n_moves_when_the_nth_node_comes(size: int) -> None:
    before, after = owners(workers(size)), owners(workers(size + 1))
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    share = 1 / (size + 1)
    assert abs(moved - len(KEYS) * share) <= five_sigma(share)


@pytest.mark.parametrize("size", SIZES)
def test_every_node_owns_about_its_share(size: int) -> None:
    counts = Counter(owners(workers(size)))
    assert all(abs(counts[node] - len(KEYS) / size) <= five_sigma(1 / size) for node in workers(size))


def five_sigma(share: float) -> float:
    """Return how far a fair draw of all keys strays from its mean, as good as always."""
    return 5 * math.sqrt(len(KEYS) * share * (1 - share))


def test_growing_from_three_to_four_moves_this_many_of_4000_keys() -> None:
    before, after = owners(workers(3)), owners(workers(4))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 995


def test_a_text_bytes_and_a_number_are_different_keys() -> None:
    table = Rendezvous(tuple(workers(1000)))
    assert len({table.owner("7"), table.owner(b"7"), table.owner(7)}) == 3


def test_the_same_key_has_the_same_owner_in_every_process() -> None:
    program = (
        "from supervisors.pool.rendezvous import Rendezvous\n"
        "table = Rendezvous(tuple(f'worker {n}' for n in range(1, 1001)))\n"
        "print([table.owner(key) for key in ('maya', b'maya', 7, -7, '\\ud800')])"
    )
    command = [sys.executable, "-c", program]
    printed = {
        subprocess.run(  # noqa: S603  # our own program
            command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True, timeout=60
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {"['worker 760', 'worker 215', 'worker 331', 'worker 30', 'worker 173']\n"}


@pytest.mark.parametrize("key", [None, 1.5, ("maya", 1), ["maya"], True, bytearray(b"maya")], ids=repr)
def test_any_other_key_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match=rf"^a key must be a str, bytes or an int, got {type(key).__name__}$"):
        Rendezvous(("a", "b")).owner(key)


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ((), r"^nodes must hold at least one name, got none$"),
        (("a", "b", "a"), r"^nodes must hold each name once, got \('a', 'b', 'a'\)$"),
    ],
)
def test_nodes_that_are_none_or_doubled_are_refused(nodes: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rendezvous(nodes)


# planted bugs


def owner_by_modulo(self: Rendezvous, key: Any) -> str:
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return sorted(self.nodes)[int.from_bytes(digest, "big") % len(self.nodes)]


def owner_by_first_byte(self: Rendezvous, key: Any) -> str:
    """Draw lots from a key's first letter alone, so that most keys share them."""
    return max(self.nodes, key=lambda node: blake2b(f"{node}{str(key)[:1]}".encode()).digest())


@pytest.mark.parametrize(
    ("plant", "claim"),
    [
        (owner_by_modulo, test_only_the_keys_of_a_removed_node_move),
        (owner_by_modulo, test_keys_move_to_an_added_node_alone),
        (owner_by_modulo, test_about_one_key_in_n_moves_when_the_nth_node_comes),
        (owner_by_first_byte, test_every_node_owns_about_its_share),
    ],
)
def test_a_planted_bug_is_seen(
    plant: Callable[[Rendezvous, Any], str], claim: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous.Rendezvous, "owner", plant)
    with pytest.raises((AssertionError, ExceptionGroup)):
        claim(*([3] if hasattr(claim, "pytestmark") else []))
