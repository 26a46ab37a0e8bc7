"""The page about the log names every event with its level, and shows lines that a run has written."""

from __future__ import annotations

import json
import logging
import re

from hooks_loading import ROOT

from actors import telemetry
from supervisors.runtime import runtime_log

PAGE = (ROOT / "docs" / "how-to" / "read-the-log.md").read_text("utf-8")
NAMES = {
    value
    for module in (telemetry, runtime_log)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
} | {name for _, name in runtime_log.LIFECYCLE.values()}


def test_every_event_is_named_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (\w+) \|", PAGE, re.MULTILINE)

    assert sorted(event for event, _ in rows) == sorted(NAMES)
    levels = dict(rows)
    assert {name: levels[name] for _, name in runtime_log.LIFECYCLE.values()} == {
        name: logging.getLevelName(level).lower() for level, name in runtime_log.LIFECYCLE.values()
    }


def test_the_lines_shown_are_events() -> None:
    lines = PAGE.split("```json\n", 1)[1].split("```", 1)[0].splitlines()

    told = [json.loads(line) for line in lines]
    assert all(list(event)[:3] == ["timestamp", "level", "event"] for event in told)
    assert {event["event"] for event in told} <= NAMES
