"""Records in an object under their keys: ``{"t-1": {…}}``, in the user's own spelling."""

from __future__ import annotations

import json
import tracemalloc

import attrs
import pytest

from fluxstore.adapter import Use
from fluxstore.errors import UnreadableRecordError
from fluxstore.query import Filter, Operator, Query
from fluxstore.records import Delete, Intent, Put, Reason
from fluxstore_json import blocks
from fluxstore_json.settings import EntitySettings

PRETTY = """{
  "version": 3,
  "users": {
    "b": {
      "name": "Bob",
      "nested": { "kept": [ 1,2 ] }
    },
    "a": {"name": "Ada", "id": "a"},
    "13": {
      "name": "Thirteen"
    },
    "1": {"name": "One"}
  },
  "note": "last"
}
"""
ROOT = {"users": EntitySettings(file="users.json", shape="object")}
USERS = {"users": EntitySettings(file="users.json", records="users", shape="object")}


@pytest.fixture
def users(data):
    """Opens the users of a file with these bytes; a whole file, or one with a wrapper."""

    def opened(text, use=Use.SERVE, **changes):
        own = USERS["users"]
        data.write("users.json", text)
        shapes = {"users": attrs.evolve(own, **changes)}
        adapter = data.open(use, shapes=shapes)
        return adapter, adapter.collection(data.entities["users"])

    return opened


def text_of(data):
    return (data.path / "users.json").read_text()


def test_nothing_but_the_changed_record_is_written_anew_and_new_ones_come_last(data, users):
    adapter, tested = users(PRETTY)

    tested.commit([Put("13", {"name": "Dozen"}, Intent.CHANGE), Delete("1")])
    tested.commit([Put("0", {"id": "0", "name": "Zero"}), Put("b", {"age": 5}, Intent.CHANGE)])
    adapter.close()

    expected = """{
  "version": 3,
  "users": {
    "b": {
      "name": "Bob",
      "nested": {
        "kept": [
          1,
          2
        ]
      },
      "age": 5
    },
    "a": {"name": "Ada", "id": "a"},
    "13": {
      "name": "Dozen"
    },
    "0": {
      "name": "Zero"
    }
  },
  "note": "last"
}
"""
    assert expected == text_of(data)


