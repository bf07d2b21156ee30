"""Bad files and bad records: what is refused as a whole, what is rejected alone, what is fine."""

from __future__ import annotations

import json
import tracemalloc

import attrs
import pytest

from fluxstore.adapter import Use
from fluxstore.errors import UnreadableRecordError
from fluxstore.records import Delete, Intent, Put, Reason
from fluxstore_json.settings import EntitySettings

GOOD = {"id": "good", "name": "Ada"}
BOM = b"\xef\xbb\xbf"


def file_with(text):
    """A file with a good record, *text* where a record should be, and another good one."""
    data = text if isinstance(text, bytes) else text.encode()
    return b'{"users": [{"id": "first"}, ' + data + b', {"id": "last"}]}'


REFUSED = {
    "J01 no bytes": (b"", "empty"),
    "J02 white space": (b" \n\t ", "empty"),
    "J04 cut in a record": (b'{"users": [\n{"id": "a"},\n{"id": "b', "line 3, column"),
    "J04 cut behind a record": (b'{"users": [{"id": "a"}', "ends too early"),
    "J05 garbage behind": (b'{"users": []} x', "end of the file expected"),
    "J07 UTF-16": ('{"users": []}'.encode("utf-16"), "UTF-8 expected"),
    "J09 Latin-1": (file_with('{"id": "é"}'.encode("latin-1")), "UTF-8 expected"),
    "J09 Latin-1 beside": ('{"é": 1, "users": []}'.encode("latin-1"), "UTF-8 expected"),
    "J14 brackets without end": (b"[" * 100_000, "an object that holds users expected"),
    "J14 brackets in the list": (b'{"users": [' + b"[" * 100_000, "middle of a record"),
    "J24 a comment": (file_with('{"id": "a" /* b */}'), "delimiter"),
    "J24 a trailing comma": (b'{"users": [{"id": "a"},]}', "value expected after the comma"),
    "J24 a trailing comma inside": (file_with('{"id": "a",}'), "line 1, column"),
    "J24 single quotes": (file_with("{'id': 'a'}"), "line 1, column"),
    "no comma": (b'{"users": [{"id": "a"} {"id": "b"}]}', "comma"),
    "another shape": (b'[{"id": "a"}]', "an object that holds users expected at the top"),
    "another array": (b'{"people": []}', "users expected, people found"),
    "no array": (b'{"users": {"a": {}}}', "an array of records expected at users"),
    "null for an array": (b'{"users": null}', "an array of records expected at users"),
    "the array twice": (b'{"users": [], "users": []}', "found twice"),
    "a name beside twice": (b'{"a": {"b": 1, "b": 2}, "users": []}', "more than once"),
    "NaN beside": (b'{"a": NaN, "users": []}', "JSON can hold"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("use", [Use.SOURCE, Use.SERVE])
def test_a_file_that_is_no_json_of_its_shape_is_refused(data, use, content, words):
    data.write("users.json", content)

    with pytest.raises(UnreadableRecordError, match=words) as caught:
        data.scan("users", use)

    assert caught.value.file.endswith("data/users.json")
    assert content == (data.path / "users.json").read_bytes()
    assert ([], []) == data.scan("projects", Use.SERVE)


def test_a_refused_file_takes_no_writes(data):
    data.write("users.json", REFUSED["J04 cut in a record"][0])
    adapter, users = data.serving("users")

    with pytest.raises(UnreadableRecordError, match="line 3"):
        users.commit([Put("a", {"id": "a"})])

    adapter.close()
    assert REFUSED["J04 cut in a record"][0] == (data.path / "users.json").read_bytes()


REJECTED = {
    "J11 NaN": ('{"id": "x", "age": NaN}', "x", "age", Reason.TYPE),
    "J11 -Infinity": ('{"id": "x", "score": -Infinity}', "x", "score", Reason.NOT_FINITE),
    "J12 1e400": ('{"id": "x", "meta": {"a": [1e400]}}', "x", "meta.a[0]", Reason.NOT_FINITE),
    "J13 5,000 digits": ('{"id": "x", "age": ' + "9" * 5000 + "}", "x", "age", Reason.RANGE),
    "J13 in an extra": ('{"id": "x", "n": ' + "9" * 5000 + "}", "x", "n", Reason.RANGE),
    "J13 for text": ('{"id": "x", "name": ' + "9" * 5000 + "}", "x", "name", Reason.TYPE),
    "J16 a name twice": ('{"id": "x", "age": 1, "age": 2}', "x", "", Reason.DUPLICATE_NAME),
    "J16 inside": ('{"id": "x", "meta": {"k": 1, "k": 1}}', "x", "", Reason.DUPLICATE_NAME),
    "J16 spaced": ('{"id" : "x", "n":{"k" :1,"k":1}}', "x", "", Reason.DUPLICATE_NAME),
    "J18 a number": ("5", "[1]", "", Reason.TYPE),
    "J18 null": ("null", "[1]", "", Reason.TYPE),
    "J18 text": ('"x"', "[1]", "", Reason.TYPE),
    "J18 a list": ('[{"id": "x"}]', "[1]", "", Reason.TYPE),
    "J18 NaN": ("NaN", "[1]", "", Reason.TYPE),
    "J20 null id": ('{"id": null}', "[1]", "id", Reason.TYPE),
    "J20 true id": ('{"id": true}', "[1]", "id", Reason.TYPE),
    "J20 1.0 id": ('{"id": 1.0}', "[1]", "id", Reason.TYPE),
    "J20 object id": ('{"id": {}}', "[1]", "id", Reason.TYPE),
    "J22 no id": ('{"name": "Ada"}', "[1]", "id", Reason.MISSING),
    "J23 text for int": ('{"id": "x", "age": "12"}', "x", "age", Reason.TYPE),
    "J23 1 for bool": ('{"id": "x", "isAdmin": 1}', "x", "isAdmin", Reason.TYPE),
    "V01 NUL": ('{"id": "x", "name": "a\\u0000b"}', "x", "name", Reason.NUL),
    "V01 NUL deep": ('{"id": "x", "meta": {"a": ["\\u0000"]}}', "x", "meta.a[0]", Reason.NUL),
    "V01 NUL in a name": ('{"id": "x", "a\\u0000": 1}', "x", "a\0", Reason.NUL),
    "V30 depth": ('{"id": "x", "e": ' + "[" * 66 + "]" * 66 + "}", "x", "e", Reason.DEPTH),
    "V30 2,000 deep": (
        '{"id": "x", "e": ' + "[" * 2000 + "]" * 2000 + "}",
        "[1]",
        "",
        Reason.DEPTH,
    ),
    "V25 a large text": ('{"id": "x", "name": "' + "n" * 2**20 + '"}', "x", "", Reason.SIZE),
    "I03 an empty id": ('{"id": ""}', "[1]", "id", Reason.KEY),
    "I04 NUL in an id": ('{"id": "a\\u0000b"}', "[1]", "id", Reason.NUL),
    "I14 a lone surrogate": ('{"id": "\\ud800"}', "[1]", "id", Reason.SURROGATE),
    "I14 elsewhere": ('{"id": "x", "name": "\\udc00 \\ud83d"}', "x", "name", Reason.SURROGATE),
}


@pytest.mark.parametrize("number", range(len(REJECTED)), ids=list(REJECTED))
def test_a_bad_record_is_rejected_alone_with_its_bytes(data, number):
    text, key, field, reason = list(REJECTED.values())[number]
    data.write("users.json", file_with(text))

    records, rejected = data.scan("users")

    assert ["first", "last"] == [record.key for record in records]
    (found,) = rejected
    field = field.replace("isAdmin", "is_admin")
    assert (key, reason) == (found.problem.key, found.problem.reason)
    assert found.problem.field.startswith(field)
    assert text.encode() == found.raw
    assert found.problem.file.endswith("users.json")
    assert str(found.problem).isprintable()


FINE = {
    "J06 a byte order mark": BOM + b'{"users": [{"id": "x"}]}',
    "J31 CRLF": b'{\r\n"users": [\r\n{"id": "x"}\r\n]\r\n}\r\n',
    "J31 no newline": b'{"users": [{"id": "x"}]}',
    "no records": b'{"users": [ ], "more": [1, {"users": [5]}]}',
    "a name with quotes": b'{"us\\"ers": 1, "users": [{"id": "x", "q\\"": "},{"}]}',
    "the name escaped": b'{"\\u0075sers": [{"\\u0069d": "x"}]}',
}


@pytest.mark.parametrize("content", FINE.values(), ids=FINE)
def test_what_is_only_unusual_is_fine(data, content):
    data.write("users.json", content)

    records, rejected = data.scan("users")

    assert ([] if b"[ ]" in content else ["x"]) == [record.key for record in records]
    assert [] == rejected


PLAIN_IDS = [
    "../../etc/passwd", "/tmp/x", "a/b", "a\\b", ".", "..", "CON", "nul", "a.", "a ",
    "A", "a", "\u00e9", "e\u0301", "-rf", "--help", "~", "$HOME", "`id`", ";ls",
    "null", "undefined", "NaN", "true", "a\nb", "\x1b[31m", "\u202e", "\ufeff", "\u200b", "1" * 13,
]  # fmt: skip


def test_an_id_is_plain_data_and_never_a_path(data):
    data.write("users.json", {"users": [{"id": one} for one in PLAIN_IDS]})
    adapter, users = data.serving("users")
    before = sorted(data.folder.rglob("*"))

    assert PLAIN_IDS == [record.key for record in users.scan(None, 100).records]
    for one in PLAIN_IDS:
        users.commit([Put(one, {"name": one}, Intent.CHANGE)])
        assert one == users.read([one])[one].values["name"]
    users.commit([Delete(one) for one in PLAIN_IDS])
    adapter.close()

    assert {"users": []} == data.read("users.json")
    assert before == [p for p in sorted(data.folder.rglob("*")) if ".fluxstore" not in str(p)]


def test_python_and_prototype_markers_are_plain_data(data):
    extras = {"py/object": "os.system", "__class__": "Exit", "__proto__": {"admin": True}}
    data.write("users.json", {"users": [{"id": "x", **extras}]})

    ((record,), _) = data.scan("users")

    assert extras == record.residue.extras


def test_both_records_of_a_doubled_key_are_found_and_neither_is_believed(data):
    text = '{"users": [{"id": "a", "age": 1}, {"id": "b"}, {"id": "a", "age": 2}]}'
    data.write("users.json", text)
    assert ["a", "b", "a"] == [record.key for record in data.scan("users")[0]]
    adapter, users = data.serving("users")

    with pytest.raises(UnreadableRecordError, match="one record with this key"):
        users.read(["a"])
    with pytest.raises(UnreadableRecordError, match="one record with this key"):
        users.commit([Put("a", {"age": 3}, Intent.CHANGE)])
    users.commit([Put("b", {"age": 3}, Intent.CHANGE)])

    adapter.close()
    assert [1, 3, 2] == [user["age"] for user in data.read("users.json")["users"]]


def test_undeclared_fields_are_rejected_where_the_configuration_says_so(data):
    shapes = {**data.shapes, "users": attrs.evolve(data.shapes["users"], extras="reject")}
    data.write("users.json", {"users": [{"id": "a"}, {"id": "b", "colour": "red"}]})

    records, (rejected,) = data.scan("users", shapes=shapes)

    assert ["a"] == [record.key for record in records]
    assert ("b", "colour") == (rejected.problem.key, rejected.problem.field)
    assert Reason.UNKNOWN_FIELD is rejected.problem.reason


def test_bad_records_stay_byte_for_byte_when_others_change(data):
    texts = [text for text, *_ in REJECTED.values()]
    body = ",\n    ".join(['{"id": "first"}', *texts, '{"id": "last"}'])
    data.write("users.json", '{"users": [\n    ' + body + "\n  ]\n}\n")
    adapter, users = data.serving("users")

    users.commit([Put("first", {"age": 1}, Intent.CHANGE), Delete("last"), Put("n", {"id": "n"})])
    adapter.close()

    after = (data.path / "users.json").read_text()
    assert all(text in after for text in texts)
    assert ["first", "n"] == [record.key for record in data.scan("users")[0]]
    assert len(texts) == len(data.scan("users")[1])


def test_a_bad_document_hides_nothing_inside_it(data):
    text = """{"projects": [
        {"id": "p1", "tasks": [{"id": "t1", "title": NaN}, {"id": "t2"}, 7]},
        {"id": 5, "tasks": [{"id": "t3"}]},
        {"id": "p2", "tasks": {"a": 1}},
        {"id": "p3", "name": NaN, "tasks": [{"id": "t4"}]},
        {"id": "p4", "tasks": null}
    ]}"""
    data.write("projects.json", text)

    projects, bad_projects = data.scan("projects")
    tasks, bad_tasks = data.scan("tasks")

    assert ["p1", "p2", "p4"] == [record.key for record in projects]
    assert ["[1]", "p3"] == [one.problem.key for one in bad_projects]
    assert [("t2", "p1"), ("t4", "p3")] == [(r.key, r.values["project_id"]) for r in tasks]
    expected = [b'{"id": "t1", "title": NaN}', b"7", b'{"id": "t3"}', b'{"a": 1}']
    assert expected == [one.raw for one in bad_tasks]


def test_a_file_that_may_not_be_read_is_refused_and_others_go_on(open_data, ordinary_user):
    open_data.write("users.json", {"users": []})
    open_data.write("projects.json", {"projects": [{"id": "p"}]})
    (open_data.path / "users.json").chmod(0)

    with ordinary_user():
        with pytest.raises(UnreadableRecordError, match="may not read it"):
            open_data.scan("users")
        assert ["p"] == [record.key for record in open_data.scan("projects")[0]]


def test_one_line_of_fifty_megabytes_is_read_in_little_memory(data):
    record = json.dumps({"id": "%07d", "name": "n" * 450, "meta": {"a": [1, 2]}})
    with (data.path / "users.json").open("w") as file:
        file.write('{"users": [')
        texts = (record.replace("%07d", f"{number:07}") for number in range(100_000))
        file.writelines((", " if number else "") + text for number, text in enumerate(texts))
        file.write("]}")
    _, users = data.serving("users", use=Use.SOURCE)
    tracemalloc.start()
    count, cursor = 0, None
    while True:
        page = users.scan(cursor, 500)
        count += len(page.records)
        if (cursor := page.cursor) is None:
            break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 100_000 == count
    assert peak < 16 * 1024 * 1024


def test_a_bad_record_of_one_entity_is_none_of_anothers_in_the_same_file(data):
    shapes = {
        "users": EntitySettings(file="db.json", records="users"),
        "projects": EntitySettings(file="db.json", records="projects"),
    }
    bad = '[{"id": "a", "name": NaN}, {"id": "b", "id": "b"}]'
    data.write("db.json", '{"users": ' + bad + ', "projects": [{"id": "p"}]}')
    adapter = data.open(Use.SOURCE, shapes=shapes)
    users, projects = (adapter.collection(data.entities[name]) for name in shapes)

    assert ["p"] == [record.key for record in projects.scan(None, 9).records]
    assert 2 == len(users.scan(None, 9).rejected)
    data.write("db.json", b'{"users": null, "projects": [{"id": "p"}]}')
    assert ["p"] == [record.key for record in projects.scan(None, 9).records]
