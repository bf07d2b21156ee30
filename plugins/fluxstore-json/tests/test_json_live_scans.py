"""Scans while others write and checkpoints replace the file under them."""

from __future__ import annotations

import pytest

from fluxstore.adapter import Control, Use
from fluxstore.errors import CursorError
from fluxstore.query import Query
from fluxstore.records import Delete, Intent, Put
from fluxstore_json.checkpoints import waiting_only

IN_BOTH_SHAPES = True
AUTHORITY = Control(1, "authority", "backfill", "m1")
USERS = [{"id": f"u{number}", "name": "old"} for number in range(300)]


def rename(key, name):
    return Put(key, {"name": name}, Intent.CHANGE)


def create(key, name):
    return Put(key, {"id": key, "name": name}, Intent.CREATE)


def begun(users, limit=100):
    page = users.scan(None, limit)
    return list(page.records), page.cursor


def rest_of(users, found, cursor, limit=100):
    while cursor is not None:
        page = users.scan(cursor, limit)
        found += page.records
        cursor = page.cursor
    return found


@pytest.fixture
def serving(data):
    data.write("users.json", {"users": USERS})
    adapter, users = data.serving("users")
    adapter.ledger.set_control("*", None, AUTHORITY)
    users.commit([create("waiting", "new")])
    return adapter, users


def test_a_run_of_pages_goes_on_in_the_file_that_it_began_with(serving):
    adapter, users = serving
    found, cursor = begun(users)
    users.commit([Delete("u0"), Delete("u150"), rename("u200", "changed")])
    adapter._checkpointer.run()
    users.commit([rename("u201", "changed"), Delete("u151")])
    found = {record.key: record for record in rest_of(users, found, cursor)}

    untouched = {one["id"] for one in USERS} - {"u150", "u151"}
    assert untouched | {"waiting"} == found.keys()
    assert {"changed"} == {found[key].values["name"] for key in ("u200", "u201")}
    assert users.read(["u200"])["u200"] == found["u200"]
    assert 2 == found["u201"].version.seq


def test_a_value_never_comes_with_the_version_of_another(serving):
    adapter, users = serving
    found, cursor = begun(users, limit=7)
    for turn in range(6):
        users.commit([rename(f"u{number}", f"turn {turn}") for number in range(0, 300, 3)])
        adapter._checkpointer.run()
        page = users.scan(cursor, 40)
        cursor = page.cursor
        for record in page.records:
            expected = "old" if record.version.epoch == 0 else f"turn {record.version.seq - 2}"
            assert expected == record.values["name"]
            found.append(record)
    assert len(found) == len({record.key for record in found})


def test_records_that_waited_when_it_began_are_found_though_they_were_folded(serving):
    adapter, users = serving
    found, cursor = begun(users)
    adapter._checkpointer.run()
    users.commit([create("later", "new")])
    adapter._checkpointer.run()
    users.commit([create("latest", "new")])

    keys = [record.key for record in rest_of(users, found, cursor, limit=1)]
    assert [one["id"] for one in USERS] + ["waiting", "later", "latest"] == keys


def test_a_page_may_be_asked_for_again(serving):
    adapter, users = serving
    _, cursor = begun(users)
    once = users.scan(cursor, 100)
    adapter._checkpointer.run()
    again = users.scan(cursor, 100)

    assert [r.key for r in once.records] == [r.key for r in again.records]
    assert "u299" in {r.key for r in rest_of(users, [], again.cursor)}


def test_two_scans_at_once_do_not_disturb_each_other(serving):
    adapter, users = serving
    one, other = begun(users, 10), begun(users, 20)
    adapter._checkpointer.run()

    for found, cursor in (one, other):
        assert 301 == len({record.key for record in rest_of(users, found, cursor)})


def test_a_cursor_of_another_process_is_refused_once_the_file_is_another(data, serving):
    adapter, users = serving
    _, cursor = begun(users)
    _, other = data.serving("users")
    assert 100 == len(other.scan(cursor, 100).records)
    adapter._checkpointer.run()

    _, third = data.serving("users")
    with pytest.raises(CursorError, match="no longer the file that the cursor is of"):
        third.scan(cursor, 100)


def test_a_scan_is_not_gone_on_with_where_others_wrote_the_file(data, serving):
    _, users = serving
    _, cursor = begun(users)
    data.write("users.json", {"users": USERS[5:]})

    with pytest.raises(CursorError, match="no longer the file"):
        users.scan(cursor, 100)


def test_a_scan_is_not_gone_on_with_where_versions_were_forgotten(serving):
    adapter, users = serving
    _, cursor = begun(users)
    users.commit([rename("u200", "changed")])
    adapter._checkpointer.run()
    adapter.ledger.set_control("*", AUTHORITY, AUTHORITY, purge=True)

    with pytest.raises(CursorError):
        users.scan(cursor, 100)


def test_a_source_is_scanned_while_another_process_folds(data, serving):
    adapter, users = serving
    source = data.open(Use.SOURCE).collection(data.entities["users"])
    found, cursor = begun(source)
    users.commit([rename("u250", "changed")])
    adapter._checkpointer.run()

    found = {record.key: record.values["name"] for record in rest_of(source, found, cursor)}
    assert (301, "changed") == (len(found), found["u250"])


def test_nested_records_are_found_in_documents_that_were_written_anew(data):
    projects = [
        {"id": f"p{n}", "tasks": [{"id": f"t{n}.{m}", "title": "old"} for m in range(5)]}
        for n in range(40)
    ]
    data.write("projects.json", {"projects": projects})
    adapter, documents, tasks = data.serving("projects", "tasks")
    adapter.ledger.set_control("*", None, AUTHORITY)
    found, cursor = begun(tasks, 33)
    tasks.commit([Put("t30.2", {"title": "changed"}, Intent.CHANGE)])
    tasks.commit([Put("new", {"id": "new", "project_id": "p0", "title": "new"}, Intent.CREATE)])
    documents.commit([Delete("p39")])
    adapter._checkpointer.run()

    found = {one.key: one.values["title"] for one in rest_of(tasks, found, cursor, 33)}
    assert 40 * 5 - 5 + 1 == len(found)
    assert ("changed", "new") == (found["t30.2"], found["new"])


def test_a_record_made_before_a_checkpoint_and_changed_during_it_is_there_once(data):
    data.write("users.json", {"users": [{"id": "a"}, {"id": "b"}]})
    adapter, users = data.serving("users")
    users.commit([create("new", "1"), Delete("a")])
    checkpointer = adapter._checkpointer
    with checkpointer.alone():
        step = adapter._backend.look(
            lambda moment: checkpointer._made(moment, "users.json", waiting_only)
        )
        users.commit([rename("new", "2"), create("a", "again"), Delete("b")])
        checkpointer._install(step)

    found = {one.key: one.values.get("name") for one in users.scan(None, 9).records}
    assert {"new": "2", "a": "again"} == found
    assert [2, 2] == [users.count(Query()), len(users.find(Query()).records)]
    checkpointer.run()
    assert ["new", "a"] == [one["id"] for one in data.read("users.json")["users"]]
