"""Two backends under control, an authority and its follower, and writes as an application's."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from moving import ENTITIES, User, reference

from fluxstore.adapter import Adapter, Control
from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import End
from fluxstore.records import Delete, Intent, Key, Put, Record

EPOCH = 3


def control(role: str, *, epoch: int = EPOCH, phase: str = "backfill") -> Control:
    return Control(epoch, role, phase, "m1")  # type: ignore[arg-type]


def govern(end: End, role: str, *, epoch: int = EPOCH, phase: str = "backfill") -> None:
    ledger = end.adapter.ledger
    known = ledger.controls().get("*")
    assert ledger.set_control("*", known, control(role, epoch=epoch, phase=phase))


@attrs.frozen
class Pair:
    """An authority and its follower."""

    origin: End
    follower: End

    @property
    def adapters(self) -> tuple[Adapter, Adapter]:
        return self.origin.adapter, self.follower.adapter

    def govern(self, *, epoch: int = EPOCH, phase: str = "backfill") -> None:
        """Make the roles so: the follower first, as a phase change does."""
        govern(self.follower, "follower", epoch=epoch, phase=phase)
        govern(self.origin, "authority", epoch=epoch, phase=phase)

    def write(self, *instances: object, op_id: str | None = None) -> None:
        """Write as an application whose follower legs all fail."""
        for instance in instances:
            save(self.origin, instance, op_id=op_id)

    def change(self, cls: type, key: Key, **values: object) -> None:
        partial = Codec.of(entity_of(cls)).partial(values)
        self.origin.collection(entity_of(cls)).commit([Put(key, partial, Intent.CHANGE)])

    def delete(self, cls: type, *keys: Key, op_id: str | None = None) -> None:
        collection = self.origin.collection(entity_of(cls))
        collection.commit([Delete(key) for key in keys], op_id=op_id)

    def marks(self, cls: type) -> list[Key]:
        found = self.origin.adapter.ledger.marks(entity_of(cls).name, 10_000)
        return [one.key for one in found]


def pair(*, is_governed: bool = True, ends: tuple[End, End] | None = None) -> Pair:
    origin, follower = ends or (reference("source"), reference("target"))
    made = Pair(origin, follower)
    if is_governed:
        made.govern()
    return made


def swap_values(both: Pair) -> None:
    """Let two records that were copied give each other their unique values, in phase off."""
    both.write(User(id="a", email="1@x"), User(id="b", email="2@x"))
    migrate(both.origin, both.follower, ENTITIES)
    for key, email in (("a", None), ("b", "1@x"), ("a", "2@x")):
        both.change(User, key, email=email)
    both.govern()


def save(end: End, instance: object, *, op_id: str | None = None) -> None:
    entity = entity_of(type(instance))
    values = Codec.of(entity).row(instance)
    put = Put(Codec.of(entity).key_of(values), values)
    end.collection(entity).commit([put], op_id=op_id)


def held(end: End, cls: type, keys: Sequence[Key]) -> dict[Key, Record]:
    return dict(end.collection(entity_of(cls)).read(keys))


def parents_first() -> tuple:
    return ENTITIES.parents_first()
