"""How the senders of a chaos run send: each verb enters in the ledger what its sender got to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

import attrs
import trio
from chaos_ledger import Ledger, Letter, Outcome, step

from actors.errors import (
    ActorStopped,
    AskCycle,
    ChildError,
    Interrupted,
    MailboxFull,
    Quarantined,
    StartFailed,
)
from actors.kernel import Delivery, Message, Ref, StreamMessage

ActorT = TypeVar("ActorT")
T = TypeVar("T")

TOLD: dict[Delivery, Outcome] = {
    Delivery.QUEUED: "queued",
    Delivery.REFUSED: "full",
    Delivery.DROPPED: "full",
    Delivery.UNDELIVERED: "stopped",
}


class Refusal(Exception):
    """An error that is an answer."""


@attrs.frozen
class Entered:
    """Enters how the exchange in the block ended; only a cycle goes on up, for the op that closed it.

    Args:
        letter: where.
        message: what is sent.
    """

    letter: Letter
    message: object = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        match error:
            case Quarantined():
                self.letter.outcome = "quarantined"
            case Interrupted():
                self.letter.outcome = "interrupted"
            case MailboxFull():
                self.letter.outcome = "full"
            case ActorStopped():
                self.letter.outcome = "stopped"
            case Refusal() | ChildError() | StartFailed() | ValueError():
                self.letter.outcome = "declared"
            case AskCycle() if error.message is not self.message:
                self.letter.outcome = "declared"
                return False
            case AskCycle():  # before it was sent, or later, as its recipient began to stop
                self.letter.outcome = "unsent" if step() == self.letter.sent_in else "stopped"
                return False
            case trio.Cancelled():
                self.letter.is_brief = trio.current_time() == self.letter.sent_at
                return False
            case _:
                return False
        return True


async def ask(
    ledger: Ledger, sender: str, ref: Ref[ActorT], op: Callable[..., Message[ActorT, int]], *args: Any
) -> Outcome:
    """Ask, and return what came of it; the answer must be the key of the question."""
    letter = ledger.write(sender, "ask")
    message = op(letter.key, *args)
    letter.spec = message.__op__
    with Entered(letter, message):
        answer = await ref.ask(message)
        letter.outcome = "answered"
        if answer != letter.key:
            ledger.problem(f"{letter} was answered with {answer}, the answer to another")
    return letter.outcome


async def tell(
    ledger: Ledger, sender: str, ref: Ref[ActorT], op: Callable[..., Message[ActorT, int]], *args: Any
) -> Outcome:
    """Tell, and return what came of it as far as a teller gets to know."""
    letter = ledger.write(sender, "tell")
    message = op(letter.key, *args)
    letter.spec = message.__op__
    letter.outcome = TOLD[await ref.tell(message)]
    return letter.outcome


def tell_nowait(
    ledger: Ledger, sender: str, ref: Ref[ActorT], op: Callable[..., Message[ActorT, int]], *args: Any
) -> Outcome:
    """Tell without waiting for room."""
    letter = ledger.write(sender, "tell")
    message = op(letter.key, *args)
    letter.spec = message.__op__
    letter.outcome = TOLD[ref.tell_nowait(message)]
    return letter.outcome


async def stream(
    ledger: Ledger,
    sender: str,
    ref: Ref[ActorT],
    op: Callable[..., StreamMessage[ActorT, int]],
    *,
    items: int,
    wanted: int,
) -> Outcome:
    """Take `wanted` of the `items` items of a stream, which come in order, and all of them if it is enough."""
    letter = ledger.write(sender, "stream")
    message = op(letter.key, items)
    letter.spec = message.__op__
    with Entered(letter):
        async with ref.stream(message) as coming:
            taken = 0
            async for item in coming:
                if item != taken:
                    ledger.problem(f"{letter} gave item {item} after {taken} items")
                taken += 1
                if taken == wanted:
                    return letter.outcome
            letter.outcome = "answered"
            if taken != items:
                ledger.problem(f"{letter} ended well after {taken} items of {items}")
    return letter.outcome


async def errand(ledger: Ledger, call: Callable[[], Awaitable[T]]) -> T | None:
    """Ask something of a supervisor, and return its answer; None when there is none."""
    letter = ledger.errand()
    with Entered(letter):
        answer = await call()
        letter.outcome = "answered"
        return answer
    return None
