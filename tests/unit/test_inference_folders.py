"""What ``init`` makes of folders: entities, keys, references, and what it leaves out."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from sample_folders import FOLDERS

from fluxstore.inference import infer_folder, module_text
from fluxstore.inference.reading import Array, UnreadableFile, pieces


def write(folder: Path, **files: Any) -> Path:
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (folder / f"{name}.json").write_text(text, "utf-8")
    return folder


def inferred(folder: Path) -> dict[str, Any]:
    return {entity.name: entity for entity in infer_folder(folder).entities}


def field(entity: Any, name: str) -> Any:
    return next(one for one in entity.fields if one.name == name)


def test_a_shop(tmp_path):
    found = inferred(FOLDERS["shop"](tmp_path))

    assert ["customers", "orders", "order_lines", "products"] == list(found)
    assert ("order_number", "line_no") == found["order_lines"].key
    assert {"order_number": "order_number"} == found["order_lines"].place.parent
    assert "cascade" == field(found["order_lines"], "order_number").on_delete
    assert "products" == field(found["order_lines"], "product_sku").references
    assert "float" == field(found["orders"], "total").annotation
    assert "date" == field(found["orders"], "ordered_on").annotation


def test_a_blog(tmp_path):
    found = inferred(FOLDERS["blog"](tmp_path))

    assert ["authors", "categories", "posts", "comments"] == list(found)
    assert "categories" == field(found["categories"], "parent_id").references
    assert ("id",) == found["comments"].key
    assert "int" == field(found["comments"], "post_id").annotation


def test_an_inventory(tmp_path):
    plan = infer_folder(FOLDERS["inventory"](tmp_path))
    found = {entity.name: entity for entity in plan.entities}

    assert ["items", "places", "places_by_id", "stock_levels"] == list(found)
    assert ("item", "place_id") == found["stock_levels"].key
    assert "places" == field(found["items"], "home_place").references
    assert "class_" in [one.name for one in found["stock_levels"].fields]
    by_id = found["places_by_id"]
    assert (True, False, "UUID") == (
        by_id.place.is_object,
        by_id.place.key_inside,
        field(by_id, "id").annotation,
    )
    assert () == plan.skipped


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


@pytest.mark.parametrize("name", FOLDERS)
def test_two_runs_give_the_same_bytes(tmp_path, name):
    FOLDERS[name](tmp_path)

    assert module_text(infer_folder(tmp_path)) == module_text(infer_folder(tmp_path))


def test_names_of_arrays_that_say_nothing_give_way_to_the_files(tmp_path):
    write(tmp_path, invoices={"items": [{"id": 1}]}, parts={"all": [{"id": 1}], "old": [{"id": 2}]})

    assert ["invoices", "parts_all", "old"] == list(inferred(tmp_path))


def test_two_arrays_of_one_name_are_two_entities(tmp_path):
    write(tmp_path, a={"users": [{"id": 1}]}, b={"users": [{"id": 1}]})

    assert ["users", "b_users"] == list(inferred(tmp_path))


def test_a_wrapper_in_a_wrapper_is_found(tmp_path):
    write(tmp_path, export={"meta": {"by": "x"}, "data": {"users": [{"id": 1}, {"id": 2}]}})

    assert "data.users" == inferred(tmp_path)["users"].place.records


def test_records_two_levels_deep_are_entities(tmp_path):
    boards = [
        {"id": b, "lists": [{"id": b * 10 + n, "cards": [{"id": b * 100 + n}]} for n in range(2)]}
        for b in range(2)
    ]
    write(tmp_path, boards={"boards": boards})
    found = inferred(tmp_path)

    assert "lists" == found["cards"].place.within
    assert {"list_id": "id"} == found["cards"].place.parent


def test_an_empty_file_of_records_is_covered(tmp_path):
    write(tmp_path, files={"files": []})

    assert ("id",) == inferred(tmp_path)["files"].key


def test_an_empty_array_beside_a_full_one_belongs_to_the_wrapper(tmp_path):
    write(tmp_path, channels={"tags": [], "channels": [{"id": "a"}]})

    assert ["channels"] == list(inferred(tmp_path))


def test_a_child_that_names_its_parent_itself_keeps_both(tmp_path):
    write(tmp_path, orders=[{"id": 1, "lines": [{"id": 1, "orderId": 1}]}])
    lines = inferred(tmp_path)["order_lines"]

    assert {"parent_order_id": "id"} == lines.place.parent
    assert "orders" == field(lines, "order_id").references


def test_children_without_a_key_stay_in_their_parents(tmp_path):
    write(tmp_path, posts=[{"id": 1, "notes": [{"text": "a"}, {"text": "a"}]}])

    assert "list[dict[str, Any]]" == field(inferred(tmp_path)["posts"], "notes").annotation


@pytest.mark.parametrize("odd", [None, "x", [1]])
def test_arrays_that_are_not_always_arrays_of_objects_are_fields(tmp_path, odd):
    write(tmp_path, posts=[{"id": 1, "tasks": [{"id": 1}]}, {"id": 2, "tasks": odd}])

    assert ["posts"] == list(inferred(tmp_path))


def test_a_reference_is_declared_only_where_every_value_is_a_key(tmp_path):
    write(
        tmp_path,
        users=[{"id": "u1"}, {"id": "u2"}],
        tasks=[{"id": 1, "userId": "u1"}, {"id": 2, "userId": "gone"}],
    )
    tasks = inferred(tmp_path)["tasks"]

    assert "" == field(tasks, "user_id").references
    assert "1 of 2 values" in " ".join(tasks.reasons)


def test_a_reference_has_the_type_of_the_key(tmp_path):
    first, second = (f"6f1c1f5e-0000-4000-a000-00000000000{n}" for n in (1, 2))
    write(
        tmp_path,
        users=[{"id": first}, {"id": second}, {"id": "1700000000000"}],
        tasks=[{"id": 1, "createdBy": first}],
    )
    created_by = field(inferred(tmp_path)["tasks"], "created_by")

    assert ("users", "str") == (created_by.references, created_by.annotation)


def test_a_field_that_names_several_kinds_is_no_reference(tmp_path):
    write(
        tmp_path,
        users=[{"id": "user-0001"}],
        log=[{"id": 1, "entityId": "user-0001", "entityType": "user"}],
    )

    assert "" == field(inferred(tmp_path)["log"], "entity_id").references


def test_keys_of_another_type_do_not_hide_the_key(tmp_path):
    write(tmp_path, users=[{"id": f"u{at}"} for at in range(40)] + [{"id": True}, {"id": 1.5}])

    assert "str" == field(inferred(tmp_path)["users"], "id").annotation


def test_bad_children_do_not_hide_the_others(tmp_path):
    tasks = [{"id": at} for at in range(40)]
    write(tmp_path, projects=[{"id": 1, "tasks": [*tasks, "x", {"title": "no id"}, {"id": 3}]}])
    found = inferred(tmp_path)["tasks"]

    assert ("id",) == found.key
    assert 42 == found.records


def test_bad_records_do_not_hide_the_key(tmp_path):
    records = [{"id": at} for at in range(40)] + [{"name": "no id"}, 5, {"id": 1}]
    write(tmp_path, users=records)
    users = inferred(tmp_path)["users"]

    assert ("id",) == users.key
    assert "1 of 42 records have no good id and 1 of 42 have the id of" in " ".join(users.reasons)
    assert "1 of the items are no objects" in " ".join(users.reasons)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ('{"users": [{"id": 1}', "line 1"),
        ('[{"id": 1}]x', "nothing more"),
        ('[{"id": 1},]', "no comma"),
        ("[{'id': 1}]", "line 1"),
        ("// c\n[]", "an array or an object"),
        ("5", "an array or an object"),
        ("[" * 100_000, "nested too deeply"),
        ('\n\n[{"id": 1}\n{"id": 2}]', "line 4"),
    ],
)
def test_a_file_that_is_no_json_is_refused_and_the_rest_goes_on(tmp_path, text, reason):
    write(tmp_path, bad=text, good=[{"id": 1}])
    plan = infer_folder(tmp_path)

    assert ["good"] == [one.name for one in plan.entities]
    assert "bad.json" == plan.refused[0][0]
    assert reason in plan.refused[0][1]


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes("[]".encode("utf-16"))
    (tmp_path / "b.json").write_bytes('[{"id": "é"}]'.encode("latin-1"))

    assert 2 == len(infer_folder(tmp_path).refused)


def test_a_bom_is_read_over_with_a_notice(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + b'[{"id": 1}]')
    plan = infer_folder(tmp_path)

    assert ["a"] == [one.name for one in plan.entities]
    assert "BOM" in plan.warnings[0]


def test_backups_and_hidden_files_are_no_data(tmp_path):
    for name in ("users.json~", "users.json.tmp", ".users.json", "users.json.swp"):
        (tmp_path / name).write_text('[{"id": 1}]')

    assert () == infer_folder(tmp_path).entities


@pytest.mark.parametrize("size", [1, 7, 64])
def test_pieces_do_not_depend_on_where_blocks_end(tmp_path, monkeypatch, size):
    monkeypatch.setattr("fluxstore.inference.reading.BLOCK_CHARACTERS", size)
    value = {"a": [1.5e10, -2, "x\\ny", {"é": [None, True]}], "b": {"c": 12345}, "d": 678}
    file = tmp_path / "a.json"
    file.write_text(json.dumps(value, indent=3), "utf-8")
    found = [(one.place, one.value) for one in pieces(file) if not isinstance(one, Array)]

    expected = [(("a",), item) for item in value["a"]]
    assert [*expected, ((), value["b"]), ((), 678)] == found


def test_a_cut_number_is_not_two_numbers(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("[1 2]")

    with pytest.raises(UnreadableFile):
        list(pieces(file))


def test_an_integer_of_5000_digits_is_only_large(tmp_path):
    write(tmp_path, a=f'[{{"id": 1, "n": {"9" * 5000}}}]')

    assert field(inferred(tmp_path)["a"], "n").bigint


def test_hostile_names_stay_data(tmp_path):
    name = '"""\nimport os\nx = """'
    write(tmp_path, evil=[{"id": 1, name: 1, "status": name, "self": 1, "import": 2}])
    text = module_text(infer_folder(tmp_path), source=name)
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)]

    assert 1 == len(classes)
    assert [] == imports
