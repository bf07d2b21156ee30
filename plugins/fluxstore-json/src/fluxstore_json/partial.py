"""Reading some names of each document only: a parser passes over the rest without keeping it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fluxstore_json.blocks import Decode


def partial_decoder(
    names: Sequence[str], whole: Decode, float_hook: Callable[[str], Any] | None
) -> Decode:
    """Return the parser of an array of documents that keeps *names* of each.

    What is no array of objects is read by *whole*; so is everything where a name is one that a
    ``msgspec.Struct`` cannot have.
    """
    if not all(name.isprintable() and not {'"', "\\"} & set(name) for name in names):
        return whole
    absent = msgspec.UNSET
    wanted = tuple(dict.fromkeys(names))
    fields = {f"f{at}": name for at, name in enumerate(wanted)}
    made = [(field, Any, msgspec.field(default=absent)) for field in fields]
    struct = msgspec.defstruct("Part", made, rename=fields)
    decoder = msgspec.json.Decoder(list[struct], float_hook=float_hook)  # type: ignore[valid-type]

    def decode(data: bytes) -> Any:
        try:
            parts = decoder.decode(data)
        except msgspec.ValidationError:
            return whole(data)
        rows = map(msgspec.structs.astuple, parts)
        return [
            {name: value for name, value in zip(wanted, row, strict=True) if value is not absent}
            for row in rows
        ]

    return decode
