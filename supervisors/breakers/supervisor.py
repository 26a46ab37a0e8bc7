"""The supervisor of breakers: it makes one for each endpoint when that is first asked for, and keeps it running.

What a breaker knows is kept here too, by reference and unread, so that it outlives not only the breaker but its
supervisor as well: where the slot keeps state, the next incarnation starts every breaker with what it knew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import attrs
from structlog.typing import FilteringBoundLogger

from actors.arguments import check_line, check_plain
from actors.breaker.board import DEFAULT_SHARE, BreakerBoard, check_share
from actors.breaker.breaker import Breaker, HealthCheck
from actors.breaker.memory import BreakerMemory
from actors.breaker.news import OnChange
from actors.kernel import Ref, op
from actors.log_redaction import error_name
from actors.policies.breaker.rules import BreakerRules
from actors.telemetry import BREAKER_TERMS_FAILED, silent_log
from supervisors.backoff import DEFAULT_BACKOFF, Backoff
from supervisors.child_spec import ChildSpec
from supervisors.events import OnEvent, unobserved
from supervisors.foreman import Foreman, Manner
from supervisors.intensity import SUPERVISOR_INTENSITY, Intensity

BOARD = "board"
"""The id of the child that sees to it that not all of a role open at once."""


@attrs.frozen
class BreakerTerms:
    """What the breaker of one endpoint is made from.

    Args:
        rules: when it opens, and how it closes again.
        role: what its endpoint can stand in for; not all of a role open at once. None for one that opens whatever the
            others do.
        check: uses the service as a call does, and raises if that fails; for rules that recover by health checks.
    """

    rules: BreakerRules
    role: str | None = None
    check: HealthCheck | None = None


TermsOf = Callable[[str, str | None], BreakerTerms]
"""Returns the terms for a service and a model of it, or None for the service as such. What it raises, such as
`LookupError` for what there is no service of, goes to whoever asked, and harms nobody else."""


@attrs.frozen
class BreakersState:
    """What an incarnation of the supervisor hands on: what each breaker knows, and what it was made from, by name."""

    memories: dict[str, BreakerMemory]
    terms: dict[str, BreakerTerms]


class BreakerSupervisor(Foreman):
    """Makes breakers on demand, and starts each again when it crashes.

    Open one with `open_breakers`, or nest it: `ChildSpec("breakers", partial(BreakerSupervisor, terms_of),
    keep_state=True)`; `Breakers(ref)` is the handle.

    Args:
        terms_of: says what a breaker is made from; asked once for each in each incarnation. A breaker that is there
            goes on as it was made before where it cannot say.
        share: of a role's endpoints, above 0, at most 1, that may be open at once.
        seed: decides all jitter of open times, together with the breaker's name.
        log: is told of all changes; None for silence.
        on_change: called with a breaker's name and each of its changes, in the breaker's task; it must not wait.
        intensity: the budget of restarts over all breakers.
        backoff: how long they wait before a restart.
        on_event: called with each lifecycle event of it, in the task where it happens; it must not raise.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its bounds.
    """

    stops_at_once: ClassVar[bool] = True

    def __init__(
        self,
        terms_of: TermsOf,
        *,
        share: float = DEFAULT_SHARE,
        seed: int = 0,
        log: FilteringBoundLogger | None = None,
        on_change: OnChange | None = None,
        intensity: Intensity = SUPERVISOR_INTENSITY,
        backoff: Backoff = DEFAULT_BACKOFF,
        on_event: OnEvent = unobserved,
    ) -> None:
        super().__init__(Manner("one_for_one", intensity, backoff, "never", seed, None, on_event))
        check_plain("terms_of", terms_of)
        check_plain("on_change", on_change, or_none=True)
        self._terms_of, self._share, self._seed = terms_of, check_share(share), seed
        self._log, self._on_change = log, on_change
        self._memories: dict[str, BreakerMemory] = {}
        self._terms: dict[str, BreakerTerms] = {}
        self._breakers: dict[str, Ref[Breaker]] = {}

    async def setup(self) -> None:
        """Start the board, and every breaker that was handed on."""
        children = self._open()
        make_board = partial(BreakerBoard, self._share)
        board = children.add(ChildSpec(BOARD, make_board, keep_state=True))
        children.launch(board)
        self._board = Ref[BreakerBoard](board.slot)
        for name in self._memories:
            self._start_again(name)

    def hand_over(self) -> BreakersState:
        """Hand on what the breakers know."""
        return BreakersState(self._memories, self._terms)

    def take_over(self, state: object) -> None:
        """Go on with the breakers of the last incarnation.

        Raises:
            TypeError: `state` is no `BreakersState`.
        """
        if type(state) is not BreakersState:
            raise TypeError(f"state must be a BreakersState, got {type(state).__name__}")
        self._memories, self._terms = state.memories, state.terms

    @op(raises=(Exception,), idempotent=True)
    def make(self, service: str, model: str | None = None) -> str:
        """Make the breaker of an endpoint unless there is one, and return its name.

        Raises:
            TypeError, ValueError: a name is no text, empty, unprintable, or the service's has a "/", or the terms make
                no sense.
            Exception: whatever `terms_of` raises; everything is as it was.
        """
        name = name_of(service, model)
        if name not in self._breakers:
            self._start(name, self._terms_of(*endpoint_of(name)))
        return name

    @op(idempotent=True)
    def names(self) -> tuple[str, ...]:
        """Return the names of all breakers, in the order in which they were made."""
        return tuple(self._breakers)

    @op(idempotent=True)
    def board(self) -> Ref[BreakerBoard]:
        """Return the board of the roles."""
        return self._board

    def breaker(self, name: str) -> Ref[Breaker] | None:
        """Return a breaker, for the refs of this module: read in the sender's task, in the step in which it posts."""
        return self._breakers.get(name)

    def _start_again(self, name: str) -> None:
        """Start a breaker that was handed on; by the terms it had, where there are none to be had now."""
        try:
            self._start(name, self._terms_of(*endpoint_of(name)))
        except Exception as error:  # noqa: BLE001  # a stranger's code, and nobody asked: the others go on without it
            failure = error_name(error)
        else:
            return
        log = silent_log() if self._log is None else self._log
        log.error(BREAKER_TERMS_FAILED, service=name, error=failure)
        self._start(name, self._terms[name])

    def _start(self, name: str, terms: BreakerTerms) -> None:
        if type(terms) is not BreakerTerms:
            raise TypeError(f"terms of {name!r} must be BreakerTerms, got {type(terms).__name__}")
        memory = self._memories.get(name, BreakerMemory())
        make = partial(
            Breaker,
            terms.rules,
            service=name,
            seed=self._seed,
            log=self._log,
            on_change=self._on_change,
            board=None if terms.role is None else self._board,
            role=terms.role or "",
            check=terms.check,
            memory=memory,
        )
        make()  # terms that make no sense are told to whoever asked
        child = self._children.add(ChildSpec(f"breaker/{name}", make, keep_state=True))
        self._children.launch(child)
        self._memories[name], self._terms[name], self._breakers[name] = memory, terms, Ref(child.slot)


def name_of(service: str, model: str | None = None) -> str:
    """Return the name of an endpoint's breaker: "search", or "anthropic/claude-opus-4-8".

    Raises:
        TypeError: `service` or `model` is no text.
        ValueError: one is empty or would not print on one line, or `service` has a "/", which ends it.
    """
    check_line("service", service)
    if model is not None:
        check_line("model", model)
    if "/" in service:
        raise ValueError(f'service must have no "/", got {service!r}')
    return service if model is None else f"{service}/{model}"


def endpoint_of(name: str) -> tuple[str, str | None]:
    """Return the service and the model that a breaker's name is made from.

    Raises:
        TypeError: `name` is no text.
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise TypeError(f"name must be text, got {type(name).__name__}")
    service, _, model = name.partition("/")
    return service, model or None
