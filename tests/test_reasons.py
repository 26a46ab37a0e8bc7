"""Whoever silences a checker says why, beside it: the ignore with its codes, then a reason in words."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

IGNORE = re.compile(
    r"#\s*(?:(?:ruff|flake8):\s*)?(?:noqa|type:\s*ignore|pyright:\s*(?:ignore|basic)|pragma:)"
)
EXPLAINED = re.compile(
    r"(?:# (?:(?:ruff: )?noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|(?:type|pyright): ignore\[[\w-]+(?:, [\w-]+)*\]) *)+"
    r"# (?!noqa|type:|pyright:|ruff:)[^\s#-].*"
)


def unexplained(source: str) -> list[str]:
    """Return the comments of a module that silence a checker and do not say why."""
    comments = (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )
    return [comment for comment in comments if IGNORE.match(comment) and not EXPLAINED.fullmatch(comment)]


def tracked() -> list[Path]:
    """Return the Python files of the repository; those of the package's folders where there is no repository."""
    command = ["git", "ls-files", "-z", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # fixed
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path for folder in ("actors", "supervisors", "tests") for path in (ROOT / folder).rglob("*.py")]


def test_whoever_silences_a_checker_says_why() -> None:
    found = {path: unexplained(path.read_text("utf-8")) for path in tracked()}
    assert len(found) > 100
    assert {str(path.relative_to(ROOT)): comments for path, comments in found.items() if comments} == {}


def test_every_rule_that_a_folder_is_let_off_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    table = text.partition("[tool.ruff.lint.per-file-ignores]\n")[2].partition("\n[")[0]
    lines = [line for line in table.splitlines() if line.startswith(" ")]
    codes = [code for each in tomllib.loads(table).values() for code in each]
    assert len(lines) == len(codes) > 5
    assert [line for line in lines if not re.fullmatch(r' +"[A-Z]+\d+", +# \S.*', line)] == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: S603",
        "# noqa: S603  # ",
        "# noqa: S603 our own text",
        "# type: ignore",
        "# type: ignore[misc]",
        "# noqa: SLF001  # pyright: ignore[reportPrivateUsage]",
        "# pyright: ignore  # which one?",
        "# ruff: noqa",
        "# pragma: no cover",
    ],
)
def test_an_ignore_without_a_reason_is_seen(comment: str) -> None:
    assert unexplained(f"x = 1  {comment}\n") == [comment]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S603  # our own text",
        "# ruff: noqa: PT012, PERF401  # a crash ends the block",
        "# type: ignore[arg-type]  # wrong on purpose",
        "# noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the same side",
        "# an ordinary word",
    ],
)
def test_a_reason_in_its_place_is_enough(comment: str) -> None:
    assert unexplained(f"x = 1  {comment}\n") == []


def test_an_ignore_inside_a_string_is_text() -> None:
    assert unexplained('text = "# noqa"\n') == []
