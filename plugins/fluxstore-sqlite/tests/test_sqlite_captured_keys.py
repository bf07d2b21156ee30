"""Keys of other programs' writes: spelt as the codec spells them, in any table."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from uuid import UUID

import attrs
import pytest
from ruled import govern, kinds, marks

from fluxstore.codec import Codec
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.records import Delete, Version
from fluxstore.testing.conformance.support import change, collection, put, save
from fluxstore.testing.entities import (
    Album,
    Area,
    ByIdent,
    ByMoment,
    ByNumber,
    Counter,
    Person,
    Place,
    Room,
    Site,
)
from fluxstore_sqlite import collations

# how keys are spelt


@entity("by_all", key=("text", "number", "big", "truth", "ident", "day", "moment"))
class ByAll:
    """Has a key of all kinds that may be one."""

    text: str
    number: int
    big: int = field(bigint=True)
    truth: bool
    ident: UUID
    day: date
    moment: datetime


@entity("by_big")
class ByBig:
    """Has a key of any number of digits."""

    id: int = field(bigint=True)


@entity("by_truth")
class ByTruth:
    """Has a truth for a key."""

    id: bool


@entity("by_time")
class ByTime:
    """Has an instant for a key."""

    id: datetime


IDENT = UUID("01234567-89ab-cdef-0123-456789abcdef")
MOMENTS = [datetime(2026, 1, 2, 3, 4, 5, micro, UTC) for micro in (0, 1000, 120000, 123456, 7)]
KEYED = [
    Album(id='a"\\/\b\t\n\x01\x7f é 😀'),
    ByNumber(id=-(2**63)),
    ByNumber(id=0),
    ByIdent(id=IDENT),
    Place(room_id='a"\\\x1f', person_id="é\x7f"),
    *(ByMoment(day=date(1, 2, 3), moment=moment, truth=True) for moment in MOMENTS),
    *(ByTime(id=moment) for moment in MOMENTS),
    ByTruth(id=True),
    ByTruth(id=False),
    ByBig(id=-(10**40)),
    ByBig(id=0),
    ByAll(
        text="[]", number=7, big=10**30, truth=False, ident=IDENT, day=date(9999, 12, 31),
        moment=MOMENTS[3],
    ),
]  # fmt: skip
CLASSES = (Album, ByNumber, ByIdent, ByMoment, ByAll, ByBig, ByTruth, ByTime)
KEYED_ENTITIES = Entities(entity_of(cls) for cls in (*CLASSES, Place, Room, Site, Area, Person))


@pytest.mark.parametrize("instance", KEYED, ids=lambda one: type(one).__name__)
def test_a_key_is_spelt_as_the_codec_spells_it(file, other, instance):
    adapter = file.open(KEYED_ENTITIES)
    for parent in (Area(id="x"), Site(id="x", area_id="x")) if isinstance(instance, Place) else ():
        save(adapter, parent)
    if isinstance(instance, Place):
        save(adapter, Room(id=instance.room_id, site_id="x"), Person(id=instance.person_id))
    save(adapter, instance)
    govern(adapter)
    driver = other()
    collations.register(driver)
    name = entity_of(type(instance)).name
    driver.execute(f"UPDATE {name} SET _fluxstore_residue = NULL")
    driver.execute(f"DELETE FROM {name}")

    codec = Codec.of(entity_of(type(instance)))
    key = codec.key_of(codec.row(instance))
    assert {key: Version(1, 3, deleted=True)} == marks(adapter, type(instance))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("albums", "''"),
        ("albums", "'a' || char(0)"),
        ("by_ident", "'01234567-89AB-CDEF-0123-456789ABCDEF'"),
        ("by_ident", "'01234567'"),
        ("by_time", "'2026-02-30T03:04:05.000000Z'"),
        ("by_time", "'2026-01-02T03:04:60.000000Z'"),
        ("by_time", "'0000-01-02T03:04:05.000000Z'"),
        ("by_time", "'abcd-01-02T03:04:05.000000Z'"),
    ],
)
def test_a_key_that_no_other_backend_could_have_is_refused(file, table, key):
    adapter = file.open(KEYED_ENTITIES)
    save(adapter, Album(id="a"))
    govern(adapter)

    with pytest.raises(sqlite3.IntegrityError, match=f"a key of {table} as fluxstore spells it"):
        file.run(f"INSERT INTO {table} (id{', name' if table != 'by_time' else ''}) VALUES"
                 f" ({key}{', 1' if table != 'by_time' else ''})")  # fmt: skip


def test_a_row_without_a_key_can_be_mended_and_deleted(file):
    file.run(
        "CREATE TABLE albums (id TEXT PRIMARY KEY, name TEXT, released TEXT, price TEXT)",
        "INSERT INTO albums (id, name) VALUES (NULL, 'lost'), (NULL, 'waste')",
    )
    adapter = file.open(Entities([entity_of(Album)]))
    govern(adapter)
    file.run(
        "UPDATE albums SET id = 'found' WHERE name = 'lost'",
        "DELETE FROM albums WHERE name = 'waste'",
    )

    assert {"found": False} == kinds(adapter, Album)


# adopted tables


ADOPTED = (
    "CREATE TABLE users (Id INTEGER PRIMARY KEY, Mail TEXT, nick TEXT COLLATE NOCASE UNIQUE, age)",
    "CREATE UNIQUE INDEX mails ON users (Mail COLLATE NOCASE)",
    "INSERT INTO users VALUES (1, 'a@x', 'A', 10), (2, 'b@x', 'B', 20)",
)


@entity("users")
class User:
    """Has been in a table of an application's own."""

    id: int
    mail: str
    age: int | None = None


