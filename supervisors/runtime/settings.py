"""Settings of the runtime: every number a person may want to turn, its default, its bound and why.

Read from a TOML file with one table per section, and from the environment, which wins:

    [limits]                        UNDERSTUDY_LIMITS__REQUESTS=40
    requests = 50                   UNDERSTUDY_PROVIDER__MODELS=claude-sonnet-5-5,claude-haiku-5-5
    window = 60.0                   ANTHROPIC_API_KEY=...

Times are seconds on the Trio clock. All that is wrong is told at once, with origin, key, bound and value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import attrs

from actors.call.path import DEFAULT_ATTEMPT_TIMEOUT
from actors.errors import SettingsError
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OUTPUT_POLICIES
from actors.policies.model_chain import READERS_TIER, chain_of
from actors.policies.retry.budget import DEFAULT_CAPACITY
from actors.policies.retry.numbers import PROFILE_NAMES, StrategyName
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import RetryPlan
from supervisors.runtime.service_settings import (
    DegradationSettings,
    ServiceSettings,
    service_contradictions,
    services,
)
from supervisors.runtime.setting_fields import (
    names,
    one_of,
    seconds,
    secret,
    share,
    shown,
    switch,
    web_address,
    whole,
)
from supervisors.runtime.settings_origins import Given, from_environment, from_file
from supervisors.runtime.settings_structure import Contradiction, ContradictionError, known_keys, structure

ALGORITHMS = ("auto", "sliding_window", "token_bucket")
UNIFORM: Final = "uniform"
"""The profile of those who name the numbers themselves."""
RETRY_PROFILES = (UNIFORM, *PROFILE_NAMES)
JITTERS = ("full", "narrow")

PROVIDER = "simulated"
"""Costs nothing, needs no key and no network: the first run of a newcomer succeeds."""
BASE_URL = "https://api.anthropic.com"
"""Anthropic's public address, from its API reference."""
MODELS = chain_of(READERS_TIER)
"""The better judge of prose first; its smaller sibling, with limits of its own, takes over in an overload."""
MAX_TOKENS = 1024
"""A coverage record takes 400 to 700 tokens; what is reserved beyond that is refunded after each call."""
ATTEMPT_TIMEOUT = DEFAULT_ATTEMPT_TIMEOUT
"""1024 tokens at 50 a second take 20 s, and half as much again: what takes longer than that is a dead line."""
HEALTH_CHECKS = True
"""A check costs a handful of tokens, and no caller's call; and it finds out every 30 s, however long the outage."""
OPEN_SHARE = 1.0
"""All: the models of one provider go down together, and to stand in line for the last of them only to hear the same is
worse than to be told at once. Who chains models that fail apart, and has no health checks, keeps one with 0.5."""
HEDGES = False
"""A second copy is paid for as the first is: whoever wants the speed says so."""
CACHE_SECONDS = 0.0
"""Whether an answer may be given twice, the question does not tell."""
STALE_SECONDS = 0.0
"""Nor whether an old answer is better than none."""

REQUESTS = 50
"""Requests a minute of Anthropic's first paid tier."""
INPUT_TOKENS = 30_000
"""Input tokens a minute of the same tier."""
OUTPUT_TOKENS = 8_000
"""Output tokens a minute of the same tier."""
WINDOW = 60.0
"""Providers count by the minute."""
SLACK = 0.5
"""How much later than it left on an open connection a request may be counted: one way across an ocean, one packet
lost, and room."""
MARGIN = 0.97
"""Room for what nobody can foresee: tokens that a provider counts and does not tell, another client between two
answers."""
ALGORITHM = "auto"
"""What is safe under both ways is never wrong; which it is, and what that gives more, is read in the headers."""
OUTPUT = "at_completion"
"""Providers count output as it is produced; what is reserved of it before that lies idle."""
LEARNS = True
"""Limits differ by account and change; the provider's own headers know them."""
MAX_QUEUE = 1000
"""Far more callers than one analysis has; beyond it a caller is better told at once than kept waiting."""
MAX_WAIT = 600.0
"""Ten windows: whoever waits longer for capacity asks for more than the limits can give."""

