"""Run as a program: a live backfill that is killed (kill -9) at one of its calls to a backend.

``killed_backfill.py FOLDER CALL before|after``
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from governed import Pair, parents_first
from moving import ENTITIES

from fluxstore.migration import scanning
from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.options import Options
from fluxstore.migration.plan import End
from fluxstore.testing.backend import Backend
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

LIMIT = 16
COLLECTION = ("scan", "read", "merge", "apply_if_newer")
LEDGER = ("versions", "operations", "clear", "set_fact", "drop_cursors", "save_parts")


@contextmanager
def pair_at(folder: Path) -> Iterator[Pair]:
    """Open two SQLite files; what is made twice is made once."""
    ends = []
    for name in ("source", "target"):
        (folder / name).mkdir(exist_ok=True)
        backend = Backend(SqliteAdapter, Settings(path="store.db"), folder / name, {}, name)
        ends.append(End(name, backend.open(ENTITIES)))
    try:
        yield Pair(*ends)
    finally:
        for end in ends:
            end.adapter.close()


def run(both: Pair) -> Any:
    """Backfill in small pages, from where an earlier run stood."""
    live = live_of(both.origin, both.follower, ENTITIES.values())
    assert live is not None
    usual = scanning.page_records
    scanning.page_records = lambda _: LIMIT
    try:
        return backfill(live, ENTITIES, Options(resume=True))
    finally:
        scanning.page_records = usual


def dying(both: Pair, call: int, *, after: bool) -> None:
    """Let this process die before or after the given call of all."""
    seen = iter(range(call))

    def wrapped(verb: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            is_last = next(seen, None) is None
            if is_last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = verb(*args, **options)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return called

    for end in (both.origin, both.follower):
        watched = [(end.collection(one), COLLECTION) for one in parents_first()]
        for what, verbs in (*watched, (end.adapter.ledger, LEDGER)):
            for verb in verbs:
                setattr(what, verb, wrapped(getattr(what, verb)))


if __name__ == "__main__":
    folder, number, moment = sys.argv[1:]
    with pair_at(Path(folder)) as opened:
        dying(opened, int(number), after=moment == "after")
        run(opened)
