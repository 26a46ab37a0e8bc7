"""What a text is made of, counted in bulk and compared with a count character by character."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.estimates.text_features import FEATURES, count_features

TEXTS = st.text(st.characters(codec=None), max_size=60)
"""Any characters at all, lone surrogates among them."""


def counted(*texts: str) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {name: n for name, n in zip(FEATURES, count_features(texts), strict=True) if n}


def one_by_one(text: str) -> list[int]:
    """Count a text as its description says, slowly."""
    counts = dict.fromkeys(FEATURES, 0)
    was_letter = False
    for character in text:
        is_letter = character in string.ascii_letters
        counts["words"] += is_letter and not was_letter
        was_letter = is_letter
        counts[sort_of(character)] += 1
    counts["texts"] = 1
    return list(counts.values())


def sort_of(character: str) -> str:
    point = ord(character)
    for letters, name in (
        (string.ascii_letters, "letters"),
        (string.digits, "digits"),
        (" \t\n\r\v\f", "blanks"),
    ):
        if character in letters:
            return name
    for end, name in (
        (0x80, "marks"),
        (0x800, "narrow"),
        (0x3000, "syllables"),
        (0x4000, "kana"),
        (0xA000, "ideographs"),
        (0xE000, "hangul"),
        (0xF000, "syllables"),
        (0x10000, "kana"),
    ):
        if point < end:
            return name
    return "pictures"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        ("two words", {"letters": 8, "words": 2, "blanks": 1}),
        ("a1b", {"letters": 2, "words": 2, "digits": 1}),
        ("x += 10;\n", {"letters": 1, "words": 1, "blanks": 3, "marks": 3, "digits": 2}),
        ("café", {"letters": 3, "words": 1, "narrow": 1}),
        ("été", {"letters": 1, "words": 1, "narrow": 2}),
        ("“quoted”", {"letters": 6, "words": 1, "syllables": 2}),
        ("剧本、完。", {"ideographs": 3, "kana": 2}),
        ("カメラ", {"kana": 3}),
        ("극장", {"hangul": 2}),
        ("🎬", {"pictures": 1}),
        ("\ud800", {"hangul": 1}),
    ],
)
def test_each_character_is_of_one_sort(text: str, counts: dict[str, int]) -> None:
    assert counted(text) == {**counts, "texts": 1}


@pytest.mark.parametrize("name", [name for name in FEATURES if name not in {"words", "texts"}])
def test_the_first_and_the_last_character_of_a_sort_belong_to_it(name: str) -> None:
    points = [*range(0x900), *range(0x2F00, 0x3100), *range(0x3F00, 0x4100), *range(0x9F00, 0xA100)]
    points += [
        *range(0xD700, 0xD900),
        *range(0xDF00, 0xE100),
        *range(0xEF00, 0xF100),
        *range(0xFF00, 0x10100),
    ]
    ours = "".join(map(chr, (point for point in (*points, 0x10FFFF) if sort_of(chr(point)) == name)))
    assert count_features([ours])[FEATURES.index(name)] == len(ours) > 0


def test_counts_of_several_texts_add_up_and_the_texts_are_counted_too() -> None:
    assert counted() == {}
    assert counted("", "") == {"texts": 2}
    assert counted("ab", "cd 1") == {"letters": 4, "words": 2, "digits": 1, "blanks": 1, "texts": 2}


@given(TEXTS)
def test_the_bulk_count_is_that_of_the_characters_one_by_one(text: str) -> None:
    assert list(count_features([text])) == one_by_one(text)


@given(TEXTS, TEXTS)
def test_no_count_falls_when_a_text_grows(one: str, other: str) -> None:
    shorter, longer = count_features([one]), count_features([one + other])
    assert all(before <= after for before, after in zip(shorter, longer, strict=True))
