"""The composition root: one tree of transport, limiters and endpoint, built from settings, for the length of a block.

runtime (one_for_one)
├── transport              the shared HTTP client, or the simulated provider
├── cooldown               the pauses after refusals, told to all limiters of a pool
├── limiter/<model>        one for each model of the chain: each is a pool of its own
├── budget/<model>         what the pool may spend on retries, second copies and fallbacks
├── hedge_clock            how long models take to the first token, where slow calls are hedged
├── reply_cache            answers of equal questions, where they are kept
├── degradation            how much is to be done without, out of what breakers and calls tell it
├── breakers               one for each model and each service: whether it is known to be down
├── endpoint               places the calls
└── service_budget/<name>  what a service may spend on retries and fallbacks, once it is called
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import attrs
from structlog.typing import FilteringBoundLogger

from actors.call.steps import Answered
from actors.call.terms import ORDINARY, CallTerms
from actors.coverage.screenplay import Screenplay
from actors.degradation import Degradation, telling
from actors.endpoint import Endpoint, answer
from actors.guard import Guard
from actors.kernel import Ref
from actors.kernel.ref import slot_of
from actors.policies.estimates.estimate import Estimator
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.ledger.limits import Limits
from actors.progress import Observer, unobserved
from actors.telemetry import silent_log
from actors.transporter import CarriedBy
from actors.wire.chat import ChatRequest
from actors.wire.http import Transport
from supervisors.breakers import Breakers
from supervisors.intensity import Intensity
from supervisors.runtime.analysis_result import Analysis
from supervisors.runtime.calling import path_of
from supervisors.runtime.parts import (
    start_breakers,
    start_cache,
    start_cooldown,
    start_hedge_clock,
    start_lines,
    start_transporter,
    with_breakers,
)
from supervisors.runtime.reading import MakeReader, Readings, reader_of
from supervisors.runtime.runtime_log import RuntimeLog
from supervisors.runtime.service_settings import MODEL_SERVICE
from supervisors.runtime.services import Services, hearing, start_degradation
from supervisors.runtime.settings import Settings
from supervisors.runtime.simulation import is_simulated_in_process, simulated_provider
from supervisors.runtime.specs import spec_of
from supervisors.tree import Tree, open_supervisor

BUDGET_OF_THE_TREE = 3
"""Times the restarts of one child that the tree allows over all its children: more than one bad child can spend, less
than a bad neighbourhood would."""

MakeEstimator = Callable[[], Estimator]
"""Makes an estimator that has learned nothing yet."""

Truncate = Callable[[ChatRequest], ChatRequest | None]
"""From a question that no model has room for to a shorter one, or None."""


@attrs.define(eq=False)
class Runtime:
    """A running tree: what a service keeps open while it lives.

    Args:
        settings: what it was built from.
        tree: its supervisor, for looking inside.
        endpoint: where calls are placed.
        breakers: whether each model is known to be down; to look at them, or to take one out by hand.
        services: what the settings say of services beside the models, each behind its guard.
        seed: decides all jitter.
        log: is told of what happens.
    """

    settings: Settings
    tree: Tree
    endpoint: Ref[Endpoint]
    breakers: Breakers
    services: Services
    seed: int = 0
    log: RuntimeLog = attrs.field(factory=RuntimeLog)

    @property
    def degradation(self) -> Ref[Degradation]:
        """How much is to be done without at present: to ask, or to subscribe to."""
        return self.services.degradation

    async def service(self, name: str) -> Guard:
        """Return the guard of a service that the settings name, always the same one: `Services.guard`.

        Raises:
            LookupError: there is no such service, or it is the models', which `call` guards.
        """
        return await self.services.guard(name)

    async def call(self, request: ChatRequest, terms: CallTerms = ORDINARY) -> Answered:
        """Place one call along the chain of models; `request.model` is chosen by the chain.

        Args:
            request: the question.
            terms: for whom it is, and how urgent.

        Raises:
            CallFailed: no model answered.
            Rejected: there was no capacity in time.
        """
        return await answer(self.endpoint, request, terms)

    async def analyze(
        self,
        screenplay: Screenplay,
        readers: Sequence[str] | None = None,
        *,
        observer: Observer = unobserved,
        make_reader: MakeReader = reader_of,
    ) -> Analysis:
        """Have `screenplay` read by `readers`, a few at a time, and bring home what each of them made of it.

        One reader's failure never loses another's work: it is an entry of `errors`.

        Args:
            screenplay: what is read.
            readers: names of personas, each of whom reads once; those of the settings if None.
            observer: is told of every change, in this task's loop; it must not raise.
            make_reader: makes a reader actor; for tests and demonstrations that want one of their own.

        Raises:
            InputError: a reader is unknown, or there is none.
        """
        names = self.settings.readers.names if readers is None else tuple(readers)
        readings = Readings(
            screenplay, self.settings, self.endpoint, observer, make_reader, self.seed, self.log
        )
        return await readings.run(names)


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    transport: Transport | None = None,
    kinds: Mapping[str, Limits] | None = None,
    weights: Mapping[str, float] | None = None,
    truncate: Truncate | None = None,
    estimator: MakeEstimator | None = None,
    seed: int = 0,
    log: FilteringBoundLogger | None = None,
) -> AsyncGenerator[Runtime]:
    """Run the whole tree for the length of the block.

    A provider named "simulated" stays on this machine: it answers in process, unless `provider.base_url` says where on
    the loopback one is served.

    Args:
        settings: limits, models, retries and the rest.
        transport: carries the exchanges instead of HTTP, for tests; it is not closed here.
        kinds: limits of the scopes that calls may name in their terms, by kind: `{"key": Limits(requests=10)}` gives
            each key ten requests a minute of each model.
        weights: shares of the tenants that differ from 1.
        truncate: shortens a question that is too large for every model that could be asked, or returns None where it
            cannot; None for never.
        estimator: makes what guesses how many tokens a prompt is: one for each model, which learns, anew with each
            limiter, and one for the endpoint, whose guesses those must understand. None for the usual one, which
            corrects itself.
        seed: decides all jitter, and what the simulated provider takes its time by.
        log: is told of children, calls and analyses; None for silence. `actors.telemetry.log_lines` makes one.

    Raises:
        TypeError: `estimator` cannot be called; nothing was started.
        SettingsError: a simulated provider is said to be on another machine; nothing was started.
        StartFailed: a part of the tree did not start; those before it are stopped again.
    """
    make_estimator: MakeEstimator = LearningEstimator if estimator is None else estimator
    if not callable(make_estimator):
        raise TypeError(f"estimator must be callable, such as a class, got {type(estimator).__name__}")
    if transport is None and is_simulated_in_process(settings):
        transport = simulated_provider(settings, trouble=False, seed=seed).transport
    supervision = settings.supervision
    log = silent_log() if log is None else log
    told = RuntimeLog(log)
    async with open_supervisor(
        name="runtime",
        intensity=Intensity(supervision.restarts * BUDGET_OF_THE_TREE, supervision.period),
        seed=seed,
        on_event=told.on_event,
    ) as tree:
        transporter = await start_transporter(tree, settings, transport)
        cooldown = await start_cooldown(tree, settings)
        lines = await start_lines(
            tree, settings, cooldown, kinds=kinds, weights=weights, estimator=make_estimator
        )
        path = attrs.evolve(
            path_of(settings, lines, CarriedBy(transporter), seed),
            hedge_clock=await start_hedge_clock(tree, settings),
            cache=await start_cache(tree, settings),
            truncate=truncate,
            measure=make_estimator().estimate,
        )
        degradation = await start_degradation(tree, settings, log)
        on_change = hearing(degradation, settings)
        breakers = await start_breakers(tree, path, settings, seed=seed, log=log, on_change=on_change)
        path = attrs.evolve(path, lines=await with_breakers(lines, breakers, settings))
        make_endpoint = partial(Endpoint, path, log=log, on_end=telling(degradation, MODEL_SERVICE))
        endpoint = await tree.start_child(spec_of(settings.supervision, "endpoint", make_endpoint))
        services = Services(settings, tree, breakers, degradation, seed, log, _load_of(endpoint))
        yield Runtime(settings, tree, endpoint, breakers, services, seed, told)


def _load_of(endpoint: Ref[Endpoint]) -> Callable[[], float]:
    """Return what looks at how busy the endpoint is, in the step of whoever asks: a question would be one more call."""
    slot = slot_of(endpoint)

    def load() -> float:
        actor = slot.actor
        return actor.load() if isinstance(actor, Endpoint) else 0.0

    return load
