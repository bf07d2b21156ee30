"""JSON files as a follower: documents inside documents, rules at the end, what is known after."""

from __future__ import annotations

import attrs
import pytest

from fluxstore.adapter import Batch, Control
from fluxstore.codec import Codec
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConstraintError, SealedError, StalePhaseError
from fluxstore.records import Delete, Intent, Put, Record, Version, Versioned
from fluxstore_json.settings import EntitySettings

IN_BOTH_SHAPES = True
FOLLOWER = Control(3, "follower", "dual_write", "m1")
NEW = Version(3, 2)


@pytest.fixture
def following(data):
    """An adapter that follows, and what brings it changes: entity, key, values or ``None``."""
    data.write("projects.json", {"projects": [{"id": "p"}]})
    adapter = data.open()
    adapter.ledger.set_control("*", None, FOLLOWER)

    def bring(name, *changes, version=NEW, epoch=3):
        own = data.entities[name]
        made = [versioned(own, key, values, version) for key, values in changes]
        return list(adapter.collection(own).apply_if_newer(made, epoch=epoch))

    return adapter, bring


def versioned(own, key, values, version):
    if values is None:
        return Versioned(key, version, None)
    plain = Codec.of(own).decode({own.key[0]: key, **values}).values
    return Versioned(key, version, Record(key, plain, version=version))


def task(project, **values):
    return {"project_id": project, **values}


def test_a_document_stays_until_what_is_inside_it_is_deleted(data, following):
    adapter, bring = following
    bring("tasks", ("t", task("p")))
    bring("notes", ("n", {"task_id": "t"}))

    for name, key in (("projects", "p"), ("tasks", "t")):
        with pytest.raises(ConstraintError, match=r"are inside it|refer to it"):
            bring(name, (key, None), version=Version(3, 3))
    assert {"t": NEW} == adapter.ledger.versions("tasks", ["t"])

    with adapter.transaction():
        bring("notes", ("n", None), version=Version(3, 3))
        bring("tasks", ("t", None), version=Version(3, 3))
        assert [True] == bring("projects", ("p", None), version=Version(3, 3))
    names = ("projects", "tasks", "notes")
    found = [adapter.collection(data.entities[n]).scan(None, 9).records for n in names]
    assert [(), (), ()] == found

    bring("projects", ("p", {}), version=Version(3, 4))
    assert [False] == bring("tasks", ("t", task("p")))
    assert [True] == bring("tasks", ("t", task("p", title="moved on")), version=Version(3, 4))
    adapter.close()
    document = {"id": "p", "tasks": [{"id": "t", "title": "moved on", "notes": []}]}
    assert [document] == data.read("projects.json")["projects"]


def test_a_nested_record_waits_for_the_document_around_it(following):
    adapter, bring = following
    with pytest.raises(ConstraintError) as refused:
        bring("tasks", ("t", task("none")))
    assert "reference" == refused.value.rule
    assert {} == adapter.ledger.versions("tasks", ["t"])


def test_documents_may_come_last_in_one_transaction(data, following):
    adapter, bring = following
    with adapter.transaction():
        bring("notes", ("n", {"task_id": "t"}))
        bring("tasks", ("t", task("q")))
        bring("projects", ("q", {}))
    adapter.close()

    inside = {"id": "q", "tasks": [{"id": "t", "notes": [{"id": "n"}]}]}
    assert [{"id": "p"}, inside] == data.read("projects.json")["projects"]


def test_a_document_that_never_comes_undoes_the_transaction(data, following):
    adapter, bring = following

    def both():
        with adapter.transaction():
            bring("tasks", ("t", task("q")))
            bring("projects", ("r", {}))

    with pytest.raises(ConstraintError):
        both()
    assert ["p"] == [
        one.key for one in adapter.collection(data.entities["projects"]).scan(None, 9).records
    ]


@entity("owners")
class Owner:
    id: str
    home_id: str | None = field(default=None, references="homes", on_delete="set_null")


@entity("homes")
class Home:
    id: str
    owner_id: str | None = field(default=None, references="owners", on_delete="restrict")


HOUSES = Entities(map(entity_of, (Owner, Home)))


@pytest.fixture
def houses(data):
    adapter = data.open(entities=HOUSES, shapes=dict.fromkeys(HOUSES, EntitySettings()))
    adapter.ledger.set_control("*", None, FOLLOWER)

    def bring(name, key, values, version=NEW):
        own = HOUSES[name]
        made = versioned(own, key, values, version)
        adapter.collection(own).apply_if_newer([made], epoch=3)

    return adapter, bring


def keys(adapter, name):
    return [one.key for one in adapter.collection(HOUSES[name]).scan(None, 9).records]


