"""The commands of a live migration: what a user types while an application is at work."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shell import LIMIT_SECONDS, begin, ended
from two_files import WAY, Project, project

from fluxstore.adapter import Adapter, Batch, Use
from fluxstore.backends import open_backend
from fluxstore.config import Config
from fluxstore.migration import facts
from fluxstore.plugins import Plugins
from fluxstore.records import Record

BACK = ("--from", "new", "--to", "old")


@pytest.fixture
def made(tmp_path: Path) -> Project:
    """A project in phase dual_write, nothing copied yet."""
    found = project(tmp_path / "project", tasks=600)
    assert 0 == found.run("phase", "set", "dual_write").returncode
    return found


def config_of(of: Project, plugins: Plugins) -> Config:
    return Config.load(of.folder / "fluxstore.toml", plugins=plugins)


@contextmanager
def backend(of: Project, name: str) -> Iterator[Adapter]:
    plugins = Plugins.load()
    adapter = open_backend(config_of(of, plugins), name, plugins=plugins, use=Use.SERVE)
    try:
        yield adapter
    finally:
        adapter.close()


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def count(of: Project, name: str) -> int:
    tables = of.sql(name, "SELECT count(*) FROM sqlite_master WHERE name = 'tasks'")
    return of.sql(name, "SELECT count(*) FROM tasks")[0][0] if tables[0][0] else 0


def title(of: Project, name: str, key: str) -> str | None:
    rows = of.sql(name, "SELECT title FROM tasks WHERE id = ?", key)
    return rows[0][0] if rows else None


def test_migrate_is_a_live_backfill_and_what_others_write_is_relayed(made: Project) -> None:
    made.sql("old", "UPDATE tasks SET title = 'by another program' WHERE id = 'k00001'")
    done = made.run("migrate")
    assert 0 == done.returncode, done.stderr
    assert (600, "by another program") == (count(made, "new"), title(made, "new", "k00001"))
    made.sql("old", "DELETE FROM tasks WHERE id = 'k00002'")
    made.sql("old", "UPDATE tasks SET title = 'again' WHERE id = 'k00003'")
    told = made.json("relay", "--once")
    assert (0, 0) == (told["exit_code"], told["left"]["marks"])
    assert (None, "again") == (title(made, "new", "k00002"), title(made, "new", "k00003"))
    again = made.json("migrate")
    assert (0, 0) == (again["exit_code"], sum(one["written"] for one in again["entities"]))


def test_a_dry_run_looks_and_writes_nothing(made: Project) -> None:
    told = made.json("migrate", "--dry-run")
    assert (0, 600) == (told["exit_code"], told["entities"][1]["read"])
    assert 0 == count(made, "new")


def test_records_go_from_the_authority_only(made: Project) -> None:
    refused = made.run("migrate", *BACK)
    assert 6 == refused.returncode
    assert "next" not in refused.stdout
    assert "fluxstore migrate --from old --to new" in refused.stderr


def test_a_backfill_is_paused_retuned_and_resumed_from_another_terminal(made: Project) -> None:
    process = begin("migrate", "--rate", "60", folder=made.folder)
    try:
        until(lambda: count(made, "new") > 0, "nothing was copied")
        paused = made.json("ctl", "pause")
        assert ("paused", 60.0) == (paused["state"], paused["rate"])
        until(lambda: running(made).get("state") == "paused", "it did not pause")
        before = count(made, "new")
        second = made.run("migrate")
        assert 6 == second.returncode
        assert f"process {process.pid}" in second.stderr
        assert before == count(made, "new")
        limit = made.run("ctl", "rate", "0")
        assert "paused, no limit" in limit.stdout
        assert 0 == made.run("ctl", "resume").returncode
    finally:
        code, out, errors = ended(process)
    assert (0, 600) == (code, count(made, "new")), (out, errors)
    assert {} == running(made)
    ending = made.run("ctl", "pause")
    assert (6, True) == (ending.returncode, "no backfill is running" in ending.stderr)


def running(of: Project) -> dict:
    with backend(of, "old") as adapter:
        return adapter.ledger.fact(facts.RUNNING) or {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_or_killed_backfill_is_gone_on_with(
    made: Project, number: int, code: int
) -> None:
    process = begin("migrate", "--rate", "80", folder=made.folder)
    try:
        until(lambda: 0 < count(made, "new") < 600, "nothing was copied")
        os.kill(process.pid, number)
    finally:
        ended_with, _, errors = ended(process)
    assert code == ended_with
    if number == signal.SIGTERM:
        assert "to go on: fluxstore migrate --rate 80 --resume" in errors
    made.sql("old", "UPDATE tasks SET title = 'meanwhile' WHERE id = 'k00001'")
    report = made.json("migrate", "--resume")
    assert (0, 600) == (report["exit_code"], count(made, "new"))
    assert 0 == made.json("relay", "--once")["exit_code"]
    assert "meanwhile" == title(made, "new", "k00001")
    assert 0 == made.run("validate").returncode


def test_the_relay_runs_until_it_is_told_to_end(made: Project) -> None:
    made.run("migrate")
    process = begin("relay", folder=made.folder)
    try:
        made.sql("old", "UPDATE tasks SET title = 'relayed' WHERE id = 'k00007'")
        until(lambda: title(made, "new", "k00007") == "relayed", "nothing was relayed")
    finally:
        process.send_signal(signal.SIGTERM)
        code, out, _ = ended(process)
    assert 143 == code
    assert "old → new: 1 record carried" in out


def test_nothing_is_relayed_in_phase_off(tmp_path: Path) -> None:
    off = project(tmp_path / "project", tasks=3)
    for command in (("relay", "--once"), ("ctl", "resume")):
        refused = off.run(*command)
        assert 6 == refused.returncode, refused.stderr
        assert "phase set dual_write" in refused.stderr


def spoil(of: Project) -> None:
    """Change the follower behind everybody's back."""
    with backend(of, "new") as adapter:
        collection = adapter.collection(config_of(of, Plugins.load()).entities["tasks"])
        found = collection.read(["k00005"])["k00005"]
        wrong = Record("k00005", {**found.values, "title": "planted", "email": "p@x"})
        collection.merge(Batch([wrong], deletes=["k00006"]))


