"""Settings of services: tables by name, what they begin with, and how they can contradict one another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from actors.errors import SettingsError
from actors.policies.breaker.rules import PRESETS
from actors.policies.degradation.burn_rate import BurnRules, rows_of
from actors.policies.degradation.rules import DEFAULT_RULES, LEVELS
from supervisors.runtime.service_settings import (
    DEFAULT_SERVICES,
    LEAST_OBJECTIVE,
    PRESET_NAMES,
    DegradationSettings,
    ServiceSettings,
)
from supervisors.runtime.settings import Settings
from supervisors.runtime.settings_origins import Given
from supervisors.runtime.settings_structure import ContradictionError, known_keys, structure


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    path = folder / "understudy.toml"
    path.write_text(text, encoding="utf-8")
    return Settings.load(path, environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Load `text` and return what is wrong with it, without the folder's name."""
    with pytest.raises(SettingsError) as caught:
        load(folder, text, environ)
    return [problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems]


def test_five_services_are_there_by_default() -> None:
    assert dict(Settings().services) == {
        "search": ServiceSettings("search", None, None, 3, 30.0, (), "medium"),
        "memory": ServiceSettings("stores", None, None, 3, 30.0, (), "medium"),
        "stores": ServiceSettings("stores", None, None, 3, 30.0, (), "high"),
        "model": ServiceSettings("model", None, None, 3, 30.0, (), "high"),
        "chat": ServiceSettings("chat", None, None, 3, 30.0, (), "critical"),
    }


def test_what_is_the_models_own_is_not_set_as_of_any_service(tmp_path: Path) -> None:
    text = """
        [services.model]
        max_retries = 5
        timeout = 10
        fallback = ["search"]
    """

    assert problems(tmp_path, text) == [
        "understudy.toml: services.model.max_retries must be left out; retry.max_retries is that of models, got 5",
        (
            "understudy.toml: services.model.timeout must be left out; "
            "provider.attempt_timeout is that of models, got 10.0"
        ),
    ]


def test_the_presets_are_those_of_the_breakers() -> None:
    assert tuple(PRESETS) == PRESET_NAMES


def test_the_levels_are_those_of_the_rules_and_each_has_a_service() -> None:
    settings = Settings().degradation
    assert dict(settings.levels) == dict(LEVELS)
    assert (settings.up_after, settings.down_after) == (DEFAULT_RULES.up_after, DEFAULT_RULES.down_after)
    assert BurnRules(settings.objective, rows_of(settings.period)) == DEFAULT_RULES.burn
    assert Settings().degradation == DegradationSettings(
        ("search",), ("memory",), ("stores",), ("model", "chat"), 5.0, 60.0, 0.99, 86_400.0
    )


def test_a_table_changes_what_it_names_of_the_default_of_its_name(tmp_path: Path) -> None:
    services = load(tmp_path, "[services.stores]\ntimeout = 5\nfailures = 7").services

    assert services["stores"] == ServiceSettings(breaker="stores", failures=7, timeout=5.0, priority="high")
    assert isinstance(services["stores"].timeout, float)
    assert {**services, "stores": None} == {**DEFAULT_SERVICES, "stores": None}


def test_a_service_of_one_s_own_begins_with_the_defaults_of_any(tmp_path: Path) -> None:
    services = load(tmp_path, '[services.weather]\n[services.maps]\nbreaker = "chat"').services

    assert services["weather"] == ServiceSettings()
    assert services["maps"] == ServiceSettings(breaker="chat")
    assert list(services) == ["search", "memory", "stores", "model", "chat", "weather", "maps"]


def test_the_environment_names_a_service_between_section_and_key(tmp_path: Path) -> None:
    environ = {
        "UNDERSTUDY_SERVICES__SEARCH__TIMEOUT": "7",
        "UNDERSTUDY_SERVICES__SEARCH__FALLBACK": "search_b, stores",
        "UNDERSTUDY_SERVICES__SEARCH_B__FAILURES": "2",
        "UNDERSTUDY_SERVICES__SEARCH_B__COOLDOWN": "1.5",
        "UNDERSTUDY_SERVICES__SEARCH_B__BREAKER": "chat",
        "UNDERSTUDY_DEGRADATION__SEARCH_DEGRADED": "search,search_b",
        "UNDERSTUDY_DEGRADATION__OBJECTIVE": "0.95",
    }
    settings = load(tmp_path, "[services.search]\ntimeout = 5\nmax_retries = 1", environ)

    assert settings.services["search"] == ServiceSettings(
        max_retries=1, timeout=7.0, fallback=("search_b", "stores")
    )
    assert settings.services["search_b"] == ServiceSettings(breaker="chat", failures=2, cooldown=1.5)
    assert settings.degradation.levels["search_b"] == 1
    assert settings.degradation.objective == 0.95


