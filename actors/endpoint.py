"""The endpoint: one provider's models behind one ref, and the books of what was asked of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs
from structlog.typing import FilteringBoundLogger

from actors.call import CallPath, place_call
from actors.call_log import CallLog
from actors.call_steps import Answered, Calling, CallStep, Failed, PassedOver
from actors.errors import ActorStopped, CallFailed, Interrupted, Rejected
from actors.kernel import Actor, Ref, op
from actors.telemetry import silent_log
from actors.wire.chat import ChatRequest


@attrs.frozen
class EndpointStatistics:
    """What an endpoint has done since it was started.

    Args:
        calls: logical calls begun.
        answered: those that were answered.
        attempts: requests that went out.
        failed_attempts: those of them that failed.
        passed_over: times a model was given up for the next.
    """

    calls: int = 0
    answered: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    passed_over: int = 0


class Endpoint(Actor):
    """Places calls along its path, many at once; each call streams its steps to its caller.

    Args:
        path: the chain of models and how they are called.
        log: is told of every call, by its number; None for silence.
    """

    def __init__(self, path: CallPath, *, log: FilteringBoundLogger | None = None) -> None:
        self._path = path
        self._log = silent_log() if log is None else log
        self._statistics = EndpointStatistics()

    @op(raises=(CallFailed, Rejected, TypeError, ValueError))
    async def call(self, request: ChatRequest) -> AsyncGenerator[CallStep]:
        """Call the models of the chain until one answers; the last item is `Answered`.

        Leaving the stream cancels the call and settles what it had reserved.

        Raises:
            CallFailed: no model answered.
            Rejected: there was no capacity in time.
            TypeError, ValueError: `request` is none, or cannot be put into words of the provider.
        """
        self._count(calls=1)
        told = CallLog(self._log.bind(call=self._statistics.calls))
        try:
            async with aclosing(place_call(self._path, request)) as steps:
                async for step in steps:
                    self._book(step)
                    told.take(step)
                    yield step
        except Exception as error:
            told.given_up(error)
            raise

    @op
    def statistics(self) -> EndpointStatistics:
        """Return the books."""
        return self._statistics

    def _book(self, step: CallStep) -> None:
        match step:
            case Calling():
                self._count(attempts=1)
            case Failed():
                self._count(failed_attempts=1)
            case PassedOver():
                self._count(passed_over=1)
            case Answered():
                self._count(answered=1)
            case _:
                pass

    def _count(self, **more: int) -> None:
        counts = {name: getattr(self._statistics, name) + count for name, count in more.items()}
        self._statistics = attrs.evolve(self._statistics, **counts)


async def answer(endpoint: Ref[Endpoint], request: ChatRequest) -> Answered:
    """Call through `endpoint` and return only the answer.

    Raises:
        CallFailed: no model answered.
        Rejected: there was no capacity in time.
    """
    async with aclosing(steps_of(endpoint, request)) as steps:
        async for step in steps:
            if isinstance(step, Answered):
                return step
    raise RuntimeError("a call ended without an answer and without an error")


async def steps_of(endpoint: Ref[Endpoint], request: ChatRequest) -> AsyncGenerator[CallStep]:
    """Call through `endpoint` and yield the steps, from the start once more if the endpoint crashes meanwhile.

    Only once more, since this very request may be what it crashed of.

    Raises:
        CallFailed: no model answered, or the endpoint crashed twice.
        Rejected: there was no capacity in time, or the endpoint has ended.
    """
    crash: Interrupted | None = None
    for _ in range(2):
        try:
            async with endpoint.stream(Endpoint.call(request)) as steps:
                async for step in steps:
                    yield step
        except Interrupted as error:
            crash = error
        except ActorStopped as error:
            raise Rejected(f"endpoint {endpoint.name!r} has ended") from error
        else:
            return
    raise CallFailed(f"endpoint {endpoint.name!r} crashed twice in mid-call", retryable=True) from crash
