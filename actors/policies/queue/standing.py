"""How many stand before somebody in line, and what they come to together."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

import attrs

from actors.policies.usage import Usage

Spot = tuple[float, int, int, int]
"""Where somebody stands: rank of the flow, then order and ticket."""

# Entries of a block. A question adds up one number per block and looks at half a block, so for the 1,000 who may wait
# by default both are small; at 10,000 it is some 150 blocks and as many entries.
_BLOCK = 128


class _Entry(NamedTuple):
    spot: Spot
    requests: int
    input_tokens: int
    output_tokens: int


@attrs.define(eq=False)
class _Block:
    entries: list[_Entry]
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @classmethod
    def of(cls, entries: list[_Entry]) -> _Block:
        return cls(
            entries,
            sum(entry.requests for entry in entries),
            sum(entry.input_tokens for entry in entries),
            sum(entry.output_tokens for entry in entries),
        )

    def count(self, entry: _Entry, sign: int) -> None:
        self.requests += sign * entry.requests
        self.input_tokens += sign * entry.input_tokens
        self.output_tokens += sign * entry.output_tokens


@attrs.define(eq=False)
class Standing:
    """Sums over a line that people join and leave anywhere: pages of a register, each with its totals at the foot.

    To come or go costs O(sqrt(n)) with a small constant, so does a question: some microseconds at 10,000.
    """

    _blocks: list[_Block] = attrs.field(factory=list[_Block], init=False)
    _lasts: list[Spot] = attrs.field(factory=list[Spot], init=False)

    def __len__(self) -> int:
        return sum(len(block.entries) for block in self._blocks)

    def add(self, spot: Spot, usage: Usage) -> None:
        """Enter somebody; no two stand on one spot."""
        entry = _Entry(spot, usage.requests, usage.input_tokens, usage.output_tokens)
        if not self._blocks:
            self._blocks, self._lasts = [_Block([])], [spot]
        place = min(bisect_left(self._lasts, spot), len(self._blocks) - 1)
        block = self._blocks[place]
        insort(block.entries, entry)
        block.count(entry, 1)
        if len(block.entries) > _BLOCK:
            half = len(block.entries) // 2
            halves = [_Block.of(block.entries[:half]), _Block.of(block.entries[half:])]
            self._blocks[place : place + 1] = halves
            self._lasts[place : place + 1] = [each.entries[-1].spot for each in halves]
        else:
            self._lasts[place] = block.entries[-1].spot

    def remove(self, spot: Spot) -> None:
        """Strike somebody out.

        Raises:
            KeyError: nobody stands there.
        """
        place = bisect_left(self._lasts, spot)
        if place == len(self._blocks):
            raise KeyError(spot)
        block = self._blocks[place]
        index = _index(block, spot)
        if block.entries[index].spot != spot:
            raise KeyError(spot)
        block.count(block.entries.pop(index), -1)
        if block.entries:
            self._lasts[place] = block.entries[-1].spot
        else:
            del self._blocks[place], self._lasts[place]

    def count_before(self, spot: Spot) -> int:
        """Return how many stand before a spot, which may be nobody's."""
        place = bisect_left(self._lasts, spot)
        count = sum([len(block.entries) for block in self._blocks[:place]])
        return count if place == len(self._blocks) else count + _index(self._blocks[place], spot)

    def sum_before(self, spot: Spot) -> Usage:
        """Return what those come to who stand before a spot, which may be nobody's."""
        place = bisect_left(self._lasts, spot)
        before: list[_Block | _Entry] = [*self._blocks[:place]]
        if place < len(self._blocks):
            block = self._blocks[place]
            before += block.entries[: _index(block, spot)]
        return Usage.total(
            sum(each.requests for each in before),
            sum(each.input_tokens for each in before),
            sum(each.output_tokens for each in before),
        )


def _index(block: _Block, spot: Spot) -> int:
    return bisect_left(block.entries, spot, key=_spot)


def _spot(entry: _Entry) -> Spot:
    return entry.spot
