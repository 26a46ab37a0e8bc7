"""Tests that supervision keeps its promises through chaos, and that chaos would notice if it did not."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos import Progress, main
from chaos_points import CHANCES
from chaos_run import Report, let_chaos_reign
from unmeasured import unmeasured, unmeasured_environment

from actors.errors import ActorStopped
from actors.kernel import endings, heritage, serving
from actors.kernel.envelope import Envelope
from actors.kernel.fates import Fate
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.kernel.reply import Reply
from actors.kernel.slot import Slot
from actors.kernel.unfinished import Unfinished
from supervisors import Intensity
from supervisors.children import Children
from supervisors.roster import Roster

Patch = pytest.MonkeyPatch

SCRIPT = Path(__file__).parent / "chaos.py"
KEYS = ["seed", "sent", "fates", "restarts", "escalations", "balanced", "wall_seconds"]


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as `make chaos` does, unmeasured: measuring each line of it would take minutes."""
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, str(SCRIPT), *arguments],
        env=unmeasured_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("seed", range(10))
def test_every_promise_is_kept_through_fifty_thousand_messages_of_chaos(seed: int) -> None:
    ran = run_script("--seed", str(seed))
    assert (ran.returncode, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert list(report) == KEYS
    assert report["seed"] == seed
    assert report["balanced"] is True
    assert report["sent"] == sum(report["fates"].values()) >= 50_000
    assert list(report["fates"]) == [fate.name.lower() for fate in Fate]
    assert min(report["fates"].values()) > 0
    assert report["restarts"] > 200
    assert report["escalations"] > 5


def test_the_same_seed_gives_the_same_line_whatever_the_hashes_are() -> None:
    lines = [run_script("--seed", "3", "--messages", "5000", PYTHONHASHSEED=seed).stdout for seed in "129"]
    reports = [{**json.loads(line), "wall_seconds": None} for line in lines]
    assert reports[0] == reports[1] == reports[2]


def test_another_seed_gives_another_run() -> None:
    assert let_chaos_reign(1, 1000).fates != let_chaos_reign(2, 1000).fates


@unmeasured
def test_every_point_at_which_an_actor_can_crash_is_struck() -> None:
    missed = set(CHANCES)
    for seed in range(8):
        if missed:
            missed -= set(let_chaos_reign(seed, 5000).struck)
    assert missed == set()


def test_a_broken_claim_ends_with_status_1_and_its_reason_beside_the_line(
    monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Report(5, 1, {"handled": 2}, 0, 0, 0.25, ["1 sent, and 2 fates"], Counter())
    monkeypatch.setattr("chaos_run.let_chaos_reign", lambda *_arguments: broken)
    assert main(["--seed", "5"]) == 1
    out, error = capsys.readouterr()
    assert error == "1 sent, and 2 fates\n"
    assert json.loads(out) == {
        "seed": 5,
        "sent": 1,
        "fates": {"handled": 2},
        "restarts": 0,
        "escalations": 0,
        "balanced": False,
        "wall_seconds": 0.25,
    }


def test_the_end_of_the_tree_before_the_end_of_the_messages_is_a_problem(monkeypatch: Patch) -> None:
    monkeypatch.setattr("chaos_run.ROOT_INTENSITY", Intensity(1, 1000.0))
    report = let_chaos_reign(0, 4000)
    assert report.problems[0].startswith("the run ended early with RestartsExhausted of")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seed", "x"], "argument --seed: must be a whole number, got 'x'"),
        (["--seed", "-1"], "argument --seed: must be >= 0, got -1"),
        (["--messages", "0"], "argument --messages: must be >= 1, got 0"),
        (["7"], "unrecognized arguments: 7"),
    ],
)
def test_bad_input_is_told_and_nothing_is_run(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.endswith(f"{told}\n")


def test_ctrl_c_ends_a_run_at_once() -> None:
    with subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-u", "-c", INTERRUPTED], cwd=SCRIPT.parent, stderr=subprocess.PIPE, text=True
    ) as running:
        _, error = running.communicate(timeout=60)
    assert error == "\ninterrupted\n"
    assert running.returncode == -signal.SIGINT


