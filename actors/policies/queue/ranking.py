"""A priority queue that anybody may leave at any time."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import attrs


class Sortable(Protocol):
    """What has an order: numbers, or tuples of them."""

    def __lt__(self, other: Any, /) -> bool:
        """Say whether it comes before `other`."""
        ...


Item = TypeVar("Item", bound=Hashable)
Rank = TypeVar("Rank", bound=Sortable)

# Entries of those who have left stay in the heap until they are half of it; this many do not matter.
_STALE = 64


@attrs.define(eq=False)
class Ranking(Generic[Item, Rank]):
    """Items, each with a rank, the least first: a heap beside a dict that knows who is still there.

    Who leaves is struck from the dict at once and from the heap when it comes to the top, or when those who left have
    become as many as those present. So everything costs O(log n), spread over all, and the top is always somebody
    present. Among equal ranks the one that was put first comes first.
    """

    _ranks: dict[Item, Rank] = attrs.field(factory=dict[Item, Rank], init=False)
    _heap: list[tuple[Rank, int, Item]] = attrs.field(factory=list[tuple[Rank, int, Item]], init=False)
    _puts: int = attrs.field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, item: object) -> bool:
        return item in self._ranks

    def __iter__(self) -> Iterator[Item]:
        """Go through the items, in no order of meaning."""
        return iter(self._ranks)

    @property
    def head(self) -> Item:
        """Who has the least rank.

        Raises:
            IndexError: nobody is there.
        """
        return self._heap[0][2]

    @property
    def first(self) -> Item | None:
        """Who has the least rank, or None when nobody is there."""
        return self._heap[0][2] if self._heap else None

    @property
    def best(self) -> Rank | None:
        """The least rank, or None when nobody is there."""
        return self._heap[0][0] if self._heap else None

    def rank(self, item: Item) -> Rank | None:
        """The rank of an item, or None when it is not there."""
        return self._ranks.get(item)

    def put(self, item: Item, rank: Rank) -> None:
        """Add an item, or give it another rank."""
        if self._ranks.get(item) == rank:
            return
        self._ranks[item] = rank
        self._puts += 1
        heapq.heappush(self._heap, (rank, self._puts, item))
        self._strike_stale()

    def drop(self, item: Item) -> bool:
        """Take an item out; return whether it was there."""
        if self._ranks.pop(item, None) is None:
            return False
        self._strike_stale()
        return True

    def take_up_to(self, rank: Rank) -> list[Item]:
        """Take out all whose rank is not above `rank`, the least first."""
        taken: list[Item] = []
        while self._heap and not rank < self._heap[0][0]:
            item = self._heap[0][2]
            taken.append(item)
            self.drop(item)
        return taken

    def _strike_stale(self) -> None:
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        if len(self._heap) > 2 * len(self._ranks) + _STALE:
            self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
            heapq.heapify(self._heap)

    def _is_stale(self, entry: tuple[Rank, int, Item]) -> bool:
        rank, _, item = entry
        return self._ranks.get(item) != rank
