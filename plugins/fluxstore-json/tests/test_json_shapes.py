"""The user's own shape of a file: read as it is, and kept when something in it changes."""

from __future__ import annotations

import json

import pytest

from fluxstore.adapter import Use
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConfigError, ConstraintError, RecordNotFoundError
from fluxstore.records import Delete, Intent, Put, Residue
from fluxstore_json.settings import EntitySettings

PRETTY = """{
  "version": 3,
  "users": [
    {
      "id": "a",
      "name": "Ada",
      "score": 1.50,
      "nested": { "kept": [ 1,2 ] }
    },
    {
      "name": "Bob",
      "id": "b"
    },
    {"id": "c", "name": "odd one out"}
  ],
  "note": "last"
}
"""


def test_nothing_but_the_changed_record_is_written_anew(data):
    data.write("users.json", PRETTY)
    adapter, users = data.serving("users")

    users.commit([Put("b", {"name": "Bert"}, Intent.CHANGE)])
    adapter.close()

    assert PRETTY.replace('"Bob"', '"Bert"') == (data.path / "users.json").read_text()


def test_new_records_come_last_in_the_layout_of_the_others(data):
    data.write("users.json", PRETTY)
    adapter, users = data.serving("users")

    users.commit([Delete("c"), Put("z", {"id": "z", "name": "Zoe", "age": 5}), Delete("a")])
    adapter.close()

    expected = """{
  "version": 3,
  "users": [
    {
      "name": "Bob",
      "id": "b"
    },
    {
      "id": "z",
      "name": "Zoe",
      "age": 5
    }
  ],
  "note": "last"
}
"""
    assert expected == (data.path / "users.json").read_text()