def test_overrides_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "understudy.toml"
    path.write_text("[services.search]\ntimeout = 1\nmax_retries = 1\nfailures = 1\n", encoding="utf-8")
    environ = {"UNDERSTUDY_SERVICES__SEARCH__TIMEOUT": "2", "UNDERSTUDY_SERVICES__SEARCH__MAX_RETRIES": "2"}

    search = Settings.load(
        path, environ, [Given(("services", "search", "timeout"), 3, "--timeout")]
    ).services["search"]

    assert (search.timeout, search.max_retries, search.failures) == (3.0, 2, 1)


def test_all_that_is_wrong_with_services_is_told_at_once(tmp_path: Path) -> None:
    text = """
        [limits]
        requests = 0
        [services.search]
        breaker = "seach"
        failures = 0
        cooldown = 0
        max_retries = -1
        timeout = "soon"
        fallback = "stores"
        priority = "urgent"
        [services.weather]
        failures = 2.5
        timout = 5
        [services.Maps]
        timeout = 5
        [services]
        chat = 5
        [degradation]
        critical = ["a", "a"]
        up_after = -1
        objective = 0.9
    """
    environ = {"UNDERSTUDY_SERVICES__MODEL__COOLDOWN": "inf", "UNDERSTUDY_SERVICES__STORES__WINDOW": "5"}

    assert problems(tmp_path, text, environ) == [
        "understudy.toml: limits.requests must be >= 1, got 0",
        (
            "understudy.toml: services.search.breaker must be 'search' or 'stores' or 'model' or 'chat' or"
            " 'off', got 'seach'"
        ),
        "understudy.toml: services.search.failures must be >= 1, got 0",
        "understudy.toml: services.search.cooldown must be > 0, got 0",
        "understudy.toml: services.search.max_retries must be >= 0, got -1",
        "understudy.toml: services.search.timeout must be a number of seconds, got 'soon'",
        "understudy.toml: services.search.fallback must be a list of names, got 'stores'",
        (
            "understudy.toml: services.search.priority must be 'low' or 'medium' or 'high' or 'critical',"
            " got 'urgent'"
        ),
        "understudy.toml: services.weather.failures must be a whole number, got 2.5",
        (
            "understudy.toml: services.weather.timout is not a setting;"
            " the nearest is services.weather.timeout"
        ),
        "understudy.toml: services.Maps must be named by small letters, digits and single _ between them",
        "understudy.toml: services.chat must be a table, got 5",
        (
            "UNDERSTUDY_SERVICES__MODEL__COOLDOWN: services.model.cooldown must be a finite number of seconds,"
            " got inf"
        ),
        (
            "UNDERSTUDY_SERVICES__STORES__WINDOW: services.stores.window is not a setting;"
            " the nearest is limits.window"
        ),
        "understudy.toml: degradation.critical must name each once, got 'a' twice",
        "understudy.toml: degradation.up_after must be >= 0, got -1",
        "understudy.toml: degradation.objective must be > 0.9286 and < 1, got 0.9",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "UNDERSTUDY_SERVICES__SEARCH__TIMOUT",
            "services.search.timout is not a setting; the nearest is services.search.timeout",
        ),
        ("UNDERSTUDY_SERVICES__SEARCH_TIMEOUT", "services.search_timeout must be a table, got text"),
        ("UNDERSTUDY_SERVICES_SEARCH__TIMEOUT", "services_search.timeout is not a setting; the nearest is "),
        ("UNDERSTUDY_SERVICES_SEARCH_TIMEOUT", "services_search_timeout is not a setting; the nearest is "),
    ],
)
def test_a_slip_in_a_variable_s_name_is_told_too(name: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(None, {name: "4"})

    (line,) = caught.value.problems
    assert line.startswith(f"{name}: {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services = 5", "understudy.toml: services must be a table, got 5"),
        ("[[services]]\n", "understudy.toml: services must be a table, got a list"),
        ("[[services.search]]\n", "understudy.toml: services.search must be a table, got a list"),
        (
            '[services."a b"]\n',
            "understudy.toml: services.a b must be named by small letters, digits and single _ between them",
        ),
        (
            '[services."a\\nb"]\ntimeout = 1',
            r"understudy.toml: services.'a\nb' must be named by small letters, digits and single _ between them",
        ),
        (
            "[services.a__b]\n",
            "understudy.toml: services.a__b must be named by small letters, digits and single _ between them",
        ),
        (
            "[services.search.timeout]\nx = 1",
            "services.search.timeout must be a number of seconds, got a table",
        ),
    ],
)
def test_a_table_of_the_wrong_shape_is_told(tmp_path: Path, text: str, told: str) -> None:
    (line,) = problems(tmp_path, text)
    assert line.removeprefix("understudy.toml: ") == told.removeprefix("understudy.toml: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[services.search]\nfallback = ["serch"]',
            ["understudy.toml: services.search.fallback must name services, got 'serch', which is none"],
        ),
        (
            '[services.search]\nfallback = ["search"]',
            ["understudy.toml: services.search.fallback must name other services, got 'search' itself"],
        ),
        (
            (
                '[services.stores]\nfallback = ["search"]\n[services.search]\nfallback = ["memory"]\n'
                '[services.memory]\nfallback = ["stores"]'
            ),
            [
                (
                    "understudy.toml: services.search.fallback must not lead back to itself,"
                    " got search -> memory -> stores -> search"
                )
            ],
        ),
        (
            (
                '[services.stores]\nfallback = ["search"]\n[services.search]\nfallback = ["stores"]\n'
                '[services.chat]\nfallback = ["model", "weather"]\n[services.model]\nfallback = ["chat"]'
            ),
            [
                "understudy.toml: services.chat.fallback must name services, got 'weather', which is none",
                (
                    "understudy.toml: services.search.fallback must not lead back to itself,"
                    " got search -> stores -> search"
                ),
                (
                    "understudy.toml: services.model.fallback must not lead back to itself,"
                    " got model -> chat -> model"
                ),
            ],
        ),
        (
            '[degradation]\nsearch_degraded = ["serch"]',
            ["understudy.toml: degradation.search_degraded must name services, got 'serch', which is none"],
        ),
        (
            '[degradation]\ncritical = ["model", "search"]',
            [
                (
                    "understudy.toml: degradation.critical must name services that no other level does,"
                    " got 'search' as in degradation.search_degraded"
                )
            ],
        ),
    ],
)
def test_services_that_contradict_one_another_are_told(tmp_path: Path, text: str, told: list[str]) -> None:
    assert problems(tmp_path, text) == told


