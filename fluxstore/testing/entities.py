"""The entities that the conformance kit keeps records in: together, every kind of field.

An adapter that must be told where nested records or aliases are (files, say) is told so for two
of them: ``tracks`` may be kept within ``albums`` (``album_id`` is the album's ``id``), and an
album's ``name`` may be found under ``title``.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal
from uuid import UUID

import attrs

from fluxstore.entity import Entities, Entity, entity, entity_of, field


class Colour(Enum):
    """An Enum of texts."""

    RED = "red"
    GREEN = "green"


class Rank(IntEnum):
    """An Enum of integers."""

    LOW = 1
    HIGH = 10


@attrs.frozen
class Point:
    """A nested class whose JSON form differs from its plain form."""

    x: Decimal
    y: float = 0.0
    seen: datetime | None = None


@attrs.define
class Shape:
    """A nested class that holds others."""

    name: str
    points: list[Point] = attrs.field(factory=list)
    labels: dict[str, tuple[int, ...]] = attrs.field(factory=dict)
    colour: Colour = Colour.RED


@entity("everything")
class Everything:
    """A field of every kind; all but the key may be null."""

    id: str
    text: str | None = None
    whole: int | None = None
    big: int | None = field(default=None, bigint=True)
    truth: bool | None = None
    real: float | None = None
    exact: Decimal | None = None
    raw: bytes | None = None
    day: date | None = None
    clock: time | None = None
    moment: datetime | None = None
    span: timedelta | None = None
    ident: UUID | None = None
    colour: Colour | None = None
    rank: Rank | None = None
    size: Literal["small", "large"] | None = None
    level: Literal[1, 2, 3] | None = None
    mixed: Literal["yes", 1, True] | None = None
    words: list[str] | None = None
    holes: list[str | None] | None = None
    numbers: list[int] | None = None
    reals: list[float] | None = None
    prices: list[Decimal] | None = None
    moments: list[datetime] | None = None
    matrix: list[list[int]] | None = None
    pair: tuple[int, str] | None = None
    run: tuple[Decimal, ...] | None = None
    word_set: set[str] | None = None
    number_set: frozenset[int] | None = None
    moment_set: frozenset[datetime] | None = None
    table: dict[str, int] | None = None
    by_number: dict[int, str] | None = None
    by_ident: dict[UUID, Decimal] | None = None
    by_day: dict[date, list[float]] | None = None
    point: Point | None = None
    shapes: list[Shape] | None = None
    number_or_text: int | str | None = None
    moment_or_text: datetime | str | None = None
    point_or_shape: Point | Shape | None = None
    list_or_table: list[int] | dict[str, int] | None = None
    anything: Any = None


@entity("books")
class Book:
    """A field of every kind that can be compared, for queries."""

    id: str
    title: str | None = None
    pages: int | None = None
    lent: bool | None = None
    rating: float | None = None
    price: Decimal | None = None
    printed: date | None = None
    opens: time | None = None
    bought: datetime | None = None
    lasts: timedelta | None = None
    ident: UUID | None = None
    colour: Colour | None = None
    rank: Rank | None = None
    size: Literal["small", "large"] | None = None
    cover: bytes | None = None
    tags: list[str] = field(factory=list)
    years: frozenset[int] = frozenset()
    times: tuple[datetime, ...] = ()
    notes: dict[str, int] = field(factory=dict)
    shelf: str = "A"


@entity("areas")
class Area:
    """Refers to its own kind: deleting one deletes those below it."""

    id: str
    parent_id: str | None = field(default=None, references="areas", on_delete="cascade")


@entity("sites")
class Site:
    """Goes with its area."""

    id: str
    area_id: str = field(references="areas", on_delete="cascade")


@entity("rooms")
class Room:
    """Goes with its site."""

    id: str
    site_id: str = field(references="sites", on_delete="cascade")


@entity("desks")
class Desk:
    """Stays when its room goes."""

    id: str
    room_id: str | None = field(default=None, references="rooms", on_delete="set_null")


@entity("locks")
class Lock:
    """Keeps its desk from being deleted."""

    id: str
    desk_id: str | None = field(default=None, references="desks", on_delete="restrict")


@entity("people", unique=[("first", "last")])
class Person:
    """Has unique fields, and rules."""

    id: str
    first: str | None = None
    last: str | None = None
    email: str | None = field(default=None, unique=True, pattern="@", max_length=60)
    age: int | None = field(default=None, minimum=0, maximum=150)
    boss_id: str | None = field(default=None, references="people", on_delete="set_null")


@entity("places", key=("room_id", "person_id"))
class Place:
    """Has a composite key, both parts of which refer to others."""

    room_id: str = field(references="rooms", on_delete="cascade")
    person_id: str = field(references="people", on_delete="cascade")
    since: date | None = None


@entity("albums")
class Album:
    """May be found with its name as ``title``, and may hold its tracks."""

    id: str
    name: str = ""
    released: datetime | None = None
    price: Decimal | None = None


@entity("tracks")
class Track:
    """May be kept within its album."""

    id: str
    album_id: str = field(references="albums", on_delete="cascade")
    name: str = ""


@entity("counters")
class Counter:
    """What many writers change at once."""

    id: str
    count: int = 0
    log: list[str] = field(factory=list)


@entity("by_number")
class ByNumber:
    """Has an integer for a key."""

    id: int
    name: str = ""


@entity("by_ident")
class ByIdent:
    """Has a UUID for a key."""

    id: UUID
    name: str = ""


@entity("by_moment", key=("day", "moment", "truth"))
class ByMoment:
    """Has a key of dates, times and truths."""

    day: date
    moment: datetime
    truth: bool
    name: str = ""


ENTITIES = Entities(
    entity_of(cls)
    for cls in (
        Everything, Book, Area, Site, Room, Desk, Lock, Person, Place,
        Album, Track, Counter, ByNumber, ByIdent, ByMoment,
    )
)  # fmt: skip


def of(cls: type) -> Entity:
    """Return the entity of one of the kit's classes."""
    return entity_of(cls)
