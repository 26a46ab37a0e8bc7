"""Every exception Understudy raises on purpose, as one tree.

Outline:

    UnderstudyError
    ├── DeliveryError            what became of a message
    │   ├── NotDelivered           never handled: carries the message, always safe to send again
    │   │   ├── MailboxFull          the mailbox refuses or drops when it is full
    │   │   └── ActorStopped         the actor has ended or is stopping
    │   ├── Interrupted            its handler had started: the outcome is unknown
    │   │   └── Quarantined          it crashed several incarnations in a row and is not tried again
    │   └── AskCycle               the ask would wait for itself; refused before it was sent, and always will be
    ├── Rejected                 nothing was sent to a provider, nothing was spent
    │   ├── NeverFits              larger than a limit: waiting cannot help
    │   ├── WaitTooLong            capacity does not come before the deadline
    │   ├── QueueFull              too many callers wait already
    │   ├── BreakerOpen            the service is known to be down, or was isolated by hand
    │   ├── OutOfTime              the time for the whole job is used up; the next stage was not begun
    │   └── NoneAdmitted           no model or service of a chain was called; an ExceptionGroup as well
    ├── CallFailed               a provider was called; quota may be spent
    │   ├── TransportFailed        no complete response came back
    │   ├── ProviderFailed         the provider answered with an error
    │   ├── ReplyInvalid           the provider answered, but the answer is of no use
    │   └── NoneAnswered           every model or service of a chain failed; an ExceptionGroup as well
    ├── NotNow                   an actor does not want to start now; raised by the actor, no failure
    ├── StartFailed              a child or a tree did not start
    ├── RestartsExhausted        a child failed more often than its budget allows; an ExceptionGroup as well
    ├── EndedUnasked             an incarnation ended by itself although its child is permanent
    ├── ChildError               a supervisor cannot do with this child what it was asked to
    │   ├── ChildExists            the id is taken
    │   │   ├── ChildAlreadyStarted  by a child that runs, starts or restarts
    │   │   └── ChildAlreadyPresent  by a child that was stopped and is kept
    │   ├── ChildNotFound          no child has this id
    │   ├── ChildStillRunning      it has to be stopped first
    │   ├── ChildStillRestarting   it is between two incarnations
    │   ├── NeedsStopped           a child it needs was stopped; start that first
    │   ├── StillNeeded            the spec of another child needs it
    │   └── TooManyChildren        the supervisor has as many as it may
    ├── NameTaken                another actor of the tree has this name
    ├── NameNotFound             no actor of the tree has this name
    ├── CacheMiss                a cache was asked and does not have it: whoever knows is to be asked
    ├── SettingsError            a wrong setting: file, key, value and bound
    └── InputError               what the user gave cannot be worked on

Misuse (a wrong type, a negative number) raises `TypeError` or `ValueError`, as all Python does.
Messages are lower case, name the value and the bound or the next step, and never hold prompt text or keys.
`public_message` is what a client of a service may be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Self

from actors.faults.context import ErrorContext
from actors.faults.fault import Fault

LimitKind = Literal["rate", "acceleration", "daily_quota", "spend_cap"]
"""Which limit refused a request: one per minute, one on how fast use may rise, one per day, or the money."""


class UnderstudyError(Exception):
    """Base of everything Understudy raises on purpose.

    Attributes:
        public_message: a sentence that a client of a service may see; it says nothing about the inside.
        context: where it was met, once a call has told it; None before.
    """

    public_message = "something went wrong on our side"
    context: ErrorContext | None = None

    def __reduce__(self) -> tuple[Callable[..., UnderstudyError], tuple[object, ...]]:
        """Pickle it whole, facts included, although they are keyword-only."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[UnderstudyError], args: tuple[object, ...], facts: dict[str, object]
) -> UnderstudyError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


def _in_common(errors: Sequence[Exception], otherwise: str) -> str:
    """Return what a client is told of each of these errors where that is the same for all."""
    told = {error.public_message if isinstance(error, UnderstudyError) else "" for error in errors}
    return told.pop() or otherwise if len(told) == 1 else otherwise


