"""Where each entity's records are: in an array or object of a file, or in others' documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.errors import ConfigError, EntityError
from fluxstore.kinds import Kind
from fluxstore_json.folder import checked_file
from fluxstore_json.naming import naming
from fluxstore_json.settings import EntitySettings, Settings
from fluxstore_json.shapes import ARRAY, SHAPES, Shape


@attrs.frozen
class Place:
    """One entity's place.

    ``path`` leads to the array, or object: names from the top of the file, or for nested records
    the one name in the document around them. ``inherited`` pairs fields with those of ``parent``'s
    entity; ``named`` is the key's field that the names in an object say.
    """

    entity: Entity
    file: str
    path: tuple[str, ...]
    is_named: bool
    """Whether the configuration names the file: one that is missing is then a mistake."""
    settings: EntitySettings
    parent: Place | None = None
    inherited: tuple[tuple[str, str], ...] = ()
    shape: Shape = ARRAY
    named: str | None = None

    @property
    def name(self) -> str:
        """The entity's name."""
        return self.entity.name

    @property
    def array(self) -> str:
        """The name of the array in the object around it, empty for a list at the top."""
        return self.path[-1] if self.path else ""

    @property
    def root(self) -> Place:
        """The place of the outermost documents that hold these records."""
        return self if self.parent is None else self.parent.root

    @property
    def inside(self) -> str:
        """Where in the file the records are: ``projects[].tasks[]``."""
        around = f"{self.parent.inside}." if self.parent else ""
        return f"{around}{'.'.join(self.path)}{self.shape.sign}"

    def __str__(self) -> str:
        """Return words for the place: ``projects.json: projects[].tasks[]``."""
        return f"{self.file}: {self.inside}"


class Places(Mapping[str, Place]):
    """The places of all entities of a backend, by name."""

    def __init__(
        self, entities: Entities, settings: Settings, own: Mapping[str, EntitySettings]
    ) -> None:
        """Find every entity's place; ``ConfigError`` for one that cannot be."""
        self.spell = naming(settings.naming)
        self._entities, self._own = entities, own
        self._places: dict[str, Place] = {}
        for name in entities:
            self._find(name, ())
        for file in self.files:
            _refuse_overlap(self.roots(file))

    def __getitem__(self, name: str) -> Place:
        """Return the place of the entity *name*."""
        return self._places[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over names."""
        return iter(self._places)

    def __len__(self) -> int:
        """Count the places."""
        return len(self._places)

    @property
    def files(self) -> tuple[str, ...]:
        """Every file, once."""
        return tuple(dict.fromkeys(place.file for place in self._places.values()))

    def roots(self, file: str) -> tuple[Place, ...]:
        """Return the places whose arrays are in *file* itself."""
        return tuple(p for p in self._places.values() if p.file == file and p.parent is None)

    def inside(self, name: str) -> tuple[Place, ...]:
        """Return the places directly inside the documents of the entity *name*."""
        return tuple(
            place for place in self._places.values() if place.parent and place.parent.name == name
        )

    def of_file(self, file: str) -> tuple[Place, ...]:
        """Return every place in *file*, nested ones too, each after the one around it."""
        found = [place for place in self._places.values() if place.file == file]
        return tuple(sorted(found, key=_depth))

    def _find(self, name: str, around: tuple[str, ...]) -> Place:
        if name in self._places:
            return self._places[name]
        if name in around:
            raise _error(name, "within", f"{' within '.join((*around, name))}: a circle")
        own = self._own.get(name, EntitySettings())
        make = self._alone if own.within is None else self._nested
        made = make(self._entities[name], own, (*around, name))
        return self._places.setdefault(name, made)

    def _alone(self, entity: Entity, own: EntitySettings, _: tuple[str, ...]) -> Place:
        if own.parent:
            raise _error(entity.name, "parent", "says what is around, but within is not given")
        file = own.file if own.file is not None else f"{self.spell(entity.name)}.json"
        path = tuple(own.records.split(".")) if own.records else ()
        if "" in path:
            raise _error(entity.name, "records", f"{own.records!r} is no path of names")
        return Place(
            entity,
            checked_file(file, entity.name),
            path,
            is_named=own.file is not None,
            settings=own,
            shape=SHAPES[own.shape],
            named=_named(entity, own, ()),
        )

    def _nested(self, entity: Entity, own: EntitySettings, around: tuple[str, ...]) -> Place:
        if own.within not in self._entities:
            raise _error(entity.name, "within", f"{own.within!r} is no entity")
        if own.file is not None:
            raise _error(entity.name, "file", "is given by within; name one of them")
        parent = self._find(str(own.within), around)
        array = own.records or self.spell(entity.name)
        if "." in array:
            raise _error(entity.name, "records", "one name in the document around expected")
        if any(array == other.array for other in self.inside(parent.name)):
            raise _error(entity.name, "records", f"{array!r} holds another entity already")
        inherited = _inherited(entity, own, parent.entity)
        return Place(
            entity,
            parent.file,
            (array,),
            is_named=parent.is_named,
            settings=own,
            parent=parent,
            inherited=inherited,
            shape=SHAPES[own.shape],
            named=_named(entity, own, inherited),
        )


def _inherited(entity: Entity, own: EntitySettings, parent: Entity) -> tuple[tuple[str, str], ...]:
    pairs = own.parent or {
        field.name: parent.key[0]
        for field in entity.references
        if field.rules.references == parent.name
    }
    for here, there in pairs.items():
        field_of(entity, here, "parent")
        field_of(parent, there, "parent")
    if sorted(pairs.values()) != sorted(parent.key):
        keys = ", ".join(parent.key)
        raise _error(
            entity.name,
            "parent",
            f"one field for each key field of {parent.name} ({keys}) expected",
        )
    return tuple(pairs.items())


def _named(
    entity: Entity, own: EntitySettings, inherited: tuple[tuple[str, str], ...]
) -> str | None:
    """Return the field that a name in an object says: the rest of the key comes from around."""
    if not SHAPES[own.shape].is_named:
        if own.key_inside:
            raise _error(entity.name, "key_inside", 'goes with shape = "object" only')
        return None
    around = {here for here, _ in inherited}
    said = [field for field in entity.key if field not in around]
    if len(said) != 1:
        fields = ", ".join(said) or "nothing"
        raise _error(
            entity.name,
            "shape",
            f"one field of the key for the names of an object expected, {fields} found",
            "keep them in an array",
        )
    if entity.field(said[0]).type.scalar is Kind.BOOL:
        raise _error(entity.name, "shape", f"{said[0]}: a key whose JSON form is text expected")
    return said[0]


def field_of(entity: Entity, name: str, key: str) -> None:
    """Raise ``ConfigError`` where a table names a field that *entity* does not have."""
    try:
        entity.field(name)
    except EntityError as error:
        raise _error(entity.name, key, error.problem, error.next_step) from None


def _refuse_overlap(places: tuple[Place, ...]) -> None:
    for one in places:
        for other in places:
            inside = one.path == other.path[: len(one.path)]
            if one is not other and inside:
                raise _error(
                    other.name, "records", f"{other} is in the way of {one.name}, which is at {one}"
                )


def _depth(place: Place) -> int:
    return 0 if place.parent is None else 1 + _depth(place.parent)


def _error(entity: str, key: str, problem: str, next_step: str = "") -> ConfigError:
    return ConfigError(problem, key=f"entities.{entity}.{key}", next_step=next_step)
