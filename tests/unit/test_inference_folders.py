"""What ``init`` makes of folders: entities, keys, references, and what it leaves out."""

from __future__ import annotations

import ast
import json

import pytest
from inferring import field, inferred, write
from sample_folders import FOLDERS

from fluxstore.inference import infer_folder, module_text
from fluxstore.inference.reading import Array, UnreadableFile, pieces


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
