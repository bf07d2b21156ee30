"""Faults on demand: an adapter in front of another that fails where a test says so.

::

    adapter = FaultyAdapter(real, Fault("commit", BackendUnavailableError("gone"), call=2))

The second ``commit`` of any collection raises, before the real adapter hears of it, or with
``after=True`` once it is done: what a lost answer looks like. Verbs of the ledger are named with
their part, and governed reads: ``ledger.set_control``, ``governed.read``. ``calls`` tells
afterwards what was called.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import attrs

from fluxstore.adapter import Adapter, Collection, Ledger
from fluxstore.entity import Entity


@attrs.frozen
class Fault:
    """An error to be raised at the *call*-th call of a *verb* (1 is the first), or at each."""

    verb: str
    error: BaseException
    call: int | None = 1
    """``None``: at every call."""
    after: bool = False
    entity: str | None = None
    """Only calls on this entity's collection count; ``None``: all do."""

    def strikes(self, verb: str, entity: str | None, calls: int) -> bool:
        """Tell whether the *calls*-th call of *verb* is to fail."""
        return verb == self.verb and self.entity in (None, entity) and self.call in (None, calls)


class FaultyAdapter:
    """An ``Adapter`` that passes everything on, save what its faults say."""

    def __init__(self, real: Adapter, *faults: Fault) -> None:
        """Stand in front of *real*."""
        self.real = real
        self.faults = list(faults)
        self.calls: Counter[str] = Counter()
        """Verb to number of calls so far, failed ones included."""
        self._of_entity: Counter[tuple[str, str | None]] = Counter()
        self._lock = threading.Lock()
        self.name = real.name
        self.Settings, self.EntitySettings = real.Settings, real.EntitySettings
        self.capabilities = real.capabilities
        self.ledger = cast("Ledger", _Faulty(real.ledger, self, "ledger.", None))
        self._collections: dict[str, Collection] = {}

    def collection(self, entity: Entity) -> Collection:
        """Return the collection of *entity*, with the faults before it."""
        real = self.real.collection(entity)
        made = cast("Collection", _Faulty(real, self, "", entity.name))
        return self._collections.setdefault(entity.name, made)

    def __getattr__(self, name: str) -> Any:
        """Pass on what is no verb of a collection: ``transaction``, ``prepare``, ``close``."""
        return _passing(getattr(self.real, name), self, name, None)

    def struck(self, verb: str, entity: str | None, *, after: bool) -> BaseException | None:
        """Return the error that this call is to raise, if any; counted before the call only."""
        with self._lock:
            if not after:
                self.calls[verb] += 1
                self._of_entity[verb, entity] += 1
            for fault in self.faults:
                calls = self.calls[verb] if fault.entity is None else self._of_entity[verb, entity]
                if fault.after is after and fault.strikes(verb, entity, calls):
                    return fault.error
        return None


class _Faulty:
    """A collection or a ledger whose methods ask for faults first."""

    def __init__(self, real: Any, faults: FaultyAdapter, prefix: str, entity: str | None) -> None:
        self._real, self._faults, self._prefix, self._entity = real, faults, prefix, entity

    def __getattr__(self, name: str) -> Any:
        real, verb = getattr(self._real, name), self._prefix + name
        if name == "governed":
            return _Faulty(real, self._faults, f"{verb}.", self._entity)
        return _passing(real, self._faults, verb, self._entity)


def _passing(real: Any, faults: FaultyAdapter, verb: str, entity: str | None) -> Any:
    if not callable(real):
        return real

    def call(*given: Any, **named: Any) -> Any:
        _raise(faults.struck(verb, entity, after=False))
        answer = cast("Callable[..., Any]", real)(*given, **named)
        _raise(faults.struck(verb, entity, after=True))
        return answer

    return call


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error