READERS = ("maya", "colton", "devon")
"""The three readers of the house."""
CONCURRENCY = 2
"""Readers at work at once. With the default limits two long scripts fill the input tokens of a window."""
SECTION_TOKENS = 12_000
"""Input tokens of one section: two fit one window, and a judgement stays close to its scenes."""
LEAST_SECTION_TOKENS = 100
"""The mark of a scene and a speech; below a tenth of that a script could not be cut at all."""
PROMPT_TOKENS = 2000
"""Input tokens around a section, by estimate: persona and form take 900, a list of faults as much again."""
DEADLINE = 3600.0
"""An hour: three readers of 30,000 words take about 5 minutes at the default limits, the rest is spare."""

MAX_RETRIES = 3
"""Waits of at most 1, 2 and 4 s: a passing fault is outlived, a lasting one goes to the next model soon."""
RETRY_INITIAL = 1.0
"""The bound of the first wait; it doubles with each retry, and a fault that needs longer has a factor on it."""
RETRY_CAP = 30.0
"""Longer guesses only add waiting; a server that wants more says so, and is obeyed."""
MAX_ELAPSED = 60.0
"""A minute on one call, as long as a provider's window, then the next model deserves its turn."""
RETRY_BUDGET = DEFAULT_CAPACITY
"""Some fifty retries of a reader's question at once; then one for every ten that succeed at first."""
JITTER = "full"
"""The lowest peak load of the usual forms, when many callers failed together."""
PROFILE = UNIFORM
"""One set of numbers, all of them on this page, does for most."""

RESTARTS = 3
"""Restarts of one child per period, OTP's habit: a passing fault is survived, a lasting one escalates."""
PERIOD = 30.0
"""The window of the restart budget."""
BACKOFF_INITIAL = 0.1
"""Nearly at once: most crashes do not repeat."""
BACKOFF_CAP = 30.0
"""As long as the period: a child that keeps failing spends its budget before it spins."""
GRACE = 5.0
"""Time a child has to stop on its own, OTP's default for workers."""


@attrs.frozen
class ProviderSettings:
    """Who answers the calls.

    Args:
        name: "simulated" (offline, scripted) or "anthropic".
        base_url: root of the provider's API; of a simulated one, a loopback address, or the default for one in process.
        api_key: the secret it knows us by; appears in no repr and no error.
        models: model ids, the preferred one first, the others are fallbacks in order.
        max_tokens: the most output tokens of one answer.
        attempt_timeout: seconds one HTTP exchange may take.
        health_checks: whether a model that is known to be down is asked for one word every 30 s to find out when it is
            up again; otherwise a caller's call is the trial.
        open_share: share of the models that may be given up as down at a time, but always one.
        hedges: whether a call that is slower than 95 in 100 to its first token is sent a second time, within the
            limits and the retry budget, and the first of both answers is taken.
        cache_seconds: seconds for which an answer does for an equal question. 0 to ask each time.
        stale_seconds: seconds beyond these for which it does when every model has failed. 0 for none.
    """

    name: Literal["simulated", "anthropic"] = one_of(PROVIDER, ("simulated", "anthropic"))
    base_url: str = web_address(BASE_URL)
    api_key: str = secret("")
    models: tuple[str, ...] = names(MODELS)
    max_tokens: int = whole(MAX_TOKENS, at_least=1)
    attempt_timeout: float = seconds(ATTEMPT_TIMEOUT, above=0)
    health_checks: bool = switch(HEALTH_CHECKS)
    open_share: float = share(OPEN_SHARE)
    hedges: bool = switch(HEDGES)
    cache_seconds: float = seconds(CACHE_SECONDS, at_least=0)
    stale_seconds: float = seconds(STALE_SECONDS, at_least=0)


@attrs.frozen
class LimitSettings:
    """What the provider lets us spend, and how long a call may wait for its share.

    Args:
        requests: requests per window.
        input_tokens: input tokens per window.
        output_tokens: output tokens per window.
        window: length of the window, seconds.
        slack: seconds a request may be delayed on its way to the provider.
        margin: the share of every limit that is used, above 0, at most 1.
        algorithm: how the provider enforces its limits; "auto" finds out.
        output: how output is reserved before it is known; see the page on limits.
        learns: whether limits are corrected by the headers of answers.
        max_queue: callers that may wait at once.
        max_wait: seconds a call may wait for capacity.
    """

    requests: int = whole(REQUESTS, at_least=1)
    input_tokens: int = whole(INPUT_TOKENS, at_least=1)
    output_tokens: int = whole(OUTPUT_TOKENS, at_least=1)
    window: float = seconds(WINDOW, above=0)
    slack: float = seconds(SLACK, at_least=0)
    margin: float = share(MARGIN)
    algorithm: Literal["auto", "sliding_window", "token_bucket"] = one_of(ALGORITHM, ALGORITHMS)
    output: Literal["at_completion", "estimate", "max_tokens", "learned"] = one_of(OUTPUT, OUTPUT_POLICIES)
    learns: bool = switch(LEARNS)
    max_queue: int = whole(MAX_QUEUE, at_least=0)
    max_wait: float = seconds(MAX_WAIT, at_least=0)

    @property
    def provider(self) -> Limits:
        """What the provider allows, as far as the settings know."""
        return Limits(self.requests, self.input_tokens, self.output_tokens, self.window)

    @property
    def used(self) -> Limits:
        """What of it is used: the margin taken off."""
        return self.provider.scaled(self.margin)


