"""Who may import what: the house's floors as data, and the reading of source that checks them.

Arrows point down only: faults <- errors <- policies <- wire <- coverage, and errors <- kernel; the cast stands on all
of these, `supervisors` on `actors`. The simulated provider is pure but for its doors, and judges by limits of its own:
a mistake that it shared with the client's policies it could not catch. Imports under `TYPE_CHECKING` and inside
functions count like any other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs


@attrs.frozen
class Room:
    """What the modules of one package, or one module, may import besides the standard library.

    Attributes:
        name: the package or module.
        inside: packages and modules of this project, itself included.
        outside: distributions of others.
        is_pure: whether clocks, dice, logs and threads are out of bounds too.
    """

    name: str
    inside: tuple[str, ...]
    outside: tuple[str, ...] = ("attrs",)
    is_pure: bool = True


@attrs.frozen
class Source:
    """One module as the rules see it.

    Attributes:
        name: its dotted name; a package's `__init__` has the package's name.
        uses: each dotted name that it imports or reaches through an import, with its line.
    """

    name: str
    uses: tuple[tuple[str, int], ...]


PROVIDER = "actors.testing.provider"

PROVIDER_DOORS = ("", "connection", "http_server", "in_process", "simulated")
"""The modules of the simulated provider that know of Trio or of sockets, and the face that shows them."""

PROVIDER_CORE = (
    "bodies",
    "catalogue",
    "core",
    "exchange",
    "faults",
    "json_values",
    "kitchen",
    "latency",
    "limits",
    "pool",
    "question",
    "rate_headers",
    "record",
    "rolling_sum",
    "script",
    "tokens",
    "valid_request",
)
"""The others: they judge requests and keep the books, and instants and dice come to them as arguments."""

ROOMS = (
    Room("actors.faults", inside=("actors.faults",)),
    Room("actors.errors", inside=("actors.faults",), outside=()),
    Room("actors.policies", inside=("actors.faults", "actors.errors", "actors.policies")),
    Room("actors.wire", inside=("actors.faults", "actors.errors", "actors.policies", "actors.wire")),
    Room(
        "actors.coverage",
        inside=("actors.faults", "actors.errors", "actors.policies", "actors.wire", "actors.coverage"),
    ),
    Room(
        "actors.kernel",
        inside=("actors.faults", "actors.errors", "actors.kernel"),
        outside=("attrs", "trio", "outcome"),
        is_pure=False,
    ),
    *(
        Room(
            f"{PROVIDER}.{module}",
            inside=("actors.wire", *(f"{PROVIDER}.{each}" for each in PROVIDER_CORE)),
        )
        for module in PROVIDER_CORE
    ),
    Room("supervisors.intensity", inside=("supervisors.intensity",)),
    Room("supervisors.backoff", inside=("supervisors.backoff",)),
    Room("supervisors.dependencies", inside=("supervisors.dependencies",)),
    Room(
        "supervisors.restart",
        inside=("supervisors.intensity", "supervisors.backoff", "supervisors.restart"),
    ),
    Room("supervisors.pool.rendezvous", inside=("supervisors.pool.rendezvous",)),
    Room("supervisors.pool.least_loaded", inside=("supervisors.pool.least_loaded",)),
    Room("supervisors.pool.stuckness", inside=("supervisors.pool.stuckness",)),
    Room("supervisors.failover.policy", inside=("supervisors.failover.policy",)),
    Room("supervisors.tree_drawing", inside=("supervisors.tree_drawing",)),
    # A spec says how a child is made, so it has the kernel's types; what decides and what acts are out of bounds.
    Room(
        "supervisors.child_spec",
        inside=(
            "actors.kernel.actor.Actor",
            "actors.kernel.mailbox.DEFAULT_CAPACITY",
            "actors.kernel.mailbox.Overflow",
            "supervisors.backoff.Backoff",
            "supervisors.child_spec",
            "supervisors.intensity.Intensity",
            "supervisors.restart.RESTART_TYPES",
            "supervisors.restart.RestartType",
        ),
    ),
)

IMPURE = (
    "time",
    "logging",
    "socket",
    "ssl",
    "threading",
    "multiprocessing",
    "subprocess",
    "secrets",
    "queue",
)
"""Modules of the standard library that read a clock, throw dice or act on the world."""

IMPURE_NAMES = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)

BANNED = {
    "asyncio": "the runtime lives on Trio",
    "time.time": "instants come from the Trio clock, dates from the injected wall clock",
    "time.time_ns": "instants come from the Trio clock, dates from the injected wall clock",
    "time.monotonic": "instants come from the Trio clock",
    "time.monotonic_ns": "instants come from the Trio clock",
    "time.sleep": "everything that waits, waits on the Trio clock",
    "threading.Lock": "state has one owner",
    "threading.RLock": "state has one owner",
    "threading.Condition": "state has one owner",
    "trio.Lock": "state has one owner",
    "trio.StrictFIFOLock": "state has one owner",
    "trio.Condition": "state has one owner",
}
"""Names that occur nowhere, with the reason."""

BORDERS = {"httpx": "actors.transport", "httpcore": "actors.transport"}
"""Distributions that one module alone may import."""


def read_tree(root: Path, *packages: str) -> tuple[Source, ...]:
    """Read all modules of `packages`, which lie in the folder `root`, in the order of their paths."""
    paths = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
    return tuple(
        read_source(_module_name(path.relative_to(root)), path.read_text("utf-8"), path) for path in paths
    )


def read_source(name: str, text: str, path: Path = Path("module.py")) -> Source:
    """Read one module's text; `path` tells whether it is a package."""
    tree = ast.parse(text)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    bound: dict[str, str] = {}
    uses = list(_imports(tree, package, bound))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    uses += [(dotted, node.lineno) for node in attributes if (dotted := _reached(node, bound))]
    return Source(name, tuple(uses))


