"""What the harness is made of does what it says: histories, watching, pauses, a run's verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from harness import strace
from harness.history import NEVER, Call, History, read_history
from harness.pauses import pause
from harness.rhythm import Rhythm
from harness.row import Row
from harness.runner import play, report
from harness.stage import Case, Stage, failures
from harness.watch import Sample, wrong_samples

from fluxstore.adapter import Control

AUTHORITY = Control(2, "authority", "live", "m")
FOLLOWER = Control(2, "follower", "live", "m")
SEALED = Control(3, "sealed", "shadow", "m")


def test_a_history_tells_what_was_begun_and_how_it_ended(tmp_path):
    history = History(tmp_path / "h", "w")
    history.begin("w:1", "append", "k")
    history.end("w:1", "ok", saw=True, entries=["c", "w:1"])
    history.begin("w:2", "read", "k")
    history.close()

    first, second = read_history(tmp_path / "h")

    assert ("ok", ("c", "w:1")) == (first.outcome, first.entries)
    assert ("unknown", NEVER) == (second.outcome, second.ended)
    assert first.began <= first.ended <= second.began


def test_a_killed_process_leaves_whole_lines(tmp_path):
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from harness.history import History; from pathlib import Path\n"
        "h = History(Path(sys.argv[1]), 'w'); h.begin('w:1', 'read', 'k'); os.kill(os.getpid(), 9)"
    )
    here = str(Path(__file__).resolve().parent)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "h"), here], check=False)

    assert -9 == done.returncode
    assert ["w:1"] == [call.op for call in read_history(tmp_path / "h")]


@pytest.mark.parametrize(
    ("source", "target", "wrong"),
    [
        (AUTHORITY, FOLLOWER, False),
        (AUTHORITY, None, False),
        (None, None, False),
        (SEALED, FOLLOWER, False),
        (FOLLOWER, AUTHORITY, False),
        (AUTHORITY, AUTHORITY, True),
        (FOLLOWER, FOLLOWER, True),
        (FOLLOWER, None, True),
    ],
)
def test_a_sample_has_exactly_one_authority(source, target, wrong):
    assert wrong is bool(wrong_samples([Sample(0, source, target)]))


def test_a_pause_is_of_the_writes_that_were_under_way():
    calls = [
        Call(f"w:{n}", "w", "append", "k", n * 10**9, n * 10**9 + n * 10**6, "ok") for n in range(9)
    ]

    assert 8 == pause(calls).longest
    assert (2, 3) == (pause(calls, int(2.5e9), int(4.5e9)).writes, pause(calls, 0, 4 * 10**9).p99)


def test_only_refusals_that_were_asked_for_are_no_failures():
    call = Call("w:1", "w", "append", "k", 0, 1, "fail")
    errors = ["RecordNotFoundError", "BackendUnavailableError: x", "bug: KeyError: 'k'"]
    calls = [attrs.evolve(call, error=error) for error in errors]

    assert 2 == len(list(failures(calls)))
    assert 1 == len(list(failures(calls, ["append"])))


def test_what_goes_wrong_beside_a_scenario_fails_it():
    def fail():
        raise ValueError("beside")

    rhythm = Rhythm(fail, 0.001)
    with pytest.raises(ValueError, match="beside"), rhythm:
        rhythm._thread.join(10)


@pytest.mark.skipif(bool(strace.why_not()), reason="needs strace")
def test_strace_kills_at_a_call_and_says_so(tmp_path):
    program = [sys.executable, "-c", "import os; os.fsync(os.open('f', os.O_CREAT | os.O_RDWR))"]
    log = tmp_path / "log"

    done = subprocess.run([*strace.killed_at("fsync", 1, log), *program], check=False, cwd=tmp_path)
    assert (-9, True) == (done.returncode, strace.was_hit(log))
    done = subprocess.run([*strace.killed_at("fsync", 2, log), *program], check=False, cwd=tmp_path)
    assert (0, False) == (done.returncode, strace.was_hit(log))


@pytest.mark.parametrize("code", [0, 3])
def test_a_run_tells_its_verdict_and_its_report(tmp_path, code):
    def act(stage: Stage) -> None:
        stage.note(runs=1)
        stage.require(code == 0, "a promise was not kept", "and another")

    row = Row("F00", "nothing", "none", "nothing", act, (Case(),))

    ran = play(row, row.cases[0], seed=7, full=False, folder=tmp_path)
    report([ran], tmp_path / "report.json")

    assert ("ok" if code == 0 else "FAIL") == ran.verdict
    assert ("a promise was not kept" in ran.line()) is (code != 0)
    assert 1 == json.loads((tmp_path / "report.json").read_text())["runs"][0]["facts"]["runs"]


def test_a_run_that_takes_too_long_has_failed(tmp_path):
    row = Row("F00", "nothing", "none", "nothing", lambda _: None, (Case(),), limit_seconds=-1)

    assert "FAIL" == play(row, row.cases[0], seed=0, full=False, folder=tmp_path).verdict


def test_a_case_that_this_machine_cannot_play_is_skipped_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    row = Row("F00", "x", "T1", "x", lambda _: None, (Case(),), needs=("strace",))

    ran = play(row, row.cases[0], seed=0, full=False, folder=tmp_path)

    assert ("skip", "needs strace") == (ran.verdict, ran.told)
