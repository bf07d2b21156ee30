"""Types of fields, read from annotations."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, Union
from uuid import UUID

import attrs
import pytest

from fluxstore.errors import EntityError
from fluxstore.kinds import Kind, Type, type_of

TEXT, INTEGER, ANYTHING = Type(Kind.STR), Type(Kind.INT), Type(Kind.ANY, nullable=True)
UserId = NewType("UserId", str)


class Colour(enum.Enum):
    RED = "red"


class Mood(enum.Enum):
    GOOD = 1.5


@attrs.define
class Inner:
    size: int
    label: str | None = None
    hidden: int = attrs.field(init=False, default=0)


@attrs.define
class Knot:
    again: list[Knot] = attrs.field(factory=list)


@attrs.define
class Left:
    right: Right | None = None


@attrs.define
class Right:
    left: Left | None = None


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, Kind.STR), (int, Kind.INT), (bool, Kind.BOOL), (float, Kind.FLOAT),
        (Decimal, Kind.DECIMAL), (bytes, Kind.BYTES), (date, Kind.DATE), (time, Kind.TIME),
        (datetime, Kind.DATETIME), (timedelta, Kind.TIMEDELTA), (UUID, Kind.UUID),
        (Any, Kind.ANY), (object, Kind.ANY),
    ],
)  # fmt: skip
def test_a_scalar_is_its_kind(annotation, kind):
    assert Type(kind, nullable=kind is Kind.ANY) == type_of(annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str | None, Type(Kind.STR, nullable=True)),
        (Optional[int], Type(Kind.INT, nullable=True)),  # noqa: UP045 - the old spelling counts
        (Annotated[str, "x"], TEXT),
        (Annotated[str | None, []], Type(Kind.STR, nullable=True)),
        (UserId, TEXT),
        (UserId | None, Type(Kind.STR, nullable=True)),
        (list, Type(Kind.LIST, items=(ANYTHING,), variadic=True)),
        (list[str], Type(Kind.LIST, items=(TEXT,), variadic=True)),
        (list[str | None], Type(Kind.LIST, items=(Type(Kind.STR, nullable=True),), variadic=True)),
        (tuple[int, ...], Type(Kind.TUPLE, items=(INTEGER,), variadic=True)),
        (tuple[int, str], Type(Kind.TUPLE, items=(INTEGER, TEXT))),
        (set[int], Type(Kind.SET, items=(INTEGER,), variadic=True)),
        (frozenset[str], Type(Kind.FROZENSET, items=(TEXT,), variadic=True)),
        (dict, Type(Kind.DICT, items=(TEXT, ANYTHING))),
        (dict[int, str], Type(Kind.DICT, items=(INTEGER, TEXT))),
        (int | str, Type(Kind.UNION, items=(INTEGER, TEXT))),
        (Union[int, str, None], Type(Kind.UNION, nullable=True, items=(INTEGER, TEXT))),  # noqa: UP007
        (int | Any, Type(Kind.UNION, nullable=True, items=(INTEGER, ANYTHING))),
        (Literal["a", 1], Type(Kind.LITERAL, choices=("a", 1))),
        (Literal["a", None], Type(Kind.LITERAL, nullable=True, choices=("a",))),
        (Colour, Type(Kind.ENUM, choices=("red",), cls=Colour)),
    ],
)  # fmt: skip
def test_annotations_are_read(annotation, expected):
    assert expected == type_of(annotation)


def test_a_nested_class_has_its_fields_as_members():
    found = type_of(Inner)

    assert (Kind.NESTED, Inner) == (found.kind, found.cls)
    assert (("size", INTEGER), ("label", Type(Kind.STR, nullable=True))) == found.members


@pytest.mark.parametrize(
    ("annotation", "scalar"),
    [
        (Colour, Kind.STR),
        (Literal[1, 2], Kind.INT),
        (Literal[True], Kind.BOOL),
        (Literal["a", 1], Kind.ANY),
        (list[str], Kind.LIST),
        (str, Kind.STR),
    ],
)
def test_choices_are_stored_as_the_kind_of_their_values(annotation, scalar):
    assert scalar is type_of(annotation).scalar


@pytest.mark.parametrize(
    "annotation",
    [
        complex, type(None), range, enum.Enum, Mood, Literal[b"x"], Literal[None],
        dict[float, str], dict[str | None, str], dict[datetime, str], dict[int | str, str],
        set, set[list[int]], frozenset[dict[str, int]], set[Any],
        Knot, Left, "str", 5, type, list[complex],
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_by_name(annotation):
    with pytest.raises(EntityError, match=r"tasks\.notes"):
        type_of(annotation, "tasks.notes")
