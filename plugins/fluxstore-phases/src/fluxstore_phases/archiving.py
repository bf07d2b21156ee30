"""The archive: the source once it has everything from before phase 5, and its manifest."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fluxstore.adapter import Adapter, Control
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import GateError
from fluxstore.migration import relay
from fluxstore.migration.identity import key_digest, record_digest
from fluxstore_phases import accepting
from fluxstore_phases.phases import PHASES, Side
from fluxstore_phases.sides import PATIENCE_SECONDS, Sides
from fluxstore_phases.standing import Standing

COMPLETE = PHASES[5]
_PAGE = 1000
"""Records of one page when a manifest is made."""


def archive(sides: Sides, standing: Standing) -> None:
    """Carry every mark from before phase 5, then archive the source with its manifest.

    ``GateError`` where a mark cannot be carried: the source follows on until it can.
    """
    source, target = standing.held(Side.SOURCE), standing.held(Side.TARGET)
    entities = sides.governed(standing.scope)
    behind = {one.name: accepting.accepted(sides, standing, one) for one in entities}
    origin, follower = sides.adapter(Side.TARGET), sides.adapter(Side.SOURCE)
    drained = relay.drain(
        origin,
        follower,
        entities,
        epoch=source.epoch,
        stopped=lambda: not _older(origin, entities, behind, target.epoch),
        patience_seconds=PATIENCE_SECONDS,
    )
    if left := _older(origin, entities, behind, target.epoch):
        why = drained.waiting[0].problem if drained.waiting else "another relay is at it"
        raise GateError(
            f"changes of {left} from before phase 5 are not at the source yet: {why}",
            gate="archive",
            missing=(left,),
            next_step="the target answers already; run `fluxstore phase set complete` again",
        )
    archived = Control(target.epoch, "archived", COMPLETE.name, source.migration)
    sides.turn(Side.SOURCE, standing.scope, source, archived)
    keep_manifest(sides, standing.scope)


def _older(
    origin: Adapter, entities: Sequence[Entity], behind: Mapping[str, Collection[str]], epoch: int
) -> str:
    """Return the name of an entity with a mark from before *epoch* that may not stay *behind*.

    The oldest marks come first, and one that is made again goes to the end.
    """
    for entity in entities:
        text, known = Codec.of(entity).key_text, behind[entity.name]
        for mark in origin.ledger.marks(entity.name, 1 + len(known)):
            if mark.version.epoch < epoch and text(mark.key) not in known:
                return entity.name
    return ""


def manifest_name(scope: str) -> str:
    """Return the name of the fact that says what was archived."""
    return f"archive:{scope}"


def manifest(sides: Sides, scope: str) -> Any:
    """Return what the archived source holds, as it was written down, or ``None``."""
    return sides.adapter(Side.SOURCE).ledger.fact(manifest_name(scope))


def is_kept(sides: Sides, standing: Standing) -> bool:
    """Tell whether the manifest of this archive was written down."""
    found, source = manifest(sides, standing.scope), standing.held(Side.SOURCE)
    return bool(found) and (found["migration"], found["epoch"]) == (
        standing.migration,
        source.epoch,
    )


def keep_manifest(sides: Sides, scope: str) -> Any:
    """Write down how many records the archived source holds of each entity, and their digest."""
    source = sides.adapter(Side.SOURCE)
    standing = sides.standing(scope)
    made = {
        "migration": standing.migration,
        "epoch": standing.held(Side.SOURCE).epoch,
        "archived_at": time.time(),
        "entities": {one.name: _counted(source, one) for one in sides.governed(scope)},
    }
    source.ledger.set_fact(manifest_name(scope), made)
    return made


def _counted(adapter: Adapter, entity: Entity) -> dict[str, Any]:
    """Return the number of records and one digest of all of them, whatever their order."""
    keyed, proved = key_digest(entity), record_digest(entity)
    collection, cursor, count, total = adapter.collection(entity), None, 0, 0
    while True:
        page = collection.scan(cursor, _PAGE)
        for record in page.records:
            total += int.from_bytes(keyed(record.key) + proved(record), "big")
            count += 1
        cursor = page.cursor
        if cursor is None:
            return {"records": count, "digest": f"{total % (1 << 512):0128x}"}
