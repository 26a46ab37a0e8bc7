"""The simulated provider itself, without a clock, a network or a wish: told the time, it says what happens.

A request goes through five stations, and each may send it back:

    door       an outage refuses the connection
    reading    an invalid request gets its 4xx and counts nowhere
    gate       scripted 529s, 429s and refusals, before anything is counted
    limits     the judge: a request over a limit gets a 429 and counts nowhere
    kitchen    it has been counted; scripted faults of the inside, or the model's answer

`arrive` decides all of that at once and returns an `Exchange`. The front then performs it and reports how
it ended: `finish` when the answer was produced in full, which is when its output tokens count, or `abandon`
when the connection ended before, in which case the output produced by then counts. What cannot happen:
output that was produced and not counted, a request counted in one dimension and not in the others, or time
that runs backwards.

The rules here are kept apart from everything the runtime believes about limits: this is the other side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

import attrs

from actors.testing.provider.catalogue import DEFAULT_MODELS, ServedModel
from actors.testing.provider.exchange import Exchange
from actors.testing.provider.faults import Fail, Fault, Refuse
from actors.testing.provider.kitchen import Kitchen
from actors.testing.provider.limits import Mode, ProviderLimits
from actors.testing.provider.pool import Pool
from actors.testing.provider.question import BadRequest, Question, read_question
from actors.testing.provider.rate_headers import rate_headers
from actors.testing.provider.record import Logbook, ProviderRecord, ProviderStatistics
from actors.testing.provider.script import Door, Script, Stage
from actors.wire.http import HttpRequest, HttpResponse

EPOCH = 1_767_225_600.0
"""Unix time of 2026-01-01T00:00:00Z: a date that is easy to add seconds to."""


@attrs.define(eq=False, kw_only=True)
class ProviderCore:
    """Decides what a provider of the Messages API answers. Instants must not go backwards.

    Args:
        models: the models it serves.
        limits: the limits of every pool that has none of its own.
        mode: how limits are enforced.
        kitchen: what answers, and how fast.
        epoch: the Unix time of the provider's start, seconds.
    """

    models: tuple[ServedModel, ...] = DEFAULT_MODELS
    limits: ProviderLimits = attrs.field(factory=ProviderLimits)
    mode: Mode = "sliding_window"
    kitchen: Kitchen = attrs.field(factory=Kitchen)
    epoch: float = EPOCH
    _script: Script = attrs.field(factory=Script, init=False)
    _logbook: Logbook = attrs.field(factory=Logbook, init=False)
    _catalogue: dict[str, ServedModel] = attrs.field(init=False)
    _pools: dict[str, Pool] = attrs.field(init=False)
    _open: set[int] = attrs.field(factory=set[int], init=False)
    _arrivals: int = attrs.field(default=0, init=False)
    _started_at: float | None = attrs.field(default=None, init=False)
    _now: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._catalogue = {model.id: model for model in self.models}
        self._pools = {}
        for model in self.models:
            self._pools.setdefault(model.pool_name, Pool(model.limits or self.limits, self.mode))

    def start(self, now: float) -> float:
        """Begin the provider's time, unless it has begun, and return the instant at which it did.

        Raises:
            ValueError: `now` is before an instant it was told earlier.
        """
        if now < self._now:
            raise ValueError(f"now must be >= {self._now}, got {now}")
        self._now = now
        if self._started_at is None:
            self._started_at = now
        return self._started_at

    def script(self, *faults: Fault) -> None:
        """Add faults to the script; their times count from the provider's start."""
        self._script.add(*faults)

    def door(self, now: float) -> Door:
        """Return whether connections are taken, and until when that holds unless more is scripted."""
        return self._script.door(self.start(now), now)

    def fits_at(self, model: str, input_tokens: int, now: float) -> float:
        """Return the first instant at which the limits let such a request in if nothing else comes, infinity for never.

        A view from the inside, for yardsticks: a client only has the headers. The script is no part of it.

        Raises:
            KeyError: the model is not served.
        """
        self.start(now)
        return max(self._pools[self._catalogue[model].pool_name].fits_at(now, input_tokens).values())

    def arrive(self, request: HttpRequest, now: float) -> Exchange:
        """Decide what becomes of a request. The front must `finish` or `abandon` what is returned."""
        return self._begin(now, lambda blank: self._decide(blank, request))

    def arrive_unreadable(self, status: int, message: str, now: float) -> Exchange:
        """Decide what becomes of bytes that are no HTTP request: an error with that status."""
        return self._begin(now, lambda blank: self.kitchen.fail(blank, Fail(status, message)))

    def finish(self, exchange: Exchange, now: float) -> HttpResponse:
        """Count the output and return the whole answer, even of one that is to be cut off.

        Raises:
            ValueError: the exchange has no answer, or has ended already.
        """
        if exchange.status is None or exchange.number not in self._open:
            raise ValueError(f"request {exchange.number} has no answer to finish")
        self._end(exchange, now, output_tokens=exchange.output_tokens, status=exchange.status)
        pool = self._pools[exchange.pool] if exchange.pool else Pool(self.limits, self.mode)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(exchange.body)),
            "request-id": exchange.request_id,
            **rate_headers(pool, now=now, wall_clock=self.epoch + now - self.start(now)),
            **exchange.headers,
        }
        return HttpResponse(exchange.status, headers, exchange.body)

    def abandon(self, exchange: Exchange, now: float) -> None:
        """Count what was produced for a request whose connection has ended; after its end do nothing."""
        if exchange.number in self._open:
            self._end(exchange, now, output_tokens=exchange.produced_by(now), status=None)

    def log(self) -> tuple[ProviderRecord, ...]:
        """Return a record of every request that has ended, in the order of arrival."""
        return self._logbook.read()

    def statistics(self) -> ProviderStatistics:
        """Return the sums of the work so far."""
        return self._logbook.statistics(requests=self._arrivals, pools=self._pools)

    def _begin(self, now: float, decide: Callable[[Exchange], Exchange]) -> Exchange:
        started_at = self.start(now)
        request_id = self.kitchen.new_id("req")
        exchange = decide(Exchange(number=self._arrivals + 1, arrived_at=now, request_id=request_id))
        self._arrivals += 1
        self._open.add(exchange.number)
        door = self._script.door(started_at, now)
        if not door.is_open or exchange.ends_at <= door.until:
            return exchange
        # An outage that begins while the answer is made takes the connection with it.
        return attrs.evolve(
            exchange,
            ending="reset",
            after=door.until - now,
            status=None,
            fault="outage",
            output_tokens=exchange.produced_by(door.until),
        )

    def _decide(self, blank: Exchange, request: HttpRequest) -> Exchange:
        now = blank.arrived_at
        if not self.door(now).is_open:
            return attrs.evolve(blank, ending="refused", fault="outage")
        try:
            question = read_question(request, self._catalogue)
        except BadRequest as bad:
            return self.kitchen.fail(attrs.evolve(blank, headers=bad.headers), Fail(bad.status, str(bad)))
        pool = self._pools[question.model.pool_name]
        asked = partial(
            attrs.evolve,
            blank,
            model=question.model.id,
            pool=question.model.pool_name,
            input_tokens=question.input_tokens,
        )
        for fault in self._struck("gate", question, now):
            if isinstance(fault.effect, Refuse):
                return attrs.evolve(blank, ending="refused", fault=fault.name)
            if isinstance(fault.effect, Fail):
                return self.kitchen.fail(asked(fault=fault.name), fault.effect)
        if (over := pool.admit(now, question.input_tokens)) is not None:
            return self.kitchen.fail(asked(), Fail(429, str(over), retry_after=over.retry_after))
        return self.kitchen.cook(asked(admitted=True), question, self._struck("kitchen", question, now))

    def _struck(self, stage: Stage, question: Question, now: float) -> tuple[Fault, ...]:
        return self._script.strike(
            stage, model=question.model.id, system=question.system, started_at=self.start(now), now=now
        )

    def _end(self, exchange: Exchange, now: float, *, output_tokens: int, status: int | None) -> None:
        self.start(now)
        self._open.remove(exchange.number)
        if exchange.pool is not None and exchange.admitted:
            self._pools[exchange.pool].produce(now, output_tokens)
        self._logbook.write(
            ProviderRecord(
                number=exchange.number,
                at=exchange.arrived_at,
                ended_at=now,
                model=exchange.model,
                status=status,
                fault=exchange.fault,
                admitted=exchange.admitted,
                input_tokens=exchange.input_tokens,
                output_tokens=output_tokens,
                retry_after=exchange.retry_after,
                completed=status == HTTPStatus.OK and exchange.ending == "answered",
            )
        )
