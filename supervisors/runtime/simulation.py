"""The simulated provider as the settings want it, and the promise that it never means a way out of this machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from actors.errors import SettingsError
from actors.testing.provider import ProviderLimits, ServedModel, SimulatedProvider
from actors.testing.reader_model import reader_model
from supervisors.runtime import bad_evening
from supervisors.runtime.setting_fields import shown
from supervisors.runtime.settings import BASE_URL, Settings


def simulated_provider(settings: Settings, *, trouble: bool, seed: int) -> SimulatedProvider:
    """Return a provider that serves the models of the settings, within their limits, by reading what it is sent."""
    limits = settings.limits
    provider = SimulatedProvider(
        limits=ProviderLimits(limits.requests, limits.input_tokens, limits.output_tokens),
        models=tuple(ServedModel(model) for model in settings.provider.models),
        model=reader_model,
        seed=seed,
    )
    if trouble:
        provider.script(*bad_evening.faults(settings))
    return provider


def is_simulated_in_process(settings: Settings) -> bool:
    """Return whether the provider is simulated and nobody said where one is served: it has to be made then.

    Raises:
        SettingsError: a simulated provider is said to be served on another machine, where prompts must not go.
    """
    provider = settings.provider
    if provider.name != "simulated":
        return False
    if provider.base_url == BASE_URL:
        return True
    if not _is_on_this_machine(provider.base_url):
        text = (
            "provider.base_url must be a loopback address (127.0.0.0/8, ::1 or localhost)"
            f" for provider.name 'simulated', got {shown(provider.base_url)}"
        )
        raise SettingsError((text,))
    return False


def _is_on_this_machine(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name, which may lead anywhere
