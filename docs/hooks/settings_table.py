"""A hook of mkdocs: the tables of all settings, made from the classes that hold them.

Numbers typed twice drift apart. Defaults come from the fields, meanings from the docstrings of the sections, and
bounds and reasons from the source, where each field names its bound and each default its reason. A section that holds
tables by name has one table for any of them, and one of those that are there by default and how they differ.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, cast

import attrs

from supervisors.runtime.setting_fields import Tables, tables_of
from supervisors.runtime.settings import Settings
from supervisors.runtime.settings_origins import ANY_NAME

MARK = "<!-- settings -->"
"""Where on a page the tables go."""

_MEANING = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)


@attrs.frozen
class Row:
    """One setting.

    Args:
        section: its table in the file, such as "limits" or "services.<name>".
        key: its key there.
        default: as one would write it in TOML; empty for a secret, and for what may be left out.
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
    def path(self) -> tuple[str, ...]:
        """The section, perhaps the place of a table's name, and the key."""
        return (*self.section.split("."), self.key)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"UNDERSTUDY_{'__'.join(self.path)}".upper()


def rows() -> Iterator[Row]:
    """Yield every setting in the order of the classes."""
    for section in attrs.fields(attrs.resolve_types(Settings)):
        if (tables := tables_of(section)) is not None:
            yield from _rows_of(f"{section.name}.{ANY_NAME}", tables.kind)
        else:
            yield from _rows_of(section.name, cast("type[attrs.AttrsInstance]", section.type))


def tables() -> str:
    """Return one table for each section, as Markdown."""
    lines: list[str] = []
    section = ""
    for row in rows():
        if row.section != section:
            lines += [*_defaults_of(section), "", f"## {_escaped(row.section)}", ""]
            lines += ["| key | default | takes | what it is | why the default |", "|---|---|---|---|---|"]
            section = row.section
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.key}` | {default} | {row.bound} | {row.meaning} | {row.reason} |")
    return "\n".join([*lines, *_defaults_of(section)])


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """Put the tables where a page asks for them; mkdocs calls this for each page."""
    return markdown.replace(MARK, tables()) if MARK in markdown else markdown


def _rows_of(section: str, kind: type[attrs.AttrsInstance]) -> Iterator[Row]:
    module = sys.modules[kind.__module__]
    tree = ast.parse(inspect.getsource(module))
    reasons = dict(_reasons(tree))
    (makers,) = (
        dict(_makers(node))
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    meanings = dict(_MEANING.findall(kind.__doc__ or ""))
    for field in attrs.fields(attrs.resolve_types(kind)):
        maker = makers[field.name]
        yield Row(
            section,
            field.name,
            _toml(field.default),
            _bound(maker, module),
            " ".join(meanings[field.name].split()),
            " ".join(reasons.get(_constant(maker), "").split()),
        )


def _defaults_of(section: str) -> Iterator[str]:
    """Yield the table of the tables that a section has by default: none for a section that holds keys."""
    name, _, place = section.partition(".")
    if not place:
        return
    held = cast("Tables", tables_of(attrs.fields_dict(Settings)[name]))
    ordinary = [field.name for field in attrs.fields(held.kind)]
    told = [key for key in ordinary if any(_differs(each, held.kind, key) for each in held.default.values())]
    yield from ("", "There by default, and where they differ from a new one:", "")
    yield f"| | {' | '.join(f'`{key}`' for key in told)} |"
    yield f"|---{'|---' * len(told)}|"
    for each, values in held.default.items():
        cells = [f"`{_toml(getattr(values, key))}`" for key in told]
        yield f"| `[{name}.{each}]` | {' | '.join(cells)} |"


def _differs(table: attrs.AttrsInstance, kind: type[attrs.AttrsInstance], key: str) -> bool:
    return bool(getattr(table, key) != attrs.fields_dict(kind)[key].default)


def _escaped(section: str) -> str:
    return section.replace("<", "&lt;").replace(">", "&gt;")


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


def _bound(maker: ast.Call, module: ModuleType) -> str:
    bounds = {keyword.arg: _number(keyword.value, module) for keyword in maker.keywords}
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
        case "portion":
            return f"number{least} and < {bounds['below']}"
        case "switch":
            return "`true` or `false`"
        case "one_of":
            return " or ".join(f"`{choice}`" for choice in _choices(maker.args[1], module))
        case "names":
            return (
                "different names, or none" if bounds.get("at_least") == "0" else "one or more different names"
            )
        case "web_address":
            return "http or https address"
        case "secret":
            return "visible ASCII without spaces"
        case unknown:
            raise ValueError(f"no words for the bound of a field made by {unknown!r}")


def _choices(value: ast.expr, module: ModuleType) -> tuple[str, ...]:
    """Return the choices of a field, also where they stand under a name."""
    choices = getattr(module, value.id) if isinstance(value, ast.Name) else ast.literal_eval(value)
    return cast("tuple[str, ...]", choices)


def _number(value: ast.expr, module: ModuleType) -> str:
    """Return a bound as a number, also where it stands under a name."""
    return f"{getattr(module, value.id):g}" if isinstance(value, ast.Name) else ast.unparse(value)


def _toml(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return f'"{value}"' if value else ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(_toml(item) for item in cast('tuple[object, ...]', value))}]"
        case _:
            return repr(value)
