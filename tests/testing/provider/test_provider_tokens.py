"""The token rule: exact numbers by hand, and its two laws for any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.testing.provider.tokens import count_input_tokens, count_tokens, text_of, truncate


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("é", 1),
        ("éé", 1),
        ("ééa", 2),
        ("剧本", 2),
        ("剧本a", 3),
        ("한국어", 3),
        ("🎬", 1),
        ("\ud800", 1),
    ],
)
def test_tokens_follow_the_written_rule(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@example("剧本", 1)
@given(st.text(alphabet=st.characters(codec=None)), st.integers(0, 40))
def test_truncation_gives_the_longest_beginning_that_fits(text: str, max_tokens: int) -> None:
    kept = truncate(text, max_tokens)
    assert text.startswith(kept)
    assert count_tokens(kept) <= max_tokens
    assert kept == text or count_tokens(text[: len(kept) + 1]) > max_tokens


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    assert count_tokens(text) <= count_tokens(text + more) <= count_tokens(text) + count_tokens(more)


def test_an_input_is_its_system_prompt_its_texts_and_three_tokens_a_message() -> None:
    body = {
        "system": "You read.",
        "messages": [
            {"role": "user", "content": "12345678"},
            {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "text", "text": "5"}]},
        ],
    }
    assert count_input_tokens(body) == 3 + (2 + 3) + (2 + 3)


def test_no_content_has_no_text() -> None:
    assert text_of(None) == ""
