"""The registry against a dict: whatever order names are taken, actors end in, and late news comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from actors.errors import NameNotFound, NameTaken
from actors.kernel import Books, Ref
from actors.kernel.slot import Down, Exit, Reason, Slot
from supervisors.registry import Registry

NAMES = st.sampled_from("abcd")
REASONS = st.sampled_from(("normal", "stopped", "killed", "crashed", "cancelled", "declined"))


class RegistryMachine(RuleBasedStateMachine):
    """The model is a dict of names to slots, from which an end deletes all that are the slot's."""

    slots: Bundle[Slot] = Bundle("slots")

    @initialize()
    def begin(self) -> None:
        self.registry = Registry()
        self.model: dict[str, Slot] = {}
        self.releases: list[tuple[Callable[[Down], object], Slot]] = []

    @rule(target=slots)
    def open(self) -> Slot:
        return Slot.open("player", Books())

    @rule(slot=slots, name=NAMES)
    def register(self, slot: Slot, name: str) -> None:
        if name in self.model:
            with pytest.raises(NameTaken):
                self.registry.register(name, slot)
        else:
            self.registry.register(name, slot)
            self.model[name] = slot
            self.releases.append((slot._watchers[-1], slot))

    @rule(slot=slots)
    def restart(self, slot: Slot) -> None:
        slot.leave("restarting")

    @rule(slot=consumes(slots), reason=REASONS)
    def end(self, slot: Slot, reason: Reason) -> None:
        slot.close(Exit(reason))
        self.model = {name: holder for name, holder in self.model.items() if holder is not slot}
        with pytest.raises((ValueError, NameTaken)):
            self.registry.register("a", slot)

    @rule(data=st.data())
    def hear_late(self, data: st.DataObject) -> None:
        """Have an end that was told of before told once more."""
        late = [(release, slot.down) for release, slot in self.releases if slot.down is not None]
        if late:
            release, down = data.draw(st.sampled_from(late))
            assert down is not None
            release(down)

    @invariant()
    def names_are_those_of_the_model(self) -> None:
        assert self.registry.names() == tuple(sorted(self.model))
        for name in "abcd":
            assert self.found(name) == (Ref(self.model[name]) if name in self.model else None)

    def found(self, name: str) -> Ref[Any] | None:
        try:
            return self.registry.find(name)
        except NameNotFound:
            return None


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
