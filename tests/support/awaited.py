"""The asynchronous store behind the synchronous one's verbs, so that both take the same tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import fluxstore


class AwaitedStore:
    """What ``fluxstore.aopen`` gives, each verb awaited on an event loop of its own."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._runner = asyncio.Runner()
        self._opening = fluxstore.aopen(*given, **named)
        try:
            self._store = self._runner.run(self._opening.__aenter__())
        except BaseException:
            self._runner.close()
            raise

    def __getitem__(self, entity: Any) -> AwaitedRecords:
        return AwaitedRecords(self._runner, self._store[entity])

    @contextmanager
    def transaction(self, *given: Any) -> Iterator[None]:
        made = self._store.transaction(*given)
        self._runner.run(made.__aenter__())
        try:
            yield
        except BaseException as error:
            self._runner.run(made.__aexit__(type(error), error, error.__traceback__))
            raise
        self._runner.run(made.__aexit__(None, None, None))

    def close(self) -> None:
        self._runner.run(self._opening.__aexit__(None, None, None))
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AwaitedRecords:
    """One entity's records: every verb returns what awaiting it gives."""

    def __init__(self, runner: asyncio.Runner, records: Any) -> None:
        self._runner, self._records = runner, records

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._records, name)
        assert inspect.iscoroutinefunction(verb)
        return lambda *given, **named: self._runner.run(verb(*given, **named))
