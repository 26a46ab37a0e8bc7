"""On whose behalf a call is made, and how urgent it is: what its place in line depends on."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.bound_ids import check_id
from actors.policies.claim import Claim
from actors.policies.estimates.estimate import Estimate
from actors.policies.scope import Scope
from actors.policies.usage import Usage


@attrs.frozen
class CallTerms:
    """What a caller says of a call beside the question itself.

    Args:
        tenant: whom the capacity is for; those of one priority share it by weight.
        priority: the larger goes first, whoever's it is.
        kind: label of the task: what output of its kind came to is learned under it.
        expected_output: output tokens that are expected of the answer, until a few answers of its kind are known; None
            for as many as the request allows.
        scopes: what it falls under beside the pool of its model, such as a key or a workspace.
        retries: whether a failed attempt is made again. A call inside a call that is retried is not, so that attempts
            never multiply.
        is_patient: whether it waits for a model that is known to be down and that nobody stands in for, as it waits
            for capacity, and is not refused at once: for work that nobody watches.
        ids: what tells whose call it is: session, user, conversation, request. Errors and the log have them.

    Raises:
        TypeError, ValueError: a value that a `Claim` would refuse, or, in tenant, kind or ids, a text that could not
            stand in a log: of more than 128 characters, or with one that cannot be printed.
    """

    tenant: str = ""
    priority: float = 0
    kind: str = ""
    expected_output: int | None = None
    scopes: tuple[Scope, ...] = ()
    retries: bool = True
    is_patient: bool = False
    ids: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        self.claim(Usage())
        told = {"tenant": self.tenant, "kind": self.kind, **self.ids}
        for name, value in told.items():
            if value or name in self.ids:
                check_id(name, value)

    def claim(self, usage: Usage, *, model: str = "", estimate: Estimate | None = None) -> Claim:
        """Return the claim for `usage` on these terms, of which the input is by `estimate`."""
        return Claim(
            usage,
            expected_output=self.expected_output,
            kind=self.kind,
            scopes=self.scopes,
            tenant=self.tenant,
            priority=self.priority,
            model=model,
            estimate=estimate,
        )


ORDINARY = CallTerms()
"""Nobody's in particular, and no more urgent than others."""