class DeliveryError(UnderstudyError):
    """A message did not come to a normal end.

    Args:
        text: what happened.
        message: the message itself, so that a caller can send it again.
        recipient: the name of the actor it was addressed to.
    """

    def __init__(self, text: str, *, message: object, recipient: str) -> None:
        super().__init__(text)
        self.message = message
        self.recipient = recipient


class NotDelivered(DeliveryError):
    """The message was never handled. Sending it again is always safe."""


class MailboxFull(NotDelivered):
    """The mailbox was full and is set to refuse or to drop."""


class ActorStopped(NotDelivered):
    """The actor had ended, or was stopping, before it came to the message."""


class AskCycle(DeliveryError):
    """The ask would have waited, directly or through others, for the operation that makes it.

    It was refused before it was sent. It travels unchanged to whoever asked first, whose own operation had started by
    then; so it is not a `NotDelivered`, and sending anything again leads to the same cycle.

    Attributes:
        path: the operations that wait for one another, first and last the same one.
    """

    def __init__(self, text: str, *, message: object, recipient: str, path: tuple[str, ...]) -> None:
        super().__init__(text, message=message, recipient=recipient)
        self.path = path


class Interrupted(DeliveryError):
    """The handler had started when its actor ended: whether the work was done is unknown."""


class Quarantined(Interrupted):
    """The message crashed several incarnations of its actor, one after the other, and is not tried again.

    The crashes are chained as a group; the message is a dead letter.
    """


class Rejected(UnderstudyError):
    """Nothing was sent and nothing was spent.

    Attributes:
        retry_at: instant on the Trio clock from which trying again makes sense, or None when never.
    """

    public_message = "too busy to take this on now; try again later"

    def __init__(self, text: str, *, retry_at: float | None = None) -> None:
        super().__init__(text)
        self.retry_at = retry_at


class NeverFits(Rejected):
    """The request alone is larger than a limit; no waiting can help.

    Attributes:
        quantity: what is limited: "requests", "input_tokens", "output_tokens" or "total_tokens".
        asked: how much of it the request needs.
        amount: how much of it there is in a window.
        window: seconds the limit is for.
        scope: whose limit it is: "pool" for that of the model, else its kind and name, such as "key/3f9a".

    Each is None where whoever raised it did not know.
    """

    public_message = "this request is too large"

    def __init__(
        self,
        text: str,
        *,
        quantity: str | None = None,
        asked: int | None = None,
        amount: int | None = None,
        window: float | None = None,
        scope: str | None = None,
    ) -> None:
        super().__init__(text)
        self.quantity = quantity
        self.asked = asked
        self.amount = amount
        self.window = window
        self.scope = scope


class WaitTooLong(Rejected):
    """Capacity does not come before the deadline, or did not come before it."""


class QueueFull(Rejected):
    """Too many callers wait already."""


class BreakerOpen(Rejected):
    """The service is known to be down, or was taken out by hand; `retry_at` is None for the latter.

    Attributes:
        service: the name of the breaker, such as "anthropic/claude-opus-4-8".
        state: "open", "half_open" (its trial calls are out) or "isolated".
    """

    public_message = "a service we depend on is not available at the moment; try again later"

    def __init__(self, text: str, *, service: str, state: str, retry_at: float | None) -> None:
        super().__init__(text, retry_at=retry_at)
        self.service = service
        self.state = state


class OutOfTime(Rejected):
    """The time for the whole job is used up: the next stage was not begun."""

    public_message = "this took too long; try again later"


class NoneAdmitted(Rejected, ExceptionGroup[Exception]):
    """No model or service of a chain was called: the group of why not, in the order of the chain.

    `retry_at` is the soonest instant that any of them names.
    """

    def __new__(cls, text: str, errors: Sequence[Exception]) -> Self:
        """Make the group.

        Raises:
            ValueError: there are no errors.
        """
        return super().__new__(cls, text, errors)

    def __init__(self, text: str, errors: Sequence[Exception]) -> None:
        ExceptionGroup.__init__(self, text, errors)
        self.public_message = _in_common(errors, self.public_message)
        instants = [error.retry_at for error in errors if isinstance(error, Rejected)]
        self.retry_at = min((instant for instant in instants if instant is not None), default=None)

    def derive(self, excs: Sequence[Exception], /) -> NoneAdmitted:  # type: ignore[override]  # an exception of ours holds no interrupts
        """Return a group of some of the errors: what `except*` and `split` make."""
        return NoneAdmitted(self.message, excs)

    def __str__(self) -> str:
        """Return what happened; the text names each of the errors itself."""
        return self.message


