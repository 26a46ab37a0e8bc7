"""The tree of a chaos run: twenty actors in three levels, with every strategy and restart type there is.

chaos           one_for_one: the root, whose budget outlasts any run
├── trio          one_for_all: three that rise and fall together
│   └── first, second, third
├── chain         rest_for_one: whoever was started after one that fails restarts with it
│   └── head, middle (transient), tail
├── web           needs: the breaker needs the limiter, the caller both
│   └── limiter (keeps its state), breaker, caller
├── bag           one_for_one: a permanent child that keeps its state, a temporary one, and a transient one whose
│   │             normal end ends the bag; their mailboxes refuse or drop
│   └── stays, tries, passes
└── pool          dynamic: two at a time, started by arguments, stopped by their refs
    └── 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chaos_actors import Worker
from chaos_clockwork import Clockwork
from chaos_lives import KEEPERS, NEEDS
from chaos_points import Chaos

from actors.kernel import Actor
from supervisors import (
    Backoff,
    ChildSpec,
    ChildTemplate,
    DynamicSupervisor,
    Intensity,
    Strategy,
    Supervisor,
)

ROOT = "chaos"
ROOT_INTENSITY = Intensity(1_000_000, 10.0)
"""Whatever escalates is started again: the root must not end before all is sent."""

OWN = Intensity(4, 5.0)
SHARED = Intensity(9, 5.0)
BACKOFF = Backoff(initial=0.05, cap=0.5, healthy_after=5.0)
GRACE = 0.4

GROUPS = {
    "trio": ("first", "second", "third"),
    "chain": ("head", "middle", "tail"),
    "web": ("limiter", "breaker", "caller"),
    "bag": ("stays", "tries", "passes"),
}
"""The static workers by the supervisor above them."""

STRATEGIES: dict[str, Strategy] = {
    "trio": "one_for_all",
    "chain": "rest_for_one",
    "web": "one_for_one",
    "bag": "one_for_one",
}

PATHS = tuple(f"{group}/{child}" for group, children in GROUPS.items() for child in children)
POOLED = 2
"""Dynamic children at a time."""


NEEDED = {need for needs in NEEDS.values() for need in needs}

KINDS = {"trio/second": Clockwork, "web/breaker": Clockwork}
"""Which workers have a deadline of their own."""


def spec(chaos: Chaos, path: str) -> ChildSpec[Worker]:
    """Return the spec of a static worker."""
    child = path.split("/")[1]
    make = partial(KINDS.get(path, Worker), chaos, path, may_decline=path not in NEEDED)
    keep_state = path in KEEPERS
    needs = tuple(need.split("/")[1] for need in NEEDS.get(path, ()))
    own = partial(
        ChildSpec[Worker],
        child,
        make,
        grace=GRACE,
        intensity=OWN,
        needs=needs,
        keep_state=keep_state,
        name=path,
    )
    match path:
        case "trio/third":
            return own(capacity=4)
        case "chain/middle":
            return own(restart="transient")
        case "bag/stays":
            return own(capacity=8, overflow="drop_oldest")
        case "bag/tries":
            return own(restart="transient", capacity=8, overflow="refuse", significant=True)
        case "bag/passes":
            return own(restart="temporary", capacity=8, overflow="drop_newest")
        case _:
            return own()


def specs(chaos: Chaos, seed: int) -> list[ChildSpec[Actor]]:
    """Return the specs of the root's children."""
    return [group_spec(chaos, group, seed) for group in (*GROUPS, "pool")]


def group_spec(chaos: Chaos, group: str, seed: int) -> ChildSpec[Actor]:
    """Return the spec of a supervisor."""
    make: Callable[[], Supervisor | DynamicSupervisor]
    if group == "pool":
        template = ChildTemplate(partial(Worker, chaos), "transient", GRACE, intensity=OWN)
        make = partial(
            DynamicSupervisor,
            template,
            intensity=SHARED,
            backoff=BACKOFF,
            max_children=POOLED,
            seed=seed,
        )
    else:
        make = partial(
            Supervisor,
            STRATEGIES[group],
            children=[spec(chaos, f"{group}/{child}") for child in GROUPS[group]],
            intensity=SHARED,
            backoff=BACKOFF,
            auto_shutdown="any" if group == "bag" else "never",
            seed=seed,
        )
    return ChildSpec[Actor](group, make, intensity=ROOT_INTENSITY)