def test_a_difference_is_validated_repaired_and_put_back(made: Project) -> None:
    made.run("migrate")
    spoil(made)
    found = made.run("validate")
    assert 5 == found.returncode
    assert 'k00005: title: "Task 5" is "planted" in the target' in found.stderr
    assert "planted@x" not in found.stderr
    explained = made.run("explain", "tasks", "k00005")
    assert "same version, other content (title, email)" in explained.stdout
    assert "a5@example.com" not in explained.stdout
    refused = made.run("repair", "--plan", "--towards", "source")
    assert 6 == refused.returncode
    assert "old is the authority" in refused.stderr
    assert 5 == made.run("repair", "--plan").returncode
    repaired = made.json("repair", "--apply")
    assert (0, 2, 0) == (repaired["exit_code"], repaired["written"], repaired["moved"])
    assert 0 == made.run("validate").returncode
    undone = made.run("repair", "--undo")
    assert (0, "planted") == (undone.returncode, title(made, "new", "k00005"))
    assert 5 == made.run("validate").returncode


def test_explain_tells_personal_data_only_when_asked(made: Project) -> None:
    told = made.json("explain", "tasks", "k00001")
    assert ["record", "absent"] == [one["state"] for one in told["backends"]]
    assert "only old has it: it was not copied" == told["why"]
    assert "fluxstore migrate" == told["next"]
    assert "(hidden)" == told["backends"][0]["value"]["email"]
    shown = made.json("explain", "tasks", "k00001", "--show")
    assert "a1@example.com" == shown["backends"][0]["value"]["email"]
    assert 2 == made.run("explain", "tasks", "nobody").returncode
    unknown = made.run("explain", "task", "k00001")
    assert (2, True) == (unknown.returncode, "tasks" in unknown.stderr)


def test_a_cutover_under_way_is_waited_for(made: Project) -> None:
    with backend(made, "old") as adapter:
        known = adapter.ledger.controls()["*"]
        sealed = type(known)(known.epoch + 1, "sealed", known.phase, known.migration)
        assert adapter.ledger.set_control("*", known, sealed)
    for command in ("migrate", "validate", "relay --once"):
        refused = made.run(*command.split(), *WAY)
        assert 6 == refused.returncode, refused.stderr
        assert "cutover is under way" in refused.stderr


def test_a_finished_backfill_is_known_to_the_authority(made: Project) -> None:
    made.run("migrate")
    with backend(made, "old") as adapter:
        control = adapter.ledger.controls()["*"]
        found = facts.of_migration(adapter.ledger, facts.BACKFILL, control.migration)
    assert {"teams", "tasks"} == set(found["entities"])
    assert 600 == found["entities"]["tasks"]["written"]
    assert json.dumps(found)
