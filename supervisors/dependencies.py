"""Who needs whom among siblings: the order of starts, and what is restarted together. Pure.

Theory of operation. Children stand in a row, the order in which they start; they stop in reverse. A child stands behind
everything it needs. When one fails, those that lean on it are restarted with it, and a strategy only says who leans on
whom besides what the specs declare:

    one_for_one    nobody; what is declared in `needs` is all there is
    rest_for_one   everybody on all that stand before
    one_for_all    everybody on everybody

So the restart set of a failed child is itself and whoever leans on it, directly or through others, in start order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import attrs

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
"""Which children are restarted when one has failed, besides those that need it."""

STRATEGIES: tuple[str, ...] = get_args(Strategy)


def start_order(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the ids so that each stands behind what it needs, and otherwise in the order given.

    Args:
        needs: for each id, in the order wished for, the ids it needs.

    Raises:
        ValueError: an id needs one that is not there, or needs itself through others; the cycle is named.
    """
    for child, needed in needs.items():
        for each in needed:
            if each not in needs:
                raise ValueError(f"child {child!r} needs {each!r}, and there is no such child")
    placed: dict[str, None] = {}
    for child in needs:
        _place(child, needs, placed)
    return tuple(placed)


def _place(child: str, needs: Mapping[str, Sequence[str]], placed: dict[str, None]) -> None:
    """Place `child` behind what it needs, depth first, with a stack of our own: chains may be long."""
    path: dict[str, list[str]] = {} if child in placed else {child: list(reversed(needs[child]))}
    while path:
        last, still_needed = next(reversed(path.items()))
        if not still_needed:
            del path[last]
            placed[last] = None
        elif (following := still_needed.pop()) in path:
            cycle = [*path, following][list(path).index(following) :]
            raise ValueError(f"children need each other in a circle: {' -> '.join(cycle)}")
        elif following not in placed:
            path[following] = list(reversed(needs[following]))


@attrs.define(eq=False)
class Dependencies:
    """The declared needs of the children of one supervisor, and what follows from them with its strategy.

    Args:
        strategy: who leans on whom besides.
    """

    strategy: Strategy
    _needed_by: dict[str, dict[str, None]] = attrs.field(factory=dict[str, dict[str, None]], init=False)

    def add(self, child: str, needs: Iterable[str]) -> None:
        """Note what `child` needs."""
        for each in needs:
            self._needed_by.setdefault(each, {})[child] = None

    def remove(self, child: str, needs: Iterable[str]) -> None:
        """Forget what `child` needed."""
        for each in needs:
            if (dependents := self._needed_by.get(each)) is not None:
                dependents.pop(child, None)
                if not dependents:
                    del self._needed_by[each]

    def needed_by(self, child: str) -> tuple[str, ...]:
        """Return whose specs name `child`, in no particular order."""
        return tuple(self._needed_by.get(child, ()))

    def dependents(self, child: str) -> set[str]:
        """Return `child` and whoever needs it, directly or through others."""
        found, open_ends = {child}, [child]
        while open_ends:
            for each in self._needed_by.get(open_ends.pop(), ()):
                if each not in found:
                    found.add(each)
                    open_ends.append(each)
        return found

    def restart_set(self, failed: str, order: Iterable[str]) -> tuple[str, ...]:
        """Return what is restarted when `failed` has failed, itself included, in start order.

        Args:
            failed: its id.
            order: the ids of all children in start order.
        """
        if self.strategy == "one_for_all":
            return tuple(order)
        if self.strategy == "rest_for_one":
            row = tuple(order)
            return row[row.index(failed) :]  # those that need it stand behind it as well
        if failed not in self._needed_by:
            return (failed,)
        together = self.dependents(failed)
        return tuple(child for child in order if child in together)
