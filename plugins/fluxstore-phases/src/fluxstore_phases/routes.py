"""Routes: where an entity is, turned into callables over its collections."""

from __future__ import annotations

import attrs

from fluxstore.calls import Backends, Read, Routing, Write
from fluxstore.entity import Entity
from fluxstore.routing import read_from, write_to
from fluxstore_phases.beside import Beside
from fluxstore_phases.reading import Deciding, governed, sampled
from fluxstore_phases.settings import Settings
from fluxstore_phases.writing import Committing, Following

_SHARED = "phases"


def bind_read(entity: Entity, collections: Backends, routing: Routing) -> Read:
    """Return the reads of the side that answers for *entity* now."""
    beside, settings = _beside(collections, routing), routing.settings
    if not beside.is_governed():
        return read_from(collections[settings.source])
    place = beside.place_of(entity)
    here, there = place.side, place.side.other
    collection = beside.sides.adapter(here).collection(entity)
    deciding = Deciding(
        entity.name, beside.sides.adapter(here).ledger, lambda: beside.sides.adapter(there).ledger
    )
    read = governed(collection, deciding)
    if place.compared_with is None:
        return read
    stale = beside.stale.of(entity, there)
    read = attrs.evolve(read, stale=stale, stale_ok=settings.takes_stale(entity.name))
    if not settings.shadow_reads:
        return read
    return sampled(read, beside.shadow, entity, side=here, share=settings.shadow_reads)


def bind_write(entity: Entity, collections: Backends, routing: Routing) -> Write:
    """Return the write to the side that answers, followed by the leg to the one that follows."""
    beside, settings = _beside(collections, routing), routing.settings
    if not beside.is_governed():
        return write_to(collections, settings.source)
    place = beside.place_of(entity)
    name = beside.sides.names[place.side]
    collection = collections[name]
    noted = beside.noting(place.control.epoch)
    if place.follower is None:
        return Write(Committing(collection, place.control.epoch, noted).commit, name)
    followed = beside.followed[place.follower]
    cascades = bool(routing.entities.referring_to(entity.name))
    following = Following(
        collection, place.control.epoch, noted, followed=followed, cascades=cascades
    )
    return Write(following.commit, name, followed.around)


def _beside(collections: Backends, routing: Routing) -> Beside:
    settings: Settings = routing.settings
    return collections.shared(_SHARED, lambda: Beside(collections, routing, settings))
