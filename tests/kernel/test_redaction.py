"""Tests for the outline of a value."""

from __future__ import annotations

import enum

import pytest

from actors.kernel.redaction import outline


class Colour(enum.Enum):
    RED = "r"


class Broken:
    def __len__(self) -> int:
        raise RuntimeError("no length today")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (2.5, "2.5"),
        (Colour.RED, "Colour.RED"),
        ("text", "<str of 4>"),
        (b"text", "<bytes of 4>"),
        (["text"], "<list of 1>"),
        ({"text": 1}, "<dict of 1>"),
        ((), "()"),
        ((1, "text"), "(1, <str of 4>)"),
        ((1, 2, 3, 4, 5, 6, 7), "<tuple of 7>"),
        (object(), "<object>"),
        (ValueError("text"), "<ValueError>"),
    ],
)
def test_a_value_is_outlined_without_its_text(value: object, shown: str) -> None:
    assert outline(value) == shown


def test_a_value_without_a_usable_length_is_shown_by_its_type() -> None:
    assert outline(Broken()) == "<Broken>"
