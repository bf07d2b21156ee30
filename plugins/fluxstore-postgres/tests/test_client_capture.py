"""``capture = "client"``: the ledger kept by our own statements, where no trigger may be made."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Capability, Control
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import AccessError, SealedError, StalePhaseError
from fluxstore.records import Delete, Intent, Put, Version
from fluxstore.testing.entities import Album, Area, Desk, Room, Site

pytestmark = pytest.mark.postgres
ALBUMS = entity_of(Album)
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "dual_write", "m1")
FOLLOWER = Control(3, "follower", "dual_write", "m1")
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
ADOPTED = """
    CREATE TABLE areas (id text PRIMARY KEY, parent_id text);
    CREATE TABLE sites (id text PRIMARY KEY,
                        area_id text REFERENCES areas (id) ON DELETE CASCADE);
    CREATE TABLE rooms (id text PRIMARY KEY,
                        site_id text REFERENCES sites (id) ON DELETE CASCADE);
    CREATE TABLE desks (id text PRIMARY KEY,
                        room_id text REFERENCES rooms (id) ON DELETE SET NULL);
"""


def album(key: str, **values: Any) -> Put:
    return Put(key, {"id": key, "name": "", **values}, Intent.REPLACE)


def marks(adapter: Any, entity: str = "albums") -> dict[Any, Version]:
    return {mark.key: mark.version for mark in adapter.ledger.marks(entity, 100)}


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn, capture="client")
    made.collection(ALBUMS).commit([album("a"), album("b")])
    return made


def test_no_trigger_is_made_and_the_ledger_is_the_same(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    made = adapter.collection(ALBUMS).commit([album("a", name="x")], op_id="op-1")
    adapter.collection(ALBUMS).commit([Delete("b"), album("c")], op_id="op-2")

    assert (0,) == sql.execute(TRIGGERS).fetchone()
    assert Version(1, 2) == made["a"].version
    expected = {"a": Version(1, 2), "b": Version(1, 2, True), "c": Version(1, 1)}
    assert expected == marks(adapter)
    assert {"a": ("op-1",)} == dict(adapter.ledger.operations("albums", ["a"]))


def test_what_missed_or_was_refused_leaves_no_version(adapter: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    albums = adapter.collection(ALBUMS)
    with pytest.raises(Exception, match="there already"):
        albums.commit([Put("a", {"id": "a", "name": ""}, Intent.CREATE)], op_id="op-1")
    with pytest.raises(Exception, match="no such record"):
        albums.commit([Delete("none")], op_id="op-2")
    adapter.ledger.set_control("*", DUAL, SEALED)
    with pytest.raises(SealedError):
        albums.commit([Delete("none")], op_id="op-3")

    assert {} == marks(adapter)


def test_a_repeated_operation_is_refused_by_a_side_that_is_no_authority_any_more(
    adapter: Any,
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    adapter.collection(ALBUMS).commit([Delete("a")], op_id="op-1")
    adapter.ledger.set_control("*", DUAL, FOLLOWER)

    with pytest.raises(StalePhaseError):
        adapter.collection(ALBUMS).commit([Delete("a")], op_id="op-1")


@pytest.mark.parametrize("has_keys", [True, False], ids=["foreign keys", "tables being filled"])
def test_what_a_cascade_takes_along_is_in_the_ledger(
    adapter: Any, sql: psycopg.Connection[Any], has_keys: bool
) -> None:
    chain = [entity_of(one) for one in (Area, Site, Room, Desk)]
    if has_keys:
        sql.execute(ADOPTED.encode())
        adapter.database.look()
    else:
        adapter.prepare(chain)
    adapter.ledger.set_control("*", None, DUAL)
    rows = [{"id": "x"}, *({"id": "x", name: "x"} for name in ("area_id", "site_id", "room_id"))]
    for entity, row in zip(chain, rows, strict=True):
        adapter.collection(entity).commit([Put("x", row)], op_id=f"made {entity.name}")
    adapter.collection(chain[0]).commit([Delete("x")], op_id="gone")

    expected = [Version(1, 2, True)] * 3 + [Version(1, 2)]
    assert expected == [marks(adapter, one.name)["x"] for one in chain]
    assert [0, 0, 0, 1] == [len(adapter.collection(one).read(["x"])) for one in chain]


def test_a_child_that_comes_during_the_delete_of_its_parent_is_noted_too(
    adapter: Any, sql: psycopg.Connection[Any], postgres_dsn: str
) -> None:
    areas, sites = entity_of(Area), entity_of(Site)
    adapter.collection(areas).commit([Put("x", {"id": "x"})])
    adapter.collection(sites).commit([Put("first", {"id": "first", "area_id": "x"})])
    adapter.ledger.set_control("*", None, DUAL)
    entered, left = threading.Event(), threading.Event()

    def add() -> None:
        with adapter.transaction([sites]):
            adapter.collection(sites).commit([Put("late", {"id": "late", "area_id": "x"})])
            entered.set()
            left.wait(30)

    adding = threading.Thread(target=add)
    deleting = threading.Thread(target=lambda: adapter.collection(areas).commit([Delete("x")]))
    adding.start()
    assert entered.wait(30)
    deleting.start()
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while sql.execute(waiting).fetchone() is None:
        assert deleting.is_alive()
    left.set()
    adding.join(30)
    deleting.join(30)

    gone = {key: one.deleted for key, one in marks(adapter, "sites").items()}
    assert {"first": True, "late": True} == gone
    assert {} == adapter.collection(sites).read(["first", "late"])


def test_beside_a_process_with_triggers_nothing_is_lost(
    adapter: Any, open_adapter: Any, postgres_dsn: str
) -> None:
    other = open_adapter(postgres_dsn)
    other.ledger.set_control("*", None, Control(1, "authority", "off", "m1"))
    adapter.ledger.set_control("*", Control(1, "authority", "off", "m1"), DUAL)
    other.collection(ALBUMS).commit([album("a", name="theirs")], op_id="op-1")
    adapter.collection(ALBUMS).commit([album("b", name="ours")], op_id="op-2")

    assert {"a", "b"} == set(marks(adapter))
    assert adapter.ledger.set_control("*", DUAL, SEALED)
    for one in (adapter, other):
        with pytest.raises(SealedError):
            one.collection(ALBUMS).commit([album("a", name="late")], op_id="op-3")


@pytest.fixture
def not_the_owner(superuser: psycopg.Connection[Any], new_role: str, postgres_dsn: str) -> str:
    """The conninfo of a role that may do all but be the owner of a table that was there before."""
    superuser.execute(
        b"CREATE TABLE albums (id text PRIMARY KEY, name text NOT NULL,"
        b" released timestamptz, price numeric)"
    )
    database = superuser.info.dbname
    for text in (
        SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON albums TO {role}"),
        SQL("GRANT CREATE, TEMPORARY ON DATABASE {database} TO {role}"),
    ):
        superuser.execute(text.format(role=Identifier(new_role), database=Identifier(database)))
    return make_conninfo(postgres_dsn, user=new_role)


def test_without_the_right_to_make_triggers_the_error_names_the_setting_and_the_sql(
    not_the_owner: str, open_adapter: Any
) -> None:
    made = open_adapter(not_the_owner, Entities([ALBUMS]))

    with pytest.raises(AccessError, match=r'say capture = "client" in \[backends.pg\]') as caught:
        made.ledger.set_control("*", None, DUAL)
    assert any("OWNER TO" in one for one in caught.value.statements)
    assert {} == made.ledger.controls()


def test_the_setting_does_without_that_right(not_the_owner: str, open_adapter: Any) -> None:
    made = open_adapter(not_the_owner, Entities([ALBUMS]), capture="client")
    assert made.ledger.set_control("*", None, DUAL)
    made.collection(ALBUMS).commit([album("a")], op_id="op-1")

    assert {"a": Version(1, 1)} == marks(made)
    assert [] == [one.problem for one in made.examine() if "triggers" in one.problem]


def test_it_says_what_is_not_captured(adapter: Any) -> None:
    assert Capability.CAPTURE not in adapter.capabilities
    said = [one for one in adapter.examine() if one.subject == "capture"]
    assert ["what other programs write is neither captured nor refused"] == [
        one.problem.partition(": ")[2] for one in said
    ]
    assert not said[0].blocks
