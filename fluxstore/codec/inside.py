"""What objects inside a record have beside the fields of their classes: kept, and looked past.

An application's object has no attributes for such names, so a value that it writes lacks them. They
stay with the value that they are of: the one in the same field, under the same name of a dict, at
the same place of a tuple of fixed length. Items of a list have no name and move when others come
and go, so that an item keeps what an equal one had, and one that changed has nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import attrs

from fluxstore.codec.canonical import as_set
from fluxstore.codec.plain import to_plain
from fluxstore.kinds import ARRAY_KINDS, Kind, Type

Keep: TypeAlias = Callable[[Any, Any], Any]
"""Makes of an old and a new plain value the new one with undeclared names of the old one."""
Declared: TypeAlias = Callable[[Any], Any]
"""Returns a plain value as an application sees it: undeclared names left out, defaults there."""


def keeper(type_: Type) -> Keep | None:
    """Return what keeps undeclared names in values of *type_*; ``None`` where none can be."""
    make = _KEEPERS.get(type_.kind)
    return make(type_) if make is not None else None


def declared(type_: Type) -> Declared | None:
    """Return what makes of values of *type_* what an application sees; ``None``: it sees them."""
    make = _DECLARED.get(type_.kind)
    return make(type_) if make is not None else None


def _nested_keeper(type_: Type) -> Keep:
    members = dict(type_.members)
    keepers = {name: made for name, member in members.items() if (made := keeper(member))}

    def keep(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        made = {
            name: keepers[name](old[name], value) if name in keepers and name in old else value
            for name, value in new.items()
        }
        return made | {n: v for n, v in old.items() if n not in members and n not in made}

    return keep


def _dict_keeper(type_: Type) -> Keep | None:
    item = keeper(type_.items[1])
    if item is None:
        return None

    def keep(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        return {name: item(old[name], v) if name in old else v for name, v in new.items()}

    return keep


def _array_keeper(type_: Type) -> Keep | None:
    items = [keeper(item) for item in type_.items]
    if not any(items):
        return None
    if type_.kind is Kind.TUPLE and not type_.variadic:
        return _fixed_keeper(items)
    return _list_keeper(type_, items[0])


def _fixed_keeper(items: list[Keep | None]) -> Keep:
    def keep(old: Any, new: Any) -> Any:
        if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new):
            return new
        pairs = zip(items, old, new, strict=True)
        return [item(one, other) if item else other for item, one, other in pairs]

    return keep


def _list_keeper(type_: Type, item: Keep | None) -> Keep:
    plain = declared(type_.items[0])
    is_set = type_.kind in (Kind.SET, Kind.FROZENSET)

    def keep(old: Any, new: Any) -> Any:
        if item is None or plain is None or not isinstance(old, list) or not isinstance(new, list):
            return new
        left = [(plain(one), one) for one in old]
        made = []
        for other in new:
            wanted = plain(other)
            at = next((at for at, (one, _) in enumerate(left) if one == wanted), None)
            made.append(other if at is None else item(left.pop(at)[1], other))
        return as_set(made, type_.items[0]) if is_set else made

    return keep


def _union_keeper(type_: Type) -> Keep | None:
    from fluxstore.codec import union  # a union is JSON, which builds on this

    return union.keeper(type_)


def _nested_declared(type_: Type) -> Declared:
    members = {name: declared(member) or _same for name, member in type_.members}
    defaults = _defaults(type_)

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        made = {name: make(value[name]) for name, make in members.items() if name in value}
        return made | {name: make() for name, make in defaults.items() if name not in made}

    return plain


def _defaults(type_: Type) -> dict[str, Callable[[], Any]]:
    """Return what makes the plain default of each field that has one of its own."""
    made: dict[str, Callable[[], Any]] = {}
    for field in attrs.fields(type_.cls):
        default, convert = field.default, to_plain(dict(type_.members)[field.name])
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            if not default.takes_self:
                made[field.name] = partial(_made, convert, default.factory)
        elif default is not attrs.NOTHING:
            made[field.name] = partial(convert, default)
    return made


def _made(convert: Callable[[Any], Any], factory: Callable[[], Any]) -> Any:
    return convert(factory())


def _same(value: Any) -> Any:
    return value


def _dict_declared(type_: Type) -> Declared | None:
    item = declared(type_.items[1])
    if item is None:
        return None
    return lambda value: (
        {name: item(each) for name, each in value.items()} if isinstance(value, dict) else value
    )


def _array_declared(type_: Type) -> Declared | None:
    items = [declared(item) for item in type_.items]
    if not any(items):
        return None

    def plain(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        chosen = items * len(value) if type_.variadic else items
        return [make(each) if make else each for make, each in zip(chosen, value, strict=False)]

    return plain


def _union_declared(type_: Type) -> Declared | None:
    from fluxstore.codec import union  # as above

    return union.declared(type_)


_KEEPERS: dict[Kind, Callable[[Type], Keep | None]] = {
    Kind.NESTED: _nested_keeper,
    Kind.DICT: _dict_keeper,
    Kind.UNION: _union_keeper,
    **dict.fromkeys(ARRAY_KINDS, _array_keeper),
}
_DECLARED: dict[Kind, Callable[[Type], Declared | None]] = {
    Kind.NESTED: _nested_declared,
    Kind.DICT: _dict_declared,
    Kind.UNION: _union_declared,
    **dict.fromkeys(ARRAY_KINDS, _array_declared),
}
