"""One row of a provider's table of faults, and the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from actors.faults import FaultKind


def words(*phrases: str) -> re.Pattern[str]:
    """Return a pattern that finds any of `phrases`, each a regular expression over lower-case text."""
    return re.compile("|".join(phrases))


@attrs.frozen
class Rule:
    """What one sort of refusal means: it fits by its status and by a code or by its words.

    Args:
        kind: the fault it is.
        codes: lower-case codes and types, any of which is enough.
        words: what the message says in lower case, enough as well; None where no words are known.
        statuses: the statuses it is about; empty for all of them.
        by_status: whether one of `statuses` is enough by itself.
        retryable: whether the same call can succeed later, where that is known better than the kind's row says.
    """

    kind: FaultKind
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    statuses: frozenset[int] = frozenset()
    by_status: bool = False
    retryable: bool | None = None

    def fits(self, status: int, codes: frozenset[str], message: str) -> bool:
        """Return whether it is about this refusal.

        Args:
            status: the HTTP status.
            codes: the codes and types it names, in lower case.
            message: what it says, in lower case.
        """
        if self.statuses and status not in self.statuses:
            return False
        is_said = self.words is not None and self.words.search(message) is not None
        return self.by_status or is_said or not codes.isdisjoint(self.codes)


@attrs.frozen
class FaultTable:
    """How one provider says what went wrong.

    Args:
        rules: refusals that are told by more than their status; the first that fits decides.
        types: lower-case codes and types, and the kind each stands for, where the status says nothing: in a stream
            that had begun well, or under a status that nobody knows.
        statuses: statuses that this provider means otherwise than the rest of the world.
        uncounted: statuses of refusals that the provider is known not to have counted.
        id_headers: lower-case names of the headers that may hold its id of the request, the likeliest first.
    """

    rules: tuple[Rule, ...] = ()
    types: Mapping[str, FaultKind] = attrs.field(factory=dict[str, FaultKind])
    statuses: Mapping[int, FaultKind] = attrs.field(factory=dict[int, FaultKind])
    uncounted: frozenset[int] = frozenset()
    id_headers: tuple[str, ...] = ("x-request-id", "request-id")
