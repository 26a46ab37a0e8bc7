"""One call through a chain of services: whom it may ask, whether an error is passed on, and what it comes to.

It decides; the chain performs. Each step is first asked about (`may_ask`), and then either answers (`answered`) or
fails (`goes_on`); when there is no further step, `outcome` is what is raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from actors.errors import NoneAdmitted, NoneAnswered, OutOfTime, Rejected
from actors.fallback.records import PassedOver, Step
from actors.faults import ErrorContext, Fault
from actors.kernel import Ref
from actors.policies.fallback import falls_back, reason_of
from actors.retry.budget import Budget
from actors.retry.spending import Spending
from actors.time_budget import check_time


@attrs.define(eq=False)
class FallbackRun:
    """One call through a chain, told of each step as it is asked and of what became of it.

    Args:
        steps: the chain.
        budget: what pays for fallbacks to steps that have no budget of their own.
        price: what one costs.
        classify: makes a fault of what a step raised.
        on_passed_over: is told of each step that is passed over.

    Attributes:
        passed_over: the steps that were, in order.
    """

    steps: Sequence[Step[..., Any]]
    budget: Ref[Budget] | None
    price: int
    classify: Callable[[BaseException], Fault]
    on_passed_over: Callable[[PassedOver], object] | None
    passed_over: list[PassedOver] = attrs.field(factory=list[PassedOver], init=False)
    _errors: dict[str, Exception] = attrs.field(factory=dict[str, Exception], init=False)
    _has_called: bool = attrs.field(default=False, init=False)
    _paid: Spending | None = attrs.field(default=None, init=False)
    # What budgets said that do not pay: False for empty, None for no answer.
    _refusals: dict[Ref[Budget] | None, bool | None] = attrs.field(
        factory=dict["Ref[Budget] | None", "bool | None"], init=False
    )
    _is_out_of_budget: bool = attrs.field(default=False, init=False)
    _too_long: Fault | None = attrs.field(default=None, init=False)
    _unpaid: Rejected | None = attrs.field(default=None, init=False)

    async def may_ask(self, step: Step[..., Any]) -> bool:
        """Return whether `step` is asked; if not, it is passed over, with the reason."""
        self._paid = None
        if step.is_free:
            return True
        if self._too_long is not None and not step.shortens:
            self._pass_over(step, self._too_long)
            return False
        try:
            check_time(step.name)
        except OutOfTime as error:
            self._errors[step.name] = error
            self._pass_over(step, error)
            return False
        is_granted = await self._pay(step)
        if is_granted:
            return True
        if is_granted is None:
            unpaid = Rejected(f"the retry budget did not answer for {step.name}")
            self._pass_over(step, unpaid, "retry budget did not answer")
        else:
            unpaid = Rejected(f"the retry budget has no {self.price} left for {step.name}")
            self._pass_over(step, unpaid, "retry budget empty")
            self._is_out_of_budget = True
        self._unpaid = unpaid
        return False

    async def _pay(self, step: Step[..., Any]) -> bool | None:
        """Pay for a fallback. Only one after a call costs anything: where none was made, this is the first one."""
        if not self._has_called:
            return True
        budget = self.budget if step.budget is None else step.budget
        spending = Spending(budget, self.price)
        if budget not in self._refusals:
            is_granted = await spending.withdraw("fallback")
            if is_granted:
                self._paid = spending
                return True
            self._refusals[budget] = is_granted
        return self._refusals[budget]

    def answered(self) -> None:
        """Note that the step answered: what was paid for it goes back. What it earns is for a guard of its own."""
        if self._paid is not None:
            self._paid.succeeded()

    def goes_on(self, step: Step[..., Any], error: Exception) -> bool:
        """Return whether the next step is asked after `error`; if so, `step` is passed over."""
        why = error if isinstance(error, Rejected) else self.classify(error)
        if isinstance(why, Rejected) and self._paid is not None:
            self._paid.not_sent()
        if not self._is_passed_on(step, why):
            self._note(step.name, error)
            return False
        self._errors[step.name] = error
        self._has_called = self._has_called or isinstance(why, Fault)
        self._too_long = why if isinstance(why, Fault) and why.fallback == "truncate" else self._too_long
        self._pass_over(step, why)
        return True

    def _is_passed_on(self, step: Step[..., Any], why: Fault | Rejected) -> bool:
        match why:
            case Rejected():  # `OutOfTime` too: a budget of its own may be used up, and the next asks for time itself
                return True
            case Fault(fallback="truncate"):
                return any(each.shortens for each in self.steps[self.steps.index(step) + 1 :])
            case _:
                return falls_back(why)

    def _pass_over(self, step: Step[..., Any], why: Fault | Rejected, text: str | None = None) -> None:
        passed_over = PassedOver(step.name, why, text or reason_of(why))
        self.passed_over.append(passed_over)
        if self.on_passed_over is not None:
            self.on_passed_over(passed_over)

    def outcome(self) -> Exception:
        """Return what is raised when nobody answered."""
        errors = list(self._errors.values())  # at least the first step was asked, or there was no time for it
        if self._unpaid is not None:
            _tag_unpaid(errors[-1], is_empty=self._is_out_of_budget)
        if len(errors) == 1 or all(isinstance(error, OutOfTime) for error in errors):
            self._note(self.passed_over[0].name, errors[0])
            return errors[0]
        each = "; ".join(f"{passed_over.name}: {passed_over.text}" for passed_over in self.passed_over)
        is_called = not all(isinstance(error, Rejected) for error in errors)
        group = (
            NoneAnswered(f"nobody answered: {each}", errors)
            if is_called
            else NoneAdmitted(f"nobody could be asked: {each}", errors)
        )
        context = getattr(errors[-1], "context", None)
        group.context = context if isinstance(context, ErrorContext) else None
        return group

    def _note(self, name: str, error: Exception) -> None:
        """Say in the notes of the error of step `name` who else was passed over."""
        for passed_over in self.passed_over:
            if passed_over.name != name:
                _add_note(error, str(passed_over))


def _tag_unpaid(error: Exception, *, is_empty: bool) -> None:
    """Say of an error that the retry budget was empty, or silent, when it could have been passed on."""
    _add_note(error, f"not passed on: the retry budget {'is empty' if is_empty else 'did not answer'}")
    if not is_empty:
        return
    with contextlib.suppress(Exception):  # a stranger's exception may let nothing be added to it
        vars(error)["is_out_of_budget"] = True


def _add_note(error: Exception, note: str) -> None:
    with contextlib.suppress(Exception):  # as above
        error.add_note(note)
