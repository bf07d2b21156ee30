"""One record: what every backend has of it, why they differ, and what would end that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from fluxstore.adapter import Capability, Control, Mark
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.migration.current import readable
from fluxstore.migration.differences import HIDDEN, differing
from fluxstore.migration.plan import End
from fluxstore.migration.report import to_json
from fluxstore.migration.spool import document_bytes
from fluxstore.records import UNTOUCHED, Key, Problem, Record, Version

_MARKS = 100_000
"""Of so many marks the record's own is looked for."""


@attrs.frozen
class Seen:
    """What one backend has of a record."""

    backend: str
    where: str
    control: Control | None
    record: Record | None
    version: Version | None
    """Of the record or its tombstone; ``None`` where there is neither."""
    mark: Mark | None = None
    """Says that its follower may not have it yet."""
    quarantine: Problem | None = None
    """Why the record cannot cross to this backend."""
    unreadable: Problem | None = None
    """Why what is there cannot be decoded."""
    operations: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """What there is, in a word."""
        if self.unreadable is not None:
            return "unreadable"
        if self.record is not None:
            return "record"
        return "deleted" if self.version is not None and self.version.deleted else "absent"


@attrs.frozen
class Explained:
    """What is known of one record."""

    entity: Entity
    key: Key
    seen: tuple[Seen, ...]
    why: str
    next_step: str

    def to_json(self, *, show: bool = False) -> dict[str, Any]:
        """Return it as JSON values; personal data only with *show*."""
        return {
            "entity": self.entity.name,
            "key": Codec.of(self.entity).key_text(self.key),
            "backends": [self._backend(one, show=show) for one in self.seen],
            "why": self.why,
            "next": self.next_step,
        }

    def _backend(self, one: Seen, *, show: bool) -> dict[str, Any]:
        return {
            "backend": one.backend,
            "where": one.where,
            "control": to_json(one.control),
            "state": one.state,
            "version": said(one.version),
            "mark": None if one.mark is None else said(one.mark.version),
            "quarantine": to_json(one.quarantine),
            "unreadable": to_json(one.unreadable),
            "operations": list(one.operations),
            "value": None if one.record is None else shown(self.entity, one.record, show=show),
        }


def explain(ends: Sequence[End], entity: Entity, key: Key) -> Explained:
    """Return what each of *ends* has of the record *key*, and what follows from that.

    The follower is read before the authority, so that it cannot look newer.
    """
    follows = [end for end in ends if _role(end, entity) == "follower"]
    others = [end for end in ends if _role(end, entity) != "follower"]
    seen = {end.name: look(end, entity, key) for end in (*follows, *others)}
    why, next_step = _reasons(entity, [seen[end.name] for end in ends], ends)
    return Explained(entity, key, tuple(seen[end.name] for end in ends), why, next_step)


def look(end: End, entity: Entity, key: Key) -> Seen:
    """Return what *end* has of the record *key*."""
    ledger, text = end.adapter.ledger, Codec.of(entity).key_text(key)
    records, unreadable = readable(end.adapter, entity, [key])
    record = records.get(key)
    version = record.version if record else ledger.versions(entity.name, [key]).get(key)
    found = Seen(
        backend=end.name,
        where=end.adapter.describe(),
        control=_control(end, entity),
        record=record,
        version=version,
        quarantine=next(
            (one.problem for one in ledger.quarantine(entity.name) if one.problem.key == text), None
        ),
        unreadable=unreadable[0].problem if unreadable else None,
    )
    if Capability.FENCING not in end.adapter.capabilities:
        return found
    marks = ledger.marks(entity.name, _MARKS)
    return attrs.evolve(
        found,
        mark=next((one for one in marks if one.key == key), None),
        operations=tuple(ledger.operations(entity.name, [key]).get(key, ())),
    )


def _control(end: End, entity: Entity) -> Control | None:
    if Capability.FENCING not in end.adapter.capabilities:
        return None
    return end.adapter.ledger.control(entity.name)


def _role(end: End, entity: Entity) -> str:
    control = _control(end, entity)
    return control.role if control is not None else ""


def said(version: Version | None) -> str | None:
    """Return a version in words: ``3.7``, ``3.8 deleted``, ``untouched``."""
    if version is None:
        return None
    if version == UNTOUCHED:
        return "untouched"
    return f"{version.epoch}.{version.seq}{' deleted' if version.deleted else ''}"


