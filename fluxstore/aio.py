"""The store for asyncio: the same verbs, awaited.

Every call is one job on a thread of the store's own, for adapters block and are none the worse for
it. Cancelling is safe at every ``await``: see ``fluxstore.aio_jobs``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

from fluxstore.config import Config
from fluxstore.entity import Entity
from fluxstore.plugins import Plugins
from fluxstore.store import Store
from fluxstore.store import open as open_store
from fluxstore.verbs import Answer, Records, Results

if TYPE_CHECKING:
    import asyncio

    from fluxstore.aio_jobs import Jobs, OwnThread

T = TypeVar("T")
D = TypeVar("D")
R = TypeVar("R")
_RAISE: Any = object()


class _Run(Protocol):
    def __call__(self, call: Callable[[], R]) -> Awaitable[R]: ...


class AsyncRecords(Generic[T]):
    """One entity's records, as the application's own objects; the verbs of ``Records``, awaited."""

    def __init__(self, records: Records[T], run: _Run) -> None:
        """Make each call of *records* a job that *run* runs."""
        self.entity: Entity = records.entity
        self._records = records
        self._run = run

    @overload
    async def get(self, key: Any, *, stale_ok: Literal[False] | None = ...) -> T: ...
    @overload
    async def get(self, key: Any, *, stale_ok: Literal[True]) -> Answer[T]: ...
    @overload
    async def get(
        self, key: Any, default: D, *, stale_ok: Literal[False] | None = ...
    ) -> T | D: ...
    @overload
    async def get(self, key: Any, default: D, *, stale_ok: Literal[True]) -> Answer[T | D]: ...
    async def get(self, key: Any, default: Any = _RAISE, *, stale_ok: bool | None = None) -> Any:
        """Return the record of *key*; without it *default*, or ``RecordNotFoundError``."""
        given = () if default is _RAISE else (default,)
        get: Callable[..., Any] = self._records.get
        return await self._run(partial(get, key, *given, stale_ok=stale_ok))

    @overload
    async def get_many(
        self, keys: Iterable[Any], *, stale_ok: Literal[False] | None = ...
    ) -> dict[Any, T]: ...
    @overload
    async def get_many(
        self, keys: Iterable[Any], *, stale_ok: Literal[True]
    ) -> Answer[dict[Any, T]]: ...
    async def get_many(self, keys: Iterable[Any], *, stale_ok: bool | None = None) -> Any:
        """Return the records of *keys* that there are, by key."""
        get_many: Callable[..., Any] = self._records.get_many
        return await self._run(partial(get_many, list(keys), stale_ok=stale_ok))

    async def find(
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
        """Return the records that meet every filter, ordered, the key last."""
        find = self._records.find
        return await self._run(
            lambda: find(
                filters, order_by=order_by, limit=limit, after=after, stale_ok=stale_ok, **more
            )
        )

    @overload
    async def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: Literal[False] | None = ...,
        **more: Any,
    ) -> int: ...
    @overload
    async def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: Literal[True],
        **more: Any,
    ) -> Answer[int]: ...
    async def count(
        self,
        filters: Mapping[str, Any] | None = None,
        /,
        *,
        stale_ok: bool | None = None,
        **more: Any,
    ) -> Any:
        """Return how many records meet every filter."""
        count: Callable[..., Any] = self._records.count
        return await self._run(lambda: count(filters, stale_ok=stale_ok, **more))

    async def extras(self, key: Any) -> dict[str, Any]:
        """Return the undeclared fields of a record and their JSON values."""
        return await self._run(lambda: self._records.extras(key))

    async def create(
        self, instance: T, *, op_id: str | None = None, extras: Mapping[str, Any] | None = None
    ) -> T:
        """Write a new record and return it; ``RecordExistsError`` if its key is there."""
        return await self._run(lambda: self._records.create(instance, op_id=op_id, extras=extras))

    async def put(
        self, instance: T, *, op_id: str | None = None, extras: Mapping[str, Any] | None = None
    ) -> T:
        """Write a whole record, there or not, and return it; its extras stay unless given."""
        return await self._run(lambda: self._records.put(instance, op_id=op_id, extras=extras))

    async def update(
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
        """Change the named fields only and return the record."""
        update = self._records.update
        return await self._run(
            lambda: update(key, changes, expect=expect, op_id=op_id, extras=extras, **more)
        )

    async def delete(self, key: Any, *, expect: T | None = None, op_id: str | None = None) -> None:
        """Delete a record and what cascades from it; ``RecordNotFoundError`` if it is not there."""
        await self._run(lambda: self._records.delete(key, expect=expect, op_id=op_id))


class _Level:
    """A transaction that is open, or one inside it: whose turn it is on the thread."""

    def __init__(self, thread: OwnThread, turn: asyncio.Lock, outer: _Level | None) -> None:
        self.thread, self.turn, self.outer = thread, turn, outer
        self.is_over = False


_levels: ContextVar[Mapping[AsyncStore, _Level]] = ContextVar(
    "fluxstore_transactions", default=MappingProxyType({})
)
"""The innermost transaction of each store that this task, or one that started it, is in."""


class AsyncStore:
    """All entities of an application, for asyncio; from ``fluxstore.aopen``."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        """Make every call of *store* a job of *jobs*."""
        self._store = store
        self._jobs = jobs
        self._records: dict[str, AsyncRecords[Any]] = {}

    @overload
    def __getitem__(self, entity: type[T]) -> AsyncRecords[T]: ...
    @overload
    def __getitem__(self, entity: str) -> AsyncRecords[Any]: ...
    def __getitem__(self, entity: type[Any] | str) -> AsyncRecords[Any]:
        """Return the records of an entity, by class or name; ``EntityNotFoundError`` if none."""
        records = self._store[entity]
        name = records.entity.name
        if name not in self._records:
            self._records[name] = AsyncRecords(records, self._run)
        return self._records[name]

    @property
    def entities(self) -> Mapping[str, Entity]:
        """Every entity by name."""
        return self._store.entities

    @asynccontextmanager
    async def transaction(
        self, entities: Iterable[type[Any] | str] | None = None
    ) -> AsyncIterator[None]:
        """Make all writes inside one transaction, on a thread of its own.

        Tasks that are started inside belong to it until it ends, one call at a time. An exception
        undoes everything, being cancelled too. Raises as ``Store.transaction`` does.
        """
        outer = self._level()
        async with (
            self._thread(outer) as thread,
            _entered(thread, self._store.transaction(entities)),
        ):
            with self._inside(thread, outer):
                yield

    @asynccontextmanager
    async def _thread(self, outer: _Level | None) -> AsyncIterator[OwnThread]:
        """Give the thread of a transaction; one inside another has that one's, in its turn."""
        from fluxstore.aio_jobs import OwnThread

        if outer is not None:
            async with outer.turn:
                yield outer.thread
            return
        async with self._jobs.slot():
            thread = OwnThread()
            try:
                yield thread
            finally:
                thread.end()

    async def _run(self, call: Callable[[], R]) -> R:
        from fluxstore.aio_jobs import run

        while (level := self._level()) is not None:
            async with level.turn:
                if not level.is_over:
                    return await run(level.thread, call)
        return await run(self._jobs.pool, call)

    def _level(self) -> _Level | None:
        """Return the transaction that a call made now belongs to."""
        level = _levels.get().get(self)
        while level is not None and level.is_over:
            level = level.outer
        return level

    @contextmanager
    def _inside(self, thread: OwnThread, outer: _Level | None) -> Iterator[None]:
        import asyncio

        level, before = _Level(thread, asyncio.Lock(), outer), _levels.get()
        _levels.set({**before, self: level})
        try:
            yield
        finally:
            level.is_over = True
            _levels.set(before)


