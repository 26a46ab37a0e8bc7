"""Settings: what counts, what wins, and how all that is wrong is told at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import SettingsError
from actors.policies.ledger.limits import Limits
from actors.policies.retry.retry import RetryPolicy
from actors.policies.retry.strategies import PROFILES, RetryPlan
from supervisors.runtime.setting_fields import shown
from supervisors.runtime.settings import (
    LimitSettings,
    ProviderSettings,
    ReaderSettings,
    RetrySettings,
    Settings,
    SupervisionSettings,
    check_sections_fit,
)
from supervisors.runtime.settings_origins import ANY_NAME, Given
from supervisors.runtime.settings_structure import ContradictionError, known_keys, structure

KEY = "sk-ant-very-secret"


def write(folder: Path, text: str) -> Path:
    path = folder / "understudy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Load `text` and return what is wrong with it, without the folder's name."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(write(folder, text), environ or {})
    return [problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems]


def test_without_a_file_and_an_environment_every_default_holds() -> None:
    settings = Settings.load(None, {})

    assert settings == Settings()
    assert settings.provider == ProviderSettings(
        name="simulated",
        base_url="https://api.anthropic.com",
        api_key="",
        models=("claude-sonnet-5-5", "claude-haiku-5-5"),
        max_tokens=1024,
        attempt_timeout=30.0,
        health_checks=True,
        open_share=1.0,
        hedges=False,
        cache_seconds=0.0,
        stale_seconds=0.0,
    )
    assert settings.limits == LimitSettings(
        requests=50,
        input_tokens=30_000,
        output_tokens=8_000,
        window=60.0,
        slack=0.5,
        margin=0.97,
        algorithm="auto",
        output="at_completion",
        learns=True,
        max_queue=1000,
        max_wait=600.0,
    )
    assert settings.readers == ReaderSettings(("maya", "colton", "devon"), 2, 12_000, 3600.0)
    assert settings.retry == RetrySettings(3, 1.0, 30.0, 60.0, 100_000, "full", "uniform")
    assert settings.supervision == SupervisionSettings(3, 30.0, 0.1, 30.0, 5.0)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert Settings.load(write(tmp_path, ""), {}) == Settings()


def test_an_empty_table_changes_nothing(tmp_path: Path) -> None:
    assert Settings.load(write(tmp_path, "[limits]\n"), {"UNDERSTUDY_LIMITS__REQUESTS": "7"}) == Settings(
        limits=LimitSettings(requests=7)
    )


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, '[limits]\nrequests = 40\nwindow = 30\n[readers]\nnames = ["maya"]\n')

    settings = Settings.load(path, {})

    assert settings.limits == LimitSettings(requests=40, window=30.0)
    assert isinstance(settings.limits.window, float)
    assert settings.readers == ReaderSettings(names=("maya",))


def test_a_file_may_open_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf[limits]\nrequests = 4\n")

    assert Settings.load(path, {}).limits.requests == 4


def test_the_environment_wins_over_the_file_and_overrides_win_over_both(tmp_path: Path) -> None:
    path = write(tmp_path, "[limits]\nrequests = 1\nmax_queue = 1\nslack = 1.0\n")
    environ = {"UNDERSTUDY_LIMITS__REQUESTS": "2", "UNDERSTUDY_LIMITS__MAX_QUEUE": "2"}

    limits = Settings.load(path, environ, [Given(("limits", "requests"), 3, "--requests")]).limits

    assert (limits.requests, limits.max_queue, limits.slack) == (3, 2, 1.0)


def test_the_environment_is_converted_to_the_kind_of_each_key() -> None:
    settings = Settings.load(
        None,
        {
            "UNDERSTUDY_PROVIDER__MODELS": " opus , haiku,",
            "UNDERSTUDY_PROVIDER__BASE_URL": "http://127.0.0.1:8080/v1",
            "UNDERSTUDY_LIMITS__REQUESTS": "40",
            "UNDERSTUDY_LIMITS__WINDOW": "1e1",
            "UNDERSTUDY_READERS__NAMES": "devon",
        },
    )

    assert settings.provider.models == ("opus", "haiku")
    assert settings.provider.base_url == "http://127.0.0.1:8080/v1"
    assert settings.limits.requests == 40
    assert settings.limits.window == 10.0
    assert settings.readers.names == ("devon",)


def test_a_variable_set_to_nothing_counts_as_not_set() -> None:
    environ = {"UNDERSTUDY_LIMITS__REQUESTS": " ", "ANTHROPIC_API_KEY": ""}

    assert Settings.load(None, environ) == Settings()


def test_foreign_variables_and_the_debug_switch_are_passed_by() -> None:
    assert (
        Settings.load(None, {"PATH": "/bin", "UNDERSTUDY_DEBUG": "1", "LIMITS__REQUESTS": "x"}) == Settings()
    )


def test_the_api_key_comes_from_its_usual_variable_and_ours_wins() -> None:
    usual = {"ANTHROPIC_API_KEY": f" {KEY}\n"}

    assert Settings.load(None, usual).provider.api_key == KEY
    assert Settings.load(None, usual | {"UNDERSTUDY_PROVIDER__API_KEY": "ours"}).provider.api_key == "ours"


def test_the_api_key_shows_in_no_repr() -> None:
    assert KEY not in repr(Settings.load(None, {"ANTHROPIC_API_KEY": KEY}))
    assert KEY not in repr(Given(("provider", "api_key"), KEY, "somewhere"))


@pytest.mark.parametrize(
    "text",
    [
        f'provider = "{KEY}"',
        f'[provider]\napi_key = ["{KEY}"]',
        f'[provider]\napi_key = "{KEY} "',
        f'[provider]\napi_kye = "{KEY}"',
        f'[provider]\nbase_url = "https://user:{KEY}@host"',
        f'[provider]\nbase_url = "https://host?key={KEY}"',
        f'[povider]\napi_key = "{KEY}"',
        f'api_key = "{KEY}"',
        f'[provider]\napi_key = "{KEY}"\nmax_tokens = 0',
        f'[provider]\napi_key = "{KEY}',
    ],
)
def test_the_api_key_shows_in_no_error_wherever_it_was_put(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(write(tmp_path, text), {})

    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_that_is_wrong_is_told_at_once_with_origin_key_bound_and_value(tmp_path: Path) -> None:
    text = """
        [provider]
        name = "openai"
        base_url = "ftp://host"
        models = []
        api_key = 5
        [limits]
        requests = "5"
        input_tokens = 5.9
        output_tokens = true
        window = 0
        max_queue = -1
        [readers]
        names = "maya"
        [retry]
        initial = nan
        max_elapsed = -0.5
        [supervision]
        restarts = [3]
        period = {}
    """
    environ = {"UNDERSTUDY_LIMITS__SLACK": "soon", "UNDERSTUDY_READERS__DEADLINE": "inf"}

    assert problems(tmp_path, text, environ) == [
        "understudy.toml: provider.name must be 'simulated' or 'anthropic', got 'openai'",
        "understudy.toml: provider.base_url must be an http or https address, got 'ftp://host'",
        "understudy.toml: provider.api_key must be text",
        "understudy.toml: provider.models must hold at least 1 name, got none",
        "understudy.toml: limits.requests must be a whole number, got '5'",
        "understudy.toml: limits.input_tokens must be a whole number, got 5.9",
        "understudy.toml: limits.output_tokens must be a whole number, got true",
        "understudy.toml: limits.window must be > 0, got 0",
        "UNDERSTUDY_LIMITS__SLACK: limits.slack must be a number of seconds, got 'soon'",
        "understudy.toml: limits.max_queue must be >= 0, got -1",
        "understudy.toml: readers.names must be a list of names, got 'maya'",
        "UNDERSTUDY_READERS__DEADLINE: readers.deadline must be a finite number of seconds, got inf",
        "understudy.toml: retry.initial must be a finite number of seconds, got nan",
        "understudy.toml: retry.max_elapsed must be >= 0, got -0.5",
        "understudy.toml: supervision.restarts must be a whole number, got a list",
        "understudy.toml: supervision.period must be a number of seconds, got a table",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[limits]\nreqests = 4", "limits.reqests is not a setting; the nearest is limits.requests"),
        (
            "[limits]\nmax_retries = 4",
            "limits.max_retries is not a setting; the nearest is retry.max_retries",
        ),
        ("[limts]\nrequests = 4", "limts.requests is not a setting; the nearest is limits.requests"),
        ("[limts]", "limts is not a setting; the nearest is limits"),
        ("requests = 4", "requests is not a setting; the nearest is limits.requests"),
        ("zzz = 4", "zzz is not a setting; the nearest is "),
        ('[limits]\n"a\\nb" = 4', r"'limits.a\nb' is not a setting; the nearest is "),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, problem: str) -> None:
    (told,) = problems(tmp_path, text)

    assert told.startswith(f"understudy.toml: {problem}")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("UNDERSTUDY_LIMITS__REQESTS", "limits.reqests is not a setting; the nearest is limits.requests"),
        ("UNDERSTUDY_LIMITS_REQUESTS", "limits_requests is not a setting; the nearest is limits.requests"),
        ("UNDERSTUDY_A__B__C", "a.b__c is not a setting; the nearest is "),
    ],
)
def test_a_slip_in_a_variable_s_name_is_told(name: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(None, {name: "4"})

    (told,) = caught.value.problems
    assert told.startswith(f"{name}: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limits = 5", "understudy.toml: limits must be a table, got 5"),
        ("[[limits]]\nrequests = 5", "understudy.toml: limits must be a table, got a list"),
        (
            "[readers]\nnames = ['a', 5]",
            "understudy.toml: readers.names must be a list of names, got 5 in it",
        ),
        (
            "[readers]\nnames = ['a', '']",
            "understudy.toml: readers.names must be a list of names, got '' in it",
        ),
        (
            "[readers]\nnames = ['a', 'a']",
            "understudy.toml: readers.names must name each once, got 'a' twice",
        ),
        (
            "[provider]\nbase_url = 5",
            "understudy.toml: provider.base_url must be an http or https address, got 5",
        ),
        (
            "[provider]\nbase_url = 'https://host:port'",
            "understudy.toml: provider.base_url must be an http or https address, got 'https://host:port'",
        ),
        (
            "[provider]\nbase_url = 'https://a b'",
            "understudy.toml: provider.base_url must be an http or https address, got 'https://a b'",
        ),
        (
            "[provider]\nbase_url = 'https://a@b'",
            "understudy.toml: provider.base_url must hold no user, query or fragment",
        ),
    ],
)
def test_a_value_of_the_wrong_shape_is_told(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_section_that_is_no_table_hides_what_the_environment_says_of_it(tmp_path: Path) -> None:
    told = problems(tmp_path, "limits = 5", {"UNDERSTUDY_LIMITS__REQUESTS": "4"})

    assert told == ["understudy.toml: limits must be a table, got 5"]


def test_settings_that_contradict_one_another_are_told_with_every_origin(tmp_path: Path) -> None:
    text = """
        [provider]
        name = "anthropic"
        max_tokens = 9000
        [readers]
        section_tokens = 40000
        [retry]
        initial = 40
        [supervision]
        backoff_cap = 0.05
    """

    assert problems(tmp_path, text, {"UNDERSTUDY_LIMITS__OUTPUT_TOKENS": "8500"}) == [
        "understudy.toml: provider.api_key is needed by provider.name 'anthropic'; set ANTHROPIC_API_KEY",
        (
            "understudy.toml and UNDERSTUDY_LIMITS__OUTPUT_TOKENS: "
            "provider.max_tokens must be <= limits.output_tokens (8500), got 9000"
        ),
        "understudy.toml: readers.section_tokens must be <= limits.input_tokens (30000), got 40000",
        "understudy.toml: retry.initial must be <= retry.cap (30.0), got 40.0",
        "understudy.toml: supervision.backoff_initial must be <= supervision.backoff_cap (0.05), got 0.1",
    ]


def test_code_that_makes_contradicting_settings_gets_a_value_error() -> None:
    with pytest.raises(
        ContradictionError, match=r"^retry\.initial must be <= retry\.cap \(1\.0\), got 2\.0$"
    ):
        Settings(retry=RetrySettings(initial=2.0, cap=1.0))


def test_without_a_profile_every_fault_is_met_by_the_numbers_of_the_settings() -> None:
    retry = RetrySettings(5, 2.0, 20.0, 90.0, jitter="narrow")

    assert retry.policy() == RetryPolicy(5, 2.0, 20.0, 90.0, "narrow")
    assert retry.policy(at_most=7) == RetryPolicy(7, 2.0, 20.0, 90.0, "narrow")


def test_a_profile_has_numbers_of_its_own_for_each_sort_of_fault(tmp_path: Path) -> None:
    retry = Settings.load(write(tmp_path, '[retry]\nprofile = "aggressive"\njitter = "narrow"'), {}).retry
    plan, bounded = retry.policy(), retry.policy(at_most=6)

    assert RetrySettings(profile="conservative").policy() == PROFILES["conservative"]
    assert isinstance(plan, RetryPlan)
    assert isinstance(bounded, RetryPlan)
    assert plan.policies["critical"] == RetryPolicy(8, 0.25, 15.0, 180.0, "narrow")
    assert {name: policy.max_retries for name, policy in bounded.policies.items()} == {
        "transient": 5,
        "rate_limited": 6,
        "critical": 6,
        "none": 0,
    }


def test_numbers_beside_a_profile_that_has_its_own_are_refused(tmp_path: Path) -> None:
    text = """
        [retry]
        profile = "standard"
        max_retries = 5
        cap = 10
    """

    assert problems(tmp_path, text) == [
        "understudy.toml: retry.max_retries must be left out where retry.profile is 'standard', got 5",
        "understudy.toml: retry.cap must be left out where retry.profile is 'standard', got 10.0",
    ]


def test_an_old_answer_wants_a_cache_that_keeps_it(tmp_path: Path) -> None:
    assert problems(tmp_path, "[provider]\nstale_seconds = 60") == [
        "understudy.toml: provider.stale_seconds needs provider.cache_seconds > 0, got 60.0 and 0"
    ]


def test_code_gets_the_same_words_as_a_file() -> None:
    with pytest.raises(ValueError, match=r"^requests must be >= 1, got 0$"):
        LimitSettings(requests=0)
    with pytest.raises(TypeError, match=r"^requests must be a whole number, got '5'$"):
        LimitSettings(requests=cast("int", "5"))


def test_a_value_on_its_bound_is_taken() -> None:
    assert LimitSettings(requests=1, slack=0.0, max_queue=0).requests == 1


def test_a_time_no_float_can_hold_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, f"[limits]\nwindow = {'9' * 400}\nslack = -{'9' * 400}\n") == [
        "understudy.toml: limits.window must be a finite number of seconds, got inf",
        "understudy.toml: limits.slack must be a finite number of seconds, got -inf",
    ]


def test_what_was_given_is_not_changed() -> None:
    table: dict[str, object] = {}

    structure(Settings, [Given(("limits",), table, "file"), Given(("limits", "requests"), 7, "variable")])

    assert table == {}


def test_a_provider_with_its_key_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path, "[provider]\nname = 'anthropic'\n")

    assert Settings.load(path, {"ANTHROPIC_API_KEY": KEY}).provider.name == "anthropic"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[limits]\nrequests = \n", "is not TOML: invalid value in line 2, column 12"),
        ("[limits]\nrequests = 'a", 'is not TOML: expected "\'" in line 2, the last one'),
        (f"x = {'9' * 5000}", "is not usable TOML: valueerror"),
        (f"x = {'[' * 5000}", "is not usable TOML: recursionerror"),
    ],
)
def test_a_file_that_is_not_toml_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [f"understudy.toml: {problem}"]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    with pytest.raises(SettingsError) as caught:
        Settings.load(path, {})

    assert caught.value.problems == (f"{path}: cannot be read: no such file or directory",)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: is a directory"):
        Settings.load(tmp_path, {})


def test_a_name_no_file_can_have_is_told() -> None:
    with pytest.raises(SettingsError, match="cannot be read: embedded null byte"):
        Settings.load(Path("a\0b"), {})


def test_a_file_that_is_not_text_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[limits]\n# caf\xe9\n")

    with pytest.raises(SettingsError) as caught:
        Settings.load(path, {})

    assert caught.value.problems == (f"{path}: must be UTF-8 text, is not in line 2",)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(Path("/dev/zero"), {})

    assert caught.value.problems == ("/dev/zero: must be <= 1048576 bytes, got more",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "false"),
        (1 << 100, "a whole number of 101 bits"),
        ("x" * 100, "'" + "x" * 59 + "..."),
        ("a\x1b[31mb", r"'a\x1b[31mb'"),
        ((1,), "a list"),
        ({}, "a table"),
        (object(), "a object"),
    ],
)
def test_a_wrong_value_is_shown_in_one_short_harmless_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_every_setting_has_its_default_within_its_own_bounds() -> None:
    for section in attrs.fields(Settings):
        default = getattr(Settings(), section.name)
        for table in default.values() if isinstance(default, Mapping) else [default]:
            attrs.validate(table)


def test_a_fault_in_a_class_of_settings_is_not_taken_for_a_wrong_setting() -> None:
    @attrs.frozen
    class Faulty:
        limits: LimitSettings = attrs.field(factory=LimitSettings)

        def __attrs_post_init__(self) -> None:
            raise LookupError("a fault of ours")

    with pytest.raises(LookupError, match="a fault of ours"):
        structure(Faulty, [])


def outcome_of(load: Callable[[], Settings]) -> Settings | tuple[str, ...]:
    """Return the settings or the problems, at least one; anything else that is raised fails the test."""
    try:
        return load()
    except SettingsError as error:
        return error.problems


scalars = (
    st.booleans()
    | st.integers()
    | st.integers(min_value=1 << 70, max_value=1 << 20_000)
    | st.floats()
    | st.text()
    | st.none()
    | st.dates()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
known = sorted(known_keys(Settings))
sections = st.sampled_from(sorted({path[0] for path in known})) | st.text()
services = st.sampled_from(["search", "weather", ANY_NAME]) | st.text()
keys = st.sampled_from(sorted({path[-1] for path in known})) | st.text()
paths = st.sampled_from(known) | st.sampled_from(
    [(path[0], "search", path[-1]) for path in known if len(path) > 2]
)
givens = st.builds(
    Given,
    st.tuples(sections) | st.tuples(sections, keys) | st.tuples(sections, services, keys) | paths,
    values,
    st.text(),
)


@given(st.lists(givens))
def test_anything_as_settings_gives_settings_or_one_error_of_lines(given: list[Given]) -> None:
    outcome = outcome_of(lambda: structure(Settings, given))

    assert isinstance(outcome, Settings) or all(problem.strip() for problem in outcome)


@given(
    st.dictionaries(
        paths.map(lambda path: f"UNDERSTUDY_{'__'.join(path)}".upper())
        | st.text().map("UNDERSTUDY_".__add__)
        | st.just("ANTHROPIC_API_KEY"),
        st.text() | st.integers().map(str) | st.floats().map(str),
    )
)
def test_any_environment_gives_settings_or_one_error_of_lines(environ: dict[str, str]) -> None:
    assert outcome_of(lambda: Settings.load(None, environ))


@given(st.text())
def test_any_text_in_a_file_gives_settings_or_one_error_of_lines(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    assert outcome_of(lambda: Settings.load(path, {}))


def test_a_section_must_leave_room_for_what_is_asked_about_it() -> None:
    def settings(section: int) -> Settings:
        return Settings(
            readers=ReaderSettings(section_tokens=section), limits=LimitSettings(input_tokens=10_000)
        )

    check_sections_fit(settings(6676))
    with pytest.raises(SettingsError) as caught:
        check_sections_fit(settings(6677))
    assert str(caught.value) == (
        "readers.section_tokens must be <= 6676 to be asked about, with provider.max_tokens 1024 of an answer"
        " and 2000 of instructions, within 9700, which is limits.margin of limits.input_tokens, got 6677"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("margin = 0", "limits.margin must be > 0 and <= 1, got 0"),
        ("margin = 1.01", "limits.margin must be > 0 and <= 1, got 1.01"),
        ("margin = nan", "limits.margin must be > 0 and <= 1, got nan"),
        ('margin = "much"', "limits.margin must be a number, got 'much'"),
        ("margin = true", "limits.margin must be a number, got true"),
        ("learns = 1", "limits.learns must be true or false, got 1"),
        ('learns = "yes"', "limits.learns must be true or false, got 'yes'"),
        (
            'algorithm = "leaky"',
            "limits.algorithm must be 'auto' or 'sliding_window' or 'token_bucket', got 'leaky'",
        ),
        (
            'output = "all"',
            "limits.output must be 'at_completion' or 'estimate' or 'max_tokens' or 'learned', got 'all'",
        ),
    ],
)
def test_a_rule_of_the_limits_out_of_its_bounds_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(write(tmp_path, f"[limits]\n{text}\n"), {})

    assert told in str(caught.value)


@pytest.mark.parametrize(("text", "learns"), [("true", True), ("False", False), ("TRUE", True)])
def test_a_switch_is_read_from_the_environment(text: str, learns: bool) -> None:
    environ = {"UNDERSTUDY_LIMITS__LEARNS": text, "UNDERSTUDY_LIMITS__MARGIN": "0.7"}

    limits = Settings.load(None, environ).limits

    assert (limits.learns, limits.margin) == (learns, 0.7)
    assert limits.used == Limits(35, 21_000, 5_600, 60.0)
    assert limits.provider == Limits(50, 30_000, 8_000, 60.0)


def test_a_switch_that_is_neither_is_told_by_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"UNDERSTUDY_LIMITS__LEARNS: .* must be true or false, got 'on'"):
        Settings.load(None, {"UNDERSTUDY_LIMITS__LEARNS": "on"})


def test_a_file_may_be_named_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "understudy.toml").write_text("[limits]\nrequests = 4\n")

    assert Settings.load(str(tmp_path / "understudy.toml"), {}).limits.requests == 4


@pytest.mark.parametrize("section", ["limits", "services"])
def test_a_section_in_one_variable_is_told(section: str) -> None:
    name = f"UNDERSTUDY_{section.upper()}"
    with pytest.raises(SettingsError, match=f"^{name}: {section} must be a table, got text$"):
        Settings.load(None, {name: "x"})


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0662", "0x10", "1e5000", "1,5"])
def test_only_what_a_person_writes_as_a_number_is_one(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^UNDERSTUDY_LIMITS__WINDOW: limits\.window must be a number"):
        Settings.load(None, {"UNDERSTUDY_LIMITS__WINDOW": text})
