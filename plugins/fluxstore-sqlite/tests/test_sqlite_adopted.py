"""Tables that were there before: columns found, spellings understood, nothing changed unasked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest

from fluxstore.adapter import Batch, Use
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConfigError, ConstraintError, UnreadableRecordError
from fluxstore.query import Filter, Operator, Order, Query
from fluxstore.records import Delete, Intent, Put, Reason, Record, Residue
from fluxstore_sqlite.settings import EntitySettings


@entity("users")
class User:
    id: str
    email: str | None = field(default=None, unique=True)
    age: int | None = None
    score: float = 0.0
    active: bool = True
    tags: list[str] = field(factory=list)
    created_at: datetime | None = None
    token: UUID | None = None
    price: Decimal | None = None


@entity("posts")
class Post:
    id: int
    user_id: str = field(references="users", on_delete="cascade")
    title: str = ""


ENTITIES = Entities([entity_of(User), entity_of(Post)])
USERS = EntitySettings(table="app_users", columns={"email": "mail", "created_at": "createdAt"})
SCHEMA = (
    """CREATE TABLE app_users (
        id VARCHAR(40) PRIMARY KEY, mail TEXT COLLATE NOCASE, age INT, score DOUBLE DEFAULT 0,
        active BOOLEAN DEFAULT 1, tags JSON DEFAULT '[]', createdAt DATETIME, token CHAR(36),
        price TEXT, legacy TEXT DEFAULT 'kept')""",
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id TEXT, title TEXT DEFAULT '')",
)


@pytest.fixture
def adopted(file):
    file.run("PRAGMA journal_mode = delete", *SCHEMA)
    return file


def users_of(file, use: Use = Use.SERVE, **settings: Any):
    adapter = file.open(ENTITIES, use=use, of={"users": attrs.evolve(USERS, **settings)})
    return adapter.collection(ENTITIES["users"])


def found(collection, field: str, operator: Operator, value: Any) -> list[str]:
    query = Query(filters=(Filter(field, operator, value),))
    assert collection.count(query) == len(collection.find(query).records)
    return [record.key for record in collection.find(query).records]


def test_columns_are_matched_by_name_and_as_the_settings_say(adopted):
    adopted.run(
        "INSERT INTO app_users (id, mail, age, createdAt) "
        "VALUES ('u', 'a@x', 5, '2026-01-02T03:04:05+05:30')"
    )
    values = users_of(adopted).read(["u"])["u"].values

    assert ("a@x", 5, 0.0, True, []) == tuple(
        values[name] for name in ("email", "age", "score", "active", "tags")
    )
    assert datetime(2026, 1, 1, 21, 34, 5, tzinfo=UTC) == values["created_at"]


def test_a_field_without_a_column_is_refused_with_what_there_is(adopted):
    adapter = adopted.open(ENTITIES, of={"users": EntitySettings(table="app_users")})

    with pytest.raises(ConfigError, match=r"no column for email, created_at.*mail, age"):
        adapter.collection(ENTITIES["users"]).read(["u"])


def test_reading_changes_neither_table_nor_journal(adopted):
    before = adopted.path.read_bytes()
    assert {} == users_of(adopted).read(["u"])
    adopted.opened[-1].close()

    assert (before, {"app.db"}) == (adopted.path.read_bytes(), adopted.beside())


def test_a_write_leaves_other_columns_alone_and_keeps_residue_beside(adopted):
    adopted.run("INSERT INTO app_users (id, legacy) VALUES ('u', 'old')")
    users = users_of(adopted)
    users.commit([Put("u", {"age": 6}, Intent.CHANGE, Residue(extras={"nick": "U"}))])
    users.commit([Put("v", {"id": "v", "price": Decimal("1.10")})])

    assert [("u", 6, "old"), ("v", None, "kept")] == adopted.run(
        "SELECT id, age, legacy FROM app_users ORDER BY id"
    )
    again = users.read(["u", "v"])
    assert {"nick": "U"} == again["u"].residue.extras
    assert {"id": "v", "price": Decimal("1.10")} == dict(again["v"].values)
    assert "1.10" == str(again["v"].values["price"])
    columns = [row[1] for row in adopted.run("PRAGMA table_info(app_users)")]
    assert "_fluxstore_residue" not in columns


def test_the_residue_of_a_deleted_record_goes_with_it(adopted):
    users = users_of(adopted)
    users.commit([Put("u", {"id": "u"}, residue=Residue(extras={"nick": "U"}))])
    users.commit([Delete("u")])
    users.commit([Put("u", {"id": "u", "age": 1})])

    assert {} == users.read(["u"])["u"].residue.extras


def test_spellings_of_one_value_are_found_and_ordered_as_that_value(adopted):
    adopted.run(
        "INSERT INTO app_users (id, createdAt, token, price) VALUES "
        "('a', '2026-01-02T12:00:00Z', '6BA7B810-9DAD-11D1-80B4-00C04FD430C8', '9'),"
        "('b', '2026-01-02 11:00:00-02:00', NULL, '10.0'),"
        "('c', '2026-01-02T13:30:00+02:00', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '1.5')"
    )
    users = users_of(adopted)
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)

    assert ["a"] == found(users, "created_at", Operator.EQ, noon)
    assert ["b"] == found(users, "created_at", Operator.GT, noon)
    assert ["a", "c"] == found(
        users, "token", Operator.EQ, UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    )
    assert ["a", "b"] == found(users, "price", Operator.GT, Decimal("1.50"))
    ordered = users.find(Query(order=(Order("created_at", descending=True),))).records
    assert ["b", "a", "c"] == [record.key for record in ordered]


def test_text_is_compared_byte_by_byte_whatever_the_column_says(adopted):
    adopted.run("INSERT INTO app_users (id, mail) VALUES ('a', 'A@x'), ('b', 'a@x'), ('c', 'b@x')")
    users = users_of(adopted)

    assert ["b"] == found(users, "email", Operator.EQ, "a@x")
    assert ["a"] == found(users, "email", Operator.STARTS_WITH, "A")
    assert ["a", "b"] == found(users, "email", Operator.LT, "b")


def test_arrays_are_searched_and_a_broken_one_is_named(adopted):
    adopted.run("""INSERT INTO app_users (id, tags) VALUES ('a', '["x", "y"]'), ('b', '[]')""")
    users = users_of(adopted)
    assert ["a"] == found(users, "tags", Operator.CONTAINS, "y")

    adopted.run("INSERT INTO app_users (id, tags) VALUES ('c', '[')")
    with pytest.raises(UnreadableRecordError, match="users c tags: JSON text expected"):
        users.find(Query(filters=(Filter("tags", Operator.CONTAINS, "y"),)))


def test_times_without_an_offset_are_refused_unless_they_are_said_to_be_utc(adopted):
    adopted.run("INSERT INTO app_users (id, createdAt) VALUES ('u', '2026-01-02 03:04:05')")

    (rejected,) = users_of(adopted).scan(None, 10).rejected
    (record,) = users_of(adopted, naive_times="utc").scan(None, 10).records

    assert ("u", "created_at", Reason.NAIVE) == (
        rejected.problem.key,
        rejected.problem.field,
        rejected.problem.reason,
    )
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == record.values["created_at"]
    assert ["u"] == found(
        users_of(adopted, naive_times="utc"),
        "created_at",
        Operator.LT,
        datetime(2026, 1, 2, 4, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("column", "value", "field", "reason"),
    [
        ("age", "'seven'", "age", Reason.TYPE),
        ("age", "1.5", "age", Reason.TYPE),
        ("active", "7", "active", Reason.TYPE),
        ("score", "9e999", "score", Reason.NOT_FINITE),
        ("score", "NULL", "score", Reason.TYPE),
        ("mail", "x'00'", "email", Reason.TYPE),
        ("mail", "'a' || char(0)", "email", Reason.NUL),
        ("createdAt", "1700000000", "created_at", Reason.TYPE),
        ("tags", "'[1]'", "tags[0]", Reason.TYPE),
    ],
)
def test_what_cannot_be_a_field_is_rejected_singly(adopted, column, value, field, reason):
    adopted.run("INSERT INTO app_users (id) VALUES ('bad'), ('good')")
    adopted.run(f"UPDATE app_users SET {column} = {value} WHERE id = 'bad'")

    page = users_of(adopted).scan(None, 10)

    assert ["good"] == [record.key for record in page.records]
    assert [("bad", field, reason)] == [
        (one.problem.key, one.problem.field, one.problem.reason) for one in page.rejected
    ]


def test_rows_without_a_key_are_rejected_and_stop_no_scan(adopted):
    adopted.run("INSERT INTO app_users (id) VALUES (NULL), ('a'), (NULL), ('b'), ('c')")
    users = users_of(adopted)
    keys, rejected, cursor = [], 0, None
    while True:
        page = users.scan(cursor, 1)
        keys += [record.key for record in page.records]
        rejected += len(page.rejected)
        cursor = page.cursor
        if cursor is None:
            break

    assert (["a", "b", "c"], 2) == (keys, rejected)


def test_rules_hold_that_the_table_does_not_know(adopted):
    adapter = adopted.open(ENTITIES, of={"users": USERS})
    users, posts = adapter.collection(ENTITIES["users"]), adapter.collection(ENTITIES["posts"])
    users.commit([Put("u", {"id": "u", "email": "a@x"}), Put("v", {"id": "v", "email": "A@x"})])
    posts.commit([Put(1, {"id": 1, "user_id": "u"}), Put(2, {"id": 2, "user_id": "v"})])

    with pytest.raises(ConstraintError, match="email: unique values expected, record u has them"):
        users.commit([Put("w", {"id": "w", "email": "a@x"})])
    with pytest.raises(ConstraintError, match="user_id: a record of users expected"):
        posts.commit([Put(3, {"id": 3, "user_id": "nobody"})])
    users.commit([Delete("u")])

    assert [(2, "v")] == adopted.run("SELECT id, user_id FROM posts")


def test_two_records_swap_a_unique_value_in_one_merge(adopted):
    users = users_of(adopted)
    users.commit([Put("u", {"id": "u", "email": "u@x"}), Put("v", {"id": "v", "email": "v@x"})])
    swapped = [Record("u", {"id": "u", "email": "v@x"}), Record("v", {"id": "v", "email": "u@x"})]

    merged = users.merge(Batch(swapped))

    assert (2, ()) == (merged.written, merged.refused)
    assert [("u", "v@x"), ("v", "u@x")] == adopted.run("SELECT id, mail FROM app_users ORDER BY id")


def test_a_record_spelt_otherwise_is_equal_and_is_not_written(adopted):
    adopted.run(
        "INSERT INTO app_users (id, createdAt, token, tags) VALUES "
        "('a', '2026-01-02 12:00:00+00:00', '6BA7B810-9DAD-11D1-80B4-00C04FD430C8', '[ \"x\" ]')"
    )
    users = users_of(adopted)

    merged = users.merge(Batch(users.scan(None, 10).records))

    assert (0, 1) == (merged.written, merged.unchanged)
    assert [("2026-01-02 12:00:00+00:00",)] == adopted.run("SELECT createdAt FROM app_users")


@pytest.mark.parametrize(
    ("declared", "column"), [("DECIMAL(10,2)", "price"), ("STRING", "id"), ("REAL", "age")]
)
def test_a_column_that_would_change_values_is_read_and_not_written(file, declared, column):
    schema = SCHEMA[0].replace(f"{column} TEXT", f"{column} {declared}")
    schema = schema.replace(f"{column} VARCHAR(40)", f"{column} {declared}")
    schema = schema.replace(f"{column} INT", f"{column} {declared}")
    file.run(schema, SCHEMA[1], "INSERT INTO app_users (id) VALUES ('u')")
    users = users_of(file)

    assert {"u"} == set(users.read(["u"]))
    with pytest.raises(ConfigError, match=rf"app_users\.{column} is .*would change values"):
        users.commit([Put("v", {"id": "v"})])
    assert [("u",)] == file.run("SELECT id FROM app_users")


def test_doctor_says_what_the_table_lacks(adopted):
    adapter = adopted.open(ENTITIES, of={"users": USERS})
    told = {(finding.subject, finding.problem) for finding in adapter.differences()}

    assert {
        ("app_users", "its key may be NULL; such rows are refused"),
        ("app_users", "nothing in the file keeps email unique, so each write must look for it"),
        ("app_users", "legacy belongs to no field, and is not read"),
    } == told


def test_a_view_can_be_a_source(adopted):
    adopted.run(
        "INSERT INTO app_users (id, mail) VALUES ('a', 'a@x'), ('b', 'b@x')",
        "CREATE VIEW all_users AS SELECT * FROM app_users",
    )
    users = users_of(adopted, use=Use.SOURCE, table="all_users")

    assert ["a", "b"] == [record.key for record in users.scan(None, 10).records]
    with pytest.raises(ConfigError, match="all_users is a view, and takes no writes"):
        users_of(adopted, table="all_users").commit([Put("c", {"id": "c"})])


def test_a_unique_index_of_the_table_s_own_kind_is_obeyed(adopted):
    adopted.run("CREATE UNIQUE INDEX one_mail ON app_users (mail)")
    users = users_of(adopted)
    users.commit([Put("u", {"id": "u", "email": "a@x"})])

    with pytest.raises(ConstraintError, match="email: unique values expected") as caught:
        users.commit([Put("v", {"id": "v", "email": "A@x"})])
    assert ("unique", ("email",)) == (caught.value.rule, caught.value.fields)
    merged = users.merge(Batch([Record("v", {"id": "v", "email": "A@x"})]))
    assert [Reason.UNIQUE] == [one.problem.reason for one in merged.refused]
