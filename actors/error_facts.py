"""An error as fields of a log event: what it is by the taxonomy, and where it was met. Never a word that it says.

An error's text may quote what was sent, so it is not read here; types, kinds, numbers and ids say what happened.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from actors.bound_ids import ID_NAMES
from actors.errors import ProviderFailed, TransportFailed
from actors.faults import ErrorContext
from actors.log_redaction import error_name
from actors.wire.faults import fault_of

MOST_MEMBERS = 8
"""Errors of a group that are told one by one: as many models as any chain has, and far from filling an event."""

MOST_LOOKED_AT = 32
"""Members and causes among which the circumstances are looked for."""

_WORD = re.compile(r"[\w.:-]{1,100}")
"""What types of errors and ids of requests look like."""


def fault_facts(error: BaseException) -> dict[str, Any]:
    """Return what `error` is, as fields.

    `error` is the name of its type, `kind` the word of whoever raised it, such as "overloaded_error"; `fault` and all
    else are of the taxonomy, but for `is_out_of_budget`, which is there where no retry could be paid for. What is not
    known is left out. A group has `members` too: the same fields for each of its errors, with `service` and `model`
    where they are known, in the order of the group.
    """
    return _facts(error) | _members(error)


def circumstances(error: BaseException) -> dict[str, Any]:
    """Return where `error` was met, as fields: service, model, attempt, elapsed, breaker, budget_left, and the ids.

    An error that was told nothing has the circumstances of its group's first member that was, or of its nearest cause,
    since what an application raises instead happened where that did. Empty where nobody knows.
    """
    context = next(filter(None, map(_context_of, _related(error))), None)
    if context is None:
        return {}
    facts = {
        "service": context.service or None,
        "model": context.model,
        "attempt": context.attempt,
        "elapsed": round(context.elapsed, 3),
        "breaker": context.breaker,
        "budget_left": None if context.budget_left is None else round(context.budget_left, 3),
        **{name: context.ids.get(name) for name in ID_NAMES},
    }
    return _known(facts)


def _facts(error: BaseException) -> dict[str, Any]:
    fault = fault_of(error)
    return _known(
        {
            "error": error_name(error),
            "kind": _word(error.kind) if isinstance(error, ProviderFailed | TransportFailed) else None,
            "fault": fault.kind,
            "priority": fault.priority,
            "alert": fault.alert,
            "retryable": fault.retryable,
            "provider": _word(fault.provider),
            "status": fault.status,
            "request_id": _word(fault.request_id),
            "retry_after": fault.retry_after,
            "is_out_of_budget": True if getattr(error, "is_out_of_budget", None) is True else None,
        }
    )


def _members(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, BaseExceptionGroup):
        return {}
    members = islice(cast("BaseExceptionGroup[BaseException]", error).exceptions, MOST_MEMBERS)
    return {"members": [_facts(each) | _place(each) for each in members]}


def _place(error: BaseException) -> dict[str, Any]:
    facts = circumstances(error)
    return {name: facts[name] for name in ("service", "model") if name in facts}


def _word(value: str | None) -> str | None:
    """Return a word that a provider chose, if it is one: anything longer may be a piece of a body."""
    return value if value is not None and _WORD.fullmatch(value) else None


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _context_of(error: BaseException) -> ErrorContext | None:
    """Return what `error` was told; an attribute of that name on an error of others means something else."""
    context = getattr(error, "context", None)
    return context if isinstance(context, ErrorContext) else None


def _related(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, its members and its causes, the nearest first and each once, so that a circle has an end."""
    waiting, seen = deque([error]), set[int]()
    while waiting and len(seen) < MOST_LOOKED_AT:
        each = waiting.popleft()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", each).exceptions)
        cause = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if cause is not None:
            waiting.append(cause)
