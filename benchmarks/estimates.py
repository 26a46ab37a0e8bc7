"""How far token estimates are off, and what estimating costs.

Usage: python benchmarks/estimates.py     the whole table, as Markdown

Each run is one model's life: a new estimator, 120 requests in blocks of 20, each estimated, counted by an imitated
tokenizer and corrected. Before and after each block fifty requests more are estimated as if they went out at once, to
see whether what a limiter would reserve for them covers what they come to.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import islice
from time import process_time

import attrs
from corpora import Corpora
from imitation_tokenizers import TOKENIZERS, Tokenizer
from measure import Figure

from actors.policies.estimates.learning_estimator import LearningEstimator

BLOCK = 20
"""Calls of a block; the first one is the time to learn."""

BURST = 50
"""Calls at once."""

SEEDS = 3
"""Runs of each tokenizer; the worst one is told."""

SEQUENCES: Mapping[str, tuple[str, ...]] = {
    "english": ("english",) * 6,
    "code": ("code",) * 6,
    "cjk": ("cjk",) * 6,
    "mixed": ("english", "cjk", "code", "blend", "english", "cjk"),
}
"""What the blocks of a run are made of."""

MOST_ERROR = 0.2
COST = 40.0
"""Microseconds per 1,000 characters at most: 2 ms for 50,000."""

LONG_TEXT = 50_000


@attrs.frozen
class Run:
    """How one model's life went.

    Args:
        early_error: median of |expected - actual| / actual over the first block.
        error: the same over all later ones.
        reserved: what was reserved in the later ones over what was used.
        news: the least of reserved over used, of bursts at the beginning of a block of a sort not seen before.
        known: the same, of all other bursts.
    """

    early_error: float
    error: float
    reserved: float
    news: float
    known: float


@attrs.define
class _Tally:
    tokenizer: Tokenizer
    estimator: LearningEstimator = attrs.field(factory=LearningEstimator)
    outcomes: list[tuple[int, int, int]] = attrs.field(factory=list[tuple[int, int, int]])

    def call(self, request: Sequence[str]) -> None:
        """Make one call: estimate, count, correct."""
        estimate, actual = self.estimator.estimate("model", request), self.tokenizer(request)
        self.estimator.correct("model", estimate, actual)
        self.outcomes.append((estimate.expected, estimate.at_most, actual))

    def cover(self, burst: Sequence[Sequence[str]]) -> float:
        """Return what would be reserved for a burst over what it comes to."""
        reserved = sum(self.estimator.estimate("model", request).at_most for request in burst)
        return reserved / sum(map(self.tokenizer, burst))

    def error(self, first: int, last: int | None = None) -> float:
        """Return the median error of some calls."""
        return statistics.median(abs(a - b) / b for a, _, b in self.outcomes[first:last])

    def reserved(self, first: int) -> float:
        """Return what was reserved from a call on over what was used."""
        told = self.outcomes[first:]
        return sum(at_most for _, at_most, _ in told) / sum(actual for _, _, actual in told)


def run(corpora: Corpora, blocks: Sequence[str], tokenizer: Tokenizer, seed: int) -> Run:
    """Live one model's life."""
    rng, tally, seen = random.Random(seed), _Tally(tokenizer), set[str]()
    covers: dict[bool, list[float]] = {True: [], False: []}
    for block in blocks:
        requests = corpora.requests(block, rng)
        covers[block in seen].append(tally.cover(list(islice(requests, BURST))))
        for request in islice(requests, BLOCK):
            tally.call(request)
        seen.add(block)
        covers[True].append(tally.cover(list(islice(requests, BURST))))
    return Run(
        early_error=tally.error(0, BLOCK),
        error=tally.error(BLOCK),
        reserved=tally.reserved(BLOCK),
        news=min(covers[False]),
        known=min(covers[True]),
    )


def worst(runs: Sequence[Run]) -> Run:
    """Return the worst of each thing."""
    return Run(
        early_error=max(each.early_error for each in runs),
        error=max(each.error for each in runs),
        reserved=max(each.reserved for each in runs),
        news=min(each.news for each in runs),
        known=min(each.known for each in runs),
    )


def runs_of(corpora: Corpora, sequence: str, tokenizer: str, seeds: int = SEEDS) -> Run:
    """Return the worst of some runs of one sequence with one tokenizer."""
    blocks = SEQUENCES[sequence]
    return worst([run(corpora, blocks, TOKENIZERS[tokenizer], seed) for seed in range(seeds)])


def _error(sequence: str) -> Callable[[], Generator[Figure]]:
    def measure() -> Generator[Figure]:
        corpora = Corpora.read()
        found = worst([runs_of(corpora, sequence, tokenizer) for tokenizer in TOKENIZERS])
        yield Figure(
            f"estimate.{sequence}",
            100 * found.error,
            "% median error after 20 calls, worst tokenizer",
            found.error / MOST_ERROR,
            "at most 20 %",
            found.error <= MOST_ERROR,
        )
        yield Figure(
            f"estimate.{sequence}.reserved", found.reserved, "times what is used, reserved after 20 calls"
        )
        yield Figure(
            f"estimate.{sequence}.burst",
            min(found.news, found.known),
            "times what 50 at once use, reserved at least",
            None,
            "at least 1",
            min(found.news, found.known) >= 1,
        )

    return measure


english = _error("english")
code = _error("code")
cjk = _error("cjk")
mixed = _error("mixed")


def cost() -> Generator[Figure]:
    """The time of an estimate of 50,000 characters, of the most expensive sort."""
    corpora, rng = Corpora.read(), random.Random(0)
    figures = [seconds_per_estimate(corpora, sort, rng) for sort in ("english", "code", "cjk")]
    micros = max(figures) / LONG_TEXT * 1000 * 1e6
    yield Figure(
        "estimate.cost",
        micros,
        "us per 1,000 characters",
        micros / COST,
        "50,000 in under 2 ms",
        micros < COST,
    )


def seconds_per_estimate(corpora: Corpora, sort: str, rng: random.Random) -> float:
    """Return the median processor time of estimating one text of 50,000 characters."""
    text = ""
    for request in corpora.requests(sort, rng):
        text += "".join(request)
        if len(text) >= LONG_TEXT:
            break
    estimator, times = LearningEstimator(), list[float]()
    for _ in range(30):
        start = process_time()
        estimator.estimate("model", [text[:LONG_TEXT]])
        times.append(process_time() - start)
    return statistics.median(times)


FIGURES: Mapping[str, Callable[[], Generator[Figure]]] = {
    "estimate.english": english,
    "estimate.code": code,
    "estimate.cjk": cjk,
    "estimate.mixed": mixed,
    "estimate.cost": cost,
}
"""What can be measured, by the name of the figure; the errors bring along what was reserved."""


def main() -> None:
    """Print the table of the page about estimates."""
    corpora = Corpora.read()
    print("| tokenizer | texts | error, first 20 | error, later | reserved | burst, new | burst, known |")
    print("|---|---|---|---|---|---|---|")
    for tokenizer in TOKENIZERS:
        for sequence in SEQUENCES:
            each = runs_of(corpora, sequence, tokenizer)
            print(
                f"| `{tokenizer}` | {sequence} | {each.early_error:.1%} | {each.error:.1%} | {each.reserved:.2f}"
                f" | {each.news:.2f} | {each.known:.2f} |"
            )


if __name__ == "__main__":
    main()