def test_a_contradiction_names_every_origin(tmp_path: Path) -> None:
    text = '[services.search]\nfallback = ["stores"]'
    environ = {"UNDERSTUDY_SERVICES__STORES__FALLBACK": "search"}

    assert problems(tmp_path, text, environ) == [
        (
            "understudy.toml and UNDERSTUDY_SERVICES__STORES__FALLBACK: services.search.fallback must not lead back to"
            " itself, got search -> stores -> search"
        )
    ]


def test_a_service_may_be_reached_on_two_ways(tmp_path: Path) -> None:
    text = '[services.chat]\nfallback = ["search", "stores"]\n[services.search]\nfallback = ["stores"]'
    assert load(tmp_path, text).services["chat"].fallback == ("search", "stores")


def test_in_code_the_services_are_those_that_are_given() -> None:
    nothing = DegradationSettings((), (), (), ())
    settings = Settings(services={"weather": ServiceSettings()}, degradation=nothing)
    assert dict(settings.services) == {"weather": ServiceSettings()}
    with pytest.raises(TypeError):
        cast("dict[str, Any]", settings.services)["maps"] = ServiceSettings()
    with pytest.raises(
        ContradictionError, match=r"degradation\.critical must name services, got 'model', which"
    ):
        Settings(services={"weather": ServiceSettings()})


@pytest.mark.parametrize(
    ("services", "told"),
    [
        (5, "services must be tables by name, got 5"),
        (
            {"A": ServiceSettings()},
            "services must be named by small letters, digits and single _ between them, got 'A'",
        ),
        (
            {5: ServiceSettings()},
            "services must be named by small letters, digits and single _ between them, got 5",
        ),
        ({"search": {}}, "services must be of ServiceSettings, got a table"),
    ],
)
def test_code_that_gives_no_services_is_told(services: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Settings(services=services)
    assert str(caught.value) == told


def test_a_whole_mapping_given_in_one_piece_is_taken_and_not_changed() -> None:
    table = {"search": {"timeout": 5}}
    given = [Given(("services",), table, "code"), Given(("services", "search", "failures"), 2, "more code")]

    assert structure(Settings, given).services["search"] == ServiceSettings(timeout=5.0, failures=2)
    assert table == {"search": {"timeout": 5}}


def test_the_page_on_degrading_shows_settings_that_hold(tmp_path: Path) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "how-to", "degrade.md").read_text("utf-8")
    settings = load(tmp_path, page.split("```toml\n")[1].split("```")[0])
    assert settings.services["search"].fallback == ("search_b",)
    assert (settings.services["search_b"].failures, settings.degradation.memory_degraded) == (2, ())


def test_the_known_keys_of_services_are_those_of_any() -> None:
    keys = [path for path in known_keys(Settings) if path[0] == "services"]
    assert keys[0] == ("services", "<name>", "breaker")
    assert len(keys) == 8


def test_the_least_objective_is_the_least_that_the_burn_rules_take() -> None:
    BurnRules(LEAST_OBJECTIVE, rows_of(60.0))
    with pytest.raises(ValueError, match="factor"):
        BurnRules(LEAST_OBJECTIVE - 0.0001, rows_of(60.0))


@pytest.mark.parametrize(
    ("objective", "told"),
    [("1", "> 0.9286 and < 1, got 1"), ("nan", "> 0.9286 and < 1, got nan"), ("'x'", "a number, got 'x'")],
)
def test_an_objective_is_between_its_bounds(tmp_path: Path, objective: str, told: str) -> None:
    assert problems(tmp_path, f"[degradation]\nobjective = {objective}") == [
        f"understudy.toml: degradation.objective must be {told}"
    ]
