"""Names in objects that say a key: integers, UUIDs, what is left of a key of several fields."""

from __future__ import annotations

from uuid import UUID

import attrs
import pytest

from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConfigError, UnreadableRecordError
from fluxstore.records import Delete, Intent, Put, Reason
from fluxstore_json.settings import EntitySettings


@entity("lines", key="number")
class Line:
    number: int
    text: str = ""


@entity("things")
class Thing:
    id: UUID
    name: str = ""


@entity("projects")
class Project:
    id: str
    name: str = ""


@entity("members", key=("project_id", "user_id"))
class Member:
    project_id: str = field(references="projects", on_delete="cascade")
    user_id: str
    role: str = ""


def serving(data, shapes, *classes):
    entities = Entities(map(entity_of, classes))
    adapter = data.open(shapes=shapes, entities=entities)
    return adapter, *(adapter.collection(one) for one in entities.values())


@entity("links", key=("one", "other"))
class Link:
    one: str
    other: str


@entity("switches", key="on")
class Switch:
    on: bool


OBJECT = EntitySettings(shape="object")


def test_integer_keys_are_names_in_their_one_spelling(data):
    data.write("lines.json", '{"10": {"text": "x"}, "2": {"number": 2}, "-1": {}, "02": {}}')
    adapter, lines = serving(data, {"lines": OBJECT}, Line)
    page = lines.scan(None, 9)
    lines.commit([Put(2, {"text": "y"}, Intent.CHANGE), Put(5, {"number": 5}), Delete(10)])
    adapter.close()

    assert [10, 2, -1] == [record.key for record in page.records]
    assert [("02", Reason.KEY)] == [(one.problem.key, one.problem.reason) for one in page.rejected]
    assert (
        '{"2": {"number": 2, "text": "y"}, "-1": {}, "02": {}, "5": {}}'
        == (data.path / "lines.json").read_text()
    )


def test_a_name_keeps_its_spelling(data):
    name = "ABCDEF00-0000-4000-8000-000000000001"
    data.write("things.json", {name: {"name": "old"}})
    adapter, things = serving(data, {"things": OBJECT}, Thing)
    (record,) = things.scan(None, 9).records
    things.commit([Put(UUID(name), {"name": "new"}, Intent.CHANGE)])
    adapter.close()

    assert (UUID(name), {"id": name}) == (record.key, dict(record.residue.spelling))
    assert {name: {"name": "new"}} == data.read("things.json")


MEMBERS = {
    "projects": EntitySettings(file="projects.json", records="projects"),
    "members": EntitySettings(
        within="projects", parent={"project_id": "id"}, shape="object", key_inside=True
    ),
}


def test_the_names_inside_a_document_are_the_rest_of_the_key(data):
    member = {"u": {"userId": "u", "role": "owner"}, "v": {"role": "x"}}
    projects = [{"id": "p", "members": member}, {"id": "q"}, {"id": "r", "members": {}}]
    data.write("projects.json", {"projects": projects})
    adapter, tested, members = serving(data, MEMBERS, Project, Member)
    found = [one.key for one in members.scan(None, 9).records]
    absent = [one.residue.absent for one in tested.scan(None, 9).records]
    members.commit([Put(("p", "v"), {"role": "y"}, Intent.CHANGE)])
    members.commit([Put(("q", "w"), {"project_id": "q", "user_id": "w", "role": "z"})])
    members.commit([Delete(("p", "u"))])
    adapter.close()

    assert [("p", "u"), ("p", "v")] == found
    assert [(), ("members",), ()] == absent
    projects[0]["members"] = {"v": {"role": "y"}}
    projects[1]["members"] = {"w": {"userId": "w", "role": "z"}}
    assert {"projects": projects} == data.read("projects.json")


def test_an_array_where_an_object_is_expected_inside_is_rejected_and_stays(data):
    projects = [{"id": "p", "members": [{"userId": "u"}]}, {"id": "q", "members": {"u": 5}}]
    data.write("projects.json", {"projects": projects})
    adapter, _, members = serving(data, MEMBERS, Project, Member)
    page = members.scan(None, 9)
    adapter.close()

    assert [("[0]", "members"), ('["q","u"]', "")] == [
        (one.problem.key, one.problem.field) for one in page.rejected
    ]
    assert [b'[{"userId": "u"}]', b'"u": 5'] == [one.raw for one in page.rejected]


def test_names_twice_inside_a_document_are_no_records_and_stay(data):
    text = '{"projects": [{"id": "p", "members": {"u": {}, "u": {"role": "x"}, "v": {}}}]}'
    data.write("projects.json", text)
    adapter, tested, members = serving(data, MEMBERS, Project, Member)
    with pytest.raises(UnreadableRecordError, match="one record with this key"):
        members.read([("p", "u")])
    members.commit([Put(("p", "v"), {"role": "y"}, Intent.CHANGE)])
    tested.commit([Put("p", {"name": "new"}, Intent.CHANGE)])
    adapter.close()

    assert (
        '{"projects": [{"id": "p", "members": {"u": {}, "u": {"role": "x"}, "v": {"role": "y"}}, '
        '"name": "new"}]}'
    ) == (data.path / "projects.json").read_text()


BAD = {
    "a composite key": ({"links": OBJECT}, (Link,), "one field of the key .* one, other found"),
    "a truth": ({"switches": OBJECT}, (Switch,), "a key whose JSON form is text"),
    "an array": (
        {"lines": EntitySettings(key_inside=True)}, (Line,), 'goes with shape = "object" only',
    ),
    "in the way": (
        {"lines": attrs.evolve(OBJECT, file="x.json"),
         "things": EntitySettings(file="x.json", records="things")},
        (Line, Thing), "is in the way of lines, which is at x.json: {}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("shapes", "classes", "words"), BAD.values(), ids=BAD)
def test_shapes_that_cannot_be_meant_are_refused(data, shapes, classes, words):
    with pytest.raises(ConfigError, match=words):
        serving(data, shapes, *classes)
