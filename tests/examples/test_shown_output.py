"""Every output that the documentation shows under a command is what the command prints today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from unmeasured import unmeasured_environment

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(
    r"```console\n\$ \.venv/bin/python (?P<example>examples/\w+\.py)\n(?P<output>.*?)```\n", re.DOTALL
)
DIFFERS = "differs from run to run"
"""A page that says this of its output is believed."""

PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in sorted(ROOT.glob("docs/**/*.md"))
}
OUTPUTS = [
    pytest.param(shown["example"], shown["output"], id=f"{name}-{shown['example']}")
    for name, text in PAGES.items()
    if DIFFERS not in text
    for shown in SHOWN.finditer(text)
]


def printed_by(example: str) -> str:
    """Run an example with warnings as errors and return what it prints."""
    command = [sys.executable, "-W", "error", example]
    environment = unmeasured_environment()
    done = subprocess.run(  # noqa: S603  # our own example
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pages_show_the_outputs_of_several_examples() -> None:
    assert len(OUTPUTS) >= 4


@pytest.mark.parametrize(("example", "output"), OUTPUTS)
def test_an_example_prints_what_its_page_shows(example: str, output: str) -> None:
    assert printed_by(example) == output
