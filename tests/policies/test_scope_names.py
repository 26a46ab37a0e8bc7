"""A scope is a kind and a name, told apart by both and read as both."""

from __future__ import annotations

from typing import Any

import pytest

from actors.policies.scope import POOL, Scope


def test_a_scope_reads_as_its_kind_and_name() -> None:
    assert str(Scope("key", "3f9a")) == "key/3f9a"
    assert str(Scope("workspace")) == "workspace"


def test_scopes_are_told_apart_by_kind_and_by_name() -> None:
    scopes = {Scope("key", "a"), Scope("key", "b"), Scope("team", "a"), Scope("key", "a")}
    assert len(scopes) == 3


def test_equal_scopes_have_equal_hashes() -> None:
    assert hash(Scope("key", "a")) == hash(Scope("key", "a"))


def test_the_pool_is_a_scope_without_a_name() -> None:
    assert Scope("pool") == POOL
    assert str(POOL) == "pool"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((7,), "kind must be text, got int"),
        ((None,), "kind must be text, got NoneType"),
        (("key", b"a"), "name must be text, got bytes"),
    ],
)
def test_kind_and_name_are_text(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(TypeError, match=f"^{text}$"):
        Scope(*arguments)
