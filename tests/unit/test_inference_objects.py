"""What ``init`` makes of objects: those that hold records under their keys, and other ones."""

from __future__ import annotations

import pytest
from inferring import field, inferred, write

from fluxstore.inference import infer_folder

TASK = {"title": "x", "done": False}
HELD = {
    "a whole file": ({"t-1": TASK, "t-2": TASK}, "", False),
    "a whole file of one": ({"t-1": TASK}, "", False),
    "a whole file with the key inside": (
        {"a": {"id": "a", **TASK}, "b": {"id": "b"}, "c": {}}, "", True
    ),
    "in a wrapper": ({"version": 3, "tasks": {"a": TASK, "b": {"title": "y"}}}, "tasks", False),
    "in a wrapper that holds no more": ({"tasks": {"t-1": TASK}}, "tasks", False),
    "records with objects inside": ({"a1": {"x": {"y": TASK}}, "a2": {"x": {"z": {}}}}, "", False),
    "two wrappers deep": ({"data": {"tasks": {"a": TASK, "b": TASK}}}, "data.tasks", False),
    "two wrappers deep, one": ({"v1": {"tasks": {"t-1": TASK}}, "by": "x"}, "v1.tasks", False),
    "two wrappers deep, with the key inside": (
        {"data": {"n": 1, "tasks": {"a": {"id": "a"}, "b": {"id": "b"}}}}, "data.tasks", True),
    "two wrappers deep, longer than a record": (
        {"data": {"tasks": {f"t{n}": {"x": "y" * 999} for n in range(1100)}}}, "data.tasks", False),
    "records with parts alike inside": (
        {"t-1": {"by": "x", "parts": {"a": TASK, "b": TASK}}}, "", False),
    "a number for a key": ({"tasks": {"1": {"id": 1}, "2": {"id": 2}}}, "tasks", True),
    "longer than a record": ({"tasks": {f"t{n}": {"x": "y" * 999} for n in range(1100)}}, "tasks",
                             False),
}  # fmt: skip


@pytest.mark.parametrize(("content", "records", "inside"), HELD.values(), ids=HELD)
def test_an_object_that_holds_records_under_their_keys_is_recognised(
    tmp_path, content, records, inside
):
    (found,) = inferred(write(tmp_path, tasks=content)).values()

    assert ("tasks", ("id",)) == (found.name, found.key)
    place = found.place
    assert (True, records, inside) == (place.is_object, place.records, place.key_inside)
    held = content
    for name in filter(None, records.split(".")):
        held = held[name]
    assert len(held) == found.records
    kind = "int" if "1" in held else "str"
    assert (kind, "") == (field(found, "id").annotation, field(found, "id").default)


NO_RECORDS = {
    "settings": {"theme": {"dark": True}, "mail": {"host": "x", "port": 1}},
    "a wrapper's objects": {"meta": {"by": "x"}, "counts": {"a": 1, "b": 2}},
    "values": {"a": 1, "b": 2},
    "nothing": {},
    "an empty object": {"tasks": {}},
}


@pytest.mark.parametrize("content", NO_RECORDS.values(), ids=NO_RECORDS)
def test_an_object_of_settings_holds_no_records(tmp_path, content):
    plan = infer_folder(write(tmp_path, settings=content))

    assert () == plan.entities
    assert (("settings.json", "it holds no records"),) == plan.skipped


def test_objects_and_arrays_in_one_wrapper_are_both_found(tmp_path):
    write(tmp_path, db={
        "users": {"ada": {"id": "ada", "age": 3}, "bob": {"id": "bob", "age": 4}},
        "tasks": {"t-1": {"user_id": "ada"}, "t-2": {"user_id": "bob"}},
        "teams": [{"id": 1}], "options": {"a": {}},
    })  # fmt: skip
    found = inferred(tmp_path)

    assert {"users": True, "tasks": True, "teams": False} == {
        name: one.place.is_object for name, one in found.items()
    }
    assert "users" == field(found["tasks"], "user_id").references