@attrs.frozen
class ReaderSettings:
    """Who reads and how much at once.

    Args:
        names: the readers, in the order of the report.
        concurrency: how many of them work at once.
        section_tokens: input tokens of one section of a script.
        deadline: seconds a whole analysis may take.
    """

    names: tuple[str, ...] = names(READERS)
    concurrency: int = whole(CONCURRENCY, at_least=1)
    section_tokens: int = whole(SECTION_TOKENS, at_least=LEAST_SECTION_TOKENS)
    deadline: float = seconds(DEADLINE, above=0)


@attrs.frozen
class RetrySettings:
    """How often one call is tried again on one model.

    Args:
        max_retries: attempts after the first one.
        initial: seconds, bound of the first wait; doubles with each retry.
        cap: seconds, bound of every wait that we choose ourselves.
        max_elapsed: seconds after which no further attempt starts.
        budget: tokens that the calls of one model, or of one service, may draw for retries, second copies and
            fallbacks; it fills with first successes. 0 for no bound.
        jitter: how a wait is drawn: "full", between none and all of it; or "narrow", a fifth shorter or longer.
        profile: how much trouble an answer is worth. "uniform" for the numbers above, whatever the fault; the others
            have numbers of their own for each sort of fault, in the place of the first four.
    """

    max_retries: int = whole(MAX_RETRIES, at_least=0)
    initial: float = seconds(RETRY_INITIAL, above=0)
    cap: float = seconds(RETRY_CAP, above=0)
    max_elapsed: float = seconds(MAX_ELAPSED, at_least=0)
    budget: int = whole(RETRY_BUDGET, at_least=0)
    jitter: Literal["full", "narrow"] = one_of(JITTER, JITTERS)
    profile: Literal["uniform", "aggressive", "standard", "conservative"] = one_of(PROFILE, RETRY_PROFILES)

    def policy(self, at_most: int | None = None) -> RetryPolicy | RetryPlan:
        """Return when a failed attempt is made again.

        Args:
            at_most: attempts after the first one: of a service that says so itself, in the place of `max_retries`; a
                profile keeps to it as a bound. None for what stands here.
        """
        if self.profile == UNIFORM:
            most = self.max_retries if at_most is None else at_most
            return RetryPolicy(most, self.initial, self.cap, self.max_elapsed, self.jitter)
        policies: dict[StrategyName, RetryPolicy] = {
            name: attrs.evolve(
                policy,
                max_retries=policy.max_retries if at_most is None else min(at_most, policy.max_retries),
                jitter=self.jitter,
            )
            for name, policy in RetryPlan.of(self.profile).policies.items()
        }
        return RetryPlan(policies)


@attrs.frozen
class SupervisionSettings:
    """How crashes are answered.

    Args:
        restarts: restarts of one child within one period.
        period: seconds, the window in which restarts are counted.
        backoff_initial: seconds, the wait before the first restart.
        backoff_cap: seconds, the longest wait before a restart.
        grace: seconds a child has to stop on its own.
    """

    restarts: int = whole(RESTARTS, at_least=0)
    period: float = seconds(PERIOD, above=0)
    backoff_initial: float = seconds(BACKOFF_INITIAL, at_least=0)
    backoff_cap: float = seconds(BACKOFF_CAP, at_least=0)
    grace: float = seconds(GRACE, at_least=0)


