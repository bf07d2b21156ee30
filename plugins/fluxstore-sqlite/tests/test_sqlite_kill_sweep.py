"""F69: kill -9 and failing calls at every step of a live migration's work on a SQLite file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("killed_steps.py")
STEPS = 13
SWEEPS = {
    "everything that orders writes": ("fsync,fdatasync,ftruncate,unlink,flock", 1),
    "some of the pages": ("pwrite64", 13),
}
"""Which calls, and how many of them are passed over between two kills."""
MOST_CALLS = 2000
LANES = 2
SHOWN = {
    "_fluxstore_outbox": "entity, key, epoch, seq",
    "_fluxstore_ops": "op_id, entity, key, epoch, seq",
}

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to kill at a call"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def run(file: Path, *inject: str, first: int = 0) -> list[str]:
    """Run steps on *file*, with what strace is to inject; return what the worker said."""
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", *inject] if inject else []
    ran = subprocess.run(
        [*traced, sys.executable, WORKER, file, str(first)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ran.stderr.strip() or "Killed" in ran.stderr, ran.stderr
    return ran.stdout.splitlines()


def state(file: Path) -> dict[str, object]:
    """Return what is in *file*, as somebody sees it who knows SQLite only; no time is shown."""
    with closing(sqlite3.connect(file, isolation_level=None)) as driver:
        assert [("ok",)] == driver.execute("PRAGMA integrity_check").fetchall()
        assert [] == driver.execute("PRAGMA foreign_key_check").fetchall()
        names = driver.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()
        rows = {
            name: driver.execute(f"SELECT {SHOWN.get(name, '*')} FROM {name} ORDER BY 1, 2")
            for kind, name in names
            if kind == "table" and not name.startswith("sqlite_")
            and name not in ("_fluxstore_own", "_fluxstore_facts")
        }  # fmt: skip
        shown = {name: found.fetchall() for name, found in rows.items()}
        if "_fluxstore_own" in {name for _, name in names}:
            assert [] == driver.execute("SELECT * FROM _fluxstore_own").fetchall()
            shown["facts"] = driver.execute("SELECT * FROM _fluxstore_facts").fetchall()
    return {"names": names, **shown}


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The states between steps that nothing disturbs."""
    file = tmp_path_factory.mktemp("undisturbed") / "app.db"
    found: list[dict[str, object]] = [{"names": []}]
    command = [sys.executable, WORKER, file, "0", "waits"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, bufsize=1, **pipes) as worker:
        for line in worker.stdout:
            if line.startswith("done "):
                found.append(state(file))
                worker.stdin.write("go on\n")
    assert STEPS + 1 == len(found)
    return found


def fresh(folder: Path) -> Path:
    """Return a file that is not there yet, in a folder of its own."""
    folder.mkdir()
    return folder / "app.db"


def injecting(file: Path, calls: str, what: str) -> list[str]:
    """Return what tells strace to do *what* at calls on *file* and those beside it."""
    beside = [Path(f"{file}{end}") for end in ("", "-wal", "-shm", "-queue")]
    killed = "KILL" in what  # SQLite bears a failure elsewhere, or says nothing of it
    paths = [part for path in beside[: None if killed else 2] for part in ("-P", str(path))]
    return [*paths, "-e", f"trace={calls}", "-e", f"inject={calls}:{what}"]


def steps(lines: list[str], word: str) -> int:
    """Return how many steps a worker said *word* of."""
    return sum(line.startswith(f"{word} ") for line in lines)


@pytest.mark.parametrize("lane", range(LANES))
@pytest.mark.parametrize("sweep", SWEEPS)
def test_f69_a_killed_process_leaves_every_step_whole_or_undone(sweep, lane, tmp_path, states):
    calls, apart = SWEEPS[sweep]
    killed = 0
    for call in range(1 + lane * apart, MOST_CALLS, LANES * apart):
        file = fresh(tmp_path / str(call))
        lines = run(file, *injecting(file, calls, f"signal=KILL:when={call}"))
        if "closed" in lines:
            break
        killed += 1
        done, begun = steps(lines, "done"), steps(lines, "begin")
        found = state(file) if file.exists() else {"names": []}
        possible = [number for number in range(done, begun + 1) if states[number] == found]
        assert possible, f"killed at call {call}: {lines}"
        if killed % 3 == 0:
            after = run(file, first=possible[0])
            assert STEPS - possible[0] == steps(after, "done"), after
            assert states[-1] == state(file)
        shutil.rmtree(file.parent)
    else:
        pytest.fail("the worker never came to its end")
    assert killed > 5


@pytest.mark.parametrize("failing", [2, 3, 4, 6, 7, 8, 9, 10, 12, 14])
def test_f24_a_flush_that_fails_is_an_error_without_effect_even_after_a_crash(
    failing, tmp_path, states
):
    file = fresh(tmp_path / "folder")
    lines = run(file, *injecting(file, "fdatasync,fsync", f"error=EIO:when={failing}"))

    _judge_refusal(lines, states, file)
    assert "the disk failed" in lines[-1]


@pytest.mark.parametrize("error", ["ENOSPC", "EROFS", "EIO"])
@pytest.mark.parametrize("failing", [2, 3, 40, 90, 170, 200, 250])
def test_f21_a_page_that_is_not_written_is_an_error_without_effect(
    error, failing, tmp_path, states
):
    file = fresh(tmp_path / "folder")
    lines = run(file, *injecting(file, "pwrite64", f"error={error}:when={failing}"))

    _judge_refusal(lines, states, file)
    words = "the disk is full" if error == "ENOSPC" else "the disk failed"
    assert words in lines[-1]


def test_f24_where_every_flush_fails_the_outcome_is_unknown_and_the_op_id_is_told(tmp_path, states):
    file = fresh(tmp_path / "folder")
    lines = run(file, *injecting(file, "fdatasync,fsync", "error=EIO:when=4+"))

    assert lines[-1].startswith("refused 1 OutcomeUnknown op-1 albums: "), lines
    assert "the same op_id again has one effect" in lines[-1]
    assert state(file) in states[1:3]
    assert STEPS - 1 == steps(run(file, first=1), "done")
    assert states[-1] == state(file)


def _judge_refusal(lines: list[str], states: list[dict[str, object]], file: Path) -> None:
    """Raise unless the last step was refused by name, and did nothing; then it can be done."""
    kind = lines[-1].split()[2]
    done = steps(lines, "done")
    found = state(file)
    assert 1 == steps(lines, "refused"), lines
    assert "BackendUnavailableError" == kind, lines
    assert (found if done else {"names": found["names"]}) == states[done], lines
    assert STEPS - done == steps(run(file, first=done), "done")
    assert states[-1] == state(file)
