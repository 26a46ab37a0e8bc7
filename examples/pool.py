"""A pool of readers: scripts spread over equal workers by key, one reader that hangs, and a pool that grows meanwhile.

Every script has its reader, so that the scenes of one script are read in order while other scripts are read beside it.
One scene does not come back. After ten seconds its reader is killed and replaced: whoever asked for that scene learns
so, and what waited for the reader is read by its successor. It takes two virtual minutes.
"""

from __future__ import annotations

import trio

from actors import Actor, op
from actors.errors import Interrupted
from actors.kernel import Message
from actors.testing.run import run
from supervisors import PoolHandle, PoolResized, WorkerReplaced, WorkerStuck, open_pool

SCRIPTS = [f"script {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
LOST = ("script D", 2)  # a scene that does not come back, the first time


class Reader(Actor):
    """Reads scenes, one after the other, two seconds each."""

    @op
    async def read(self, script: str, scene: int) -> str:
        """Read a scene and say who did."""
        is_lost = (script, scene) == LOST and self.incarnation == 1
        await trio.sleep(float("inf") if is_lost else 2.0)
        return self.name


def script_of(message: Message[Reader, object]) -> str:
    """Return the key of a message: all scenes of a script go to one reader."""
    return str(message.arguments()["script"])


def note(event: object) -> None:
    """Print what the pool tells of itself."""
    match event:
        case WorkerStuck():
            print(f"{event.at:5.1f}  {event.child} is stuck in {event.op!r} since {event.since:g}")
        case WorkerReplaced():
            print(f"{event.at:5.1f}  {event.child} is replaced")
        case PoolResized():
            print(f"{event.at:5.1f}  from {event.before} to {event.after} workers")
        case _:
            pass


async def read_script(pool: PoolHandle[Reader], script: str, readers: dict[str, str]) -> None:
    """Have three scenes read, and note who read the last."""
    for scene in (1, 2, 3):
        try:
            readers[script] = await pool.ref.ask(Reader.read(script, scene))
        except Interrupted:
            print(f"{trio.current_time():5.1f}  scene {scene} of {script}: whether it was read is unknown")


async def read_all(pool: PoolHandle[Reader]) -> dict[str, str]:
    """Have all scripts read beside each other, and say by whom."""
    readers: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for script in SCRIPTS:
            nursery.start_soon(read_script, pool, script, readers)
    print(f"{trio.current_time():5.1f}  {len(readers)} scripts are read")
    return readers


async def main() -> None:
    """Read all scripts with three readers, and once more with four."""
    async with open_pool(Reader, 3, key=script_of, stuck_after=10.0, on_event=note) as pool:
        before = await read_all(pool)
        await pool.resize(4)
        after = await read_all(pool)
        moved = [script for script in SCRIPTS if before[script] != after[script]]
        print(f"the new one has taken over {len(moved)} of {len(SCRIPTS)} scripts, the others stayed")
        for worker in pool.statistics().workers:
            print(f"    {worker.worker}: incarnation {worker.incarnation}, handled {worker.handled}")


if __name__ == "__main__":
    run(main, seed=1)
