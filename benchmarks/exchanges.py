"""What a call is made over when its cost is measured: the same question, answered in three ways that take no time.

    canned       one answer of the simulated provider, kept, and given again after a checkpoint: the least there can be
    simulated    the simulated provider in this process, which reads the question, counts tokens and keeps its limits
    http         the same provider in a process of its own, over the loopback, by the client that real calls are made by

Whatever the stack costs comes on top of each. It is a large part of the first, where nothing is done, and of the last
it is what it would be of a real exchange, were a model as quick as the loopback.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import attrs
import trio
from texts import Texts

from actors.call.path import Dialect
from actors.testing.provider import INSTANT, ProviderLimits, ServedModel, SimulatedProvider, serve
from actors.transport import HttpxTransport
from actors.wire import anthropic
from actors.wire.chat import ChatMessage, ChatReply, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport
from actors.wire.rate_limits import ObservedLimits, parse_rate_limits

MODEL = "claude-sonnet-5-5"

LIMITS = ProviderLimits(10**9, 10**12, 10**12)
"""In nobody's way."""

INPUT_TOKENS, OUTPUT_TOKENS = 600, 160
"""A page of a question and a paragraph of an answer."""

MAX_TOKENS = 1024


@attrs.define(eq=False)
class Questions:
    """Questions of one size, each of which is asked once: no cache knows it."""

    asked: int = 0
    _texts: Texts = attrs.field(factory=Texts)

    def next(self) -> ChatRequest:
        """Return one that was not asked before."""
        self.asked += 1
        text = self._texts.prompt(self.asked, "english", INPUT_TOKENS, offset=0)
        return ChatRequest(MODEL, (ChatMessage("user", text),), max_tokens=MAX_TOKENS)


def provider() -> SimulatedProvider:
    """Return one that answers at once."""
    answer = Texts().answer(OUTPUT_TOKENS)
    return SimulatedProvider(
        limits=LIMITS, models=(ServedModel(MODEL),), model=lambda _request: answer, latency=INSTANT
    )


def dialect(base_url: str = "http://provider") -> Dialect:
    """Return how a runtime speaks to it."""
    return Dialect(
        encode=partial(anthropic.encode, api_key="key", base_url=base_url),
        decode=anthropic.decode,
        limits=_limits_in,
        name="anthropic",
    )


def _limits_in(response: HttpResponse) -> ObservedLimits:
    return parse_rate_limits(response.headers, dialect="anthropic", now_wall=None)


@attrs.frozen
class Way:
    """A way to the provider.

    Args:
        name: "canned", "simulated" or "http".
        transport: carries the exchanges.
        base_url: where they go.

    Attributes:
        dialect: how it is spoken to.
    """

    name: str
    transport: Transport
    base_url: str = "http://provider"
    dialect: Dialect = attrs.field(init=False)

    @dialect.default
    def _spoken(self) -> Dialect:
        return dialect(self.base_url)

    async def bare(self, request: ChatRequest) -> ChatReply:
        """Make one exchange without any of the stack: what whoever calls the model has to do in any case."""
        return self.dialect.decode(await self.transport.send(self.dialect.encode(request)))


@attrs.frozen
class Canned:
    """A transport that gives one answer, again and again."""

    response: HttpResponse

    async def send(self, _request: HttpRequest) -> HttpResponse:
        """Give it, after a checkpoint, as sent and answered now."""
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        return attrs.evolve(self.response, sent_at=now, first_byte_at=now)


@asynccontextmanager
async def open_ways() -> AsyncGenerator[tuple[Way, Way, Way]]:
    """Open the three, for the length of the block."""
    answer = await provider().transport.send(dialect().encode(Questions().next()))
    with _served() as base_url:
        async with HttpxTransport(trust_env=False) as client:
            yield (
                Way("canned", Canned(answer)),
                Way("simulated", provider().transport),
                Way("http", client, base_url),
            )


@contextmanager
def _served() -> Generator[str]:
    """Serve a provider in a process of its own and give its address: what it costs is not ours."""
    code = "import exchanges, trio; trio.run(exchanges.serve_until_told)"
    with subprocess.Popen(  # noqa: S603  # our own code, with names from this file
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stdin is not None
        assert served.stdout is not None
        try:
            yield served.stdout.readline().strip()
        finally:
            served.stdin.close()


async def serve_until_told() -> None:
    """Serve a provider, print its address, and go on until standard input is closed."""
    async with serve(provider()) as base_url:
        print(base_url, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
