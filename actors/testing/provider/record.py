"""What a simulated provider remembers of its work, for tests to assert on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from actors.testing.provider.pool import PeakUsage, Pool

_TOO_MANY, _OVERLOADED = 429, 529


@attrs.frozen
class ProviderRecord:
    """One request that has come to its end.

    Args:
        number: its place in the order of arrival, from 1.
        at: the instant it arrived.
        ended_at: the instant its answer left or its connection ended.
        model: the model it asked for, or None when it named none that is served.
        status: the HTTP status of the answer, or None when none was sent.
        fault: the name of the scripted fault it met, or None.
        admitted: whether it counted against the limits.
        input_tokens: the tokens of its prompt, 0 when it could not be read.
        output_tokens: the tokens produced for it, delivered or not.
        retry_after: the seconds it was told to wait, or None.
        completed: whether a whole answer with status 200 was given.
    """

    number: int
    at: float
    ended_at: float
    model: str | None
    status: int | None
    fault: str | None
    admitted: bool
    input_tokens: int
    output_tokens: int
    retry_after: int | None
    completed: bool


@attrs.frozen
class ProviderStatistics:
    """The sums of a provider's work so far.

    Args:
        requests: requests that arrived, refused connections included.
        in_flight: requests that have not come to their end.
        completed: whole answers with status 200.
        rate_limited: answers with status 429, by the limits or by a script.
        over_limit: the 429s that the limits themselves gave: requests a client should not have sent.
        overloaded: answers with status 529.
        peak: the most any pool saw within any minute, each dimension for itself.
        peaks: the same for each pool by its name.
        output_overshoot: the most output tokens by which any pool was over its limit; 0 when it never was.
    """

    requests: int
    in_flight: int
    completed: int
    rate_limited: int
    over_limit: int
    overloaded: int
    peak: PeakUsage
    peaks: Mapping[str, PeakUsage]
    output_overshoot: int


@attrs.define(eq=False)
class Logbook:
    """The records of every request that has ended."""

    _records: dict[int, ProviderRecord] = attrs.field(factory=dict[int, ProviderRecord], init=False)

    def write(self, record: ProviderRecord) -> None:
        """Keep `record`."""
        self._records[record.number] = record

    def read(self) -> tuple[ProviderRecord, ...]:
        """Return all records in the order of arrival."""
        return tuple(self._records[number] for number in sorted(self._records))

    def statistics(self, *, requests: int, pools: Mapping[str, Pool]) -> ProviderStatistics:
        """Return the sums, of `requests` arrivals over `pools`."""
        records = self._records.values()
        refused = [record for record in records if record.status == _TOO_MANY]
        peaks = {name: pool.peak() for name, pool in pools.items()}
        return ProviderStatistics(
            requests=requests,
            in_flight=requests - len(records),
            completed=sum(record.completed for record in records),
            rate_limited=len(refused),
            over_limit=sum(record.fault is None for record in refused),
            overloaded=sum(record.status == _OVERLOADED for record in records),
            peak=_highest(peaks.values()),
            peaks=peaks,
            output_overshoot=max((pool.output_overshoot for pool in pools.values()), default=0),
        )


def _highest(peaks: Iterable[PeakUsage]) -> PeakUsage:
    rows = tuple(peaks)
    return PeakUsage(
        requests=max((peak.requests for peak in rows), default=0),
        input_tokens=max((peak.input_tokens for peak in rows), default=0),
        output_tokens=max((peak.output_tokens for peak in rows), default=0),
    )
