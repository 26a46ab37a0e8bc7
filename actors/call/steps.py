r"""The steps of one logical call, as values: what a caller can watch while it waits for the answer.

Waiting -> Calling -> Answered
               \-> Failed -> Waiting ...            tried again, after `delay`
               \-> Failed -> PassedOver -> Waiting ...   the next model's turn
               \-> Failed -> Shortened -> Waiting ...    the same model's, with less to read

Where the answer is known from before there is no step but the last.
"""

from __future__ import annotations

from typing import Literal

import attrs

from actors.errors import CallFailed, Rejected
from actors.wire.chat import ChatReply


@attrs.frozen
class Waiting:
    """The call waits for capacity of `model`."""

    model: str


@attrs.frozen
class Calling:
    """Attempt number `attempt` of this call is out, to `model`, after `waited` seconds for capacity."""

    model: str
    attempt: int
    waited: float


@attrs.frozen
class Failed:
    """An attempt failed. It is tried again after `delay` seconds, or no more on this model when None."""

    model: str
    attempt: int
    error: CallFailed
    delay: float | None


@attrs.frozen
class PassedOver:
    """`model` is given up because of `error`, and `next_model` is asked instead; empty where an old answer is taken."""

    model: str
    next_model: str
    error: CallFailed | Rejected


@attrs.frozen
class Shortened:
    """The question was too large for `model`, and is asked again in fewer words."""

    model: str
    error: CallFailed | Rejected


Source = Literal["model", "cache", "stale_cache"]
"""Where an answer is from: a model that was asked, or an equal question that was answered before, lately or not."""


@attrs.frozen
class Answered:
    """The call is answered.

    Args:
        reply: the answer.
        model_used: the model of the chain that gave it.
        fell_back: whether that is not the first of the chain.
        attempts: requests that went out for this call, over all models.
        passed_over: the models before it, each with the reason.
        source: where the answer is from.
    """

    reply: ChatReply
    model_used: str
    fell_back: bool
    attempts: int
    passed_over: tuple[PassedOver, ...] = ()
    source: Source = "model"


CallStep = Waiting | Calling | Failed | PassedOver | Shortened | Answered
