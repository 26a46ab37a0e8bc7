"""What a client of a service sees of an error: one sentence and an id, and nothing else.

The sentence is one of a few that say what the client can do: wait, ask for less, ask for something else. The id is
opaque, and under it the log has all the rest in one event, so that whoever is told the id finds it.

    except Exception as error:
        told = tell_client(error, log=log)
        return 503, told.as_dict()      # {"error": {"message": "this took too long; ...", "id": "9f86d0..."}}

The sentence is that of the kind of fault where the fault is known, else that of the error's class. No text of an error
is ever part of it, so nothing that an error quotes can be.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import attrs
from structlog.typing import FilteringBoundLogger

from actors.bound_ids import LONGEST_ID, bound_ids
from actors.error_facts import circumstances, fault_facts
from actors.errors import CallFailed, RestartsExhausted, UnderstudyError
from actors.faults import FAULT_ROWS
from actors.telemetry import ERROR_REPORTED
from actors.wire.faults import fault_of

ID_BYTES = 16
"""Random bytes of an id: too many to guess one of another client's, as with a random UUID."""


@attrs.frozen
class ClientError:
    """All that leaves the house.

    Args:
        message: a sentence for the client.
        error_id: what the log has the error under.
    """

    message: str
    error_id: str

    def as_dict(self) -> dict[str, dict[str, str]]:
        """Return it as it goes over the wire: `{"error": {"message": ..., "id": ...}}`."""
        return {"error": {"message": self.message, "id": self.error_id}}


def new_error_id() -> str:
    """Return an id that tells nothing and cannot be guessed: 32 hexadecimal digits."""
    return secrets.token_hex(ID_BYTES)


def tell_client(
    error: BaseException, *, log: FilteringBoundLogger, new_id: Callable[[], str] = new_error_id
) -> ClientError:
    """Log `error` as one event "error.reported" under a new id, and return what the client may see of it.

    It works for any error at all, and a log that fails does not cost the client its answer: then the id and the type of
    the error are written to standard error, as is all there is to find when `log` is no structlog logger. An error that
    means an end, such as a cancellation or `KeyboardInterrupt`, is told like others; raising it again is for whoever
    caught it.

    Args:
        error: what was raised: an error of ours or of anybody, or a group.
        log: is told the fault, the circumstances, the ids bound to this task, and the types of the error and of its
            causes.
        new_id: makes the id: printable, of 1 to 128 characters. Where it makes none, `new_error_id` does.
    """
    told = ClientError(_public_message(error), _made_by(new_id))
    is_logged = _is_logged(log, error_id=told.error_id, **_facts(error), exc_info=error)
    if not is_logged and not _is_logged(log, error_id=told.error_id):  # perhaps its id at least can be told
        _write_last_trace(error, told.error_id)
    return told


def _made_by(new_id: Callable[[], str]) -> str:
    with suppress(Exception):  # the client is owed an answer, also where a stranger's code gives none
        made = new_id()
        if type(made) is str and 0 < len(made) <= LONGEST_ID and made.isprintable():
            return made
    return new_error_id()


def _write_last_trace(error: BaseException, error_id: str) -> None:
    """Leave one line for whoever looks for the id: an id that leads nowhere is worse than none."""
    with suppress(Exception):
        sys.stderr.write(
            f"{ERROR_REPORTED} {error_id}: {type(error).__name__}, and the log did not take it\n"
        )


def _public_message(error: BaseException) -> str:
    with suppress(Exception):  # a foreign class may raise whenever it is looked at
        sentence = _sentence(error)
        if isinstance(sentence, str) and sentence.strip():
            return sentence
    return UnderstudyError.public_message


def _sentence(error: BaseException) -> object:
    """Return the sentence that all members of a group share, that of the fault, or what the class has for one."""
    shared = {_sentence(each) for each in _members(error)}
    if len(shared) == 1:
        return shared.pop()
    is_classified = isinstance(error, CallFailed) and error.fault is not None
    if isinstance(error, UnderstudyError) and not is_classified:
        return type(error).public_message
    return FAULT_ROWS[fault_of(error).kind].public_message


def _members(error: BaseException) -> Sequence[BaseException]:
    """Return the errors that a group stands for: those of a child that crashed too often say nothing to a client."""
    if isinstance(error, RestartsExhausted) or not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def _facts(error: BaseException) -> dict[str, Any]:
    """Return all there is to tell; what cannot be read is left out and takes nothing else along."""
    facts: dict[str, Any] = dict(bound_ids())
    for facts_of in (circumstances, fault_facts):
        with suppress(Exception):
            facts |= facts_of(error)
    return facts


def _is_logged(log: FilteringBoundLogger, **facts: Any) -> bool:
    try:
        log.error(ERROR_REPORTED, **facts)
    except Exception:  # noqa: BLE001  # a log may fail in any way; the client's answer stands
        return False
    return True
