"""Files that another program changes: noticed, never written over, taken where nothing is lost."""

from __future__ import annotations

import logging
import os
import shutil

import pytest

from fluxstore.adapter import Control, Use
from fluxstore.errors import ConfigError, FluxstoreError, UnreadableRecordError
from fluxstore.records import Delete, Intent, Put

IN_BOTH_SHAPES = True
BEFORE = {"version": 1, "users": [{"id": "a", "name": "Ada"}, {"id": "b", "name": "Bob"}]}
EDITED = {"version": 2, "users": [{"id": "a", "name": "Edited"}, {"id": "c", "name": "Cy"}]}


@pytest.fixture(autouse=True)
def before(data):
    data.write("users.json", BEFORE)


def names(users):
    return {record.key: record.values["name"] for record in users.scan(None, 100).records}


def rename(users, key="b", name="Bert"):
    users.commit([Put(key, {"name": name}, Intent.CHANGE)])


def findings(adapter):
    return [str(found) for found in adapter.examine() if "another program" in found.problem]


def test_an_edit_while_changes_wait_is_noticed_and_never_written_over(data, caplog):
    adapter, users = data.serving("users")
    rename(users)
    data.write("users.json", EDITED)

    with caplog.at_level(logging.WARNING):
        assert {"a": "Edited", "b": "Bert", "c": "Cy"} == names(users)

    assert "was changed by another program" in caplog.text
    assert len(findings(adapter)) == 1
    rename(users, "a", "Alan")
    adapter.close()
    assert EDITED == data.read("users.json")


def test_the_changes_that_wait_are_still_there_and_said_after_reopening(data):
    adapter, users = data.serving("users")
    rename(users)
    data.write("users.json", EDITED)
    adapter.close()

    adapter, users = data.serving("users")
    assert {"a": "Edited", "b": "Bert", "c": "Cy"} == names(users)
    assert len(findings(adapter)) == 1
    assert all(found.blocks for found in adapter.examine() if "another" in found.problem)
    adapter.close()
    assert EDITED == data.read("users.json")


def test_an_edit_that_is_taken_back_is_forgotten(data):
    adapter, users = data.serving("users")
    rename(users)
    data.write("users.json", EDITED)
    assert "c" in names(users)
    data.write("users.json", BEFORE)

    assert {"a": "Ada", "b": "Bert"} == names(users)
    adapter.close()

    assert "Bert" == data.read("users.json")["users"][1]["name"]


def test_touching_or_copying_a_file_is_no_edit(data):
    adapter, users = data.serving("users")
    rename(users)
    os.utime(data.path / "users.json", (1, 1))
    assert [] == findings(adapter)
    shutil.copy(data.path / "users.json", data.path / "copy")
    (data.path / "copy").replace(data.path / "users.json")
    assert [] == findings(adapter)
    adapter.close()

    assert "Bert" == data.read("users.json")["users"][1]["name"]


def test_an_edit_between_two_runs_is_taken_where_nothing_waits(data, caplog):
    adapter, users = data.serving("users")
    rename(users)
    adapter.close()
    data.write("users.json", EDITED)

    with caplog.at_level(logging.WARNING):
        adapter, users = data.serving("users")
    assert "taken as it is" in caplog.text
    assert {"a": "Edited", "c": "Cy"} == names(users)
    assert [] == findings(adapter)
    users.commit([Put("b", {"id": "b", "name": "New"}, Intent.CREATE), Delete("c")])
    adapter.close()

    assert 2 == data.read("users.json")["version"]
    assert ["a", "b"] == [user["id"] for user in data.read("users.json")["users"]]


def test_unique_values_are_those_of_the_edited_file(data):
    adapter, users = data.serving("users")
    users.commit([Put("a", {"email": "a@x"}, Intent.CHANGE)])
    adapter.close()
    data.write("users.json", {"users": [{"id": "z", "email": "z@x"}]})
    _, users = data.serving("users")

    users.commit([Put("a", {"id": "a", "email": "a@x"})])
    with pytest.raises(FluxstoreError, match="no other record"):
        users.commit([Put("b", {"id": "b", "email": "z@x"})])