def violations(sources: tuple[Source, ...]) -> list[str]:
    """Check every rule but the one on cycles; one line per broken rule and place."""
    return sorted({f"{source.name}:{line}: {text}" for source in sources for text, line in _broken(source)})


def cycle(sources: tuple[Source, ...]) -> list[str]:
    """Return the modules of one import cycle, first and last the same one; empty when there is none."""
    names = {source.name for source in sources}
    graph = {source.name: _modules_used(source, names) for source in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def _broken(source: Source) -> Iterator[tuple[str, int]]:
    for name, line in source.uses:
        for banned, reason in BANNED.items():
            if _within(name, banned):
                yield f"{banned} is used: {reason}", line
        for outside, border in BORDERS.items():
            if _within(name, outside) and source.name != border:
                yield f"{outside} is for {border} alone", line
        if _within(source.name, "actors") and _within(name, "supervisors"):
            yield f"actors never imports {name}", line
        for room in ROOMS:
            if _within(source.name, room.name) and not _is_allowed(name, room):
                yield f"{room.name} may not use {name}", line


def _is_allowed(name: str, room: Room) -> bool:
    top = name.partition(".")[0]
    if top in ("actors", "supervisors"):
        return any(_within(name, each) for each in room.inside)
    if top not in sys.stdlib_module_names:
        return top in room.outside
    if any(_within(name, each) for each in IMPURE_NAMES):
        return False
    if not room.is_pure:
        return True
    is_global_dice = top == "random" and name != "random" and not _within(name, "random.Random")
    return top not in IMPURE and not is_global_dice


def _imports(tree: ast.Module, package: str, bound: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Yield what a module imports and note in `bound` which local name stands for what."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for each in names:
                    bound[each.asname or each.name.partition(".")[0]] = (
                        each.name if each.asname else each.name.partition(".")[0]
                    )
                    yield each.name, node.lineno
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(filter(None, [_parent(package, level), module]))
                for each in names:
                    bound[each.asname or each.name] = f"{base}.{each.name}"
                    yield f"{base}.{each.name}", node.lineno
            case _:
                pass


def _parent(package: str, level: int) -> str:
    """Return the package that `level` leading dots stand for; none for an absolute import."""
    return ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""


def _reached(node: ast.expr, bound: Mapping[str, str]) -> str | None:
    """Return the dotted name that an attribute such as `time.monotonic` reaches through an import."""
    match node:
        case ast.Name(id=name):
            return bound.get(name)
        case ast.Attribute(value=value, attr=attr) if base := _reached(value, bound):
            return f"{base}.{attr}"
        case _:
            return None


def _modules_used(source: Source, names: set[str]) -> set[str]:
    longest = (_longest_known(name, names) for name, _ in source.uses)
    return {name for name in longest if name and not (name == source.name and _is_package(name, names))}


def _longest_known(name: str, names: set[str]) -> str | None:
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name or None


def _is_package(name: str, names: set[str]) -> bool:
    return any(each.startswith(f"{name}.") for each in names)


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")