EXPRESSIONS = {
    "lower(Mail)": "A@X",
    "nick, lower( Mail ) COLLATE NOCASE DESC": "A@X",
    "substr(Mail, 1, instr(Mail, '@')) /* before, the @ */, coalesce(\"nick\", ')')": "a@y",
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_adopted_tables_unique_expressions_are_looked_at(file, expression):
    file.run(
        "CREATE TABLE users (Id INTEGER PRIMARY KEY, Mail TEXT, nick TEXT, age)",
        "INSERT INTO users VALUES (1, 'a@x', 'A', 10), (2, 'b@x', 'B', 20)",
        f'CREATE UNIQUE INDEX "of(" ON users ({expression}) WHERE age > 0',
    )
    adapter = file.open(Entities([entity_of(User)]))
    govern(adapter)
    file.run(
        f"REPLACE INTO users VALUES (3, '{EXPRESSIONS[expression]}', 'A', 1)",
        "REPLACE INTO users VALUES (4, 'z@z', 'B', 1)",
    )

    assert {1: True, 3: False, 4: False} == kinds(adapter, User)


@pytest.mark.parametrize(
    "row", ["(3, 'A@X', 'c', 1)", "(3, 'c@x', 'a', 1)", "(NULL, 'A@x', 'a', 1)"]
)
def test_an_adopted_tables_own_unique_indexes_are_looked_at(file, row):
    file.run(*ADOPTED)
    adapter = file.open(Entities([entity_of(User)]))
    govern(adapter)
    file.run(f"REPLACE INTO users VALUES {row}")

    assert {1: True, 3: False} == kinds(adapter, User)


def test_what_only_the_residue_of_an_adopted_table_says_is_noted_too(file):
    file.run(*ADOPTED)
    adapter = file.open(Entities([entity_of(User)]))
    govern(adapter)
    users = collection(adapter, User)
    found = users.read([1])[1]
    extras = attrs.evolve(found.residue, extras={"note": 1})
    made = put(User(id=1, mail="a@x", age=10), residue=extras)
    users.commit([made])

    assert {1: Version(1, 2)} == marks(adapter, User)
    assert Version(1, 3) == users.commit([change(User, 1, age=11)])[1].version


TALLY = (
    "CREATE TABLE counters (id TEXT NOT NULL PRIMARY KEY, count INT, log TEXT)",
    "INSERT INTO counters VALUES ('users', 0, '[]')",
    "CREATE TRIGGER tally AFTER UPDATE ON users BEGIN UPDATE counters SET count = count + 1; END",
)


def test_what_an_applications_own_trigger_writes_is_captured_under_our_writes_too(file):
    file.run(*ADOPTED, *TALLY)
    adapter = file.open(Entities([entity_of(User), entity_of(Counter)]))
    govern(adapter)
    users = collection(adapter, User)
    changed = users.commit([change(User, 1, age=11)])
    extras = attrs.evolve(changed[1].residue, extras={"note": 1})
    only_residue = users.commit([put(User(id=1, mail="a@x", age=11), residue=extras)])

    assert {"users": Version(1, 2)} == marks(adapter, Counter)
    assert (Version(1, 2), Version(1, 3)) == (changed[1].version, only_residue[1].version)
    users.commit([Delete(2)])
    assert {1: Version(1, 3), 2: Version(1, 2, deleted=True)} == marks(adapter, User)
    assert [(0,)] == file.run("SELECT count(*) FROM _fluxstore_own")