INTERRUPTED = """
import os, signal, chaos, chaos_run
chaos_run.Play._tell_progress = lambda self: os.kill(os.getpid(), signal.SIGINT)
chaos.main(["--messages", "1000000"])
"""
"""A run of minutes that is interrupted in the middle of its first moment."""


def test_a_long_run_tells_a_terminal_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(50_000, is_shown=True)
    progress(100)
    assert capsys.readouterr().err == ""
    progress.began -= 3.0
    progress(20_000)
    progress(20_001)
    assert capsys.readouterr().err == "\r20,000 of 50,000 messages"
    progress.wipe()
    assert capsys.readouterr().err == "\r\x1b[K"


def test_whoever_is_no_terminal_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(50_000, is_shown=False)
    progress.began -= 3.0
    progress(20_000)
    progress.wipe()
    assert capsys.readouterr().err == ""


# bugs, planted to see whether chaos notices


def now_and_then(every: int) -> Callable[[], bool]:
    """Return what is true once in `every` calls."""
    calls = 0

    def is_time() -> bool:
        nonlocal calls
        calls += 1
        return calls % every == 0

    return is_time


def a_lost_reply(patch: Patch) -> None:
    answer, is_time = Reply.answer, now_and_then(200)
    patch.setattr(Reply, "answer", lambda self, value: True if is_time() else answer(self, value))


def an_answer_to_somebody_else(patch: Patch) -> None:
    answer, is_time = Reply.answer, now_and_then(200)

    def wrong(self: Reply[Any], value: Any) -> bool:
        return answer(self, value + 1 if is_time() and type(value) is int else value)

    patch.setattr(Reply, "answer", wrong)


def a_message_counted_twice(patch: Patch) -> None:
    handled, is_time = Envelope.handled, now_and_then(500)

    def twice(self: Envelope) -> None:
        handled(self)
        self.mailbox.tally.counts[Fate.HANDLED] += is_time()

    patch.setattr(Envelope, "handled", twice)


def a_loss_made_up_for_by_a_wrong_count(patch: Patch) -> None:
    handled, is_time = Envelope.handled, now_and_then(500)

    def wrong(self: Envelope) -> None:
        handled(self)
        if is_time():
            self.mailbox.tally.counts[Fate.HANDLED] -= 1
            self.mailbox.tally.counts[Fate.DROPPED] += 1

    patch.setattr(Envelope, "handled", wrong)


def a_tell_that_vanishes(patch: Patch) -> None:
    bury, is_time = Mailbox.turn_away, now_and_then(20)

    def silent(self: Mailbox, envelope: Envelope, *args: Any) -> Any:
        if envelope.is_tell and is_time():
            self.books.on_dead_letter, heard = None, self.books.on_dead_letter
            told = bury(self, envelope, *args)
            self.books.on_dead_letter = heard
            return told
        return bury(self, envelope, *args)

    patch.setattr(Mailbox, "turn_away", silent)


def a_handled_message_told_undelivered(patch: Patch) -> None:
    def wrong(envelope: Envelope, _cause: BaseException | None) -> None:
        error = ActorStopped("it never was", message=envelope.message, recipient="")
        envelope.refuse(error, Fate.INTERRUPTED, "it ended" if envelope.is_tell else "")

    patch.setattr(endings, "interrupted", wrong)


def a_message_handled_again(patch: Patch) -> None:
    cut = Unfinished.cut

    def careless(self: Unfinished, envelope: Envelope, spec: Any, cause: Any) -> None:
        self._begun[envelope] = None  # as if every op were idempotent
        cut(self, envelope, spec, cause)

    patch.setattr(Unfinished, "cut", careless)


def no_quarantine(patch: Patch) -> None:
    patch.setattr(Incarnation, "quarantine_after", 1000)


