"""A hook of mkdocs: every module in one line, from the first line of its docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = "<!-- files -->"
"""Where on a page the list goes."""

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "supervisors")


def modules() -> Iterator[tuple[str, str, str]]:
    """Yield folder, file and first line of every module, a folder's own files before those of its folders."""
    for package in PACKAGES:
        folders = [ROOT / package, *sorted(path for path in (ROOT / package).rglob("*") if path.is_dir())]
        for folder in folders:
            for path in sorted(folder.glob("*.py")):
                yield folder.relative_to(ROOT).as_posix(), path.name, first_line(path)


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring, or nothing where it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


def listing() -> str:
    """Return the list as Markdown, a heading for each folder."""
    lines: list[str] = []
    heading = ""
    for folder, name, line in modules():
        if folder != heading:
            heading = folder
            lines += ["", f"## {folder}/", ""]
        lines.append(f"- `{name}` {line}")
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """Put the list where a page asks for it; mkdocs calls this for each page."""
    return markdown.replace(MARK, listing()) if MARK in markdown else markdown
