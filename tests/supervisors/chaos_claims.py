"""What must hold at the end of a chaos run: the senders' own bookkeeping against the kernel's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations

from chaos_ledger import Ledger, Letter
from chaos_lives import Lives

from actors.kernel import Books, Fate
from supervisors.child_spec import DEFAULT_QUARANTINE_AFTER

GONE = frozenset({Fate.CANCELLED, Fate.EXPIRED, Fate.INTERRUPTED})
"""What can become of a message whose asker went away; a crash decides over a departure."""

TURNED_AWAY = frozenset({Fate.BOUNCED, Fate.DROPPED})
"""What becomes of an ask that its recipient has no use or no room for."""

SEEN: Mapping[str, frozenset[Fate]] = {
    "answered": frozenset({Fate.HANDLED}),
    "declared": frozenset({Fate.FAILED}),
    "interrupted": frozenset({Fate.INTERRUPTED}),
    "quarantined": frozenset({Fate.INTERRUPTED}),
    "stopped": frozenset({Fate.BOUNCED}),
    "full": frozenset({Fate.DROPPED}),
    "gone": GONE,
}
"""What became of an ask or a stream, by what its sender got to know."""


def verify(ledger: Ledger, lives: Lives, books: Books) -> list[str]:
    """Return every claim that does not hold, in words; an empty list when all do."""
    problems = list(ledger.problems)
    problems += [text for letter in ledger.letters for text in faults(letter)]
    problems += [
        f"incarnation {life.incarnation} of {life.path} is {life.state} after the end"
        for life in lives.seen
        if life.state not in {"failed", "down"}
    ]
    problems += unsettled(ledger, books)
    return problems


def faults(letter: Letter) -> list[str]:
    """Return what is wrong with one message."""
    claims = every_letter(letter) | (told(letter) if letter.verb == "tell" else asked(letter))
    return [f"{letter}: {claim}" for claim, holds in claims.items() if not holds]


def every_letter(letter: Letter) -> dict[str, bool]:
    """Return what holds for a message however it was sent."""
    return {
        "is handled as often as it may be": letter.begun <= most_beginnings(letter),
        "ends once": letter.done + letter.failed <= 1,
        "ends only if it began": letter.begun >= letter.done + letter.failed,
        "what was turned away was never handled": letter.outcome not in {"stopped", "full", "unsent"}
        or letter.begun == 0,
    }


def most_beginnings(letter: Letter) -> float:
    """Return how often an op may begin to handle a message: who is cut down with others may begin again and again."""
    if letter.spec is None or not letter.spec.idempotent:
        return 1
    return math.inf if letter.spec.concurrent else DEFAULT_QUARANTINE_AFTER


def asked(letter: Letter) -> dict[str, bool]:
    """Return what holds for an ask or a stream."""
    is_apart = letter.spec is not None and (letter.spec.concurrent or letter.spec.kind == "stream")
    return {
        "who was answered was served": letter.outcome != "answered" or letter.done == 1,
        "who got a declared error was served": letter.outcome != "declared" or letter.failed == 1,
        "what was interrupted had begun and not ended": letter.outcome not in {"interrupted", "quarantined"}
        or ((letter.begun >= 1 or is_apart) and letter.done == 0),
        "what is quarantined has crashed as many incarnations as it may": letter.outcome != "quarantined"
        or letter.begun == DEFAULT_QUARANTINE_AFTER,
        "what was served was answered, or its asker had gone": not letter.done
        or letter.outcome in {"answered", "gone"},
        "what nobody received was handed back": not (letter.done and letter.spec and letter.spec.undo)
        or letter.undone == (letter.outcome == "gone"),
    }


def told(letter: Letter) -> dict[str, bool]:
    """Return what holds for a tell: it is handled or a dead letter, never both and never neither."""
    has_ended = letter.done == 1 and letter.dead is None
    return {
        "is handled or a dead letter": letter.outcome != "queued" or has_ended != (letter.dead is not None),
        "what was turned away is a dead letter": letter.outcome not in {"stopped", "full"}
        or letter.dead in {Fate.UNDELIVERED, Fate.DROPPED},
        "what died unhandled had not begun": letter.dead not in {Fate.UNDELIVERED, Fate.DROPPED}
        or letter.begun == 0,
        "what failed was handled": letter.dead is not Fate.FAILED or letter.failed == 1,
        "what was interrupted had begun": letter.dead is not Fate.INTERRUPTED
        or letter.begun >= 1
        or bool(letter.spec and letter.spec.concurrent),
    }


def unsettled(ledger: Ledger, books: Books) -> list[str]:
    """Hold the fates of the books against what the senders saw, kind by kind."""
    problems: list[str] = []
    try:
        books.check_balanced()
    except AssertionError as error:
        problems.append(str(error))
    totals = books.totals()
    if totals.sent != sum(totals.fates.values()):
        problems.append(f"{totals.sent} sent, and {sum(totals.fates.values())} fates")
    possible = Counter(
        fates(letter) for letter in (*ledger.letters, *ledger.errands) if letter.outcome != "unsent"
    )
    for timer, count in ledger.timers.items():
        if isinstance(timer, Fate):
            possible[frozenset({timer})] += count
        elif timer == "done":
            possible[frozenset({Fate.HANDLED})] += count
    if ledger.timers["begun"] != ledger.timers["done"] + ledger.timers[Fate.INTERRUPTED]:
        problems.append(f"timers began, ended and died as {dict(ledger.timers)}")
    return problems + unlike(totals.fates, possible)


def fates(letter: Letter) -> frozenset[Fate]:
    """Return what can have become of a message, by all that was seen of it."""
    if letter.verb != "tell":
        if letter.verb == "stream" and letter.outcome == "gone" and letter.done:
            return GONE | {Fate.HANDLED}  # its consumer had all it wanted
        if letter.outcome == "gone" and letter.is_brief:
            return GONE | TURNED_AWAY  # in the instant in which its asker left
        return SEEN[letter.outcome]
    if letter.dead is not None:
        return frozenset({letter.dead})
    return frozenset({Fate.HANDLED}) if letter.done else frozenset({Fate.CANCELLED, Fate.EXPIRED})


def unlike(counted: Mapping[Fate, int], possible: Mapping[frozenset[Fate], int]) -> list[str]:
    """Say where the counts by fate cannot come from the messages that were seen.

    They can exactly if no set of fates was counted more often than there are messages that may have had one of them
    (Hall's condition), and there are as many messages as counts.
    """
    problems: list[str] = []
    if sum(counted.values()) != sum(possible.values()):
        problems.append(f"{sum(counted.values())} fates are counted, {sum(possible.values())} messages seen")
    broken: list[frozenset[Fate]] = []
    for few in subsets(Fate):
        if any(smaller < few for smaller in broken):
            continue  # told already, in fewer words
        count = sum(counted.get(fate, 0) for fate in few)
        most = sum(number for fates, number in possible.items() if fates & few)
        if count > most:
            broken.append(few)
            names = " or ".join(fate.name.lower() for fate in sorted(few))
            problems.append(f"{count} messages are counted as {names}, and at most {most} can be")
    return problems


def subsets(fates: Iterable[Fate]) -> list[frozenset[Fate]]:
    """Return every set of fates, but for the empty one, small ones first."""
    every = tuple(fates)
    return [frozenset(some) for size in range(1, len(every) + 1) for some in combinations(every, size)]
