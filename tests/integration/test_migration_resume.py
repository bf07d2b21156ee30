"""A stopped copy leaves a state to go on from; what does not fit is refused, never guessed."""

from __future__ import annotations

import attrs
import pytest
from moving import (
    ENTITIES,
    HUNDRED,
    Note,
    Stop,
    by_entity,
    counts,
    keys,
    pile,
    reference,
    shrunk,
    small_batches,
    snapshot_of,
)

from fluxstore.adapter import Batch
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import CursorError, LeaseError, MigrationError
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import LEASE, migration_of


def test_a_stop_finishes_its_batch_and_the_next_run_goes_on():
    source, target = shrunk(pile(*HUNDRED)), reference()
    stopped = migrate(source, target, ENTITIES, small_batches(stopped=Stop(16)))
    assert stopped.stopped
    done = len(keys(target, Note))
    assert 16 < done < 100

    report = migrate(source, target, ENTITIES, small_batches(resume=True))
    one = by_entity(report)["notes"]
    assert 100 == one.read == one.resumed + one.written + one.unchanged
    assert (done - 16, 16) == (one.resumed, one.unchanged)
    assert snapshot_of(source, Note) == snapshot_of(target, Note)


def test_a_run_without_resume_begins_afresh_and_writes_nothing_twice():
    source, target = shrunk(pile(*HUNDRED)), reference()
    migrate(source, target, ENTITIES, small_batches(stopped=Stop(16)))
    done = len(keys(target, Note))
    report = migrate(source, target, ENTITIES, small_batches())

    assert (100, 100 - done, done, 0) == counts(report, "notes")


def test_a_source_changed_since_is_copied_afresh():
    source, target = shrunk(pile(*HUNDRED)), reference()
    migrate(source, target, ENTITIES, small_batches(stopped=Stop(16)))
    changed = shrunk(pile(Note(id=0, text="changed"), *HUNDRED[1:], Note(id=100)))
    report = migrate(changed, target, ENTITIES, small_batches(resume=True))

    assert (0, 101) == (by_entity(report)["notes"].resumed, by_entity(report)["notes"].read)
    assert snapshot_of(changed, Note) == snapshot_of(target, Note)


def test_a_source_that_changes_during_the_copy_ends_it_with_a_word():
    source, target = shrunk(pile(*HUNDRED)), reference()
    notes = source.adapter.of(Note)

    def change() -> None:
        if notes.scanned > 150:
            notes.items = [*notes.items]

    notes.before_page = change
    with pytest.raises(MigrationError, match=r"notes\.json was changed while it was copied"):
        migrate(source, target, ENTITIES, small_batches())


def test_a_cursor_of_another_schema_or_format_is_refused():
    source, target = shrunk(pile(*HUNDRED)), reference()
    migrate(source, target, ENTITIES, small_batches(stopped=Stop(16)))
    migration = migration_of(source, target)
    cursor = target.adapter.ledger.cursor(migration, "notes")
    for wrong in (attrs.evolve(cursor, format=2), attrs.evolve(cursor, fingerprint="other")):
        target.collection(ENTITIES["notes"]).merge(Batch([], cursor=wrong))
        with pytest.raises(CursorError, match="without --resume"):
            migrate(source, target, ENTITIES, small_batches(resume=True))

    assert 0 == migrate(source, target, ENTITIES).exit_code


def test_another_declaration_has_another_fingerprint():
    from fluxstore.migration.identity import fingerprint

    @entity("notes")
    class Note:
        id: int
        text: str | None = ""

    assert fingerprint(entity_of(Note)) != fingerprint(ENTITIES["notes"])
    assert fingerprint(entity_of(Note)) == fingerprint(Entities([entity_of(Note)])["notes"])


def test_an_ended_migration_leaves_no_cursor():
    source, target = shrunk(pile(*HUNDRED)), reference()
    migrate(source, target, ENTITIES, small_batches())

    assert {} == target.adapter.memory.current().cursors


def test_two_migrations_at_once_are_one_too_many():
    target = reference()
    with target.adapter.ledger.lease(LEASE), pytest.raises(LeaseError):
        migrate(pile(Note(id=1)), target, ENTITIES)

    assert set() == keys(target, Note)
