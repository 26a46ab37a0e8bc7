"""The demo's bad evening: what goes wrong at the simulated provider and among the readers, written down as data.

for the first seconds    every model is overloaded (529)
colton's first answer    is cut off in the middle of its transfer
devon's preferred model  stays overloaded, so that another one has to step in
maya                     crashes once, with her first answer in hand
"""

from __future__ import annotations

from actors.coverage.personas import Persona
from actors.coverage.record import Coverage
from actors.coverage.sections import Section
from actors.endpoint import Endpoint
from actors.kernel import Ref
from actors.reader import Reader
from actors.testing.provider import Fault, cut_off, overload
from supervisors.runtime.reading import reader_of
from supervisors.runtime.settings import Settings

FIRST_SECONDS = 0.8
"""How long every model is overloaded: long enough for the first two calls, over before their retries."""

LASTING = 120.0
"""How long devon's preferred model is: longer than its retries, so that the call falls back."""

STUMBLES = "maya"
"""The reader who crashes once."""


def faults(settings: Settings) -> tuple[Fault, ...]:
    """Return the provider's faults."""
    return (
        overload(at=0.0, lasting=FIRST_SECONDS),
        cut_off(system="You are Colton", nth=1),
        overload(model=settings.provider.models[0], lasting=LASTING, system="You are Devon"),
    )


class StumblingReader(Reader):
    """A reader that crashes once, in its first incarnation, over its first answer."""

    def check(self, text: str, section: Section) -> Coverage:
        """Check as every reader does, but for the crash."""
        if self.incarnation == 1:
            raise RuntimeError("lost the page")
        return super().check(text, section)


def make_reader(persona: Persona, endpoint: Ref[Endpoint], settings: Settings) -> Reader:
    """Make the readers of the bad evening."""
    kind = StumblingReader if persona.name == STUMBLES else Reader
    return reader_of(persona, endpoint, settings, kind)
