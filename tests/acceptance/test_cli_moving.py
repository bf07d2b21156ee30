"""assess, migrate, validate, repair, rollback and status, as an operator uses them."""

from __future__ import annotations

import json
import signal
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
import two_files
from shell import begin, ended
from terminal import on_a_terminal
from two_files import WAY, Project

BAD_TIME = "UPDATE tasks SET due = 'tomorrow' WHERE id = 'k00003'"
CHANGE = "UPDATE tasks SET title = 'changed' WHERE id = 'k00001'"


@pytest.fixture
def project(tmp_path) -> Project:
    return two_files.project(tmp_path / "project")


@pytest.fixture
def moved(project) -> Project:
    assert 0 == project.run("migrate").returncode
    return project


def test_a_folder_moves_and_is_proven_equal(project):
    codes = [project.run(name, *WAY).returncode for name in ("assess", "migrate", "validate")]

    assert [0, 0, 0] == codes
    assert [(44,)] == project.sql("new", "SELECT count(*) + 4 FROM tasks")


def test_a_second_migration_writes_nothing(moved):
    told = moved.json("migrate", *WAY)

    assert [(0, 4), (0, 40)] == [(one["written"], one["unchanged"]) for one in told["entities"]]


def test_the_policy_names_both_ends_where_nobody_else_does(moved):
    assert 0 == moved.run("validate").returncode


def test_assess_writes_nothing(project):
    before = {path: path.read_bytes() for path in project.folder.glob("*.db")}
    project.run("assess", *WAY)

    assert before == {path: path.read_bytes() for path in before}
    assert not (project.folder / "new.db").exists()


def test_a_dry_run_writes_nothing(project):
    told = project.run("migrate", *WAY, "--dry-run")

    assert (0, False) == (told.returncode, (project.folder / "new.db").exists())
    assert "nothing was written" in told.stdout


def test_bad_records_are_named_and_the_rest_goes_on(project):
    project.sql("old", BAD_TIME)
    assessed, migrated = project.run("assess", *WAY), project.run("migrate", *WAY)

    assert (4, 4) == (assessed.returncode, migrated.returncode)
    assert assessed.stderr == migrated.stderr
    assert all(word in migrated.stderr for word in ("old.db", "tasks", "k00003", "due", "time"))
    assert [(39,)] == project.sql("new", "SELECT count(*) FROM tasks")


def test_assess_and_migrate_list_the_same_problems(project, tmp_path):
    project.sql("old", BAD_TIME)
    project.sql("old", "UPDATE tasks SET team_id = 'nobody' WHERE id = 'k00009'")
    for command in ("assess", "migrate"):
        project.run(command, *WAY, "--problems", tmp_path / command)

    assert (tmp_path / "assess").read_text() == (tmp_path / "migrate").read_text()
    assert 2 == len((tmp_path / "assess").read_text().splitlines())


def test_fail_fast_stops_at_the_first(project):
    project.sql("old", BAD_TIME)

    assert 4 == project.run("migrate", *WAY, "--fail-fast").returncode


def test_a_difference_is_named_with_key_and_field(moved):
    moved.sql("new", CHANGE)
    ran = moved.run("validate", *WAY)

    assert 5 == ran.returncode
    assert all(word in ran.stderr for word in ("tasks", "k00001", "title", "Task 1", "changed"))


def test_personal_data_is_not_shown(moved):
    moved.sql("new", "UPDATE tasks SET email = 'secret@example.com' WHERE id = 'k00001'")
    ran = moved.run("validate", *WAY, "--report", moved.folder / "report.html")
    page = (moved.folder / "report.html").read_text()

    assert 5 == ran.returncode
    assert "email" in ran.stderr
    assert "example.com" not in ran.stderr + ran.stdout + page


def test_migrating_again_repairs_drift(moved):
    moved.sql("new", CHANGE)

    assert 0 == moved.run("migrate", *WAY).returncode
    assert 0 == moved.run("validate", *WAY).returncode


def test_extra_records_are_kept_until_their_number_is_said(moved):
    moved.sql("new", "INSERT INTO teams (id, name) VALUES ('x1', 'X'), ('x2', 'X')")
    kept = moved.run("migrate", *WAY)
    too_few = moved.run("migrate", *WAY, "--delete-extra", "1")
    deleted = moved.run("migrate", *WAY, "--delete-extra", "2")

    assert (5, 0) == (kept.returncode, deleted.returncode)
    assert 0 != too_few.returncode
    assert "teams x1" in kept.stderr
    assert [(4,)] == moved.sql("new", "SELECT count(*) FROM teams")


