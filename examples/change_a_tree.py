"""A stage whose cast changes in the middle of the play: parts are added, rested, recast and written out."""

from __future__ import annotations

from functools import partial

import trio

from actors.errors import NeedsStopped, StillNeeded
from actors.kernel import Actor, Ref, op
from supervisors import ChildSpec, Intensity, Tree, open_supervisor


class Player(Actor):
    """Plays as well as it was told to."""

    def __init__(self, manner: str = "as ever") -> None:
        self.manner = manner

    @op
    def play(self) -> str:
        """Say how."""
        return f"{self.name} plays {self.manner}"


async def show(tree: Tree) -> None:
    """Print who is there, in start order."""
    print("   ", ", ".join(f"{child.id} {child.state}" for child in await tree.which_children()))


async def main() -> None:
    """Change a running tree in every way there is."""
    cast = [ChildSpec("piano", Player), ChildSpec("singer", Player, needs=("piano",))]
    async with open_supervisor(name="stage", children=cast) as tree:
        dancer = await tree.start_child(ChildSpec("dancer", Player))
        print(await dancer.ask(Player.play()))
        await show(tree)

        await tree.stop_child("piano")  # whoever needs it stops first
        await show(tree)
        try:
            await tree.restart_child("singer")
        except NeedsStopped as refusal:
            print("refused:", refusal)
        await tree.restart_child("piano")
        singer: Ref[Player] = await tree.restart_child("singer")

        shy = ChildSpec("singer", partial(Player, "softly"), restart="transient", needs=("piano",))
        await tree.change_specs([await tree.get_child_spec("piano"), shy])  # the rest goes behind these
        print(await singer.ask(Player.play()))  # a running child stays as it was made
        await singer.stop()  # a transient child that is asked to stop stays stopped
        singer = await tree.restart_child("singer")
        print(await singer.ask(Player.play()))

        await tree.stop_child("piano")
        try:
            await tree.delete_child("piano")
        except StillNeeded as refusal:
            print("refused:", refusal)
        await tree.delete_child("singer")
        await tree.delete_child("piano")
        await tree.change_intensity(Intensity(restarts=1, period=60.0))  # one dancer need not fall so often
        await show(tree)
        print(await tree.count_children())


if __name__ == "__main__":
    trio.run(main)