class CallFailed(UnderstudyError):
    """A provider was called and it did not work out; quota may be spent.

    Attributes:
        retryable: whether the same call can succeed later.
        retry_after: seconds the provider asked to wait, or None.
        charged: False only where the provider is known not to have counted the attempt.
        fault: what it is by the taxonomy, where whoever raised it knew; `actors.wire.faults.fault_of` finds it for any.
        is_out_of_budget: whether it was not tried again because the retry budget was empty.
        retry_at: instant on the Trio clock from which trying again makes sense, or None where nobody knows.
    """

    public_message = "a service we depend on did not answer as it should; try again later"
    is_out_of_budget = False
    retry_at: float | None = None

    def __init__(
        self,
        text: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        charged: bool = True,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.retry_after = retry_after
        self.charged = charged
        self.fault = fault


class TransportFailed(CallFailed):
    """No complete response came back.

    Attributes:
        kind: "connect", "timeout", "reset" or "protocol".
    """

    def __init__(
        self,
        text: str,
        *,
        kind: str,
        charged: bool = True,
        retryable: bool = True,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(text, retryable=retryable, charged=charged, fault=fault)
        self.kind = kind


class ProviderFailed(CallFailed):
    """The provider answered with an error.

    Attributes:
        status: the HTTP status.
        kind: the provider's own error type, such as "overloaded_error".
        request_id: the provider's id of the request, or None.
        limit_kind: which limit refused the request, or None when none did.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int,
        kind: str,
        request_id: str | None = None,
        limit_kind: LimitKind | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        charged: bool = True,
        fault: Fault | None = None,
    ) -> None:
        super().__init__(text, retryable=retryable, retry_after=retry_after, charged=charged, fault=fault)
        self.status = status
        self.kind = kind
        self.request_id = request_id
        self.limit_kind: LimitKind | None = limit_kind


class ReplyInvalid(CallFailed):
    """The provider answered, but the answer is of no use: it does not parse or breaks its rules.

    Attributes:
        problems: one line per fault found.
    """

    def __init__(self, text: str, *, problems: tuple[str, ...] = (), retryable: bool = True) -> None:
        super().__init__(text, retryable=retryable)
        self.problems = problems


class NoneAnswered(CallFailed, ExceptionGroup[Exception]):
    """Every model or service of a chain failed, at least one of them after it was called.

    It is the group of their errors, in the order of the chain. It is retryable where one of them is, and `retry_at` is
    the soonest instant that any of them names.
    """

    def __new__(cls, text: str, errors: Sequence[Exception]) -> Self:
        """Make the group.

        Raises:
            ValueError: there are no errors.
        """
        return super().__new__(cls, text, errors)

    def __init__(self, text: str, errors: Sequence[Exception]) -> None:
        ExceptionGroup.__init__(self, text, errors)
        self.public_message = _in_common(errors, self.public_message)
        calls = [error for error in errors if isinstance(error, CallFailed)]
        self.retryable = any(error.retryable for error in calls)
        self.retry_after = None
        self.charged = any(error.charged for error in calls)
        self.fault = None
        self.is_out_of_budget = any(error.is_out_of_budget for error in calls)
        instants = [error.retry_at for error in errors if isinstance(error, (CallFailed, Rejected))]
        self.retry_at = min((instant for instant in instants if instant is not None), default=None)

    def derive(self, excs: Sequence[Exception], /) -> NoneAnswered:  # type: ignore[override]  # an exception of ours holds no interrupts
        """Return a group of some of the errors: what `except*` and `split` make."""
        return NoneAnswered(self.message, excs)

    def __str__(self) -> str:
        """Return what happened; the text names each of the errors itself."""
        return self.message


class NotNow(UnderstudyError):
    """Raised in an actor's `setup`, or by its factory: it has no reason to run now, and that is no failure.

    A supervisor keeps the spec of a permanent or transient child without an incarnation; a temporary one is forgotten.
    """


class StartFailed(UnderstudyError):
    """A child or a tree did not start; the root cause is chained.

    Attributes:
        child: the name of the child that failed.
    """

    def __init__(self, text: str, *, child: str) -> None:
        super().__init__(text)
        self.child = child


class RestartsExhausted(UnderstudyError, ExceptionGroup[Exception]):
    """A child failed more often within its period than its budget allows: the post-mortem of all its incarnations.

    It is an ExceptionGroup of what ended them, oldest first, so `except*` reaches into it. Each error has notes that
    say which incarnation it ended, which message it met, and how long the pause was that followed.

    Attributes:
        child: the name of the child.
        restarts: how many restarts the period holds.
        period: the length of the window in seconds.
    """

    def __new__(cls, text: str, errors: Sequence[Exception], **_facts: object) -> Self:
        """Make the group; the facts are for `__init__`.

        Raises:
            ValueError: there are no errors.
        """
        return super().__new__(cls, text, errors)

    def __init__(  # pyright: ignore[reportInconsistentConstructor]  # unpickling makes it without its facts
        self, text: str, errors: Sequence[Exception], *, child: str, restarts: int, period: float
    ) -> None:
        super().__init__(text, errors)
        self.child = child
        self.restarts = restarts
        self.period = period

    def __repr__(self) -> str:
        """Show what happened and count the errors: one lies in the other for each level of an escalation."""
        return f"{type(self).__name__}({self.message!r}, {len(self.exceptions)} errors)"

    def derive(self, excs: Sequence[Exception], /) -> RestartsExhausted:  # type: ignore[override]  # an exception of ours holds no interrupts
        """Return a group of some of the errors with the same facts: what `except*` and `split` make."""
        return RestartsExhausted(
            self.message, excs, child=self.child, restarts=self.restarts, period=self.period
        )


class EndedUnasked(UnderstudyError):
    """An incarnation ended without an error although its child is permanent: it was started again for that."""


class ChildError(UnderstudyError):
    """A supervisor cannot do with this child what it was asked to; nothing was changed.

    Attributes:
        child: the id of the child.
    """

    def __init__(self, text: str, *, child: str) -> None:
        super().__init__(text)
        self.child = child


class ChildExists(ChildError):
    """The id is taken."""


class ChildAlreadyStarted(ChildExists):
    """The id is taken by a child that runs, starts, stops or restarts."""


class ChildAlreadyPresent(ChildExists):
    """The id is taken by a child that was stopped and is kept; it can be restarted or deleted."""


class ChildNotFound(ChildError):
    """No child has this id: it never had, or the child was forgotten when it ended."""


class ChildStillRunning(ChildError):
    """The child runs; it has to be stopped first, or did not stop within its grace."""


class ChildStillRestarting(ChildError):
    """The child is between two incarnations and starts again by itself; stop it first."""


class NeedsStopped(ChildError):
    """The child needs another one that was stopped; start that first."""


class StillNeeded(ChildError):
    """The spec of another child needs this one; delete or change that first."""


class TooManyChildren(ChildError):
    """The supervisor has as many children as it may; `child` is the supervisor's name."""


class NameTaken(UnderstudyError):
    """Another actor of the tree is registered under this name.

    Attributes:
        name: the name.
    """

    def __init__(self, text: str, *, name: str) -> None:
        super().__init__(text)
        self.name = name


class NameNotFound(UnderstudyError):
    """No actor of the tree is registered under this name.

    Attributes:
        name: the name.
    """

    def __init__(self, text: str, *, name: str) -> None:
        super().__init__(text)
        self.name = name


class CacheMiss(UnderstudyError):
    """A cache does not have what it was asked for. Nothing is wrong with it: a chain of services asks its next step."""

    public_message = "a service we depend on is not available at the moment; try again later"


class SettingsError(UnderstudyError):
    """One or more settings are wrong.

    Attributes:
        problems: one line per fault, each with its file, key, value and bound.
    """

    public_message = "the service is not set up correctly"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class InputError(UnderstudyError):
    """What the user gave cannot be worked on: missing, empty, or not of the expected kind."""

    public_message = "this input cannot be read"
