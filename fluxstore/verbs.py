"""The verbs of an application: ``store[Task].get``, ``find``, ``update`` and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar, cast, overload

import attrs

from fluxstore import stale
from fluxstore.asking import make_query
from fluxstore.calls import Read, Write
from fluxstore.codec import Codec, Refusal, json_value
from fluxstore.entity import Entity
from fluxstore.errors import (
    BackendUnavailableError,
    EntityError,
    FluxstoreError,
    RecordNotFoundError,
    UsageError,
)
from fluxstore.query import Query
from fluxstore.records import Delete, Intent, Put, Record, Residue

T = TypeVar("T")
D = TypeVar("D")
R = TypeVar("R")
_RAISE: Any = object()


class Results(list[T]):
    """What ``find`` returns: a list, and in ``cursor`` what continues it (``None`` at the end)."""

    cursor: str | None = None
    stale: bool = False
    """Whether the side that follows answered, as ``stale_ok`` allows."""


@attrs.frozen
class Answer(Generic[T]):
    """What a read with ``stale_ok=True`` returns: a value, and whether it may be out of date."""

    value: T
    stale: bool = False


class Records(Generic[T]):
    """One entity's records, as the application's own objects."""

    def __init__(self, entity: Entity, read: Read, write: Write) -> None:
        """Hold what was bound; every verb is a conversion and a call."""
        self.entity = entity
        self._codec = Codec.of(entity)
        self._read = read
        self._write = write
        self._created = tuple(f.name for f in entity.fields if f.rules.auto)
        self._updated = tuple(f.name for f in entity.fields if f.rules.auto == "updated")

    # reading

    @overload
    def get(self, key: Any, *, stale_ok: Literal[False] | None = ...) -> T: ...
    @overload
    def get(self, key: Any, *, stale_ok: Literal[True]) -> Answer[T]: ...
    @overload
    def get(self, key: Any, default: D, *, stale_ok: Literal[False] | None = ...) -> T | D: ...
    @overload
    def get(self, key: Any, default: D, *, stale_ok: Literal[True]) -> Answer[T | D]: ...
    def get(self, key: Any, default: Any = _RAISE, *, stale_ok: bool | None = None) -> Any:
        """Return the record of *key*; without it *default*, or ``RecordNotFoundError``.

        With *stale_ok*, an ``Answer``: where the authority is away, of the side that follows. A
        policy may allow that without being asked (``fluxstore.stale_answers`` hears of it); with
        ``stale_ok=False`` it never happens.
        """
        plain = self._codec.key(key)
        try:
            found, is_stale = self._read.get((plain,)), False
        except BackendUnavailableError as error:
            found, is_stale = self._stale(lambda read: read.get((plain,)), stale_ok, error), True
        made = self._one(found, plain, default)
        return Answer(made, is_stale) if stale_ok else made

    def _one(self, found: Mapping[Any, Record], plain: Any, default: Any) -> Any:
        record = found.get(plain)
        if record is not None:
            return self._codec.instance(record.values)
        if default is not _RAISE:
            return default
        raise self._not_found(plain)

    @overload
    def get_many(
        self, keys: Iterable[Any], *, stale_ok: Literal[False] | None = ...
    ) -> dict[Any, T]: ...
    @overload
    def get_many(self, keys: Iterable[Any], *, stale_ok: Literal[True]) -> Answer[dict[Any, T]]: ...
    def get_many(self, keys: Iterable[Any], *, stale_ok: bool | None = None) -> Any:
        """Return the records of *keys* that there are, by key; *stale_ok* as in ``get``."""
        plain = [self._codec.key(key) for key in keys]
        found, is_stale = self._asked(lambda read: read.get(plain), stale_ok)
        made = {
            self._codec.application_key(key): self._codec.instance(record.values)
            for key, record in found.items()
        }
        return Answer(made, is_stale) if stale_ok else made

    def _asked(self, ask: Callable[[Read], R], stale_ok: bool | None) -> tuple[R, bool]:
        """Return an answer, and whether it is one of the side that follows."""
        try:
            return ask(self._read), False
        except BackendUnavailableError as error:
            return self._stale(ask, stale_ok, error), True

    def _stale(
        self, ask: Callable[[Read], R], stale_ok: bool | None, unavailable: FluxstoreError
    ) -> R:
        """Return what the side that follows says; raise *unavailable* where nobody may be told."""
        if self._read.stale is None or not self._takes_stale(stale_ok):
            raise unavailable
        try:
            answer = ask(self._read.stale)
        except FluxstoreError as error:
            raise unavailable from error
        stale.tell(self.entity.name)
        return answer

    def _takes_stale(self, stale_ok: bool | None) -> bool:
        if stale_ok is not None:
            return stale_ok
        return self._read.stale_ok and not stale.is_in_transaction()

    def find(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        order_by: str | tuple[str, ...] = (),
        limit: int | None = None,
        after: str | None = None,
        stale_ok: bool | None = None,
        **more: Any,
    ) -> Results[T]:
        """Return the records that meet every filter, ordered, the key last.

        A filter is ``field=value`` or ``field=`` one of ``fluxstore.ne, lt, le, gt, ge, one_of,
        is_null, contains, starts_with``. ``order_by="-due_date"`` descends; nulls come last either
        way. With *limit*, ``results.cursor`` goes into *after* for the next page. With *stale_ok*,
        the side that follows answers where the authority is away, and ``results.stale`` says so.
        """
        query = make_query(
            self._codec, {**(filters or {}), **more}, order_by=order_by, limit=limit, after=after
        )
        found, is_stale = self._asked(lambda read: read.find(query), stale_ok)
        results = Results(self._codec.instance(record.values) for record in found.records)
        results.cursor, results.stale = found.cursor, is_stale
        return results

    @overload
    def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: Literal[False] | None = ...,
        **more: Any,
    ) -> int: ...
    @overload
    def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: Literal[True],
        **more: Any,
    ) -> Answer[int]: ...
    def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: bool | None = None,
        **more: Any,
    ) -> Any:
        """Return how many records meet every filter; *stale_ok* as in ``get``."""
        asked = Query(filters=make_query(self._codec, {**(filters or {}), **more}).filters)
        found, is_stale = self._asked(lambda read: read.count(asked), stale_ok)
        return Answer(found, is_stale) if stale_ok else found

    def extras(self, key: Any) -> dict[str, Any]:
        """Return the undeclared fields of a record and their JSON values."""
        plain = self._codec.key(key)
        found, _ = self._asked(lambda read: read.get((plain,)), None)
        record = found.get(plain)
        if record is None:
            raise self._not_found(plain)
        return dict(record.residue.extras)

    # writing

    def create(
        self, instance: T, *, op_id: str | None = None, extras: Mapping[str, Any] | None = None
    ) -> T:
        """Write a new record and return it; ``RecordExistsError`` if its key is there."""
        values = self._codec.row(self._typed(instance))
        now = _now()
        for name in self._created:
            if values[name] is None:
                values[name] = now
        return self._put(values, Intent.CREATE, op_id, self._residue(extras))

    def put(
        self, instance: T, *, op_id: str | None = None, extras: Mapping[str, Any] | None = None
    ) -> T:
        """Write a whole record, there or not, and return it; its extras stay unless given."""
        values = self._codec.row(self._typed(instance))
        now = _now()
        for name in self._created:
            if values[name] is None or name in self._updated:
                values[name] = now
        return self._put(values, Intent.REPLACE, op_id, self._residue(extras))

    def update(
        self,
        key: Any,
        changes: Mapping[str, Any] | None = None,
        /,
        *,
        expect: T | None = None,
        op_id: str | None = None,
        extras: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> T:
        """Change the named fields only and return the record.

        ``RecordNotFoundError`` if it is not there; with *expect*, ``ConflictError`` if it is no
        longer as it was read. Fields of two updates at once both win.
        """
        plain = self._codec.key(key)
        given = {**(changes or {}), **more}
        values = self._codec.partial(given)
        self._refuse_key_change(plain, values)
        for name in self._updated:
            values.setdefault(name, _now())
        change = Put(plain, values, Intent.CHANGE, self._residue(extras))
        expected = None if expect is None else {plain: self._codec.row(self._typed(expect))}
        return self._committed(change, op_id, expected)

    def delete(self, key: Any, *, expect: T | None = None, op_id: str | None = None) -> None:
        """Delete a record and what cascades from it; ``RecordNotFoundError`` if it is not there."""
        plain = self._codec.key(key)
        expected = None if expect is None else {plain: self._codec.row(self._typed(expect))}
        self._write.commit((Delete(plain),), expect=expected, op_id=op_id)

    def _put(
        self, values: dict[str, Any], intent: Intent, op_id: str | None, residue: Residue | None
    ) -> T:
        return self._committed(
            Put(self._codec.key_of(values), values, intent, residue), op_id, None
        )

    def _committed(self, change: Put, op_id: str | None, expect: Mapping[Any, Any] | None) -> T:
        records: Mapping[Any, Record] = self._write.commit((change,), expect=expect, op_id=op_id)
        return cast(T, self._codec.instance(records[change.key].values))

    def _residue(self, extras: Mapping[str, Any] | None) -> Residue | None:
        if extras is None:
            return None
        declared = sorted(set(extras) & set(self.entity.by_name))
        if declared:
            raise UsageError(f"{self.entity.name}: {declared[0]} is a field, not an extra")
        try:
            return Residue(extras=json_value(dict(extras)))
        except Refusal as refusal:
            raise UsageError(f"extras{refusal.path}: {refusal.expected}") from None

    def _typed(self, instance: T) -> T:
        if not isinstance(instance, self.entity.cls):
            raise EntityError(
                f"a {self.entity.cls.__name__} expected, {type(instance).__name__} found",
                entity=self.entity.name,
            )
        return instance

    def _refuse_key_change(self, key: Any, values: Mapping[str, Any]) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        for name, part in zip(self.entity.key, parts, strict=True):
            if name in values and values[name] != part:
                raise UsageError(f"{self.entity.name}.{name} is the key and cannot be changed")

    def _not_found(self, key: Any) -> RecordNotFoundError:
        return RecordNotFoundError(
            "no such record", entity=self.entity.name, key=self._codec.key_text(key)
        )


def _now() -> datetime:
    return datetime.now(UTC)


def evolve(instance: T, **changes: Any) -> T:
    """Return a copy of an entity's object with some fields changed."""
    return cast(T, attrs.evolve(cast(Any, instance), **changes))
