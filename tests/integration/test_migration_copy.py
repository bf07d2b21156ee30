"""The offline copy: complete, idempotent, resumable, honest about what is only in the target."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
from moving import (
    ENTITIES,
    HUNDRED,
    Member,
    Note,
    Team,
    User,
    by_entity,
    counts,
    everything,
    fill,
    keys,
    options,
    pile,
    record,
    reference,
    shrunk,
    small_batches,
    snapshot_of,
)
from pile import piled, rejected

from fluxstore.adapter import Batch, Part
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import (
    EntityNotFoundError,
    MigrationError,
    UsageError,
)
from fluxstore.migration.migrate import levels, migrate
from fluxstore.migration.plan import LEASE, End
from fluxstore.records import Residue

FAMILY = (
    Team(id="t", slug="s", lead_id="u"),
    User(id="u", team_id="t", email="u@x"),
    User(id="v", boss_id="u"),
    Member(team_id="t", user_id="v"),
)


# what is copied


def test_everything_good_arrives_with_its_residue():
    whole = record(Note(id=1), extras={"colour": "red"}, spelling={"text": "as it was"})
    source, target = pile(*FAMILY, (Note, whole)), reference()
    report = migrate(source, target, ENTITIES)

    assert 0 == report.exit_code
    assert whole == everything(target, Note)[1]
    assert snapshot_of(source, Team, User, Member) == snapshot_of(target, Team, User, Member)
    assert (2, 2, 0, 0) == counts(report, "users")


def test_a_second_run_writes_nothing():
    source, target = pile(*FAMILY, *HUNDRED), reference()
    migrate(source, target, ENTITIES)
    before = {name: everything_raw(target, name) for name in ENTITIES}
    report = migrate(source, target, ENTITIES)

    assert all(one.written == 0 for one in report.entities)
    assert (100, 0, 100, 0) == counts(report, "notes")
    assert 0 == report.exit_code
    for name, rows in before.items():
        now = everything_raw(target, name)
        assert all(now[key] is row for key, row in rows.items())


def everything_raw(target: End, name: str) -> dict:
    return target.adapter.memory.current().table(name)


def test_regression_19_an_existing_key_is_repaired_not_skipped():
    source, target = pile(*HUNDRED), reference()
    fill(target, Note(id=7, text="drifted"), Note(id=8, text="note 8"))
    report = migrate(source, target, ENTITIES)

    assert (100, 99, 1, 0) == counts(report, "notes")
    assert "note 7" == everything(target, Note)[7].values["text"]


def test_a_difference_in_residue_alone_is_repaired():
    source, target = pile((Note, record(Note(id=1), extras={"x": 1}))), reference()
    fill(target, Note(id=1))
    migrate(source, target, ENTITIES)

    assert Residue(extras={"x": 1}) == everything(target, Note)[1].residue


def test_regression_20_children_are_copied_though_their_parent_is_there_already():
    source, target = pile(*FAMILY), reference()
    fill(target, User(id="u", email="u@x"), Team(id="t", slug="s"))
    migrate(source, target, ENTITIES)

    assert {("t", "v")} == keys(target, Member)
    assert {"u", "v"} == keys(target, User)


def test_regression_21_a_record_that_stays_behind_makes_exit_code_4():
    report = migrate(pile(Note(id=1), rejected(Note, "2")), reference(), ENTITIES)

    assert 4 == report.exit_code
    assert (2, 1, 0, 1) == counts(report, "notes")


def test_regression_24_two_runs_give_the_same_bytes():
    first, second = reference("one"), reference("two")
    for target in (first, second):
        migrate(pile(*FAMILY), target, ENTITIES)

    assert snapshot_of(first, Team, User, Member) == snapshot_of(second, Team, User, Member)
    assert everything(first, User) == everything(second, User)


def test_regression_25_every_entity_is_migrated():
    report = migrate(pile(*FAMILY, Note(id=1)), reference(), ENTITIES)

    assert set(ENTITIES) == {one.entity for one in report.entities}
    assert all(one.written > 0 for one in report.entities)


def test_regression_26_pages_are_bounded_and_records_go_in_batches():
    source, target = pile(*(Note(id=n) for n in range(3000))), Counting()
    migrate(source, target.end, ENTITIES)

    assert max(target.batches) <= 1024
    assert len(target.batches) < 40


class Counting:
    """A reference backend that notes how large each batch of notes was."""

    def __init__(self) -> None:
        self.end = reference()
        self.batches: list[int] = []
        collection = self.end.collection(ENTITIES["notes"])
        merge = collection.merge

        def counted(batch: Batch):
            self.batches.append(len(batch.records))
            return merge(batch)

        collection.merge = counted


def test_parents_come_before_children_whatever_their_order():
    source, target = pile(*reversed(FAMILY)), reference()

    assert 0 == migrate(source, target, ENTITIES).exit_code


def test_records_may_refer_to_later_ones_of_another_batch():
    users = [User(id=f"{n:03}", boss_id=f"{n + 1:03}" if n < 99 else None) for n in range(100)]
    source, target = shrunk(pile(*users)), reference()
    report = migrate(source, target, ENTITIES, small_batches())

    assert (100, 100, 0, 0) == counts(report, "users")


def test_records_that_refer_to_each_other_across_batches_cross_whole():
    users = [User(id=f"{n:03}", boss_id=f"{(n + 1) % 100:03}", email=f"{n}@x") for n in range(100)]
    source, target = shrunk(pile(*users)), reference()
    report = migrate(source, target, ENTITIES, small_batches())

    assert (100, 100, 0, 0) == counts(report, "users")
    assert snapshot_of(source, User) == snapshot_of(target, User)


def test_unique_values_swapped_across_batches_cross():
    source = shrunk(pile(*(User(id=f"{n:03}", email=f"{n}") for n in range(40))))
    target = reference()
    fill(target, *(User(id=f"{n:03}", email=f"{(n + 1) % 40}-") for n in range(40)))
    fill(target, *(User(id=f"{n:03}", email=f"{(n + 17) % 40}") for n in range(40)))
    report = migrate(source, target, ENTITIES, small_batches())

    assert 0 == report.exit_code
    assert snapshot_of(source, User) == snapshot_of(target, User)


def test_what_a_file_has_beside_its_records_goes_along():
    parts = [Part("notes", "order", 0, ["2", "1"]), Part("notes", "wrapper", 0, {"version": 3})]
    source = End("source", piled(ENTITIES, Note(id=1), Note(id=2)))
    source.adapter.ledger._parts = {"notes": parts}
    target = reference()
    migrate(source, target, ENTITIES)

    assert parts == list(target.adapter.ledger.parts("notes"))


# what is only in the target


def test_records_only_in_the_target_are_listed_and_make_exit_code_5(tmp_path):
    target = reference()
    fill(target, Team(id="old"), User(id="extra", team_id="old"), Note(id=5))
    listed = tmp_path / "extras.jsonl"
    source = pile(*FAMILY, Note(id=5))
    report = migrate(source, target, ENTITIES, options(extras_file=listed))

    assert 5 == report.exit_code
    assert {("teams", "old"), ("users", "extra")} == {(e.entity, e.key) for e in report.extras}
    assert (1, 0) == (by_entity(report)["teams"].extra, by_entity(report)["teams"].deleted)
    assert [("teams", "old"), ("users", "extra")] == sorted(
        (line["entity"], line["key"]) for line in map(json.loads, listed.read_text().splitlines())
    )
    assert "extra" in keys(target, User)


def test_records_only_in_the_target_are_deleted_when_their_number_is_given():
    target = reference()
    fill(target, Team(id="old"), User(id="extra", team_id="old"), User(id="extra 2"))
    refused = migrate(pile(*FAMILY), target, ENTITIES, options(delete_extra=2))
    words = "3 records are only in the target, more than 2: none was deleted"
    assert (5, (words,)) == (refused.exit_code, refused.notices[-1:])
    assert {"extra", "extra 2", "u", "v"} == keys(target, User)

    report = migrate(pile(*FAMILY), target, ENTITIES, options(delete_extra=3))
    assert 0 == report.exit_code
    assert (2, 1) == (by_entity(report)["users"].deleted, by_entity(report)["teams"].deleted)
    assert ({"u", "v"}, {"t"}) == (keys(target, User), keys(target, Team))
    assert 0 == migrate(pile(*FAMILY), target, ENTITIES, options(delete_extra=3)).extra


def test_what_stays_behind_is_not_only_in_the_target():
    target = reference()
    fill(target, Note(id=1, text="good"), Note(id=2))
    source = pile(Note(id=2), rejected(Note, "1"))
    report = migrate(source, target, ENTITIES, options(delete_extra=9))

    assert 0 == by_entity(report)["notes"].extra
    assert {1, 2} == keys(target, Note)


def test_nothing_is_deleted_where_the_source_has_records_without_a_readable_key():
    target = reference()
    fill(target, Note(id=1), Note(id=2))
    report = migrate(
        pile(Note(id=2), rejected(Note, "[0]")), target, ENTITIES, options(delete_extra=9)
    )

    assert (1, 0) == (by_entity(report)["notes"].extra, by_entity(report)["notes"].deleted)
    assert "notes: the source has records without a readable key" in report.notices[-1]
    assert {1, 2} == keys(target, Note)


# choices


def test_a_dry_run_writes_nothing_and_says_what_would_stay_behind():
    source, target = pile(Note(id=1), rejected(Note, "2")), reference()
    before = target.adapter.memory.current()
    report = migrate(source, target, ENTITIES, options(dry_run=True))

    assert before is target.adapter.memory.current()
    assert (report.dry_run, 4, 1) == (True, report.exit_code, report.problem_count)


def test_only_the_chosen_entities_are_touched():
    source, target = pile(*FAMILY, Note(id=1)), reference()
    report = migrate(source, target, ENTITIES, options(entities=("notes",)))

    assert ["notes"] == [one.entity for one in report.entities]
    assert set() == keys(target, User)


@pytest.mark.parametrize("name", ["note", "notes; drop", "x" * 10_000])
def test_an_unknown_entity_is_refused_by_name(name):
    with pytest.raises(EntityNotFoundError):
        migrate(pile(), reference(), ENTITIES, options(entities=(name,)))


def test_source_and_target_must_be_two():
    with pytest.raises(UsageError, match="source and target are both"):
        migrate(pile(), reference("source"), ENTITIES)


@pytest.mark.parametrize(
    "chosen",
    [{"rate": 0}, {"rate": -1}, {"rate": float("nan")}, {"sample": 0}, {"delete_extra": -1}],
)
def test_choices_that_mean_nothing_are_refused(chosen):
    with pytest.raises(UsageError, match=next(iter(chosen))):
        options(**chosen)


def test_a_bound_move_replaces_the_targets_own():
    source, target = pile(Note(id=1)), reference()

    def loud(batch: Batch):
        records = [attrs.evolve(r, values={**r.values, "text": "LOUD"}) for r in batch.records]
        return target.collection(ENTITIES["notes"]).merge(attrs.evolve(batch, records=records))

    migrate(source, target, ENTITIES, options(moves={"notes": loud}))
    assert "LOUD" == everything(target, Note)[1].values["text"]


def test_entities_run_side_by_side_in_an_executor():
    source, target = pile(*FAMILY, *HUNDRED), reference()
    with ThreadPoolExecutor(3) as executor:
        report = migrate(source, target, ENTITIES, options(executor=executor))

    assert (100, 100, 0, 0) == counts(report, "notes")
    assert snapshot_of(source, User, Note) == snapshot_of(target, User, Note)


def test_an_error_in_one_thread_ends_the_others_and_is_raised():
    source, target = pile(*FAMILY, *HUNDRED), reference()

    def broken(_: Batch):
        raise MigrationError("broken on purpose")

    with ThreadPoolExecutor(3) as executor, pytest.raises(MigrationError, match="on purpose"):
        migrate(source, target, ENTITIES, options(executor=executor, moves={"teams": broken}))
    with target.adapter.ledger.lease(LEASE):
        pass


def test_entities_that_refer_to_each_other_are_never_side_by_side():
    names = [[one.name for one in level] for level in levels(ENTITIES.parents_first())]

    for level in names:
        for name in level:
            assert not {str(f.rules.references) for f in ENTITIES[name].references} & set(level) - {
                name
            } or {"teams", "users"} >= set(level)


def test_a_rate_holds_the_copy_back():
    source, target = pile(*(Note(id=n) for n in range(60))), reference()
    report = migrate(source, target, ENTITIES, options(rate=200))

    assert by_entity(report)["notes"].seconds >= 0.2


def test_progress_ends_at_the_end_and_never_goes_back():
    told = []
    migrate(pile(*FAMILY, *HUNDRED), reference(), ENTITIES, options(progress=told.append))
    fractions = [one.fraction for one in told if one.fraction is not None]

    assert sorted(fractions) == fractions
    assert ["survey", "copy", "compare", "complete"] == list(dict.fromkeys(map(stage, told)))


def stage(progress) -> str:
    return progress.stage


def test_a_key_spelled_otherwise_in_a_problem_is_the_same_key():
    from uuid import UUID

    @entity("things")
    class Thing:
        id: UUID
        name: str = ""

    entities, ident = Entities([entity_of(Thing)]), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    target = reference(entities=entities)
    fill(target, Thing(id=ident, name="from when it was good"))
    source = pile(rejected(Thing, str(ident).upper()), entities=entities)
    report = migrate(source, target, entities, options(delete_extra=5))

    assert (0, 0) == (report.entities[0].extra, report.entities[0].deleted)
    assert {ident} == {one.key for one in everything_of(target, entities["things"])}


def everything_of(end: End, entity):
    return end.collection(entity).scan(None, 100).records
