"""Texts of an exact number of tokens, by the simulated provider's rule: English prose, code and Chinese.

They are slices of three corpora that are built of words once, so that a day of them costs no more than copying. The
estimator under test sees texts and has to guess; the rule is known here alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

import attrs

from actors.testing.provider.tokens import MESSAGE_OVERHEAD

Kind = Literal["english", "code", "chinese"]

OFFSETS = 1 << 16
"""Places in a corpus at which a text may begin."""

LONGEST = 1 << 16
"""Characters from there on that a corpus holds."""

PER_TOKEN: Mapping[Kind, int] = {"english": 4, "code": 4, "chinese": 1}
"""Characters of a token by the provider's rule."""

MARK = 8
"""Characters of the number at the beginning of a text: two tokens."""
MARK_TOKENS = 2

_ENGLISH = (
    "the a of and to in that it was he she for on with as had at by not but from they have this his her all there were"
    " which one out so said what up its about who them when into would could time man woman night house door morning"
    " evening light window river street theatre stage curtain audience actor letter promise silence winter summer"
    " father mother brother sister doctor captain stranger table glass mirror shadow voice answer question waited"
    " walked turned looked opened closed remembered forgot believed suddenly slowly almost never always again, then,"
    " perhaps, however, because although before after without between. another. nothing. everything. somewhere."
)
_CODE = (
    "def return if else: for in while not None True False import from class self.value self.items() = == += -> != <="
    " (x, y): [0] {} 0 1 2 10 100 0.5 len(rows) range(n): index += 1\n append(item)\n yield from result, key, node.next"
    " raise ValueError() try: except KeyError:\n with open(path) as file:\n lambda row: row[1] assert total >= 0 #\n"
)
_CHINESE = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之"
    "都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名"
    "。。、、"
)


def _corpus(seed: str, words: tuple[str, ...], gap: str) -> str:
    rng = random.Random(seed)
    parts: list[str] = []
    length = 0
    while length < OFFSETS + LONGEST:
        parts.append(rng.choice(words))
        length += len(parts[-1]) + len(gap)
    return gap.join(parts)


@attrs.define(eq=False)
class Texts:
    """Writes prompts and answers of an exact length."""

    _corpora: Mapping[Kind, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._corpora = {
            "english": _corpus("english", tuple(_ENGLISH.split()), " "),
            "code": _corpus("code", tuple(_CODE.split(" ")), " "),
            "chinese": _corpus("chinese", tuple(_CHINESE), ""),
        }

    def prompt(self, number: int, kind: Kind, tokens: int, offset: int) -> str:
        """Return a text that, as the one message of a request, is counted as `tokens`, and begins with its number.

        Args:
            number: below ten million.
            kind: of the text behind the number.
            tokens: more than the overhead and the number take.
            offset: from 0 to 65,535.
        """
        mark = f"#{number}".ljust(MARK)
        length = (tokens - MESSAGE_OVERHEAD - MARK_TOKENS) * PER_TOKEN[kind]
        return mark + self._corpora[kind][offset : offset + length]

    def answer(self, tokens: int) -> str:
        """Return a text of `tokens`."""
        return self._corpora["english"][: tokens * PER_TOKEN["english"]]
