"""The simulated model: what it says is counted in the script it was sent, and in nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coverage.fountain import parse
from actors.coverage.personas import PERSONAS, repair_prompt, section_prompt, system_prompt
from actors.coverage.record import Coverage, Evidence, Scores, parse_coverage
from actors.coverage.sections import split_sections
from actors.testing.reader_model import reader_model
from actors.testing.reader_views import shoot_view, story_view, voice_view
from actors.testing.script_facts import SceneFacts, ScriptFacts, facts_of

LAMP = """Title: The Lamp

FADE IN:

INT. LIGHTHOUSE - LAMP ROOM - NIGHT

ANN
The lantern. Always the lantern.

BOB (O.S.)
Leave it.

EXT. HARBOUR - DAY

Rain.

I/E. BOAT--LATER

ANN
(calling)
That lantern is out!
"""
SILENT = "INT. ATTIC\n\nDust falls on a piano.\n"


def request(name: str, text: str, *, budget: int = 10_000, index: int = 0) -> dict[str, Any]:
    section = split_sections(parse(text), budget=budget)[index]
    persona = PERSONAS[name]
    prompt = section_prompt(persona, "The Lamp", section)
    return {"system": system_prompt(persona), "messages": [{"role": "user", "content": prompt}]}


def report(name: str, text: str) -> Coverage:
    return parse_coverage(reader_model(request(name, text)), scenes=range(1, 99))


def facts(text: str) -> ScriptFacts:
    (section,) = split_sections(parse(text), budget=10_000)
    found = facts_of(section.text)
    assert found is not None
    return found


def test_maya_weighs_the_scenes() -> None:
    read = report("maya", LAMP)
    assert read.strengths == (
        "Scenes 1 to 3 run 30 words, 10 a scene on average.",
        "From LIGHTHOUSE - LAMP ROOM in scene 1 to BOAT in scene 3.",
    )
    assert read.concerns == (
        "Scene 1 is the longest of scenes 1 to 3: 16 words, 53%.",
        "Scene 2 is the shortest of scenes 1 to 3: 4 words.",
    )
    assert read.evidence == (
        Evidence(1, "The longest of scenes 1 to 3: 16 words."),
        Evidence(3, "Ends at BOAT after 10 words."),
    )


def test_maya_names_no_road_where_a_heading_was_not_sent() -> None:
    found = facts_of("[scene 3, continued] Rain.\n\n[scene 4] INT. A")
    assert found is not None
    assert story_view(found).strengths == ("Scenes 3 to 4 run 3 words, 2 a scene on average.",)


def test_colton_counts_what_has_to_be_shot() -> None:
    read = report("colton", LAMP)
    assert read.strengths == ("3 places in scenes 1 to 3: 2 inside, 2 outside.",)
    assert read.concerns == (
        "1 scene at night and 1 by day in scenes 1 to 3.",
        "Talk takes 37% of the 30 words of scenes 1 to 3.",
    )
    assert read.evidence == (Evidence(1, "A night to light at LIGHTHOUSE - LAMP ROOM."),)


def test_colton_sees_a_place_that_is_used_again() -> None:
    read = report("colton", "INT. A - DAY\n\nINT. B\n\nEXT. B - NIGHT\n\n")
    assert read.strengths[1] == "B is used again: 2 of 3 scenes in scenes 1 to 3."


def test_devon_listens_to_who_speaks() -> None:
    read = report("devon", LAMP)
    assert read.strengths == (
        "ANN says 9 of 11 spoken words in scenes 1 to 3, 82%.",
        "2 voices and 3 speeches in scenes 1 to 3.",
    )
    assert read.concerns == (
        "BOB says least in scenes 1 to 3: 2 words.",
        "1 voice heard in just one of scenes 1 to 3: BOB.",
        '"lantern" is said 3 times in scenes 1 to 3.',
        "Nobody speaks in 1 of scenes 1 to 3.",
    )
    assert read.evidence == (
        Evidence(1, "The longest speech of scenes 1 to 3: 5 words by ANN."),
        Evidence(2, "Nobody speaks here."),
    )


def test_the_logline_says_who_carries_it_from_where_to_where() -> None:
    assert report("maya", LAMP).logline == (
        "ANN carries scenes 1 to 3, beside BOB, from LIGHTHOUSE - LAMP ROOM to BOAT."
    )
    assert report("maya", SILENT).logline == "Not a word is spoken in scene 1, at ATTIC."
    assert report("maya", "INT. A\n\nANN\nHi.\n").logline == "ANN carries scene 1, alone, at A."


def test_each_reader_tells_the_script_in_their_own_way() -> None:
    assert report("colton", LAMP).logline == (
        "Scenes 1 to 3 take 3 places and 1 night to shoot; ANN has most to say."
    )
    assert report("colton", SILENT).logline == (
        "Scene 1 takes 1 place and 0 nights to shoot; nobody has a line."
    )
    assert report("devon", LAMP).logline == "2 voices in scenes 1 to 3: ANN says most, BOB next."
    assert report("devon", SILENT).logline == "No voice is heard in scene 1."
    assert report("devon", "INT. A\n\nANN\nHi.\n").logline == "1 voice in scene 1: ANN and nobody else."


def test_a_silent_script_gets_a_report_of_its_silence() -> None:
    read = report("devon", SILENT)
    assert read.strengths == ("Scene 1: told by what is seen alone.",)
    assert read.concerns == ("Nobody speaks in scene 1, 7 words long.",)


def test_a_single_scene_is_not_compared_with_itself() -> None:
    read = report("maya", SILENT)
    assert read.strengths == ("Scene 1 runs 7 words.",)
    assert read.concerns == ("Scene 1 stands alone at ATTIC: nothing it leads to was read with it.",)


def test_a_lone_voice_is_named_as_one_and_many_voices_are_cut_short() -> None:
    assert report("devon", "INT. A\n\nANN\nHi.\n").concerns == ("ANN is the only one who speaks in scene 1.",)
    chorus = "INT. A\n\nEXT. B\n\n" + "".join(f"VOICE {letter}\nHi.\n\n" for letter in "ABCDE")
    assert "5 voices heard in just one of scenes 1 to 2: VOICE A, VOICE B, VOICE C and 2 more." in (
        report("devon", chorus).concerns
    )


def test_two_scripts_get_two_reports_and_three_readers_three() -> None:
    reports = {report(name, text) for name in PERSONAS for text in (LAMP, SILENT)}
    assert len(reports) == 6


def test_marks_are_counts_moved_by_each_readers_own_focus() -> None:
    # 16, 4 and 10 words in 3 places; 11 of 30 words are talk; one of two voices returns: 9, 6.6, 6 and 8.67 for all.
    assert report("maya", LAMP).scores == Scores(7, 5, 6, 9)  # no cut has a voice on both sides: -2
    assert report("colton", LAMP).scores == Scores(
        8, 6, 6, 9
    )  # one scene of three is shorter than the average: -0.67
    assert report("devon", LAMP).scores == Scores(9, 7, 5, 7)  # 2 of 11 spoken words are not ANN's: -1.27


def test_a_focus_that_one_scene_cannot_show_moves_no_mark() -> None:
    assert report("maya", SILENT).scores == report("colton", SILENT).scores == Scores(7, 9, 3, 5)
    assert report("devon", SILENT).scores == Scores(7, 9, 2, 3)


def test_a_voice_on_both_sides_of_a_cut_and_brisk_scenes_raise_the_marks() -> None:
    text = "INT. A\n\nANN\nHi.\n\nINT. A\n\nANN\nHi.\n\nINT. A\n\nANN\nHi there, all of you.\n\n"
    assert story_view(facts(text)).focus == 1.0
    assert shoot_view(facts(text)).focus == 2 / 3
    assert voice_view(facts(text)).focus == 0.0


def test_scenes_of_varied_length_are_even_enough_and_one_that_towers_is_not() -> None:
    def structure(*lengths: int) -> int:
        scenes = "".join(f"INT. A\n\n{'rain ' * (length - 2)}\n\n" for length in lengths)
        return report("devon", scenes).scores.structure

    assert structure(50, 50, 50, 50) == 9
    assert structure(25, 75, 25, 75) == 6
    assert structure(10, 10, 10, 170) == 2


def test_it_counts_only_the_scenes_it_was_sent() -> None:
    answer = reader_model(request("maya", LAMP, budget=37, index=1))
    assert json.loads(answer)["strengths"][0] == "Scenes 2 to 3 run 14 words, 7 a scene on average."


def test_the_same_request_gets_the_same_answer() -> None:
    assert reader_model(request("devon", LAMP)) == reader_model(request("devon", LAMP))


def test_blocks_of_text_are_read_like_text() -> None:
    plain = request("colton", LAMP)
    prompt = plain["messages"][0]["content"]
    blocks = {
        "system": [{"type": "text", "text": plain["system"], "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}],
    }
    assert reader_model(blocks) == reader_model(plain)


def test_a_request_to_repair_is_answered_from_the_script_before_it() -> None:
    asked = request("maya", LAMP)
    repair = [{"role": "assistant", "content": "{}"}, {"role": "user", "content": repair_prompt(("x",))}]
    assert reader_model(asked | {"messages": asked["messages"] + repair}) == reader_model(asked)


def test_of_several_scripts_in_a_conversation_the_last_is_read() -> None:
    first, last = request("maya", LAMP), request("maya", SILENT)
    assert reader_model(first | {"messages": first["messages"] + last["messages"]}) == reader_model(last)


def test_it_points_to_no_more_scenes_than_a_coverage_holds() -> None:
    assert len(report("colton", "INT. A - NIGHT\n\n" * 13).evidence) == 12


def test_without_a_reader_in_the_system_prompt_the_first_one_answers() -> None:
    asked = request("devon", LAMP)
    del asked["system"]
    assert reader_model(asked) == reader_model(request("maya", LAMP))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": None},
        {"messages": ["x", {"role": "user"}, {"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": "How are you?"}]},
        {"messages": [{"role": "assistant", "content": request("maya", LAMP)["messages"][0]["content"]}]},
    ],
)
def test_a_prompt_without_a_script_is_answered_with_a_sentence(body: dict[str, Any]) -> None:
    assert reader_model(body) == "I read screenplays; send me one and I will tell you what is in it."


@pytest.mark.parametrize(
    ("heading", "place", "inside", "outside", "time"),
    [
        ("INT. HOUSE - KITCHEN - NIGHT", "HOUSE - KITCHEN", True, False, "night"),
        ("ext. drive-in--evening", "DRIVE-IN", False, True, "night"),
        ("INT./EXT. CAR \u2013 MORNING", "CAR", True, True, "day"),
        ("I/E DOOR - LATER", "DOOR", True, True, ""),
        ("EST. CITY - DAYTONA", "CITY - DAYTONA", False, True, ""),
        (".SNIPER SCOPE", "SNIPER SCOPE", False, False, ""),
    ],
)
def test_a_heading_tells_where_and_when(
    heading: str, place: str, inside: bool, outside: bool, time: str
) -> None:
    (scene,) = facts(f"{heading}\n\nRain.").scenes
    assert (scene.place, scene.is_inside, scene.is_outside, scene.time) == (place, inside, outside, time)


def test_parts_of_one_scene_are_one_scene_and_a_part_without_its_heading_has_no_place() -> None:
    found = facts_of("[scene 3, continued] ANN\nHi.\n\n[scene 4] INT. A\n\n[scene 4, continued] Rain.")
    assert found is not None
    assert [(scene.number, scene.place, scene.words) for scene in found.scenes] == [(3, "", 2), (4, "A", 3)]


def test_an_opening_counts_only_where_nothing_else_was_sent() -> None:
    assert facts("FADE IN:\n\nINT. A\n").words == 2
    assert [scene.number for scene in facts("FADE IN:\n").scenes] == [1]
    assert facts_of("no marks") is None


def test_the_longest_speech_and_the_longest_scene_are_the_first_of_equals() -> None:
    found = facts("INT. A\n\nANN\nOne two.\n\nINT. B\n\nBOB\nTwo one.\n\n")
    assert found.longest.number == found.shortest.number == 1
    assert found.longest_speech is not None
    assert found.longest_speech[1].speaker == "ANN"


def test_places_and_speakers_are_ranked_by_use_then_by_name() -> None:
    found = facts("INT. B\n\nZED\nHi.\n\nINT. A\n\nAMY\nHi.\n\nINT. C\n\nCAL\nHi there.\n\nINT. C\n\n")
    assert list(found.places) == ["C", "A", "B"]
    assert list(found.spoken) == ["CAL", "AMY", "ZED"]


def test_names_and_small_words_are_no_repeated_words() -> None:
    found = facts("INT. A\n\nHELEN\nHelen! Would you? Would you, Helen? Lantern.\n")
    assert found.repeated == {"lantern": 1}


def test_a_very_long_name_is_cut_and_an_unprintable_one_replaced() -> None:
    assert "X" * 49 not in reader_model(request("devon", f"INT. A\n\n{'X' * 99}\nHi.\n"))
    scene = SceneFacts(1, "", is_inside=False, is_outside=False, time="", words=0, speeches=())
    assert ScriptFacts((scene,)).average == 0


@given(
    st.text() | st.lists(st.sampled_from(["INT. A - DAY", "BOB", "Hi.", "", "[scene 9] x"])).map("\n".join)
)
def test_whatever_it_is_sent_it_answers_with_a_coverage_of_those_scenes(text: str) -> None:
    screenplay = parse(text)
    for section in split_sections(screenplay, budget=60):
        for persona in PERSONAS.values():
            prompt = section_prompt(persona, screenplay.title, section)
            body = {"system": system_prompt(persona), "messages": [{"role": "user", "content": prompt}]}
            parse_coverage(reader_model(body), scenes=section.scenes)
