"""What a leg carries: the record that was committed, with the operations that made it."""

from __future__ import annotations

import attrs
import pytest
from phase_changes import ENTITIES, NOTES, ends, marks, remove, texts, walk, write

from fluxstore.errors import StalePhaseError
from fluxstore.records import Intent, Put
from fluxstore.testing.faults import FaultyAdapter
from fluxstore_phases.carriage import Carriage, Written, parcels
from fluxstore_phases.phases import Side

SOURCE, TARGET = Side.SOURCE, Side.TARGET


@attrs.define
class Followed:
    """Both sides in phase ``dual_write``; calls of either are counted."""

    sides: object
    carriage: Carriage
    epoch: int

    def adapter(self, side):
        return self.sides.adapter(side)

    def put(self, key, text, op_id):
        """Write at the origin; return what a leg is told."""
        change = Put(key, {"id": key, "text": text, "log": []}, Intent.REPLACE)
        found = self.adapter(SOURCE).collection(NOTES).commit([change], op_id=op_id)
        return Written(NOTES, self.epoch, (key,), found, op_id)

    def carry(self, *written):
        for parcel in parcels(written):
            problem, done = self.carriage.carry(parcel)
            assert "" == problem
            assert self.carriage.note(done)

    def operations(self, key):
        return self.adapter(TARGET).ledger.operations("notes", [key]).get(key, ())


@pytest.fixture
def followed(tmp_path):
    with ends(tmp_path, wrap=lambda _, adapter: FaultyAdapter(adapter)) as both:
        sides = both.sides()
        write(sides, SOURCE, "old", "x", op_id="before")
        walk(sides, 1)
        carriage = Carriage(
            lambda: sides.adapter(SOURCE), lambda: sides.adapter(TARGET), entities=ENTITIES
        )
        yield Followed(sides, carriage, sides.controls(TARGET)["*"].epoch)


def test_a_record_is_carried_as_it_was_committed(followed):
    followed.carry(followed.put("a", "1", "op1"))
    assert {"a": "1"} == texts(followed.sides, TARGET)
    assert 0 == marks(followed.sides, SOURCE)
    assert 0 == followed.adapter(SOURCE).calls["read"]


def test_operations_of_before_go_with_the_first_write_of_a_key(followed):
    followed.carry(followed.put("old", "1", "op1"))
    assert {"before", "op1"} == set(followed.operations("old"))


def test_a_key_that_is_written_again_and_again_is_not_looked_at_again(followed):
    followed.carry(followed.put("a", "0", "op0"))
    asked = followed.adapter(SOURCE).calls["ledger.owed"]
    for number in range(1, 6):
        followed.carry(followed.put("a", str(number), f"op{number}"))
    assert asked == followed.adapter(SOURCE).calls["ledger.owed"]
    assert {f"op{number}" for number in range(6)} == set(followed.operations("a"))


def test_writes_of_one_key_that_come_together_are_one_change(followed):
    first, second = followed.put("a", "1", "op1"), followed.put("a", "2", "op2")
    followed.carry(first, second)
    assert {"a": "2"} == texts(followed.sides, TARGET)
    assert {"op1", "op2"} == set(followed.operations("a"))
    assert 0 == marks(followed.sides, SOURCE)


def test_writes_that_come_in_another_order_end_with_the_newest(followed):
    first, second = followed.put("a", "1", "op1"), followed.put("a", "2", "op2")
    followed.carry(second, first)
    assert {"a": "2"} == texts(followed.sides, TARGET)
    assert {"op1", "op2"} == set(followed.operations("a"))


def test_what_another_process_wrote_between_is_not_forgotten(followed):
    followed.carry(followed.put("a", "1", "op1"))
    followed.put("a", "2", "of another process")
    followed.carry(followed.put("a", "3", "op3"))
    assert {"op1", "of another process", "op3"} == set(followed.operations("a"))


def test_a_delete_is_looked_at(followed):
    followed.carry(followed.put("a", "1", "op1"))
    remove(followed.sides, SOURCE, "a")
    followed.carry(Written(NOTES, followed.epoch, ("a",)))
    assert {} == texts(followed.sides, TARGET)
    assert 0 == marks(followed.sides, SOURCE)


def test_an_older_record_changes_nothing_and_leaves_the_newer_mark(followed):
    first = followed.put("a", "1", "op1")
    followed.put("a", "2", "op2")
    followed.carry(first)
    assert 1 == marks(followed.sides, SOURCE)


def test_a_leg_of_an_earlier_epoch_is_refused_and_leaves_its_mark(followed):
    written = followed.put("a", "1", "op1")
    control = followed.sides.controls(TARGET)["*"]
    followed.sides.turn(TARGET, "*", control, attrs.evolve(control, epoch=control.epoch + 1))
    with pytest.raises(StalePhaseError):
        followed.carry(written)
    assert {} == texts(followed.sides, TARGET)
    assert 1 == marks(followed.sides, SOURCE)
