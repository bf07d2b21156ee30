"""Repair: planned, reviewed, applied only where nothing moved, and taken back."""

from __future__ import annotations

import json
import stat

import pytest
from moving import (
    ENTITIES,
    Member,
    Note,
    Team,
    User,
    fill,
    options,
    record,
    reference,
    snapshot_of,
)

from fluxstore.adapter import Batch
from fluxstore.errors import MigrationError, PlanError
from fluxstore.migration.apply import apply_plan, undo
from fluxstore.migration.migrate import migrate
from fluxstore.migration.repair import Towards, plan_repair
from fluxstore.migration.verify import validate

ALL = (Team, User, Member, Note)


@pytest.fixture
def ends():
    """Two equal backends, then: one record missing, two changed, one with its child only there."""
    source, target = reference("source"), reference("target")
    fill(source, User(id="u", name="Una", email="u@x"), User(id="v", name="Vic", boss_id="u"))
    fill(source, Team(id="t", lead_id="u"), Member(team_id="t", user_id="v"), Note(id=1))
    migrate(source, target, ENTITIES)
    notes, users = target.collection(ENTITIES["notes"]), target.collection(ENTITIES["users"])
    notes.merge(Batch((), deletes=[1]))
    users.merge(Batch([record(User(id="v", name="changed"), extras={"x": 1})]))
    users.merge(Batch([record(User(id="u", name="Una", email="other@x"))]))
    fill(target, Team(id="extra"), Member(team_id="extra", user_id="u"), User(id="w", boss_id="v"))
    return source, target


def planned(ends, path, **chosen):
    return plan_repair(*ends, ENTITIES, path=path, **chosen)


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_plan_shows_both_values_direction_and_rule(ends, tmp_path):
    path = tmp_path / "plan.jsonl"
    made = planned(ends, path)
    header, *rest = lines(path)

    assert (3, 3, 0, 5) == (made.writes, made.deletes, made.by_hand, made.exit_code)
    assert ("target", "fluxstore repair plan") == (header["towards"], header["kind"])
    changed = next(line for line in rest if line["key"] == "v" and line["entity"] == "users")
    assert ("diverged", "write", "target") == tuple(
        changed[name] for name in ("difference", "action", "side")
    )
    assert ("Vic", "changed") == tuple(
        changed[side]["values"]["name"] for side in ("source", "target")
    )
    assert "the source has it so, and the source counts" == changed["rule"]


