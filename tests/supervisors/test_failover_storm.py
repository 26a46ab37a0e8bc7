"""No order of tasks loses a message of a failover group, handles one twice, or lets one overtake another."""

from __future__ import annotations

import pytest
from failover_cast import Model
from failover_storm import Storm

from actors.testing.run import run
from supervisors.failover.group import FailoverGroup

SEEDS = 25


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost_doubled_or_overtaken(seed: int) -> None:
    run(Storm(seed).rage, seed=seed)


def test_the_storms_change_the_active_member_often_and_move_what_waits() -> None:
    changes, moved = 0, 0
    for seed in range(8):
        storm = Storm(seed)
        run(storm.rage, seed=seed)
        assert storm.statistics is not None
        changes += storm.statistics.promotions + storm.statistics.fail_backs
        moved += storm.statistics.moved
    assert changes > 24
    assert moved > 24


class LeavesTheMail(FailoverGroup[Model]):
    """Lets what waits wait for the old member."""

    def _move(self, source: int, target: int) -> int:
        del source, target
        return 0


class MovesTheMailLater(FailoverGroup[Model]):
    """Moves what waits when there is time for it: what is sent meanwhile overtakes it."""

    def _move(self, source: int, target: int) -> int:
        self.start_soon(self._move_later, source, target)
        return 0

    async def _move_later(self, source: int, target: int) -> None:
        super()._move(source, target)


class MovesTheMailAsOneSends(FailoverGroup[Model]):
    """Sends what waits anew, in any order, from outside of the mailbox."""

    def _move(self, source: int, target: int) -> int:
        mailbox = self._members[source].slot.mailbox
        waiting = []
        while (envelope := mailbox.get_nowait()) is not None:
            waiting.append(envelope)
        mailbox.put_back(*reversed(waiting))
        return super()._move(source, target)


@pytest.mark.parametrize("kind", [LeavesTheMail, MovesTheMailLater, MovesTheMailAsOneSends])
def test_a_planted_bug_is_caught(kind: type[FailoverGroup[Model]]) -> None:
    def storms() -> None:
        for seed in range(SEEDS):
            run(Storm(seed, kind).rage, seed=seed)

    with pytest.raises((AssertionError, ExceptionGroup)):
        storms()
