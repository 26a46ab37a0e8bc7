"""What became of one call so far: what was sent, who was passed over and why, and what to say when nobody answered."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import trio

from actors.call.steps import Answered, PassedOver
from actors.error_phrase import phrase
from actors.errors import BreakerOpen, CallFailed, NoneAdmitted, NoneAnswered, Rejected
from actors.faults import ErrorContext
from actors.wire.chat import ChatReply


@attrs.define(eq=False)
class CallTally:
    """The running account of one call, over all its models.

    Args:
        service: the provider's name.
        ids: what the caller bound to its task.

    Attributes:
        attempts: requests that went out.
        passed_over: the models that were given up, in order.
        errors: what ended the turn of each model, in order.
    """

    service: str
    ids: Mapping[str, str]
    began: float = attrs.field(factory=trio.current_time, init=False)
    attempts: int = attrs.field(default=0, init=False)
    passed_over: list[PassedOver] = attrs.field(factory=list[PassedOver], init=False)
    errors: list[CallFailed | Rejected] = attrs.field(factory=list[CallFailed | Rejected], init=False)

    def met(
        self,
        error: CallFailed | Rejected,
        *,
        model: str,
        breaker: str | None = None,
        left: float | None = None,
    ) -> None:
        """Write on an error where it was met.

        Args:
            error: the error.
            model: who was called, or would have been.
            breaker: the state of the model's breaker when it let the attempt pass, or None where none was asked.
            left: tokens in the budget, or None where there is none.
        """
        error.context = ErrorContext(
            service=self.service,
            model=model,
            attempt=self.attempts,
            elapsed=trio.current_time() - self.began,
            breaker=error.state if isinstance(error, BreakerOpen) else breaker,
            budget_left=left,
            ids=self.ids,
        )

    def answered(self, reply: ChatReply, model: str) -> Answered:
        """Return the last step, with all that there is to say of how it came about."""
        return Answered(reply, model, bool(self.passed_over), self.attempts, tuple(self.passed_over))

    def answered_from_memory(self, reply: ChatReply) -> Answered:
        """Return the last step of a call that no model answered, with an old answer in their place."""
        *_, last = self.errors
        model = "" if last.context is None or last.context.model is None else last.context.model
        passed_over = (*self.passed_over, PassedOver(model, "", last))
        return Answered(reply, reply.model, True, self.attempts, passed_over, "stale_cache")

    def pass_over(self, model: str, following: str, error: CallFailed | Rejected) -> PassedOver:
        """Enter that a model is given up for the one that follows."""
        step = PassedOver(model, following, error)
        self.passed_over.append(step)
        return step

    def verdict(self) -> CallFailed | Rejected:
        """Return what the caller is told when nobody answered: the only error there is, or the group of all."""
        *_, last = self.errors
        if len(self.errors) == 1:
            return last
        reasons = "; ".join(
            phrase(error) if error.context is None else f"{error.context.model}: {phrase(error)}"
            for error in self.errors
        )
        is_called = any(isinstance(error, CallFailed) for error in self.errors)
        group = (NoneAnswered if is_called else NoneAdmitted)(f"no model answered: {reasons}", self.errors)
        group.context = last.context
        return group