def shown(entity: Entity, record: Record, *, show: bool) -> dict[str, Any]:
    """Return a record's document; personal data only with *show*."""
    document: dict[str, Any] = json.loads(document_bytes(Codec.of(entity), record))
    if show:
        return document
    hidden = {field.name for field in entity.fields if field.rules.pii}
    return {
        name: HIDDEN if name in hidden and value is not None else value
        for name, value in document.items()
    }


# why


def _reasons(entity: Entity, seen: Sequence[Seen], ends: Sequence[End]) -> tuple[str, str]:
    pair = _pair(seen)
    if pair is None:
        return _unled(entity, seen)
    authority, follower = pair
    at = next(end for end in ends if end.name == follower.backend)
    return next(_compared(entity, authority, follower, at))


def _pair(seen: Sequence[Seen]) -> tuple[Seen, Seen] | None:
    """Return the authority and its follower, where there are both."""
    roles = {one.control.role: one for one in seen if one.control is not None}
    leading = roles.get("authority") or roles.get("sealed") or roles.get("committing")
    follower = roles.get("follower")
    return (leading, follower) if leading is not None and follower is not None else None


def _unled(entity: Entity, seen: Sequence[Seen]) -> tuple[str, str]:
    """Explain backends of which none follows another."""
    records = [one for one in seen if one.record is not None]
    lacking = ", ".join(one.backend for one in seen if one.record is None)
    if lacking:
        having = ", ".join(one.backend for one in records) or "none"
        return f"{having} has it, {lacking} has not; neither follows the other", "fluxstore migrate"
    names = _differing(entity, records)
    if names:
        return f"they differ in {names}, and neither follows the other", "fluxstore migrate"
    return "all have the same", ""


def _differing(entity: Entity, records: Sequence[Seen]) -> str:
    first = records[0].record if records else None
    fields = [
        one.field
        for other in records[1:]
        if first is not None and other.record is not None
        for one in differing(entity, first, other.record)
    ]
    return ", ".join(dict.fromkeys(fields))


def _compared(
    entity: Entity, authority: Seen, follower: Seen, at: End
) -> Iterator[tuple[str, str]]:
    """Yield what holds of an authority and its follower; the first counts."""
    here, there = _plain(authority.version), _plain(follower.version)
    names = _differing(entity, [authority, follower])
    is_same = authority.state == follower.state and not names
    if "unreadable" in (authority.state, follower.state):
        spoilt = authority if authority.state == "unreadable" else follower
        yield f"{spoilt.backend} has something that cannot be decoded", "mend it by hand"
    if follower.quarantine is not None and not is_same:
        reason = follower.quarantine.expected
        yield f"{follower.backend} cannot hold it: {reason}", f"mend it at {authority.backend}"
    if there > here and follower.version != UNTOUCHED:
        yield (
            f"{follower.backend} has a version that {authority.backend} never gave",
            "find out who wrote it there; fluxstore validate lists all such records",
        )
    if authority.mark is not None:
        yield _marked(entity, authority, at)
    if is_same:
        yield "both have the same", ""
    if here > there and authority.version != UNTOUCHED:
        yield f"{follower.backend} is behind and no mark says so", "fluxstore migrate carries it"
    if authority.state == "record" and follower.state != "record":
        yield f"only {authority.backend} has it: it was not copied", "fluxstore migrate"
    if follower.state == "record" and authority.state != "record":
        yield (
            f"only {follower.backend} has it",
            "fluxstore repair --plan, or migrate with --delete-extra",
        )
    other = f"{follower.backend} was changed behind the back of {authority.backend}"
    yield f"same version, other content ({names}): {other}", "fluxstore repair --plan"


def _marked(entity: Entity, authority: Seen, at: End) -> tuple[str, str]:
    """Explain a mark: it is on its way, or a rule of the follower holds it back."""
    records = [authority.record] if authority.record is not None else []
    for found in at.collection(entity).foresee(records):
        return (
            f"its mark waits: {at.name} says {found.problem.expected}",
            "what is in its way crosses first; fluxstore relay --once tries again",
        )
    return "it is on its way: a mark says so", "fluxstore relay --once, or wait"


def _plain(version: Version | None) -> tuple[int, int]:
    return (0, 0) if version is None else (version.epoch, version.seq)
