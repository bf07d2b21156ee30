"""What the core itself binds: one backend, straight through. As ordinary as anyone's plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from fluxstore.adapter import Capability, Collection
from fluxstore.calls import Backends, Move, Read, Routing, Write
from fluxstore.hookspecs import hookimpl
from fluxstore.records import Change, Key, Record, Row


def read_from(collection: Collection) -> Read:
    """Return the reads of one collection, unchanged."""
    return Read(get=collection.read, find=collection.find, count=collection.count)


def write_to(collections: Backends, backend: str) -> Write:
    """Return the write to one backend; an ``op_id`` is made where there is none."""
    collection = collections[backend]
    if Capability.ATOMIC_LEDGER not in collections.adapter(backend).capabilities:
        return Write(collection.commit, backend)

    def commit(
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        return collection.commit(changes, expect=expect, op_id=op_id or uuid4().hex)

    return Write(commit, backend)


@hookimpl
def fluxstore_register_executors(register: Callable[[str, Any], None]) -> None:
    """Offer threads of this process, and processes of this machine."""
    register("local", ThreadPoolExecutor)
    register("process", "concurrent.futures:ProcessPoolExecutor")


@hookimpl(trylast=True)
def fluxstore_bind_read(collections: Backends, settings: Routing) -> Read:
    """Read from the one backend."""
    return read_from(collections[settings.backend])


@hookimpl(trylast=True)
def fluxstore_bind_write(collections: Backends, settings: Routing) -> Write:
    """Write to the one backend."""
    return write_to(collections, settings.backend)


@hookimpl(trylast=True)
def fluxstore_bind_migrate(target: Collection) -> Move:
    """Merge each batch into the target."""
    return target.merge
