"""What stands in one document beside declared fields, and what is wrong with it as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fluxstore.codec import Refusal
from fluxstore.records import Reason
from fluxstore_json import slow
from fluxstore_json.slow import Doubled, Suspect

NO_OBJECT = Refusal(Reason.TYPE, "an object expected")


class Found:
    """What a document has beside declared fields."""

    __slots__ = ("alias", "extras", "held", "name", "refusal")

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.extras: dict[str, Any] = {}
        self.alias: dict[str, str] = {}
        self.held: list[str] = []
        self.name = ""
        self.refusal: Refusal | None = None

    def refuse(self, name: str, refusal: Refusal) -> None:
        """Keep the first refusal, and the name that it is about."""
        if self.refusal is None:
            self.name, self.refusal = name, refusal


def opened(item: Any, arrays: Collection[str]) -> tuple[Mapping[str, Any] | None, Refusal | None]:
    """Return the object that *item* is, and what is wrong with it as a whole.

    What is inside *arrays* is not looked at: those are other records.
    """
    if type(item) is dict:
        return item, None
    if not isinstance(item, Suspect):
        return (item, None) if isinstance(item, dict) else (None, NO_OBJECT)
    if item.refusal is not None or not isinstance(item.value, dict):
        return None, item.refusal or NO_OBJECT
    document = item.value
    own = {name: value for name, value in document.items() if name not in arrays}
    if isinstance(document, Doubled):
        return document, slow.doubled_name([document])
    return document, slow.doubled_name(own.values())