def test_records_that_refer_to_each_other_come_in_one_transaction(houses):
    adapter, bring = houses
    with adapter.transaction():
        bring("owners", "o", {"home_id": "h"})
        bring("homes", "h", {"owner_id": "o"})
    assert (["o"], ["h"]) == (keys(adapter, "owners"), keys(adapter, "homes"))


def test_what_keeps_a_deleted_record_may_go_after_it_in_one_transaction(houses):
    adapter, bring = houses
    bring("owners", "o", {"home_id": None})
    bring("homes", "h", {"owner_id": "o"})
    with pytest.raises(ConstraintError, match="homes refer to it"):
        bring("owners", "o", None, Version(3, 3))
    assert ["o"] == keys(adapter, "owners")

    with adapter.transaction():
        bring("owners", "o", None, Version(3, 3))
        bring("homes", "h", None, Version(3, 3))
    assert ([], []) == (keys(adapter, "owners"), keys(adapter, "homes"))


def test_what_refers_to_a_record_keeps_it_until_it_has_let_go_of_it(houses):
    adapter, bring = houses
    bring("homes", "h", {"owner_id": None})
    bring("owners", "o", {"home_id": "h"})
    with pytest.raises(ConstraintError, match="owners refer to it"):
        bring("homes", "h", None, Version(3, 3))

    bring("owners", "o", {"home_id": None}, Version(3, 3))
    bring("homes", "h", None, Version(3, 3))
    assert (["o"], []) == (keys(adapter, "owners"), keys(adapter, "homes"))


def test_a_part_that_failed_and_was_caught_is_not_judged(houses):
    adapter, bring = houses
    with adapter.transaction():
        with pytest.raises(StalePhaseError):
            adapter.collection(HOUSES["owners"]).apply_if_newer(
                [Versioned("x", NEW, None)], epoch=4
            )
        bring("owners", "o", {"home_id": None})
    assert ["o"] == keys(adapter, "owners")


def test_a_live_batch_leaves_what_has_a_version_and_an_offline_one_needs_a_follower(
    data, following
):
    adapter, bring = following
    users = adapter.collection(data.entities["users"])
    bring("users", ("touched", {"name": "newer"}), ("gone", None))
    batch = [Record(key, {"id": key, "name": "old"}) for key in ("touched", "gone", "fresh")]
    merged = users.merge(Batch(batch, deletes=["touched"], epoch=3))
    assert (1, 3, 0) == (merged.written, merged.unchanged, merged.deleted)
    assert {"touched", "fresh"} == {one.key for one in users.scan(None, 9).records}

    with pytest.raises(StalePhaseError):
        users.merge(Batch(batch, epoch=4))
    authority = attrs.evolve(FOLLOWER, role="authority")
    adapter.ledger.set_control("*", FOLLOWER, authority)
    with pytest.raises(StalePhaseError):
        users.merge(Batch(batch))


def test_a_commit_brings_versions_and_cached_reads_hear_of_control(data, following):
    adapter, _ = following
    users = adapter.collection(data.entities["users"])
    authority = attrs.evolve(FOLLOWER, role="authority", epoch=4)
    adapter.ledger.set_control("*", FOLLOWER, authority)
    (made,) = users.commit([Put("u", {"id": "u"}, Intent.CREATE)]).values()
    assert made == users.governed.read(["u"])["u"] == users.governed.read(["u"])["u"]
    assert Version(4, 1) == made.version

    committing = attrs.evolve(authority, role="committing")
    adapter.ledger.set_control("*", authority, committing)
    with pytest.raises(SealedError):
        users.governed.read(["u"])
    _, other = data.serving("users")
    assert made == other.read(["u"])["u"]
    adapter.ledger.set_control("*", committing, FOLLOWER)
    for one in (users, other):
        with pytest.raises(StalePhaseError):
            one.governed.read(["u"])


def test_cached_records_forget_their_versions_with_the_ledger(data, following):
    adapter, bring = following
    users = adapter.collection(data.entities["users"])
    bring("users", ("u", {"name": "x"}))
    assert NEW == users.read(["u"])["u"].version
    adapter.ledger.set_control("*", FOLLOWER, None, purge=True)
    assert Version(0, 1) == users.read(["u"])["u"].version


def test_a_repetition_is_known_after_the_sides_have_changed(data, following):
    adapter, _ = following
    users = adapter.collection(data.entities["users"])
    deleted = Versioned("u", NEW, None, op_ids=["op"])
    assert [True] == users.apply_if_newer([deleted], epoch=3)
    later = attrs.evolve(deleted, op_ids=["late"])
    assert [False] == users.apply_if_newer([later], epoch=3)
    assert {"u": ["op", "late"]} == {
        key: sorted(ops, reverse=True)
        for key, ops in adapter.ledger.operations("users", ["u"]).items()
    }

    adapter.ledger.set_control("*", FOLLOWER, attrs.evolve(FOLLOWER, epoch=4, role="authority"))
    users.commit([Delete("u")], op_id="late")
