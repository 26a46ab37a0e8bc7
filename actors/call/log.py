"""One call's steps as log events: models, attempts, faults, waits and tokens, and never a word that was said.

call.failed       an attempt did not work out; `again_in` seconds, if at all, it is made again
call.passed_over  a model is given up for the next one
call.answered     the call has its answer
call.given_up     the call has none; with all the circumstances, so that this one event tells the story

A call that is cancelled ends without an event of its own: its caller knows.
"""

from __future__ import annotations

import attrs
from structlog.typing import FilteringBoundLogger

from actors.call.steps import Answered, Calling, CallStep, Failed, PassedOver
from actors.error_facts import circumstances, fault_facts
from actors.telemetry import CALL_ANSWERED, CALL_FAILED, CALL_GIVEN_UP, CALL_PASSED_OVER


@attrs.define(eq=False)
class CallLog:
    """Tells the log what becomes of one call.

    Args:
        log: where to.
        number: what tells this call from others; the field `call` of each event.
    """

    log: FilteringBoundLogger
    number: int
    _attempt_waited: float = attrs.field(default=0.0, init=False)
    _waited: float = attrs.field(default=0.0, init=False)

    def take(self, step: CallStep) -> None:
        """Tell of a step, if there is something to tell."""
        match step:
            case Calling(waited=waited):
                self._attempt_waited = waited
                self._waited += waited
            case Failed(model=model, attempt=attempt, error=error, delay=delay):
                facts = {} if delay is None else {"again_in": round(delay, 3)}
                waited = round(self._attempt_waited, 3)
                self.log.warning(
                    CALL_FAILED,
                    call=self.number,
                    model=model,
                    attempt=attempt,
                    waited=waited,
                    **fault_facts(error),
                    **facts,
                )
            case PassedOver(model=model, next_model=following, error=error):
                self.log.warning(
                    CALL_PASSED_OVER,
                    call=self.number,
                    model=model,
                    next_model=following,
                    **fault_facts(error),
                )
            case Answered(reply=reply):
                self.log.info(
                    CALL_ANSWERED,
                    call=self.number,
                    model=step.model_used,
                    fell_back=step.fell_back,
                    attempts=step.attempts,
                    waited=round(self._waited, 3),
                    input_tokens=reply.counts.counted_input_tokens,
                    output_tokens=reply.counts.output_tokens,
                )
            case _:
                pass

    def given_up(self, error: Exception) -> None:
        """Tell that the call ends without an answer."""
        self.log.error(
            CALL_GIVEN_UP,
            call=self.number,
            waited=round(self._waited, 3),
            **circumstances(error),
            **fault_facts(error),
        )
