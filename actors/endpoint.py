"""The endpoint: one provider's models behind one ref, and the books of what was asked of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager

import attrs
from structlog.typing import FilteringBoundLogger

from actors.bound_ids import bound_ids
from actors.call.call import place_call
from actors.call.log import CallLog
from actors.call.path import CallPath
from actors.call.steps import Answered, Calling, CallStep, Failed, PassedOver
from actors.call.terms import ORDINARY, CallTerms
from actors.errors import ActorStopped, CallFailed, Interrupted, Rejected
from actors.kernel import Actor, Ref, op
from actors.retry.scope import is_retrying
from actors.telemetry import silent_log
from actors.wire.chat import ChatRequest


@attrs.frozen
class EndpointStatistics:
    """What an endpoint has done since it was started.

    Args:
        calls: logical calls begun.
        answered: those that were answered.
        attempts: requests that went out, second copies of slow ones aside.
        failed_attempts: those of them that failed.
        passed_over: times a model was given up for the next.
        unmeasured: prompts that the estimator failed at, and that were counted by their letters.
    """

    calls: int = 0
    answered: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    passed_over: int = 0
    unmeasured: int = 0


_COUNTED_AS: Mapping[type[CallStep], str] = {
    Calling: "attempts",
    Failed: "failed_attempts",
    PassedOver: "passed_over",
    Answered: "answered",
}
"""Under what a step is entered in the books."""


class Endpoint(Actor):
    """Places calls along its path, many at once; each gives its caller the answer, or streams how it came about.

    Args:
        path: the chain of models and how they are called.
        log: is told of every call, by its number; None for silence.
        on_end: is told how each call ended, by its error or None, unless it was cancelled; it must not wait or raise.
    """

    def __init__(
        self,
        path: CallPath,
        *,
        log: FilteringBoundLogger | None = None,
        on_end: Callable[[Exception | None], object] | None = None,
    ) -> None:
        path = attrs.evolve(path, on_unmeasured=self._note_unmeasured)
        self._path = path if path.max_calls is None else attrs.evolve(path, load=self.load)
        self._log = silent_log() if log is None else log
        self._on_end = on_end
        self._counted: Counter[str] = Counter()
        self._in_flight = 0

    def load(self) -> float:
        """Return the calls under way as a share of what the path says that it can do; 0 where it says nothing."""
        return self._in_flight / self._path.max_calls if self._path.max_calls else 0.0

    @op(concurrent=True, raises=(CallFailed, Rejected, TypeError, ValueError))
    async def answer(self, request: ChatRequest, terms: CallTerms = ORDINARY) -> Answered:
        """Call the models of the chain until one answers.

        Whoever stops waiting cancels the call and settles what it had reserved.

        Args:
            request: the question.
            terms: for whom it is, and how urgent.

        Raises:
            CallFailed: no model answered.
            Rejected: there was no capacity in time.
            TypeError, ValueError: `request` is none, or cannot be put into words of the provider.
        """
        async with aclosing(self._steps(request, terms)) as steps:
            *_, last = [step async for step in steps]
        assert isinstance(last, Answered)  # noqa: S101  # a call that does not raise ends with it
        return last

    @op(raises=(CallFailed, Rejected, TypeError, ValueError))
    async def call(self, request: ChatRequest, terms: CallTerms = ORDINARY) -> AsyncGenerator[CallStep]:
        """Call as `answer` does, and stream the steps; the last one is `Answered`.

        Leaving the stream cancels the call and settles what it had reserved.

        Args:
            request: the question.
            terms: for whom it is, and how urgent.

        Raises:
            CallFailed, Rejected, TypeError, ValueError: as `answer`.
        """
        async with aclosing(self._steps(request, terms)) as steps:
            async for step in steps:
                yield step

    @op
    def statistics(self) -> EndpointStatistics:
        """Return the books."""
        return EndpointStatistics(**self._counted)

    async def _steps(self, request: ChatRequest, terms: CallTerms) -> AsyncGenerator[CallStep]:
        """Place a call, and enter what becomes of it in the books and in the log."""
        self._counted["calls"] += 1
        told = CallLog(self._log, self._counted["calls"])
        self._in_flight += 1
        try:
            async with aclosing(place_call(self._path, request, terms)) as steps:
                async for step in steps:
                    self._book(step)
                    told.take(step)
                    if isinstance(step, Answered):
                        self._tell_end(None)
                    yield step
        except Exception as error:
            told.given_up(error)
            self._tell_end(error)
            raise
        finally:
            self._in_flight -= 1

    def _note_unmeasured(self, _error: Exception) -> None:
        self._counted["unmeasured"] += 1

    def _tell_end(self, error: Exception | None) -> None:
        if self._on_end is not None:
            self._on_end(error)

    def _book(self, step: CallStep) -> None:
        name = _COUNTED_AS.get(type(step))
        if name is not None:
            self._counted[name] += 1


async def answer(endpoint: Ref[Endpoint], request: ChatRequest, terms: CallTerms = ORDINARY) -> Answered:
    """Call through `endpoint` and return the answer, from the start once more if the endpoint crashes meanwhile.

    Raises:
        CallFailed: no model answered, or the endpoint crashed twice.
        Rejected: there was no capacity in time, or the endpoint has ended.
    """
    crashes, terms = _Crashes(endpoint), _on_behalf(terms)
    while True:
        with crashes.survived():
            return await endpoint.ask(Endpoint.answer(request, terms))


async def steps_of(
    endpoint: Ref[Endpoint], request: ChatRequest, terms: CallTerms = ORDINARY
) -> AsyncGenerator[CallStep]:
    """Call through `endpoint` and yield the steps, from the start once more if the endpoint crashes meanwhile.

    Raises:
        CallFailed: no model answered, or the endpoint crashed twice.
        Rejected: there was no capacity in time, or the endpoint has ended.
    """
    crashes, terms = _Crashes(endpoint), _on_behalf(terms)
    while True:
        with crashes.survived():
            async with endpoint.stream(Endpoint.call(request, terms)) as steps:
                async for step in steps:
                    yield step
            return


def _on_behalf(terms: CallTerms) -> CallTerms:
    """Return the terms with what the caller's task knows and the endpoint's own cannot: its ids, and its retries."""
    if not isinstance(terms, CallTerms):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        return terms  # type: ignore[unreachable]  # the call itself says what is wrong with it
    ids, retries = {**bound_ids(), **terms.ids}, terms.retries and not is_retrying()
    if retries == terms.retries and ids == terms.ids:
        return terms  # as it mostly is; new ones would be checked anew, each time
    return attrs.evolve(terms, retries=retries, ids=ids)


@attrs.define(eq=False)
class _Crashes:
    """How often the endpoint has crashed under one call.

    The call survives one crash and no more, since this very request may be what the endpoint crashed of.
    """

    endpoint: Ref[Endpoint]
    has_crashed: bool = False

    @contextmanager
    def survived(self) -> Generator[None]:
        """Let a first crash pass, and put any other end of the endpoint in words of the call."""
        try:
            yield
        except Interrupted as error:
            if self.has_crashed:
                text = f"endpoint {self.endpoint.name!r} crashed twice in mid-call"
                raise CallFailed(text, retryable=True) from error
            self.has_crashed = True
        except ActorStopped as error:
            raise Rejected(f"endpoint {self.endpoint.name!r} has ended") from error
