"""The transport as an actor: opened and closed with it, many exchanges at once, and what its end looks like."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

import attrs
import pytest
import trio
from cast_setup import TWO_SECONDS, open_ended, open_restarting

from actors.errors import AskCycle, Interrupted, NotDelivered, TransportFailed
from actors.kernel import Actor, op, open_actor
from actors.testing.provider import SimulatedProvider, message_request, reset
from actors.transporter import CarriedBy, Transporter
from actors.wire.http import HttpRequest, HttpResponse, Transport

pytestmark = pytest.mark.usefixtures("autojump_clock")

OK = HttpResponse(200)


@attrs.define(eq=False)
class Line:
    """A transport that notes when it is opened and closed, and takes 2 s for an exchange."""

    history: list[str] = attrs.field(factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Transport]:
        self.history.append("opened")
        try:
            yield self
        finally:
            self.history.append("closed")

    async def send(self, request: HttpRequest) -> HttpResponse:
        if request.method == "BUG":
            raise KeyError("bug")
        try:
            await trio.sleep(2)
        except trio.Cancelled:
            self.history.append("cut")
            raise
        return OK


async def test_the_transport_is_opened_before_the_first_exchange_and_closed_at_the_end() -> None:
    line = Line()
    async with open_actor(partial(Transporter, line.open)) as transporter:
        assert line.history == ["opened"]
        assert await CarriedBy(transporter).send(message_request()) == OK
    assert line.history == ["opened", "closed"]


async def test_exchanges_run_side_by_side() -> None:
    async with open_actor(partial(Transporter, Line().open)) as transporter:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(CarriedBy(transporter).send, message_request())
        assert trio.current_time() == 2.0


async def test_a_fault_of_the_transport_reaches_the_sender_unchanged_and_the_actor_lives() -> None:
    provider = SimulatedProvider(latency=TWO_SECONDS)
    provider.script(reset(nth=1))
    async with open_actor(partial(Transporter, lambda: nullcontext(provider.transport))) as transporter:
        carried = CarriedBy(transporter)
        with pytest.raises(TransportFailed) as caught:
            await carried.send(message_request())
        assert (caught.value.kind, caught.value.charged) == ("reset", True)

        assert (await carried.send(message_request())).status == 200


async def test_a_sender_that_leaves_cuts_its_exchange_and_no_other() -> None:
    line = Line()
    answers: list[HttpResponse] = []
    async with open_actor(partial(Transporter, line.open)) as transporter:

        async def stay() -> None:
            answers.append(await CarriedBy(transporter).send(message_request()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay)
            with trio.move_on_after(1):
                await CarriedBy(transporter).send(message_request())
        assert answers == [OK]
    assert line.history == ["opened", "cut", "closed"]


async def test_a_restart_breaks_what_is_under_way_as_a_broken_connection_would() -> None:
    line = Line()
    bug = HttpRequest("BUG", "http://simulated.provider")
    async with open_restarting(partial(Transporter, line.open), "transport") as transporter:
        carried = CarriedBy(transporter)

        async def crash() -> None:
            await trio.sleep(1)
            with pytest.raises(TransportFailed):
                await carried.send(bug)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            with pytest.raises(
                TransportFailed, match=r"^the transport was restarted in mid-exchange$"
            ) as caught:
                await carried.send(message_request())

        error = caught.value
        assert (error.kind, error.charged, error.retryable) == ("reset", True, True)
        assert isinstance(error.__cause__, Interrupted)
        assert await carried.send(message_request()) == OK
    assert line.history == ["opened", "cut", "closed", "opened", "closed"]


async def test_a_transport_that_has_ended_is_no_connection_and_costs_nothing() -> None:
    async with open_ended(partial(Transporter, Line().open)) as transporter:
        with pytest.raises(TransportFailed, match=r"^the transport is not at work$") as caught:
            await CarriedBy(transporter).send(message_request())

    assert (caught.value.kind, caught.value.charged) == ("connect", False)
    assert isinstance(caught.value.__cause__, NotDelivered)


async def test_a_transport_that_does_not_open_keeps_the_actor_from_starting() -> None:
    def broken() -> AbstractAsyncContextManager[Transport]:
        raise OSError("no sockets")

    with pytest.raises(OSError, match=r"^no sockets\nin setup$"):
        async with open_actor(partial(Transporter, broken)):
            pytest.fail("it started")


async def test_a_transporter_that_does_not_run_sends_nothing() -> None:
    with pytest.raises(RuntimeError, match=r"^the transport is not open; send is for after setup$"):
        await Transporter(Line().open).send(message_request())


class Knot(Actor):
    """Sends over a transport that sends over this very actor."""

    @op
    async def send(self, carried: CarriedBy) -> None:
        """Wait for oneself."""
        await carried.send(message_request())


async def test_a_cycle_is_told_as_what_it_is() -> None:
    async with open_actor(Knot) as knot:

        class Back:
            async def send(self, request: HttpRequest) -> HttpResponse:
                assert request.method == "POST"
                await knot.ask(Knot.send(carried))
                return OK

        async with open_actor(partial(Transporter, lambda: nullcontext(Back()))) as transporter:
            carried = CarriedBy(transporter)
            with pytest.raises(AskCycle):
                await knot.ask(Knot.send(carried))
