"""A long script is made of a short one: long enough, the same for the same seed, and valid Fountain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "make_long_script.py"
HEADING = re.compile(r"(?:(?:INT\.|EXT\.|I/E\.) [A-Z' -]+ - [A-Z]+|\.[A-Z][A-Z', -]+) #(\d+)#")
SHORT = """Title: Short
Author: Nobody

# One

= What it is about.

INT. BARN - LOFT - DAY #7#

/* EXT. CUT - DAY

Nothing. */

NELL (O.S.)
Where's Nell?

The DRIVER waves at _Nell_, not at Nellie.

DRIVER
Here.

# Two

EXT. ROAD - NIGHT

Rain.

.A DREAM #8#

Snow.
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)  # noqa: S603  # our own example


def made(*arguments: object) -> str:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def scenes(text: str) -> list[str]:
    return re.split(r"(?<=\n\n)(?=[^\n]+ #\d+#\n)", text)[1:]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.fountain"
    path.write_text(SHORT, encoding="utf-8")
    return path


def test_thirty_thousand_words_are_the_default() -> None:
    words = len(" ".join(scenes(made())).split())
    longest = 700  # the longest scene of the example, with a little room
    assert 30_000 <= words < 30_000 + longest


@pytest.mark.parametrize("words", [1, 500, 12_345])
def test_no_scene_is_added_once_the_words_are_reached(words: int) -> None:
    *before, _last = found = scenes(made("--words", words, "--seed", 3))
    assert len(" ".join(found).split()) >= words > len(" ".join(before).split())


def test_the_same_seed_gives_the_same_text() -> None:
    assert made("--words", 9000, "--seed", 7) == made("--words", 9000, "--seed", 7)


def test_two_seeds_give_two_orders_of_the_same_scenes(tmp_path: Path) -> None:
    path = tmp_path / "ten.fountain"
    path.write_text("".join(f"INT. HALL - DAY\n\nRain {number}.\n\n" for number in range(10)), "utf-8")
    orders = [re.findall(r"Rain (\d)", made(path, "--words", 90, "--seed", seed))[:10] for seed in (7, 8)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list("0123456789")


def test_every_heading_is_valid_alone_on_its_line_and_numbered_in_order() -> None:
    text = made("--words", 9000, "--seed", 7)
    headings = [block for block in text.split("\n\n") if re.match(r"INT|EXT|I/E|\.\w", block)]
    numbers = [int(found[1]) for heading in headings if (found := HEADING.fullmatch(heading))]
    assert numbers == list(range(1, len(headings) + 1))
    assert len(headings) > 48


def test_each_act_has_its_own_cast() -> None:
    acts = re.split(r"# Act \d+\n", made("--words", 9000, "--seed", 7))[1:]
    casts = [set(re.findall(r"\n\n([A-Z]+)\n", act)) - {"DRIVER"} for act in acts]
    assert len(casts) >= 3
    assert casts[0] != casts[1]
    assert all("NELL" not in cast and "DOROTHY" not in cast for cast in casts)


def test_a_script_of_ones_own_is_split_at_its_headings_alone(short: Path) -> None:
    text = made(short, "--words", 1000)
    found = scenes(text)
    assert {scene.split()[0] for scene in found} == {"INT.", "EXT.", ".A"}
    assert {len(scene.split("# Act")[0].split("\n\n")) - 2 for scene in found} == {1, 3}
    assert not re.search("CUT|What it is about|Nobody|# One|# Two|# #", text)


def test_a_forced_heading_keeps_its_place_and_gets_a_new_number(short: Path) -> None:
    dreams = [scene.split("\n")[0] for scene in scenes(made(short, "--words", 200)) if "Snow." in scene]
    assert len(dreams) > 2
    assert all(re.fullmatch(r"\.A DREAM #\d+#", dream) for dream in dreams)


def test_a_name_is_recast_in_cues_and_in_the_text_but_a_role_is_not(short: Path) -> None:
    scene = next(scene for scene in scenes(made(short, "--words", 30)) if scene.startswith("INT"))
    heading, cue, action, driver = scene.split("\n\n")[:4]
    assert re.fullmatch(r"INT\. [A-Z ]+ - LOFT - [A-Z]+ #\d#", heading)
    found = re.fullmatch(r"([A-Z]+) \(O\.S\.\)\nWhere's (\w+)\?", cue)
    assert found is not None
    assert found[1] == found[2].upper() != "NELL"
    assert action == f"The DRIVER waves at _{found[2]}_, not at Nellie."
    assert driver == "DRIVER\nHere."


def test_a_crowd_beyond_the_newcomers_keeps_its_names(tmp_path: Path) -> None:
    names = [f"{letter}an" for letter in "BCDFGHJKLMNPRSTV"]
    path = tmp_path / "crowd.fountain"
    path.write_text(
        "INT. HALL - DAY\n\n" + "\n\n".join(f"{name.upper()}\nI am {name}." for name in names), "utf-8"
    )
    speeches = re.findall(r"([A-Z]+)\nI am (\w+)\.", made(path, "--words", 1))
    assert len(speeches) == 16
    assert all(cue == name.upper() for cue, name in speeches)
    assert len(set(speeches)) == 16


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--words", "0"), "--words must be between 1 and 1000000, got 0"),
        (("--words", "1000001"), "--words must be between 1 and 1000000, got 1000001"),
        (("--words", "many"), "argument --words: invalid int value: 'many'"),
        (("--seed", "x"), "argument --seed: invalid int value: 'x'"),
        (("--length", "9"), "unrecognized arguments: --length"),
        (("no/such.fountain",), "cannot use no/such.fountain: [Errno 2] No such file or directory"),
        ((str(SCRIPT),), "no scene heading such as 'INT. STAGE - DAY'"),
    ],
)
def test_bad_arguments_give_one_line_and_status_two(arguments: tuple[str, ...], complaint: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_stops_early_hears_no_complaint() -> None:
    making = [sys.executable, str(SCRIPT), "--words", "300000"]  # more than a pipe holds
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # unbuffered output would hide the broken pipe
    pipe = subprocess.PIPE
    with subprocess.Popen(making, stdout=pipe, stderr=pipe, env=buffered) as process:  # noqa: S603  # our own example
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"Title: A Very Long Evening\n"
        process.stdout.close()
        assert process.stderr.read() == b""
