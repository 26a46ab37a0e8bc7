"""A worker of a chaos run that names deadlines of its own."""

from __future__ import annotations

from chaos_actors import Worker


class Clockwork(Worker):
    """A worker with a deadline of its own, as policies have."""

    due = 0.0

    async def _set_up(self) -> None:
        self.due = self.now() + 1.0
        await super()._set_up()

    def next_deadline(self) -> float:
        return self.due

    def on_deadline(self) -> None:
        self.due = self.now() + 0.5 + self.chaos.rng.random()
        self.chaos.strike("deadline")
