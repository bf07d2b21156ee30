"""A first look at a document, field by field, that spares decoding what no filter would find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from fluxstore.codec import Refusal
from fluxstore.evaluate import Test, matching
from fluxstore.query import Filter
from fluxstore_json.alike import Inherited
from fluxstore_json.forms import Form

Sieve = Callable[[Any, Inherited], bool]
"""Tells whether a document may be found; ``False`` is certain."""


@attrs.frozen
class _Mesh:
    """One filter: where its field is in a document, and what is asked of it."""

    field: str
    name: str
    decode: Callable[[Any], Any]
    test: Test

    def passes(self, document: Mapping[str, Any], inherited: Inherited) -> bool:
        if self.field in inherited:
            return self.test({self.field: inherited[self.field]})
        if self.name not in document:
            return self.test({})
        try:
            return self.test({self.field: self.decode(document[self.name])})
        except Refusal:  # whoever decodes the whole will say what is wrong with it
            return True


def sieve(form: Form, filters: Sequence[Filter]) -> Sieve | None:
    """Return the sieve of *filters*; ``None`` where no field can be looked at by itself."""
    settings = form.place.settings
    implied = {field for fields in settings.when.values() for field in fields}
    blind: set[str | None] = {*implied, *settings.aliases, form.place.named}
    meshes = [
        _Mesh(
            one.field,
            form.names[one.field],
            form.codec.decoders[one.field],
            matching(form.entity, (one,)),
        )
        for one in filters
        if one.field in form.names and one.field not in blind
    ]
    if not meshes:
        return None

    def may_pass(item: Any, inherited: Inherited) -> bool:
        value = item[1] if form.place.named else item
        return type(value) is not dict or all(mesh.passes(value, inherited) for mesh in meshes)

    return may_pass
