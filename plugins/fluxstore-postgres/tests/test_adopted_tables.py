"""Tables that were there before: other names, other types, no residue column, no foreign keys."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest

from fluxstore import entity, field
from fluxstore.adapter import Batch, Use
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import (
    ConfigError,
    ConstraintError,
    FluxstoreError,
    RecordExistsError,
    RecordNotFoundError,
    UnreadableRecordError,
)
from fluxstore.query import Filter, Operator, Order, Query
from fluxstore.records import Delete, Intent, Put, Reason, Record, Residue
from fluxstore_postgres.settings import EntitySettings

pytestmark = pytest.mark.postgres
IDENT = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
OTHER = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@entity("members")
class Member:
    id: str
    email: str = field(unique=True)
    level: Literal["low", "high"] = "low"
    points: int = 0
    share: Decimal | None = None
    note: str | None = None
    born: datetime | None = None
    tags: list[str] = field(factory=list)
    more: dict[str, Any] = field(factory=dict)


@entity("visits", key=("member_id", "place"))
class Visit:
    member_id: str = field(references="members", on_delete="cascade")
    place: str
    times: int = 1


@entity("cards")
class Card:
    id: UUID
    member_id: str | None = field(default=None, references="members", on_delete="set_null")


@entity("shops")
class Shop:
    id: str


SHOPS = entity_of(Shop)
ENTITIES = Entities([entity_of(Member), entity_of(Visit), entity_of(Card)])
MEMBERS, VISITS, CARDS = ENTITIES.values()
TABLES = """
CREATE SCHEMA crm;
CREATE TYPE crm.level AS ENUM ('low', 'high');
CREATE TABLE crm.app_members (
    uid     uuid PRIMARY KEY,
    mail    varchar(20) NOT NULL UNIQUE,
    level   crm.level NOT NULL DEFAULT 'low',
    points  integer NOT NULL CHECK (points < 1000),
    share   numeric(5, 2),
    note    text NOT NULL DEFAULT '',
    born    timestamp,
    tags    varchar(10)[],
    more    json,
    visits  bigint NOT NULL DEFAULT 7
);
CREATE TABLE crm.visits (
    member_id uuid, place text, times smallint NOT NULL, PRIMARY KEY (member_id, place)
);
CREATE TABLE cards (id uuid PRIMARY KEY, member_id text COLLATE "C");
"""
OWN = {
    "members": EntitySettings(table="crm.app_members", columns={"id": "uid", "email": "mail"}),
    "visits": EntitySettings(table="crm.visits"),
}


def member(key: str = IDENT, **values: Any) -> dict[str, Any]:
    given = {"note": "", "email": f"{key[:8]}@x", **values}
    return {
        "id": key, "level": "low", "points": 0, "share": None, "born": None,
        "tags": [], "more": {}, **given,
    }  # fmt: skip


def put(key: str = IDENT, *, residue: Residue | None = None, **values: Any) -> Put:
    return Put(key, member(key, **values), Intent.REPLACE, residue)


@pytest.fixture
def members(adapter: Any) -> Any:
    return adapter.collection(MEMBERS)


@pytest.fixture
def adapter(postgres_dsn: str, sql: psycopg.Connection[Any], open_adapter: Any) -> Any:
    sql.execute(TABLES)
    return open_adapter(postgres_dsn, ENTITIES, own=OWN)


def test_a_record_lands_in_the_columns_that_are_there(members: Any, sql: Any) -> None:
    values = member(
        points=7, share=Decimal("1.50"), note="n", born=NOON, tags=["a", 'b"\\'], more={"x": [1]}
    )
    members.commit([Put(IDENT, values)])

    assert dict(members.read([IDENT])[IDENT].values) == values
    row = sql.execute(
        "SELECT uid::text, mail, level::text, points, share, born::text, tags, more, visits "
        "FROM crm.app_members"
    ).fetchone()
    assert row == (
        IDENT, "6ba7b810@x", "low", 7, Decimal("1.50"), "2026-01-02 12:00:00",
        ["a", 'b"\\'], {"x": [1]}, 7,
    )  # fmt: skip


def test_columns_that_no_field_has_stay_as_they_are(members: Any, sql: Any) -> None:
    members.commit([put()])
    sql.execute("UPDATE crm.app_members SET visits = 99")
    members.commit([put(points=5)])
    members.merge(Batch([Record(IDENT, member(points=6))]))

    assert sql.execute("SELECT points, visits FROM crm.app_members").fetchone() == (6, 99)


def test_rows_of_other_clients_are_records(members: Any, sql: Any) -> None:
    sql.execute(
        "INSERT INTO crm.app_members (uid, mail, points, born) VALUES (%s, 'a@x', 3, %s)",
        [IDENT, datetime(2026, 1, 2, 12)],  # noqa: DTZ001 - the column has no offset
    )

    found = members.read([IDENT])[IDENT].values

    assert found["born"] == NOON
    assert (found["points"], found["tags"], found["more"]) == (3, None, None)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("email", "x" * 21),
        ("level", "middle"),
        ("points", 2**31),
        ("points", 1000),
        ("share", Decimal("1.234")),
        ("share", Decimal(1000)),
        ("note", None),
        ("tags", ["x" * 11]),
    ],
)
def test_what_a_column_would_cut_round_or_refuse_is_refused_by_name(
    members: Any, field_name: str, value: Any
) -> None:
    with pytest.raises(ConstraintError) as caught:
        members.commit([put(**{field_name: value})])

    assert (caught.value.rule, caught.value.fields) == ("check", (field_name,))
    assert members.read([IDENT]) == {}


@pytest.mark.parametrize("key", ["1700000000000", IDENT.upper(), "{" + IDENT + "}", "x"])
def test_a_key_that_is_no_uuid_is_refused_and_never_found(members: Any, key: str) -> None:
    with pytest.raises(ConstraintError):
        members.commit([put(key)])
    refused = members.merge(Batch([Record(key, member(key)), Record(OTHER, member(OTHER))])).refused

    assert [one.problem.reason for one in refused] == [Reason.UNREPRESENTABLE]
    assert refused[0].problem.field == "id"
    assert members.read([key]) == {}
    assert set(members.read([key, OTHER])) == {OTHER}


def test_every_verb_works_beside_the_tables_own_names(members: Any) -> None:
    members.commit([Put(IDENT, member(), Intent.CREATE)])
    with pytest.raises(RecordExistsError):
        members.commit([Put(IDENT, member(), Intent.CREATE)])
    changed = members.commit([Put(IDENT, {"points": 2}, Intent.CHANGE)])
    with pytest.raises(RecordNotFoundError):
        members.commit([Put(OTHER, {"points": 2}, Intent.CHANGE)])

    assert changed[IDENT].values["points"] == 2
    members.commit([put(OTHER, points=9)])
    by_points = Query(order=(Order("points", descending=True),))
    assert [one.key for one in members.find(by_points).records] == [OTHER, IDENT]
    starts = Query((Filter("id", Operator.STARTS_WITH, "6ba7b811"),))
    assert [one.key for one in members.find(starts).records] == [OTHER]
    assert members.count(Query((Filter("level", Operator.EQ, "low"),))) == 2
    page = members.scan(None, 1)
    rest = members.scan(page.cursor, 1)
    assert [one.key for one in (*page.records, *rest.records)] == [IDENT, OTHER]
    members.commit([Delete(IDENT)])
    assert set(members.read([IDENT, OTHER])) == {OTHER}


def test_residue_is_kept_in_a_side_table(members: Any, adapter: Any, sql: Any) -> None:
    residue = Residue(extras={"nick": "Ada"}, spelling={"born": "2026-01-02T13:00:00+01:00"})
    missing = {k: v for k, v in member(born=NOON).items() if k != "share"}
    members.commit([Put(IDENT, missing, residue=residue)])

    found = members.read([IDENT])[IDENT]
    assert found.residue == residue
    assert "share" not in found.values
    members.commit([Put(IDENT, {"points": 1}, Intent.CHANGE)])
    assert members.read([IDENT])[IDENT].residue == residue
    members.commit([Put(IDENT, {"share": None}, Intent.CHANGE)])
    assert members.read([IDENT])[IDENT].values["share"] is None
    members.commit([Delete(IDENT)])
    members.commit([put()])
    assert members.read([IDENT])[IDENT].residue == Residue()
    assert sql.execute("SELECT count(*) FROM fluxstore.residue").fetchone() == (0,)


def test_a_table_that_needs_no_residue_needs_no_ledger(members: Any, sql: Any) -> None:
    members.commit([put(), put(OTHER)])
    members.read([IDENT])

    assert sql.execute("SELECT to_regnamespace('fluxstore')").fetchone() == (None,)


def test_a_merge_writes_what_differs_with_its_residue(members: Any) -> None:
    records = [
        Record(IDENT, member(), Residue(extras={"x": 1})),
        Record(OTHER, {k: v for k, v in member(OTHER).items() if k != "share"}),
    ]
    first = members.merge(Batch(records))
    again = members.merge(Batch(records))
    changed = members.merge(Batch([Record(IDENT, member()), records[1]]))

    assert (first.written, first.unchanged, first.refused) == (2, 0, ())
    assert (again.written, again.unchanged) == (0, 2)
    assert (changed.written, changed.unchanged) == (1, 1)
    assert members.read([IDENT])[IDENT].residue == Residue()
    assert "share" not in members.read([OTHER])[OTHER].values


def test_residue_of_rows_that_are_gone_does_not_come_back_with_others_of_their_keys(
    members: Any, sql: Any, postgres_dsn: str, open_adapter: Any
) -> None:
    members.merge(Batch([Record(key, member(key), Residue({"x": 1})) for key in (IDENT, OTHER)]))
    sql.execute("TRUNCATE crm.app_members")
    later = open_adapter(postgres_dsn, ENTITIES, own=OWN).collection(MEMBERS)
    records = [Record(key, member(key)) for key in (IDENT, OTHER)]

    merged = later.merge(Batch(records))

    assert (2, 0) == (merged.written, merged.unchanged)
    assert [{}, {}] == [later.read([key])[key].residue.extras for key in (IDENT, OTHER)]


def test_bad_records_of_a_batch_are_refused_singly(members: Any) -> None:
    keys = [f"6ba7b810-9dad-11d1-80b4-0000000000{n:02}" for n in range(40)]
    records = [Record(key, member(key, email=f"{n}@x")) for n, key in enumerate(keys)]
    records[7] = Record(keys[7], member(keys[7], email="7@x", points=1000))
    records[9] = Record(keys[9], member(keys[9], email="8@x"))
    records[30] = Record(keys[30], member(keys[30], email="x" * 30))

    foreseen = members.foresee(records)
    merged = members.merge(Batch(records))

    reasons = {one.problem.key: one.problem.reason for one in merged.refused}
    assert reasons == {
        keys[7]: Reason.CHECK,
        keys[9]: Reason.UNIQUE,
        keys[30]: Reason.UNREPRESENTABLE,
    }
    assert {one.problem for one in foreseen} == {one.problem for one in merged.refused}
    assert merged.written == 37
    assert members.count(Query()) == 37


def test_a_reference_without_a_foreign_key_is_looked_after(adapter: Any, members: Any) -> None:
    visits, cards = adapter.collection(VISITS), adapter.collection(CARDS)
    visit = {"member_id": IDENT, "place": "p", "times": 1}
    with pytest.raises(ConstraintError) as caught:
        visits.commit([Put((IDENT, "p"), visit)])
    refused = visits.merge(Batch([Record((IDENT, "p"), visit)])).refused
    members.commit([put(), put(OTHER)])
    visits.commit([Put((IDENT, "p"), visit)])
    visits.commit([Put((OTHER, "p"), {**visit, "member_id": OTHER})])
    card = UUID(int=1)
    cards.commit([Put(card, {"id": card, "member_id": IDENT})])
    members.commit([Delete(IDENT)])

    assert (caught.value.rule, caught.value.fields) == ("reference", ("member_id",))
    assert [one.problem.reason for one in refused] == [Reason.REFERENCE]
    assert [one.key for one in visits.find(Query()).records] == [(OTHER, "p")]
    assert cards.read([card])[card].values["member_id"] is None


def test_what_python_cannot_hold_is_named_and_the_rest_is_read(members: Any, sql: Any) -> None:
    members.commit([put(), put(OTHER)])
    sql.execute("UPDATE crm.app_members SET born = 'infinity' WHERE uid = %s", [IDENT])

    with pytest.raises(UnreadableRecordError):
        members.read([IDENT])
    page = members.scan(None, 10)

    assert [one.key for one in page.records] == [OTHER]
    assert [one.problem.key for one in page.rejected] == [IDENT]
    assert b"infinity" in page.rejected[0].raw


def test_a_value_that_is_no_choice_is_named_and_the_rest_is_read(members: Any, sql: Any) -> None:
    members.commit([put(), put(OTHER)])
    sql.execute("ALTER TYPE crm.level ADD VALUE 'middle'")
    sql.execute("UPDATE crm.app_members SET level = 'middle' WHERE uid = %s", [IDENT])

    with pytest.raises(UnreadableRecordError, match="one of low, high expected"):
        members.read([IDENT])
    page = members.scan(None, 10)

    assert [one.key for one in page.records] == [OTHER]
    assert [(one.problem.field, one.problem.key) for one in page.rejected] == [("level", IDENT)]


MISFITS = {
    "a column is missing": ("ALTER TABLE crm.app_members DROP COLUMN points", "points"),
    "a column is of another type": (
        "ALTER TABLE crm.app_members ALTER share TYPE text", "text",
    ),
    "a strange column must have a value": (
        "ALTER TABLE crm.app_members ADD shop text NOT NULL", "shop",
    ),
    "the key is not unique": (
        "ALTER TABLE crm.app_members DROP CONSTRAINT app_members_pkey", "uid",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_a_table_that_does_not_fit_is_told_before_anything_is_written(
    postgres_dsn: str, sql: Any, open_adapter: Any, case: str
) -> None:
    statement, word = MISFITS[case]
    sql.execute(TABLES)
    sql.execute(statement)
    adapter = open_adapter(postgres_dsn, ENTITIES, own=OWN)

    with pytest.raises(ConfigError, match=word):
        adapter.collection(MEMBERS).commit([put()])
    assert [one.subject for one in adapter.examine() if one.blocks and word in one.problem]
    assert [one for one in adapter.differences() if one.blocks and word in one.problem]
    adapter.collection(CARDS).commit([Put(UUID(int=1), {"id": UUID(int=1), "member_id": None})])


def test_a_source_without_the_table_is_an_error_and_makes_nothing(
    postgres_dsn: str, sql: Any, open_adapter: Any
) -> None:
    adapter = open_adapter(postgres_dsn, ENTITIES, use=Use.SOURCE)

    with pytest.raises(ConfigError, match=r"public\.members"):
        adapter.collection(MEMBERS).read([IDENT])
    with pytest.raises(FluxstoreError):
        adapter.collection(MEMBERS).commit([put()])
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', %s)"
    assert sql.execute(tables, ["information_schema"]).fetchone() == (0,)


def test_a_table_in_another_order_is_scanned_by_code_point_and_sorted_once(
    postgres_dsn: str, sql: Any, open_adapter: Any
) -> None:
    sql.execute("CREATE TABLE shops (id varchar(9) PRIMARY KEY)")  # no index in key order
    adapter = open_adapter(postgres_dsn, Entities([SHOPS]))
    shops = adapter.collection(SHOPS)
    names = ["b", "a", "B", "A", "ä", "Z", "10", "9"]
    shops.commit([Put(name, {"id": name}) for name in names])

    found, cursor, more = [], None, True
    while more:
        page = shops.scan(cursor, 3)
        found += [one.key for one in page.records]
        cursor, more = page.cursor, page.cursor is not None
    again = shops.scan("B", 3)
    with adapter.snapshot():
        sql.execute("DELETE FROM shops")
        first = shops.scan(None, 5)
        second = shops.scan(first.cursor, 5)

    assert found == sorted(names)
    assert [one.key for one in again.records] == ["Z", "a", "b"]
    assert [one.key for one in (*first.records, *second.records)] == sorted(names)
    assert shops.scan(None, 5).records == ()
