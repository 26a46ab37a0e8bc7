"""The readings of one analysis: a supervised reader for each name, a few at work at once, and their books.

Each reader has a supervisor of its own, so that one that crashes beyond its budget ends alone. A reader that crashed
reads again from the start: reading changes nothing, so doing it twice is safe. What all its tries cost is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs
import trio

from actors.coverage.personas import Persona, persona_named
from actors.coverage.record import Coverage
from actors.coverage.screenplay import Screenplay
from actors.endpoint import Endpoint
from actors.error_phrase import phrase
from actors.errors import (
    CallFailed,
    InputError,
    Interrupted,
    Rejected,
    RestartsExhausted,
    StartFailed,
    UnderstudyError,
)
from actors.kernel import Ref
from actors.progress import Mishap, Observer, Progress, State
from actors.reader import Event, Finished, Reader
from actors.time_budget import time_budget
from supervisors.events import ChildCrashed, ChildRestarting, LifecycleEvent
from supervisors.intensity import Intensity
from supervisors.runtime.analysis_result import Analysis, Incident, ReaderFailure, ReaderReport
from supervisors.runtime.runtime_log import RuntimeLog
from supervisors.runtime.settings import Settings, check_sections_fit
from supervisors.runtime.specs import spec_of
from supervisors.tree import open_supervisor

MakeReader = Callable[[Persona, Ref[Endpoint], Settings], Reader]


def reader_of(
    persona: Persona, endpoint: Ref[Endpoint], settings: Settings, kind: type[Reader] = Reader
) -> Reader:
    """Make a reader as the settings want it; of another `kind` where a test or a demonstration needs one."""
    return kind(
        persona,
        endpoint,
        section_tokens=settings.readers.section_tokens,
        max_tokens=settings.provider.max_tokens,
    )


@attrs.define(eq=False)
class _Desk:
    """One reader's running account over all its tries."""

    name: str
    observer: Observer
    last: Progress
    started_at: float | None = None
    ended_at: float | None = None
    restarts: int = 0
    cause: str = ""
    before: Progress | None = None
    fell_back: bool = False
    coverage: Coverage | None = None
    failure: ReaderFailure | None = None
    mishaps: list[Mishap] = attrs.field(factory=list[Mishap])

    def take(self, event: Event) -> None:
        """Enter what the reader tells."""
        match event:
            case Progress():
                self.show(self._summed(event))
            case Mishap():
                self.mishaps.append(event)
            case Finished():
                self.coverage = event.coverage
                self.fell_back = event.fell_back

    def show(self, progress: Progress) -> None:
        """Keep the newest progress and pass it on."""
        self.last = progress
        self.observer(progress)

    def move_to(self, state: State, detail: str) -> None:
        """Show a state the reader cannot tell of itself."""
        self.show(attrs.evolve(self.last, state=state, detail=detail, at=trio.current_time()))

    def carry(self) -> None:
        """Keep what a try that crashed has spent: the next one counts from nothing."""
        self.before = self.last

    def hear(self, event: LifecycleEvent) -> None:
        """Enter what the reader's supervisor tells: a crash, and the restart it answers it with, if it does."""
        match event:
            case ChildCrashed(error=cause):
                self.cause = cause
            case ChildRestarting():
                self.restarts += 1
                what = f"reader crashed ({self.cause})"
                self.mishaps.append(Mishap(self.name, what, "restarted", trio.current_time()))
                self.move_to("restarting", f"crashed: {self.cause}")
            case _:
                pass

    def failed(self, kind: str, text: str) -> None:
        """Enter the end without a result."""
        self.failure = ReaderFailure(kind, text)
        self.mishaps.append(Mishap(self.name, kind, "", trio.current_time()))
        self.move_to("failed", kind)

    def _summed(self, progress: Progress) -> Progress:
        if self.before is None:
            return progress
        return attrs.evolve(
            progress,
            attempt=progress.attempt + self.before.attempt,
            input_tokens=progress.input_tokens + self.before.input_tokens,
            output_tokens=progress.output_tokens + self.before.output_tokens,
        )

    def report(self, began: float, now: float) -> ReaderReport:
        """Return the account as a frozen value; instants become seconds since `began`."""
        started_at = now if self.started_at is None else self.started_at
        return ReaderReport(
            attempts=self.last.attempt,
            model_used=self.last.model if self.coverage is not None else None,
            fell_back=self.fell_back,
            sections=self.last.sections,
            restarts=self.restarts,
            input_tokens=self.last.input_tokens,
            output_tokens=self.last.output_tokens,
            started_at=started_at - began,
            seconds=(now if self.ended_at is None else self.ended_at) - started_at,
        )


