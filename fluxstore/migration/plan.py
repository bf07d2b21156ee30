"""What a migration will do, decided before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import xxhash

from fluxstore.adapter import (
    Adapter,
    Capability,
    Collection,
    Finding,
    HasBackup,
    HasSnapshot,
    Size,
)
from fluxstore.entity import Entities, Entity
from fluxstore.errors import PlanError, UnreadableRecordError, UnsupportedError, UsageError
from fluxstore.records import Problem, Reason

LEASE = "migration"
SCRATCH_BYTES_A_RECORD = 256
_GUESSED_RECORD_BYTES = 256


@attrs.frozen
class End:
    """One end of a migration: a configured backend, open."""

    name: str
    adapter: Adapter
    version: str = ""
    """The version of the adapter's distribution, for certificates."""

    def collection(self, entity: Entity) -> Collection:
        """Return the entity's collection."""
        return self.adapter.collection(entity)

    def to_json(self) -> dict[str, str]:
        """Return what a report says of it; nothing here is secret."""
        return {
            "backend": self.name,
            "adapter": self.adapter.name,
            "version": self.version,
            "where": self.adapter.describe(),
        }


@attrs.frozen
class Plan:
    """Which entities go from where to where, parents first."""

    source: End
    """Where records come from: in a rollback this is the migration's target."""
    target: End
    entities: tuple[Entity, ...]
    all_entities: Entities
    migration: str
    sizes: dict[str, Size] = attrs.field(factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the reader should know of both backends though it does not block an offline copy."""
        return tuple(
            f"{one.subject}: {one.problem}; {one.next_step}" for one in self.findings if one.offline
        )

    @property
    def scratch_bytes(self) -> int:
        """The disk space that digests may need; roughly."""
        return sum(map(_records, self.sizes.values())) * SCRATCH_BYTES_A_RECORD


def make_plan(
    source: End,
    target: End,
    entities: Entities,
    *,
    only: Sequence[str] = (),
    check: bool = True,
) -> Plan:
    """Return the plan of moving *entities* (or *only* some) from *source* to *target*.

    ``UsageError`` for an unknown entity or one backend twice; with *check*, ``PlanError`` for what
    either backend's ``examine`` says blocks.
    """
    if source.name == target.name:
        raise UsageError(
            f"source and target are both {source.name}", next_step="name two different backends"
        )
    for name in only:
        entities[name]
    chosen = tuple(one for one in entities.parents_first() if not only or one.name in only)
    if not chosen:
        raise PlanError("there is no entity to move", next_step="declare one with @entity(…)")
    findings = (*source.adapter.examine(), *target.adapter.examine())
    if check:
        _refuse_blocking(findings)
    return Plan(
        source=source,
        target=target,
        entities=chosen,
        all_entities=entities,
        migration=migration_of(source, target),
        sizes={one.name: _size(source.collection(one)) for one in chosen},
        findings=findings,
    )


def migration_of(source: End, target: End) -> str:
    """Return the identity of a migration: the same two places have the same one each time."""
    places = f"{source.adapter.describe()}\n{target.adapter.describe()}"
    mark = xxhash.xxh3_64_hexdigest(places.encode("utf-8", "surrogatepass"))
    return f"{source.name}-to-{target.name}-{mark[:8]}"


def file_problem(entity: Entity, error: UnreadableRecordError, place: str) -> Problem:
    """Return what is listed where a whole file is refused."""
    return Problem(
        entity=entity.name,
        reason=Reason.FILE,
        expected=f"{error.problem}; {error.next_step}" if error.next_step else error.problem,
        key=str(error.key or ""),
        field=error.field,
        file=error.file or place,
    )


def has_snapshot(adapter: Adapter) -> HasSnapshot | None:
    """Return *adapter* as one whose reads can all be of one moment, or ``None``."""
    return adapter if isinstance(adapter, HasSnapshot) else None


def with_backup(adapter: Adapter, backend: str, *, otherwise: str) -> HasBackup:
    """Return *adapter* as one that makes backups; ``UnsupportedError`` says *otherwise*."""
    if Capability.BACKUP in adapter.capabilities and isinstance(adapter, HasBackup):
        return adapter
    raise UnsupportedError(
        f"the adapter {adapter.name} makes no backups, and there is no rollback without one",
        backend=backend,
        capability=Capability.BACKUP.value,
        next_step=otherwise,
    )


def _refuse_blocking(findings: Sequence[Finding]) -> None:
    blocking = [finding for finding in findings if finding.blocks and not finding.offline]
    if blocking:
        first = blocking[0]
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        raise PlanError(
            f"{first.subject}: {first.problem}{more}",
            next_step=first.next_step or "see `fluxstore doctor`",
        )


def _size(collection: Collection) -> Size:
    try:
        return collection.size()
    except UnreadableRecordError:  # the survey will say so, file by file
        return Size(None, 0)


def _records(size: Size) -> int:
    return size.records if size.records is not None else size.bytes // _GUESSED_RECORD_BYTES
