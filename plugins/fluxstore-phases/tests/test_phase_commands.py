"""``phase``, ``rollback``, ``finalize`` and ``status`` of a live migration, as they are used."""

from __future__ import annotations

import json
import shutil
import tomllib
from contextlib import contextmanager

import pytest
from shell import begin, ended, inside

from fluxstore import Plugins
from fluxstore.adapter import Use
from fluxstore.backends import open_backend
from fluxstore.config import Config

TOML = """\
entities = ["entities"]   # ours

[backends.json]
adapter = "json"
path = "data"

[backends.sqlite]
adapter = "sqlite"
path = "target.db"

[policy]
adapter = "phases"        # step by step
source = "json"
target = "sqlite"
"""
ENTITIES = """\
from fluxstore import entity


@entity("notes")
class Note:
    id: str
    text: str = ""


@entity("teams")
class Team:
    id: str
    name: str = ""
"""
NOTES = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]


class Project:
    def __init__(self, folder):
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        (folder / "fluxstore.toml").write_text(TOML, "utf-8")
        (folder / "entities.py").write_text(ENTITIES, "utf-8")
        (folder / "data" / "notes.json").write_text(json.dumps(NOTES), "utf-8")

    def run(self, line, *more):
        return inside(*line.split(), *more, folder=self.folder)

    def json(self, line, code=0):
        done = self.run(line, "--json")
        assert code == done.returncode, done.stdout + done.stderr
        return json.loads(done.stdout)

    def desired(self, *entity):
        policy = tomllib.loads((self.folder / "fluxstore.toml").read_text("utf-8"))["policy"]
        for name in ("entities", *entity) if entity else ():
            policy = policy[name]
        return policy["phase"]

    def write(self, key, text):
        import fluxstore

        with fluxstore.open(self.folder / "fluxstore.toml") as store:
            notes = store["notes"]
            notes.put(store.entities["notes"].cls(id=key, text=text))

    def notes(self):
        import fluxstore

        with fluxstore.open(self.folder / "fluxstore.toml") as store:
            return {one.id: one.text for one in store["notes"].find()}

    @contextmanager
    def ledger(self, backend):
        plugins = Plugins.load()
        config = Config.load(self.folder / "fluxstore.toml", plugins=plugins)
        adapter = open_backend(config, backend, plugins=plugins, use=Use.SERVE)
        try:
            yield adapter.ledger
        finally:
            adapter.close()

    def to(self, phase):
        for line in STEPS[:phase]:
            done = self.run(line)
            assert 0 == done.returncode, done.stdout + done.stderr


STEPS = (
    "phase set dual_write",
    "phase advance",
    "migrate",
    "phase advance",
    "validate",
    "phase advance",
    "phase advance",
)
SHADOW, LIVE, COMPLETE = 4, 6, 7


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("live") / "project")
    made.to(LIVE)
    return made


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def moved(live, tmp_path):
    """A copy of a project in phase live."""
    folder = tmp_path / "moved"
    shutil.copytree(live.folder, folder)
    made = Project.__new__(Project)
    made.folder = folder
    return made


def test_every_step_is_written_into_the_configuration_and_comments_stay(project):
    project.to(1)

    text = (project.folder / "fluxstore.toml").read_text("utf-8")
    assert "dual_write" == project.desired()
    assert "# step by step" in text


def test_a_shut_gate_is_named_with_what_opens_it(project):
    done = project.run("phase set live")

    assert 6 == done.returncode
    assert "the gate backfill is shut: notes was not backfilled" in done.stderr
    assert "fluxstore migrate, then `fluxstore phase set live` (left: shadow, live)" in done.stderr
    assert "backfill" == project.desired()


def test_the_whole_way_there(live):
    assert "live" == live.desired()
    assert "sqlite" == live.json("status")["policy"]["scopes"][0]["authority"]
    assert {"a": "one", "b": "two"} == live.notes()


def test_show_names_every_gate(project):
    project.to(SHADOW)
    shown = project.json("phase show")["scopes"][0]

    assert ("shadow", "live") == (shown["phase"], shown["next"])
    gates = {one["gate"]: one["open"] for one in shown["gates"]}
    assert gates == {
        "backfill": True,
        "quarantine": True,
        "validation": False,
        "settings": True,
        "constraints": None,
        "canary": None,
    }


def test_a_dry_run_asks_the_gates_and_changes_nothing(project):
    told = project.json("phase set live --dry-run")

    assert ["dual_write", "backfill", "shadow", "live"] == told["steps"]
    assert "fresh" == project.json("phase show")["scopes"][0]["state"]


def test_a_dry_run_says_that_a_gate_is_shut(project):
    project.to(2)

    assert 6 == project.run("phase advance --dry-run").returncode


@pytest.mark.parametrize("named", ["banana", "1e3", "\uff14", "6", "-1"])
def test_what_names_no_phase_is_refused(project, named):
    assert 2 == project.run("phase set", named).returncode


def test_before_the_first_and_after_the_last_there_is_nothing(project):
    done = project.run("phase back")

    assert (6, True) == (done.returncode, "off is the first phase" in done.stderr)


def test_a_phase_that_is_there_already_changes_nothing(project):
    project.to(1)
    told = project.json("phase set dual_write")

    assert [] == told["steps"]


def test_an_advance_that_was_cut_short_after_its_change_is_not_taken_twice(project):
    project.to(2)
    file = project.folder / "fluxstore.toml"
    file.write_text(file.read_text("utf-8").replace('"backfill"', '"dual_write"'), "utf-8")
    told = project.json("phase advance")

    assert [] == told["steps"]
    assert "backfill" == project.desired()


