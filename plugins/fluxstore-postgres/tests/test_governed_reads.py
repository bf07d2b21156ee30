"""Control is asked in a read's own statement, whatever the planner knows about the rest."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from fluxstore.adapter import Control
from fluxstore.entity import entity_of
from fluxstore.errors import StalePhaseError
from fluxstore.query import Filter, Operator, Query
from fluxstore.records import Intent, Put
from fluxstore.testing.entities import Album, Track
from fluxstore_postgres import conditions
from fluxstore_postgres.record_statements import RecordStatements

pytestmark = pytest.mark.postgres
ALBUMS, TRACKS = entity_of(Album), entity_of(Track)
AUTHORITY = Control(1, "authority", "off", "m1")
FOLLOWER = Control(2, "follower", "dual_write", "m1")
NOTHING = Query((Filter("name", Operator.ONE_OF, ()),))
QUERIES = (Query(), NOTHING, Query((Filter("id", Operator.IS_NULL, True),), limit=3))


def album(key: str) -> Put:
    return Put(key, {"id": key, "name": ""}, Intent.REPLACE)


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn)
    made.collection(ALBUMS).commit([album("a"), album("b")])
    return made


def plan(sql: psycopg.Connection[Any], asked: Any, params: Any) -> list[str]:
    cursor = psycopg.ClientCursor(sql)
    text = cursor.mogrify(asked.text.decode(), params)
    return [row[0] for row in sql.execute(f"EXPLAIN (ANALYZE, VERBOSE) {text}")]


def test_the_check_is_evaluated_once_and_before_any_record_is_looked_for(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    adapter.ledger.set_control("*", None, AUTHORITY)
    statements = RecordStatements(adapter.database.table(ALBUMS), "fluxstore", governed=True)
    asked = [(statements.read_one, ["a"]), (statements.read_one, ["none"])]
    for query in QUERIES:
        for make in (conditions.find, conditions.count):
            one = make(statements, query)
            asked.append((one.statement, one.params))

    for statement, params in asked:
        lines = plan(sql, statement, params)
        assert lines[0].startswith("Result"), lines
        gates = [line for line in lines if "One-Time Filter" in line and "serves" in line]
        assert 1 == len(gates), lines
        assert any("One-Time Filter: fluxstore.serves" in line for line in lines[:3]), lines


@pytest.mark.parametrize("query", QUERIES)
def test_what_the_planner_knows_to_be_empty_is_refused_all_the_same(
    adapter: Any, query: Query
) -> None:
    adapter.ledger.set_control("*", None, FOLLOWER)
    governed = adapter.collection(ALBUMS).governed

    with pytest.raises(StalePhaseError):
        governed.find(query)
    with pytest.raises(StalePhaseError):
        governed.count(query)


def test_an_empty_table_and_one_that_is_not_there_are_refused(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, FOLLOWER)
    sql.execute("SET fluxstore.mode = 'apply'")
    sql.execute("DELETE FROM albums")
    for entity in (ALBUMS, TRACKS):
        governed = adapter.collection(entity).governed
        for read in (
            lambda reads=governed: reads.read(["none"]),
            lambda reads=governed: reads.read(["none", "nor this"]),
            lambda reads=governed: reads.find(Query()),
            lambda reads=governed: reads.count(Query()),
        ):
            with pytest.raises(StalePhaseError):
                read()


def test_a_read_sees_control_as_its_own_snapshot_does(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    adapter.ledger.set_control("*", None, AUTHORITY)
    sql.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    sql.execute("SELECT 1")
    adapter.ledger.set_control("*", AUTHORITY, FOLLOWER)
    older = sql.execute("SELECT count(*) FROM albums WHERE fluxstore.serves('albums')").fetchone()
    sql.execute("COMMIT")

    assert (2,) == older
    with pytest.raises(psycopg.Error, match="albums is follower since epoch 2"):
        sql.execute("SELECT count(*) FROM albums WHERE fluxstore.serves('albums')")


def test_a_ledger_is_not_needed_and_is_noticed_when_it_comes(
    adapter: Any, open_adapter: Any, postgres_dsn: str, sql: Any
) -> None:
    governed = adapter.collection(ALBUMS).governed
    assert {"a"} == set(governed.read(["a", "none"]))
    assert 2 == governed.count(Query())
    assert (None,) == sql.execute("SELECT to_regnamespace('fluxstore')").fetchone()
    open_adapter(postgres_dsn).ledger.set_control("*", None, FOLLOWER)

    with pytest.raises(StalePhaseError):
        governed.read(["a"])
    with pytest.raises(StalePhaseError):
        governed.find(Query())
    assert {"a"} == set(adapter.collection(ALBUMS).read(["a"]))
