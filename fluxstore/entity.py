"""Entities: the kinds of record an application keeps, declared as attrs classes."""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, cast, dataclass_transform, overload

import attrs

from fluxstore.errors import EntityError, EntityNotFoundError
from fluxstore.kinds import ARRAY_KINDS, Kind, Type, type_of

T = TypeVar("T")
OnDelete = Literal["restrict", "cascade", "set_null"]
Auto = Literal["created", "updated"]
_METADATA = "fluxstore"
_ENTITY = "__fluxstore_entity__"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})
_NEEDS: Mapping[str, frozenset[Kind]] = {
    "auto": frozenset({Kind.DATETIME}),
    "bigint": frozenset({Kind.INT}),
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "pattern": frozenset({Kind.STR}),
    "max_length": ARRAY_KINDS | {Kind.STR, Kind.BYTES, Kind.DICT},
}
"""The kinds of field that a rule makes sense for."""
_KEY_KINDS = frozenset({Kind.STR, Kind.INT, Kind.UUID, Kind.DATE, Kind.DATETIME, Kind.BOOL})


@attrs.frozen
class Rules:
    """What a field promises beside its type."""

    references: str | None = None
    on_delete: OnDelete = "restrict"
    unique: bool = False
    index: bool = False
    pii: bool = False
    auto: Auto | None = None
    bigint: bool = False
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    max_length: int | None = None


@attrs.frozen
class Field:
    """One field of an entity."""

    name: str
    type: Type
    rules: Rules
    required: bool
    make_default: Callable[[], Any] | None = None
    """Makes the application's default value; ``None`` where the field is required."""


@attrs.frozen
class Entity:
    """A kind of record: its name, the application's class, its key and its fields."""

    name: str
    cls: type = attrs.field(eq=False, repr=False)
    key: tuple[str, ...]
    fields: tuple[Field, ...] = attrs.field(repr=False)
    unique: tuple[tuple[str, ...], ...] = attrs.field(default=(), repr=False)
    """Groups of fields that no two records share; a field's own ``unique=True`` included."""
    shard_key: str | None = None

    @property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by name."""
        return {field.name: field for field in self.fields}

    def field(self, name: str) -> Field:
        """Return the field *name*; ``EntityError`` with near names where there is none."""
        found = self.by_name.get(name)
        if found is not None:
            return found
        near = get_close_matches(name, self.by_name)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(self.by_name)}"
        raise EntityError(f"no field {name!r}", entity=self.name, next_step=hint)

    @property
    def references(self) -> tuple[Field, ...]:
        """The fields that name a record of another entity (or of this one)."""
        return tuple(field for field in self.fields if field.rules.references)


class Entities(Mapping[str, Entity]):
    """Every entity of a store, by name; also found by class."""

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        """Collect *entities*; ``EntityError`` for two of one name or a reference to none."""
        self._by_name: dict[str, Entity] = {}
        for one in entities:
            known = self._by_name.setdefault(one.name, one)
            if known.cls is not one.cls:
                raise EntityError("is declared twice", entity=one.name)
        for one in self._by_name.values():
            _check_references(one, self._by_name)

    def __getitem__(self, name: str) -> Entity:
        """Return the entity *name*; ``EntityNotFoundError`` (not a KeyError) with near names."""
        found = self._by_name.get(name)
        if found is not None:
            return found
        near = tuple(get_close_matches(name, self._by_name))
        hint = f"did you mean {' or '.join(near)}?" if near else "see `fluxstore schema show`"
        raise EntityNotFoundError("no such entity", entity=name, near=near, next_step=hint)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the entity *name*, or *default*."""
        return self._by_name.get(name, default)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an entity *name*."""
        return name in self._by_name

    def __iter__(self) -> typing.Iterator[str]:
        """Iterate over names in order of declaration."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Count the entities."""
        return len(self._by_name)

    def parents_first(self) -> tuple[Entity, ...]:
        """Return all entities, each after those it references; a cycle is cut where it closes."""
        done: dict[str, Entity] = {}
        open_names: set[str] = set()

        def visit(one: Entity) -> None:
            if one.name in done or one.name in open_names:
                return
            open_names.add(one.name)
            for field in one.references:
                visit(self[cast(str, field.rules.references)])
            done[one.name] = one

        for one in self._by_name.values():
            visit(one)
        return tuple(done.values())

    def referring_to(self, name: str) -> tuple[tuple[Entity, Field], ...]:
        """Return every (entity, field) that references the entity *name*."""
        return tuple(
            (one, field)
            for one in self._by_name.values()
            for field in one.references
            if field.rules.references == name
        )


def _check_references(one: Entity, known: Mapping[str, Entity]) -> None:
    for field in one.references:
        target = known.get(cast(str, field.rules.references))
        if target is None:
            raise EntityError(
                f"field {field.name} references {field.rules.references!r}, which is no entity",
                entity=one.name,
            )
        key_type = target.field(target.key[0]).type
        if len(target.key) != 1 or key_type.scalar is not field.type.scalar:
            raise EntityError(
                f"field {field.name} must be of the type of {target.name}'s single key",
                entity=one.name,
            )


