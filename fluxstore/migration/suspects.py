"""Records whose unique values the target has under another key: do they collide in the end?

Not where that other record is to change as well: two records that swapped their values both cross.
Where it stays as it is (it is only in the target, or its source stays behind), they do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from fluxstore.adapter import Collection
from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.evaluate import reading
from fluxstore.migration import identity
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.spool import problem_from_json, problem_to_json
from fluxstore.query import Filter, Operator, Query
from fluxstore.records import Key, Record, Rejected


class Suspects:
    """What the target foresees to collide, of one entity."""

    def __init__(self, entity: Entity, target: Collection, scratch: Scratch) -> None:
        """Begin empty."""
        self._entity, self._target, self._scratch = entity, target, scratch
        self._digest = identity.key_digest(entity)
        self._lines = scratch.lines()
        self._convicted: set[bytes] = set()

    def __len__(self) -> int:
        """Count the suspects."""
        return len(self._lines)

    def add(self, record: Record, rejected: Rejected) -> None:
        """Add a record that the target would refuse as it is now."""
        raw = base64.b64encode(rejected.raw).decode("ascii")
        own, holders = self._digest(record.key), map(self._digest, self._holders(record))
        digests = [digest.hex() for digest in (own, *holders)]
        self._lines.add([digests, problem_to_json(rejected.problem), raw])

    def _holders(self, record: Record) -> set[Key]:
        """Return the keys under which the target has the record's unique values."""
        found: set[Key] = set()
        for group in self._entity.unique:
            values = {n: reading(self._entity, self._entity.field(n))(record.values) for n in group}
            filters = tuple(Filter(name, Operator.EQ, value) for name, value in values.items())
            if None not in values.values():
                found |= self._keys(Query(filters))
        return found - {record.key}

    def _keys(self, query: Query) -> set[Key]:
        try:
            return {record.key for record in self._target.find(query).records}
        except UsageError:  # a kind of value that cannot be asked for: the target's word stands
            return set()

    def convicted(
        self, stays: Callable[[bytes], bool], known: Callable[[bytes], bool]
    ) -> list[Rejected]:
        """Take out and return those that collide with a record that *stays* as it is.

        Where the target has no such record the collision is within the source: *known* already,
        or seen by the target alone (an index that does not tell upper from lower case).
        """
        rest, found = self._scratch.lines(), []
        for line in self._lines:
            digests, problem, raw = line
            own, *holders = map(bytes.fromhex, digests)
            if own in self._convicted:
                continue
            if any(map(stays, holders)) if holders else not known(own):
                self._convicted.add(own)
                found.append(Rejected(problem_from_json(problem), base64.b64decode(raw)))
            elif holders:
                rest.add(line)
        self._lines.close()
        self._lines = rest
        return found
