"""What makes no sense to a cooldown is told to whoever asks it, and the cooldown goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.cooldown import Cooldown
from actors.kernel import Message, open_actor
from actors.policies.cooldown.records import Trouble

RATE = Trouble("rate")

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Unhashable:
    """A listener that equals others, and so cannot be looked up."""

    __hash__ = None  # type: ignore[assignment]  # how Python spells it

    def __call__(self, _pause: object) -> None:
        """Hear of a pause."""


def ignored(_pause: object) -> None:
    """Hear of a pause."""


wrong: Any = 5
lists: Any = []


@pytest.mark.parametrize(
    ("question", "error", "text"),
    [
        (Cooldown.hear(wrong, RATE), TypeError, "pool must be text, got int"),
        (Cooldown.hear(lists, RATE), TypeError, "pool must be text, got list"),
        (Cooldown.hear("opus", wrong), TypeError, "trouble must be a Trouble, got int"),
        (Cooldown.wait(lists), TypeError, "pool must be text, got list"),
        (Cooldown.clear(lists), TypeError, "pool must be text, got list"),
        (Cooldown.succeeded(lists), TypeError, "pool must be text, got list"),
        (Cooldown.succeeded("opus", lists), TypeError, "sent_at must be a number of seconds, got []"),
        (Cooldown.succeeded("opus", math.inf), ValueError, "sent_at must be finite, got inf"),
        (
            Cooldown.succeeded("opus", 10**400),
            ValueError,
            "sent_at must be a number of seconds, got a whole number of 1329 bits",
        ),
        (Cooldown.subscribe(lists, ignored), TypeError, "pool must be text, got list"),
        (Cooldown.subscribe("opus", wrong), TypeError, "listener must be callable, got int"),
        (Cooldown.subscribe("new", Unhashable()), TypeError, "unhashable type: 'Unhashable'"),
        (Cooldown.subscribe("opus", ignored, lists), TypeError, "name must be text, got list"),
        (Cooldown.unsubscribe(lists, ignored), TypeError, "pool must be text, got list"),
        (Cooldown.unsubscribe("opus", wrong), TypeError, "listener must be a name or callable, got int"),
        (Cooldown.unsubscribe("opus", Unhashable()), TypeError, "unhashable type: 'Unhashable'"),
    ],
)
async def test_who_says_what_makes_no_sense_is_told_and_harms_nobody(
    question: Message[Cooldown, Any], error: type[Exception], text: str
) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", RATE))
        before = await cooldown.ask(Cooldown.statistics())

        with pytest.raises(error) as caught:
            await cooldown.ask(question)

        assert str(caught.value) == text
        assert await cooldown.ask(Cooldown.statistics()) == before
