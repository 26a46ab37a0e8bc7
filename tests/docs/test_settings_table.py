"""The tables of settings hold every key, with the default, bound and reason that the code has."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from hooks_loading import ROOT, load_hook

from actors.errors import SettingsError
from supervisors.runtime.settings import Settings
from supervisors.runtime.settings_origins import ANY_NAME, Given
from supervisors.runtime.settings_structure import known_keys, structure

settings_table = load_hook("settings_table")
ROWS: tuple[Any, ...] = tuple(settings_table.rows())
BOUNDED = [row for row in ROWS if re.search(r">=? \d+$", row.bound)]
NEW = "weather"
"""A service that is not there by default."""
NO_REASON = {"api_key"}
"""A secret has no default, so there is no reason for one."""


def loads(row: Any, value: object) -> bool:
    """Return whether `value` itself is taken for the key of `row`; contradictions with other keys do not count."""
    path = tuple(NEW if part == ANY_NAME else part for part in row.path)
    try:
        structure(Settings, [Given(path, value, "a test")])
    except SettingsError as error:
        return f"{'.'.join(path)} must be >" not in str(error)
    return True


def default_of(row: Any) -> object:
    settings = structure(Settings, [Given(("services", NEW), {}, "a test")])
    section, *names = row.path
    found: Any = getattr(settings, section)
    for name in names:
        found = found[NEW] if name == ANY_NAME else getattr(found, name)
    return found


def test_every_key_has_one_row_in_the_order_of_the_classes() -> None:
    assert [row.path for row in ROWS] == list(known_keys(Settings))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.variable)
def test_a_default_is_shown_as_one_would_write_it(row: Any) -> None:
    default = default_of(row)
    shown = tomllib.loads(f"value = {row.default}")["value"] if row.default else (default or "")
    assert (tuple(shown) if isinstance(shown, list) else shown) == ("" if default is None else default)
    assert bool(row.default) == (default not in ("", None))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.variable)
def test_every_key_says_what_it_is_and_why_its_default(row: Any) -> None:
    assert row.meaning
    assert bool(row.reason) == (row.key not in NO_REASON)


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.variable)
def test_a_bound_that_is_shown_is_the_bound_that_is_kept(row: Any) -> None:
    sign, text = row.bound.split()[-2:]
    kind = float if row.bound.startswith("seconds") else int
    assert loads(row, kind(text)) == (sign == ">=")
    assert not loads(row, kind(text) - 1)
    assert loads(row, kind(text) + 1)


def test_all_numbers_have_a_bound() -> None:
    assert {row.bound for row in ROWS} - {row.bound for row in BOUNDED} == {
        "`simulated` or `anthropic`",
        "http or https address",
        "one or more different names",
        "visible ASCII without spaces",
        "number > 0 and <= 1",
        "`auto` or `sliding_window` or `token_bucket`",
        "`at_completion` or `estimate` or `max_tokens` or `learned`",
        "`true` or `false`",
        "different names, or none",
        "number > 0.9286 and < 1",
        "`search` or `stores` or `model` or `chat` or `off`",
        "`low` or `medium` or `high` or `critical`",
        "`full` or `narrow`",
        "`uniform` or `aggressive` or `standard` or `conservative`",
    }


def test_an_environment_variable_is_named_as_it_is_read() -> None:
    row = next(row for row in ROWS if row.key == "requests")
    assert row.variable == "UNDERSTUDY_LIMITS__REQUESTS"
    assert Settings.load(None, {row.variable: "40"}).limits.requests == 40


def test_a_variable_of_a_service_has_the_place_of_its_name() -> None:
    row = next(row for row in ROWS if row.key == "timeout")
    assert row.variable == "UNDERSTUDY_SERVICES__<NAME>__TIMEOUT"
    environ = {row.variable.replace("<NAME>", "SEARCH"): "7"}
    assert Settings.load(None, environ).services["search"].timeout == 7.0


def test_the_services_that_are_there_by_default_are_shown_where_they_differ() -> None:
    page = settings_table.tables().splitlines()
    begin = page.index("| | `breaker` | `priority` |")
    assert page[begin + 1 : begin + 8] == [
        "|---|---|---|",
        '| `[services.search]` | `"search"` | `"medium"` |',
        '| `[services.memory]` | `"stores"` | `"medium"` |',
        '| `[services.stores]` | `"stores"` | `"high"` |',
        '| `[services.model]` | `"model"` | `"high"` |',
        '| `[services.chat]` | `"chat"` | `"critical"` |',
        "",
    ]
    assert "## services.&lt;name&gt;" in page


def test_the_tables_stand_where_the_page_asks_for_them_and_nowhere_else() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    filled = settings_table.on_page_markdown(page)
    assert settings_table.MARK not in filled
    assert all(f"| `{row.key}` |" in filled for row in ROWS)
    assert settings_table.on_page_markdown("# Another page") == "# Another page"