LAYOUTS = {
    "compact": {"separators": (",", ":")},
    "one line": {},
    "two blanks": {"indent": 2},
    "four blanks": {"indent": 4},
    "tabs": {"indent": "\t"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_looks_as_if_its_own_program_had_written_it(data, layout, newline):
    users = [{"id": one, "name": "n", "meta": {"k": [1, {"é": None}]}} for one in "abcd"]
    wrapper = {"users": users, "more": [1, 2]}
    text = json.dumps(wrapper, ensure_ascii=False, **layout).replace("\n", newline)
    data.write("users.json", text)
    adapter, collection = data.serving("users")

    collection.commit([Delete("b"), Put("c", {"name": "new"}, Intent.CHANGE)])
    collection.commit([Put("e", {"id": "e", "name": "n", "meta": {"k": [1, {"é": None}]}})])
    adapter.close()

    users[2]["name"] = "new"
    del users[1]
    users.append({**users[0], "id": "e"})
    expected = json.dumps(wrapper, ensure_ascii=False, **layout).replace("\n", newline)
    assert expected == (data.path / "users.json").read_bytes().decode()


@pytest.mark.parametrize("text", ['{"users": []}', '{\n  "users": []\n}\n', '{"users":[ ]}'])
def test_an_empty_list_takes_records_and_gives_them_back(data, text):
    data.write("users.json", text)
    adapter, users = data.serving("users")
    users.commit([Put(key, {"id": key}) for key in "ab"])
    adapter.close()
    assert ["a", "b"] == [user["id"] for user in data.read("users.json")["users"]]

    adapter, users = data.serving("users")
    users.commit([Delete("a"), Delete("b")])
    adapter.close()
    assert {"users": []} == data.read("users.json")


def test_a_byte_order_mark_stays(data):
    data.write("users.json", b'\xef\xbb\xbf{"users": [{"id": "a"}]}')
    adapter, users = data.serving("users")
    assert ["begins with a byte order mark, which is skipped"] == [
        found.problem for found in adapter.examine()
    ]
    users.commit([Put("b", {"id": "b"})])
    adapter.close()
    assert (
        b'\xef\xbb\xbf{"users": [{"id": "a"}, {"id": "b"}]}'
        == (data.path / "users.json").read_bytes()
    )


def test_mode_and_link_of_a_file_stay(data):
    data.write("real.json", {"users": [{"id": "a"}]})
    (data.path / "real.json").chmod(0o640)
    (data.path / "users.json").symlink_to("real.json")
    adapter, users = data.serving("users")

    users.commit([Put("b", {"id": "b"})])
    adapter.close()

    assert (data.path / "users.json").is_symlink()
    assert 0o640 == (data.path / "real.json").stat().st_mode & 0o777
    assert ["a", "b"] == [user["id"] for user in data.read("real.json")["users"]]


# nested documents

PROJECTS = {
    "projects": [
        {
            "id": "p1",
            "tasks": [{"id": "t1", "title": "one", "notes": [{"id": "n1"}]}, {"id": "t2"}],
            "name": "First",
        },
        {"id": "p2", "name": "Second"},
        {"id": "p3", "tasks": []},
    ]
}


def test_records_inside_others_are_found_with_what_they_inherit(data):
    data.write("projects.json", PROJECTS)
    _, tasks, notes, projects = data.serving("tasks", "notes", "projects")

    assert {"t1": "p1", "t2": "p1"} == {
        record.key: record.values["project_id"] for record in tasks.scan(None, 9).records
    }
    assert "t1" == notes.read(["n1"])["n1"].values["task_id"]
    found = projects.read(["p1", "p2", "p3"])
    assert [(), ("tasks",), ()] == [found[key].residue.absent for key in ("p1", "p2", "p3")]


def test_a_change_inside_a_document_changes_nothing_else_of_it(data):
    data.write("projects.json", PROJECTS)
    adapter, tasks, notes = data.serving("tasks", "notes")

    tasks.commit([Put("t2", {"title": "two"}, Intent.CHANGE)])
    tasks.commit([Put("t3", {"id": "t3", "project_id": "p2"})])
    notes.commit([Put("n2", {"id": "n2", "task_id": "t3", "text": "x"})])
    adapter.close()

    expected = json.loads(json.dumps(PROJECTS))
    first, second, _ = expected["projects"]
    first["tasks"][1]["title"] = "two"
    second["tasks"] = [{"id": "t3", "notes": [{"id": "n2", "text": "x"}]}]
    assert expected == data.read("projects.json")
    assert ["id", "tasks", "name"] == list(data.read("projects.json")["projects"][0])


def test_a_record_moves_to_another_document(data):
    data.write("projects.json", PROJECTS)
    adapter, tasks = data.serving("tasks")

    tasks.commit([Put("t2", {"project_id": "p3"}, Intent.CHANGE)])
    with pytest.raises(ConstraintError, match="holds others cannot move"):
        tasks.commit([Put("t1", {"project_id": "p3"}, Intent.CHANGE)])
    adapter.close()

    first, _, third = data.read("projects.json")["projects"]
    assert (["t1"], ["t2"]) == tuple([t["id"] for t in one["tasks"]] for one in (first, third))


def test_a_deleted_document_takes_what_is_inside_with_it(data):
    data.write("projects.json", PROJECTS)
    adapter, projects, tasks, notes = data.serving("projects", "tasks", "notes")

    projects.commit([Delete("p1")])

    assert {} == tasks.read(["t1", "t2"]) == notes.read(["n1"])
    adapter.close()
    assert ["p2", "p3"] == [one["id"] for one in data.read("projects.json")["projects"]]


def test_a_record_needs_the_document_that_holds_it(data):
    data.write("projects.json", PROJECTS)
    _, tasks = data.serving("tasks")

    with pytest.raises(ConstraintError, match="project_id: a record of projects expected"):
        tasks.commit([Put("t9", {"id": "t9", "project_id": "none"})])
    with pytest.raises(RecordNotFoundError):
        tasks.commit([Delete("t9")])


def test_what_a_document_spells_out_of_its_parent_stays_and_must_agree(data):
    shape = {"id": "p1", "tasks": [{"id": "t1", "projectId": "p1"}, {"id": "t2", "projectId": "x"}]}
    data.write("projects.json", {"projects": [shape]})

    (record,), (rejected,) = data.scan("tasks")
    assert ("t1", {"project_id": "projectId"}) == (record.key, dict(record.residue.alias))
    assert ("t2", "project_id") == (rejected.problem.key, rejected.problem.field)

    adapter, tasks = data.serving("tasks")
    tasks.commit([Put("t1", {"title": "x"}, Intent.CHANGE)])
    adapter.close()
    shape["tasks"][0]["title"] = "x"
    assert {"projects": [shape]} == data.read("projects.json")


# names


@entity("people")
class Person:
    id: str
    full_name: str = ""
    oauth_id: str | None = None
    oauth_provider: str | None = None
    boss_id: str | None = field(default=None, references="people")


PEOPLE = Entities([entity_of(Person)])
NAMES = {
    "people": EntitySettings(
        rename={"oauth_id": "googleId"},
        aliases={"full_name": ["name", "title"]},
        when={"oauth_id": {"oauth_provider": "google"}},
    )
}


def people(data, use=Use.SERVE):
    adapter = data.open(use, shapes=NAMES, entities=PEOPLE)
    return adapter, adapter.collection(PEOPLE["people"])


def test_names_aliases_and_implied_constants_are_read_and_written_back(data):
    documents = [
        {"id": "1", "name": "under an alias", "googleId": "g", "bossId": None},
        {"id": "2", "fullName": "own", "title": "kept beside", "oauthProvider": "other"},
        {"id": "3", "googleId": "g", "oauthProvider": "google"},
        {"id": "4", "googleId": None, "fullName": ""},
        {"id": "5", "googleId": "g", "oauthProvider": "github"},
    ]
    data.write("people.json", documents)
    adapter, collection = people(data)
    found = {record.key: record for record in collection.scan(None, 9).records}

    assert ("under an alias", "google") == (
        found["1"].values["full_name"],
        found["1"].values["oauth_provider"],
    )
    assert ("own", {"title": "kept beside"}) == (
        found["2"].values["full_name"],
        dict(found["2"].residue.extras),
    )
    assert "oauth_provider" not in found["4"].values
    for key in found:
        collection.commit([Put(key, {"boss_id": "1"}, Intent.CHANGE)])
    for key in found:
        collection.commit([Put(key, {"boss_id": None}, Intent.CHANGE)])
    adapter.close()

    assert [{**document, "bossId": None} for document in documents] == data.read("people.json")


def test_an_implied_constant_that_does_not_hold_is_spelled_out(data):
    adapter, collection = people(data)
    collection.commit([Put("1", {"id": "1", "oauth_id": "g", "oauth_provider": "google"})])
    collection.commit([Put("2", {"id": "2", "oauth_id": "g", "oauth_provider": None})])
    adapter.close()

    expected = [{"id": "1", "googleId": "g"}, {"id": "2", "googleId": "g", "oauthProvider": None}]
    assert expected == data.read("people.json")


def test_an_undeclared_field_cannot_take_the_name_of_a_declared_one(data):
    _, collection = people(data)

    with pytest.raises(ConstraintError, match="googleId"):
        collection.commit([Put("1", {"id": "1"}, residue=Residue(extras={"googleId": "x"}))])


def test_an_entity_without_a_table_has_a_file_of_its_own_made_when_first_written(data):
    adapter = data.open(shapes={}, entities=PEOPLE)
    collection = adapter.collection(PEOPLE["people"])
    assert () == collection.scan(None, 9).records
    adapter.close()
    assert [] == data.left()

    adapter = data.open(shapes={}, entities=PEOPLE)
    adapter.collection(PEOPLE["people"]).commit([Put("1", {"id": "1"})])
    adapter.close()
    assert [{"id": "1"}] == data.read("people.json")


BAD = {
    "no such entity": ({"tasks": EntitySettings(within="project")}, "'project' is no entity"),
    "a circle": (
        {"tasks": EntitySettings(within="notes"), "notes": EntitySettings(within="tasks")},
        "a circle",
    ),
    "no such field": ({"users": EntitySettings(rename={"nam": "x"})}, "did you mean name"),
    "one name twice": ({"users": EntitySettings(rename={"name": "id"})}, "both 'id'"),
    "one alias twice": ({"users": EntitySettings(aliases={"name": ["age"]})}, "has a meaning"),
    "a constant of another type": (
        {"users": EntitySettings(when={"name": {"age": "x"}})},
        "age: an integer expected",
    ),
    "a parent without a document": ({"users": EntitySettings(parent={"id": "id"})}, "within"),
    "file and within": ({"tasks": EntitySettings(within="projects", file="x.json")}, "one of them"),
    "not the parent's key": (
        {"tasks": EntitySettings(within="projects", parent={"title": "name"})},
        "each key field of projects",
    ),
    "outside": ({"users": EntitySettings(file="../users.json")}, "no file in the backend's"),
    "absolute": ({"users": EntitySettings(file="/etc/passwd")}, "no file in the backend's"),
    "two at one place": (
        {"users": EntitySettings(file="x.json"), "projects": EntitySettings(file="x.json")},
        "is in the way of",
    ),
    "no path": ({"users": EntitySettings(records="a..b")}, "no path of names"),
}


@pytest.mark.parametrize(("shapes", "words"), BAD.values(), ids=BAD)
def test_settings_that_cannot_be_meant_are_refused(data, shapes, words):
    with pytest.raises(ConfigError, match=words):
        data.open(shapes=shapes)


def test_several_arrays_may_share_a_file(data):
    shapes = {
        "users": EntitySettings(file="db.json", records="data.users"),
        "projects": EntitySettings(file="db.json", records="data.projects"),
        "tasks": EntitySettings(within="projects", records="todo"),
        "notes": EntitySettings(within="tasks"),
    }
    db = {"v": 1, "data": {"projects": [{"id": "p"}], "x": [], "users": [{"id": "u"}]}, "z": 2}
    data.write("db.json", db)
    adapter = data.open(shapes=shapes)
    users, tasks = (adapter.collection(data.entities[name]) for name in ("users", "tasks"))

    with adapter.transaction():
        users.commit([Put("u2", {"id": "u2"}), Delete("u")])
        tasks.commit([Put("t", {"id": "t", "project_id": "p"})])
    adapter.close()

    db["data"]["users"] = [{"id": "u2"}]
    db["data"]["projects"][0]["todo"] = [{"id": "t", "notes": []}]
    assert db == data.read("db.json")
    assert ["v", "data", "z"] == list(data.read("db.json"))
