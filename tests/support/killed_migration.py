"""Run as a program: a migration that is killed (kill -9) at one of its batches.

``killed_migration.py ADAPTER FILE RECORDS BATCH before|after``
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from moving import ENTITIES, Note, User, options, pile

from fluxstore.adapter import Batch, Opening, Use
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import End

LIMIT = 16


def source_of(records: int) -> End:
    notes = [Note(id=n, text=f"note {n}") for n in range(records)]
    users = [User(id=f"{n:04}", email=f"{n}@x") for n in range(records)]
    end = pile(*notes, *users)
    for collection in end.adapter._collections.values():
        scan = collection.scan
        collection.scan = lambda cursor, limit, scan=scan: scan(cursor, min(limit, LIMIT))
    return end


def target_at(adapter: str, path: Path) -> End:
    if adapter == "reference":
        from fluxstore.testing.reference import ReferenceAdapter as Adapter
    else:
        from fluxstore_sqlite.adapter import SqliteAdapter as Adapter
    settings = Adapter.Settings(path=path.name)
    return End(
        "target", Adapter(Opening("target", settings, ENTITIES, {}, path.parent, Use.TARGET))
    )


def dying(target: End, batch: int, *, after: bool):
    """Return moves that kill this process before or after the given batch of all."""
    seen = iter(range(batch))

    def move_of(name: str):
        merge = target.collection(ENTITIES[name]).merge

        def move(given: Batch):
            last = next(seen, None) is None
            if last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            merged = merge(given)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return merged

        return move

    return {name: move_of(name) for name in ENTITIES}


if __name__ == "__main__":
    kind, file, records, batch, moment = sys.argv[1:]
    target = target_at(kind, Path(file))
    moves = dying(target, int(batch), after=moment == "after")
    chosen = options(moves=moves, batch_seconds=1e-9, resume=True)
    migrate(source_of(int(records)), target, ENTITIES, chosen)