def test_objects_and_arrays_two_wrappers_deep_are_all_found(tmp_path):
    same = {"1": {"name": "x"}, "2": {"name": "y"}}
    long = [{"id": n, "x": "y" * 999} for n in range(1100)]
    write(tmp_path, export={"data": {"users": same, "teams": same, "posts": long, "none": {}}})

    places = {name: one.place.records for name, one in inferred(tmp_path).items()}
    assert {"users": "data.users", "teams": "data.teams", "posts": "data.posts"} == places


def test_of_many_objects_that_may_hold_records_the_others_are_still_seen(tmp_path):
    users = {f"u{n}": {"name": "x", "posts": {"a": {"x": n}}} for n in range(200)}
    found = inferred(write(tmp_path, db={"users": users, "tasks": {"t-1": TASK}}))

    assert ["users", "tasks"] == list(found)


INSIDE = {
    "names with digits": ({"t-1": TASK}, {"t-2": TASK}, ("id",)),
    "names that come again": ({"t-1": TASK}, {"t-1": TASK}, ("project_id", "id")),
    "the key inside": ({"a": {"id": "a"}}, {"b": {"id": "b"}, "c": {"id": "c"}}, ("id",)),
    "a key of another name inside": ({"a": {"code": "a"}}, {"a": {"code": "a"}, "b": {"code": "b"}},
                                     ("project_id", "code")),
    "words that differ": ({"a": TASK, "b": TASK}, {"c": TASK, "d": TASK}, ("id",)),
    "one of them empty": ({}, {"t-1": TASK, "t-2": TASK}, ("project_id", "id")),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "key"), INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("around", [list, dict])
def test_records_under_their_keys_inside_a_record_are_entities(tmp_path, one, other, key, around):
    held = {"p-1": {"name": "a", "tasks": one}, "p-2": {"name": "b", "tasks": other}, "p-3": {}}
    documents = [{"id": name, **each} for name, each in held.items()]
    found = inferred(write(tmp_path, projects=held if around is dict else documents))

    assert ["projects", "tasks"] == list(found)
    tasks = found["tasks"]
    assert (key, {"project_id": "id"}) == (tasks.key, tasks.place.parent)
    assert ("projects", "tasks", True) == (
        tasks.place.within, tasks.place.records, tasks.place.is_object,
    )  # fmt: skip
    assert ["name"] == [one.name for one in found["projects"].fields if one.name != "id"]
    assert "projects" == field(tasks, "project_id").references


def test_records_under_their_keys_inside_others_like_them_are_entities(tmp_path):
    cards = {"c-1": {"text": "x"}, "c-2": {"text": "y"}}
    boards = {"b-1": {"lists": {"l-1": {"cards": cards}}}, "b-2": {"lists": {}}}
    found = inferred(write(tmp_path, db={"data": {"boards": boards}}))

    assert ["boards", "lists", "cards"] == list(found)
    assert ("board_id", "id") == found["lists"].key
    assert {"list_board_id": "board_id", "list_id": "id"} == found["cards"].place.parent


PARTS = {
    "parts of one record": ({"home": {"city": "x"}, "work": {"city": "y"}},) * 3,
    "settings": ({"theme": {"dark": True}, "mail": {"host": "x"}}, {"theme": {"dark": False}}, {}),
    "values": ({"a": 1, "b": 2}, {"c": 1}, {}),
    "some that are none": ({"t-1": TASK, "t-2": 5}, {"t-3": TASK}, {}),
    "not always an object": ({"t-1": TASK}, None, {"t-2": TASK}),
    "words in one record": ({"a": TASK, "b": TASK},),
}


@pytest.mark.parametrize("held", PARTS.values(), ids=PARTS)
def test_an_object_inside_that_is_a_part_of_its_record_stays_a_field(tmp_path, held):
    people = [{"id": at, "extra": each} for at, each in enumerate(held)]

    assert ["people"] == list(inferred(write(tmp_path, people=people)))