def test_only_the_entities_asked_for_move(project):
    project.run("migrate", *WAY, "--entity", "teams")

    assert [(4,)] == project.sql("new", "SELECT count(*) FROM teams")
    assert [(0,)] == project.sql("new", "SELECT count(*) FROM tasks")


def test_a_repair_is_planned_applied_and_taken_back(moved):
    moved.sql("new", CHANGE)
    planned = moved.run("repair", "--plan", *WAY)
    plan = moved.folder / "repair.jsonl"
    lines = [json.loads(line) for line in plan.read_text().splitlines()]
    applied = moved.run("repair", "--apply", *WAY)
    equal = moved.run("validate", *WAY)
    undone = moved.run("repair", "--undo", *WAY)

    assert (5, 0, 0, 0) == tuple(ran.returncode for ran in (planned, applied, equal, undone))
    assert ["k00001"] == [line["key"] for line in lines[1:]]
    assert 0o600 == stat.S_IMODE(plan.stat().st_mode)
    assert [("changed",)] == moved.sql("new", "SELECT title FROM tasks WHERE id = 'k00001'")


def test_a_repair_is_not_applied_to_what_has_moved_since(moved):
    moved.sql("new", CHANGE)
    moved.run("repair", "--plan", *WAY)
    moved.sql("new", "UPDATE tasks SET title = 'again' WHERE id = 'k00001'")
    ran = moved.run("repair", "--apply", *WAY)

    assert 3 == ran.returncode
    assert "k00001" in ran.stderr
    assert [("again",)] == moved.sql("new", "SELECT title FROM tasks WHERE id = 'k00001'")


@pytest.mark.parametrize("arguments", [[], ["--plan", "--apply"], ["--plan", "--towards", "up"]])
def test_a_repair_is_asked_for_in_one_way(moved, arguments):
    assert 2 == moved.run("repair", *WAY, *arguments).returncode


def test_a_plan_never_replaces_another_file(moved):
    (moved.folder / "mine").write_text("mine")
    ran = moved.run("repair", "--plan", *WAY, "mine")

    assert 2 == ran.returncode
    assert "mine" == (moved.folder / "mine").read_text()


def test_a_rollback_asks_and_nobody_answers(moved):
    ran = moved.run("rollback", *WAY)

    assert 2 == ran.returncode
    assert "--force" in ran.stderr


@pytest.mark.parametrize(("typed", "code", "left"), [("n\n", 2, 20), ("\n", 2, 20), ("y\n", 0, 40)])
def test_a_rollback_asks_and_does_as_it_is_told(moved, typed, code, left):
    moved.sql("old", "DELETE FROM tasks WHERE id < 'k00020'")
    ended_with, written = on_a_terminal(moved.folder, "rollback", *WAY, typed=typed)

    assert code == ended_with, written
    assert "Replace the records of old by those of new [y/N]" in written
    assert [(left,)] == moved.sql("old", "SELECT count(*) FROM tasks")


def test_a_rollback_backs_up_and_brings_back(moved):
    moved.sql("old", "DELETE FROM tasks WHERE id < 'k00020'")
    ran = moved.run("rollback", *WAY, "--force")

    assert 0 == ran.returncode
    assert 1 == len(list((moved.folder / ".fluxstore" / "backups").iterdir()))
    assert [(40,)] == moved.sql("old", "SELECT count(*) FROM tasks")
    assert 0 == moved.run("validate", *WAY).returncode


def test_no_rollback_without_a_backup(moved):
    """Regression 34."""
    moved.sql("old", "DELETE FROM tasks WHERE id < 'k00020'")
    (moved.folder / ".fluxstore" / "backups").write_text("in the way")
    ran = moved.run("rollback", *WAY, "--force")

    assert 0 != ran.returncode
    assert [(20,)] == moved.sql("old", "SELECT count(*) FROM tasks")


def test_a_rollback_into_another_folder_leaves_the_source(moved):
    moved.sql("old", "DELETE FROM tasks")
    ran = moved.run("rollback", *WAY, "--into", "restored")

    assert 0 == ran.returncode
    assert [(0,)] == moved.sql("old", "SELECT count(*) FROM tasks")
    assert [(40,)] == moved.sql("restored/old", "SELECT count(*) FROM tasks")


