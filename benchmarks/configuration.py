"""The one configuration under which every workload runs, whatever the provider's mode, and the provider's own habits.

The runtime is told the published limits and how long its callers are patient. It is not told how the limits are
enforced, how long answers take, how long they are, or what goes wrong.
"""

from __future__ import annotations

import attrs
from calls import MAX_TOKENS

from actors.policies.ledger.output_policy import OutputPolicyName
from actors.testing.provider import Latency, ProviderLimits
from supervisors.runtime.service_settings import DEFAULT_SERVICES
from supervisors.runtime.settings import LimitSettings, ProviderSettings, RetrySettings, Settings

MODEL = "claude-sonnet-4-5"

LATENCY = Latency(median=0.6, sigma=0.35, per_output_token=0.012)
"""About 80 tokens a second behind a log-normal start; 1,024 tokens take 13 to 14 s."""

ATTEMPT_TIMEOUT = 30.0
"""Seconds: twice the longest answer. What has not come by then is a hang."""

MARGIN = 0.97
"""The share of every limit that is used, as by default: room for what others spend on the same key."""

OUTPUT: OutputPolicyName = "at_completion"
"""How output is reserved, as by default."""

MAX_QUEUE = 25_000
"""The largest burst, and room."""

MAX_RETRIES = 20
"""A storm of 45 s is outlived even where each wait is drawn short; what fails for good fails for another reason."""

RETRY_INITIAL = 0.5
"""Seconds, the bound of the first wait, as the providers' own clients have it."""

MAX_ELAPSED = 7200.0
"""Seconds: no call is given up for its age alone while it keeps its place in the line."""


def settings_for(
    limits: ProviderLimits,
    patience: float,
    margin: float = MARGIN,
    output: OutputPolicyName = OUTPUT,
) -> Settings:
    """Return the settings of the runtime.

    Args:
        limits: what the provider publishes.
        patience: seconds a call waits for capacity.
        margin: the share of every limit that is used.
        output: how output is reserved.
    """
    # One model, which nobody stands in for, and callers who wait for it: to refuse them while it is down, or for want
    # of a budget, would make calls fail that a cooldown and a retry bring home. Those two are drilled elsewhere.
    services = dict(DEFAULT_SERVICES)
    services["model"] = attrs.evolve(services["model"], breaker="off")
    return Settings(
        provider=ProviderSettings(
            name="simulated", models=(MODEL,), max_tokens=MAX_TOKENS, attempt_timeout=ATTEMPT_TIMEOUT
        ),
        limits=LimitSettings(
            requests=limits.requests,
            input_tokens=limits.input_tokens,
            output_tokens=limits.output_tokens,
            margin=margin,
            output=output,
            max_queue=MAX_QUEUE,
            max_wait=patience,
        ),
        retry=RetrySettings(
            max_retries=MAX_RETRIES, initial=RETRY_INITIAL, max_elapsed=MAX_ELAPSED, budget=0
        ),
        services=services,
    )