def test_one_entity_has_a_phase_of_its_own(project):
    project.to(1)
    project.run("phase set backfill --entity notes")

    assert ("dual_write", "backfill") == (project.desired(), project.desired("notes"))
    shown = {one["scope"]: one["phase"] for one in project.json("phase show")["scopes"]}
    assert {"*": "dual_write", "notes": "backfill"} == shown


def test_an_entity_that_is_none_is_refused(project):
    assert 2 == project.run("phase set 1 --entity nobody").returncode


def test_rollback_brings_the_authority_back_and_loses_nothing(moved):
    moved.write("a", "after the cutover")
    told = moved.json("rollback --force")

    assert {"authority": "json", "lost": 0}.items() <= told.items()
    assert {"a": "after the cutover", "b": "two"} == moved.notes()
    assert "shadow" == moved.desired()
    assert list((moved.folder / ".fluxstore" / "backups").iterdir())


def test_rollback_asks_before(moved):
    done = moved.run("rollback")

    assert 2 == done.returncode
    assert "--force" in done.stderr
    assert "live" == moved.desired()


def test_rollback_from_complete(moved):
    moved.run("phase advance")
    moved.write("c", "in complete")
    told = moved.json("rollback --force")

    assert {"*": "shadow"} == told["phases"]
    assert "in complete" == moved.notes()["c"]


def test_rollback_where_the_source_answers_already_changes_nothing(project):
    project.to(1)
    told = project.json("rollback --force")

    assert ([], "json") == (told["scopes"], told["authority"])


def test_a_target_that_is_lost_is_given_up_only_by_name(moved):
    shutil.rmtree(moved.folder / "target.db", ignore_errors=True)
    lose(moved)
    refused = moved.run("rollback --force")
    asked, given_up = moved.run("rollback --lossy"), moved.run("rollback --lossy --force")

    assert [8, 2, 0] == [one.returncode for one in (refused, asked, given_up)], given_up.stderr
    assert "rollback --lossy" in refused.stderr
    assert {"a": "one", "b": "two"} == moved.notes()
    assert "off" == moved.desired()


def lose(project):
    """Lose the target's file, as a disk does."""
    for path in project.folder.glob("target.db*"):
        path.unlink()


def test_finalize_ends_the_way_back(moved):
    moved.run("phase advance")
    asked, done = moved.run("finalize"), moved.run("finalize --yes")
    again, back = moved.run("finalize"), moved.run("rollback --force")

    assert [2, 0, 0, 6] == [one.returncode for one in (asked, done, again, back)]
    assert {"a": "one", "b": "two"} == moved.notes()
    assert "finalized" in back.stderr


def test_finalize_wants_phase_complete(moved):
    asked, done = moved.run("finalize"), moved.run("finalize --yes")

    assert [6, 6] == [one.returncode for one in (asked, done)]
    assert "fluxstore phase set complete" in asked.stderr


def test_status_says_what_a_rollback_would_take(live):
    scope = live.json("status")["policy"]["scopes"][0]

    assert (0, 0) == (scope["marks"], scope["rollback"]["lost"])
    assert "rollback now would lose 0 records" in live.run("status").stdout


def test_status_says_what_blocks_the_next_step(project):
    project.to(SHADOW)
    told = project.json("status")

    assert ["validation"] == [one["gate"] for one in told["policy"]["scopes"][0]["blocked_by"]]
    assert told["next"].startswith("fluxstore validate")


def test_status_tells_what_the_applications_found(moved):
    differs = {"entity": "notes", "key": "a", "fields": ["text"], "kind": "diverged", "at": "now"}
    with moved.ledger("sqlite") as ledger:
        ledger.set_fact("follower", {"follower": "json", "follows": False, "problem": "disk full"})
        ledger.set_fact("shadow", {"compared": 7, "dropped": 0, "count": 1, "last": [differs]})
    told = moved.run("status").stdout

    assert "json does not follow: disk full" in told
    assert "7 compared, 1 differed" in told
    assert "notes a: text" in told


def test_status_watches_until_it_is_told_to_stop(live):
    process = begin("status", "--watch", "--json", folder=live.folder)
    first = json.loads(process.stdout.readline())
    process.terminate()
    code, _, errors = ended(process)

    assert "live" == first["phase"]
    assert 0 == code, errors


def test_a_record_that_stays_behind_is_accepted_by_name(project):
    bad = [*NOTES, {"id": "bad", "text": 5}]
    (project.folder / "data" / "notes.json").write_text(json.dumps(bad), "utf-8")
    project.to(2)
    assert 4 == project.run("migrate").returncode
    project.run("phase advance")
    project.run("validate")
    shut = project.run("phase advance")
    accepted = project.run("phase accept notes bad")
    done = project.run("phase advance")

    assert [6, 0, 0] == [one.returncode for one in (shut, accepted, done)], done.stderr
    assert "notes bad" in shut.stderr
    assert {"a": "one", "b": "two"} == project.notes()


def test_what_is_not_in_quarantine_cannot_be_accepted(live):
    assert 2 == live.run("phase accept notes a").returncode


def test_without_the_policy_the_command_says_what_to_write(project):
    file = project.folder / "fluxstore.toml"
    file.write_text(TOML.partition("[policy]")[0], "utf-8")
    done = project.run("phase show")

    assert 3 == done.returncode
    assert "[policy]" in done.stderr