@asynccontextmanager
async def _entered(
    thread: OwnThread, transaction: AbstractContextManager[None]
) -> AsyncIterator[None]:
    """Enter *transaction* on *thread*, and leave it there, whatever happens in between."""
    from fluxstore.aio_jobs import finish, run

    steps: list[str] = []

    def enter() -> None:
        transaction.__enter__()
        steps.append("entered")

    def leave(error: BaseException | None) -> None:
        steps.append("left")
        told = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        transaction.__exit__(*told)

    try:
        await run(thread, enter)
        yield
        await run(thread, lambda: leave(None))
    except BaseException as error:
        if steps == ["entered"]:
            failed = error
            await finish(thread, lambda: leave(failed))
        raise


@asynccontextmanager
async def aopen(
    config: str | Path | Config | None = None,
    *,
    backend: str | None = None,
    plugins: Plugins | None = None,
    threads: int = 16,
) -> AsyncIterator[AsyncStore]:
    """Give the store that a configuration describes, for asyncio, while the context lasts.

    Takes and raises what ``open`` does. Up to *threads* calls run at once, and as many
    transactions; others wait for their turn.
    """
    from fluxstore.aio_jobs import Jobs, finish, run

    jobs, opened = Jobs(threads), list[Store]()
    try:
        await run(
            jobs.pool, lambda: opened.append(open_store(config, backend=backend, plugins=plugins))
        )
        yield AsyncStore(opened[0], jobs)
    finally:
        for store in opened:
            await finish(jobs.pool, store.close)
        jobs.close()
