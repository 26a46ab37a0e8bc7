"""The names that classes of exceptions are known by, read without asking the classes: a metaclass may lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from actors.wire.cause_chain import ancestors

ALIASES: Mapping[str, str] = MappingProxyType(
    {"anyio": "trio", "httpcore2": "httpcore", "httpx2": "httpx", "_socket": "socket", "_ssl": "ssl"}
)
"""Packages that are another one under a new name, as far as their exceptions go."""

_module_of = cast("Callable[[type], object]", type.__dict__["__module__"].__get__)
_name_of = cast("Callable[[type], object]", type.__dict__["__name__"].__get__)


def package_of(kind: type) -> str:
    """Return the package that a class is of, "" where that is no name."""
    module = _module_of(kind)
    package = module.partition(".")[0] if type(module) is str else ""
    return ALIASES.get(package, package)


def qualified_names(error: BaseException) -> Iterator[str]:
    """Yield the names of a class and its ancestors, nearest first, each with its package: "httpx.ReadTimeout"."""
    for each in ancestors(error):
        package, name = package_of(each), _name_of(each)
        if package and type(name) is str:
            yield f"{package}.{name}"


def qualified_name(error: BaseException) -> str:
    """Return the name of an exception's class with its package, such as "httpx.ReadTimeout"."""
    return next(qualified_names(error), "")
