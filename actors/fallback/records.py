"""What goes into a chain of services and what comes out of it: steps, an answer, and who was passed over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, ParamSpec, TypeVar

import attrs

from actors.arguments import check_callable, check_flag, check_line, check_ref, checked_by
from actors.errors import Rejected
from actors.faults import Fault
from actors.kernel import Ref
from actors.retry.budget import Budget

P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class Step(Generic[P, T]):
    """One service of a chain.

    Args:
        name: what results, errors and logs call it.
        fn: asks it; every step of a chain takes the same arguments.
        is_free: whether it costs no call and no time, as a sentence or a value at hand: it is asked even when the
            retry budget is empty.
        shortens: whether it makes do with less of a text that was too long for the others.
        budget: pays for asking it after another has failed, as for its own retries; None for what the chain has.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: `name` is empty or would not print on one line.
    """

    name: str = attrs.field(validator=checked_by(check_line))
    fn: Callable[P, Awaitable[T]] = attrs.field(validator=checked_by(check_callable))
    is_free: bool = attrs.field(default=False, validator=checked_by(check_flag))
    shortens: bool = attrs.field(default=False, validator=checked_by(check_flag))
    budget: Ref[Budget] | None = attrs.field(default=None, validator=checked_by(check_ref, or_none=True))


def constant(name: str, value: T) -> Step[..., T]:
    """Return a free step that always answers `value`, such as a polite sentence: the end of a chain that cannot fail.

    It is the same object each time; what is changed by those who get it, an empty session for one, is made by a
    function of its own.
    """

    async def answer(*_args: object, **_options: object) -> T:
        return value

    return Step(name, answer, is_free=True)


@attrs.frozen
class PassedOver:
    """A step that did not answer.

    Args:
        name: the step.
        why: its fault, or why it was not asked.
        text: the same in a few words that name no host, key or text.
    """

    name: str
    why: Fault | Rejected
    text: str

    def __str__(self) -> str:
        return f"{self.name} was passed over: {self.text}"


@attrs.frozen
class Served(Generic[T]):
    """An answer, and how it came about.

    Args:
        value: the answer.
        used: the step that gave it.
        passed_over: the steps before it, in their order, each with its reason.
    """

    value: T
    used: str
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def fell_back(self) -> bool:
        """Whether that is not the first of the chain."""
        return bool(self.passed_over)


@attrs.frozen
class FallbackStatistics:
    """What a chain has seen since it was made.

    Args:
        served: answers of each step, by name.
        passed_over: how often each step was passed over, by name.
        failed: calls that nobody answered, or that were not passed on.
    """

    served: Mapping[str, int]
    passed_over: Mapping[str, int]
    failed: int
