"""A backend whose records are made when they are read: any number of them takes no memory.

What is merged into it is counted and forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from moving import ENTITIES, Member, Note, Team, User

from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.entity import Entity, entity_of
from fluxstore.migration.plan import End
from fluxstore.records import Record


class EndlessCollection:
    def __init__(self, entity: Entity, count: int, make: Callable[[int], Record]) -> None:
        self.entity, self._count, self._make = entity, count, make
        self.merged = 0

    def scan(self, cursor: str | None, limit: int) -> Page:
        start = int(cursor or 0)
        end = min(self._count, start + limit)
        more = str(end) if end < self._count else None
        return Page(tuple(map(self._make, range(start, end))), more, done=end / (self._count or 1))

    def read(self, keys):
        return {}

    def count(self, query) -> int:
        return self.merged

    def size(self) -> Size:
        return Size(self._count, 8192 * self._count)

    def place(self) -> str:
        return self.entity.name

    def foresee(self, records):
        return ()

    def merge(self, batch: Batch) -> Merged:
        self.merged += len(batch.records)
        return Merged(written=len(batch.records))


class ForgetfulLedger:
    def control(self, entity: str) -> None:
        return None

    def cursor(self, migration: str, entity: str) -> None:
        return None

    def drop_cursors(self, migration: str) -> None:
        pass

    def quarantine(self, entity: str):
        return ()

    def set_quarantine(self, entity: str, rejected) -> None:
        for _ in rejected:
            pass

    def parts(self, entity: str):
        return iter(())

    def save_parts(self, entity: str, parts) -> int:
        return 0

    def lease(self, name: str):
        return nullcontext()


class EndlessAdapter:
    name = "endless"
    capabilities = frozenset()

    def __init__(self, where: str, users: int, *, dangling: bool) -> None:
        self._where = where
        self.ledger = ForgetfulLedger()
        self._collections = {
            "teams": EndlessCollection(entity_of(Team), 0 if dangling else 10, _team),
            "users": EndlessCollection(entity_of(User), users, _user),
            "members": EndlessCollection(entity_of(Member), 0, _user),
            "notes": EndlessCollection(entity_of(Note), 0, _user),
        }

    def collection(self, entity: Entity) -> EndlessCollection:
        return self._collections[entity.name]

    def prepare(self, entities) -> None:
        pass

    complete = prepare

    def examine(self):
        return ()

    def describe(self) -> str:
        return self._where


def _team(number: int) -> Record:
    return Record(f"t{number}", {"id": f"t{number}", "name": "", "slug": None, "lead_id": None})


def _user(number: int) -> Record:
    key = f"{number:08x}"
    values = {"id": key, "name": f"user {number}" * 4, "email": f"{number}@x"}
    return Record(key, {**values, "team_id": f"t{number % 10}", "boss_id": None})


def endless(name: str, users: int, *, dangling: bool = False) -> End:
    return End(name, EndlessAdapter(name, users, dangling=dangling))


__all__ = ["ENTITIES", "endless"]
