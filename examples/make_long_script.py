"""Make a feature-length Fountain script out of a short one, to see what length does to sectioning.

    python examples/make_long_script.py --words 30000 --seed 7 > long.fountain

Each act is one pass through the scenes of the given script: a new order, a new cast, a new address.
It makes no story, only the shape of one. The same script, length and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

SHORT_SCRIPT = Path(__file__).with_name("the_last_reel.fountain")
MOST_WORDS = 1_000_000  # some forty features: more than anyone reads, and still built in memory at once
HEADING = re.compile(r"(?:(?:INT\./EXT|INT/EXT|INT|EXT|EST|I/E)[. ]|\.(?=\w)).+", re.IGNORECASE)
CUE = re.compile(r"([A-Z][A-Z .]*?)(?: *\([^)]*\))?(?: *\^)?\n.*", re.DOTALL)
WORD = re.compile(r"([^\W_]+)")
VENUES = ("THE ROYAL", "PALACE PIER", "THE LYCEUM", "TOWN HALL", "THE CORN EXCHANGE", "THE OLD BATHS")
TIMES = ("DAY", "NIGHT", "DAWN", "DUSK", "MORNING", "EVENING")
CAST = ("Alex", "Blair", "Dana", "Ellis", "Jamie", "Jude", "Kerry", "Lee", "Morgan", "Noel", "Quinn", "Robin")


def scenes_of(script: str) -> list[tuple[str, str]]:
    """Split a script into (heading, body) pairs, without title page, boneyards, sections and synopses."""
    scenes: list[tuple[str, str]] = []
    for block in re.split(r"\n\s*\n", re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)):
        first, _, rest = block.strip().partition("\n")
        if HEADING.fullmatch(first):
            scenes.append((re.sub(r" *#[^#]+#$", "", first), rest and rest + "\n\n"))
        elif scenes and first and not first.startswith(("#", "=")):
            scenes[-1] = (scenes[-1][0], f"{scenes[-1][1]}{block.strip()}\n\n")
    return scenes


def relocated(heading: str, venue: str, time: str) -> str:
    """Move a heading to another venue and time of day; one forced with a full stop stays as it is."""
    prefix, _, place = heading.partition(" ")
    moved = " - ".join((f"{prefix} {venue}", *place.split(" - ")[1:-1], time))
    return heading if heading.startswith(".") else moved


def long_script(script: str, words: int, seed: int) -> Iterator[str]:
    """Yield a title page, then acts and whole scenes, until the scenes hold at least so many words."""
    rng, number, scenes = random.Random(seed), itertools.count(1), scenes_of(script)
    if not scenes:
        raise ValueError("no scene heading such as 'INT. STAGE - DAY'")
    text = "".join(body for _, body in scenes)
    cues = {cue[1].split()[-1].title() for block in text.split("\n\n") if (cue := CUE.fullmatch(block))}
    names = sorted(cues & set(WORD.findall(text)))  # Nell, who is called by name, but no DRIVER
    yield f"Title: A Very Long Evening\nCredit: Recombined\nNotes: {words} words or more, seed {seed}\n\n"
    for act in itertools.count(1):
        pairs = list(zip(names, rng.sample(CAST, k=len(CAST)), strict=False))  # a crowd keeps its own names
        cast = {spelt(old): spelt(new) for old, new in pairs for spelt in (str, str.upper)}
        venue = rng.choice(VENUES)
        yield f"# Act {act}\n\n"
        for heading, body in rng.sample(scenes, k=len(scenes)):
            recast = "".join(cast.get(word, word) for word in WORD.split(body))
            yield (scene := f"{relocated(heading, venue, rng.choice(TIMES))} #{next(number)}#\n\n{recast}")
            words -= len(scene.split())
            if words <= 0:
                return


def main() -> None:
    """Read the command line and write the script to standard output."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends this quietly, as it ends any filter
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, description="Make a script long.")
    parser.add_argument("script", nargs="?", type=Path, default=SHORT_SCRIPT, help="a .fountain file")
    parser.add_argument("--words", type=int, default=30_000, help="the least number of words")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same text")
    given = parser.parse_args()
    if not 1 <= given.words <= MOST_WORDS:
        parser.error(f"--words must be between 1 and {MOST_WORDS}, got {given.words}")
    try:
        script = given.script.read_text(encoding="utf-8-sig")
        text = "".join(long_script(script, given.words, given.seed))
    except (OSError, ValueError) as error:
        parser.error(f"cannot use {given.script}: {error}")
    sys.stdout.buffer.write(text.encode())


if __name__ == "__main__":
    main()