@attrs.frozen
class Settings:
    """All settings, section by section; `Settings()` holds every default.

    Raises:
        ContradictionError: two settings that cannot be together, a `ValueError`.
    """

    provider: ProviderSettings = attrs.field(factory=ProviderSettings)
    limits: LimitSettings = attrs.field(factory=LimitSettings)
    readers: ReaderSettings = attrs.field(factory=ReaderSettings)
    retry: RetrySettings = attrs.field(factory=RetrySettings)
    supervision: SupervisionSettings = attrs.field(factory=SupervisionSettings)
    services: Mapping[str, ServiceSettings] = services()
    degradation: DegradationSettings = attrs.field(factory=DegradationSettings)

    def __attrs_post_init__(self) -> None:
        contradictions = tuple(_contradictions(self))
        if contradictions:
            raise ContradictionError(contradictions)

    @classmethod
    def load(
        cls, path: Path | str | None, environ: Mapping[str, str], overrides: Iterable[Given] = ()
    ) -> Settings:
        """Read settings; overrides win over the environment, the environment over the file.

        Args:
            path: a TOML file, or None for none.
            environ: environment variables; `UNDERSTUDY_<SECTION>__<KEY>`, `UNDERSTUDY_SERVICES__<NAME>__<KEY>` and
                `ANTHROPIC_API_KEY` count.
            overrides: values from elsewhere, such as options of a command.

        Raises:
            SettingsError: with a line for each thing that is wrong.
        """
        kinds = known_keys(cls)
        in_file = from_file(Path(path), kinds=kinds) if path is not None else ()
        aliases = {"ANTHROPIC_API_KEY": ("provider", "api_key")}
        around = from_environment(environ, kinds=kinds, aliases=aliases)
        return structure(cls, (*in_file, *around, *overrides))


def _contradictions(settings: Settings) -> Iterator[Contradiction]:
    provider = settings.provider
    if provider.name == "anthropic" and not provider.api_key:
        text = "provider.api_key is needed by provider.name 'anthropic'; set ANTHROPIC_API_KEY"
        yield Contradiction(("provider.name",), text)
    ordered = {
        # A request beyond a whole window's limit can never be sent, however long it waits.
        ("provider.max_tokens", "limits.output_tokens"): (provider.max_tokens, settings.limits.output_tokens),
        ("readers.section_tokens", "limits.input_tokens"): (
            settings.readers.section_tokens,
            settings.limits.input_tokens,
        ),
        ("retry.initial", "retry.cap"): (settings.retry.initial, settings.retry.cap),
        ("supervision.backoff_initial", "supervision.backoff_cap"): (
            settings.supervision.backoff_initial,
            settings.supervision.backoff_cap,
        ),
    }
    for (key, bound), (value, most) in ordered.items():
        if value > most:
            yield Contradiction((key, bound), f"{key} must be <= {bound} ({shown(most)}), got {shown(value)}")
    yield from _left_out_by_the_profile(settings.retry)
    if provider.stale_seconds and not provider.cache_seconds:
        text = f"provider.stale_seconds needs provider.cache_seconds > 0, got {shown(provider.stale_seconds)} and 0"
        yield Contradiction(("provider.stale_seconds", "provider.cache_seconds"), text)
    yield from service_contradictions(settings.services, settings.degradation)


def _left_out_by_the_profile(retry: RetrySettings) -> Iterator[Contradiction]:
    """Yield what is set beside a profile that has numbers of its own: it would have no effect."""
    if retry.profile == UNIFORM:
        return
    for name in ("max_retries", "initial", "cap", "max_elapsed"):
        value = getattr(retry, name)
        if value != attrs.fields_dict(RetrySettings)[name].default:
            text = (
                f"retry.{name} must be left out where retry.profile is {retry.profile!r}, got {shown(value)}"
            )
            yield Contradiction((f"retry.{name}", "retry.profile"), text)


def check_sections_fit(settings: Settings) -> None:
    """Check that a section, asked about once more with its first answer, fits the input tokens of a window.

    Otherwise a reading could fail in the middle, after money was spent.

    Raises:
        SettingsError: it does not fit.
    """
    section, answer, limit = (
        settings.readers.section_tokens,
        settings.provider.max_tokens,
        settings.limits.used.input_tokens or 0,
    )
    if section + answer + PROMPT_TOKENS > limit:
        most = limit - answer - PROMPT_TOKENS
        text = (
            f"readers.section_tokens must be <= {most} to be asked about, with provider.max_tokens {answer} of an"
            f" answer and {PROMPT_TOKENS} of instructions, within {limit}, which is limits.margin of"
            f" limits.input_tokens, got {section}"
        )
        raise SettingsError((text,))
