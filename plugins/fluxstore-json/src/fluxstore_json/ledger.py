"""The ledger beside JSON files: core's, and what the files themselves know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from fluxstore.adapter import Part
from fluxstore.ledger import SidecarLedger


class JsonLedger(SidecarLedger):
    """Parts come from the files where none are saved: at a source, always."""

    from_files: Callable[[str], Iterator[Part]]
    """Yields what the file of an entity has beside its records."""

    def parts(self, entity: str) -> Iterator[Part]:
        """Return what *entity*'s file has beside its records: saved, or read from the file."""
        saved = self.saved_parts(entity)
        first = next(saved, None)
        return self.from_files(entity) if first is None else chain([first], saved)

    def saved_parts(self, entity: str) -> Iterator[Part]:
        """Return the parts that a migration has saved; none at a source."""
        return iter(()) if self.read_only else super().parts(entity)
