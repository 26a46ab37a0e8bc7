"""Breakers by name: exactly one for each endpoint, steered one by one or all at once, and what a crash costs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import structlog
import trio
from trio.testing import MockClock

from actors.breaker.breaker import Breaker
from actors.breaker.breaking import check_breaker, pass_breaker
from actors.errors import BreakerOpen, NotDelivered, Rejected
from actors.kernel import Ref
from actors.kernel.ref import slot_of
from actors.policies.breaker.records import BreakerChange
from actors.policies.breaker.rules import BreakerRules
from actors.testing.run import run
from supervisors import Backoff, ChildSpec, open_supervisor
from supervisors.breakers import Breakers, BreakerSupervisor, BreakerTerms, name_of, open_breakers
from supervisors.breakers.supervisor import BreakersState

RULES = BreakerRules(consecutive=2, cooldown=60.0, jitter=0.0, is_adaptive=False, failure_rate=None)

KNOWN = ("anthropic", "search", "store")


def terms_of(service: str, model: str | None) -> BreakerTerms:
    """Know three services, whose models stand in for one another."""
    if service not in KNOWN:
        raise LookupError(f"there is no service {service!r}")
    return BreakerTerms(RULES, role=None if model is None else service)


@asynccontextmanager
async def open_nested(
    terms: Callable[[str, str | None], BreakerTerms] = terms_of, *, pause: float = 0.0, **options: Any
) -> AsyncGenerator[Breakers]:
    """Open the supervisor of breakers under one that restarts it."""
    make = partial(BreakerSupervisor, terms, backoff=Backoff(initial=0.0), **options)
    spec = ChildSpec("breakers", make, keep_state=True, backoff=Backoff(initial=pause))
    async with open_supervisor() as tree:
        yield Breakers(await tree.start_child(spec))


async def fail(breaker: Ref[Breaker], times: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionResetError):
            async with pass_breaker(breaker):
                raise ConnectionResetError
    await trio.testing.wait_all_tasks_blocked()


async def crash(ref: Ref[Any]) -> None:
    """Crash whoever plays behind `ref`, and let everybody come to rest."""
    performer: Any = slot_of(ref).performer
    performer.crash(KeyError("crash"))
    await trio.testing.wait_all_tasks_blocked()


def itself(breakers: Breakers, name: str) -> Ref[Breaker]:
    """Return the ref of a breaker that is not routed: of the slot that it plays in now."""
    supervisor = slot_of(breakers.ref).actor
    assert isinstance(supervisor, BreakerSupervisor)
    found = supervisor.breaker(name)
    assert found is not None
    return found


async def states(breakers: Breakers) -> dict[str, str]:
    return {name: seen.state for name, seen in (await breakers.snapshot()).items()}


# ── one for each ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_is_made_for_each_service_and_model_with_the_first_question(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[str, str | None]] = []

    def noted(service: str, model: str | None) -> BreakerTerms:
        asked.append((service, model))
        return terms_of(service, model)

    async with open_breakers(noted) as breakers:
        assert await states(breakers) == {}
        opus = await breakers.of("anthropic", "opus")
        haiku = await breakers.of("anthropic", "haiku/latest")
        search = await breakers.of("search")
        await breakers.of("anthropic", "opus")
        await fail(opus)
        await check_breaker(haiku)
        await check_breaker(search)
        assert await states(breakers) == {
            "anthropic/opus": "open",
            "anthropic/haiku/latest": "closed",
            "search": "closed",
        }
        with pytest.raises(BreakerOpen, match=r"^breaker 'anthropic/opus' is open; retry after 60 s$"):
            await check_breaker(opus)
        assert [child.id for child in await breakers.ref.ask(BreakerSupervisor.which_children())] == [
            "board",
            "breaker/anthropic/opus",
            "breaker/anthropic/haiku/latest",
            "breaker/search",
        ]
    assert asked == [("anthropic", "opus"), ("anthropic", "haiku/latest"), ("search", None)]
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_any_number_of_first_questions_at_once_make_exactly_one(seed: int) -> None:
    made: list[str] = []

    def noted(service: str, model: str | None) -> BreakerTerms:
        made.append(name_of(service, model))
        return terms_of(service, model)

    async def main() -> None:
        async with open_breakers(noted) as breakers, trio.open_nursery() as nursery:

            async def first(number: int) -> None:
                with trio.CancelScope() as scope:
                    if number % 3 == 0:
                        scope.cancel()  # some are gone before they have their answer
                    breaker = await breakers.of("anthropic", f"model-{number % 2}")
                    async with pass_breaker(breaker) as passing:
                        passing.succeeded()

            for number in range(100):
                nursery.start_soon(first, number)
        assert sorted(made) == ["anthropic/model-0", "anthropic/model-1"]

    run(main, seed=seed)


@pytest.mark.parametrize(
    ("service", "model", "error", "text"),
    [
        ("", None, ValueError, "service must be printable text on one line, got ''"),
        ("a\n", None, ValueError, r"service must be printable text on one line, got 'a\n'"),
        ("a/b", None, ValueError, "service must have no \"/\", got 'a/b'"),
        (7, None, TypeError, "service must be text, got int"),
        ("search", "", ValueError, "model must be printable text on one line, got ''"),
        ("search", 7, TypeError, "model must be text, got int"),
        ("mail", None, LookupError, "there is no service 'mail'"),
    ],
)
async def test_a_name_that_makes_no_sense_or_that_nobody_knows_is_told_to_its_asker(
    service: Any, model: Any, error: type[Exception], text: str, autojump_clock: MockClock
) -> None:
    async with open_breakers(terms_of) as breakers:
        with pytest.raises(error) as caught:
            await breakers.of(service, model)
        assert str(caught.value) == text
        assert await states(breakers) == {}
        assert breakers.ref.statistics().incarnation == 1
    assert autojump_clock.current_time() == 0.0


async def test_terms_that_make_no_sense_are_told_to_whoever_asks_first(autojump_clock: MockClock) -> None:
    def wrong(service: str, _model: str | None) -> Any:
        rules = attrs.evolve(RULES, recovery="health")
        return {} if service == "nothing" else BreakerTerms(rules)

    async with open_breakers(wrong) as breakers:
        with pytest.raises(TypeError, match=r"^terms of 'nothing' must be BreakerTerms, got dict$"):
            await breakers.of("nothing")
        for _ in range(2):
            with pytest.raises(ValueError, match=r"^check must be given where rules.recovery is"):
                await breakers.of("search")
        assert await states(breakers) == {}
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("no"), OSError("no"), RuntimeError("no"), trio.TooSlowError("no")]
)
async def test_what_the_terms_raise_goes_to_the_asker_alone(
    error: Exception, autojump_clock: MockClock
) -> None:
    def moody(service: str, _model: str | None) -> BreakerTerms:
        if service == "search":
            raise error
        return BreakerTerms(RULES)

    async with open_breakers(moody) as breakers:
        store = await breakers.of("store")
        for ask in (breakers.of, breakers.isolate):
            with pytest.raises(type(error), match=r"^no$"):
                await ask("search")
        await check_breaker(store)
        assert await states(breakers) == {"store": "closed"}
        assert breakers.ref.statistics().incarnation == 1
    assert autojump_clock.current_time() == 0.0


async def test_a_name_of_the_wrong_kind_is_refused_by_every_verb(autojump_clock: MockClock) -> None:
    async with open_breakers(terms_of) as breakers:
        verbs: list[Any] = [
            breakers.isolate,
            breakers.disable,
            breakers.observe,
            breakers.release,
            breakers.reset,
        ]
        for verb in verbs:
            with pytest.raises(TypeError, match=r"^name must be text, got int$"):
                await verb(5)
    assert autojump_clock.current_time() == 0.0


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^terms_of must be a plain function, got dict$"):
        BreakerSupervisor({})  # type: ignore[arg-type]  # wrong on purpose

    async def too_late(*_arguments: object) -> Any:
        """Tell it when it is awaited, which nobody does."""

    with pytest.raises(TypeError, match=r"^terms_of must be a plain function, got an async function$"):
        BreakerSupervisor(too_late)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match=r"^on_change must be a plain function, got an async function$"):
        BreakerSupervisor(terms_of, on_change=too_late)
    with pytest.raises(ValueError, match=r"^share must be > 0 and <= 1, got 2$"):
        BreakerSupervisor(terms_of, share=2)
    with pytest.raises(TypeError, match=r"^state must be a BreakersState, got dict$"):
        BreakerSupervisor(terms_of).take_over({})


# ── by hand, one and all ────────────────────────────────────────────────────────────────────────────────────────


async def test_one_is_isolated_before_its_first_call_and_released_again(autojump_clock: MockClock) -> None:
    async with open_breakers(terms_of) as breakers:
        await breakers.isolate("anthropic/opus")
        opus = await breakers.of("anthropic", "opus")
        with pytest.raises(
            BreakerOpen, match=r"^breaker 'anthropic/opus' is isolated, until somebody releases it$"
        ):
            await check_breaker(opus)
        await breakers.reset()
        await breakers.disable("anthropic/opus")
        assert await states(breakers) == {"anthropic/opus": "isolated"}
        await breakers.release("anthropic/opus")
        await check_breaker(opus)
        with pytest.raises(LookupError, match="there is no service 'mail'"):
            await breakers.isolate("mail")
    assert autojump_clock.current_time() == 0.0


async def test_all_are_steered_at_once(autojump_clock: MockClock) -> None:
    async with open_breakers(terms_of) as breakers:
        search, store = await breakers.of("search"), await breakers.of("store")
        await fail(search)
        assert await states(breakers) == {"search": "open", "store": "closed"}
        await breakers.release()  # which lifts nothing that somebody has not set by hand
        assert await states(breakers) == {"search": "open", "store": "closed"}
        for steer, state in (
            (breakers.reset, "closed"),
            (breakers.observe, "observe_only"),
            (breakers.disable, "disabled"),
            (breakers.isolate, "isolated"),
            (breakers.release, "closed"),
        ):
            await steer()
            assert await states(breakers) == {"search": state, "store": state}
        await breakers.observe("store")
        assert await states(breakers) == {"search": "closed", "store": "observe_only"}
        await check_breaker(store)
    assert autojump_clock.current_time() == 0.0


async def test_the_models_of_a_service_do_not_all_open_at_once(autojump_clock: MockClock) -> None:
    changes: list[tuple[str, BreakerChange]] = []
    async with open_breakers(terms_of, on_change=lambda *change: changes.append(change)) as breakers:
        models = [await breakers.of("anthropic", model) for model in ("opus", "sonnet", "haiku")]
        for model in models:
            await fail(model)
        assert list((await states(breakers)).values()) == ["open", "closed", "closed"]
        role = (await breakers.roles())["anthropic"]
        assert (len(role.members), role.out, role.may_be_out, role.denied) == (3, ("anthropic/opus",), 1, 2)
    assert [(name, change.after) for name, change in changes] == [("anthropic/opus", "open")]
    assert autojump_clock.current_time() == 0.0


async def test_the_jitter_of_open_times_is_decided_by_seed_and_name(autojump_clock: MockClock) -> None:
    async def open_time(seed: int, service: str) -> float | None:
        rules = attrs.evolve(RULES, jitter=0.5)
        async with open_breakers(lambda _service, _model: BreakerTerms(rules), seed=seed) as breakers:
            await fail(await breakers.of(service))
            return (await breakers.snapshot())[service].retry_at

    first = await open_time(1, "search")
    assert first == await open_time(1, "search")
    assert len({first, await open_time(2, "search"), await open_time(1, "store")}) == 3
    assert autojump_clock.current_time() == 0.0


# ── over a crash ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_isolated_stays_so_when_its_breaker_crashes_and_when_the_supervisor_does(
    autojump_clock: MockClock,
) -> None:
    async with open_nested() as breakers:
        store, search = await breakers.of("store"), await breakers.of("search")
        await breakers.isolate("store")
        await fail(search)
        for victim in ("store", None, "search", None):
            await crash(breakers.ref if victim is None else itself(breakers, victim))
            assert await states(breakers) == {"store": "isolated", "search": "open"}
            for breaker in (store, search):
                with pytest.raises(BreakerOpen):
                    await check_breaker(breaker)
        assert breakers.ref.statistics().incarnation == 3
        await trio.sleep(60.0)
        async with pass_breaker(search) as passing:
            passing.succeeded()
        assert await states(breakers) == {"store": "isolated", "search": "closed"}
    assert autojump_clock.current_time() == 60.0


async def test_a_ticket_of_before_is_settled_after_the_supervisor_was_restarted(
    autojump_clock: MockClock,
) -> None:
    async with open_nested() as breakers:
        search = await breakers.of("search")
        await fail(search)
        await trio.sleep(60.0)
        async with pass_breaker(search) as passing:
            assert passing.is_probe
            await crash(breakers.ref)
            passing.succeeded()
        assert await states(breakers) == {"search": "closed"}
    assert autojump_clock.current_time() == 60.0


async def test_a_breaker_whose_terms_cannot_be_had_any_more_goes_on_by_those_it_had(
    autojump_clock: MockClock,
) -> None:
    is_down = False

    def moody(service: str, model: str | None) -> BreakerTerms:
        if is_down and service == "search":
            raise OSError("the file is gone")
        return terms_of(service, model)

    with structlog.testing.capture_logs() as page:
        async with open_nested(moody, log=structlog.get_logger()) as breakers:
            search, store = await breakers.of("search"), await breakers.of("store")
            await fail(search)
            is_down = True
            await crash(breakers.ref)
            assert await states(breakers) == {"search": "open", "store": "closed"}
            with pytest.raises(BreakerOpen):
                await check_breaker(search)
            await check_breaker(store)
    failed = [event for event in page if event["event"] == "breaker.terms_failed"]
    assert failed == [
        {
            "event": "breaker.terms_failed",
            "log_level": "error",
            "service": "search",
            "error": "OSError",
        }
    ]
    assert autojump_clock.current_time() == 0.0


async def test_nobody_passes_while_the_supervisor_is_down(autojump_clock: MockClock) -> None:
    async with open_nested(pause=2.0) as breakers:
        search = await breakers.of("search")
        await crash(breakers.ref)
        with pytest.raises(Rejected, match=r"^breaker 'breakers' has ended$"):
            await check_breaker(search)
        await trio.sleep(2.0)
        await trio.testing.wait_all_tasks_blocked()
        await check_breaker(search)
    assert autojump_clock.current_time() == 2.0


async def test_a_role_knows_who_is_out_after_the_supervisor_was_restarted(autojump_clock: MockClock) -> None:
    async with open_nested() as breakers:
        opus, haiku = await breakers.of("anthropic", "opus"), await breakers.of("anthropic", "haiku")
        await fail(opus)
        await crash(breakers.ref)
        assert (await breakers.roles())["anthropic"].out == ("anthropic/opus",)
        await fail(haiku)
        assert await states(breakers) == {"anthropic/opus": "open", "anthropic/haiku": "closed"}
    assert autojump_clock.current_time() == 0.0


async def test_the_supervisor_ends_with_its_breakers(autojump_clock: MockClock) -> None:
    async with open_breakers(terms_of) as breakers:
        search = await breakers.of("search")
        await breakers.stop()
        with pytest.raises(NotDelivered):
            await breakers.of("search")
        with pytest.raises(Rejected):
            await check_breaker(search)
    assert autojump_clock.current_time() == 0.0


def test_what_is_handed_on_is_what_the_breakers_know() -> None:
    supervisor = BreakerSupervisor(terms_of)
    state = BreakersState({}, {})
    supervisor.take_over(state)
    assert supervisor.hand_over() == state
