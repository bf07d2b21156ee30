"""What is refused before anything is touched, and what a run leaves behind on its disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
from moving import (
    ENTITIES,
    HUNDRED,
    Note,
    Team,
    User,
    fill,
    options,
    pile,
    reference,
)
from pile import rejected

from fluxstore.adapter import Batch
from fluxstore.errors import PlanError, QuarantineError
from fluxstore.migration.migrate import migrate
from fluxstore.migration.progress import StoppedError
from fluxstore.migration.scanning import side_by_side

FAMILY = (Team(id="t"), User(id="u", team_id="t"))


def test_what_doctor_says_blocks_stops_the_plan(monkeypatch):
    from fluxstore.adapter import Finding

    target = reference()
    finding = Finding("fsync", "is off", "switch it on", blocks=True)
    monkeypatch.setattr(target.adapter, "examine", lambda: (finding,))
    with pytest.raises(PlanError, match="fsync: is off; switch it on"):
        migrate(pile(Note(id=1)), target, ENTITIES)


def test_what_only_keeps_a_backend_from_being_the_authority_is_told_and_does_not_block(monkeypatch):
    from fluxstore.adapter import Finding

    target = reference()
    finding = Finding("fsync", "is off", "switch it on", blocks=True, offline=True)
    monkeypatch.setattr(target.adapter, "examine", lambda: (finding,))
    report = migrate(pile(Note(id=1)), target, ENTITIES)

    assert (0, ("fsync: is off; switch it on",)) == (report.exit_code, report.notices)


def test_the_scratch_disk_is_asked_first(tmp_path, monkeypatch):
    import shutil

    usage = shutil._ntuple_diskusage(10, 10, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PlanError, match="TMPDIR"):
        migrate(pile(Note(id=1)), reference(), ENTITIES, options(scratch=tmp_path))


def test_nothing_is_left_in_the_scratch_folder(tmp_path):
    migrate(pile(*HUNDRED), reference(), ENTITIES, options(scratch=tmp_path))

    assert [] == list(tmp_path.iterdir())


def test_fail_fast_ends_at_what_the_target_refuses_unforeseen(monkeypatch):
    target = reference()
    users = target.collection(ENTITIES["users"])
    merge = users.merge

    def refuse(batch: Batch):
        fill(reference(), Team(id="t"))
        refused = (rejected(User, "u"),) if any(r.key == "u" for r in batch.records) else ()
        kept = [r for r in batch.records if r.key != "u"]
        return attrs.evolve(merge(attrs.evolve(batch, records=kept)), refused=refused)

    monkeypatch.setattr(users, "merge", refuse)
    report = migrate(pile(*FAMILY[:1], *FAMILY[1:]), target, ENTITIES)
    assert 4 == report.exit_code
    assert ("u", "users.json") in {(one.key, one.file) for one in report.problems}
    with pytest.raises(QuarantineError):
        migrate(pile(*FAMILY), target, ENTITIES, options(fail_fast=True))


def test_the_error_that_stopped_the_others_is_the_one_that_is_raised():
    def stop() -> None:
        raise StoppedError

    def fail() -> None:
        raise PlanError("the cause")

    with ThreadPoolExecutor(2) as executor, pytest.raises(PlanError, match="the cause"):
        side_by_side(executor, [stop, fail, stop])
    with ThreadPoolExecutor(2) as executor, pytest.raises(StoppedError):
        side_by_side(executor, [stop, stop])
