"""Tests that a failover group keeps the type of its members; mypy checks the annotations, the run checks the values."""

from __future__ import annotations

from functools import partial
from typing import assert_type

import pytest

from actors.kernel import Actor, Ref, op
from supervisors import (
    ChildSpec,
    FailoverGroup,
    FailoverRef,
    FailoverStatistics,
    open_failover_group,
    open_supervisor,
)


class Model(Actor):
    @op
    def who(self) -> str:
        return self.name


class Large(Model):
    pass


class Small(Model):
    pass


class Counter(Actor):
    @op
    def count(self) -> int:
        return 1


async def ping(model: Ref[Model]) -> None:
    await model.ask(Model.who())


async def test_the_ref_of_a_group_is_one_of_its_members_base() -> None:
    members = [ChildSpec[Model]("large", Large), ChildSpec[Model]("small", Small)]
    async with open_failover_group(members, probe=ping) as model:
        assert_type(model, FailoverRef[Model])
        ref: Ref[Model] = model
        assert_type(await ref.ask(Model.who()), str)
        assert await ref.ask(Model.who()) == "large"
        told = await model.group.ask(FailoverGroup.statistics())
        assert_type(told, FailoverStatistics)
        assert told.active == "large"


async def test_a_group_in_a_tree_keeps_its_type() -> None:
    async with open_supervisor() as tree:
        by_lambda = await tree.start_child(ChildSpec("a", lambda: FailoverGroup([ChildSpec("large", Large)])))
        assert_type(by_lambda, Ref[FailoverGroup[Large]])
        assert_type(FailoverRef(by_lambda), FailoverRef[Large])
        by_partial = await tree.start_child(
            ChildSpec("b", partial(FailoverGroup[Model], [ChildSpec("small", Small)], probe=ping))
        )
        assert_type(FailoverRef(by_partial), FailoverRef[Model])
        assert_type(await FailoverRef(by_partial).ask(Model.who()), str)


async def test_another_actors_message_is_refused_by_the_type_checker_and_by_the_member() -> None:
    async with open_failover_group([ChildSpec("large", Large)]) as model:
        with pytest.raises(TypeError):
            await model.ask(Counter.count())  # type: ignore[arg-type]  # what it refuses
