"""A migration's end: order, wrapper and absence restored, files made or left alone; backups."""

from __future__ import annotations

import json

import pytest

from fluxstore.adapter import Batch, Part, Use
from fluxstore.errors import UnreadableRecordError
from fluxstore.records import Delete, Intent, Put, Reason, Record, Residue

IN_BOTH_SHAPES = True
PROJECTS = {
    "version": 7,
    "projects": [
        {"id": "p3", "name": "c", "colour": "red", "tasks": [{"id": "t9"}, {"id": "t1"}]},
        {"id": "p1", "name": "a"},
        {"id": "p2", "name": "b", "tasks": []},
        {"id": "p0", "name": "z", "tasks": [{"id": "t5", "notes": [{"id": "n"}]}]},
    ],
    "note": [1, None],
}
NAMES = ("projects", "tasks", "notes")
BAD = {
    "arrays": (
        """{"projects": [
            {"id": 1}, {"id": "b"}, {"id": "x", "n": NaN},
            {"id": "a", "tasks": [{"id": 5}, {"id": "t"}]}
        ]}""",
        '{"id": 1}', '{"id": "a"', '{"id": 5}', '{"id": "b"}', '{"id": "x", "n": NaN}',
    ),
    "objects": (
        """{"projects": {
            "": {}, "b": {}, "": {"n": NaN},
            "a": {"tasks": {"x": {"title": 5}, "t": {}}}
        }}""",
        '"": {}', '"a": {', '"x": {"title": 5}', '"b": {}', '"": {"n": NaN}',
    ),
}  # fmt: skip
"""The text of a file, and what is to follow what in it: elements without a key stay behind others.
"""


def everything(data, use=Use.SOURCE):
    """All records and parts, as a migration reads them from a source."""
    adapter = data.open(use)
    entities = [data.entities[name] for name in NAMES]
    records = {one.name: adapter.collection(one).scan(None, 1000).records for one in entities}
    parts = {one.name: list(adapter.ledger.parts(one.name)) for one in entities}
    adapter.close()
    return records, parts


def fill(data, records, parts, deletes=()):
    """Merge records, save parts, complete, as a migration does at a target."""
    adapter = data.open(Use.TARGET)
    entities = [data.entities[name] for name in NAMES]
    adapter.prepare(entities)
    merged = {one.name: adapter.collection(one).merge(Batch(records[one.name])) for one in entities}
    for name, key in deletes:
        adapter.collection(data.entities[name]).merge(Batch((), deletes=[key]))
    saved = {name: adapter.ledger.save_parts(name, iter(parts[name])) for name in NAMES}
    adapter.complete(entities)
    adapter.close()
    return merged, saved


def test_parts_of_a_source_are_order_wrapper_and_layout(data):
    data.write("projects.json", PROJECTS, indent=2)
    _, parts = everything(data)

    assert [Part("tasks", "order", 0, ["t9", "t1", "t5"])] == parts["tasks"]
    assert Part("projects", "order", 0, ["p3", "p1", "p2", "p0"]) in parts["projects"]
    assert Part("projects", "wrapper", 0, {"version": 7, "note": [1, None]}) in parts["projects"]
    assert ["projects.json"] == data.left()
    assert not (data.path / ".fluxstore").exists()


def test_order_is_given_in_chunks_of_a_thousand_keys(data):
    keys = [f"u{number}" for number in range(2500)]
    data.write("users.json", {"users": [{"id": key} for key in keys]})
    adapter = data.open(Use.SOURCE)
    order = [part for part in adapter.ledger.parts("users") if part.name == "order"]

    assert [(0, 1000), (1, 1000), (2, 500)] == [(part.number, len(part.value)) for part in order]
    assert keys == [key for part in order for key in part.value]


def test_an_empty_folder_gets_the_documents_that_were_there(data):
    for indent in (2, None):
        data.write("projects.json", PROJECTS, indent=indent)
        text = (data.path / "projects.json").read_text()
        records, parts = everything(data)
        (data.path / "projects.json").unlink()
        for name in NAMES:
            records[name] = tuple(reversed(records[name]))

        fill(data, records, parts)

        assert text == (data.path / "projects.json").read_text().rstrip()
        for path in (data.path / ".fluxstore").iterdir():
            path.unlink()
        (data.path / "projects.json").unlink()


