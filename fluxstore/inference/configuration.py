"""Writes fluxstore.toml for a plan, with comments that say what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import tomlkit

from fluxstore.inference import naming
from fluxstore.inference.plan import EntityPlan, Plan

_HEAD = """\
# Where the records of this project are, and where they may go.
# Relative paths start at this file's folder; a secret comes from ${NAME} or ${file:/path}.
entities = ["entities"]
"""
_POSTGRES = """\
# The way there: `fluxstore assess --from SOURCE --to postgres`, then `migrate`, then `validate`.
# "embedded" starts a private server under .fluxstore/; set DATABASE_URL for one of your own.
[backends.postgres]
adapter = "postgres"
dsn = "${DATABASE_URL:-embedded}"
"""
_POLICY = """\
# What the application reads and writes: the source, for as long as the phase is off.
[policy]
adapter = "phases"
"""


@attrs.frozen
class Source:
    """The backend that the plan was made from: ``[backends.<name>]`` with its own keys."""

    name: str
    adapter: str
    settings: Mapping[str, Any]


def toml_text(plan: Plan, source: Source, *, policy: bool = True, phase: str = "off") -> str:
    """Return the text of fluxstore.toml; *policy* says whether one is to be named in it."""
    parts = [_HEAD, "".join(_backend(plan, source))]
    if source.adapter != "postgres":
        parts.append(_POSTGRES.replace("SOURCE", source.name))
        if policy:
            parts.append(_POLICY + "".join(_pairs(_roles(source, phase))))
    return "\n".join(parts)


def _roles(source: Source, phase: str) -> dict[str, str]:
    return {"source": source.name, "target": "postgres", "phase": phase}


def _backend(plan: Plan, source: Source) -> Iterator[str]:
    yield "# Where the records are today.\n"
    yield f"[backends.{source.name}]\n"
    yield from _pairs({"adapter": source.adapter, **source.settings})
    for entity in plan.entities:
        table = dict(_place(entity, plan.naming))
        if table:
            yield f"\n[backends.{source.name}.entities.{entity.name}]\n"
            yield from _pairs(table)


def _place(entity: EntityPlan, style: str) -> Iterator[tuple[str, Any]]:
    place = entity.place
    if place.table:
        if place.table != entity.name:
            yield "table", place.table
        columns = {
            one.name: one.source_name for one in entity.fields if one.name != one.source_name
        }
        if columns:
            yield "columns", columns
        yield from place.settings.items()
        return
    if place.within:
        yield "within", place.within
    else:
        yield "file", place.file
    if place.records:
        yield "records", place.records
    if place.is_object:
        yield "shape", "object"
    if place.key_inside:
        yield "key_inside", True
    if place.parent:
        yield "parent", dict(place.parent)
    renamed = dict(_renamed(entity, style))
    if renamed:
        yield "rename", renamed


def _renamed(entity: EntityPlan, style: str) -> Iterator[tuple[str, str]]:
    for field in entity.fields:
        if field.source_name not in ("", naming.spelled(field.name, style)):
            yield field.name, field.source_name


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{name} = {_value(value)}\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_bare(name)} = {_value(item)}" for name, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(tomlkit.item(value).as_string())


def _bare(name: str) -> str:
    return tomlkit.key(name).as_string()