def test_a_certificate_holds_until_a_byte_changes(moved):
    told = moved.json("validate", *WAY)
    path = Path(told["certificate"])
    good = moved.run("verify-certificate", path, "--fingerprint", told["fingerprint"])
    other = moved.run("verify-certificate", path, "--fingerprint", "0" * 64)
    path.write_text(path.read_text().replace('"equal": 40', '"equal": 41'))
    changed = moved.run("verify-certificate", path)

    assert (0, 5, 5) == (good.returncode, other.returncode, changed.returncode)


def test_a_certificate_of_differences_says_so(moved):
    moved.sql("new", CHANGE)
    moved.run("validate", *WAY, "--certificate", "certificate.json")

    assert 5 == moved.run("verify-certificate", "certificate.json").returncode


def test_a_sample_gives_no_certificate(moved):
    told = moved.json("validate", *WAY, "--sample", "0.5")

    assert "certificate" not in told
    assert 0.5 == told["sample"]


class Tags(HTMLParser):
    """Counts tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in {"meta", "br", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert tag == self.open.pop()


def test_the_page_of_a_validation_is_whole_and_harmless(moved):
    moved.sql("new", "UPDATE tasks SET title = '<script>alert(1)</script>' WHERE id = 'k00001'")
    moved.run("validate", *WAY, "--report", "report.html")
    page = (moved.folder / "report.html").read_text()
    tags = Tags()
    tags.feed(page)

    assert [] == tags.open
    assert {"svg", "table", "rect"} <= tags.seen
    assert "script" not in tags.seen
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_two_migrations_at_once_exclude_each_other(tmp_path):
    """C09"""
    project = two_files.project(tmp_path / "many", tasks=3000)
    first = begin("migrate", *WAY, "--rate", "100", folder=project.folder)
    while not (project.folder / "new.db").exists():
        assert first.poll() is None, first.communicate()
    second = project.run("migrate", *WAY)
    first.send_signal(signal.SIGINT)
    code, _, _ = ended(first)

    assert (6, 130) == (second.returncode, code)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_migration_says_how_to_go_on_and_does(tmp_path, number, code):
    project = two_files.project(tmp_path / "many", tasks=3000)
    process = begin("migrate", *WAY, "--rate", "500", folder=project.folder)
    while not (project.folder / "new.db").exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(number)
    stopped, _, errors = ended(process)
    status = project.json("status")

    assert code == stopped
    assert "Traceback" not in errors
    assert "to go on: fluxstore migrate --from old --to new --rate 500 --resume" in errors
    assert "fluxstore migrate --from old --to new --resume" == status["next"]
    assert 0 == project.run("migrate", *WAY, "--resume").returncode
    assert 0 == project.run("validate", *WAY).returncode


def test_status_names_the_next_step_all_along(project):
    steps = [project.json("status")["next"]]
    for command in ("assess", "migrate", "validate"):
        project.run(command, *WAY)
        steps.append(project.json("status")["next"])

    assert ["fluxstore assess", "fluxstore migrate", "fluxstore validate", "both sides"] == [
        " ".join(step.split()[:2]) for step in steps
    ]


def test_status_says_when_the_last_validation_was(moved):
    moved.run("validate", *WAY)
    told = moved.json("status")

    assert ["validate", "migrate"] == [one["command"] for one in told["last"]]
    assert 0 <= told["last"][0]["age_seconds"] < 60
    assert {"teams": 4, "tasks": 40} == told["backends"][1]["records"]


def test_a_folder_that_takes_no_notes_is_a_warning(project):
    (project.folder / ".fluxstore").write_text("in the way")
    ran = project.run("migrate", *WAY)

    assert 0 == ran.returncode
    assert "warning" in ran.stderr


def test_quiet_prints_nothing_but_problems(project):
    good = project.run("migrate", *WAY, "--quiet")
    project.sql("new", CHANGE)
    bad = project.run("validate", *WAY, "--quiet")

    assert ("", "") == (good.stdout, good.stderr)
    assert "" == bad.stdout
    assert "k00001" in bad.stderr


def test_doctor_finds_what_is_missing(project):
    (project.folder / "old.db").unlink()
    ran = project.run("doctor")

    assert 3 == ran.returncode
    assert "old.db" in ran.stdout
