"""Draws what the limiter grants against the limit, for both ways of refilling; `make plots` runs this.

Calls of many sizes come at once, under 30,000 input tokens a minute, through the whole call path in virtual time, to a
provider of each kind. What is drawn is what the provider has counted.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio
from chart import Chart, Curve

from actors.testing.provider import MODES, Mode, SimulatedProvider
from actors.testing.run import run
from actors.wire.chat import ChatMessage, ChatRequest
from supervisors.runtime.runtime import Runtime, open_runtime
from supervisors.runtime.settings import LimitSettings, ProviderSettings, Settings

FOLDER = Path(__file__).parents[1] / "explanation"

CALLS = 280
LIMIT = 30_000
"""Input tokens a minute, the default; the sizes below are such that it is in the way, and not the other two."""
SIZES = range(150, 1351)
ANSWERS = range(20, 181)
LETTERS_PER_TOKEN = 4
WINDOW = 60.0
END = 300

Counted = list[tuple[float, int]]
"""Instants and input tokens, in their order."""


def counted(mode: Mode) -> Counted:
    """Return what a provider of this kind counted; the runtime is not told which kind it is."""

    async def main() -> Counted:
        rng = random.Random(1)
        provider = SimulatedProvider(mode=mode, seed=1, model=lambda body: answer(body, rng))
        settings = Settings(
            ProviderSettings(models=("claude-sonnet-4-5",), max_tokens=ANSWERS[-1]),
            LimitSettings(margin=1.0),
        )
        async with (
            open_runtime(settings, transport=provider.transport, seed=1) as runtime,
            trio.open_nursery() as nursery,
        ):
            for size in random.Random(2).choices(SIZES, k=CALLS):
                nursery.start_soon(call, runtime, size)
        refused = provider.statistics().over_limit
        if refused:
            raise RuntimeError(f"refusals must be 0, got {refused}")
        return [(record.at, record.input_tokens) for record in provider.log]

    return run(main, seed=1)


def answer(_body: Mapping[str, Any], rng: random.Random) -> str:
    """Answer at some length."""
    return "x" * (LETTERS_PER_TOKEN * rng.choice(ANSWERS))


async def call(runtime: Runtime, size: int) -> None:
    """Make one call of so many tokens."""
    text = "x" * (LETTERS_PER_TOKEN * size)
    await runtime.call(ChatRequest("", (ChatMessage("user", text),), max_tokens=ANSWERS[-1]))


def steps(changes: Counted) -> list[tuple[float, float]]:
    """Return the sum of all changes up to each instant, in thousands, as far as the axis goes."""
    points, total = [(0.0, 0.0)], 0
    for at, change in sorted(changes):
        if at > END:
            break
        points.append((at, total / 1000))
        total += change
        points.append((at, total / 1000))
    return [*points, (float(END), total / 1000)]


def in_the_last_window(seen: Counted) -> list[tuple[float, float]]:
    """Return the steps of how much was counted in the window before each instant."""
    return steps([*seen, *((at + WINDOW, -tokens) for at, tokens in seen)])


def pictures(seen: Mapping[Mode, Counted]) -> dict[str, str]:
    """Return the files of the pictures and what is in them."""
    runs = (("sliding window", "a", seen["sliding_window"]), ("token bucket", "b", seen["token_bucket"]))
    limit, most = LIMIT / 1000, LIMIT / 1000 * (1 + END / WINDOW)
    since = Chart(
        title=f"{CALLS} calls at once under {LIMIT:,} input tokens a minute",
        across="seconds since the calls came",
        up="1,000 tokens so far",
        across_ticks=range(0, END + 1, 30),
        up_ticks=range(0, 181, 30),
        curves=[
            *(Curve(name, style, steps(run)) for name, style, run in runs),
            Curve("most a bucket grants", "limit", [(0, limit), (END, most)]),
        ],
    )
    last = Chart(
        title="The same: what any minute holds",
        across="seconds since the calls came",
        up="1,000 tokens in the last 60 s",
        across_ticks=range(0, END + 1, 30),
        up_ticks=range(0, 76, 15),
        curves=[
            *(Curve(name, style, in_the_last_window(run)) for name, style, run in runs),
            Curve("limit", "limit", [(0, limit), (END, limit)]),
        ],
    )
    return {"limits-so-far.svg": since.svg(), "limits-last-minute.svg": last.svg()}


def main() -> int:
    """Write the pictures."""
    for name, picture in pictures({mode: counted(mode) for mode in MODES}).items():
        (FOLDER / name).write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
