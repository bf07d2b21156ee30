"""Bases for adapters that take no part in live migrations: they do not declare ``FENCING``.

::

    class MyCollection(Unfenced): ...
    class MyLedger(UnfencedLedger): ...

Everything else of the contract stays to be written; an offline copy needs no more than that.
"""

# ruff: noqa: ARG002 - the arguments are the contract's, there is nothing to do with them

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from fluxstore.adapter.contract import Reads
from fluxstore.adapter.facts import Backlog, Capability, Control, Crossed, Mark, Touch
from fluxstore.entity import Entity
from fluxstore.errors import UnsupportedError
from fluxstore.records import Key, Version, Versioned


class Unfenced:
    """What a ``Collection`` says of live migrations where there is no fence."""

    entity: Entity

    @property
    def governed(self) -> Reads:
        """Raise ``UnsupportedError``: nothing governs this backend."""
        _refuse("reads under control", self.entity.name)

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Raise ``UnsupportedError``: no version is kept that could be older."""
        _refuse("records with versions", self.entity.name)


class UnfencedLedger:
    """What a ``Ledger`` says of live migrations where there is no fence: nothing is kept."""

    def controls(self) -> Mapping[str, Control]:
        """Return nothing."""
        return {}

    def control(self, entity: str) -> Control | None:
        """Return ``None``."""
        return None

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Raise ``UnsupportedError``: no write would look at it."""
        _refuse("a phase", entity)

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return nothing."""
        return {}

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return nothing."""
        return ()

    def last_touch(self, entity: str) -> int:
        """Return 0."""
        return 0

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return nothing."""
        return {}

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return nothing."""
        return {}

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return nothing."""
        return ()

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return nothing."""
        return ()

    def backlog(self, entity: str) -> Backlog:
        """Return that nothing waits."""
        return Backlog(0)

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Return that nothing was cleared."""
        return 0

    def fact(self, name: str) -> Any:
        """Return ``None``."""
        return None

    def set_fact(self, name: str, value: Any) -> None:
        """Raise ``UnsupportedError``: it would be forgotten."""
        _refuse(f"the fact {name}", "")


def _refuse(what: str, entity: str) -> NoReturn:
    raise UnsupportedError(
        f"the adapter does not offer {what}: it declares no fencing",
        entity=entity,
        next_step="migrate offline (fluxstore migrate)",
        capability=Capability.FENCING.value,
    )