LAYOUTS = {
    "compact": {"separators": (",", ":")},
    "one line": {},
    "two blanks": {"indent": 2},
    "tabs": {"indent": "\t"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("records", ["", "users"])
def test_a_file_looks_as_if_its_own_program_had_written_it(data, users, layout, newline, records):
    held = {one: {"name": "n", "meta": {"k": [1, {"é": None}]}} for one in ("b", "10", "9", "é")}
    whole = {"users": held, "more": [1, 2]} if records else held
    text = json.dumps(whole, ensure_ascii=False, **layout)
    adapter, tested = users(text.replace("\n", newline), records=records)

    tested.commit([Delete("b"), Put("9", {"name": "new"}, Intent.CHANGE)])
    tested.commit([Put("e", {"id": "e", "name": "n", "meta": {"k": [1, {"é": None}]}})])
    adapter.close()

    del held["b"]
    held["9"]["name"] = "new"
    held["e"] = {**held["10"]}
    text = json.dumps(whole, ensure_ascii=False, **layout)
    assert text.replace("\n", newline) == (data.path / "users.json").read_bytes().decode()


@pytest.mark.parametrize("text", ["{}", "{ }\n", '{"a": {}}'])
def test_an_object_takes_records_and_gives_them_back(data, users, text):
    adapter, tested = users(text, records="")
    tested.commit([Put(key, {"id": key}) for key in "ab"])
    adapter.close()
    assert {"a": {}, "b": {}} == data.read("users.json")

    adapter, tested = users(text_of(data), records="")
    tested.commit([Delete("a"), Delete("b")])
    adapter.close()
    assert {} == data.read("users.json")


def test_a_file_that_is_not_there_is_made_as_an_object(data):
    adapter = data.open(shapes={"users": EntitySettings(shape="object")})
    adapter.collection(data.entities["users"]).commit([Put("a", {"id": "a", "name": "x"})])
    adapter.close()

    assert {"a": {"name": "x"}} == data.read("users.json")


@pytest.mark.parametrize("inside", [False, True])
def test_a_key_stays_inside_where_it_was_inside(data, users, inside):
    held = {"in": {"id": "in", "name": "x"}, "out": {"name": "x"}}
    adapter, tested = users(json.dumps({"users": held}), key_inside=inside)
    for key in held:
        tested.commit([Put(key, {"name": "new"}, Intent.CHANGE)])
    tested.commit([Put("new", {"id": "new", "name": "new"})])
    found = {one.key: dict(one.values) for one in tested.scan(None, 9).records}
    adapter.close()

    assert {key: {"id": key, "name": "new"} for key in (*held, "new")} == found
    added = {"id": "new", "name": "new"} if inside else {"name": "new"}
    held["in"]["name"] = held["out"]["name"] = "new"
    assert {"users": {**held, "new": added}} == data.read("users.json")


def test_a_key_inside_that_is_another_is_rejected_by_file_key_and_field(data, users):
    text = '{"users": {"a": {"id": "b", "name": "x"}, "b": {"id": "b"}}}'
    adapter, tested = users(text)
    page = tested.scan(None, 9)

    assert ["b"] == [record.key for record in page.records]
    (rejected,) = page.rejected
    problem = rejected.problem
    assert ("a", "id", Reason.KEY) == (problem.key, problem.field, problem.reason)
    assert problem.file.endswith("users.json")
    assert "a, the name that it stands under, expected, b found" == problem.expected
    assert b'"a": {"id": "b", "name": "x"}' == rejected.raw
    for change in (Put("a", {"name": "y"}, Intent.CHANGE), Put("a", {"id": "a"}), Delete("a")):
        with pytest.raises(UnreadableRecordError, match="the name that it stands under"):
            tested.commit([change])
    tested.commit([Put("b", {"name": "new"}, Intent.CHANGE)])
    adapter.close()
    assert text.replace('"b": {"id": "b"', '"b": {"id": "b", "name": "new"') == text_of(data)


REJECTED = {
    "a number": ('"x": 5', "x", "", Reason.TYPE),
    "null": ('"x": null', "x", "", Reason.TYPE),
    "text": ('"x": "y"', "x", "", Reason.TYPE),
    "an array": ('"x": [{"id": "x"}]', "x", "", Reason.TYPE),
    "NaN": ('"x": NaN', "x", "", Reason.TYPE),
    "NaN inside": ('"x": {"age": NaN}', "x", "age", Reason.TYPE),
    "a null id": ('"x": {"id": null}', "x", "id", Reason.KEY),
    "a number for an id": ('"1": {"id": 1}', "1", "id", Reason.KEY),
    "a name twice inside": ('"x": {"age": 1, "age": 2}', "x", "", Reason.DUPLICATE_NAME),
    "no name": ('"": {}', "[1]", "id", Reason.KEY),
    "NUL": ('"a\\u0000": {}', "a\0", "id", Reason.NUL),
    "a lone surrogate": ('"\\ud800": {}', "\ud800", "id", Reason.SURROGATE),
    "depth": ('"x": {"e": ' + "[" * 66 + "]" * 66 + "}", "x", "e", Reason.DEPTH),
    "2,000 deep": ('"x": {"e": ' + "[" * 2000 + "]" * 2000 + "}", "x", "", Reason.DEPTH),
    "spaced": ('"x" : { "age" : "1" }', "x", "age", Reason.TYPE),
    "braces in a name": ('"{\\"}:{": 7', '{"}:{', "", Reason.TYPE),
}


@pytest.mark.parametrize(("text", "key", "name", "reason"), REJECTED.values(), ids=REJECTED)
def test_what_is_no_record_is_rejected_alone_by_its_name(data, users, text, key, name, reason):
    whole = '{"users": {"first": {}, ' + text + ', "last": {}}}'
    adapter, tested = users(whole, Use.SOURCE)
    page = tested.scan(None, 9)
    adapter.close()

    assert ["first", "last"] == [record.key for record in page.records]
    (rejected,) = page.rejected
    problem = rejected.problem
    top = problem.field.partition("[")[0]
    assert (key, name, reason) == (problem.key, top, problem.reason)
    assert text.encode() == rejected.raw

    adapter, tested = users(whole)
    tested.commit([Put("first", {"name": "y"}, Intent.CHANGE), Put("new", {"id": "new"})])
    adapter.close()
    changed = whole.replace('"first": {}', '"first": {"name": "y"}')
    assert changed[:-2] + ', "new": {}}}' == text_of(data)


@pytest.mark.parametrize("far", [0, 30_000])
def test_a_name_twice_is_no_record_and_both_stay(data, users, far):
    between = "".join(f'"u{number}": {{}}, ' for number in range(far))
    text = '{"users": {"x": {"name": "one"}, ' + between + '"x": {"name": "two"}, "y": {}}}'
    adapter, tested = users(text)

    with pytest.raises(UnreadableRecordError, match="one record with this key"):
        tested.read(["x"])
    with pytest.raises(UnreadableRecordError, match="one record with this key"):
        tested.commit([Put("x", {"name": "three"}, Intent.CHANGE)])
    tested.commit([Put("y", {"name": "new"}, Intent.CHANGE)])
    adapter.close()

    assert text.replace('"y": {}', '"y": {"name": "new"}') == text_of(data)


REFUSED = {
    "an array": ('{"users": [{"id": "a"}]}', "an object of records expected at users"),
    "cut in a record": ('{"users": {"a": {"id"', "ends in the middle of a record"),
    "cut in a name": ('{"users": {"a": {}, "b', "ends in the middle of a record"),
    "cut behind a name": ('{"users": {"a": {}, "b": ', "ends in the middle of a record"),
    "cut behind a record": ('{"users": {"a": {}', "ends too early"),
    "a trailing comma": ('{"users": {"a": {},}}', "value expected after the comma"),
    "no colon": ('{"users": {"a" {}}}', "a colon expected .line 1, column 16"),
    "no name": ('{"users": {{}}}', "a name in double quotes expected"),
    "no comma": ('{"users": {"a": {} "b": {}}}', "a comma or } expected"),
    "single quotes": ("{\"users\": {'a': {}}}", "a name in double quotes expected"),
    "a comment": ('{"users": {"a": {"x" /* b */: 1}}}', "line 1"),
    "Latin-1": ('{"users": {"é": {}}}'.encode("latin-1"), "UTF-8 expected"),
    "Latin-1 inside": ('{"users": {"a": {"é": 1}}}'.encode("latin-1"), "UTF-8 expected"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_json_of_its_shape_is_refused(data, users, content, words):
    _, tested = users(content)

    with pytest.raises(UnreadableRecordError, match=words):
        tested.scan(None, 9)


def test_an_array_where_an_object_is_says_what_to_write(data):
    data.write("users.json", {"users": {"a": {}}})

    with pytest.raises(UnreadableRecordError, match='shape = "object"'):
        data.scan("users")


def test_any_number_of_records_takes_memory_for_one_block(data, users, monkeypatch):
    monkeypatch.setattr(blocks, "CHUNK_BYTES", 16 * 1024)
    peaks = []
    for count in (2_000, 20_000):
        text = json.dumps({f"u{number}": {"name": "n" * 80} for number in range(count)})
        adapter, tested = users(text, Use.SOURCE, records="")
        text = ""
        tracemalloc.start()
        cursor, found, more = None, 0, True
        while more:
            page = tested.scan(cursor, 500)
            found += len(page.records)
            cursor, more = page.cursor, page.cursor is not None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        adapter.close()
        assert count == found

    assert peaks[1] < 1.5 * peaks[0]


def test_a_scan_goes_on_from_its_cursor_in_another_process(data, users):
    held = {f"u{number}": {"name": f"{number}"} for number in range(50)}
    adapter, tested = users(json.dumps(held), Use.SOURCE, records="")
    page = tested.scan(None, 20)
    adapter.close()
    again = data.open(Use.SOURCE, shapes=ROOT).collection(data.entities["users"])

    rest = again.scan(page.cursor, 100)

    assert list(held) == [one.key for one in (*page.records, *rest.records)]


def test_a_filter_finds_records_by_fields_and_by_the_key(users):
    _, tested = users('{"users": {"a": {"name": "x"}, "b": {"id": "b", "name": "x"}, "c": {}}}')

    def found(*filters):
        return [one.key for one in tested.find(Query(filters)).records]

    assert ["a", "b"] == found(Filter("name", Operator.EQ, "x"))
    assert ["b", "c"] == found(Filter("id", Operator.GT, "a"))
    assert ["a"] == found(Filter("id", Operator.EQ, "a"))