@overload
def field(
    *,
    default: T,
    references: str | None = ...,
    on_delete: OnDelete = ...,
    unique: bool = ...,
    index: bool = ...,
    pii: bool = ...,
    auto: Auto | None = ...,
    bigint: bool = ...,
    minimum: float | None = ...,
    maximum: float | None = ...,
    pattern: str | None = ...,
    max_length: int | None = ...,
) -> T: ...
@overload
def field(
    *,
    factory: Callable[[], T],
    references: str | None = ...,
    on_delete: OnDelete = ...,
    unique: bool = ...,
    index: bool = ...,
    pii: bool = ...,
    auto: Auto | None = ...,
    bigint: bool = ...,
    minimum: float | None = ...,
    maximum: float | None = ...,
    pattern: str | None = ...,
    max_length: int | None = ...,
) -> T: ...
@overload
def field(
    *,
    references: str | None = ...,
    on_delete: OnDelete = ...,
    unique: bool = ...,
    index: bool = ...,
    pii: bool = ...,
    auto: Auto | None = ...,
    bigint: bool = ...,
    minimum: float | None = ...,
    maximum: float | None = ...,
    pattern: str | None = ...,
    max_length: int | None = ...,
) -> Any: ...
def field(*, default: Any = attrs.NOTHING, factory: Any = None, **rules: Any) -> Any:
    """Declare a field of an entity with more than a type.

    ``references``: the entity whose key this field holds, with ``on_delete`` = ``restrict``
    (refuse), ``cascade`` or ``set_null``. ``unique``, ``index``: as they say; nulls never collide.
    ``pii``: personal data, masked in messages. ``auto``: ``created`` or ``updated``, a time the
    store sets. ``bigint``: an int beyond 63 bits. ``minimum``, ``maximum``, ``pattern`` (matches
    anywhere in the text), ``max_length`` (characters): checked by every backend.
    """
    return attrs.field(
        default=attrs.Factory(factory) if factory is not None else default,
        kw_only=True,
        metadata={_METADATA: Rules(**rules)},
    )


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def entity(
    name: str,
    *,
    key: str | tuple[str, ...] = "id",
    unique: Sequence[tuple[str, ...]] = (),
    shard_key: str | None = None,
) -> Callable[[type[T]], type[T]]:
    """Make a class the entity *name*: an attrs class (one that is one already is taken as it is).

    *key* names the key's field, or fields; *unique* lists groups of fields that no two records
    share. Raises ``EntityError`` for what cannot be stored.
    """
    # Annotations may name what is local to the caller, as classes made inside a test do.
    frame_locals = sys._getframe(1).f_locals  # noqa: SLF001

    def decorate(cls: type[T]) -> type[T]:
        made = cls if "__attrs_attrs__" in vars(cls) else _define(cls)
        names = (key,) if isinstance(key, str) else tuple(key)
        groups = tuple(tuple(group) for group in unique)
        fields = _fields(name, made, frame_locals)
        own = tuple((one.name,) for one in fields if one.rules.unique)
        extra = tuple(group for group in groups if group not in own)
        one = Entity(name, made, names, fields, own + extra, shard_key)
        _check_entity(one)
        setattr(made, _ENTITY, one)
        return made

    return decorate


def _define(cls: type[T]) -> type[T]:
    return attrs.define(kw_only=True)(cls)


def entity_of(cls: type) -> Entity:
    """Return the ``Entity`` of a class made by ``@entity``; ``EntityNotFoundError`` for another."""
    found = vars(cls).get(_ENTITY)
    if isinstance(found, Entity):
        return found
    raise EntityNotFoundError(
        "this class is not an entity", entity=cls.__name__, next_step="decorate it with @entity(…)"
    )


def is_entity(value: object) -> bool:
    """Tell whether *value* is a class made by ``@entity``."""
    return isinstance(value, type) and isinstance(vars(value).get(_ENTITY), Entity)


def _fields(name: str, cls: type, frame_locals: Mapping[str, Any]) -> tuple[Field, ...]:
    hints = _hints(name, cls, frame_locals)
    return tuple(
        _field(name, attribute, hints[attribute.name])
        for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", cls))
        if attribute.init
    )


def _hints(name: str, cls: type, frame_locals: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, localns=dict(frame_locals), include_extras=True)
    except NameError as error:
        raise EntityError(f"an annotation names nothing known: {error}", entity=name) from error


def _field(entity_name: str, attribute: attrs.Attribute[Any], annotation: Any) -> Field:
    rules = attribute.metadata.get(_METADATA) or Rules()
    where = f"{entity_name}.{attribute.name}"
    return Field(
        name=attribute.name,
        type=type_of(annotation, where),
        rules=rules,
        required=attribute.default is attrs.NOTHING,
        make_default=_default_of(attribute, where),
    )


def _default_of(attribute: attrs.Attribute[Any], where: str) -> Callable[[], Any] | None:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return None
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.takes_self:
            raise EntityError(f"{where}: a default may not depend on the other fields")
        return cast("Callable[[], Any]", default.factory)
    if isinstance(default, list | dict | set):
        raise EntityError(f"{where}: records would share one default; write factory= instead")
    return lambda: default


def _check_entity(one: Entity) -> None:
    if not _NAME.match(one.name):
        raise EntityError("a name has letters, digits and _, at most 63", entity=one.name)
    if not one.key or len(set(one.key)) < len(one.key):
        raise EntityError("the key names each of its fields once", entity=one.name)
    for part in one.key:
        kind = one.field(part).type
        if kind.nullable or kind.scalar not in _KEY_KINDS:
            raise EntityError(f"key field {part} must be a plain, non-null value", entity=one.name)
    for part in (*(part for group in one.unique for part in group), *filter(None, [one.shard_key])):
        one.field(part)
    for each in one.fields:
        _check_rules(one, each)


def _check_rules(one: Entity, each: Field) -> None:
    rules = each.rules
    if rules.on_delete == "set_null" and not each.type.nullable:
        raise EntityError(
            f"field {each.name}: set_null needs a field that may be None", entity=one.name
        )
    for rule, kinds in _NEEDS.items():
        told = getattr(rules, rule)
        if told is not None and told is not False and each.type.kind not in kinds:
            words = " or ".join(sorted(kind.value for kind in kinds))
            raise EntityError(f"field {each.name}: {rule} needs {words}", entity=one.name)