def a_mailbox_turned_over_at_a_restart(patch: Patch) -> None:
    leave = Slot.leave

    def upside_down(self: Slot, state: Any) -> None:
        mailbox, lying = self.mailbox, list[Any]()
        while state == "restarting" and (envelope := mailbox.get_nowait()) is not None:
            lying.append(envelope)
        mailbox.put_back(*reversed(lying))
        leave(self, state)

    patch.setattr(Slot, "leave", upside_down)


def a_value_not_handed_back(patch: Patch) -> None:
    patch.setattr(serving.Server, "_undo", lambda _self, _spec, _value: None)


def a_forgotten_restart(patch: Patch) -> None:
    launch, is_time = Children.launch, now_and_then(5)

    def forgetful(self: Children, child: Any) -> None:
        if child.slot.incarnation and is_time():
            child.begin()  # and nobody plays
        else:
            launch(self, child)

    patch.setattr(Children, "launch", forgetful)


def a_restart_of_one_for_all(patch: Patch) -> None:
    patch.setattr(Roster, "restart_group", lambda _self, child: [child])


def a_restart_that_happens_twice(patch: Patch) -> None:
    launch, is_time = Children.launch, now_and_then(20)

    def double(self: Children, child: Any) -> None:
        launch(self, child)
        if is_time():
            launch(self, child)

    patch.setattr(Children, "launch", double)


def a_teardown_skipped(patch: Patch) -> None:
    tear_down, is_time = Incarnation._tear_down, now_and_then(20)

    async def lazy(self: Incarnation, actor: Any) -> None:
        if not is_time():
            await tear_down(self, actor)

    patch.setattr(Incarnation, "_tear_down", lazy)


def a_teardown_run_twice(patch: Patch) -> None:
    tear_down, is_time = Incarnation._tear_down, now_and_then(20)

    async def zealous(self: Incarnation, actor: Any) -> None:
        await tear_down(self, actor)
        if is_time():
            await tear_down(self, actor)

    patch.setattr(Incarnation, "_tear_down", zealous)


def a_state_lost(patch: Patch) -> None:
    patch.setattr(heritage, "bequeath", lambda _actor, _slot, _error: None)
    patch.setattr("actors.kernel.incarnation.bequeath", lambda _actor, _slot, _error: None)


def a_state_inherited_twice(patch: Patch) -> None:
    enter = Slot.enter

    def generous(self: Slot, performer: Any) -> int:
        self.estate = 0 if self.estate is None and self.has_lived else self.estate
        return enter(self, performer)

    patch.setattr(Slot, "enter", generous)


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (a_lost_reply, "its tasks were waiting at"),
        (an_answer_to_somebody_else, "the answer to another"),
        (a_message_counted_twice, "the books do not balance"),
        (a_loss_made_up_for_by_a_wrong_count, "messages are counted as dropped, and at most"),
        (a_tell_that_vanishes, "is handled or a dead letter"),
        (a_handled_message_told_undelivered, "what was turned away was never handled"),
        (a_message_handled_again, "is handled as often as it may be"),
        (no_quarantine, "is handled as often as it may be"),
        (a_mailbox_turned_over_at_a_restart, "of the same sender"),
        (a_value_not_handed_back, "what nobody received was handed back"),
        (a_forgotten_restart, "is starting 60 s after the last crash|its tasks were waiting at"),
        (a_restart_of_one_for_all, "of its group had not ended"),
        (a_restart_that_happens_twice, "was setting up"),
        (a_teardown_skipped, "is up after the end"),
        (a_teardown_run_twice, "was torn down while down"),
        (a_state_lost, "was not asked for its state"),
        (a_state_inherited_twice, "and None was handed over"),
    ],
    ids=lambda value: str(getattr(value, "__name__", "")),
)
@unmeasured
def test_chaos_notices_a_planted_bug_and_says_what_broke(
    plant: Callable[[Patch], None], told: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    assert any(
        re.search(told, problem) for seed in range(6) for problem in let_chaos_reign(seed, 4000).problems
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_run_without_a_planted_bug_has_nothing_to_tell(seed: int) -> None:
    assert let_chaos_reign(seed, 4000).problems == []