def test_writes_stand_parents_first_and_deletes_children_first(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    rest = lines(tmp_path / "plan")[1:]

    assert ["write"] * 3 + ["delete"] * 3 == [line["action"] for line in rest]
    deleted = [line["entity"] for line in rest if line["action"] == "delete"]
    assert deleted.index("members") < deleted.index("teams")


def test_a_plan_is_for_its_owners_eyes_only(ends, tmp_path):
    planned(ends, tmp_path / "plan")

    assert 0o600 == stat.S_IMODE((tmp_path / "plan").stat().st_mode)


def test_applying_makes_both_equal_and_undoing_restores_what_was_there(ends, tmp_path):
    plan, log = tmp_path / "plan", tmp_path / "log"
    before = snapshot_of(ends[1], *ALL)
    planned(ends, plan)
    report = apply_plan(plan, *ends, ENTITIES, log=log)

    assert (0, 3, 3) == (report.exit_code, report.written, report.deleted)
    assert 0 == validate(*ends, ENTITIES).exit_code
    assert 0o600 == stat.S_IMODE(log.stat().st_mode)

    back = undo(log, *ends, ENTITIES)
    assert (0, 6) == (back.exit_code, back.written + back.deleted)
    assert before == snapshot_of(ends[1], *ALL)


def test_a_repair_can_go_the_other_way(ends, tmp_path):
    wanted = snapshot_of(ends[1], *ALL)
    planned(ends, tmp_path / "plan", towards=Towards.SOURCE)
    apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")

    assert wanted == snapshot_of(ends[0], *ALL) == snapshot_of(ends[1], *ALL)


def test_nothing_is_done_where_one_record_moved(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    fill(ends[1], User(id="v", name="moved"))
    before = snapshot_of(ends[1], *ALL)
    with pytest.raises(PlanError, match="1 records have changed since, nothing was done: users v"):
        apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")

    assert before == snapshot_of(ends[1], *ALL)
    assert not (tmp_path / "log").exists()


def test_a_plan_applied_again_changes_nothing(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")
    report = apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")

    assert (0, 0, 6) == (report.written, report.deleted, report.already)
    assert 6 == len(lines(tmp_path / "log")) - 1


def test_an_interrupted_repair_is_gone_on_with_and_undone_whole(ends, tmp_path):
    plan, log = tmp_path / "plan", tmp_path / "log"
    before = snapshot_of(ends[1], *ALL)
    planned(ends, plan)
    asked = iter([False, True])
    report = apply_plan(
        plan, *ends, ENTITIES, log=log, options=options(stopped=lambda: next(asked))
    )
    assert report.stopped
    assert 0 < report.written + report.deleted < 6

    log.write_bytes(log.read_bytes() + b'{"entity": "users", "ke')  # cut off by a kill
    assert 0 == apply_plan(plan, *ends, ENTITIES, log=log).exit_code
    assert 0 == validate(*ends, ENTITIES).exit_code
    undo(log, *ends, ENTITIES)
    assert before == snapshot_of(ends[1], *ALL)


def test_undoing_twice_changes_nothing_the_second_time(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")
    undo(tmp_path / "log", *ends, ENTITIES)
    report = undo(tmp_path / "log", *ends, ENTITIES)

    assert (0, 0, 6) == (report.written, report.deleted, report.already)


def test_undoing_does_not_overwrite_what_came_later(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")
    fill(ends[1], User(id="v", name="later"))

    with pytest.raises(PlanError, match="users v"):
        undo(tmp_path / "log", *ends, ENTITIES)


def test_lines_may_be_left_out_or_set_to_none(ends, tmp_path):
    plan = tmp_path / "plan"
    planned(ends, plan)
    header, *rest = lines(plan)
    kept = [line for line in rest if line["action"] == "write"]
    kept[0]["action"] = "none"
    plan.write_text("\n".join(map(json.dumps, (header, *kept))) + "\n")
    report = apply_plan(plan, *ends, ENTITIES, log=tmp_path / "log")

    assert (2, 0, 1, 5) == (report.written, report.deleted, report.by_hand, report.exit_code)


def test_a_dry_run_checks_and_writes_nothing(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    before = ends[1].adapter.memory.current()
    report = apply_plan(
        tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log", options=options(dry_run=True)
    )

    assert (True, 0) == (report.dry_run, report.written)
    assert before is ends[1].adapter.memory.current()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "no json", '{"kind": "fluxstore repair plan", "format": 9}']
)
def test_what_is_no_plan_is_refused(ends, tmp_path, text):
    (tmp_path / "plan").write_text(text)
    with pytest.raises(PlanError):
        apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")


@pytest.mark.parametrize(
    "edit",
    [
        {"action": "destroy"},
        {"entity": "others"},
        {"side": "both"},
        {"unknown": 1},
        {"action": "write", "source": None},
    ],
)
def test_a_line_that_cannot_be_meant_is_named_before_anything_is_done(ends, tmp_path, edit):
    plan = tmp_path / "plan"
    planned(ends, plan)
    header, first, *rest = lines(plan)
    plan.write_text("\n".join(map(json.dumps, (header, first | edit, *rest))))

    with pytest.raises(PlanError, match="line 2 cannot be meant"):
        apply_plan(plan, *ends, ENTITIES, log=tmp_path / "log")


def test_a_plan_of_other_backends_is_refused(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    with pytest.raises(PlanError, match="name the backends it was made for"):
        apply_plan(tmp_path / "plan", *reversed(ends), ENTITIES, log=tmp_path / "log")


def test_what_changes_while_it_is_repaired_ends_the_repair(ends, tmp_path):
    planned(ends, tmp_path / "plan")
    users = ends[1].collection(ENTITIES["users"])
    read, reads = users.read, []

    def moving(keys):
        reads.append(keys)
        if len(reads) == 2:
            fill(ends[1], User(id="v", name="moved now"))
        return read(keys)

    users.read = moving
    with pytest.raises(MigrationError, match="changed while it was repaired"):
        apply_plan(tmp_path / "plan", *ends, ENTITIES, log=tmp_path / "log")
