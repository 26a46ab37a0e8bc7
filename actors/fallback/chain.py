"""A chain of services of any kind: the first that can answer does, and the result says who it was and why.

It is a relay of understudies: search A, search B, a polite sentence; a store, the local cache, an empty session. It is
no retry, for which a step has a `Guard`, and no pool: the order is an order of quality, and it is asked from its start
each time.

    for each step                                  in order
        is there time left, and retry budget?      free steps need neither
        ask it                                     an answer ends the chain
        its fault, or why it was not made          does it lie with the service?
            yes ──> passed over, the next step
            no ───> raised as it is: the caller's mistake fails everywhere alike

A text that is too long goes only to steps that say they shorten it. What remains when nobody answered is a group error
that names each step in the order of the chain; a chain that asked one step alone raises what that one raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar

import attrs

from actors.arguments import check_plain, check_ref, checked_by
from actors.fallback.records import FallbackStatistics, PassedOver, Served, Step, constant
from actors.fallback.run import FallbackRun
from actors.fallback.scope import within
from actors.faults import Fault
from actors.kernel import Ref
from actors.policies.retry.budget import DEFAULT_PRICE, check_price
from actors.retry.budget import Budget
from actors.wire.faults import fault_of

__all__ = ["FallbackChain", "FallbackStatistics", "PassedOver", "Served", "Step", "constant"]

P = ParamSpec("P")
T = TypeVar("T")


def _check_steps(name: str, steps: tuple[Step[..., Any], ...]) -> None:
    for step in steps:
        if not isinstance(step, Step):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise TypeError(f"{name} must be a sequence of Step, got {type(step).__name__} in it")
    twice = [name for name, count in Counter(step.name for step in steps).items() if count > 1]
    if twice:
        raise ValueError(f"steps must have names of their own, got {twice[0]!r} twice")
    if not steps:
        raise ValueError("steps must be at least one")


@attrs.define(eq=False)
class FallbackChain(Generic[P, T]):
    """Asks its steps in order until one answers.

    Args:
        steps: the services, the preferred one first, names unique; at least one.
        budget: pays for each fallback that is not free, to a step that has no budget of its own; shared with retries
            and hedges. None is no limit.
        price: what one fallback costs of it, from 1 on; given back when the fallback answers, or was not made.
        classify: makes a fault of what a step raised.
        on_passed_over: is told of each step that is passed over, at once, in the caller's task.

    Raises:
        TypeError: an argument is of the wrong kind; `classify` and `on_passed_over` are plain functions.
        ValueError: there is no step, or two have one name, or `price` is less than 1.
    """

    steps: Sequence[Step[P, T]] = attrs.field(
        converter=tuple[Step[P, T], ...], validator=checked_by(_check_steps)
    )
    budget: Ref[Budget] | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_ref, or_none=True)
    )
    price: int = attrs.field(default=DEFAULT_PRICE, kw_only=True, validator=checked_by(check_price))
    classify: Callable[[BaseException], Fault] = attrs.field(
        default=fault_of, kw_only=True, validator=checked_by(check_plain)
    )
    on_passed_over: Callable[[PassedOver], object] | None = attrs.field(
        default=None, kw_only=True, validator=checked_by(check_plain, or_none=True)
    )
    _served: Counter[str] = attrs.field(factory=Counter[str], init=False)
    _passed_over: Counter[str] = attrs.field(factory=Counter[str], init=False)
    _failed: int = attrs.field(default=0, init=False)

    async def call(self, *args: P.args, **kwargs: P.kwargs) -> Served[T]:
        """Ask the steps in order, with these arguments.

        Cancellation ends the step that is being asked and is no reason to ask the next one.

        Returns:
            The first answer, who gave it, and why each earlier one was passed over.

        Raises:
            NoneAnswered: all failed; the group of their errors, in order.
            NoneAdmitted: none of them was asked.
            OutOfTime: there was no time for any of them.
            Exception: what a step raised, if it was the only one or if no other could do better, with a note for each
                that was passed over before. With an empty budget it is tagged `is_out_of_budget`.
            RuntimeError: it is asked from one of its own steps; that step fails of it, and nobody is asked twice.
        """
        run = FallbackRun(self.steps, self.budget, self.price, self.classify, self.on_passed_over)
        with within(self, ", ".join(step.name for step in self.steps)):
            return await self._ask(run, *args, **kwargs)

    async def _ask(self, run: FallbackRun, *args: P.args, **kwargs: P.kwargs) -> Served[T]:
        try:
            for step in self.steps:
                if not await run.may_ask(step):
                    continue
                try:
                    value = await step.fn(*args, **kwargs)
                except Exception as error:
                    if not run.goes_on(step, error):
                        self._failed += 1
                        raise
                else:
                    run.answered()
                    self._served[step.name] += 1
                    return Served(value, step.name, tuple(run.passed_over))
        finally:
            self._passed_over.update(each.name for each in run.passed_over)
        self._failed += 1
        raise run.outcome()

    def statistics(self) -> FallbackStatistics:
        """Return what it has seen so far."""
        return FallbackStatistics(
            MappingProxyType(dict(self._served)), MappingProxyType(dict(self._passed_over)), self._failed
        )
