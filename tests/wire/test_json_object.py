"""JSON from a stranger."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.json_object import object_in, parse_object, string_in


@given(value=st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none()))
def test_an_object_is_returned_as_it_is(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(body=st.binary())
def test_any_bytes_are_an_object_or_none(body: bytes) -> None:
    assert isinstance(parse_object(body), dict | None)


@pytest.mark.parametrize(
    "body", [b"[1]", b"1", b"null", b"", b"\xff", b"[" * 100_000, b"[" + b"9" * 5000 + b"]"]
)
def test_anything_else_is_none(body: bytes) -> None:
    assert parse_object(body) is None


def test_a_value_of_another_type_is_nothing() -> None:
    assert (object_in([]), object_in({"a": 1}), string_in(1), string_in("a")) == ({}, {"a": 1}, None, "a")


@given(text=st.text(st.characters(exclude_categories=[])))
def test_every_string_can_be_stored(text: str) -> None:
    stored = string_in(text)
    assert stored is not None
    assert stored.encode().decode() == stored
