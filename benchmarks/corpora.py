"""Requests to be estimated: their texts, cut at random out of what lies in the repository.

English is the screenplay of the examples, code is the project's own, and the sample of Chinese, Japanese and Korean
lies with the tests. A request has a short system prompt and one to three messages; lengths are log-normal, from a line
to some pages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]

SORTS = ("english", "code", "cjk")

SYSTEM_LENGTH = 300
"""Characters of a system prompt, at most."""

MEDIAN_LENGTH = 800
"""Characters of a message; one in a hundred is ten times as long, one in a hundred a tenth."""
SPREAD = 1.0
LENGTHS = (20, 10_000)

CJK_LENGTH = 0.3
"""A Chinese text says in a third of the characters what an English one says."""

Request = tuple[str, ...]


@attrs.frozen
class Corpora:
    """The three sorts of text, read once.

    Attributes:
        english: one text.
        code: one text.
        cjk: sentences, by language.
    """

    english: str
    code: str
    cjk: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls) -> Corpora:
        """Read them from the repository."""
        code = "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob("actors/**/*.py")))
        sample = (ROOT / "tests" / "data" / "cjk.txt").read_text("utf-8")
        languages = [part.splitlines()[1:] for part in sample.split("# ")[1:]]
        return cls(
            english=(ROOT / "examples" / "the_last_reel.fountain").read_text("utf-8"),
            code=code[:400_000],
            cjk=tuple(tuple(sentences) for sentences in languages),
        )

    def requests(self, sort: str, rng: random.Random) -> Iterator[Request]:
        """Yield requests of one sort for ever: english, code, cjk, or blend, where each text is of any of the three."""
        while True:
            texts = (self._text(sort, rng) for _ in range(rng.randint(2, 4)))
            yield (next(texts)[:SYSTEM_LENGTH], *texts)

    def _text(self, sort: str, rng: random.Random) -> str:
        match rng.choice(SORTS) if sort == "blend" else sort:
            case "english":
                return _cut(self.english, _length(rng), rng)
            case "code":
                return _cut(self.code, _length(rng), rng)
            case "cjk":
                return self._cjk(_length(rng), rng)
            case unknown:
                raise ValueError(f"sort must be blend or one of {', '.join(SORTS)}, got {unknown!r}")

    def _cjk(self, length: int, rng: random.Random) -> str:
        sentences, length = rng.choice(self.cjk), int(length * CJK_LENGTH)
        text = ""
        while len(text) < length:
            text += rng.choice(sentences)
        return text[:length]


def _length(rng: random.Random) -> int:
    least, most = LENGTHS
    return max(least, min(most, int(rng.lognormvariate(0.0, SPREAD) * MEDIAN_LENGTH)))


def _cut(text: str, length: int, rng: random.Random) -> str:
    length = min(length, len(text) // 2)
    start = rng.randrange(len(text) - length)
    return text[start : start + length]
