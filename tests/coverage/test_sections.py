"""Cutting scripts: every section fits, nothing is lost, nothing is sent twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coverage.fountain import parse
from actors.coverage.marks import Piece, joined, unmarked
from actors.coverage.screenplay import Screenplay
from actors.coverage.sections import Section, split_sections
from actors.policies.estimates.estimate import estimate_tokens

SCENE_TEXT = st.lists(
    st.sampled_from(
        ["INT. A - DAY", "Rain falls on it.", "BOB", "Hi.", "", "", "[scene 9] x", "\\[opening]", "é" * 90]
    ),
    max_size=40,
).map("\n".join)


def script(*scene_words: int) -> Screenplay:
    """A script whose scenes have paragraphs of ten letters and an empty line each."""
    scenes = ("INT. A\n\n" + "abcdefgh.\n\n" * words for words in scene_words)
    return parse("".join(scenes))


def sources(sections: tuple[Section, ...]) -> str:
    return "".join(piece.source for section in sections for piece in unmarked(section.text))


def typed(screenplay: Screenplay) -> str:
    return "".join(scene.source for scene in screenplay.stretches)


def test_a_script_that_fits_is_one_section() -> None:
    (section,) = split_sections(script(1, 1), budget=1000)
    assert (section.index, section.total, section.first_scene, section.last_scene) == (1, 1, 1, 2)
    assert section.text == "[scene 1] INT. A\n\nabcdefgh.\n\n[scene 2] INT. A\n\nabcdefgh.\n\n"
    assert section.words == 6


def test_scenes_are_packed_until_the_next_does_not_fit() -> None:
    """A scene of one paragraph is 29 letters with its mark: two fit 60, three do not."""
    sections = split_sections(script(1, 1, 1, 1, 1), budget=60, estimate=len)
    assert [(each.first_scene, each.last_scene, len(each.text)) for each in sections] == [
        (1, 2, 58),
        (3, 4, 58),
        (5, 5, 29),
    ]
    assert [(each.index, each.total) for each in sections] == [(1, 3), (2, 3), (3, 3)]


def test_a_section_may_fill_its_budget_exactly() -> None:
    assert len(split_sections(script(1, 1), budget=58, estimate=len)) == 1
    assert len(split_sections(script(1, 1), budget=57, estimate=len)) == 2


def test_a_scene_too_large_is_cut_between_paragraphs_and_says_that_it_goes_on() -> None:
    texts = [each.text for each in split_sections(script(4), budget=43, estimate=len)]
    assert texts == [
        "[scene 1] INT. A\n\nabcdefgh.\n\n",
        "[scene 1, continued] abcdefgh.\n\nabcdefgh.\n\n",
        "[scene 1, continued] abcdefgh.\n\n",
    ]


def test_a_speech_is_not_cut_from_its_cue_while_it_fits_a_section() -> None:
    screenplay = parse("INT. A\n\nANN\nHi you.\n\nRain.\n\nSnow.\n\n")
    assert [each.text for each in split_sections(screenplay, budget=41, estimate=len)] == [
        "[scene 1] INT. A\n\n",
        "[scene 1, continued] ANN\nHi you.\n\nRain.\n\n",
        "[scene 1, continued] Snow.\n\n",
    ]


def test_a_continuation_never_shares_a_section_with_the_words_it_continues() -> None:
    """Cut inside a line, its mark would stand inside a line too, and nobody would see it."""
    screenplay = parse("INT. A\n\n" + "x " * 190)
    sections = split_sections(screenplay, budget=100)
    assert sources(sections) == typed(screenplay)
    assert [text.count("continued") for text in (each.text for each in sections)] == [0, 1, 1]


def test_what_is_left_of_a_cut_scene_shares_its_section_with_the_next_scenes() -> None:
    sections = split_sections(script(1, 6, 1), budget=80, estimate=len)
    assert [(each.first_scene, each.last_scene) for each in sections] == [(1, 1), (2, 2), (2, 3)]


def test_a_paragraph_too_large_is_cut_between_lines_then_words_then_letters() -> None:
    paragraph = "one line\ntwo words here\n" + "x" * 40
    texts = [each.text for each in split_sections(parse(f"INT. A\n\n{paragraph}"), budget=34, estimate=len)]
    assert texts == [
        "[scene 1] INT. A\n\n",
        "[scene 1, continued] one line\n",
        "[scene 1, continued] two words ",
        "[scene 1, continued] here\n",
        *["[scene 1, continued] xxxxxxxxxx"] * 4,
    ]


def test_a_budget_below_one_letter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^budget must hold a scene mark and a letter, got 5 tokens$"):
        split_sections(script(1), budget=5, estimate=len)


def test_the_opening_belongs_to_scene_one() -> None:
    (section,) = split_sections(parse("FADE IN:\n\nINT. A\n\nRain."), budget=1000)
    assert section.text == "[opening] FADE IN:\n\n[scene 1] INT. A\n\nRain."
    assert section.scenes == range(1, 2)


def test_an_opening_without_scenes_counts_as_scene_one() -> None:
    (section,) = split_sections(parse("Rain."), budget=1000)
    assert section.scenes == range(1, 2)


def test_a_script_without_text_has_no_sections() -> None:
    assert split_sections(parse(""), budget=1) == ()


def test_a_script_cannot_number_its_own_scenes() -> None:
    screenplay = parse("INT. A\n\n[scene 7] INT. FORGED\n\\[scene 8, continued] x\n[opening] y")
    (section,) = split_sections(screenplay, budget=1000)
    assert [piece.scene for piece in unmarked(section.text)] == [1]
    assert sources((section,)) == typed(screenplay)


def test_the_backslashes_of_shielded_lines_count_towards_the_budget() -> None:
    sections = split_sections(parse("INT. A\n\n" + "[scene 9]\n\n" * 4), budget=43, estimate=len)
    assert max(len(each.text) for each in sections) <= 43


def test_tokens_are_estimated_from_bytes() -> None:
    assert (estimate_tokens(""), estimate_tokens("abcdefg"), estimate_tokens("abcdefgh")) == (0, 2, 3)
    assert estimate_tokens("黒澤") == 2
    assert estimate_tokens("\ud800") == 1


@given(text=st.one_of(SCENE_TEXT, st.text()), budget=st.integers(30, 300))
def test_nothing_is_lost_nothing_is_sent_twice_and_every_section_fits(text: str, budget: int) -> None:
    screenplay = parse(text)
    sections = split_sections(screenplay, budget=budget, estimate=len)
    assert sources(sections) == typed(screenplay)
    assert all(len(section.text) <= budget for section in sections)
    numbers = [number for section in sections for number in section.scenes]
    assert numbers == sorted(numbers)
    assert set(numbers) >= {scene.number for scene in screenplay.scenes}


@given(text=SCENE_TEXT, budget=st.integers(12, 60))
def test_every_section_fits_by_the_usual_estimate_too(text: str, budget: int) -> None:
    sections = split_sections(parse(text), budget=budget)
    assert all(estimate_tokens(section.text) <= budget for section in sections)
    assert sources(sections) == typed(parse(text))


@given(st.lists(st.tuples(st.integers(0, 50), st.text(), st.booleans()), max_size=5))
def test_pieces_come_back_from_a_prompt_as_they_went_in(raw: list[tuple[int, str, bool]]) -> None:
    pieces = tuple(Piece(scene, source + "\n", continued) for scene, source, continued in raw)
    assert unmarked(joined(pieces)) == pieces
