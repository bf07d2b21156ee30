"""What the tests of the kit have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import msgspec
import pytest

from fluxstore.adapter import Adapter, Capability, Collection, Control, Part, Role
from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.query import Query
from fluxstore.records import Intent, Key, Put, Record, Residue, Row, Version, Versioned
from fluxstore.testing import processes
from fluxstore.testing.backend import Backend

PATIENCE_SECONDS = 150


@pytest.fixture
def adapter(backend: Backend) -> Iterator[Adapter]:
    """The tested backend, open, with the kit's entities and no record."""
    with backend.opened() as made:
        yield made


def need(adapter: Adapter, capability: Capability) -> None:
    """Skip the test where *adapter* does not declare *capability*."""
    if capability not in adapter.capabilities:
        pytest.skip(f"{adapter.name} does not declare {capability.value}")


def govern(
    adapter: Adapter,
    name: str,
    role: Role,
    *,
    epoch: int = 1,
    phase: str = "dual_write",
    migration: str = "m1",
) -> Control:
    """Set the control record *name*, whatever it was, and return it."""
    control = Control(epoch, role, phase, migration)
    assert adapter.ledger.set_control(name, adapter.ledger.controls().get(name), control)
    return control


def collection(adapter: Adapter, cls: type) -> Collection:
    """Return the collection of one of the kit's classes."""
    return adapter.collection(entity_of(cls))


def row(instance: object) -> dict[str, Any]:
    """Return the plain values of an application's object."""
    return Codec.of(entity_of(type(instance))).row(instance)


def key_of(instance: object) -> Key:
    """Return the plain key of an application's object."""
    return Codec.of(entity_of(type(instance))).key_of(row(instance))


def put(
    instance: object, intent: Intent = Intent.REPLACE, *, residue: Residue | None = None
) -> Put:
    """Return the change that writes an application's object."""
    return Put(key_of(instance), row(instance), intent, residue)


def change(cls: type, key: Key, **values: Any) -> Put:
    """Return the change that sets some fields, given as application values."""
    return Put(key, Codec.of(entity_of(cls)).partial(values), Intent.CHANGE)


def record(instance: object, residue: Residue | None = None) -> Record:
    """Return an application's object as a record."""
    return Record(key_of(instance), row(instance), residue or Residue())


def versioned(instance: object, version: Version, *op_ids: str) -> Versioned:
    """Return an application's object as the authority would send it."""
    made = attrs.evolve(record(instance), version=version)
    return Versioned(made.key, version, made, op_ids)


def tombstone(key: Key, version: Version, *op_ids: str) -> Versioned:
    """Return that *key* is gone, as the authority would send it."""
    return Versioned(key, attrs.evolve(version, deleted=True), None, op_ids)


def save(adapter: Adapter, *instances: object) -> None:
    """Write application objects, one commit each, in their order."""
    for instance in instances:
        collection(adapter, type(instance)).commit([put(instance)])


def values_of(adapter: Adapter, cls: type, key: Key) -> Row | None:
    """Return the values of one record, or ``None`` where there is no such record."""
    found = collection(adapter, cls).read([key])
    return dict(found[key].values) if found else None


def everything_in(adapter: Adapter, cls: type) -> dict[Key, Record]:
    """Return all records by key, as a scan finds them."""
    tested = collection(adapter, cls)
    records: dict[Key, Record] = {}
    cursor, more = None, True
    while more:
        page = tested.scan(cursor, 100)
        assert not page.rejected
        records |= {one.key: one for one in page.records}
        cursor, more = page.cursor, page.cursor is not None
    return records


def count(adapter: Adapter, cls: type) -> int:
    """Return how many records there are."""
    return collection(adapter, cls).count(Query())


def keys(adapter: Adapter, cls: type, query: Query) -> list[Key]:
    """Return the keys that *query* finds, in order."""
    return [one.key for one in collection(adapter, cls).find(query).records]


def document(cls: type, found: Record) -> dict[str, Any]:
    """Return what would be written for a record in a JSON file, and what else its residue holds."""
    codec = Codec.of(entity_of(cls))
    fields = codec.encode(found.values, found.residue.spelling)
    return {
        "fields": {name: _spelt(value) for name, value in fields.items()},
        "extras": dict(found.residue.extras),
        "alias": dict(found.residue.alias),
        "absent": sorted(found.residue.absent),
    }


def _spelt(value: Any) -> Any:
    """Return a JSON value in a form that tells 1 from 1.0 and True, and keeps numbers' digits."""
    if isinstance(value, dict):
        return {name: _spelt(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_spelt(item) for item in value]
    if isinstance(value, str | None):
        return value
    return bytes(value) if isinstance(value, msgspec.Raw) else repr(value)


def same(expected: Any, found: Any) -> bool:
    """Tell whether two plain values are the same to the last bit, types and scales included."""
    if type(expected) is not type(found):
        return False
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(
            same(value, found[name]) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return repr(expected) == repr(found)


def said(parts: Iterable[Part]) -> list[tuple[str, Any]]:
    """Return what parts say, however an order is cut into chunks."""
    order: list[str] = []
    others: list[tuple[str, Any]] = []
    for part in parts:
        if part.name == "order":
            order += part.value
        else:
            others.append((part.name, part.value))
    return ([("order", order)] if order else []) + others


def in_threads(number: int, job: Callable[[int], Any]) -> list[Any]:
    """Call ``job(n)`` in *number* threads that begin together; return or raise what they did."""
    barrier = threading.Barrier(number)
    answers: dict[int, Any] = {}
    errors: list[BaseException] = []

    def work(n: int) -> None:
        try:
            barrier.wait(PATIENCE_SECONDS)
            answers[n] = job(n)
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    for error in errors:
        raise error
    return [answers[n] for n in range(number)]


def elsewhere(work: Callable[[], Any]) -> None:
    """Do something in a thread of its own, and not wait for it for ever."""
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(work).result(PATIENCE_SECONDS)
    finally:
        pool.shutdown(wait=False)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return once *is_so* says so; fail when it takes too long."""
    until = time.monotonic() + processes.PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.001)
