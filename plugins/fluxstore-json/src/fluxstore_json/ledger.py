"""The ledger beside JSON files: core's, and what the files themselves know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from fluxstore.adapter import Control, Part
from fluxstore.errors import ConfigError
from fluxstore.ledger import SidecarLedger
from fluxstore.ledger.sidecar import is_migrating


class JsonLedger(SidecarLedger):
    """Parts come from the files where none are saved: at a source, always."""

    from_files: Callable[[str], Iterator[Part]]
    """Yields what the file of an entity has beside its records."""
    imports_edits = False
    """Whether files are taken as other programs leave them, which no migration would know of."""

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set under the exclusive fence; ``ConfigError`` where edits are imported."""
        if control is not None:
            self.refuse_import([control])
        return super().set_control(
            entity, expected, control, purge=purge, patience_seconds=patience_seconds
        )

    def refuse_import(self, controls: Iterable[Control]) -> None:
        """Raise ``ConfigError`` where a migration is under way and edits would be imported."""
        if self.imports_edits and any(is_migrating(control) for control in controls):
            raise ConfigError(
                'foreign_edits = "import" takes a file as another program left it, without'
                " versions, so a migration would not know of it",
                key="foreign_edits",
                next_step='set "report" for as long as the migration lasts',
            )

    def parts(self, entity: str) -> Iterator[Part]:
        """Return what *entity*'s file has beside its records: saved, or read from the file."""
        saved = self.saved_parts(entity)
        first = next(saved, None)
        return self.from_files(entity) if first is None else chain([first], saved)

    def saved_parts(self, entity: str) -> Iterator[Part]:
        """Return the parts that a migration has saved; none at a source."""
        return iter(()) if self.read_only else super().parts(entity)
