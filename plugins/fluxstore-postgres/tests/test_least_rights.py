"""The roles of ``sql/roles/fluxstore.sql`` suffice: one to migrate and change phases, one to serve.

The whole suite runs under the first: FLUXSTORE_TESTS_WITH_LEAST_RIGHTS=1 pytest (see the README).
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from fluxstore.adapter import Control, Use
from fluxstore.entity import entity_of
from fluxstore.errors import AccessError
from fluxstore.query import Query
from fluxstore.records import Delete, Put, Record, Version, Versioned
from fluxstore.testing.entities import ENTITIES, Album, Track

pytestmark = pytest.mark.postgres
ALBUMS, TRACKS = entity_of(Album), entity_of(Track)
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "dual_write", "m1")
FOLLOWER = Control(3, "follower", "dual_write", "m1")


@pytest.fixture
def migrator(sign_in: Any, open_adapter: Any) -> Any:
    made = open_adapter(sign_in("fluxstore_migrator"), use=Use.TARGET)
    made.prepare(list(ENTITIES.values()))
    return made


@pytest.fixture
def app(migrator: Any, sign_in: Any, grant_rights: Any, open_adapter: Any) -> Any:
    grant_rights()
    return open_adapter(sign_in("fluxstore_app"))


def test_an_application_serves_with_rows_alone(migrator: Any, app: Any) -> None:
    migrator.ledger.set_control("*", None, DUAL)
    albums = app.collection(ALBUMS)
    made = albums.commit([Put("a", {"id": "a", "name": "x"})], op_id="op-1")
    with app.transaction([ALBUMS, TRACKS]):
        albums.commit([Put("b", {"id": "b", "name": "x"}), Delete("a")], op_id="op-2")

    assert Version(1, 1) == made["a"].version
    assert {"b"} == set(albums.governed.read(["a", "b"]))
    assert 1 == albums.governed.count(Query())
    assert 2 == app.ledger.clear(app.ledger.marks("albums", 9))
    assert ("op-1", "op-2") == tuple(app.ledger.operations("albums", ["a"])["a"])


def test_an_application_follows_too(migrator: Any, app: Any) -> None:
    migrator.ledger.set_control("*", None, FOLLOWER)
    albums = app.collection(ALBUMS)
    record = Record("a", {"id": "a", "name": "x"})
    applied = albums.apply_if_newer([Versioned("a", Version(3, 2), record, ("op-1",))], epoch=3)

    assert [True] == list(applied)
    assert {"a"} == set(albums.read(["a"]))


def test_an_application_undoes_the_seal_of_one_that_died(migrator: Any, app: Any) -> None:
    migrator.ledger.set_control("*", None, DUAL)
    migrator.ledger.set_control("*", DUAL, SEALED)
    with app.ledger.lease("migration"):
        assert app.ledger.set_control("*", SEALED, Control(2, "authority", "dual_write", "m1"))
    app.ledger.set_fact("noted", [1])

    assert [1] == app.ledger.fact("noted")


def test_an_application_makes_and_drops_nothing(migrator: Any, app: Any, postgres_dsn: str) -> None:
    with pytest.raises(AccessError, match="doctor"):
        app.ledger.set_control("*", None, DUAL)
    assert {} == migrator.ledger.controls()
    with psycopg.connect(app.target.conninfo, autocommit=True) as client:
        for statement in (
            "DROP TABLE albums",
            "TRUNCATE albums",
            "ALTER TABLE albums ADD note text",
            "CREATE TABLE mine (id text)",
            "CREATE SCHEMA mine",
            "DELETE FROM fluxstore.steps",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(statement.encode())


def test_a_migrator_changes_phases_and_takes_control_away(migrator: Any) -> None:
    ledger = migrator.ledger
    assert ledger.set_control("*", None, DUAL)
    assert ledger.set_control("*", DUAL, None, purge=True)
    assert [] == [one for one in migrator.examine() if one.subject == "rights"]
