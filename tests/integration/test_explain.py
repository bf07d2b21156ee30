"""``explain``: what every backend has of one record, why they differ, what would end that."""

from __future__ import annotations

import attrs
import pytest
from governed import EPOCH, Pair, govern, pair, parents_first
from moving import ENTITIES, Note, User

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.migration import quarantine
from fluxstore.migration.backfill import backfill
from fluxstore.migration.explain import explain
from fluxstore.migration.live import live_of
from fluxstore.migration.relay import drain
from fluxstore.records import Problem, Reason, Record, Rejected, Version, Versioned

NOTES = entity_of(Note)


@pytest.fixture
def both() -> Pair:
    made = pair(is_governed=False)
    made.write(*(Note(id=n, text="same") for n in range(10)), User(id="u", email="1@x"))
    made.govern()
    found = live_of(made.origin, made.follower, ENTITIES.values())
    assert found is not None
    backfill(found, ENTITIES)
    for n in range(5):
        made.change(Note, n, text=f"touched {n}")
    drain(*made.adapters, parents_first())
    return made


def told(both: Pair, key: object, cls: type = Note):
    return explain((both.origin, both.follower), entity_of(cls), key)


def plant(both: Pair, *records: Record, deletes: tuple = ()) -> None:
    both.follower.collection(NOTES).merge(Batch(records, deletes))


def note(n: int, text: str) -> Record:
    return Record(n, {"id": n, "text": text})


def test_equal_records_need_nothing(both: Pair) -> None:
    found = told(both, 7)
    assert ("both have the same", "") == (found.why, found.next_step)
    value = found.to_json()
    assert ["untouched", "untouched"] == [one["version"] for one in value["backends"]]
    assert ["authority", "follower"] == [one["control"]["role"] for one in value["backends"]]
    assert "3.1" != told(both, 3).to_json()["backends"][0]["version"]


def test_each_reason_is_told_with_its_next_step(both: Pair) -> None:
    both.change(Note, 0, text="newer")
    both.delete(Note, 6)
    plant(both, note(3, "planted"), note(77, "orphan"), deletes=(8,))
    ahead = attrs.evolve(note(4, "ahead"), version=Version(EPOCH, 50))
    both.follower.collection(NOTES).apply_if_newer([Versioned(4, ahead.version, ahead)])
    said = {key: told(both, key) for key in (0, 3, 4, 6, 8, 77)}
    assert "on its way" in said[0].why
    assert "fluxstore relay --once, or wait" == said[6].next_step
    assert "same version, other content (text)" in said[3].why
    assert "fluxstore repair --plan" == said[3].next_step
    assert "a version that source never gave" in said[4].why
    assert "only source has it" in said[8].why
    assert "only target has it" in said[77].why
    states = [one["state"] for one in said[6].to_json()["backends"]]
    assert ["deleted", "record"] == states


def test_a_mark_that_waits_names_what_is_in_the_way(both: Pair) -> None:
    govern(both.follower, "authority", phase="off")
    both.follower.collection(entity_of(User)).merge(
        Batch([Record("squatter", {"id": "squatter", "name": "", "email": "2@x"})])
    )
    govern(both.follower, "follower")
    both.write(User(id="new", email="2@x"))
    assert "record squatter has them" in told(both, "new", User).why


def test_a_quarantined_record_says_why(both: Pair) -> None:
    both.write(Note(id=50))
    problem = Problem("notes", Reason.NUL, "text without NUL", "50", "text")
    quarantine.put_in(both.follower.adapter.ledger, NOTES, [Rejected(problem)])
    found = told(both, 50)
    assert "target cannot hold it: text without NUL" == found.why
    assert "mend it at source" == found.next_step


def test_personal_data_is_shown_only_when_asked_for(both: Pair) -> None:
    found = told(both, "u", User)
    assert "(hidden)" == found.to_json()["backends"][0]["value"]["email"]
    assert "1@x" == found.to_json(show=True)["backends"][0]["value"]["email"]


def test_backends_in_phase_off_are_compared_without_roles() -> None:
    both = pair(is_governed=False)
    both.write(Note(id=1, text="one"))
    assert "source has it, target has not" in told(both, 1).why
    plant(both, note(1, "other"))
    assert "they differ in text" in told(both, 1).why
