"""Two minutes in which the preferred model is overloaded: who waits, who falls back, who comes home late.

The provider is simulated, its bad time is a script, and the clock is virtual: it all takes some milliseconds.
"""

from __future__ import annotations

import trio
from trio.testing import MockClock

from actors.errors import CallFailed, Rejected
from actors.testing.provider import ProviderLimits, ServedModel, SimulatedProvider, hang, overload
from actors.wire.chat import ChatMessage, ChatRequest
from supervisors.runtime.runtime import Runtime, open_runtime
from supervisors.runtime.settings import LimitSettings, ProviderSettings, RetrySettings, Settings

SETTINGS = Settings(
    provider=ProviderSettings(models=("opus", "haiku"), max_tokens=200, attempt_timeout=20.0),
    limits=LimitSettings(requests=6, max_wait=120.0),
    retry=RetrySettings(max_retries=3, initial=1.0, cap=8.0),
)


def scripted_provider() -> SimulatedProvider:
    """Return a provider with the limits of the settings, whose second and third minutes go wrong."""
    provider = SimulatedProvider(
        limits=ProviderLimits(requests=6), models=(ServedModel("opus"), ServedModel("haiku")), seed=7
    )
    provider.script(
        overload("opus", at=60, lasting=120, retry_after=5),
        hang(model="haiku", nth=1),  # and the understudy's first call is never answered
    )
    return provider


async def call(runtime: Runtime, number: int) -> None:
    """Place one call after its number of quarter minutes, and say how it went."""
    await trio.sleep(15.0 * number)
    asked_at = trio.current_time()
    request = ChatRequest("", (ChatMessage("user", f"line {number}, please"),), max_tokens=200)
    try:
        answered = await runtime.call(request)
        outcome = f"{answered.model_used} after {answered.attempts} attempts"
    except (CallFailed, Rejected) as failed:
        outcome = f"failed: {failed}"
    print(f"asked at {asked_at:5.1f} s, {trio.current_time() - asked_at:5.1f} s later: {outcome}")


async def main() -> None:
    """Place a call every quarter of a minute for four minutes, then ask the provider what it saw."""
    provider = scripted_provider()
    async with (
        open_runtime(SETTINGS, transport=provider.transport, seed=7) as runtime,
        trio.open_nursery() as nursery,
    ):
        for number in range(16):
            nursery.start_soon(call, runtime, number)
    seen = provider.statistics()
    print(
        f"the provider saw {seen.requests} requests: {seen.completed} answered, {seen.overloaded} overloaded"
    )
    print(
        f"over its limits came {seen.over_limit}; the busiest minute of any model had {seen.peak.requests} of 6"
    )


if __name__ == "__main__":
    trio.run(main, clock=MockClock(autojump_threshold=0))
