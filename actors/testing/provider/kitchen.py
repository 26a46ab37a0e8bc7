"""Where answers are made: the model, the time it takes, and what scripted faults do to both."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import assert_never

import attrs

from actors.testing.provider.bodies import error_body, error_kind, message_body
from actors.testing.provider.catalogue import Model, echo
from actors.testing.provider.exchange import Exchange
from actors.testing.provider.faults import (
    CloseDoor,
    CutOff,
    Fail,
    Fault,
    Garble,
    Hang,
    Refuse,
    Reset,
    Slow,
)
from actors.testing.provider.latency import Latency
from actors.testing.provider.question import Question


@attrs.frozen(eq=False)
class Kitchen:
    """Fills in what an exchange answers and when.

    Args:
        answer: the model behind every name.
        latency: how long answers take.
        rng: where ids and latencies come from; the same seed and requests give the same answers.
    """

    answer: Model = echo
    latency: Latency = attrs.field(factory=Latency)
    rng: random.Random = attrs.field(factory=lambda: random.Random(0))

    def new_id(self, prefix: str) -> str:
        """Return an id that no other thing has."""
        return f"{prefix}_{self.rng.getrandbits(96):024x}"

    def fail(self, exchange: Exchange, fail: Fail) -> Exchange:
        """Return `exchange` answered with an error."""
        body = error_body(
            kind=error_kind(fail.status),
            message=fail.message,
            request_id=exchange.request_id,
            error_code=fail.error_code,
        )
        headers = dict(exchange.headers)
        if fail.retry_after is not None:
            headers["retry-after"] = str(fail.retry_after)
        return attrs.evolve(
            exchange,
            status=fail.status,
            headers=headers,
            body=body,
            after=self.latency.refusal,
            retry_after=fail.retry_after,
        )

    def cook(self, exchange: Exchange, question: Question, faults: Sequence[Fault]) -> Exchange:
        """Return an admitted `exchange` with its answer, after what `faults` do to it.

        Of several faults the first decides and gives its name; those that slow down all count.
        """
        if not faults:
            return self._answered(exchange, question, self.answer(question.body))
        deciding = [fault for fault in faults if not isinstance(fault.effect, Slow)]
        first = (deciding or faults)[0]
        named = attrs.evolve(exchange, fault=first.name)
        cooked = self._served(named, question, deciding[0] if deciding else None)
        slowness = math.prod(fault.effect.factor for fault in faults if isinstance(fault.effect, Slow))
        return attrs.evolve(cooked, after=cooked.after * slowness)

    def _served(self, exchange: Exchange, question: Question, fault: Fault | None) -> Exchange:
        effect = fault.effect if fault else None
        match effect:
            case None | Slow() | CloseDoor() | Refuse():
                return self._answered(exchange, question, self.answer(question.body))
            case Fail() as fail:
                return self.fail(exchange, fail)
            case Reset():
                return attrs.evolve(exchange, ending="reset", after=self.latency.refusal)
            case Hang():
                return attrs.evolve(exchange, ending="hung", after=math.inf)
            case CutOff(share=share):
                answered = self._answered(exchange, question, self.answer(question.body))
                return attrs.evolve(answered, ending="cut_off", share=share)
            case Garble(text=text, instead_of="answer"):
                return self._answered(exchange, question, text)
            case Garble(text=text):
                answered = self._answered(exchange, question, self.answer(question.body))
                return attrs.evolve(answered, body=text.encode("utf-8", "replace"))
            case _:
                assert_never(effect)

    def _answered(self, exchange: Exchange, question: Question, text: str) -> Exchange:
        body, output_tokens = message_body(
            message_id=self.new_id("msg"),
            model=question.model.id,
            text=text,
            max_tokens=question.body["max_tokens"],
            input_tokens=question.input_tokens,
        )
        after = self.latency.draw(self.rng, output_tokens)
        return attrs.evolve(exchange, status=200, body=body, output_tokens=output_tokens, after=after)
