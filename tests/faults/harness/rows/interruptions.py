"""Rows about commands that are interrupted, ledgers that are spoilt, and power that fails late."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from harness.migration import Migration
from harness.row import Row
from harness.rows.backfills import OLD_RECORDS, filling
from harness.rows.crashes import until
from harness.stage import Case, Stage
from harness.storm import begun, get_on

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
COMMANDS: tuple[tuple[str, ...], ...] = (("migrate",), ("validate",), ("relay", "--once"))


def signalled(stage: Stage) -> None:
    """Send signals to commands at random moments: each can be gone on with."""
    project, crew = filling(stage)
    migration = Migration(project)
    for _ in range(stage.short_or_full(3, 60)):
        number = stage.random.choice(list(SIGNALS))
        command = stage.random.choice(COMMANDS)
        arguments = (*command, *project.way)
        process = project.begin(*arguments)
        timer = threading.Timer(0.5 + 2 * stage.random.random(), process.send_signal, [number])
        timer.start()
        out, errors = process.communicate(timeout=120)
        timer.cancel()
        told = f"{arguments} {number.name}: exit {process.returncode}: {errors[-400:]}{out[-200:]}"
        codes = {0, 5, SIGNALS[number], -number}
        stage.require(process.returncode in codes and "Traceback" not in errors, told)
        stage.note(signals=1)
    migration.until_done("migrate", *project.way)
    get_on(crew)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


def cut_in_a_cutover(stage: Stage) -> None:
    """Cut the power of a disk with both sides at a random moment of a cutover."""
    for _ in range(stage.short_or_full(1, 100)):
        disk = stage.disk()
        project = stage.project(data=disk.place / "data", checkpoint="1s")
        crew = begun(stage, project)
        migration = Migration(project)
        migration.must("validate", *project.way)
        process = project.begin("phase", "set", "live", "--yes")
        moment = stage.power_goes(disk, 0.3 + 1.5 * stage.random.random())
        process.kill()
        process.communicate()
        crew.kill_all()
        disk.restart()
        stage.note(cuts=1)
        migration.walk("live", lambda: None)
        migration.walk("shadow", lambda: None)
        stage.judge(project, [*crew.before, *until(moment, crew.history())])
        disk.unmount()
        if stage.out_of_time:
            return


def _flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for at in range(100, len(data), 997):
        data[at] ^= 0xFF
    file.write_bytes(data)


SPOILS: dict[str, Callable[[Path], object]] = {
    "emptied": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "flipped": _flipped,
    "deleted": lambda file: file.unlink(),
}


def spoilt_ledger(stage: Stage) -> None:
    """Spoil the ledger of the JSON files in the middle of a migration: it is never phase off."""
    project = stage.project()
    project.preload(OLD_RECORDS[:20])
    migration = Migration(project)
    migration.reach("shadow")
    ledger = project.data / ".fluxstore" / "ledger.db"
    before = (project.data / "logbooks.json").read_bytes()
    for beside in ledger.parent.glob("ledger.db-*"):
        beside.unlink()
    SPOILS[stage.case.variant](ledger)
    crew = stage.crew(project)
    crew.start("w", OLD_RECORDS[:20], script=(("append", "old1"), ("read", "old2")))
    crew.wait(well=False)
    calls = crew.history()
    acknowledged = [call for call in calls if call.verb == "append" and call.outcome == "ok"]
    stage.require(not acknowledged, "a write was taken without a ledger, as if in phase off")
    refused = migration.run("phase", "set", "live", "--yes")
    stage.require(refused.code != 0, f"a cutover without a ledger: {refused}")
    after = (project.data / "logbooks.json").read_bytes()
    stage.require(before == after, "the user's file was changed")


ROWS = (
    Row(
        "F18",
        "power cut in a cutover",
        "T2",
        "one authority afterwards; what was acknowledged is there",
        cut_in_a_cutover,
        (Case("json", "sqlite", "shadow"),),
        needs=("mount",),
    ),
    Row(
        "F59",
        "SIGINT, SIGTERM, SIGHUP to commands at random moments",
        "kill",
        "exit 130, 143, 129; no traceback; the next run goes on",
        signalled,
        (Case("json", "sqlite", "backfill"),),
    ),
    Row(
        "F60",
        "the ledger spoilt",
        "edit",
        "noticed; never taken for phase off; the user's files untouched",
        spoilt_ledger,
        tuple(Case("json", "sqlite", "shadow", spoil) for spoil in SPOILS),
    ),
)