def test_records_that_were_lost_come_back_to_their_places(data):
    data.write("projects.json", PROJECTS)
    records, parts = everything(data)
    damaged = json.loads(json.dumps(PROJECTS))
    del damaged["projects"][0], damaged["note"]
    damaged["projects"][2]["tasks"] = []
    damaged["projects"].reverse()
    damaged["projects"][1]["name"] = "changed"
    damaged["version"] = 8
    data.write("projects.json", damaged)

    merged, _ = fill(data, records, parts)

    assert PROJECTS == data.read("projects.json")
    assert (2, 2) == (merged["projects"].written, merged["projects"].unchanged)
    assert (3, 0) == (merged["tasks"].written, merged["tasks"].unchanged)


def test_a_second_run_writes_nothing_at_all(data):
    data.write("projects.json", PROJECTS)
    records, parts = everything(data)
    fill(data, records, parts)
    before = (data.path / "projects.json").stat()

    merged, saved = fill(data, records, parts)

    assert {0} == {one.written for one in merged.values()} == set(saved.values())
    after = (data.path / "projects.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_record_without_a_place_comes_last_and_a_deleted_one_goes(data):
    data.write("projects.json", PROJECTS)
    records, parts = everything(data)
    records["projects"] += (Record("p9", {"id": "p9"}), Record("p8", {"id": "p8"}))
    records["tasks"] += (Record("t0", {"id": "t0", "project_id": "p3"}),)

    fill(data, records, parts, deletes=[("projects", "p1"), ("tasks", "t1")])

    found = data.read("projects.json")["projects"]
    assert ["p3", "p2", "p0", "p9", "p8"] == [one["id"] for one in found]
    assert ["t9", "t0"] == [task["id"] for task in found[0]["tasks"]]
    assert [[]] * 2 == [one["tasks"] for one in found[3:]]


def test_bad_records_keep_their_places_in_a_new_order(request, data):
    text, *wanted = BAD[request.node.callspec.params["data"]]
    data.write("projects.json", text)
    records, parts = everything(data)
    parts["projects"][0] = Part("projects", "order", 0, ["a", "b"])

    fill(data, records, parts)

    found = (data.path / "projects.json").read_text()
    assert sorted(found.index(one) for one in wanted) == [found.index(one) for one in wanted]


def test_spelling_aliases_and_undeclared_fields_cross(data):
    residue = Residue(extras={"n": 10**30, "f": 1.5}, absent=("tasks",))
    record = Record("p", {"id": "p", "name": ""}, residue)

    fill(data, {"projects": [record], "tasks": [], "notes": []}, {name: [] for name in NAMES})

    ((found,), _) = data.scan("projects")
    assert record == found
    assert {"projects": [{"id": "p", "name": "", "n": 10**30, "f": 1.5}]} == data.read(
        "projects.json"
    )


def test_children_without_a_document_are_refused_singly(data):
    adapter = data.open(Use.TARGET)
    tasks = adapter.collection(data.entities["tasks"])
    adapter.collection(data.entities["projects"]).merge(Batch([Record("p", {"id": "p"})]))

    merged = tasks.merge(
        Batch(
            [
                Record("t1", {"id": "t1", "project_id": "p"}),
                Record("t2", {"id": "t2", "project_id": "none"}),
            ]
        )
    )

    assert 1 == merged.written
    assert [("t2", Reason.REFERENCE)] == [
        (one.problem.key, one.problem.reason) for one in merged.refused
    ]


def test_a_target_that_another_program_changed_is_not_written_over(data):
    data.write("projects.json", PROJECTS)
    adapter = data.open(Use.TARGET)
    projects = data.entities["projects"]
    adapter.collection(projects).merge(Batch([Record("p1", {"id": "p1", "name": "new"})]))
    data.write("projects.json", {"projects": []})

    with pytest.raises(UnreadableRecordError, match="another program"):
        adapter.complete([projects])

    assert {"projects": []} == data.read("projects.json")
    assert ["projects.json"] == data.left()


def test_a_document_that_is_still_to_come_is_not_foreseen_as_missing(data):
    adapter = data.open(Use.TARGET)
    tasks, notes = (adapter.collection(data.entities[name]) for name in ("tasks", "notes"))

    assert [] == tasks.foresee([Record("t", {"id": "t", "project_id": "later"})])
    assert [] == notes.foresee([Record("n", {"id": "n", "task_id": "later"})])


def test_assessing_a_target_leaves_no_trace(data):
    adapter = data.open(Use.TARGET, path="not/there")
    users = adapter.collection(data.entities["users"])
    records = [Record(key, {"id": key, "email": "same@x"}) for key in "ab"]

    assert ["b"] == [one.problem.key for one in users.foresee(records)]
    assert () == users.scan(None, 5).records
    assert [] == [found for found in adapter.examine() if found.blocks]
    adapter.close()
    assert not (data.folder / "not").exists()


# sources


def test_a_source_is_read_where_nothing_may_be_written(open_data, ordinary_user):
    data = open_data
    adapter, users = data.serving("users")
    users.commit([Put("a", {"id": "a"}), Put("b", {"id": "b"})])
    adapter.close()
    _, users = data.serving("users")
    users.commit([Delete("a"), Put("c", {"id": "c"})])  # these two wait in the ledger
    files = [path for path in data.path.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
    before = {path: path.read_bytes() for path in files}
    for path in (data.path, data.path / ".fluxstore"):
        path.chmod(0o555)

    with ordinary_user():
        records, _ = data.scan("users", Use.SOURCE)

    for path in (data.path, data.path / ".fluxstore"):
        path.chmod(0o755)
    assert ["b", "c"] == [record.key for record in records]
    assert before == {path: path.read_bytes() for path in before}


def test_a_named_file_that_is_missing_is_refused_at_a_source_only(data):
    with pytest.raises(UnreadableRecordError, match=r"users\.json: is named .* is not there"):
        data.scan("users", Use.SOURCE)

    assert ([], []) == data.scan("users", Use.SERVE)
    assert ([], []) == data.scan("users", Use.TARGET)
    assert [] == data.left()


# backups


def test_a_backup_holds_every_byte_and_brings_it_back(data, tmp_path):
    data.write("users.json", {"users": [{"id": "a"}]}, indent=3)
    text = (data.path / "users.json").read_text()
    data.write("projects.json", PROJECTS)
    adapter, users, tasks = data.serving("users", "tasks")
    made = adapter.backup(tmp_path)
    users.commit([Delete("a"), Put("b", {"id": "b"})])
    tasks.commit([Delete("t9")])
    adapter.close()
    data.write("teams.json", [])

    adapter = data.open()
    adapter.restore(made)
    adapter.close()

    assert text == (data.path / "users.json").read_text()
    assert PROJECTS == data.read("projects.json")
    assert made.parent == tmp_path
    assert ["a"] == [record.key for record in data.scan("users")[0]]


def test_a_backup_brings_back_that_there_was_no_file(data, tmp_path):
    adapter, users = data.serving("users")
    made = adapter.backup(tmp_path)
    users.commit([Put("a", {"id": "a"})])
    adapter.close()
    assert ["users.json"] == data.left()

    adapter = data.open()
    adapter.restore(made)
    adapter.close()
    assert [] == data.left()


def test_a_damaged_backup_changes_nothing(data, tmp_path):
    data.write("users.json", {"users": [{"id": "a"}]})
    adapter, users = data.serving("users")
    made = adapter.backup(tmp_path)
    users.commit([Put("a", {"name": "new"}, Intent.CHANGE)])
    (made / "files" / "users.json").write_bytes(b"[]")

    with pytest.raises(UnreadableRecordError, match="not as it was written"):
        adapter.restore(made)

    assert "new" == users.read(["a"])["a"].values["name"]
    (made / "manifest.json").unlink()
    with pytest.raises(UnreadableRecordError, match="no manifest"):
        adapter.restore(made)
