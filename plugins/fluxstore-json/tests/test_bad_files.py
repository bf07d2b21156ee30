"""Bad JSON files: each gets what it deserves, the rest proceeds, the source keeps every byte.

Every case says what a scan of ``users.json`` must give: the keys that are read (OK), the reasons
of what is rejected (Q), or words of the refusal of the whole file (R).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import pytest

from fluxstore import Entities, entity, entity_of, field
from fluxstore.adapter import Opening, Use
from fluxstore.errors import UnreadableRecordError
from fluxstore_json.adapter import JsonAdapter

GOOD = b'{"id": "good", "name": "Good"}'


@entity("users")
class User:
    id: str
    name: str
    age: int | None = None
    active: bool | None = None
    score: float | None = None
    meta: dict[str, object] = field(factory=dict)


@entity("notes")
class Note:
    id: str


@attrs.frozen
class Given:
    """A file's bytes, and what comes of them."""

    content: bytes
    keys: tuple[str, ...] = ("good",)
    reasons: tuple[str, ...] = ()
    refused: str = ""
    words: str = ""


def users(*records: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + b'{"users": [' + b", ".join([GOOD, *records]) + b"]}" + after


def of(**fields: object) -> bytes:
    return json.dumps({"id": "bad", "name": "Bad", **fields}).encode()


DEEP = b'{"id": "bad", "name": "x", "meta": {"a": %s1%s}}'
CASES = {
    "J01": Given(b"", refused="empty"),
    "J02": Given(b" \n\t ", refused="empty"),
    "J04": Given(b'{"users": [' + GOOD + b', {"id": "b', refused="line 1"),
    "J04 list": Given(b'{"users": [' + GOOD + b"", refused="line"),
    "J05": Given(users(after=b"garbage"), refused="line 1"),
    "J06": Given(users(before=b"\xef\xbb\xbf")),
    "J07": Given('{"users": []}'.encode("utf-16"), refused="UTF-8"),
    "J09": Given(users(b'{"id": "caf\xe9", "name": "x"}'), refused="UTF-8"),
    "J11": Given(users(b'{"id": "bad", "name": "x", "score": NaN}'), reasons=("not_finite",)),
    "J11 minus": Given(
        users(b'{"id": "bad", "name": "x", "score": -Infinity}'), reasons=("not_finite",)
    ),
    "J11 extra": Given(users(b'{"id": "bad", "name": "x", "more": NaN}'), reasons=("not_finite",)),
    "J12": Given(users(b'{"id": "bad", "name": "x", "score": 1e400}'), reasons=("not_finite",)),
    "J12 extra": Given(
        users(b'{"id": "bad", "name": "x", "more": -1e400}'), reasons=("not_finite",)
    ),
    "J13": Given(
        users(b'{"id": "bad", "name": "x", "age": ' + b"9" * 5000 + b"}"), reasons=("range",)
    ),
    "J13 extra": Given(
        users(b'{"id": "bad", "name": "x", "more": ' + b"9" * 5000 + b"}"), reasons=("range",)
    ),
    "J14": Given(b"[" * 100_000, refused="users.json"),
    "J14 inside": Given(users(b'{"id": "x", "a": ' + b"[" * 100_000), refused="users.json"),
    "J16": Given(
        users(b'{"id": "bad", "name": "x", "name": "y"}'), reasons=("duplicate_name",), words="name"
    ),
    "J16 nested": Given(
        users(b'{"id": "bad", "name": "x", "meta": {"a": 1, "a": 2}}'), reasons=("duplicate_name",)
    ),
    "J16 extra": Given(
        users(b'{"id": "bad", "name": "x", "more": {"a": 1, "a": 1}}'), reasons=("duplicate_name",)
    ),
    "J18": Given(users(b"5", b"null", b'"x"'), reasons=("type", "type", "type"), words="[3]"),
    "J20": Given(
        users(*(b'{"id": %s, "name": "x"}' % one for one in (b"null", b"true", b"1.0", b"{}"))),
        reasons=("type",) * 4,
    ),
    "J21": Given(users(of(more=1)), keys=("good", "bad")),
    "J22": Given(users(b'{"id": "bad"}'), reasons=("missing",), words="name"),
    "J22 id": Given(users(b'{"name": "x"}'), reasons=("missing",), words="id"),
    "J23": Given(users(of(age="12")), reasons=("type",), words="age"),
    "J23 bool": Given(users(of(active=1)), reasons=("type",), words="active"),
    "J23 int": Given(users(of(age=True)), reasons=("type",), words="age"),
    "J24 comment": Given(b"// users\n" + users(), refused="line 1"),
    "J24 comma": Given(b'{"users": [' + GOOD + b",]}", refused="line 1"),
    "J24 quotes": Given(b"{'users': []}", refused="line 1"),
    "J26": Given(users(of(**{"py/object": "os.system", "__class__": "x"})), keys=("good", "bad")),
    "J31": Given(users().replace(b" ", b"\r\n")),
    "J31 line": Given(
        users(*(b'{"id": "u%d", "name": "x"}' % n for n in range(3))),
        keys=("good", "u0", "u1", "u2"),
    ),
    "V01": Given(users(of(name="a\0b")), reasons=("nul",), words="name"),
    "V01 nested": Given(users(of(meta={"a": ["b\0"]})), reasons=("nul",)),
    "V30": Given(users(DEEP % (b"[" * 70, b"]" * 70)), reasons=("depth",)),
    "V25": Given(users(of(name="x" * (1024 * 1024 + 1))), reasons=("size",)),
    "I01": Given(
        users(of().replace(b'"bad"', b'"../../etc/passwd"')), keys=("good", "../../etc/passwd")
    ),
    "I03": Given(users(of().replace(b'"bad"', b'""')), reasons=("key",)),
    "I03 dots": Given(users(of().replace(b'"bad"', b'".."')), keys=("good", "..")),
    "I04": Given(users(b'{"id": "a\\u0000b", "name": "x"}'), reasons=("nul",)),
    "I07": Given(
        users(b'{"id": "A", "name": "x"}', b'{"id": "a", "name": "x"}'), keys=("good", "A", "a")
    ),
    "I08": Given(
        users('{"id": "\u00e9", "name": "x"}'.encode(), '{"id": "e\u0301", "name": "x"}'.encode()),
        keys=("good", "\u00e9", "e\u0301"),
    ),
    "I14": Given(users(b'{"id": "a\\ud800", "name": "x"}'), reasons=("surrogate",)),
    "I14 extra": Given(users(b'{"id": "bad", "name": "x", "m\\ud800": 1}'), reasons=("surrogate",)),
    "I17": Given(users(b'{"id": "null", "name": "x"}'), keys=("good", "null")),
    "no such array": Given(b'{"people": []}', refused="users"),
    "array is an object": Given(b'{"users": {"a": 1}}', refused="users"),
    "a number": Given(b"5", refused="users"),
    "wrapper twice": Given(b'{"users": [], "users": []}', refused="users"),
}


@pytest.fixture
def opened(tmp_path):
    made = []

    def opened(use=Use.SOURCE):
        settings = JsonAdapter.Settings(path=str(tmp_path))
        places = {"users": JsonAdapter.EntitySettings(file="users.json", records="users")}
        entities = Entities([entity_of(User), entity_of(Note)])
        made.append(JsonAdapter(Opening("json", settings, entities, places, tmp_path, use)))
        return made[-1]

    yield opened
    for adapter in made:
        adapter.close()


def everything(adapter, cls=User):
    """Return all keys and all rejected of an entity, page after page."""
    collection, cursor = adapter.collection(entity_of(cls)), None
    keys, rejected = [], []
    while True:
        page = collection.scan(cursor, 2)
        keys += [record.key for record in page.records]
        rejected += page.rejected
        cursor = page.cursor
        if cursor is None:
            return keys, rejected


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_gets_what_it_deserves(case, opened, tmp_path):
    given = CASES[case]
    file = tmp_path / "users.json"
    file.write_bytes(given.content)
    (tmp_path / "notes.json").write_bytes(b'[{"id": "n1"}]')
    adapter = opened()
    if given.refused:
        with pytest.raises(UnreadableRecordError) as caught:
            everything(adapter)
        assert given.refused in str(caught.value)
        assert "users.json" in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        keys, rejected = everything(adapter)
        assert given.keys == tuple(keys)
        assert given.reasons == tuple(one.problem.reason for one in rejected)
        assert all("users.json" in one.problem.file for one in rejected)
        assert all(one.raw and one.raw in given.content for one in rejected)
        assert not rejected or given.words in str(rejected[-1].problem)
    assert (["n1"], []) == everything(adapter, Note)
    assert given.content == file.read_bytes()
    assert {"users.json", "notes.json"} >= {path.name for path in tmp_path.iterdir()}


def test_j29_a_link_that_leads_out_of_the_folder_is_refused(opened, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "users.json"
    outside.write_bytes(users())
    (tmp_path / "users.json").symlink_to(outside)
    with pytest.raises(UnreadableRecordError, match="out of"):
        everything(opened())


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read any file; the acceptance tests drop to a user"
)
def test_j30_a_file_that_may_not_be_read_is_named(opened, tmp_path):
    file = tmp_path / "users.json"
    file.write_bytes(users())
    file.chmod(0)
    with pytest.raises(UnreadableRecordError, match=r"users\.json"):
        everything(opened())


@pytest.mark.parametrize(
    "name", ["users.json~", "users.json.tmp", ".users.json.swp", "users (1).json"]
)
def test_j33_what_an_editor_leaves_behind_is_ignored_with_a_notice(opened, tmp_path, name):
    (tmp_path / "users.json").write_bytes(users())
    (tmp_path / name).write_bytes(b"rubbish")
    adapter = opened()
    assert (["good"], []) == everything(adapter)
    assert any(name in f"{one.subject} {one.problem}" for one in adapter.examine())
    assert b"rubbish" == (tmp_path / name).read_bytes()


def test_a_file_that_the_configuration_names_must_be_there(opened):
    with pytest.raises(UnreadableRecordError, match=r"users\.json"):
        everything(opened())


def test_regression_30_a_missing_file_of_its_own_name_is_empty_and_not_made(opened, tmp_path):
    (tmp_path / "users.json").write_bytes(users())
    assert ([], []) == everything(opened(), Note)
    assert not (tmp_path / "notes.json").exists()


def test_a_directory_in_place_of_a_file_is_refused(opened, tmp_path):
    (tmp_path / "users.json").mkdir()
    with pytest.raises(UnreadableRecordError, match=r"users\.json"):
        everything(opened())


def test_a_fifo_in_place_of_a_file_is_refused(opened, tmp_path):
    os.mkfifo(tmp_path / "users.json")
    with pytest.raises(UnreadableRecordError, match=r"users\.json"):
        everything(opened())


@pytest.mark.parametrize("pretty", [True, False])
def test_j31_a_large_file_is_read_in_bounded_memory(opened, tmp_path, pretty):
    file = Path(tmp_path / "users.json")
    separator = b",\n" if pretty else b","
    record = b'{"id": "u%06d", "name": "' + b"x" * 400 + b'"}'
    with file.open("wb") as stream:
        stream.write(b'{"users": [' + GOOD)
        for number in range(25_000):
            stream.write(separator + record % number)
        stream.write(b"]}")
    script = tmp_path / "read.py"
    script.write_text(SCRIPT.format(folder=str(tmp_path), tests=str(Path(__file__).parent)))
    import subprocess
    import sys

    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    count, peak_kib = map(int, ran.stdout.split())
    assert 25_001 == count
    assert 16 * 1024 > peak_kib, "bounded by blocks, not by the file's 11 MB"


SCRIPT = """
import importlib.util, sys, tracemalloc
from pathlib import Path
spec = importlib.util.spec_from_file_location("bad_files", Path({tests!r}) / "test_bad_files.py")
bad = importlib.util.module_from_spec(spec); sys.modules["bad_files"] = bad
spec.loader.exec_module(bad)
folder = Path({folder!r})
settings = bad.JsonAdapter.Settings(path=str(folder))
places = {{"users": bad.JsonAdapter.EntitySettings(file="users.json", records="users")}}
entities = bad.Entities([bad.entity_of(bad.User)])
adapter = bad.JsonAdapter(bad.Opening("json", settings, entities, places, folder, bad.Use.SOURCE))
tracemalloc.start()
collection, cursor, count = adapter.collection(bad.entity_of(bad.User)), None, 0
while True:
    page = collection.scan(cursor, 1000)
    count += len(page.records)
    cursor = page.cursor
    if cursor is None:
        break
print(count, tracemalloc.get_traced_memory()[1] // 1024)
"""
