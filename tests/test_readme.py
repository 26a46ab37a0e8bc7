"""Tests that the README tells the truth: its example runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")

RUNNABLE = re.compile(r"<!-- runnable -->\n```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def run_python(*arguments: str) -> str:
    """Run Python with warnings as errors and return what it prints."""
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603  # our own text
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_example_is_marked_as_runnable() -> None:
    assert len(RUNNABLE.findall(README)) >= 1


@pytest.mark.parametrize(("program", "printed"), RUNNABLE.findall(README))
def test_each_runnable_example_prints_what_stands_below_it(program: str, printed: str) -> None:
    assert run_python("-c", program) == printed


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(page: str) -> None:
    named = set(
        re.findall(r"\bmake ([a-z]+)\b", re.sub(r"GNU make\b[^`]*", "", (ROOT / page).read_text("utf-8")))
    )
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert named
    assert named - targets == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_link_into_the_tree_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_first_actor_sells_each_seat_once_and_takes_one_back() -> None:
    first, *sold, last = run_python("examples/first_actor.py").splitlines()
    assert first == "hasty  left; the seat being printed goes back"
    assert sorted(line[7:] for line in sold) == ["got nothing"] * 2 + [
        f"got seat {number}" for number in (1, 2, 3)
    ]
    assert last == "0 seats left"
