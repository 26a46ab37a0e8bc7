"""Gives a text of right and wrong uses to a type checker, and says where the two disagree.

A line marked `# error` must be refused, every other one let through. The uses lie in a text file, so that the checks of
the project itself do not read them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def marked(uses: Path) -> set[int]:
    """Return the numbers of the lines that must be refused."""
    lines = uses.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def mypy_disagrees(uses: Path, folder: Path) -> dict[int, str]:
    """Return the lines about which mypy, in strict mode, thinks otherwise than the marks; works in `folder`."""
    module = _copied(uses, folder)
    settings = folder / "mypy.ini"
    settings.write_text(f"[mypy]\nstrict = True\nmypy_path = {ROOT}\ncache_dir = {folder / 'cache'}\n")
    printed = _run("mypy", "--config-file", str(settings), "--no-error-summary", module.name, folder=folder)
    found = {int(line.split(":")[1]): line for line in printed.splitlines() if ": error:" in line}
    return _disagreement(uses, found)


def pyright_disagrees(uses: Path, folder: Path) -> dict[int, str]:
    """Return the lines about which pyright, in strict mode, thinks otherwise than the marks; works in `folder`."""
    module = _copied(uses, folder)
    settings = folder / "pyrightconfig.json"
    where = {"venvPath": str(ROOT), "venv": ".venv", "extraPaths": [str(ROOT)]}
    settings.write_text(json.dumps({"typeCheckingMode": "strict", "include": [module.name], **where}))
    printed = _run("pyright", "--project", str(settings), "--outputjson", folder=folder)
    problems = json.loads(printed)["generalDiagnostics"]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    found = {error["range"]["start"]["line"] + 1: error["message"] for error in errors}
    return _disagreement(uses, found)


def _copied(uses: Path, folder: Path) -> Path:
    """Copy the uses to a module that the project's own configuration does not check."""
    module = folder / uses.name.removesuffix(".txt")
    module.write_text(uses.read_text())
    return module


def _disagreement(uses: Path, found: dict[int, str]) -> dict[int, str]:
    """Return what was refused without a mark, and the marked lines that were let through."""
    missed = dict.fromkeys(marked(uses) - found.keys(), "was let through")
    return missed | {number: text for number, text in found.items() if number not in marked(uses)}


def _run(*command: str, folder: Path) -> str:
    """Run a type checker in `folder` and return what it prints; its exit status says only that there are errors."""
    argv = [sys.executable, "-m", *command]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  # our own tools
    assert done.returncode == 1, done.stderr or done.stdout
    return done.stdout
