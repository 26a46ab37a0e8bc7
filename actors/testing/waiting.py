"""Where each task waits: the picture that explains a deadlock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, StackSummary

import trio

_TRIO = str(Path(trio.__file__).parent)


def waiting_tasks(task: trio.lowlevel.Task) -> list[str]:
    """Describe where `task` and every task below it waits.

    Args:
        task: a task of the current run.

    Returns:
        One line per task, such as `"worker: /src/app.py:17 in take"`, each parent before its children. The
        line shown is the deepest that does not lie inside Trio.
    """
    return [f"{each.name}: {_place(each)}" for each in _with_descendants(task)]


def _with_descendants(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _with_descendants(child)


def _place(task: trio.lowlevel.Task) -> str:
    stack = StackSummary.extract(task.iter_await_frames(), lookup_lines=False)
    own = [frame for frame in stack if not frame.filename.startswith(_TRIO)]
    return _shown(own[-1]) if own else "inside trio"


def _shown(frame: FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} in {frame.name}"
