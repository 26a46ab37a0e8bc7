"""A hook of mkdocs: the tables of all settings, made from the classes that hold them.

Numbers typed twice drift apart. Defaults come from the fields, meanings from the docstrings of the sections, and
bounds and reasons from the source, where each field names its bound and each default its reason.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any, cast

import attrs

from supervisors.runtime import settings
from supervisors.runtime.settings import Settings

MARK = "<!-- settings -->"
"""Where on a page the tables go."""

_MEANING = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)


@attrs.frozen
class Row:
    """One setting.

    Args:
        section: its table in the file.
        key: its key there.
        default: as one would write it in TOML; empty for a secret.
        bound: which values it takes.
        meaning: what it is.
        reason: why the default is what it is.
    """

    section: str
    key: str
    default: str
    bound: str
    meaning: str
    reason: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"UNDERSTUDY_{self.section}__{self.key}".upper()


def rows() -> Iterator[Row]:
    """Yield every setting in the order of the classes."""
    tree = ast.parse(inspect.getsource(settings))
    reasons = dict(_reasons(tree))
    makers = {node.name: dict(_makers(node)) for node in tree.body if isinstance(node, ast.ClassDef)}
    for section in attrs.fields(attrs.resolve_types(Settings)):
        kind = cast("type[attrs.AttrsInstance]", section.type)
        meanings = dict(_MEANING.findall(kind.__doc__ or ""))
        for field in attrs.fields(kind):
            maker = makers[kind.__name__][field.name]
            yield Row(
                section.name,
                field.name,
                _toml(field.default),
                _bound(maker),
                " ".join(meanings[field.name].split()),
                " ".join(reasons.get(_constant(maker), "").split()),
            )


def tables() -> str:
    """Return one table for each section, as Markdown."""
    lines: list[str] = []
    section = ""
    for row in rows():
        if row.section != section:
            section = row.section
            lines += [
                "",
                f"## {section}",
                "",
                "| key | default | takes | what it is | why the default |",
                "|---|---|---|---|---|",
            ]
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.key}` | {default} | {row.bound} | {row.meaning} | {row.reason} |")
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """Put the tables where a page asks for them; mkdocs calls this for each page."""
    return markdown.replace(MARK, tables()) if MARK in markdown else markdown


def _reasons(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each constant that has its reason in a text below it."""
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        match statement, following:
            case ast.Assign(targets=[ast.Name(name)]), ast.Expr(ast.Constant(str() as reason)):
                yield name, reason
            case _:
                pass


def _makers(section: ast.ClassDef) -> Iterator[tuple[str, ast.Call]]:
    """Yield each field of a section with the call that makes it, such as `whole(REQUESTS, at_least=1)`."""
    for statement in section.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(key), value=ast.Call() as maker):
                yield key, maker
            case _:
                pass


def _constant(maker: ast.Call) -> str:
    default = maker.args[0]
    return default.id if isinstance(default, ast.Name) else ""


def _bound(maker: ast.Call) -> str:
    bounds = {keyword.arg: _number(keyword.value) for keyword in maker.keywords}
    least = "".join(
        f" {sign} {bounds[name]}" for name, sign in (("at_least", ">="), ("above", ">")) if name in bounds
    )
    match ast.unparse(maker.func):
        case "whole":
            return f"whole number{least}"
        case "seconds":
            return f"seconds{least}"
        case "share":
            return "number > 0 and <= 1"
        case "switch":
            return "`true` or `false`"
        case "one_of":
            return " or ".join(f"`{choice}`" for choice in _choices(maker.args[1]))
        case "names":
            return "one or more different names"
        case "web_address":
            return "http or https address"
        case "secret":
            return "visible ASCII without spaces"
        case unknown:
            raise ValueError(f"no words for the bound of a field made by {unknown!r}")


def _choices(value: ast.expr) -> tuple[str, ...]:
    """Return the choices of a field, also where they stand under a name."""
    choices = getattr(settings, value.id) if isinstance(value, ast.Name) else ast.literal_eval(value)
    return cast("tuple[str, ...]", choices)


def _number(value: ast.expr) -> str:
    """Return a bound as a number, also where it stands under a name."""
    return f"{getattr(settings, value.id):g}" if isinstance(value, ast.Name) else ast.unparse(value)


def _toml(value: object) -> str:
    match value:
        case str():
            return f'"{value}"' if value else ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(_toml(item) for item in cast('tuple[object, ...]', value))}]"
        case _:
            return repr(value)
