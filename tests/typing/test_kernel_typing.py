"""Tests that both type checkers know what `ask` returns, and refuse what is wrong, at the line where it is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

USES = Path(__file__).with_name("kernel_uses.py.txt")
ROOT = Path(__file__).parents[2]


def marked() -> set[int]:
    """Return the numbers of the lines that must be refused."""
    lines = USES.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def disagreement(found: dict[int, str]) -> dict[int, str]:
    """Return what was refused without a mark, and the marked lines that were let through."""
    missed = dict.fromkeys(marked() - found.keys(), "was let through")
    return missed | {number: text for number, text in found.items() if number not in marked()}


def run_checker(*command: str, folder: Path) -> str:
    """Run a type checker in `folder` and return what it prints; its exit status says only that there are errors."""
    argv = [sys.executable, "-m", *command]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  # our own tools
    assert done.returncode == 1, done.stderr or done.stdout
    return done.stdout


@pytest.fixture
def uses(tmp_path: Path) -> Path:
    """Copy the uses to a module that the project's own configuration does not check."""
    module = tmp_path / "kernel_uses.py"
    module.write_text(USES.read_text())
    return module


def test_the_uses_are_many() -> None:
    assert len(marked()) >= 20


def test_mypy_refuses_the_wrong_uses_and_only_them(uses: Path) -> None:
    settings = uses.with_name("mypy.ini")
    settings.write_text(f"[mypy]\nstrict = True\nmypy_path = {ROOT}\ncache_dir = {uses.parent / 'cache'}\n")
    printed = run_checker(
        "mypy", "--config-file", str(settings), "--no-error-summary", uses.name, folder=uses.parent
    )
    found = {int(line.split(":")[1]): line for line in printed.splitlines() if ": error:" in line}
    assert disagreement(found) == {}


def test_pyright_refuses_the_wrong_uses_and_only_them(uses: Path) -> None:
    settings = uses.with_name("pyrightconfig.json")
    where = {"venvPath": str(ROOT), "venv": ".venv", "extraPaths": [str(ROOT)]}
    settings.write_text(json.dumps({"typeCheckingMode": "strict", "include": [uses.name], **where}))
    printed = run_checker("pyright", "--project", str(settings), "--outputjson", folder=uses.parent)
    problems = json.loads(printed)["generalDiagnostics"]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    found = {error["range"]["start"]["line"] + 1: error["message"] for error in errors}
    assert disagreement(found) == {}
