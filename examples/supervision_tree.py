"""A newsroom as a tree: children that need each other restart together, others do not notice, and all can be seen."""

from __future__ import annotations

import trio

from actors.kernel import Actor, Ref, op
from supervisors import (
    Backoff,
    ChildSpec,
    ChildTemplate,
    DynamicSupervisor,
    DynamicTree,
    LifecycleEvent,
    Supervisor,
    Tree,
    open_supervisor,
)


class Archive(Actor):
    """Knows everything, until it trips."""

    @op
    def look_up(self, word: str) -> str:
        """Answer, or crash over a word that it does not know."""
        if word == "quux":
            raise LookupError("no such word")
        return f"all about {word}"


class Editor(Actor):
    """Works with the archive of its branch."""

    def __init__(self, archive: str) -> None:
        self.archive = archive

    @op
    def greet(self) -> str:
        """Say who is speaking."""
        return f"{self.name}, incarnation {self.incarnation}, works with {self.archive}"


class Reporter(Actor):
    """Out on one story."""

    def __init__(self, story: str) -> None:
        self.story = story


def newsroom() -> list[ChildSpec[Actor]]:
    """Return the branches: a desk whose editor needs the archive, and reporters that come and go."""
    desk: list[ChildSpec[Actor]] = [
        ChildSpec("editor", lambda: Editor("archive"), needs=("archive",)),
        ChildSpec("archive", Archive, name="archive"),
        ChildSpec("coffee", Archive),
    ]
    return [
        ChildSpec("desk", lambda: Supervisor(children=desk, backoff=Backoff(initial=0.05))),
        ChildSpec("reporters", lambda: DynamicSupervisor(ChildTemplate(Reporter))),
    ]


def note(event: LifecycleEvent) -> None:
    """Print what happens at the desk, without the times, which differ from run to run."""
    if event.supervisor == "newsroom/desk":
        print(f"    {event.child}: {type(event).__name__}")


async def main() -> None:
    """Open the newsroom, trip the archive, and look at the tree before and after."""
    async with open_supervisor(name="newsroom", children=newsroom(), on_event=note) as tree:
        reporters = DynamicTree[[str], Reporter](await tree.child("reporters"))
        for story in ("elections", "weather"):
            await reporters.start_child(story)
        archive = tree.find("archive", Archive)
        print(await archive.ask(Archive.look_up("foo")))

        await archive.tell(Archive.look_up("quux"))
        print(await archive.ask(Archive.look_up("bar")))  # waits for the next incarnation
        editor: Ref[Editor] = await Tree(await tree.child("desk")).child("editor")
        print(await editor.ask(Editor.greet()))  # so does this: it needs the archive
        print(tree.snapshot())


if __name__ == "__main__":
    trio.run(main)
