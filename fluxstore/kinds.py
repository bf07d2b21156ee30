"""The kinds of value an entity's field may have, read from its annotation."""

from __future__ import annotations

import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import attrs

from fluxstore.errors import EntityError


class Kind(Enum):
    """A closed set; every adapter has one table over it."""

    STR = "str"
    INT = "int"
    BOOL = "bool"
    FLOAT = "float"
    DECIMAL = "decimal"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    TIMEDELTA = "timedelta"
    UUID = "uuid"
    ENUM = "enum"
    LITERAL = "literal"
    LIST = "list"
    TUPLE = "tuple"
    SET = "set"
    FROZENSET = "frozenset"
    DICT = "dict"
    NESTED = "nested"
    UNION = "union"
    ANY = "any"


SCALARS: dict[Any, Kind] = {
    str: Kind.STR,
    int: Kind.INT,
    bool: Kind.BOOL,
    float: Kind.FLOAT,
    Decimal: Kind.DECIMAL,
    bytes: Kind.BYTES,
    date: Kind.DATE,
    time: Kind.TIME,
    datetime: Kind.DATETIME,
    timedelta: Kind.TIMEDELTA,
    UUID: Kind.UUID,
    Any: Kind.ANY,
    object: Kind.ANY,
}
ARRAYS: dict[Any, Kind] = {
    list: Kind.LIST,
    tuple: Kind.TUPLE,
    set: Kind.SET,
    frozenset: Kind.FROZENSET,
}
ARRAY_KINDS = frozenset(ARRAYS.values())
_DEEPEST = 20  # classes within classes; beyond it one of them holds itself
_UNHASHABLE = frozenset({Kind.LIST, Kind.SET, Kind.DICT, Kind.ANY})


@attrs.frozen
class Type:
    """A field's type. ``items`` are the members of an array, tuple, dict (key, value) or union."""

    kind: Kind
    nullable: bool = False
    items: tuple[Type, ...] = ()
    choices: tuple[Any, ...] = ()
    """Plain values of an Enum or Literal."""
    cls: Any = None
    """The Enum class or the nested attrs class."""
    variadic: bool = False
    """``tuple[X, ...]`` against ``tuple[X, Y]``."""
    members: tuple[tuple[str, Type], ...] = ()
    """Fields of a nested attrs class, in order."""

    @property
    def scalar(self) -> Kind:
        """The kind that is stored: an Enum or Literal is stored as the kind of its values."""
        if self.kind not in (Kind.ENUM, Kind.LITERAL):
            return self.kind
        kinds = {SCALARS[type(choice)] for choice in self.choices}
        return kinds.pop() if len(kinds) == 1 else Kind.ANY


def type_of(annotation: Any, where: str = "") -> Type:
    """Return the ``Type`` of *annotation*; ``EntityError`` where it is none of the kinds."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return type_of(args[0], where)
    if isinstance(annotation, typing.NewType):
        return type_of(annotation.__supertype__, where)
    if origin in (Union, types.UnionType):
        return _union(args, where)
    if annotation in SCALARS:
        kind = SCALARS[annotation]
        return Type(kind, nullable=kind is Kind.ANY)  # anything may be None
    if origin is Literal:
        return _literal(args, where)
    return _composite(annotation, origin or annotation, args, where)


def _composite(annotation: Any, origin: Any, args: tuple[Any, ...], where: str) -> Type:
    if origin in ARRAYS:
        return _array(ARRAYS[origin], args, where)
    if origin is dict:
        key, value = args or (str, Any)
        return Type(Kind.DICT, items=(_dict_key(type_of(key, where), where), type_of(value, where)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum(annotation, where)
    if isinstance(annotation, type) and attrs.has(annotation):
        return _nested(annotation, where)
    raise EntityError(f"{where}: {annotation!r} is not a type that fluxstore can store")


def _union(args: tuple[Any, ...], where: str) -> Type:
    rest = tuple(arg for arg in args if arg is not type(None))
    nullable = len(rest) < len(args)
    if len(rest) == 1:
        return attrs.evolve(type_of(rest[0], where), nullable=nullable)
    items = tuple(type_of(arg, where) for arg in rest)
    nullable = nullable or any(item.nullable for item in items)
    return Type(Kind.UNION, nullable=nullable, items=items)


def _literal(args: tuple[Any, ...], where: str) -> Type:
    choices = tuple(arg for arg in args if arg is not None)
    if not choices or any(type(choice) not in (str, int, bool) for choice in choices):
        raise EntityError(f"{where}: a Literal may hold str, int and bool")
    return Type(Kind.LITERAL, nullable=len(choices) < len(args), choices=choices)


def _array(kind: Kind, args: tuple[Any, ...], where: str) -> Type:
    if kind is Kind.TUPLE and args and args[-1] is not Ellipsis:
        return Type(kind, items=tuple(type_of(arg, where) for arg in args))
    item = type_of(args[0] if args else Any, where)
    if kind in (Kind.SET, Kind.FROZENSET) and item.kind in _UNHASHABLE:
        raise EntityError(f"{where}: a set holds values of a type that can be hashed, as set[str]")
    return Type(kind, items=(item,), variadic=True)


def _dict_key(key: Type, where: str) -> Type:
    allowed = {Kind.STR, Kind.INT, Kind.UUID, Kind.DATE}
    if key.scalar not in allowed or key.nullable:
        raise EntityError(f"{where}: keys of a dict field may be str, int, UUID or date")
    return key


def _enum(cls: type[Enum], where: str) -> Type:
    choices = tuple(member.value for member in cls)
    if not choices or any(type(choice) not in (str, int) for choice in choices):
        raise EntityError(f"{where}: values of the Enum {cls.__name__} must be str or int")
    return Type(Kind.ENUM, choices=choices, cls=cls)


def _nested(cls: type, where: str) -> Type:
    if where.count(".") > _DEEPEST:
        path = ".".join(where.split(".")[:3])
        raise EntityError(f"{path}: {cls.__name__} may not hold itself: its values have no end")
    hints = typing.get_type_hints(cls, include_extras=True)
    members = tuple(
        (field.name, type_of(hints[field.name], f"{where}.{field.name}"))
        for field in attrs.fields(cls)
        if field.init
    )
    return Type(Kind.NESTED, cls=cls, members=members)
