"""What ``init`` decided: entities with their fields, where each lives, and why."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class FieldPlan:
    """One field to be declared."""

    name: str
    source_name: str
    """Its name in the JSON object, or its column."""
    annotation: str
    """``str``, ``datetime``, ``list[str]``, …, without ``| None``."""
    nullable: bool = False
    default: str = ""
    """``None``, ``list`` or ``dict`` (made anew for each record); empty where it is required."""
    references: str = ""
    on_delete: str = ""
    unique: bool = False
    pii: bool = False
    bigint: bool = False
    comment: str = ""


@attrs.frozen
class Place:
    """Where an entity's records are: a file and the array in it, a parent's array, or a table.

    With ``is_object`` an object is in the array's place, and records may say their key in
    themselves, too (``key_inside``).
    """

    file: str = ""
    records: str = ""
    within: str = ""
    parent: Mapping[str, str] = attrs.field(factory=dict)
    is_object: bool = False
    key_inside: bool = False
    table: str = ""
    settings: Mapping[str, str] = attrs.field(factory=dict)
    """What else the adapter is to be told."""

    def words(self) -> str:
        """Return the place in words."""
        if self.table:
            return f"table {self.table}"
        place = f"{self.file}, {self.records}" if self.records else self.file
        if self.within:
            place = f"{place} inside each of {self.within}"
        return f"{place}, each under its key" if self.is_object else place


@attrs.frozen
class EntityPlan:
    """One entity to be declared."""

    name: str
    class_name: str
    key: tuple[str, ...]
    fields: tuple[FieldPlan, ...]
    place: Place
    records: int
    reasons: tuple[str, ...] = ()
    """Why the key, the references and the rest are as they are."""
    unique: tuple[tuple[str, ...], ...] = ()


@attrs.frozen
class Plan:
    """All that was decided; ``skipped`` pairs files (or tables) with why they are not covered."""

    entities: tuple[EntityPlan, ...]
    naming: str = "snake_case"
    skipped: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    """Files that cannot be read as what they should be."""
    warnings: tuple[str, ...] = ()