def test_an_import_keeps_the_file_with_what_waits_on_top(data):
    adapter, users = data.serving("users")
    rename(users)
    users.commit([Put("n", {"id": "n", "name": "New"}), Delete("a")])
    data.write("users.json", EDITED)
    adapter.close()
    assert EDITED == data.read("users.json")

    adapter, users = data.serving("users", foreign_edits="import")
    assert {"b": "Bert", "c": "Cy", "n": "New"} == names(users)
    adapter.close()

    assert 2 == data.read("users.json")["version"]
    assert ["c", "b", "n"] == [user["id"] for user in data.read("users.json")["users"]]


def control(phase):
    return Control(1, "authority", phase, "m1")


def test_nothing_is_taken_while_a_migration_is_under_way(data):
    adapter, users = data.serving("users")
    adapter.ledger.set_control("*", None, control("dual_write"))
    rename(users)
    adapter.close()
    data.write("users.json", EDITED)

    adapter, users = data.serving("users")
    (found,) = (one for one in adapter.examine() if "another program" in one.problem)
    assert found.blocks
    assert "phase off" in found.next_step
    rename(users, "c", "Cyd")
    assert {"a": "Edited", "c": "Cyd"} == names(users)
    adapter.close()
    assert EDITED == data.read("users.json")


def test_in_phase_off_edits_between_two_runs_are_taken_under_a_policy_too(data):
    adapter, _ = data.serving("users")
    adapter.ledger.set_control("*", None, control("off"))
    adapter.close()
    data.write("users.json", EDITED)

    adapter, users = data.serving("users")
    assert [] == findings(adapter)
    rename(users, "c", "Cyd")
    adapter.close()
    assert "Cyd" == data.read("users.json")["users"][1]["name"]


def test_edits_are_not_imported_while_a_migration_is_under_way(data):
    adapter, _ = data.serving("users", foreign_edits="import")
    adapter.ledger.set_control("*", None, control("off"))
    with pytest.raises(ConfigError, match="a migration would not know of it"):
        adapter.ledger.set_control("*", control("off"), control("dual_write"))
    adapter.close()

    adapter, _ = data.serving("users")
    adapter.ledger.set_control("*", control("off"), control("dual_write"))
    adapter.close()
    with pytest.raises(ConfigError, match='set "report"'):
        data.serving("users", foreign_edits="import")
    assert data.open(Use.SOURCE, foreign_edits="import")


def test_a_deleted_file_is_no_empty_list(data):
    adapter, users = data.serving("users")
    rename(users)
    (data.path / "users.json").unlink()

    with pytest.raises(UnreadableRecordError, match="was there and is gone"):
        names(users)
    with pytest.raises(UnreadableRecordError, match="was there and is gone"):
        rename(users, "a")
    with pytest.raises(UnreadableRecordError, match="was there and is gone"):
        adapter.close()
    assert [] == data.left()

    data.write("users.json", BEFORE)
    adapter, users = data.serving("users")
    assert {"a": "Ada", "b": "Bert"} == names(users)


def test_a_spoilt_edit_is_refused_and_left_alone(data):
    adapter, users = data.serving("users")
    rename(users)
    spoilt = (data.path / "users.json").read_bytes()[:-10]
    data.write("users.json", spoilt)

    with pytest.raises(UnreadableRecordError, match="ends in the middle"):
        names(users)
    adapter.close()
    assert spoilt == (data.path / "users.json").read_bytes()


def test_an_edit_in_the_last_moment_of_a_checkpoint_is_put_back(data, monkeypatch):
    """Another program replaces the file between the last look at it and the rename."""
    from fluxstore_json import replacing

    adapter, users = data.serving("users")
    rename(users)
    take_place = replacing.take_place

    def edited_first(temporary, target, *, is_new):
        if data.read(target.name) == BEFORE:
            data.write("new", EDITED)
            (data.path / "new").replace(target)
        return take_place(temporary, target, is_new=is_new)

    monkeypatch.setattr(replacing, "take_place", edited_first)
    adapter.close()
    monkeypatch.undo()

    assert EDITED == data.read("users.json")
    assert ["users.json"] == data.left()
    _, users = data.serving("users")
    assert {"a": "Edited", "b": "Bert", "c": "Cy"} == names(users)


def test_a_source_with_an_edit_is_read_with_what_waits_on_top(data):
    adapter, users = data.serving("users")
    rename(users)
    adapter._schedule.stop()
    data.write("users.json", EDITED)

    records, _ = data.scan("users", Use.SOURCE)

    assert ["a", "c", "b"] == [record.key for record in records]
