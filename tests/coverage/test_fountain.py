"""Reading Fountain: every published rule by an example, and every text by some screenplay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coverage.fountain import load, parse
from actors.coverage.markup import plain, without_comments
from actors.coverage.screenplay import (
    Action,
    Dialogue,
    Element,
    Lyrics,
    Outline,
    PageBreak,
    Synopsis,
    Transition,
    count_words,
)
from actors.errors import InputError

FOUNTAIN_LINES = st.sampled_from(
    [
        *(
            "INT. A - DAY",
            "ext b",
            ".C",
            "BOB",
            "@mc",
            "(low)",
            "  ",
            "",
            "",
            "Hi.",
            "!ACT",
            "> CUT",
            "> X <",
        ),
        *("CUT TO:", "~la", "# One", "= sum", "===", "/*", "*/", "[[", "]]", "Title: x", "\tof", "*a* _b_"),
        *("ANN ^", "\f\u2028"),
    ]
)


def body(text: str) -> tuple[Element, ...]:
    """The elements under one heading."""
    (scene,) = parse(f"INT. HOUSE - DAY\n\n{text}").scenes
    return scene.elements


@pytest.mark.parametrize(
    "line",
    [
        "INT. HOUSE",
        "ext house",
        "EST. CITY",
        "INT./EXT. CAR",
        "int/ext car",
        "I/E. DOOR",
        "Ext.\tBARN",
        "E/I BUS",
    ],
)
def test_the_published_beginnings_make_a_heading(line: str) -> None:
    assert [scene.heading for scene in parse(f"{line}\n\nRain.").scenes] == [line]


@pytest.mark.parametrize(
    "line",
    ["INTERIOR thoughts.", "He is EXT. of town.", "...and then", "..LONG", "!INT. HOUSE", ".", "ESTATE SALE"],
)
def test_what_only_looks_like_a_heading_is_action(line: str) -> None:
    assert parse(line).scenes == ()


def test_a_period_before_a_letter_forces_a_heading() -> None:
    assert [scene.heading for scene in parse(".SNIPER SCOPE\n\nDark.").scenes] == ["SNIPER SCOPE"]


def test_a_heading_needs_an_empty_line_before_it() -> None:
    assert body("Rain.\nINT. B\n.C") == (Action("Rain.\nINT. B\n.C"),)


def test_a_heading_counts_without_an_empty_line_after_it() -> None:
    (scene,) = parse("INT. HOUSE\nRain.").scenes
    assert (scene.heading, scene.elements) == ("INT. HOUSE", (Action("Rain."),))


def test_a_heading_may_follow_an_outline_a_synopsis_or_a_page_break_directly() -> None:
    script = parse("# One\nINT. A\n\n= Two\nINT. B\n\n===\nINT. C")
    assert [scene.heading for scene in script.scenes] == ["INT. A", "INT. B", "INT. C"]


@pytest.mark.parametrize(
    ("written", "label"), [("#12#", "12"), (" #1-A.b#", "1-A.b"), ("", ""), (" #no no#", "")]
)
def test_a_scene_number_is_read_off_the_heading(written: str, label: str) -> None:
    (scene,) = parse(f"INT. HOUSE{written}").scenes
    assert (scene.label, scene.heading) == (label, "INT. HOUSE" if label else f"INT. HOUSE{written}")


def test_scenes_count_from_one_whatever_numbers_they_bear() -> None:
    assert [scene.number for scene in parse("INT. A #7#\n\nINT. B #3#\n\nINT. C").scenes] == [1, 2, 3]


def test_a_cue_and_the_lines_under_it_are_a_speech() -> None:
    assert body("ANN (V.O.) (CONT'D)\n(low)\nHello\nyou.\n(beat)\nBye.\n\nShe goes.") == (
        Dialogue("ANN", "Hello\nyou.\nBye.", ("low", "beat"), ("V.O.", "CONT'D")),
        Action("She goes."),
    )


def test_an_extension_may_be_in_small_letters() -> None:
    assert body("HANS (on the radio)\nWhat?") == (Dialogue("HANS", "What?", (), ("on the radio",)),)


def test_a_caret_makes_a_speech_dual() -> None:
    assert body("BRICK\nNo.\n\nSTEEL ^\nNo.") == (
        Dialogue("BRICK", "No."),
        Dialogue("STEEL", "No.", dual=True),
    )


def test_an_at_sign_forces_a_cue_and_keeps_its_case() -> None:
    assert body("@McAVOY\nOi.") == (Dialogue("McAVOY", "Oi."),)


@pytest.mark.parametrize(
    "text", ["BOB", "BOB\n\nHello.", "23\nskidoo", "(V.O.)\nHello.", "@\nHello.", "Bob\nHello."]
)
def test_no_speech_without_a_name_in_capitals_and_a_line_under_it(text: str) -> None:
    assert all(isinstance(element, Action) for element in body(text))


def test_a_name_may_hold_digits() -> None:
    assert body("R2D2\nBeep.") == (Dialogue("R2D2", "Beep."),)


def test_a_cue_needs_an_empty_line_before_it() -> None:
    assert body("Rain.\nBOB\nHello.") == (Action("Rain.\nBOB\nHello."),)
    assert parse("INT. A\nTHUNDER.\nRain.").scenes[0].elements == (Action("THUNDER.\nRain."),)


def test_two_spaces_keep_a_speech_open_and_other_blanks_end_it() -> None:
    assert body("ANN\nOne.\n  \nTwo.\n   \nThree.") == (Dialogue("ANN", "One.\n\nTwo."), Action("Three."))


def test_sung_lines_inside_a_speech_belong_to_it() -> None:
    assert body("ANN\n~La la.\nOh.") == (Dialogue("ANN", "La la.\nOh."),)


def test_tildes_outside_a_speech_are_lyrics() -> None:
    assert body("~La\n~ la\n\nRain.") == (Lyrics("La\nla"), Action("Rain."))


def test_an_exclamation_mark_forces_action() -> None:
    assert body("!SCANNING THE AISLES...\nWhere is he?") == (Action("SCANNING THE AISLES...\nWhere is he?"),)


@pytest.mark.parametrize("text", ["CUT TO:", "SMASH CUT TO:", "> Burn to pink."])
def test_a_transition_ends_in_to_or_is_forced(text: str) -> None:
    assert body(f"{text}\n\nRain.") == (Transition(text.removeprefix("> ")), Action("Rain."))


def test_a_transition_not_in_capitals_is_action() -> None:
    assert body("He walks TO:") == (Action("He walks TO:"),)


def test_angle_brackets_on_both_sides_center_action() -> None:
    assert body("> THE END <") == (Action("THE END", centered=True),)


def test_an_outline_a_synopsis_and_a_page_break_are_told_apart() -> None:
    assert body("## Act Two\n\n= It ends.\n\n====") == (
        Outline(2, "Act Two"),
        Synopsis("It ends."),
        PageBreak(),
    )


def test_forced_elements_end_the_paragraph_above_them() -> None:
    assert body("Rain.\n> FADE OUT\nMore rain.") == (
        Action("Rain."),
        Transition("FADE OUT"),
        Action("More rain."),
    )


def test_an_indent_stays_with_action_and_a_tab_is_four_columns() -> None:
    assert body("\tRain.\n  Snow.") == (Action("    Rain.\n  Snow."),)


def test_notes_and_boneyards_are_not_read() -> None:
    assert body("Rain [[why\nrain?]]falls.\n\n/* INT. GONE\n\nBOB\nHi. */\n\nSnow.") == (
        Action("Rain falls."),
        Action("Snow."),
    )


def test_a_note_on_its_own_line_does_not_end_a_speech() -> None:
    assert body("ANN\nOne.\n[[a]] [[b]]\nTwo.") == (Dialogue("ANN", "One.\nTwo."),)


@pytest.mark.parametrize("text", ["a /* b", "a [[ b", "a [[ b\n\nc ]]", "a */ b ]]"])
def test_a_comment_that_is_not_closed_is_text(text: str) -> None:
    assert without_comments(text) == text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("**bold** and *italics* and _under_", "bold and italics and under"),
        ("***both*** _**mixed**_", "both mixed"),
        ("*69 and then *23", "*69 and then *23"),
        (r"\*69 and \_x\_", "*69 and _x_"),
        ("snake_case_word", "snake_case_word"),
        ("a * b * c", "a * b * c"),
        ("*open", "*open"),
        ("2 * 3*", "2 * 3*"),
    ],
)
def test_emphasis_is_taken_off_as_published(written: str, read: str) -> None:
    assert plain(written) == read


def test_a_title_page_is_read_with_values_over_several_lines() -> None:
    script = parse(
        "Title:\n\t_**THE LAMP**_\n\tpart one\nAuthor: Ann Other\nDraft date: 1/2/2025\n\nINT. HOUSE"
    )
    assert script.title == "THE LAMP part one"
    assert script.author == "Ann Other"
    assert script.title_page == {
        "title": "THE LAMP\npart one",
        "author": "Ann Other",
        "draft date": "1/2/2025",
    }
    assert script.opening is None


def test_several_authors_are_one_line() -> None:
    assert parse("Title: X\nAuthors:\n    Ann\n    Bob\n\nINT. A").author == "Ann Bob"


@pytest.mark.parametrize("first", ["FADE IN:", "Title: x\nno key here", "\tindented", "Mood: dark"])
def test_a_beginning_that_is_no_title_page_stays_in_the_script(first: str) -> None:
    script = parse(f"{first}\n\nINT. A")
    assert (script.title, script.title_page) == ("Untitled", {})
    assert script.opening is not None
    assert script.opening.source == f"{first}\n\n"


def test_what_stands_before_the_first_heading_is_the_opening() -> None:
    script = parse("\n\nFADE IN:\n\nINT. A\n\nRain.")
    assert script.opening is not None
    assert (script.opening.number, script.opening.elements) == (0, (Action("FADE IN:"),))
    assert [scene.number for scene in script.stretches] == [0, 1]


def test_windows_and_old_mac_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    text = "Title: X\n\nINT. A\n\nANN\nHi.\n"
    assert parse("\ufeff" + text.replace("\n", "\r\n")) == parse(text.replace("\n", "\r")) == parse(text)


def test_words_and_speakers_are_counted_over_the_whole_body() -> None:
    script = parse(
        "Title: Not counted\n\nFADE IN:\n\nINT. WELL-KEPT BAR\n\nANN\nDon't.\n\nBOB\nI.\n\nANN\nNo."
    )
    assert script.words == 2 + 3 + 6
    assert script.speakers == ("ANN", "BOB")
    assert [scene.words for scene in script.scenes] == [9]


def test_markup_is_no_word() -> None:
    assert count_words("> *** _ THE END <") == 2


def test_the_sources_of_the_scenes_are_the_body_as_typed() -> None:
    text = "FADE IN:\n\nINT. A\n\n\tRain  *falls*. \n\n\n.B #2#\nSnow."
    assert "".join(scene.source for scene in parse(f"Title: X\n\n\n{text}").stretches) == text


@given(st.one_of(st.text(), st.lists(FOUNTAIN_LINES, max_size=30).map("\n".join)))
def test_every_text_is_some_screenplay_and_no_line_of_its_body_is_lost(text: str) -> None:
    script = parse(text)
    sources = "".join(scene.source for scene in script.stretches)
    printed = without_comments(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    assert printed.endswith(sources)
    assert [scene.number for scene in script.scenes] == list(range(1, len(script.scenes) + 1))
    if not script.title_page:
        assert not printed.removesuffix(sources).strip()


@pytest.mark.parametrize(
    "unit", ["[[", "/*", "a" * 90 + "[[x]]", "*a ", "_a ", "INT. A\n", "BOB\nhi\n\n", "(", "\\"]
)
def test_hostile_repetition_costs_no_more_than_its_length(unit: str) -> None:
    """Eight times the text takes about eight times as long; work that grew with the square would take 64 times."""
    assert processor_time(unit * 24_000) < 20 * processor_time(unit * 3_000)


def processor_time(text: str) -> float:
    """The least of three, so that what else the machine does hardly counts."""
    times: list[float] = []
    for _ in range(3):
        start = time.process_time()
        parse(text)
        times.append(time.process_time() - start)
    return min(times)


def test_a_long_script_is_read_whole() -> None:
    scene = "INT. HOUSE - DAY\n\n" + "word " * 80 + "\n\nANN\n" + "said " * 16 + "\n\n"
    script = parse(scene * 300)
    assert (len(script.scenes), script.words) == (300, 30_000)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "lamp.fountain is empty"),
        (b" \r\n\t\n", "lamp.fountain holds only white space"),
        (b"\xef\xbb\xbf \n", "lamp.fountain holds only white space"),
        (b"INT. A\n\x00", "lamp.fountain is not text: it holds a NUL at character 7"),
        (b"INT. A\n\xff", "lamp.fountain is not UTF-8 text: it cannot be decoded at byte 7"),
        (b"\xff\xfeI", "lamp.fountain is not UTF-16 text: it cannot be decoded at byte 2"),
        (b"%PDF-1.7 ...", "lamp.fountain is a PDF; export it as Fountain or plain text"),
        (b"Just prose.", "lamp.fountain has no scene heading, such as 'INT. KITCHEN - DAY'"),
    ],
)
def test_a_file_that_is_no_script_is_refused_in_one_line(data: bytes, text: str) -> None:
    with pytest.raises(InputError) as refused:
        load(data, "lamp.fountain")
    assert str(refused.value) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_in_the_encodings_editors_write(encoding: str) -> None:
    script = load("Title: Café\r\n\r\nINT. CAFÉ\r\n\r\nRain.".encode(encoding), "x.fountain")
    assert (script.title, [scene.heading for scene in script.scenes]) == ("Café", ["INT. CAFÉ"])


def test_a_script_without_a_title_is_called_by_its_file() -> None:
    assert load(b"INT. A", "drafts/the lamp.fountain").title == "the lamp"


@given(st.binary())
def test_bytes_are_a_script_or_an_input_error(data: bytes) -> None:
    refusal = ""
    try:
        load(data, "x")
    except InputError as refused:
        refusal = str(refused)
    assert "\n" not in refusal