@attrs.define(eq=False)
class Readings:
    """Runs the readers of one analysis.

    Args:
        screenplay: what they read.
        settings: how many at once, how long, and how they are supervised.
        endpoint: where they ask.
        observer: is told of every change.
        make_reader: makes a reader actor.
        seed: decides the jitter of restarts.
        log: is told of the analysis and of the readers' actors.
    """

    screenplay: Screenplay
    settings: Settings
    endpoint: Ref[Endpoint]
    observer: Observer
    make_reader: MakeReader = reader_of
    seed: int = 0
    log: RuntimeLog = attrs.field(factory=RuntimeLog)

    async def run(self, names: Sequence[str]) -> Analysis:
        """Have every reader of `names` read, and return what they bring home, in that order.

        A name that stands there twice reads once.

        Raises:
            InputError: a reader is unknown, or there is none; nothing was read.
            SettingsError: a section would not fit the limits; nothing was read.
        """
        check_sections_fit(self.settings)
        if not names:
            raise InputError("readers must hold at least 1 name, got none")
        personas = {name: persona_named(name) for name in names}
        self.log.analysis_started(self.screenplay, names)
        began = trio.current_time()
        desks = {
            name: _Desk(name, self.observer, Progress(name, "waiting", "its turn", at=began))
            for name in personas
        }
        waiting = deque(desks.values())

        async def work() -> None:
            while waiting:
                desk = waiting.popleft()
                await self._read(personas[desk.name], desk)

        try:
            with time_budget(self.settings.readers.deadline):
                async with trio.open_nursery() as nursery:
                    for _ in range(min(self.settings.readers.concurrency, len(desks))):
                        nursery.start_soon(work)
        except trio.TooSlowError:  # `suppress` would look into the nursery's groups as well
            pass  # what is home when the time is used up is brought home
        analysis = self._bring_home(desks, began, trio.current_time())
        self.log.analysis_finished(analysis)
        return analysis

    async def _read(self, persona: Persona, desk: _Desk) -> None:
        desk.started_at = trio.current_time()

        def hear(event: LifecycleEvent) -> None:
            desk.hear(event)
            self.log.on_event(event)

        supervision = self.settings.supervision
        spec = spec_of(
            supervision,
            persona.name,
            lambda: self.make_reader(persona, self.endpoint, self.settings),
            restart="transient",
        )
        try:
            async with open_supervisor(
                name=f"desk of {persona.name}",
                intensity=Intensity(supervision.restarts, supervision.period),  # it has one child: one budget
                seed=self.seed,
                on_event=hear,
            ) as tree:
                await self._listen(await tree.start_child(spec), desk)
        except RestartsExhausted as error:
            spent = f"supervision.restarts {error.restarts} in {error.period:g} s are spent"
            desk.failed("crashed too often", f"the last crash was a {desk.cause}, and {spent}")
        except StartFailed as error:
            desk.failed("did not start", str(error))
        except (CallFailed, Rejected) as error:
            desk.failed(phrase(error), _told(error))
        except InputError as error:
            desk.failed("nothing to read", str(error))
        desk.ended_at = trio.current_time()

    async def _listen(self, reader: Ref[Reader], desk: _Desk) -> None:
        """Follow the reader until it has finished, over as many restarts as its supervisor grants it."""
        while True:
            try:
                async with reader.stream(Reader.read(self.screenplay)) as events:
                    async for event in events:
                        desk.take(event)
            except Interrupted:
                desk.carry()  # whether it starts again is its supervisor's to say
            else:
                return

    def _bring_home(self, desks: dict[str, _Desk], began: float, now: float) -> Analysis:
        for desk in desks.values():
            if desk.coverage is None and desk.failure is None:
                deadline = self.settings.readers.deadline
                desk.failed("out of time", f"not finished within readers.deadline {deadline:g} s")
        mishaps = sorted((m for desk in desks.values() for m in desk.mishaps), key=lambda mishap: mishap.at)
        return Analysis(
            title=self.screenplay.title,
            scenes=len(self.screenplay.scenes),
            words=self.screenplay.words,
            results={name: desk.coverage for name, desk in desks.items() if desk.coverage is not None},
            errors={name: desk.failure for name, desk in desks.items() if desk.failure is not None},
            readers={name: desk.report(began, now) for name, desk in desks.items()},
            incidents=tuple(Incident(m.at - began, m.reader, m.what, m.survived_by) for m in mishaps),
            seconds=now - began,
        )


def _told(error: UnderstudyError) -> str:
    """Return an error with the notes on the models that were passed over before it."""
    return "; ".join([str(error), *getattr(error, "__notes__", [])])
