"""The way back in phase off: a backup first, then everything as the target has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from moving import (
    ENTITIES,
    Member,
    Note,
    Team,
    User,
    by_entity,
    everything,
    fill,
    keys,
    options,
    record,
    reference,
    snapshot_of,
)
from pile import rejected

from fluxstore.adapter import Batch, Capability, Opening, Part, Use
from fluxstore.errors import BackendUnavailableError, LeaseError, PlanError, UnsupportedError
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import LEASE, End
from fluxstore.migration.rollback import rollback
from fluxstore.records import Problem, Reason, Rejected
from fluxstore.testing.reference import ReferenceAdapter, Settings

ALL = (Team, User, Member, Note)


class Backed(ReferenceAdapter):
    """A reference backend that can be backed up: a copy of its file."""

    fails = False

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self.capabilities |= {Capability.BACKUP}

    def backup(self, folder: Path) -> Path:
        if self.fails:
            raise BackendUnavailableError("no space left on device", backend=self.backend)
        folder.mkdir(exist_ok=True)
        return Path(shutil.copy(self.memory.path, folder / "copy"))

    def restore(self, backup: Path) -> None:
        new = Path(shutil.copy(backup, self.memory.path.with_suffix(".restored")))
        new.replace(self.memory.path)


@pytest.fixture
def source(tmp_path) -> Iterator[End]:
    opening = Opening("source", Settings("source.bin"), ENTITIES, {}, tmp_path, Use.SERVE)
    end = End("source", Backed(opening))
    fill(end, User(id="u", name="Una"), User(id="v", name="Vic", boss_id="u"))
    fill(end, Team(id="t", lead_id="u"), Member(team_id="t", user_id="v"))
    whole = record(Note(id=1), extras={"colour": "red"}, spelling={"text": "x"})
    end.collection(ENTITIES["notes"]).merge(Batch([whole, record(Note(id=2))]))
    end.adapter.ledger.save_parts("notes", [Part("notes", "order", 0, ["2", "1"])])
    yield end
    end.adapter.close()


@pytest.fixture
def target(source) -> End:
    end = reference()
    migrate(source, end, ENTITIES)
    return end


def lose_half(source: End) -> None:
    source.collection(ENTITIES["members"]).merge(Batch((), deletes=[("t", "v")]))
    source.collection(ENTITIES["users"]).merge(Batch((), deletes=["v"]))
    source.collection(ENTITIES["notes"]).merge(Batch((), deletes=[1]))
    source.adapter.ledger.save_parts("notes", [])


def test_regression_33_everything_comes_back_whole(source, target, tmp_path):
    before = {cls: everything(source, cls) for cls in ALL}
    parts = list(source.adapter.ledger.parts("notes"))
    lose_half(source)
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert 0 == report.exit_code
    assert before == {cls: everything(source, cls) for cls in ALL}
    assert parts == list(source.adapter.ledger.parts("notes"))


def test_what_the_target_changed_since_comes_back_too(source, target, tmp_path):
    fill(target, User(id="w", name="new", boss_id="v"), User(id="u", name="renamed"))
    target.collection(ENTITIES["notes"]).merge(Batch((), deletes=[2]))
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert snapshot_of(target, *ALL) == snapshot_of(source, *ALL)
    assert 1 == by_entity(report)["notes"].deleted
    assert 0 == report.exit_code


def test_a_unique_value_that_moved_to_a_new_record_comes_back(source, target, tmp_path):
    fill(source, User(id="old", email="x"))
    fill(target, User(id="new", email="x"))
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert (0, {"u", "v", "new"}) == (report.exit_code, keys(source, User))


def test_regression_34_a_failed_backup_stops_everything(source, target, tmp_path):
    lose_half(source)
    before = source.adapter.memory.current()
    source.adapter.fails = True
    with pytest.raises(BackendUnavailableError, match="no space left"):
        rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert before is source.adapter.memory.current()


def test_the_backup_holds_what_was_there_before(source, target, tmp_path):
    before = snapshot_of(source, *ALL)
    fill(target, User(id="u", name="renamed"))
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")
    assert before != snapshot_of(source, *ALL)

    source.adapter.restore(report.backup)
    assert before == snapshot_of(source, *ALL)


def test_without_backups_there_is_no_rollback(target, tmp_path):
    source = reference("source")
    with pytest.raises(UnsupportedError, match="makes no backups"):
        rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert set() == keys(source, User)


def test_regression_35_it_reads_the_target_at_one_moment(source, target, tmp_path):
    held = []

    class Still(type(target.adapter)):
        def snapshot(self):
            from contextlib import contextmanager

            @contextmanager
            def still():
                held.append("begun")
                yield
                held.append("ended")

            return still()

    target.adapter.__class__ = Still
    rollback(source, target, ENTITIES, backups=tmp_path / "backups")
    assert ["begun", "ended"] == held


def test_what_never_crossed_stays_at_the_source(source, target, tmp_path):
    fill(source, Note(id=77))
    target.adapter.ledger.set_quarantine("notes", [rejected(Note, "77")])
    rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert {1, 2, 77} == keys(source, Note)


def test_a_file_that_never_crossed_is_left_as_it_is(source, tmp_path):
    target = reference()
    migrate(source, target, ENTITIES, options(entities=("teams", "users", "members")))
    refused = Rejected(Problem("notes", Reason.FILE, "cut off", file="notes.json"))
    target.adapter.ledger.set_quarantine("notes", [refused])
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert {1, 2} == keys(source, Note)
    assert ("notes.json was refused by the migration and is left as it is",) == report.notices


def test_what_the_source_cannot_hold_is_quarantined_there(source, target, tmp_path):
    users = source.collection(ENTITIES["users"])
    foresee = users.foresee
    users.foresee = lambda records: [
        *foresee(records),
        *(rejected(User, one.key) for one in records if one.values["name"] == "unspeakable"),
    ]
    fill(target, User(id="w", name="unspeakable"), User(id="x", boss_id="w"))
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups")

    assert 4 == report.exit_code
    assert {"w": "type", "x": "reference"} == {p.key: p.reason.value for p in report.problems}
    assert {"u", "v"} == keys(source, User)


def test_into_another_backend_leaves_the_source_alone(source, target, tmp_path):
    lose_half(source)
    before = source.adapter.memory.current()
    into = reference("into")
    report = rollback(source, target, ENTITIES, backups=tmp_path / "backups", into=into)

    assert before is source.adapter.memory.current()
    assert snapshot_of(target, *ALL) == snapshot_of(into, *ALL)
    assert (None, False) == (report.backup, (tmp_path / "backups").exists())


def test_into_a_backend_that_is_not_empty_is_refused(source, target, tmp_path):
    into = reference("into")
    fill(into, Note(id=5))
    with pytest.raises(PlanError, match="has records already"):
        rollback(source, target, ENTITIES, backups=tmp_path, into=into)


def test_a_rollback_waits_for_no_migration(source, target, tmp_path):
    with target.adapter.ledger.lease(LEASE), pytest.raises(LeaseError):
        rollback(source, target, ENTITIES, backups=tmp_path / "backups")


def test_a_dry_run_changes_nothing_and_backs_nothing_up(source, target, tmp_path):
    lose_half(source)
    before = source.adapter.memory.current()
    report = rollback(
        source, target, ENTITIES, backups=tmp_path / "backups", options=options(dry_run=True)
    )

    assert before is source.adapter.memory.current()
    assert (True, False) == (report.dry_run, (tmp_path / "backups").exists())


def test_a_stopped_rollback_is_finished_by_the_next(source, target, tmp_path):
    fill(target, *(Note(id=n) for n in range(10, 400)))
    lose_half(source)
    asked = iter([False] * 12)
    report = rollback(
        source,
        target,
        ENTITIES,
        backups=tmp_path / "backups",
        options=options(stopped=lambda: next(asked, True), batch_seconds=1e-9),
    )
    assert report.stopped
    assert snapshot_of(source, *ALL) != snapshot_of(target, *ALL)

    again = rollback(
        source, target, ENTITIES, backups=tmp_path / "backups", options=options(resume=True)
    )
    assert 0 == again.exit_code
    assert snapshot_of(source, *ALL) == snapshot_of(target, *ALL)
